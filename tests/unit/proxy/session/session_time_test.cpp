// Transactions that last longer than allowed, statements that may be interrupted for their time.
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

void begin_and_write(SessionScript& script) {
  script.query("BEGIN");
  script.query("UPDATE t SET v=1");
  script.backend_ok(Channel::kHome);  // XA START
  script.backend_ok(Channel::kHome);
  script.sent(Channel::kHome);
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a transaction that lasts too long is rolled back between statements") {
    SessionScript script;
    EXPECT_FALSE(script.core.transaction_since());
    begin_and_write(script);
    REQUIRE(script.core.transaction_since());
    script.core.on_transaction_too_long();
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    EXPECT_FALSE(script.core.transaction_since());
    script.core.on_transaction_too_long();  // once is enough
    EXPECT(script.sent(Channel::kHome).empty());
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.query("UPDATE t SET v=2");
    EXPECT(script.answer() == "ERR 1613");
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT_FALSE(script.core.in_transaction());
    EXPECT(script.metrics().transactions_timed_out.value() == 1);
  }

  TEST_CASE("SessionCore: after that ROLLBACK finds what it wants, COMMIT does not") {
    for (const bool commits : {false, true}) {
      SessionScript script;
      begin_and_write(script);
      script.core.on_transaction_too_long();
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.query(commits ? "COMMIT" : "ROLLBACK");
      EXPECT(script.answer() == (commits ? "ERR 1613" : "OK"));
      // The next transaction's end is its own.
      begin_and_write(script);
      script.core.on_abort_branch();
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.query("COMMIT");
      EXPECT(script.answer() == "ERR 1213");
    }
  }

  TEST_CASE("SessionCore: a statement is interrupted when its transaction lasts too long") {
    SessionScript script;
    begin_and_write(script);
    script.query("UPDATE t SET v=2");
    script.sent(Channel::kHome);
    script.core.on_transaction_too_long();
    EXPECT(script.killed == 100);
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1613");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    EXPECT_FALSE(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: a read-only transaction that lasts too long") {
    for (const bool amid_statement : {false, true}) {
      SessionScript script;
      script.query("START TRANSACTION READ ONLY");
      script.query("SELECT 1 FROM t");
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      if (amid_statement) {
        script.query("SELECT 2 FROM t");
      }
      script.sent(Channel::kHome);
      script.core.on_transaction_too_long();
      if (amid_statement) {
        EXPECT(script.killed == 100);
        script.backend_error(Channel::kHome, 1317);
        EXPECT(script.answer() == "ERR 1613");
      }
      EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.query("SELECT 3 FROM t");
      EXPECT(script.answer() == (amid_statement ? "" : "ERR 1613"));
      EXPECT_FALSE(script.core.in_transaction());
    }
  }

  TEST_CASE("SessionCore: a commit under way is not interrupted for its transaction's time") {
    SessionScript script;
    begin_and_write(script);
    script.query("COMMIT");
    script.sent(Channel::kHome);
    script.core.on_transaction_too_long();
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT(script.killed == 0);
  }

  TEST_CASE("SessionCore: an autocommit write is no transaction") {
    SessionScript script;
    script.query("UPDATE t SET v=1");
    EXPECT_FALSE(script.core.transaction_since());
  }

  TEST_CASE("SessionCore: where statements time out, a branch begins in a command of its own") {
    SessionCore::Options options{0xC1, 3, 16, {}};
    options.statements_time_out = true;
    SessionScript script(options);
    script.query("UPDATE t SET v=1");
    EXPECT(script.sent(Channel::kHome) == Texts{"XA START"});
  }
}

}  // namespace
}  // namespace consort::proxy
