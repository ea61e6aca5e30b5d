// BinlogGroupReader and the row decoders: no stream of events makes them read outside of an event,
// hold more than their limit, or yield spans that do not lie in the group.
// Input: events, each two bytes of length and then its bytes; size fields are put right, so that
// mutations get past the first check.
#include <algorithm>

#include "base/check.h"
#include "protocol/binlog_decode.h"
#include "protocol/binlog_events.h"
#include "protocol/lenenc.h"
#include "protocol/row_events.h"

using namespace consort;
using namespace consort::protocol;

namespace {

constexpr std::size_t kGroupBytesMax = 4096;

/// Looks at every byte it is shown.
class RowToucher final : public GroupRowsVisitor {
 public:
  Status on_table(const TableMap& map) override {
    CHECK(map.can_cut_rows());
    columns_ = map.columns().size();
    return Ok{};
  }

  void on_row(const RowDiff& row) override {
    for (const RowImage* image : {&row.before, &row.after}) {
      CHECK(image->empty() || image->size() == columns_);
      for (const ColumnValue& value : *image) {
        CHECK(value.kind != ValueKind::kNull || value.bytes.empty());
        for (const std::uint8_t byte : value.bytes) {
          sum_ = sum_ * 31 + byte;
        }
      }
    }
  }

  void on_uncut_rows(const TableMap& map) override { CHECK(!map.can_cut_rows()); }

  Status on_table_without_rows(const TableMap& /*map*/) override { return Ok{}; }

 private:
  std::size_t columns_ = 0;
  volatile unsigned sum_ = 0;
};

void check_group(BinlogGroup& group) {
  if (group.unfit) {
    CHECK(group.events.empty());
    CHECK(group.spans.empty());
    return;
  }
  CHECK(group.events.size() <= kGroupBytesMax);
  std::size_t end = 0;
  for (const EventSpan& span : group.spans) {
    CHECK(span.offset == end);
    end += span.bytes;
    const auto header = decode_event_header(group.event(span));
    CHECK(header.has_value());
    CHECK(header->type == span.type);
  }
  CHECK(end == group.events.size());
  RowToucher toucher;
  static_cast<void>(visit_group_rows(group, toucher));
  set_no_foreign_key_checks(group, true, [](const TableName& name) { return !name.table.empty(); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader input(Bytes(data, size));
  BinlogGroupReader reader({.group_bytes_max = kGroupBytesMax});
  while (!input.at_end()) {
    const std::size_t bytes = std::min<std::size_t>(input.u16(), input.remaining());
    const Bytes taken = input.bytes(bytes);
    Buffer event(taken.begin(), taken.end());
    if (event.size() >= kBinlogHeaderBytes) {
      set_event_bytes(event, event.size());
    }
    auto output = reader.feed(event);
    if (!output.ok()) {
      CHECK(!output.error().message.empty());
      break;
    }
    CHECK(reader.waiting_bytes() <= kGroupBytesMax);
    if (output->has_value()) {
      if (auto* group = std::get_if<BinlogGroup>(&**output)) {
        check_group(*group);
      }
    }
  }
  return 0;
}
