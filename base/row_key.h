// RowKey: what certification compares. A hash of a row's key value, and how strongly it is held.
// Two different values with one hash cause a false conflict, never a missed one.
#pragma once

#include <compare>
#include <cstdint>

namespace consort {

/// How a writeset holds a key, weakest first. Two holders of one key conflict when one is
/// kExclusive, or when kUpdate meets kUpdate, or when kReference meets kExclusive.
/// kShared: the table of a changed row. kReference: the parent row of a foreign key. kUpdate: a row
/// changed without its key. kExclusive: inserted, deleted, key changed, or a whole table (DDL).
enum class KeyHold : std::uint8_t { kShared = 0, kReference = 1, kUpdate = 2, kExclusive = 3 };

struct RowKey {
  std::uint64_t hash = 0;
  KeyHold hold = KeyHold::kExclusive;
  friend auto operator<=>(const RowKey&, const RowKey&) = default;
};

}  // namespace consort
