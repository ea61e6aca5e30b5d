// Counter and Gauge: the cells that metrics are made of. One thread writes a cell, any thread reads
// it; relaxed atomics, so a write is a plain load and store without a bus lock.
// Threads: add(), set() the owner only; value() any.
#pragma once

#include <atomic>
#include <cstdint>

namespace consort::proxy {

/// Only grows, for the life of the process.
class Counter {
 public:
  void add(std::uint64_t by = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }

  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Goes up and down.
class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }

  void add(std::int64_t by = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }

  void sub(std::int64_t by = 1) { add(-by); }

  [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

}  // namespace consort::proxy
