#include "certifier/recovery_plan.h"

#include <map>

#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::certifier;

constexpr std::uint32_t kOwnCluster = 0xC0;
constexpr BackendId kRecovered{1};
constexpr BackendId kOther{2};

BranchId branch(std::uint64_t counter) {
  return {5, 0, counter};
}

/// A backend at position 10, log 3..20, with `fates` for the branches it lists.
struct Backend {
  std::map<BranchId, BranchFate> fates;
  RecoveryInput input;

  Backend() {
    input.backend = kRecovered;
    input.cluster_id = "c0";
    input.cluster = kOwnCluster;
    input.owner = {6, 1};
    input.position = {"c0", input.owner.value(), Seqno{10}, Seqno{0}};
    input.log_first = Seqno{3};
    input.head = Seqno{20};
  }

  void lists(std::uint64_t counter, BranchFate fate) {
    fates[branch(counter)] = fate;
    input.listed.push_back({kOwnCluster, branch(counter)});
  }

  Result<RecoveryPlan> plan() {
    input.fate_of = [this](const BranchId& id) {
      const auto found = fates.find(id);
      return found == fates.end() ? BranchFate() : found->second;
    };
    return plan_recovery(input);
  }
};

BranchFate logged(std::uint64_t seqno, BackendId home, bool replayed = false) {
  return {BranchFate::Kind::kLogged, Seqno{seqno}, home, replayed};
}

}  // namespace

TEST_SUITE("certifier") {
  TEST_CASE("RecoveryPlan: what becomes of a listed branch") {
    enum class Step { kLeave, kCommit, kRollBack, kHold };

    struct Row {
      const char* what;
      BranchFate fate;
      Step expected;
    };

    const Row rows[] = {
        {"nobody knows it", {}, Step::kRollBack},
        {"its verdict is to come", {BranchFate::Kind::kPending, {}, {}, false}, Step::kLeave},
        {"own, before the position", logged(4, kRecovered), Step::kCommit},
        {"own, at the position", logged(10, kRecovered), Step::kCommit},
        {"own, at the position, replay came too late", logged(10, kRecovered, true), Step::kCommit},
        {"own, behind the position", logged(11, kRecovered), Step::kHold},
        {"own, behind the position, replayed", logged(11, kRecovered, true), Step::kRollBack},
        {"a copy of another home, before the position", logged(9, kOther), Step::kCommit},
        {"a copy of another home, behind the position", logged(11, kOther), Step::kRollBack},
    };
    for (const Row& row : rows) {
      CAPTURE(row.what);
      Backend backend;
      backend.lists(1, row.fate);
      const auto plan = backend.plan();
      REQUIRE(plan.ok());
      EXPECT((plan->commit_now.size() == 1) == (row.expected == Step::kCommit));
      EXPECT((plan->roll_back.size() == 1) == (row.expected == Step::kRollBack));
      EXPECT((plan->held.size() == 1) == (row.expected == Step::kHold));
      EXPECT(plan->withdraw.empty());
    }
  }

  TEST_CASE("RecoveryPlan: own entries whose branch is gone lose their exemption") {
    Backend backend;
    backend.lists(11, logged(11, kRecovered));
    backend.lists(13, logged(13, kRecovered, true));
    backend.input.own_after_position = {
        {Seqno{11}, branch(11)}, {Seqno{12}, branch(12)}, {Seqno{13}, branch(13)}};
    const auto plan = backend.plan();
    REQUIRE(plan.ok());
    EXPECT((plan->held == std::vector{branch(11)}));
    EXPECT((plan->roll_back == std::vector{branch(13)}));
    EXPECT((plan->withdraw == std::vector{Seqno{12}, Seqno{13}}));
  }

  TEST_CASE("RecoveryPlan: branches of other clusters are nobody's business") {
    Backend backend;
    backend.input.listed.push_back({kOwnCluster + 1, branch(1)});
    const auto plan = backend.plan();
    REQUIRE(plan.ok());
    EXPECT(plan->commit_now.empty());
    EXPECT(plan->roll_back.empty());
    EXPECT(plan->held.empty());
  }

  TEST_CASE("RecoveryPlan: refuses a backend that does not belong to this log") {
    const auto refusal = [](auto change) {
      Backend backend;
      change(backend.input);
      const auto plan = backend.plan();
      REQUIRE_FALSE(plan.ok());
      EXPECT_FALSE(plan.error().message.empty());
      return static_cast<RecoveryError>(plan.error().code);
    };
    EXPECT(refusal([](RecoveryInput& in) { in.position.seqno = Seqno{21}; }) ==
           RecoveryError::kLogLost);
    EXPECT(refusal([](RecoveryInput& in) { in.position.cluster_id = "c1"; }) ==
           RecoveryError::kForeignCluster);
    EXPECT(refusal([](RecoveryInput& in) {
             in.position.owner = LaneOwner{7, 1}.value();
           }) == RecoveryError::kFenced);
    EXPECT(
        refusal([](RecoveryInput& in) {
          in.position.owner = LaneOwner{5, 9}.value();  // a copy's row, put there after the claim
        }) == RecoveryError::kFenced);
    EXPECT(refusal([](RecoveryInput& in) { in.log_first = Seqno{12}; }) ==
           RecoveryError::kTooFarBehind);
  }

  TEST_CASE(
      "RecoveryPlan: a backend that lost a certified branch needs a copy, whatever it lists") {
    Backend backend;
    backend.input.position.cluster_id = kDisownedCluster;
    const auto plan = backend.plan();
    REQUIRE_FALSE(plan.ok());
    EXPECT(plan.error().message.find("needs a copy") != std::string::npos);
  }

  TEST_CASE("RecoveryPlan: the ends of the log fit exactly") {
    Backend at_head;
    at_head.input.position.seqno = Seqno{20};
    at_head.input.log_first = Seqno{21};  // everything was released
    EXPECT(at_head.plan().ok());
    Backend at_tail;
    at_tail.input.log_first = Seqno{11};
    EXPECT(at_tail.plan().ok());
  }
}
