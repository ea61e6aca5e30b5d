// BranchRollback: makes surely an end of one XA branch on a backend, step by step.
//
//   kill the owner ----- 1094: nobody there -----> XA ROLLBACK -- OK, 1402 --> rolled back
//     |      ^                                        |     ^
//     '------' still there: again after a while       | 1397: look into XA RECOVER
//                                                     |     |
//                                                     |     '-- listed: still attached: again
//                                                     '-------- not listed --> not there
//
// Threads: none; the controller's.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "healthcheck/server_link.h"
#include "proxy/backend_controller.h"

namespace consort::proxy {

class BranchRollback {
 public:
  /// `cluster` as in branch names. After `give_up` a branch that is still there is an error.
  BranchRollback(std::uint32_t cluster, const RollBackBranch& what, TimePoint give_up)
      : cluster_(cluster), what_(what), give_up_(give_up), owner_gone_(what.owner_thread == 0) {}

  /// A result, or the time after which to step again.
  struct Step {
    std::optional<Result<BranchEnd>> result;
    Duration again_after{};
  };

  /// REQUIRES: link.connected().
  [[nodiscard]] Step step(healthcheck::ServerLink& link, TimePoint now);

 private:
  [[nodiscard]] Step kill_owner(healthcheck::ServerLink& link, TimePoint now);
  [[nodiscard]] Step roll_back(healthcheck::ServerLink& link, TimePoint now);
  [[nodiscard]] Step again(TimePoint now, const char* why);

  const std::uint32_t cluster_;
  const RollBackBranch what_;
  const TimePoint give_up_;
  bool owner_gone_;
  Duration wait_ = std::chrono::microseconds(500);
};

/// Our branches in XA RECOVER. REQUIRES: link.connected().
[[nodiscard]] Result<std::vector<PreparedBranch>> list_prepared_branches(
    healthcheck::ServerLink& link);

}  // namespace consort::proxy
