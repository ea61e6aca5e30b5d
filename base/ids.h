// Ids: small typed numbers that may cross threads, where pointers may not.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <limits>

namespace consort {

/// Index of a backend in the configuration, from 0. At most kBackendsMax backends exist.
struct BackendId {
  std::uint8_t value = 0;
  friend auto operator<=>(BackendId, BackendId) = default;
};

inline constexpr std::size_t kBackendsMax = 16;

/// Place of an entry in the commit order, dense from 1; 0 means "before the first".
struct Seqno {
  std::uint64_t value = 0;
  friend auto operator<=>(Seqno, Seqno) = default;

  [[nodiscard]] Seqno next() const { return Seqno{value + 1}; }
};

/// Names a session from any thread. `generation` tells a slot's present owner from an earlier one.
struct SessionId {
  std::uint16_t worker = 0;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  friend auto operator<=>(SessionId, SessionId) = default;
};

/// Identity of an XA branch that Consort began, unique for the life of the commit log: the run's
/// `epoch` (one more at each start), the worker that began it and that worker's counter.
struct BranchId {
  std::uint32_t epoch = 0;
  std::uint16_t worker = 0;
  std::uint64_t counter = 0;
  friend auto operator<=>(BranchId, BranchId) = default;
};

}  // namespace consort

template <>
struct std::hash<consort::BackendId> {
  std::size_t operator()(consort::BackendId id) const noexcept { return id.value; }
};

template <>
struct std::hash<consort::Seqno> {
  std::size_t operator()(consort::Seqno seqno) const noexcept { return seqno.value; }
};

template <>
struct std::hash<consort::BranchId> {
  std::size_t operator()(const consort::BranchId& id) const noexcept {
    const std::uint64_t high = (static_cast<std::uint64_t>(id.epoch) << 16) | id.worker;
    return static_cast<std::size_t>((high * 0x9E3779B97F4A7C15ULL) ^ id.counter);
  }
};
