// BranchReaper: rolls back the branches that will not be committed, and does not forget one until
// it is surely gone. Threads: the commit thread's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "proxy/commit/loop_tasks.h"

namespace consort::proxy {

class BackendController;

class BranchReaper {
 public:
  /// `controllers` by BackendId; they outlive the reaper.
  BranchReaper(std::vector<BackendController*> controllers, std::shared_ptr<LoopTasks> tasks);

  ~BranchReaper() { *alive_ = false; }

  BranchReaper(const BranchReaper&) = delete;
  BranchReaper& operator=(const BranchReaper&) = delete;

  /// From now on the branch is decided: rolled back. `owner_thread` as in RollBackBranch.
  void roll_back(BackendId backend, const BranchId& branch, std::uint64_t owner_thread = 0);

  /// The branch is being rolled back.
  [[nodiscard]] bool has(const BranchId& branch) const { return branches_.contains(branch); }

  /// Tries again what failed or did not fit. Call it every 100 ms or so.
  void look_after(TimePoint now);

  /// The backend is back, its lane has listed and settled what was there: ask again soon.
  void on_backend_back(BackendId backend);

  /// How many branches of `backend` are being rolled back.
  [[nodiscard]] std::size_t count_of(BackendId backend) const;

  [[nodiscard]] std::size_t size() const { return branches_.size(); }

 private:
  struct Doomed {
    BackendId backend;
    std::uint64_t owner_thread = 0;
    bool asked = false;
    TimePoint due{};
  };

  void ask(const BranchId& branch, Doomed& doomed);

  const std::vector<BackendController*> controllers_;
  const std::shared_ptr<LoopTasks> tasks_;
  std::vector<std::size_t> asked_;  // commands under way, by backend
  std::unordered_map<BranchId, Doomed> branches_;
  SystemClock clock_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace consort::proxy
