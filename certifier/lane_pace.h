// LanePace: how long a lane with entries to apply may wait for more. A batch costs its backend
// about as much as several entries in it, so under load fewer and fuller batches leave more of the
// machine to the clients. It never waits where it could not pay: while batches have one entry, when
// somebody waits for the entries, when enough are there.
// Threads: none; its lane's.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "base/clock.h"

namespace consort::certifier {

class LanePace {
 public:
  /// `interval`: between the beginnings of two batches, at most; 0: never wait.
  explicit LanePace(std::chrono::milliseconds interval) : interval_(interval) {}

  /// A batch of `entries` leaves.
  void on_sent(TimePoint now, std::size_t entries) {
    sent_ = now;
    usual_entries_ += (static_cast<double>(entries) - usual_entries_) / kMemory;
  }

  /// How long to wait with `queued` entries; 0: send them now.
  [[nodiscard]] std::chrono::nanoseconds delay(TimePoint now, std::size_t queued) const {
    if (usual_entries_ < kWorthWaiting || queued >= kEnough) {
      return std::chrono::nanoseconds(0);
    }
    return std::max<std::chrono::nanoseconds>(interval_ - (now - sent_),
                                              std::chrono::nanoseconds(0));
  }

 private:
  static constexpr double kMemory = 8;          ///< batches
  static constexpr double kWorthWaiting = 1.5;  ///< entries in a usual batch
  static constexpr std::size_t kEnough = 64;    ///< more in a batch gain little

  std::chrono::milliseconds interval_;
  TimePoint sent_{};
  double usual_entries_ = 0;
};

}  // namespace consort::certifier
