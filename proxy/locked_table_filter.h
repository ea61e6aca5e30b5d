// LockedTableFilter: may somebody hold LOCK TABLES on a table? The commit thread keeps the locks
// (proxy/commit/table_locks.h) and writes this; sessions look here first, and ask only when the
// answer is "perhaps". Keys are certifier::table_key() and schema_key().
// Threads: one writes, any read.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace consort::proxy {

class LockedTableFilter {
 public:
  struct Key {
    std::uint64_t hash = 0;
    bool write = false;  ///< by a WRITE lock
  };

  /// From now on exactly these are locked, and, with `all_read`, every table by a READ lock. A
  /// reader that finds an older state meets the lock later, at the commit thread.
  void publish(std::span<const Key> keys, bool all_read = false) {
    Words any{};
    Words write{};
    for (const Key& key : keys) {
      any[word_of(key.hash)] |= bit_of(key.hash);
      write[word_of(key.hash)] |= key.write ? bit_of(key.hash) : 0;
    }
    for (std::size_t i = 0; i < kWords; ++i) {
      any_[i].store(any[i], std::memory_order_release);
      write_[i].store(write[i], std::memory_order_release);
    }
    all_read_.store(all_read, std::memory_order_release);
    count_.store(keys.size(), std::memory_order_release);
  }

  /// Some table is locked.
  [[nodiscard]] bool any() const {
    return count_.load(std::memory_order_acquire) != 0 || all_read();
  }

  /// Somebody has FLUSH TABLES WITH READ LOCK.
  [[nodiscard]] bool all_read() const { return all_read_.load(std::memory_order_acquire); }

  /// Somebody may hold a lock on it that keeps others from writing, or from reading it. Never false
  /// while one is held.
  [[nodiscard]] bool may_block(std::uint64_t hash, bool write) const {
    if (write && all_read()) {
      return true;
    }
    const Atomics& words = write ? any_ : write_;
    return (words[word_of(hash)].load(std::memory_order_acquire) & bit_of(hash)) != 0;
  }

 private:
  static constexpr std::size_t kWords = 64;

  using Words = std::array<std::uint64_t, kWords>;
  using Atomics = std::array<std::atomic<std::uint64_t>, kWords>;

  static std::size_t word_of(std::uint64_t hash) { return (hash >> 6) % kWords; }

  static std::uint64_t bit_of(std::uint64_t hash) { return std::uint64_t{1} << (hash % 64); }

  std::atomic<std::size_t> count_{0};
  std::atomic<bool> all_read_{false};
  Atomics any_{};
  Atomics write_{};
};

}  // namespace consort::proxy
