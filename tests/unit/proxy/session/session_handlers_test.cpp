// DDL that waits for a session which is in no branch: open handlers, plain READ ONLY transactions.
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

constexpr const char* kLetGo = "SET last_insert_id=@@last_insert_id";

void ddl_waits(SessionScript& script, int asks = 4) {
  for (int ask = 0; ask < asks; ++ask) {
    script.core.on_abort_table_users({{"d", "t"}});
  }
}

void open_handler(SessionScript& script) {
  script.query("HANDLER t OPEN");
  script.backend_ok(Channel::kHome);
  script.sent(Channel::kHome);
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: DDL that waits for its handlers gets them") {
    SessionScript script;
    open_handler(script);
    script.core.on_abort_table_users({{"d", "t"}});
    EXPECT(script.sent(Channel::kHome).empty());  // it has only begun
    ddl_waits(script);
    EXPECT(script.sent(Channel::kHome) == Texts{kLetGo});
    ddl_waits(script, 100);
    EXPECT(script.sent(Channel::kHome).empty());  // that one's answer is still to come
    // The client's next statement does not notice.
    script.query("HANDLER t READ NEXT");
    EXPECT(script.sent(Channel::kHome) == Texts{"HANDLER t READ NEXT"});
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer().empty());
    script.backend_rows(Channel::kHome);
    EXPECT(script.answer() == "data | data | data | EOF");
    ddl_waits(script);
    EXPECT(script.sent(Channel::kHome) == Texts{kLetGo});
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "data | data | data | EOF");
    EXPECT_FALSE(script.closed);
  }

  TEST_CASE("SessionCore: it gets them from who waits for it in turn") {
    SessionScript script;
    open_handler(script);
    script.query("UPDATE x SET v=1");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 20);
    script.sent(Channel::kHome);
    script.query("HANDLER t READ NEXT");
    REQUIRE(script.sent(Channel::kHome).empty());  // behind the DDL
    ddl_waits(script);
    EXPECT(script.sent(Channel::kHome) == Texts{kLetGo});
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer().empty());
    script.applied_seqno = Seqno{20};
    script.core.on_applied();
    EXPECT(script.sent(Channel::kHome) == Texts{"HANDLER t READ NEXT"});
  }

  TEST_CASE("SessionCore: ROW_COUNT() is the client's, whatever its handlers were asked") {
    SessionScript script;
    open_handler(script);
    script.query("SELECT 1 FROM x FOR UPDATE");
    for (int i = 0; i < 6 && !script.core.idle(); ++i) {
      script.backend_ok(Channel::kHome);
    }
    ddl_waits(script);
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.query("SELECT ROW_COUNT()");
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT_FALSE(script.answer().empty());
  }

  TEST_CASE("SessionCore: who has no handler is not asked, nor who is at work") {
    SessionScript script;
    script.query("SET @a = 1");
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    ddl_waits(script, 100);
    EXPECT(script.sent(Channel::kHome).empty());
    open_handler(script);
    script.query("HANDLER t READ FIRST");
    script.sent(Channel::kHome);
    ddl_waits(script, 100);
    EXPECT(script.sent(Channel::kHome).empty());
    script.backend_rows(Channel::kHome);
    script.query("HANDLER t CLOSE");
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    ddl_waits(script, 100);
    EXPECT(script.sent(Channel::kHome).empty());
  }

  TEST_CASE("SessionCore: DDL ends a plain READ ONLY transaction that uses its table") {
    SessionScript script;
    script.query("CREATE TEMPORARY TABLE x (id INT)");
    for (int i = 0; i < 6 && !script.core.idle(); ++i) {
      script.backend_ok(Channel::kHome);
    }
    script.query("START TRANSACTION READ ONLY");
    script.sent(Channel::kHome);
    script.query("SELECT 1 FROM t");
    const Texts sent = script.sent(Channel::kHome);
    REQUIRE_FALSE(sent.empty());
    REQUIRE(sent.front() == "START TRANSACTION READ ONLY");
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    script.core.on_abort_table_users({{"d", "t"}});
    EXPECT(script.sent(Channel::kHome) == Texts{"ROLLBACK AND NO CHAIN NO RELEASE"});
    script.backend_ok(Channel::kHome);
    script.query("SELECT 1 FROM t");
    EXPECT(script.answer() == "ERR 1213");
    EXPECT_FALSE(script.core.in_transaction());
  }
}

}  // namespace
}  // namespace consort::proxy
