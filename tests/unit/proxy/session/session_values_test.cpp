// What a server's own connection would say otherwise: ROW_COUNT(), @@in_transaction.
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

/// An autocommit write of three rows, committed.
void write_three_rows(SessionScript& script) {
  script.query("UPDATE t SET v=1");
  script.backend_ok(Channel::kHome);
  protocol::OkPacket changed;
  changed.affected_rows = 3;
  script.backend_ok(Channel::kHome, changed);
  script.backend_ok(Channel::kHome);
  script.backend_ok_gtid();
  script.outcome(BranchVerdict::kCommitted, 10);
  REQUIRE(script.answer() == "OK 3");
  script.sent(Channel::kHome);
}

/// The home tells of its statement: character_set_<of>, and its collation perhaps.
void tell_character_set(SessionScript& script, const std::string& of, bool tells_both) {
  const std::string character_set = "character_set_" + of;
  const std::string collation = "collation_" + of;
  script.sent(Channel::kHome);
  if (tells_both) {
    script.home_tells({{character_set, "latin1"}, {collation, "latin1_bin"}});
  } else {
    script.home_tells({{character_set, "latin1"}});
  }
  EXPECT(script.answer() == "OK");
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: ROW_COUNT() among others is the client's statement's, not our XA END's") {
    SessionScript script;
    write_three_rows(script);
    script.query("SELECT LAST_INSERT_ID(), ROW_COUNT()");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SELECT LAST_INSERT_ID(), IFNULL(3,ROW_COUNT()) AS `ROW_COUNT()`"}));
    SessionScript assigns;
    write_three_rows(assigns);
    assigns.query("SET @n = ROW_COUNT()");
    EXPECT((assigns.sent(Channel::kHome) == Texts{"SET @n = IFNULL(3,ROW_COUNT())"}));
  }

  TEST_CASE("SessionCore: the server is asked for collation_server when it has not told") {
    const auto set_character_set = [](SessionScript& script, bool tells_both) {
      script.query("SET character_set_server=latin1, collation_server=latin1_bin");
      tell_character_set(script, "server", tells_both);
    };
    const auto ddl_settings = [](SessionScript& script) {
      script.query("CREATE DATABASE x");
      return script.posted_back<DdlRequest>().session_set;
    };
    SessionScript told;
    set_character_set(told, true);
    EXPECT(told.sent(Channel::kHome).empty());
    const std::string settings = ddl_settings(told);
    EXPECT(settings.find("SESSION collation_server=") != settings.npos);

    SessionScript untold;
    set_character_set(untold, false);
    EXPECT(untold.sent(Channel::kHome) ==
           Texts{"SELECT @@collation_server, @@collation_connection"});
    EXPECT_FALSE(untold.core.idle());
    untold.backend_row(Channel::kHome, {"latin1_bin", "utf8mb4_bin"});
    EXPECT(untold.core.idle());
    untold.query("SELECT ROW_COUNT()");
    EXPECT(untold.sent(Channel::kHome).empty());
    EXPECT(ddl_settings(untold) == settings);

    SessionScript wide;  // character_set_results=utf16, say
    set_character_set(wide, false);
    wide.backend_row(Channel::kHome, {std::string("\0l\0a", 4), std::string("\0u", 2)});
    EXPECT(wide.core.pins().has(router::PinReason::kUnknownState));
    EXPECT(wide.core.idle());
  }

  TEST_CASE("SessionCore: the server is asked for collation_connection when it has not told") {
    for (const std::string_view sql :
         {"SET collation_connection=latin1_bin", "SET NAMES utf8mb3, @@collation_connection='x'",
          "SET CHARACTER SET latin1"}) {
      CAPTURE(sql);
      SessionScript script;
      script.query(sql);
      tell_character_set(script, "connection", false);
      EXPECT(script.sent(Channel::kHome) ==
             Texts{"SELECT @@collation_server, @@collation_connection"});
      script.backend_row(Channel::kHome, {"utf8mb4_general_ci", "latin1_bin"});
      EXPECT(script.core.idle());
      EXPECT(script.core.state().variable("collation_connection") == "latin1_bin");
      EXPECT_FALSE(script.core.state().variable("character_set_connection"));
      EXPECT_FALSE(script.core.state().variable("collation_server"));
      EXPECT(script.core.pins().empty());
      script.query(sql);
      tell_character_set(script, "connection", true);
      EXPECT(script.core.idle());
    }
    SessionScript named;
    named.query("SET NAMES latin1");
    tell_character_set(named, "connection", false);
    EXPECT(named.core.idle());
    EXPECT(named.core.state().variable("character_set_connection") == "latin1");
  }

  TEST_CASE("SessionCore: before DDL the home is asked for a collation that it may have chosen") {
    constexpr std::string_view kAsk = "SELECT CAST(@@collation_connection AS BINARY)";
    SessionScript script;
    script.collations_mapped = true;
    script.query("CREATE VIEW v AS SELECT 'a'");
    EXPECT(script.posted.empty());
    EXPECT(script.sent(Channel::kHome) == Texts{std::string(kAsk)});
    script.backend_row(Channel::kHome, {"utf8mb4_uca1400_ai_ci"});
    const auto request = script.posted_back<DdlRequest>();
    EXPECT(request.session_set.find(", SESSION collation_connection=" +
                                    sql_text_literal("utf8mb4_uca1400_ai_ci")) !=
           std::string::npos);
    EXPECT_FALSE(script.core.state().has_variables());

    SessionScript expired;
    expired.collations_mapped = true;
    expired.query("SET PASSWORD = PASSWORD('new')");
    expired.backend_error(Channel::kHome, 1820);
    EXPECT(expired.posted.size() == 1);

    SessionScript killed;
    killed.collations_mapped = true;
    killed.query("CREATE VIEW v AS SELECT 'a'");
    killed.backend_error(Channel::kHome, 1317);
    EXPECT(killed.answer() == "ERR 1317");
    EXPECT(killed.posted.empty());
    EXPECT(killed.core.idle());

    SessionScript said;
    said.collations_mapped = true;
    said.query("SET NAMES utf8mb4 COLLATE utf8mb4_bin");
    said.home_tells({{"character_set_connection", "utf8mb4"}});
    said.sent(Channel::kHome);
    said.query("CREATE VIEW v AS SELECT 'a'");
    EXPECT(said.sent(Channel::kHome).empty());
    EXPECT(said.posted.size() == 1);
  }

  TEST_CASE("SessionCore: ROW_COUNT() inside a branch is the server's") {
    SessionScript script;
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.query("SELECT 1, ROW_COUNT()");
    EXPECT((script.sent(Channel::kHome) == Texts{"SELECT 1, ROW_COUNT()"}));
  }

  TEST_CASE("SessionCore: who asks for @@in_transaction after BEGIN is in one") {
    SessionScript script;
    script.query("SELECT @@in_transaction");
    EXPECT((script.sent(Channel::kHome) == Texts{"SELECT @@in_transaction"}));
    script.backend_rows(Channel::kHome);
    script.query("BEGIN");
    script.query("SELECT @@in_transaction");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", "SELECT @@in_transaction"}));
  }

  TEST_CASE("SessionCore: COM_STATISTICS is a server's text") {
    SessionScript script;
    script.command(protocol::Command::kStatistics, {});
    EXPECT(script.sent(Channel::kHome).size() == 1);
    EXPECT_FALSE(script.core.idle());
  }
}

}  // namespace
}  // namespace consort::proxy
