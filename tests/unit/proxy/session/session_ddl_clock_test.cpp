// What DDL means must not depend on who executes it: the time, the definer. What DDL about events
// is about.
#include "certifier/ddl_fence.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

/// The client's SET of its clock; the server reports `shown`.
void set_clock(SessionScript& script, std::string_view sql, std::string shown) {
  script.query(sql);
  protocol::OkPacket ok;
  ok.changes.system_variables.emplace_back("timestamp", std::move(shown));
  script.backend_ok(Channel::kHome, ok);
  script.sent(Channel::kHome);
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a client that has stopped its clock keeps it so in its DDL") {
    SessionScript script;
    set_clock(script, "SET timestamp = 5", "5.000000");
    const DdlRequest request = give_turn(script, "CREATE TABLE x (a INT)");
    EXPECT(request.session_set.ends_with(", SESSION timestamp=5.000000"));
    EXPECT(script.sent(Channel::kHome) == Texts{certifier::ddl_turn_fence_sql(Seqno{11})});
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.sent(Channel::kHome) == Texts{std::string(certifier::kDdlReleaseSql)});
  }

  TEST_CASE("SessionCore: what the clock shows when it runs again is no setting") {
    for (const std::string_view sql : {"SET timestamp = DEFAULT", "SET @@timestamp=0, @x=1",
                                       "SET SESSION TIMESTAMP = default"}) {
      SessionScript script;
      set_clock(script, "SET timestamp = 5", "5.000000");
      EXPECT(script.core.state().variable("timestamp") == "5.000000");
      set_clock(script, sql, "1795785116.072889");
      EXPECT_FALSE(script.core.state().has_variables());
      (void)give_turn(script, "CREATE TABLE x (a INT)");
      EXPECT(script.sent(Channel::kHome) == Texts{turn_fence(Seqno{11})});
    }
  }

  TEST_CASE("SessionCore: nobody gets a connection on which time stands still") {
    SessionScript script;
    const DdlRequest request = give_turn(script, "CREATE TABLE x (a INT)");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.releases.empty());
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.releases == std::vector<bool>{false});
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kSucceeded);  // the last word
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: DDL about events stands in no transaction's way") {
    for (const std::string_view sql :
         {"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t",
          "ALTER EVENT a.e RENAME TO b.e", "DROP EVENT IF EXISTS e",
          "/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`b`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY "
          "DO SELECT 1 */"}) {
      CAPTURE(sql);
      SessionScript script;
      script.query(sql);
      const auto request = script.posted_back<DdlRequest>();
      REQUIRE(request.targets.size() == 1);
      EXPECT(request.targets[0].schema == "consort");
      EXPECT(request.targets[0].table == "events");
      EXPECT(request.schema == "d");
    }
  }

  TEST_CASE(
      "SessionCore: that the home's event scheduler is off concerns nobody while events run") {
    for (const bool on : {true, false}) {
      for (const std::uint16_t count : {1, 2}) {
        CAPTURE(on);
        CAPTURE(count);
        SessionScript script;
        script.events_on = on;
        const DdlRequest request =
            give_turn(script, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t");
        protocol::OkPacket ok;
        ok.warnings = count;
        script.backend_ok(Channel::kHome);
        script.backend_ok(Channel::kHome, ok);
        script.core.on_ddl_outcome({request.session, Seqno{11}});
        const Bytes end = Bytes(script.to_client).last(2);
        EXPECT(end[0] == (on && count == 1 ? 0 : count));
        EXPECT(end[1] == 0);
      }
    }
  }

  TEST_CASE("SessionCore: a definer that lanes cannot name is refused") {
    SessionScript script;
    script.query("CREATE DEFINER=CURRENT_ROLE PROCEDURE p() SELECT 1");
    EXPECT(script.answer() == "ERR 1235");
    EXPECT(script.core.idle());
    script.query("CREATE TABLE x (a INT COMMENT 'DEFINER=CURRENT_ROLE')");
    EXPECT(script.answer().empty());
  }
}

}  // namespace
}  // namespace consort::proxy
