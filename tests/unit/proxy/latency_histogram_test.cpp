#include "proxy/latency_histogram.h"

#include <chrono>
#include <cstdint>
#include <thread>

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST_SUITE("proxy") {
  TEST_CASE("latency_bound_us: two bounds per doubling up to 67 s") {
    const std::uint64_t first[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};
    for (std::size_t i = 0; i < std::size(first); ++i) {
      EXPECT(latency_bound_us(i) == first[i]);
    }
    for (std::size_t i = 1; i < kLatencyBoundsCount; ++i) {
      EXPECT(latency_bound_us(i) > latency_bound_us(i - 1));
      EXPECT(latency_bound_us(i) <= 2 * latency_bound_us(i - 1));
    }
    EXPECT(latency_bound_us(kLatencyBoundsCount - 1) == 67'108'864);
  }

  TEST_CASE("latency_bucket: each bound belongs to its own bucket, one ns more to the next") {
    EXPECT(latency_bucket(0) == 0);
    EXPECT(latency_bucket(1) == 0);
    for (std::size_t i = 0; i < kLatencyBoundsCount; ++i) {
      CAPTURE(i);
      const std::uint64_t bound_ns = latency_bound_us(i) * 1000;
      EXPECT(latency_bucket(bound_ns) == i);
      EXPECT(latency_bucket(bound_ns + 1) == i + 1);
    }
    EXPECT(latency_bucket(UINT64_MAX) == kLatencyBoundsCount);
  }

  TEST_CASE("LatencyHistogram: counts, sums and estimates quantiles") {
    LatencyHistogram histogram;
    EXPECT(histogram.snapshot().quantile_us(0.99) == 0);
    for (int i = 0; i < 90; ++i) {
      histogram.record(microseconds(100));
    }
    for (int i = 0; i < 9; ++i) {
      histogram.record(microseconds(1000));
    }
    histogram.record(seconds(100));
    const LatencySnapshot snapshot = histogram.snapshot();
    EXPECT(snapshot.count() == 100);
    EXPECT(snapshot.sum_ns == 90 * 100'000ULL + 9 * 1'000'000ULL + 100'000'000'000ULL);
    EXPECT(snapshot.quantile_us(0.5) == 128);
    EXPECT(snapshot.quantile_us(0.95) == 1024);
    EXPECT(snapshot.quantile_us(1.0) == 67'108'864);
    EXPECT(snapshot.quantile_us(0.0) == 128);
  }

  TEST_CASE("LatencyHistogram: a negative duration counts as zero") {
    LatencyHistogram histogram;
    histogram.record(nanoseconds(-5));
    EXPECT(histogram.snapshot().counts[0] == 1);
    EXPECT(histogram.snapshot().sum_ns == 0);
  }

  TEST_CASE("LatencySnapshot: merges") {
    LatencyHistogram a;
    LatencyHistogram b;
    a.record(microseconds(5));
    b.record(microseconds(5));
    b.record(microseconds(500));
    LatencySnapshot total = a.snapshot();
    total.merge(b.snapshot());
    EXPECT(total.count() == 3);
    EXPECT(total.counts[latency_bucket(5000)] == 2);
    EXPECT(total.sum_ns == 510'000);
  }

  TEST_CASE("LatencyHistogram: a reader sees counts that only grow while the owner records") {
    constexpr int kRecords = 100'000;
    LatencyHistogram histogram;
    std::thread writer([&] {
      for (int i = 0; i < kRecords; ++i) {
        histogram.record(microseconds(i % 1000));
      }
    });
    std::uint64_t last = 0;
    while (last < kRecords) {
      const std::uint64_t now = histogram.snapshot().count();
      REQUIRE(now >= last);
      last = now;
    }
    writer.join();
    EXPECT(histogram.snapshot().count() == kRecords);
  }

  TEST_CASE("LatencyHistogram: recording is cheap") {
    constexpr int kRecords = 1'000'000;
    LatencyHistogram histogram;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kRecords; ++i) {
      histogram.record(nanoseconds(i * 37));
    }
    const auto elapsed = std::chrono::steady_clock::now() - begin;
    INFO("ns per record: ",
         std::chrono::duration_cast<nanoseconds>(elapsed).count() / double{kRecords});
    EXPECT(histogram.snapshot().count() == kRecords);
    EXPECT(elapsed < seconds(1));  // 1 us each: far above what it costs, for slow machines
  }
}

}  // namespace
}  // namespace consort::proxy
