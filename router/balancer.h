// Balancer: which backend takes the next read, or becomes the home of the next transaction.
// Least in flight in proportion to weight; who asks again stays where it was, else ties rotate.
// Threads: none; each worker has its own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/ids.h"

namespace consort::router {

/// One backend as a worker sees it now.
struct Candidate {
  BackendId id;
  std::uint32_t weight = 1;     ///< 0: takes nothing by balance
  std::uint32_t in_flight = 0;  ///< statements (or transactions) it is busy with
  Seqno applied;                ///< everything up to here is committed there
  bool eligible = false;        ///< online, and not excluded by the caller
};

enum class NoBackend : std::uint8_t {
  kNone,         ///< there is a backend
  kNoneOnline,   ///< no candidate is eligible
  kNoneWeighty,  ///< every eligible one has weight 0
  kNoneFresh     ///< none of them has applied enough yet: `freshest` is the nearest
};

/// For errors and metrics: "none_online".
[[nodiscard]] std::string_view to_text(NoBackend reason);

struct BackendChoice {
  std::optional<BackendId> backend;
  NoBackend reason = NoBackend::kNone;
  std::optional<BackendId> freshest;  ///< for kNoneFresh: whom to wait for
};

class Balancer {
 public:
  /// Picks among `candidates` one that has applied at least `at_least`. `favourite`: whom the asker
  /// used last. It still wins with twice as much in flight as the least busy one, and two
  /// statements more: a server's caches are warm for who comes back, and a change costs more than
  /// a short queue.
  [[nodiscard]] BackendChoice choose(std::span<const Candidate> candidates,
                                     Seqno at_least,
                                     std::optional<BackendId> favourite = std::nullopt);

 private:
  std::uint32_t turn_ = 0;  ///< where the search for a tie's winner begins
};

}  // namespace consort::router
