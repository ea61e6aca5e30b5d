// WorkerCounts: what all workers count together, because each alone would see only its share of the
// clients.
// Threads: any; each figure is an atomic of its own.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/ids.h"

namespace consort::proxy {

struct WorkerCounts {
  /// Client connections open now.
  std::atomic<std::size_t> connections{0};
  /// Sessions whose home is the backend. Two clients that come to two workers get two homes.
  std::array<std::atomic<std::int32_t>, kBackendsMax> homes{};

  [[nodiscard]] std::uint32_t homes_of(BackendId backend) const {
    const std::int32_t count = homes[backend.value].load(std::memory_order_relaxed);
    return count > 0 ? static_cast<std::uint32_t>(count) : 0;
  }
};

}  // namespace consort::proxy
