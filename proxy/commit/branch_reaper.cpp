#include "proxy/commit/branch_reaper.h"

#include <algorithm>
#include <utility>

#include "proxy/backend_controller.h"

namespace consort::proxy {
namespace {

// Commands under way at one backend; the rest waits here (I8: the controller's queue is bounded).
constexpr std::size_t kAskedMax = 256;
constexpr auto kAgainAfter = std::chrono::milliseconds(500);

}  // namespace

BranchReaper::BranchReaper(std::vector<BackendController*> controllers,
                           std::shared_ptr<LoopTasks> tasks)
    : controllers_(std::move(controllers)),
      tasks_(std::move(tasks)),
      asked_(controllers_.size(), 0) {}

void BranchReaper::roll_back(BackendId backend,
                             const BranchId& branch,
                             std::uint64_t owner_thread) {
  const auto [at, added] = branches_.try_emplace(branch, Doomed{backend, owner_thread, false, {}});
  if (added) {
    ask(branch, at->second);
  }
}

void BranchReaper::ask(const BranchId& branch, Doomed& doomed) {
  const BackendId backend = doomed.backend;
  if (doomed.asked || asked_[backend.value] >= kAskedMax ||
      controllers_[backend.value] == nullptr) {
    return;
  }
  auto answered = [this, alive = alive_, tasks = tasks_, backend,
                   branch](const Result<BranchEnd>& end) {
    tasks->post([this, alive, backend, branch, gone = end.ok()] {
      if (!*alive) {
        return;
      }
      --asked_[backend.value];
      const auto found = branches_.find(branch);
      if (found == branches_.end()) {
        return;
      }
      if (gone) {
        branches_.erase(found);
      } else {
        found->second.asked = false;
        found->second.due = clock_.now() + kAgainAfter;
      }
    });
  };
  doomed.asked =
      controllers_[backend.value]->roll_back_branch({branch, doomed.owner_thread}, answered);
  if (doomed.asked) {
    ++asked_[backend.value];
  }
}

std::size_t BranchReaper::count_of(BackendId backend) const {
  return static_cast<std::size_t>(
      std::count_if(branches_.begin(), branches_.end(),
                    [backend](const auto& doomed) { return doomed.second.backend == backend; }));
}

void BranchReaper::look_after(TimePoint now) {
  for (auto& [branch, doomed] : branches_) {
    if (!doomed.asked && doomed.due <= now) {
      ask(branch, doomed);
    }
  }
}

void BranchReaper::on_backend_back(BackendId backend) {
  for (auto& [branch, doomed] : branches_) {
    if (doomed.backend == backend) {
      doomed.due = {};
      ask(branch, doomed);
    }
  }
}

}  // namespace consort::proxy
