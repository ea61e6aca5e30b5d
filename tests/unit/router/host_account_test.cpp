#include "router/host_account.h"

#include "router/statement.h"
#include "tests/support/test.h"

namespace consort::router {
namespace {

std::string found(std::string_view sql, const LexerOptions& options = {}) {
  EXPECT(changes_accounts(classify(sql, options).kind));
  return account_by_host_name(sql, options).value_or("");
}

TEST_SUITE("router") {
  TEST_CASE("is_host_name: what a server with skip_name_resolve forgets") {  // measured
    for (const char* host : {"web1", "a", "127.0.0.1a", "10-1", "1.2.3.4 ", "web1.example.com",
                             "\\", "localhost.", "localhos",
                             "w\xc3\xa9"
                             "b"}) {
      CAPTURE(host);
      EXPECT(is_host_name(host));
    }
    for (const char* host :
         {"", "%", "localhost", "LocalHost", "127.0.0.1", "::1", "fe80::%", "%.example.com", "%.%",
          "10.0.0.0/255.0.0.0", "10._", "192.168.%", "web\\_1"}) {
      CAPTURE(host);
      EXPECT_FALSE(is_host_name(host));
    }
  }

  TEST_CASE("account_by_host_name: wherever the statement names it") {
    struct Row {
      std::string_view sql;
      std::string_view account;
    };

    const Row table[] = {
        {"CREATE USER a@web1", "a@web1"},
        {"create user if not exists 'a'@'web1' identified by 'x@y'", "'a'@'web1'"},
        {"CREATE OR REPLACE USER a, b@localhost, `c`@`web1` REQUIRE SSL", "`c`@`web1`"},
        {"CREATE USER u@'%' IDENTIFIED VIA ed25519 USING 'x' OR unix_socket, \"a\"@\"web1\"",
         "\"a\"@\"web1\""},
        {"CREATE USER a @web1", "a@web1"},
        {"CREATE USER 'a' /* ' */ @'web1'", "'a'@'web1'"},
        {"CREATE/**/USER/*!50000 a@web1 */", "a@web1"},
        {"CREATE USER 1a@web1", "1a@web1"},
        {"CREATE USER a@'w\\eb1'", "a@'w\\eb1'"},
        {"CREATE USER ''@web1", "''@web1"},
        {"ALTER USER IF EXISTS u, a@web1 ACCOUNT LOCK", "a@web1"},
        {"RENAME USER u TO v, v TO a@web1", "a@web1"},
        {"RENAME USER a@web1 TO u", "a@web1"},
        {"GRANT SELECT (a), INSERT ON d.* TO u@'%', a@web1 IDENTIFIED BY 'x' WITH GRANT OPTION",
         "a@web1"},
        {"GRANT ALL ON FUNCTION f TO a@web1", "a@web1"},
        {"GRANT r TO u, a@web1 WITH ADMIN OPTION", "a@web1"},
        {"GRANT PROXY ON a@web1 TO u", "a@web1"},
        {"GRANT PROXY ON u TO a@web1", "a@web1"},
        {"GRANT PROXY ON ''@'' TO u", ""},
        {"REVOKE ALL PRIVILEGES, GRANT OPTION FROM u, a@web1", "a@web1"},
        {"REVOKE ADMIN OPTION FOR r FROM a@web1", "a@web1"},
        {"REVOKE PROXY ON u FROM a@web1", "a@web1"},
        {"CREATE ROLE r WITH ADMIN a@web1", "a@web1"},
        {"SET PASSWORD FOR a@web1 = PASSWORD('x')", "a@web1"},
        {"SET PASSWORD FOR u = 'a@web1'", ""},
        {"SET DEFAULT ROLE r FOR a@web1", "a@web1"},
        {"SET DEFAULT ROLE NONE FOR u", ""},
        {"SET STATEMENT max_statement_time = @web FOR CREATE USER u", ""},
        {"SET STATEMENT max_statement_time = 1 FOR CREATE USER a@web1", "a@web1"},
        {"SET STATEMENT max_statement_time = 1 FOR DROP USER a@web1", "a@web1"},
        {"CREATE USER u@localhost, u@127.0.0.1, u@'::1', u@'%.b.c', u@'10.0.0.0/255.0.0.0'", ""},
        {"CREATE USER 'a@web1'", ""},
        {"CREATE USER u COMMENT 'a@web1'", ""},
        {"DROP USER a@web1", ""},
        {"/* x */ drop user IF EXISTS u, a@web1", ""},
        {"DROP ROLE r", ""},
        {"GRANT SELECT ON t TO CURRENT_USER()", ""},
    };
    for (const Row& row : table) {
      CAPTURE(row.sql);
      EXPECT(found(row.sql) == row.account);
    }
    LexerOptions ansi;
    ansi.ansi_quotes = true;
    EXPECT(found("CREATE USER \"a\"@\"web1\"", ansi) == "\"a\"@\"web1\"");
    LexerOptions plain;
    plain.no_backslash_escapes = true;
    EXPECT(found("CREATE USER 'a\\'@'web1'", plain) == "'a\\'@'web1'");
    EXPECT(account_by_host_name("SET @x = 1", {}).value_or("").empty());
  }

  // Nothing of them may be taken for SET of a variable, say, and be executed by a server.
  TEST_CASE("account_by_host_name: every statement that names accounts is known as such") {
    for (const char* sql :
         {"SET @y = 1, PASSWORD FOR a@web1 = ''", "SET sql_mode = '', DEFAULT ROLE r FOR a@web1",
          "SET PASSWORD FOR a@web1 = '', @x = 1"}) {
      CAPTURE(sql);
      const StatementKind kind = classify(sql, {}).kind;
      EXPECT((changes_accounts(kind) || kind == StatementKind::kUnknown));
    }
  }
}

}  // namespace
}  // namespace consort::router
