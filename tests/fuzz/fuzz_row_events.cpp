// TableMap and RowReader: any TABLE_MAP and any rows event under it are cut or refused; values lie
// in the event, and a second walk sees the same rows. What comes out goes on into the key builder.
// Input: two bytes of length, a TABLE_MAP event, and behind it a rows event.
#include <algorithm>

#include "base/check.h"
#include "certifier/key_builder.h"
#include "certifier/schema_catalog.h"
#include "protocol/lenenc.h"
#include "protocol/row_events.h"

using namespace consort;
using namespace consort::protocol;

namespace {

/// A definition that fits `map` in names only: every column a key, texts of various collations.
certifier::TableDefinition definition_of(const TableMap& map) {
  static constexpr const char* kCollations[] = {"utf8mb4_general_ci", "utf8mb4_bin",
                                                "latin1_swedish_ci", "utf16_general_ci", "binary"};
  certifier::TableDefinition table;
  table.schema = map.schema();
  table.table = map.table();
  for (std::size_t i = 0; i < map.columns().size(); ++i) {
    certifier::ColumnDefinition column;
    column.name = i < map.column_names().size() ? map.column_names()[i] : std::to_string(i);
    column.is_text = map.columns()[i].kind == ValueKind::kText;
    column.collation = column.is_text ? kCollations[i % 5] : "";
    column.nullable = map.columns()[i].nullable;
    table.columns.push_back(column);
    table.unique_keys.push_back(
        {"k" + std::to_string(i),
         false,
         true,
         column.nullable,
         {{static_cast<std::uint16_t>(i), static_cast<std::uint32_t>(i % 4)}},
         {}});
  }
  return table;
}

bool lies_in(Bytes part, Bytes whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

std::size_t count_rows(const TableMap& map, Bytes event) {
  std::size_t rows = 0;
  static_cast<void>(for_each_row(map, event, [&](const RowDiff& row) {
    ++rows;
    for (const RowImage* image : {&row.before, &row.after}) {
      CHECK(image->empty() || image->size() == map.columns().size());
      for (const ColumnValue& value : *image) {
        CHECK(lies_in(value.bytes, event));
      }
    }
  }));
  return rows;
}

void build_keys(const TableMap& map, Bytes event) {
  certifier::SchemaCatalog catalog;
  catalog.put(definition_of(map));
  certifier::KeyBuilder builder(catalog, nullptr, {.row_keys_max = 1000});
  if (!builder.begin_table(map.name(), map.column_names(), map.columns().size()).ok()) {
    return;
  }
  static_cast<void>(for_each_row(map, event, [&](const RowDiff& row) { builder.add_row(row); }));
  const std::vector<RowKey> keys = builder.take();
  CHECK(keys.size() >= 2);
  CHECK(std::is_sorted(keys.begin(), keys.end()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader input(Bytes(data, size));
  const std::size_t bytes = std::min<std::size_t>(input.u16(), input.remaining());
  const Bytes map_event = input.bytes(bytes);
  const Bytes rows_event = input.rest();
  const Result<TableMap> map = TableMap::decode(map_event);
  if (!map.ok()) {
    CHECK(!map.error().message.empty());
    return 0;
  }
  CHECK(map->column_names().empty() || map->column_names().size() == map->columns().size() ||
        !map->can_cut_rows());
  const std::size_t rows = count_rows(*map, rows_event);
  CHECK(rows == count_rows(*map, rows_event));
  if (map->can_cut_rows()) {
    build_keys(*map, rows_event);
  }
  return 0;
}
