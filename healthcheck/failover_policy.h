// FailoverPolicy: who may get work, by state, and which backend becomes a session's new home.
// Pure functions; they never allocate. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/ids.h"
#include "healthcheck/backend_state.h"

namespace consort::healthcheck {

/// One backend as a candidate for work.
struct Candidate {
  BackendId id;
  BackendState state = BackendState::kUnknown;
  std::uint32_t weight = 1;     ///< 0: never chosen
  std::uint32_t in_flight = 0;  ///< statements or homes it already has: fewer is better
};

/// It may keep the transactions that it has: all but offline and unknown.
[[nodiscard]] bool keeps_transactions(BackendState state);

/// It may get new work when `candidates` are all there is: online; suspect when nothing is online.
/// Draining, offline, catching up, unknown and weight 0 never.
[[nodiscard]] bool takes_new(const Candidate& candidate, std::span<const Candidate> candidates);

/// A session's home must end, now or at the end of its transaction, because of its state.
enum class HomeVerdict : std::uint8_t {
  kStay,
  /// Finish the open transaction, then move: draining; suspect while another is online; catching up
  /// (its lane was lost, the server was not).
  kLeaveWhenIdle,
  kLeaveNow  ///< the open transaction is lost: its client gets 1213
};

[[nodiscard]] HomeVerdict judge_home(BackendState state, bool another_is_online);

/// The home for a session that needs one: least in_flight per weight among those that may take new
/// work; equals are spread by `spread` (any number, such as a counter). nullopt: nobody can.
[[nodiscard]] std::optional<BackendId> choose_home(std::span<const Candidate> candidates,
                                                   std::uint32_t spread);

}  // namespace consort::healthcheck
