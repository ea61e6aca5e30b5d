// plan_recovery: what to do with the prepared branches found on a backend, and where its lane
// starts. The rule is exact because the position moves before the XA COMMITs of a run and redo logs
// are prefixes: own seqno <= position: listed => commit now, else it is committed; own seqno >
// position: it never committed: listed => held, commit in its turn, else apply it from the log.
// Threads: none; pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/branch_name.h"
#include "base/ids.h"
#include "base/result.h"
#include "certifier/lane_sql.h"

namespace consort::certifier {

/// What the proxy knows of a branch that a backend lists.
struct BranchFate {
  enum class Kind : std::uint8_t {
    kUnknown,  ///< neither logged nor awaited: an unfinished or refused transaction
    kPending,  ///< of this run, prepared, its verdict is still to come: leave it alone
    kLogged,   ///< certified: `seqno`, `home` and `replayed` are set
  };
  Kind kind = Kind::kUnknown;
  Seqno seqno;
  BackendId home;
  bool replayed = false;  ///< a Replay entry says that its branch goes
};

/// An entry of the log whose home is the backend in question.
struct OwnEntry {
  Seqno seqno;
  BranchId branch;
};

struct RecoveryInput {
  BackendId backend;
  std::string cluster_id;     ///< of our log
  std::uint32_t cluster = 0;  ///< as spelled in branch names
  LaneOwner owner;            ///< ours, already claimed
  BackendPosition position;   ///< read after the claim
  Seqno log_first;            ///< the oldest seqno the log still has; head+1 when it has none
  Seqno head;                 ///< the newest certified seqno when XA RECOVER was sent
  std::vector<ParsedBranch> listed;  ///< by XA RECOVER, with our format id
  std::function<BranchFate(const BranchId&)> fate_of;
  std::vector<OwnEntry>
      own_after_position;  ///< writesets of this home with a branch, (position, head]
};

/// Why a backend cannot be driven from our log.
enum class RecoveryError : int {
  kLogLost = 1,     ///< it has applied more than the log holds: the log is not the one it followed
  kForeignCluster,  ///< its position belongs to another cluster's log
  kFenced,          ///< another owner drives it
  kTooFarBehind,    ///< the log no longer has the entries it lacks: it needs a copy
};

struct RecoveryPlan {
  std::vector<BranchId> commit_now;  ///< XA COMMIT before the lane starts; 1397 means: list again
  std::vector<BranchId> roll_back;   ///< XA ROLLBACK, after `withdraw`; 1397 means: list again
  std::vector<BranchId> held;        ///< for ApplyLane::on_connected(): committed in their turn
  std::vector<Seqno> withdraw;       ///< exemptions to withdraw, first of all
};

/// Errors: RecoveryError.
[[nodiscard]] Result<RecoveryPlan> plan_recovery(const RecoveryInput& input);

}  // namespace consort::certifier
