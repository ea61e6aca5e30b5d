#include "certifier/recovery_plan.h"

#include <algorithm>
#include <set>

namespace consort::certifier {
namespace {

/// The backend may be driven from our log at all.
Status check_position(const RecoveryInput& input) {
  const BackendPosition& position = input.position;
  if (position.cluster_id == kDisownedCluster) {
    return make_error(RecoveryError::kForeignCluster,
                      "a certified branch was lost there: it differs from the others and needs a "
                      "copy");
  }
  if (position.cluster_id != input.cluster_id) {
    return make_error(RecoveryError::kForeignCluster, "its position belongs to the cluster " +
                                                          position.cluster_id + ", this log to " +
                                                          input.cluster_id);
  }
  if (position.owner != input.owner.value()) {
    return make_error(RecoveryError::kFenced, "another run of the proxy (" +
                                                  std::to_string(position.owner >> 32) +
                                                  ") moves its position");
  }
  if (position.seqno > input.head) {
    return make_error(RecoveryError::kLogLost,
                      "it has applied seqno " + std::to_string(position.seqno.value) +
                          ", the log ends at " + std::to_string(input.head.value) +
                          ": the log is not the one that it followed");
  }
  if (position.seqno.next() < input.log_first) {
    return make_error(RecoveryError::kTooFarBehind,
                      "it has applied seqno " + std::to_string(position.seqno.value) +
                          ", the log begins at " + std::to_string(input.log_first.value) +
                          ": it needs a copy");
  }
  return Ok{};
}

enum class BranchStep : std::uint8_t { kLeave, kCommit, kRollBack, kHold };

BranchStep step_for(const BranchFate& fate, BackendId backend, Seqno position) {
  if (fate.kind == BranchFate::Kind::kPending) {
    return BranchStep::kLeave;
  }
  if (fate.kind == BranchFate::Kind::kUnknown) {
    return BranchStep::kRollBack;
  }
  if (fate.seqno <= position) {
    // The position moved, the XA COMMIT behind it did not come to pass. True for a copy of another
    // home, too.
    return BranchStep::kCommit;
  }
  // Beyond the position only a branch of this very home commits by itself; one that came with a
  // copy of another home is in the way of its own payload.
  return fate.home == backend && !fate.replayed ? BranchStep::kHold : BranchStep::kRollBack;
}

}  // namespace

Result<RecoveryPlan> plan_recovery(const RecoveryInput& input) {
  const Status usable = check_position(input);
  if (!usable) {
    return usable.error();
  }
  RecoveryPlan plan;
  std::set<BranchId> held;
  for (const ParsedBranch& listed : input.listed) {
    if (listed.cluster != input.cluster) {
      continue;
    }
    const BranchFate fate = input.fate_of(listed.branch);
    switch (step_for(fate, input.backend, input.position.seqno)) {
      case BranchStep::kLeave:
        break;
      case BranchStep::kCommit:
        plan.commit_now.push_back(listed.branch);
        break;
      case BranchStep::kRollBack:
        plan.roll_back.push_back(listed.branch);
        break;
      case BranchStep::kHold:
        held.insert(listed.branch);
        break;
    }
  }
  for (const OwnEntry& own : input.own_after_position) {
    if (own.seqno > input.position.seqno && !held.contains(own.branch)) {
      plan.withdraw.push_back(own.seqno);
    }
  }
  plan.held.assign(held.begin(), held.end());
  return plan;
}

}  // namespace consort::certifier
