#include "router/balancer.h"

#include <algorithm>

namespace consort::router {
namespace {

/// Is `a` less busy than `b` in proportion to its weight? Both weights are above 0.
bool less_busy(const Candidate& a, const Candidate& b) {
  return std::uint64_t{a.in_flight} * b.weight < std::uint64_t{b.in_flight} * a.weight;
}

/// So much that a session's next read leaves `b` for `a`: `b` has more than twice as much in
/// flight, beyond two statements. Few statements are never spread evenly, and who leaves for little
/// leaves for each statement.
bool worth_leaving(Candidate b, Candidate a) {
  b.in_flight = std::max(b.in_flight, 2U) - 2;
  a.in_flight *= 2;
  return less_busy(a, b);
}

}  // namespace

std::string_view to_text(NoBackend reason) {
  switch (reason) {
    case NoBackend::kNone:
      return "none";
    case NoBackend::kNoneOnline:
      return "none_online";
    case NoBackend::kNoneWeighty:
      return "none_weighty";
    case NoBackend::kNoneFresh:
      return "none_fresh";
  }
  return "none";
}

BackendChoice Balancer::choose(std::span<const Candidate> candidates,
                               Seqno at_least,
                               std::optional<BackendId> favourite) {
  const Candidate* best = nullptr;
  const Candidate* used_last = nullptr;
  const Candidate* freshest = nullptr;
  bool any_eligible = false;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[(turn_ + i) % candidates.size()];
    if (!candidate.eligible) {
      continue;
    }
    any_eligible = true;
    if (candidate.weight == 0) {
      continue;
    }
    if (freshest == nullptr || candidate.applied > freshest->applied) {
      freshest = &candidate;
    }
    if (candidate.applied < at_least) {
      continue;
    }
    if (best == nullptr || less_busy(candidate, *best)) {
      best = &candidate;
    }
    if (candidate.id == favourite) {
      used_last = &candidate;
    }
  }
  if (used_last != nullptr && !worth_leaving(*used_last, *best)) {
    best = used_last;
  }
  ++turn_;
  if (best != nullptr) {
    return {best->id, NoBackend::kNone, std::nullopt};
  }
  if (freshest != nullptr) {
    return {std::nullopt, NoBackend::kNoneFresh, freshest->id};
  }
  return {std::nullopt, any_eligible ? NoBackend::kNoneWeighty : NoBackend::kNoneOnline,
          std::nullopt};
}

}  // namespace consort::router
