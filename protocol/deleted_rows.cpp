#include "protocol/deleted_rows.h"

#include <algorithm>
#include <utility>

namespace consort::protocol {
namespace {

constexpr std::size_t kTypeAt = 4;

const BinlogTable* only_table_with_rows(const BinlogGroup& group) {
  const BinlogTable* found = nullptr;
  for (const BinlogTable& table : group.tables) {
    if (table.has_rows && found != nullptr) {
      return nullptr;
    }
    found = table.has_rows ? &table : found;
  }
  return found;
}

}  // namespace

bool write_deleted_rows(BinlogGroup& group) {
  const BinlogTable* only = group.unfit ? nullptr : only_table_with_rows(group);
  const bool deletes = std::all_of(group.spans.begin(), group.spans.end(), [](const auto& span) {
    return span.type == BinlogEventType::kTableMap || span.type == BinlogEventType::kDeleteRowsV1;
  });
  if (only == nullptr || !deletes) {
    return false;
  }
  std::vector<std::uint64_t> with_rows;  // ids
  for (const EventSpan& span : group.spans) {
    if (span.type != BinlogEventType::kTableMap) {
      with_rows.push_back(span.table_id);
    }
  }
  BinlogGroup written;
  for (EventSpan span : group.spans) {
    if (std::find(with_rows.begin(), with_rows.end(), span.table_id) == with_rows.end()) {
      continue;
    }
    const Bytes event = std::as_const(group).event(span);
    span.offset = written.events.size();
    append(written.events, event);
    if (span.type == BinlogEventType::kDeleteRowsV1) {
      span.type = BinlogEventType::kWriteRowsV1;
      written.events[span.offset + kTypeAt] = static_cast<std::uint8_t>(span.type);
    }
    written.spans.push_back(span);
  }
  group.tables = {*only};
  group.events = std::move(written.events);
  group.spans = std::move(written.spans);
  return true;
}

}  // namespace consort::protocol
