#include "tests/sim/memory_log.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace consort::sim {

void MemoryLog::start(certifier::CommitLogObserver& observer) {
  observer_ = &observer;
  for (std::size_t i = 0; i < durable_.size(); ++i) {
    observer.on_committed({i + 1, 0, durable_[i]});
  }
  observer.on_replayed();
}

void MemoryLog::append(Buffer record, std::uint64_t token) {
  CHECK(token != 0);
  waiting_.push_back({std::move(record), token});
}

void MemoryLog::sync(std::size_t records_max) {
  for (std::size_t i = 0; i < records_max && !waiting_.empty(); ++i) {
    durable_.push_back(std::move(waiting_.front().record));
    const std::uint64_t token = waiting_.front().token;
    waiting_.pop_front();
    const Buffer record = durable_.back();
    observer_->on_committed({durable_.size(), token, record});
  }
}

void MemoryLog::crash(std::size_t records_kept) {
  observer_ = nullptr;
  for (std::size_t i = 0; i < std::min(records_kept, waiting_.size()); ++i) {
    durable_.push_back(std::move(waiting_[i].record));
  }
  waiting_.clear();
}

}  // namespace consort::sim
