// ProbeSchedule: when the next probe of one backend is due.
// Steady while it is well, quick while in doubt, exponential back-off with a cap while it is down,
// at once when a session or a lane met a failure (but never more often than `extra_gap`).
// Threads: none.
#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"

namespace consort::healthcheck {

struct ProbeIntervals {
  Duration steady = std::chrono::milliseconds(1000);        ///< between probes of a healthy backend
  Duration quick = std::chrono::milliseconds(200);          ///< while in doubt or returning
  Duration backoff_first = std::chrono::milliseconds(100);  ///< first wait after it went down
  Duration backoff_max = std::chrono::milliseconds(2000);   ///< the wait doubles up to this
  Duration extra_gap = std::chrono::milliseconds(50);       ///< least time between any two probes
};

class ProbeSchedule {
 public:
  /// The first probe is due at `now`.
  ProbeSchedule(const ProbeIntervals& intervals, TimePoint now);

  /// A probe begins now.
  void on_started(TimePoint now);

  /// Each says how the backend does since `now`, and thereby when to look again.
  void steady(TimePoint now);
  void quick(TimePoint now);
  /// Each call in a row doubles the wait.
  void back_off(TimePoint now);
  /// As soon as `extra_gap` allows.
  void at_once(TimePoint now);

  [[nodiscard]] TimePoint next() const { return next_; }

  /// The wait that back_off() would choose now: for tests and status pages.
  [[nodiscard]] Duration backoff() const { return backoff_; }

 private:
  ProbeIntervals intervals_;
  Duration backoff_;
  TimePoint next_;
  std::optional<TimePoint> last_started_;
};

}  // namespace consort::healthcheck
