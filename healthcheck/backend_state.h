// BackendState: what the rest of the house needs to know of a backend's health.
#pragma once

#include <cstdint>
#include <string_view>

namespace consort::healthcheck {

/// unknown:     not probed yet
/// online:      healthy and caught up: serves reads and new transactions
/// suspect:     some probes failed, not enough to eject: serves what it has, takes nothing new
/// while
///              another backend is online
/// offline:     ejected, refused or set by an operator
/// catching_up: reachable, but its lane has not applied the log yet: serves nothing
/// draining:    an operator's wish: finishes its transactions, takes nothing new
enum class BackendState : std::uint8_t {
  kUnknown,
  kOnline,
  kSuspect,
  kOffline,
  kCatchingUp,
  kDraining
};

[[nodiscard]] constexpr std::string_view to_text(BackendState state) {
  switch (state) {
    case BackendState::kUnknown:
      return "unknown";
    case BackendState::kOnline:
      return "online";
    case BackendState::kSuspect:
      return "suspect";
    case BackendState::kOffline:
      return "offline";
    case BackendState::kCatchingUp:
      return "catching_up";
    case BackendState::kDraining:
      return "draining";
  }
  return "unknown";
}

}  // namespace consort::healthcheck
