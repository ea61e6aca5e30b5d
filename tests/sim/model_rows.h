// What the simulation's tables hold, and the row events that change them.
// Threads: none; values.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/row_image.h"
#include "base/row_key.h"
#include "tests/support/row_events.h"

namespace consort::sim {

/// Tables that every backend has. Children refer to parents: a child's value is its parent's id.
inline constexpr std::uint8_t kCounters = 0;
inline constexpr std::uint8_t kMoreCounters = 1;
inline constexpr std::uint8_t kParents = 2;
inline constexpr std::uint8_t kChildren = 3;
inline constexpr std::uint8_t kTables = 4;

struct RowId {
  std::uint8_t table = 0;
  std::uint32_t id = 0;
  friend auto operator<=>(const RowId&, const RowId&) = default;
};

/// One row event: a full before and after image.
struct RowOp {
  RowChange change = RowChange::kInsert;
  RowId row;
  std::int64_t before = 0;
  std::int64_t after = 0;
};

/// What a server executes as one statement.
struct RowGroup {
  /// What a move of the position finds and leaves; before the rows.
  std::optional<std::pair<test::PositionImage, test::PositionImage>> move;
  std::vector<RowOp> ops;
};

/// Row events in a server's frame, their rows in a form of our own.
[[nodiscard]] Buffer encode_rows(std::span<const RowOp> ops);
/// What a BINLOG with these events would do. REQUIRES: encode_rows() and position_events() wrote
/// them, EventGroups may have joined them.
[[nodiscard]] std::vector<RowGroup> decode_groups(Bytes events);
/// All rows of a payload.
[[nodiscard]] std::vector<RowOp> decode_rows(Bytes payload);

/// What a key builder would make of them.
[[nodiscard]] std::vector<RowKey> keys_of(std::span<const RowOp> ops);

/// The key of a whole table, as a DDL holds it.
[[nodiscard]] RowKey table_key(std::uint8_t table, KeyHold hold);

/// Some of `ops` deletes a parent.
[[nodiscard]] bool removes_parents(std::span<const RowOp> ops);

/// Committed data: what must be equal on equal positions.
struct Data {
  std::map<RowId, std::int64_t> rows;
  std::set<std::string> ddl_tables;
  friend bool operator==(const Data&, const Data&) = default;

  [[nodiscard]] std::optional<std::int64_t> value(RowId row) const;
  void set(RowId row, std::optional<std::int64_t> value);

  /// The error number of `statement` (CREATE, DROP or TRUNCATE), 0 when it was done.
  std::uint16_t execute_ddl(std::string_view statement);
};

/// The table that a TRUNCATE is about; nullopt for other statements.
[[nodiscard]] std::optional<std::uint8_t> truncated_table(std::string_view statement);

/// What all backends begin with.
[[nodiscard]] Data initial_data();

[[nodiscard]] std::string describe(const Data& data);
[[nodiscard]] std::string describe_rows(std::span<const RowOp> ops);

}  // namespace consort::sim
