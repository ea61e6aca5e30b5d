#include "protocol/row_events.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "protocol/binlog_decode.h"
#include "protocol/lenenc.h"

namespace consort::protocol {
namespace {

/// MariaDB and MySQL use this table id for a rows event that only ends a statement.
constexpr std::uint64_t kNoTableId = 0xFFFFFF;
constexpr std::size_t kRowsFlagsOffset = kBinlogHeaderBytes + 6;

Error malformed(const TableMap& map) {
  return make_error(BinlogError::kMalformed,
                    "malformed rows event of " + map.schema() + "." + map.table());
}

struct RowsFormat {
  RowChange change;
  bool version_2;
};

std::optional<RowsFormat> rows_format(std::uint8_t type) {
  switch (static_cast<BinlogEventType>(type)) {
    case BinlogEventType::kWriteRowsV1:
      return RowsFormat{RowChange::kInsert, false};
    case BinlogEventType::kUpdateRowsV1:
      return RowsFormat{RowChange::kUpdate, false};
    case BinlogEventType::kDeleteRowsV1:
      return RowsFormat{RowChange::kDelete, false};
    case BinlogEventType::kWriteRowsV2:
      return RowsFormat{RowChange::kInsert, true};
    case BinlogEventType::kUpdateRowsV2:
      return RowsFormat{RowChange::kUpdate, true};
    case BinlogEventType::kDeleteRowsV2:
      return RowsFormat{RowChange::kDelete, true};
    default:
      return std::nullopt;
  }
}

std::vector<bool> read_bitmap(Reader& reader, std::size_t count) {
  const Bytes bytes = reader.bytes((count + 7) / 8);
  std::vector<bool> bits(count);
  for (std::size_t i = 0; i < count && !bytes.empty(); ++i) {
    bits[i] = (bytes[i / 8] & (1 << (i % 8))) != 0;
  }
  return bits;
}

std::uint64_t read_length(Reader& reader, std::uint8_t length_bytes) {
  switch (length_bytes) {
    case 1:
      return reader.u8();
    case 2:
      return reader.u16();
    case 3:
      return reader.le<3>();
    default:
      return reader.u32();
  }
}

Bytes read_value(Reader& reader, const ColumnLayout& column) {
  if (column.length_bytes == 0) {
    return reader.bytes(column.fixed_bytes);
  }
  return reader.bytes(read_length(reader, column.length_bytes));
}

}  // namespace

Result<RowReader> RowReader::open(const TableMap& map, Bytes event) {
  const std::optional<RowsFormat> format =
      event.size() < kBinlogHeaderBytes ? std::nullopt : rows_format(event[4]);
  if (!format || !map.can_cut_rows()) {
    return make_error(BinlogError::kUnsupported, "not a rows event that can be read");
  }
  RowReader rows(map, format->change);
  Reader reader(event);
  reader.skip(kBinlogHeaderBytes + 6 + 2);  // table id, flags
  if (format->version_2) {
    const std::uint16_t extra_bytes = reader.u16();  // counts itself
    if (extra_bytes < 2) {
      return malformed(map);
    }
    reader.skip(extra_bytes - 2u);
  }
  const std::uint64_t width = reader.lenenc();
  if (reader.failed() || width != map.columns().size() || width == 0) {
    return malformed(map);
  }
  rows.before_present_ = read_bitmap(reader, map.columns().size());
  if (format->change == RowChange::kUpdate) {
    rows.after_present_ = read_bitmap(reader, map.columns().size());
  } else if (format->change == RowChange::kInsert) {
    rows.after_present_ = std::exchange(rows.before_present_, {});
  }
  if (reader.failed()) {
    return malformed(map);
  }
  rows.rest_ = reader.rest();
  return rows;
}

Result<bool> RowReader::next(RowDiff& row) {
  if (rest_.empty()) {
    return false;
  }
  const std::size_t before = rest_.size();
  row.change = change_;
  if (!read_image(before_present_, row.before) || !read_image(after_present_, row.after) ||
      rest_.size() == before) {
    return malformed(*map_);
  }
  return true;
}

bool RowReader::read_image(const std::vector<bool>& present, RowImage& image) {
  image.clear();
  if (present.empty()) {
    return true;
  }
  Reader reader(rest_);
  const auto present_count =
      static_cast<std::size_t>(std::count(present.begin(), present.end(), true));
  const Bytes null_bits = reader.bytes((present_count + 7) / 8);
  if (reader.failed()) {
    return false;
  }
  image.resize(present.size());
  std::size_t place = 0;  // among the columns that are present
  for (std::size_t i = 0; i < present.size(); ++i) {
    ColumnValue& value = image[i];
    value.present = present[i];
    if (!present[i]) {
      continue;
    }
    const ColumnLayout& column = map_->columns()[i];
    const bool is_null = (null_bits[place / 8] & (1 << (place % 8))) != 0;
    ++place;
    if (!is_null) {
      value.kind = column.kind;
      value.collation = column.collation;
      value.bytes = read_value(reader, column);
    }
  }
  if (reader.failed()) {
    return false;
  }
  rest_ = reader.rest();
  return true;
}

Status for_each_row(const TableMap& map,
                    Bytes rows_event,
                    const std::function<void(const RowDiff&)>& on_row) {
  Result<RowReader> rows = RowReader::open(map, rows_event);
  if (!rows) {
    return rows.error();
  }
  RowDiff row;
  for (;;) {
    const Result<bool> more = rows->next(row);
    if (!more) {
      return more.error();
    }
    if (!*more) {
      return Ok{};
    }
    on_row(row);
  }
}

namespace {

/// Walks a group's events. A table map stays decoded while later statements repeat it.
class GroupWalk {
 public:
  GroupWalk(const BinlogGroup& group, GroupRowsVisitor& visitor)
      : group_(group), visitor_(visitor) {}

  Status run() {
    for (const EventSpan& span : group_.spans) {
      Status status = span.type == BinlogEventType::kTableMap ? on_table_map(span) : on_rows(span);
      if (!status) {
        return status;
      }
    }
    return end_statement();
  }

 private:
  struct Known {
    Bytes body;
    TableMap map;
  };

  struct Mapped {
    std::uint64_t id = 0;
    const TableMap* map = nullptr;
    bool changed = false;
  };

  Status on_table_map(const EventSpan& span) {
    const Bytes event = group_.event(span);
    const Bytes body = event.subspan(kBinlogHeaderBytes);
    for (const Known& known : known_) {
      if (std::equal(body.begin(), body.end(), known.body.begin(), known.body.end())) {
        mapped_.push_back({span.table_id, &known.map, false});
        return Ok{};
      }
    }
    Result<TableMap> map = TableMap::decode(event);
    if (!map) {
      return map.error();
    }
    known_.push_back({body, std::move(map).value()});
    mapped_.push_back({span.table_id, &known_.back().map, false});
    return Ok{};
  }

  Status on_rows(const EventSpan& span) {
    const auto found = std::find_if(mapped_.rbegin(), mapped_.rend(), [&](const Mapped& mapped) {
      return mapped.id == span.table_id;
    });
    if (found == mapped_.rend()) {
      if (span.table_id == kNoTableId) {
        return end_statement();
      }
      return make_error(BinlogError::kUnknownTable, "a rows event without its table map");
    }
    for (Mapped& mapped : mapped_) {
      mapped.changed = mapped.changed || mapped.id == span.table_id;
    }
    if (!found->map->can_cut_rows()) {
      visitor_.on_uncut_rows(*found->map);
      return after_rows(span);
    }
    if (announced_ != found->map) {
      Status status = visitor_.on_table(*found->map);
      if (!status) {
        return status;
      }
      announced_ = found->map;
    }
    Status status = for_each_row(*found->map, group_.event(span),
                                 [this](const RowDiff& row) { visitor_.on_row(row); });
    if (!status) {
      return status;
    }
    return after_rows(span);
  }

  Status after_rows(const EventSpan& span) {
    return (span.flags & kRowsStatementEnd) != 0 ? end_statement() : Status(Ok{});
  }

  Status end_statement() {
    for (const Mapped& mapped : mapped_) {
      if (!mapped.changed) {
        Status status = visitor_.on_table_without_rows(*mapped.map);
        if (!status) {
          return status;
        }
      }
    }
    mapped_.clear();
    return Ok{};
  }

  const BinlogGroup& group_;
  GroupRowsVisitor& visitor_;
  std::deque<Known> known_;  // addresses must last
  std::vector<Mapped> mapped_;
  const TableMap* announced_ = nullptr;
};

}  // namespace

Status visit_group_rows(const BinlogGroup& group, GroupRowsVisitor& visitor) {
  CHECK(!group.unfit);
  return GroupWalk(group, visitor).run();
}

void set_no_foreign_key_checks(BinlogGroup& group,
                               bool on,
                               const std::function<bool(const TableName&)>& applies) {
  std::vector<std::pair<std::uint64_t, bool>> mapped;  // table id -> applies
  for (EventSpan& span : group.spans) {
    if (span.type == BinlogEventType::kTableMap) {
      const std::optional<TableMapHead> head = decode_table_map_head(group.event(span));
      mapped.emplace_back(span.table_id, head && applies({head->schema, head->table}));
      continue;
    }
    const auto found = std::find_if(mapped.rbegin(), mapped.rend(), [&](const auto& entry) {
      return entry.first == span.table_id;
    });
    if (found != mapped.rend() && found->second) {
      const auto flags =
          static_cast<std::uint16_t>(on ? span.flags | kRowsNoForeignKeyChecks
                                        : span.flags & ~unsigned{kRowsNoForeignKeyChecks});
      span.flags = flags;
      store_le<2>(group.event(span).data() + kRowsFlagsOffset, flags);
    }
    if ((span.flags & kRowsStatementEnd) != 0) {
      mapped.clear();
    }
  }
}

}  // namespace consort::protocol
