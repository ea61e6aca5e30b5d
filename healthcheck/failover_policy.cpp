#include "healthcheck/failover_policy.h"

#include <algorithm>

namespace consort::healthcheck {

namespace {

bool any_online(std::span<const Candidate> candidates) {
  return std::any_of(candidates.begin(), candidates.end(), [](const Candidate& candidate) {
    return candidate.state == BackendState::kOnline && candidate.weight > 0;
  });
}

/// Fewer in flight per weight, without dividing.
bool is_less_loaded(const Candidate& left, const Candidate& right) {
  return static_cast<std::uint64_t>(left.in_flight) * right.weight <
         static_cast<std::uint64_t>(right.in_flight) * left.weight;
}

bool takes_new_when(const Candidate& candidate, bool one_is_online) {
  if (candidate.weight == 0) {
    return false;
  }
  return candidate.state == BackendState::kOnline ||
         (candidate.state == BackendState::kSuspect && !one_is_online);
}

}  // namespace

bool keeps_transactions(BackendState state) {
  return judge_home(state, true) != HomeVerdict::kLeaveNow;
}

bool takes_new(const Candidate& candidate, std::span<const Candidate> candidates) {
  return takes_new_when(candidate, any_online(candidates));
}

HomeVerdict judge_home(BackendState state, bool another_is_online) {
  switch (state) {
    case BackendState::kOnline:
      return HomeVerdict::kStay;
    case BackendState::kSuspect:
      return another_is_online ? HomeVerdict::kLeaveWhenIdle : HomeVerdict::kStay;
    case BackendState::kDraining:
    case BackendState::kCatchingUp:
      return HomeVerdict::kLeaveWhenIdle;
    case BackendState::kUnknown:
    case BackendState::kOffline:
      return HomeVerdict::kLeaveNow;
  }
  return HomeVerdict::kLeaveNow;
}

std::optional<BackendId> choose_home(std::span<const Candidate> candidates, std::uint32_t spread) {
  const bool one_is_online = any_online(candidates);
  const Candidate* best = nullptr;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[(i + spread) % candidates.size()];
    if (takes_new_when(candidate, one_is_online) &&
        (best == nullptr || is_less_loaded(candidate, *best))) {
      best = &candidate;
    }
  }
  if (best == nullptr) {
    return std::nullopt;
  }
  return best->id;
}

}  // namespace consort::healthcheck
