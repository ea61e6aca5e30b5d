// Accounts whose host is a name, where servers forget them.
#include <string>

#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/prepare_script.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

constexpr const char* kNamed[] = {"CREATE USER a@web1",
                                  "GRANT r TO u, 'a'@'web1'",
                                  "GRANT SELECT ON *.* TO u, a@web1 IDENTIFIED BY 'x'",
                                  "ALTER USER a@web1 ACCOUNT LOCK",
                                  "RENAME USER a@web1 TO b",
                                  "SET PASSWORD FOR a@web1 = 'x'",
                                  "SET DEFAULT ROLE r FOR a@web1",
                                  "REVOKE ALL PRIVILEGES, GRANT OPTION FROM a@web1",
                                  "CREATE ROLE r WITH ADMIN a@web1"};

TEST_SUITE("session") {
  TEST_CASE("SessionCore: no statement names an account that a server forgets") {
    for (const char* sql : kNamed) {
      SessionScript script;
      script.skips_names = true;
      CAPTURE(sql);
      script.query(sql);
      EXPECT(script.answer() == "ERR 1235");
      script.command(protocol::Command::kStmtPrepare, as_bytes(std::string_view(sql)));
      EXPECT(script.answer() == "ERR 1235");
      script.query("BEGIN");
      script.answer();
      script.query(sql);
      EXPECT(script.answer() == "ERR 1235");
      EXPECT(script.posted.empty());
      EXPECT(script.sent(Channel::kHome).empty());
    }
  }

  TEST_CASE("SessionCore: but where none does, and others, and to be rid of it") {
    for (const char* sql : kNamed) {
      SessionScript script;
      CAPTURE(sql);
      script.query(sql);
      EXPECT(script.posted_back<DdlRequest>().sql == sql);
    }
    for (const char* sql : {"CREATE USER a@localhost", "GRANT r TO a@'10.%'", "DROP USER a@web1",
                            "CREATE DEFINER=a@web1 VIEW v AS SELECT 1"}) {
      SessionScript script;
      script.skips_names = true;
      CAPTURE(sql);
      script.query(sql);
      EXPECT(script.posted_back<DdlRequest>().sql == sql);
    }
  }

  TEST_CASE("SessionCore: a statement that was prepared before a server forgets") {
    SessionScript script;
    prepare_at_home(script, "CREATE USER a@web1", 7);
    script.answer();
    script.skips_names = true;
    execute(script, 1);
    EXPECT(script.answer() == "ERR 1235");
    EXPECT(script.posted.empty());
  }

  TEST_CASE("SessionCore: a program that names such an account is left to a branch") {
    for (const char* sql : {"CALL p()", "BEGIN NOT ATOMIC CREATE USER a@web1; END"}) {
      for (const bool forgotten : {true, false}) {
        SessionScript script;
        script.skips_names = forgotten;
        script.call_verdict = CallVerdict::kAlone;
        script.call_names_host = true;
        CAPTURE(sql);
        CAPTURE(forgotten);
        script.query(sql);
        EXPECT(script.posted.empty() == forgotten);
        EXPECT(script.sent(Channel::kHome).empty() != forgotten);
      }
    }
  }

  TEST_CASE("SessionCore: and one that is told to by the text of its CALL") {
    for (const bool forgotten : {true, false}) {
      SessionScript script;
      script.skips_names = forgotten;
      script.call_verdict = CallVerdict::kByText;
      script.query("CALL p('CREATE USER a@web1')");
      CAPTURE(forgotten);
      EXPECT(script.posted.empty() == forgotten);
    }
  }
}

}  // namespace
}  // namespace consort::proxy
