// RowImage: one row of a binlog row event, cut into column values without decoding them.
// Bridges protocol/row_events (which cuts) and certifier/key_builder (which hashes).
// Every view dies with the event's bytes (I1).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace consort {

/// What a column's bytes are, as far as equality needs to know.
enum class ValueKind : std::uint8_t {
  kNull,    ///< SQL NULL; `bytes` is empty
  kFixed,   ///< canonical bytes: equal values have equal bytes (integers, decimal, temporal, bit,
            ///< ...)
  kFloat,   ///< IEEE single; -0.0 equals 0.0
  kDouble,  ///< IEEE double; -0.0 equals 0.0
  kText,    ///< characters compared by `collation`
  kBinary,  ///< bytes compared as bytes, without padding
  kOpaque   ///< equal values may have different bytes (compressed columns): never hash them
};

/// One column of one row. `bytes` is the value as the binlog stores it, without its length prefix.
struct ColumnValue {
  ValueKind kind = ValueKind::kNull;
  bool present = true;          ///< false when the row image does not hold this column
  std::uint16_t collation = 0;  ///< MySQL collation id; 0 when unknown. Only for kText
  Bytes bytes;
};

using RowImage = std::vector<ColumnValue>;

enum class RowChange : std::uint8_t { kInsert, kUpdate, kDelete };

/// One changed row. `before` is empty for an insert, `after` for a delete.
struct RowDiff {
  RowChange change = RowChange::kInsert;
  RowImage before;
  RowImage after;
};

/// The table that rows belong to, by name.
struct TableName {
  std::string_view schema;
  std::string_view table;
};

}  // namespace consort
