#include "proxy/session/transaction_tracker.h"

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

using router::AccessMode;

/// What is told now: "state|characteristics", "-" for what is not.
std::string told(TransactionTracker& tracker) {
  protocol::SessionChanges changes;
  tracker.tell(changes);
  EXPECT_FALSE(tracker.due());
  return std::string(changes.transaction_state.value_or("-")) + "|" +
         std::string(changes.transaction_characteristics.value_or("-"));
}

/// One that tells of everything, and has told how it begins.
TransactionTracker tracking() {
  TransactionTracker tracker;
  tracker.set_level("CHARACTERISTICS");
  EXPECT(told(tracker) == "________|");
  return tracker;
}

TEST_SUITE("session") {
  TEST_CASE("TransactionTracker: off it says nothing") {
    TransactionTracker tracker;
    tracker.begin(AccessMode::kReadOnly, true);
    tracker.on_state("T_R_____", true);
    tracker.on_rows();
    EXPECT_FALSE(tracker.due());
    EXPECT(told(tracker) == "-|-");
    tracker.set_level("STATE");
    EXPECT(told(tracker) == "________|-");
    tracker.on_state("T_R_____", true);  // of a transaction that it does not know
    EXPECT(told(tracker) == "-|-");
    tracker.set_level("OFF");
    tracker.begin(AccessMode::kUnset, false);
    EXPECT(told(tracker) == "-|-");
  }

  TEST_CASE("TransactionTracker: a transaction from its beginning to its end") {
    TransactionTracker tracker = tracking();
    tracker.begin(AccessMode::kUnset, false);
    EXPECT(told(tracker) == "T_______|START TRANSACTION;");
    tracker.on_rows();
    EXPECT(told(tracker) == "T_____S_|-");
    tracker.on_rows();
    EXPECT_FALSE(tracker.due());
    tracker.on_state("T_R_W___", true);
    EXPECT(told(tracker) == "T_R_W_S_|-");
    EXPECT_FALSE(tracker.due());
    tracker.end();
    EXPECT(told(tracker) == "________|");
    tracker.end();
    EXPECT_FALSE(tracker.due());
  }

  TEST_CASE("TransactionTracker: autocommit=0 begins one with the first table") {
    TransactionTracker tracker = tracking();
    tracker.on_state("T_______", false);
    EXPECT_FALSE(tracker.due());
    tracker.on_state("T_R_____", false);
    tracker.on_rows();
    EXPECT(told(tracker) == "I_R___S_|-");
    tracker.end();
    EXPECT(told(tracker) == "________|-");
  }

  TEST_CASE("TransactionTracker: how a transaction could be begun anew") {
    TransactionTracker tracker = tracking();
    tracker.on_next("SET TRANSACTION ISOLATION LEVEL READ COMMITTED;");
    EXPECT(told(tracker) == "-|SET TRANSACTION ISOLATION LEVEL READ COMMITTED;");
    tracker.on_next("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET TRANSACTION READ ONLY;");
    EXPECT(told(tracker) ==
           "-|SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET TRANSACTION READ ONLY;");
    tracker.begin(AccessMode::kUnset, true);
    EXPECT(told(tracker) ==
           "T_R_____|SET TRANSACTION ISOLATION LEVEL READ COMMITTED; "
           "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;");
    tracker.end();
    tracker.begin(AccessMode::kReadWrite, false);
    EXPECT(told(tracker) ==
           "T_______|SET TRANSACTION ISOLATION LEVEL READ COMMITTED; "
           "START TRANSACTION READ WRITE;");
    tracker.end();
    tracker.use_up_next();
    EXPECT(told(tracker) == "________|");
    tracker.set_next(AccessMode::kReadOnly, router::IsolationLevel::kUnset);
    tracker.set_next(AccessMode::kUnset, router::IsolationLevel::kSerializable);
    EXPECT(told(tracker) ==
           "-|SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET TRANSACTION READ ONLY;");
    tracker.set_next(AccessMode::kReadOnly, router::IsolationLevel::kSerializable);
    EXPECT_FALSE(tracker.due());
    tracker.unset_next(AccessMode::kReadWrite, router::IsolationLevel::kUnset);
    EXPECT(told(tracker) == "-|SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;");
    tracker.unset_next(AccessMode::kUnset, router::IsolationLevel::kReadCommitted);
    EXPECT(told(tracker) == "-|");
    tracker.begin(AccessMode::kUnset, true);
    EXPECT(told(tracker) == "T_R_____|START TRANSACTION WITH CONSISTENT SNAPSHOT;");
    tracker.on_state("T_______", true);  // that of the branch in which the snapshot will be taken
    EXPECT_FALSE(tracker.due());
  }

  TEST_CASE("TransactionTracker: what is not told yet is told later, what came and went is not") {
    TransactionTracker tracker = tracking();
    tracker.begin(AccessMode::kUnset, false);
    tracker.on_rows();
    tracker.end();
    EXPECT(told(tracker) == "-|");
    tracker.begin(AccessMode::kUnset, false);
    tracker.reset();
    EXPECT_FALSE(tracker.due());
  }

  TEST_CASE("TransactionTracker: what a packet has no room for is told with the next change") {
    TransactionTracker tracker = tracking();
    tracker.begin(AccessMode::kUnset, false);
    EXPECT(told(tracker) == "T_______|START TRANSACTION;");
    tracker.on_rows();
    tracker.on_untold();  // an EOF packet of the old form
    EXPECT_FALSE(tracker.due());
    EXPECT(told(tracker) == "-|-");
    tracker.on_state("T___W___", true);
    EXPECT(told(tracker) == "T___W_S_|-");
    tracker.end();
    tracker.on_untold();  // 1213
    EXPECT(told(tracker) == "-|-");
    tracker.begin(AccessMode::kUnset, false);
    EXPECT(told(tracker) == "T_______|START TRANSACTION;");
  }
}

}  // namespace
}  // namespace consort::proxy
