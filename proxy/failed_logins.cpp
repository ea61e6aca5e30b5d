#include "proxy/failed_logins.h"

#include <algorithm>

namespace consort::proxy {

bool FailedLogins::note_failure(const std::string& address, TimePoint now) {
  if (options_.failures_max == 0) {
    return false;
  }
  const MutexLock lock(mutex_);
  if (entries_.size() >= options_.addresses_max && !entries_.contains(address)) {
    std::erase_if(entries_, [&](const auto& entry) { return forgotten(entry.second, now); });
    if (entries_.size() >= options_.addresses_max) {
      entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                      [](const auto& left, const auto& right) {
                                        return left.second.last < right.second.last;
                                      }));
    }
  }
  Entry& entry = entries_[address];
  if (forgotten(entry, now)) {
    entry.failures = 0;
  }
  entry.last = now;
  size_.store(entries_.size(), std::memory_order_relaxed);
  return ++entry.failures == options_.failures_max;
}

void FailedLogins::note_success(const std::string& address) {
  if (size_.load(std::memory_order_relaxed) == 0) {
    return;
  }
  const MutexLock lock(mutex_);
  entries_.erase(address);
  size_.store(entries_.size(), std::memory_order_relaxed);
}

std::optional<Duration> FailedLogins::blocked_for(const std::string& address, TimePoint now) const {
  if (size_.load(std::memory_order_relaxed) == 0) {
    return std::nullopt;
  }
  const MutexLock lock(mutex_);
  const auto found = entries_.find(address);
  if (found == entries_.end() || found->second.failures < options_.failures_max ||
      forgotten(found->second, now)) {
    return std::nullopt;
  }
  return options_.block - (now - found->second.last);
}

std::size_t FailedLogins::size() const {
  return size_.load(std::memory_order_relaxed);
}

}  // namespace consort::proxy
