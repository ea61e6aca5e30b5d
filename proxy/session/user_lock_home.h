// UserLockHome: the one backend on which all sessions take their user locks (GET_LOCK): two
// sessions with different homes would exclude nobody from each other. It stays as long as that
// backend serves, whatever else comes and goes. When it moves, locks taken before are worth
// nothing: the generation says so, and who holds one ends as after a server's crash.
// Threads: any; one for the process, sessions of all workers use it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/ids.h"

namespace consort::proxy {

class UserLockHome {
 public:
  struct Place {
    BackendId backend;
    std::uint64_t generation = 0;  ///< of this place; never 0
  };

  /// Where locks are taken now; nullopt when no backend serves. `serves(BackendId)`; a backend that
  /// `tolerates(BackendId)` stays it while anybody holds a lock there. Both as the caller sees it.
  template <typename Serves, typename Tolerates>
  [[nodiscard]] std::optional<Place> find(unsigned backends_count,
                                          const Serves& serves,
                                          const Tolerates& tolerates) {
    std::uint64_t seen = place_.load(std::memory_order_acquire);
    while (true) {
      const Place place = unpack(seen);
      const bool holds = place.generation != 0 && place.backend.value < backends_count;
      if (holds && (serves(place.backend) ||
                    (holders_.load(std::memory_order_relaxed) > 0 && tolerates(place.backend)))) {
        return place;
      }
      std::optional<BackendId> next;
      for (unsigned i = 0; i < backends_count && !next; ++i) {
        const BackendId candidate{static_cast<std::uint8_t>(i)};
        next = serves(candidate) ? std::optional(candidate) : std::nullopt;
      }
      if (!next) {
        return std::nullopt;
      }
      const Place moved{*next, place.generation + 1};
      if (place_.compare_exchange_weak(seen, pack(moved), std::memory_order_acq_rel)) {
        return moved;
      }
    }
  }

  /// A session holds a lock (+1) or none any more (-1).
  void count_holder(int change) { holders_.fetch_add(change, std::memory_order_relaxed); }

 private:
  static std::uint64_t pack(const Place& place) {
    return place.generation << 8 | place.backend.value;
  }

  static Place unpack(std::uint64_t packed) {
    return {BackendId{static_cast<std::uint8_t>(packed & 0xFF)}, packed >> 8};
  }

  std::atomic<std::uint64_t> place_{0};
  std::atomic<int> holders_{0};
};

}  // namespace consort::proxy
