#include "protocol/deleted_rows.h"

#include <string>
#include <vector>

#include "protocol/row_events.h"
#include "tests/support/test.h"
#include "tests/unit/protocol/binlog_bytes.h"

namespace consort::protocol {
namespace {

/// An insert's event in another role: their bytes are alike.
Buffer as_type(Buffer event, BinlogEventType type) {
  event[4] = static_cast<std::uint8_t>(type);
  return event;
}

BinlogGroup group_of(test::EventWriter& e, const std::vector<Buffer>& events) {
  BinlogGroupReader reader;
  std::optional<BinlogGroup> group;
  std::vector<Buffer> all = {e.rotate("b.1"), e.format_description(), e.gtid(1, 0x44)};
  all.insert(all.end(), events.begin(), events.end());
  all.push_back(e.xa_prepare());
  for (const Buffer& event : all) {
    auto output = reader.feed(event);
    REQUIRE(output.ok());
    if (output->has_value() && std::holds_alternative<BinlogGroup>(**output)) {
      group = std::move(std::get<BinlogGroup>(**output));
    }
  }
  REQUIRE(group.has_value());
  return std::move(*group);
}

/// Type and first value of each row.
std::string written(const BinlogGroup& group) {
  class Recorder final : public GroupRowsVisitor {
   public:
    Status on_table(const TableMap& map) override {
      log += map.table() + ":";
      return Ok{};
    }

    void on_row(const RowDiff& row) override {
      log += row.before.empty() ? "+" : "-";
      const RowImage& image = row.before.empty() ? row.after : row.before;
      log += std::to_string(image[0].bytes[0]) + " ";
    }

    void on_uncut_rows(const TableMap& map) override { log += map.table() + "? "; }

    Status on_table_without_rows(const TableMap& map) override {
      log += "(" + map.table() + ") ";
      return Ok{};
    }

    std::string log;
  };

  Recorder recorder;
  REQUIRE(visit_group_rows(group, recorder).ok());
  return recorder.log;
}

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE("write_deleted_rows: they are written in the order in which they were deleted") {
    test::EventWriter e(false);
    const auto deletes = BinlogEventType::kDeleteRowsV1;
    BinlogGroup group =
        group_of(e, {e.table_map(5, "t"), e.table_map(6, "kids"),
                     as_type(e.insert(5, 3, 0), deletes), as_type(e.insert(5, 1), deletes)});
    EXPECT(written(group) == "t:-3 -1 (kids) ");
    REQUIRE(write_deleted_rows(group));
    EXPECT(written(group) == "t:+3 +1 ");
    REQUIRE(group.tables.size() == 1);
    EXPECT(group.tables[0].table == "t");
  }

  TEST_CASE("write_deleted_rows: a group that changes something else stays as it is") {
    test::EventWriter e(false);
    const auto deletes = BinlogEventType::kDeleteRowsV1;
    const std::vector<std::vector<Buffer>> others = {
        {e.table_map(5, "t"), as_type(e.insert(5, 3, 0), deletes), e.insert(5, 4)},
        {e.table_map(5, "t"), e.insert(5, 4)},
        {e.table_map(5, "t"), e.table_map(6, "seen"), as_type(e.insert(5, 3, 0), deletes),
         as_type(e.insert(6, 3), deletes)}};
    for (const std::vector<Buffer>& events : others) {
      BinlogGroup group = group_of(e, events);
      const std::string before = written(group);
      EXPECT_FALSE(write_deleted_rows(group));
      EXPECT(written(group) == before);
    }
    BinlogGroup large = group_of(e, {e.table_map(5, "t"), as_type(e.insert(5, 3), deletes)});
    large.unfit = Error{1, "too large"};
    EXPECT_FALSE(write_deleted_rows(large));
  }
}

}  // namespace consort::protocol
