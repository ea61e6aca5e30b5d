// KnownSequences: which tables are sequences, or may have been. What would give one a definition of
// which not every server knows is refused: INSERT into its table, CREATE TABLE .. LIKE it.
// Decision 0034. Threads: any.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_set>

#include "base/mutex.h"
#include "certifier/key_builder.h"

namespace consort::proxy {

class KnownSequences {
 public:
  void add(std::string_view schema, std::string_view table) {
    const MutexLock lock(mutex_);
    keys_.insert(certifier::table_key(schema, table));
    count_.store(keys_.size(), std::memory_order_release);
  }

  void remove(std::string_view schema, std::string_view table) {
    const MutexLock lock(mutex_);
    keys_.erase(certifier::table_key(schema, table));
    count_.store(keys_.size(), std::memory_order_release);
  }

  /// There are some: costs a load.
  [[nodiscard]] bool any() const { return count_.load(std::memory_order_acquire) != 0; }

  [[nodiscard]] bool has(std::string_view schema, std::string_view table) {
    const MutexLock lock(mutex_);
    return keys_.contains(certifier::table_key(schema, table));
  }

 private:
  Mutex mutex_;
  std::unordered_set<std::uint64_t> keys_ GUARDED_BY(mutex_);
  std::atomic<std::size_t> count_{0};
};

}  // namespace consort::proxy
