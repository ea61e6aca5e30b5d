// LatencyHistogram: how often something took how long, in fixed log-scaled buckets from 1 us to
// 67 s, two per doubling (1, 2, 3, 4, 6, 8, 12, 16, 24 us ...), so a quantile is right within 50%.
// Threads: record() the owner only, a few plain stores; snapshot() any. A snapshot taken while the
// owner records may miss the newest values, never invent one.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "proxy/metric_cell.h"

namespace consort::proxy {

/// Buckets with an upper bound; one more catches what took longer.
inline constexpr std::size_t kLatencyBoundsCount = 52;
inline constexpr std::size_t kLatencyBucketsCount = kLatencyBoundsCount + 1;

/// Upper bound of bucket `index` in microseconds, inclusive. REQUIRES: index < kLatencyBoundsCount.
[[nodiscard]] constexpr std::uint64_t latency_bound_us(std::size_t index) {
  if (index < 2) {
    return index + 1;
  }
  return static_cast<std::uint64_t>(3 + index % 2) << (index / 2 - 1);
}

/// The bucket that counts a duration of `elapsed_ns`.
[[nodiscard]] constexpr std::size_t latency_bucket(std::uint64_t elapsed_ns) {
  const std::uint64_t below_us = elapsed_ns == 0 ? 0 : (elapsed_ns - 1) / 1000;
  if (below_us < 2) {
    return static_cast<std::size_t>(below_us);
  }
  const auto octave = static_cast<std::size_t>(std::bit_width(below_us) - 1);
  const std::size_t upper_half = (below_us >> (octave - 1)) & 1;
  const std::size_t index = 2 * octave + upper_half;
  return index < kLatencyBoundsCount ? index : kLatencyBoundsCount;
}

/// A copy of a histogram, or the sum of several.
struct LatencySnapshot {
  std::array<std::uint64_t, kLatencyBucketsCount> counts{};
  std::uint64_t sum_ns = 0;

  void merge(const LatencySnapshot& other) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      counts[i] += other.counts[i];
    }
    sum_ns += other.sum_ns;
  }

  [[nodiscard]] std::uint64_t count() const {
    std::uint64_t total = 0;
    for (const std::uint64_t count : counts) {
      total += count;
    }
    return total;
  }

  /// Upper bound in microseconds of the bucket that holds the `quantile` (0 to 1); the last bound
  /// for what took longer than all; 0 when nothing was recorded.
  [[nodiscard]] std::uint64_t quantile_us(double quantile) const {
    const auto total = static_cast<double>(count());
    if (total == 0) {
      return 0;
    }
    double seen = 0;
    for (std::size_t i = 0; i < kLatencyBoundsCount; ++i) {
      seen += static_cast<double>(counts[i]);
      if (seen > 0 && seen >= quantile * total) {
        return latency_bound_us(i);
      }
    }
    return latency_bound_us(kLatencyBoundsCount - 1);
  }
};

class LatencyHistogram {
 public:
  /// Counts one duration. A negative one counts as zero.
  void record(std::chrono::nanoseconds elapsed) {
    const std::uint64_t elapsed_ns =
        elapsed.count() > 0 ? static_cast<std::uint64_t>(elapsed.count()) : 0;
    buckets_[latency_bucket(elapsed_ns)].add();
    sum_ns_.add(elapsed_ns);
  }

  [[nodiscard]] LatencySnapshot snapshot() const {
    LatencySnapshot copy;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      copy.counts[i] = buckets_[i].value();
    }
    copy.sum_ns = sum_ns_.value();
    return copy;
  }

 private:
  std::array<Counter, kLatencyBucketsCount> buckets_;
  Counter sum_ns_;
};

}  // namespace consort::proxy
