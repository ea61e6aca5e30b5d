// What a session does when those it waits for are overloaded or away.
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a branch that an overloaded commit thread refuses is given up") {
    SessionScript script;
    script.commit_mailbox_full = true;
    script.query("UPDATE t SET v=1");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    EXPECT(script.answer() == "ERR 1213");
    REQUIRE(script.posted.size() == 1);  // else its locks stay until somebody looks
    EXPECT(script.posted_back<BranchAbandoned>().branch == BranchId{1, 0, 1});
    EXPECT(script.posted_back<BranchAbandoned>().owner_thread == 0);
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: DDL that no backend can execute is not waited for without end") {
    SessionScript script;
    script.query("ALTER TABLE t ADD c INT");
    REQUIRE(script.core.phase() == SessionPhase::kOrdering);
    const auto look = [&script](int times) {
      for (int i = 0; i < times && !script.closed; ++i) {
        const int asked = script.retries;
        script.core.on_retry_due();
        REQUIRE((script.closed || script.retries > asked));
      }
    };
    look(100);  // a long queue in front of it is no reason
    script.online = false;
    look(29);
    script.online = true;
    look(1);
    script.online = false;
    look(29);
    EXPECT_FALSE(script.closed);
    EXPECT(script.answer().empty());
    look(1);
    EXPECT(script.closed);
    EXPECT(script.answer() == "ERR 1105");
    // Its turn comes after all: nobody executes it.
    script.core.on_ddl_turn({{0, 1, 1}, Seqno{5}, BackendId{0}});
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kNotExecuted);
  }

  TEST_CASE("SessionCore: the look after DDL does not disturb what comes later") {
    SessionScript script;
    script.query("ALTER TABLE t ADD c INT");
    script.core.on_ddl_turn({{0, 1, 1}, Seqno{5}, BackendId{0}});
    script.backend_rows(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.core.on_ddl_outcome({{0, 1, 1}, Seqno{5}});
    REQUIRE(script.core.idle());
    script.core.on_retry_due();
    EXPECT(script.core.idle());
    script.online = false;
    script.query("SELECT 1 FROM t");
    REQUIRE(script.core.phase() == SessionPhase::kAwaitingBackend);
    script.online = true;
    script.core.on_retry_due();
    EXPECT(script.sent(Channel::kRead).size() == 1);
  }

  TEST_CASE("SessionCore: SHOW WARNINGS shows nothing that is not the session's") {
    constexpr const char* kClear = "SELECT 1 FROM (SELECT 1) AS t LIMIT 0";
    SessionScript script;
    script.query("SHOW WARNINGS");
    EXPECT((script.sent(Channel::kHome) == std::vector<std::string>{kClear, "SHOW WARNINGS"}));
    script.backend_rows(Channel::kHome);
    EXPECT(script.answer().empty());
    script.backend_rows(Channel::kHome);
    EXPECT(script.answer() == "data | data | data | EOF");
    const auto shows = [&script](bool cleared) {
      script.sent(Channel::kHome);
      script.query("SHOW WARNINGS");
      const bool was_cleared = script.sent(Channel::kHome).size() == 2;
      if (was_cleared) {
        script.backend_rows(Channel::kHome);
      }
      script.backend_rows(Channel::kHome);
      return was_cleared == cleared;
    };
    EXPECT(shows(false));
    // Of a write that has warnings they are shown, behind a guard or not.
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    protocol::OkPacket ok;
    ok.warnings = 1;
    script.backend_ok(Channel::kHome, ok);
    EXPECT(shows(false));
    script.query("ROLLBACK");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.query("BEGIN");
    script.query("SAVEPOINT a");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(shows(true));  // the guard's 1399
    script.query("UPDATE no_such SET v=1");
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1146);
    EXPECT(shows(false));
    script.query("ROLLBACK");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    // Elsewhere. One server would have kept the warnings until a table was named.
    script.query("SELECT 1");
    script.backend_rows(Channel::kRead);
    EXPECT(shows(false));
    script.query("SELECT 1 FROM t");
    script.backend_rows(Channel::kRead);
    EXPECT(shows(true));
  }
}

}  // namespace
}  // namespace consort::proxy
