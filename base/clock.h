// Clock: where time comes from. Tests drive a ManualClock.
// Threads: SystemClock any; ManualClock one.
#pragma once

#include <chrono>

namespace consort {

/// Monotonic time. Never wall-clock.
using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;
  [[nodiscard]] virtual TimePoint now() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return std::chrono::steady_clock::now(); }
};

/// Stands still until told to advance.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return now_; }

  void advance(Duration by) { now_ += by; }

 private:
  TimePoint now_{};
};

}  // namespace consort
