#include "tests/sim/model_rows.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace consort::sim {
namespace {

constexpr std::size_t kOpBytes = 22;
constexpr std::uint32_t kInitialRows = 6;
constexpr std::uint64_t kTableKeys = 1ULL << 40;

std::uint64_t row_hash(RowId row) {
  return (static_cast<std::uint64_t>(row.table) << 32) | row.id;
}

void append_ops(std::vector<RowOp>& ops, Bytes body) {
  CHECK(body.size() % kOpBytes == 0);
  for (const std::uint8_t* from = body.data(); from != body.data() + body.size();
       from += kOpBytes) {
    RowOp op;
    op.change = static_cast<RowChange>(from[0]);
    op.row.table = from[1];
    op.row.id = static_cast<std::uint32_t>(load_le<4>(from + 2));
    op.before = static_cast<std::int64_t>(load_le<8>(from + 6));
    op.after = static_cast<std::int64_t>(load_le<8>(from + 14));
    ops.push_back(op);
  }
}

}  // namespace

Buffer encode_rows(std::span<const RowOp> ops) {
  Buffer rows;
  for (const RowOp& op : ops) {
    append_le<1>(rows, static_cast<std::uint8_t>(op.change));
    append_le<1>(rows, op.row.table);
    append_le<4>(rows, op.row.id);
    append_le<8>(rows, static_cast<std::uint64_t>(op.before));
    append_le<8>(rows, static_cast<std::uint64_t>(op.after));
  }
  return test::insert_events(as_text(rows));
}

std::vector<RowGroup> decode_groups(Bytes events) {
  std::vector<RowGroup> groups;
  std::set<std::uint64_t> of_position;
  bool ended = true;
  for (const test::RowEvent& event : test::parse_events(events)) {
    if (event.type == test::kTableMapEvent) {
      if (test::table_of(event) == "consort.position") {
        of_position.insert(event.table_id);
      }
      continue;
    }
    if (std::exchange(ended, false)) {
      groups.emplace_back();
    }
    if (of_position.contains(event.table_id)) {
      CHECK(!groups.back().move.has_value());
      CHECK(groups.back().ops.empty());  // it goes first
      groups.back().move = test::position_images(event.body);
    } else {
      append_ops(groups.back().ops, event.body);
    }
    if ((event.flags & test::kEndsStatement) != 0) {
      ended = true;
      of_position.clear();
    }
  }
  CHECK(ended);
  return groups;
}

std::vector<RowOp> decode_rows(Bytes payload) {
  std::vector<RowOp> ops;
  for (const RowGroup& group : decode_groups(payload)) {
    CHECK(!group.move.has_value());
    ops.insert(ops.end(), group.ops.begin(), group.ops.end());
  }
  return ops;
}

RowKey table_key(std::uint8_t table, KeyHold hold) {
  return {kTableKeys + table, hold};
}

std::vector<RowKey> keys_of(std::span<const RowOp> ops) {
  std::vector<RowKey> keys;
  for (const RowOp& op : ops) {
    const bool update = op.change == RowChange::kUpdate;
    keys.push_back({row_hash(op.row), update ? KeyHold::kUpdate : KeyHold::kExclusive});
    keys.push_back(table_key(op.row.table, KeyHold::kShared));
    if (op.row.table == kChildren && op.change != RowChange::kDelete) {
      const RowId parent{kParents, static_cast<std::uint32_t>(op.after)};
      keys.push_back({row_hash(parent), KeyHold::kReference});
    }
  }
  return keys;
}

bool removes_parents(std::span<const RowOp> ops) {
  return std::any_of(ops.begin(), ops.end(), [](const RowOp& op) {
    return op.row.table == kParents && op.change == RowChange::kDelete;
  });
}

std::optional<std::int64_t> Data::value(RowId row) const {
  const auto found = rows.find(row);
  return found == rows.end() ? std::nullopt : std::optional(found->second);
}

void Data::set(RowId row, std::optional<std::int64_t> value) {
  if (value) {
    rows[row] = *value;
  } else {
    rows.erase(row);
  }
}

std::uint16_t Data::execute_ddl(std::string_view statement) {
  if (const auto table = truncated_table(statement)) {
    std::erase_if(rows, [table](const auto& row) { return row.first.table == *table; });
    return 0;
  }
  const std::string name(statement.substr(statement.rfind(' ') + 1));
  if (statement.starts_with("CREATE TABLE ")) {
    return ddl_tables.insert(name).second ? 0 : 1050;
  }
  CHECK(statement.starts_with("DROP TABLE "));
  return ddl_tables.erase(name) == 1 ? 0 : 1051;
}

std::optional<std::uint8_t> truncated_table(std::string_view statement) {
  if (!statement.starts_with("TRUNCATE ")) {
    return std::nullopt;
  }
  return static_cast<std::uint8_t>(statement.back() - '0');
}

Data initial_data() {
  Data data;
  for (std::uint32_t id = 0; id < kInitialRows; ++id) {
    data.rows[{kCounters, id}] = 100;
    data.rows[{kMoreCounters, id}] = 100;
    data.rows[{kParents, id}] = 0;
  }
  return data;
}

std::string describe(const Data& data) {
  std::string out;
  for (const auto& [row, value] : data.rows) {
    out += std::to_string(row.table) + "/" + std::to_string(row.id) + "=" + std::to_string(value) +
           " ";
  }
  for (const std::string& table : data.ddl_tables) {
    out += table + " ";
  }
  return out;
}

std::string describe_rows(std::span<const RowOp> ops) {
  std::string out;
  for (const RowOp& op : ops) {
    out += " " + std::to_string(op.row.table) + "/" + std::to_string(op.row.id) + ": " +
           (op.change == RowChange::kInsert ? "-" : std::to_string(op.before)) + " to " +
           (op.change == RowChange::kDelete ? "-" : std::to_string(op.after));
  }
  return out;
}

}  // namespace consort::sim
