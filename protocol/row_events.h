// TableMap and RowReader: cut the rows of a binlog into column values, for every column type.
// No value is decoded; see base/row_image.h for what the bytes mean.
// Spec: MariaDB KB "Rows_event_v1/v2", "Table_map_event" and its optional metadata.
// Threads: none. Every view dies with the event's bytes (I1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/row_image.h"
#include "protocol/binlog_events.h"

namespace consort::protocol {

/// Flags in the body of a rows event.
inline constexpr std::uint16_t kRowsStatementEnd = 0x01;
inline constexpr std::uint16_t kRowsNoForeignKeyChecks = 0x02;

/// Column types as TABLE_MAP names them, after the packed ones (ENUM, SET) are unpacked.
enum class ColumnType : std::uint8_t {
  kDecimalOld = 0,
  kTiny = 1,
  kShort = 2,
  kLong = 3,
  kFloat = 4,
  kDouble = 5,
  kNull = 6,
  kTimestamp = 7,
  kLongLong = 8,
  kInt24 = 9,
  kDate = 10,
  kTime = 11,
  kDateTime = 12,
  kYear = 13,
  kNewDate = 14,
  kVarchar = 15,
  kBit = 16,
  kTimestamp2 = 17,
  kDateTime2 = 18,
  kTime2 = 19,
  kBlobCompressed = 140,
  kVarcharCompressed = 141,
  kVector = 242,
  kJson = 245,
  kNewDecimal = 246,
  kEnum = 247,
  kSet = 248,
  kTinyBlob = 249,
  kMediumBlob = 250,
  kLongBlob = 251,
  kBlob = 252,
  kVarString = 253,
  kString = 254,
  kGeometry = 255
};

/// How one column lies in a row image.
struct ColumnLayout {
  ColumnType type = ColumnType::kNull;
  ValueKind kind = ValueKind::kFixed;
  std::uint8_t length_bytes = 0;  ///< size of the length prefix; 0: every value has `fixed_bytes`
  std::uint32_t fixed_bytes = 0;  ///< size of a value without a length prefix
  std::uint32_t bytes_max = 0;    ///< declared size of CHAR and VARCHAR, in bytes
  bool nullable = false;
  bool is_unsigned = false;     ///< only with optional metadata
  std::uint16_t collation = 0;  ///< collation id; 0 when the event does not tell
};

/// A TABLE_MAP event, decoded. Owns its names.
class TableMap {
 public:
  struct PrimaryKeyPart {
    std::uint16_t column = 0;
    std::uint32_t prefix_characters = 0;  ///< 0: the whole column
  };

  /// Decodes a TABLE_MAP event (with header, without CRC). Error: kMalformed.
  [[nodiscard]] static Result<TableMap> decode(Bytes event);

  [[nodiscard]] std::uint64_t table_id() const { return table_id_; }

  [[nodiscard]] const std::string& schema() const { return schema_; }

  [[nodiscard]] const std::string& table() const { return table_; }

  [[nodiscard]] TableName name() const { return {schema_, table_}; }

  /// Empty when !can_cut_rows().
  [[nodiscard]] const std::vector<ColumnLayout>& columns() const { return columns_; }

  /// False when the event does not tell where values end: a TIME, DATETIME or TIMESTAMP in the
  /// format of before MariaDB 10.1 (whose fraction is not told), or a type unknown to Consort.
  [[nodiscard]] bool can_cut_rows() const { return !columns_.empty(); }

  /// One name per column; empty without binlog_row_metadata=FULL.
  [[nodiscard]] const std::vector<std::string>& column_names() const { return column_names_; }

  /// Empty without binlog_row_metadata=FULL or without a primary key.
  [[nodiscard]] const std::vector<PrimaryKeyPart>& primary_key() const { return primary_key_; }

 private:
  friend class TableMapDecoder;

  std::uint64_t table_id_ = 0;
  std::string schema_;
  std::string table_;
  std::vector<ColumnLayout> columns_;
  std::vector<std::string> column_names_;
  std::vector<PrimaryKeyPart> primary_key_;
};

/// Walks the rows of one rows event.
class RowReader {
 public:
  /// Opens a rows event (V1 or V2, with header, without CRC) of the table `map` describes.
  /// `map` and `event` must outlive the reader. Errors: kMalformed; kUnsupported for another event
  /// type or when !map.can_cut_rows().
  [[nodiscard]] static Result<RowReader> open(const TableMap& map, Bytes event);

  /// Cuts the next row into `row`, whose memory is reused; false at the end. Error: kMalformed.
  [[nodiscard]] Result<bool> next(RowDiff& row);

 private:
  RowReader(const TableMap& map, RowChange change) : map_(&map), change_(change) {}

  [[nodiscard]] bool read_image(const std::vector<bool>& present, RowImage& image);

  const TableMap* map_;
  RowChange change_;
  std::vector<bool> before_present_;
  std::vector<bool> after_present_;
  Bytes rest_;
};

/// Calls `on_row` for each row of one rows event. Errors as RowReader's.
[[nodiscard]] Status for_each_row(const TableMap& map,
                                  Bytes rows_event,
                                  const std::function<void(const RowDiff&)>& on_row);

/// Receives the rows of a whole group.
class GroupRowsVisitor {
 public:
  GroupRowsVisitor() = default;
  GroupRowsVisitor(const GroupRowsVisitor&) = delete;
  GroupRowsVisitor& operator=(const GroupRowsVisitor&) = delete;
  virtual ~GroupRowsVisitor() = default;

  /// Rows of `map`'s table follow. An error ends the walk and is returned by it.
  [[nodiscard]] virtual Status on_table(const TableMap& map) = 0;

  /// A row of the table last announced.
  virtual void on_row(const RowDiff& row) = 0;

  /// Some rows of a table with !map.can_cut_rows() were changed.
  virtual void on_uncut_rows(const TableMap& map) = 0;

  /// A statement mapped this table and changed no row of it.
  [[nodiscard]] virtual Status on_table_without_rows(const TableMap& map) = 0;
};

/// Walks all rows of a group in order. Errors: RowReader's, kUnknownTable, or the visitor's own.
/// REQUIRES: !group.unfit.
[[nodiscard]] Status visit_group_rows(const BinlogGroup& group, GroupRowsVisitor& visitor);

/// Sets (or clears) kRowsNoForeignKeyChecks in every rows event of `group` whose table satisfies
/// `applies`. Events logged with the flag already set keep it when `on` is true.
void set_no_foreign_key_checks(BinlogGroup& group,
                               bool on,
                               const std::function<bool(const TableName&)>& applies);

}  // namespace consort::protocol
