#include "certifier/event_groups.h"

#include "tests/support/row_events.h"
#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::certifier;
using test::append_event;
using test::append_table_map;
using test::insert_events;

Buffer joined(EventGroups& groups) {
  std::string text;
  groups.append_base64_to(text);
  return test::decode_base64(text);
}

std::string joined(const std::vector<Buffer>& payloads, std::size_t& count) {
  EventGroups groups;
  for (const Buffer& payload : payloads) {
    groups.add(payload);
  }
  count = groups.count();
  return test::describe_events(joined(groups));
}

std::string joined(const std::vector<Buffer>& payloads) {
  std::size_t count = 0;
  return joined(payloads, count);
}

}  // namespace

TEST_SUITE("certifier") {
  TEST_CASE("EventGroups: joins statements, whatever ids their homes gave the tables") {
    std::size_t count = 0;
    EXPECT(joined({insert_events("a", 5), insert_events("b", 5, 0, "u"), insert_events("c", 9)},
                  count) == "[s.t:a s.u:b s.t:c]");
    EXPECT(count == 1);
  }

  TEST_CASE("mapped_table: the first one, if a TABLE_MAP is there and whole") {
    Buffer events = insert_events("a", 5, 0, "some table");
    const std::optional<TableRef> table = mapped_table(events);
    REQUIRE(table.has_value());
    EXPECT(table->schema == "s");
    EXPECT(table->table == "some table");
    EXPECT_FALSE(mapped_table({}).has_value());
    EXPECT_FALSE(mapped_table(Bytes(events).first(30)).has_value());
    events[4] = 23;
    EXPECT_FALSE(mapped_table(events).has_value());
  }

  TEST_CASE("EventGroups: all tables are named before the first row, each once") {
    const Buffer first = insert_events("a", 5);
    const Buffer second = insert_events("b", 5, 0, "u");
    EventGroups groups;
    groups.add(first);
    groups.add(second);
    groups.add(first);
    const Buffer bytes = joined(groups);
    const auto events = test::parse_events(bytes);
    REQUIRE(events.size() == 5);
    EXPECT(events[0].type == test::kTableMapEvent);
    EXPECT(events[1].type == test::kTableMapEvent);
    EXPECT(events[0].table_id != events[1].table_id);
    EXPECT(events[2].flags == 0);
    EXPECT(events[3].flags == 0);
    EXPECT(events[4].flags == test::kEndsStatement);
  }

  TEST_CASE("EventGroups: several statements of one payload, several events of one statement") {
    Buffer payload;
    append_table_map(payload, 3, "s", "t");
    append_table_map(payload, 4, "s", "children");  // of a cascade: without rows
    append_event(payload, {test::kWriteRowsEvent, 3, 0, as_bytes("a")});
    append_event(payload, {test::kUpdateRowsEvent, 3, test::kEndsStatement, as_bytes("b")});
    append(payload, insert_events("c", 3, 0, "u"));  // the same id for another table
    std::size_t count = 0;
    EXPECT(joined({payload}, count) == "[s.t:a s.t:b s.u:c]");
    EXPECT(count == 1);
  }

  TEST_CASE("EventGroups: what the server takes from a group's first rows event keeps them apart") {
    std::size_t count = 0;
    EXPECT(joined({insert_events("a"), insert_events("b", 1, 2), insert_events("c", 1, 2),
                   insert_events("d")},
                  count) == "[s.t:a][s.t:b s.t:c][s.t:d]");
    EXPECT(count == 3);
  }

  TEST_CASE("EventGroups: a table that is defined in two ways is no table of one group") {
    Buffer other;
    append_table_map(other, 5, "s", "t", "more columns");
    append_event(other, {test::kWriteRowsEvent, 5, test::kEndsStatement, as_bytes("b")});
    EXPECT(joined({insert_events("a"), other, insert_events("c")}) == "[s.t:a][s.t:b][s.t:c]");
  }

  TEST_CASE("EventGroups: what it cannot read stays as it is and counts as several") {
    const Buffer good = insert_events("a");
    Buffer unmapped;
    append_event(unmapped, {test::kWriteRowsEvent, 8, test::kEndsStatement, as_bytes("b")});
    Buffer unended;
    append_table_map(unended, 5, "s", "t");
    append_event(unended, {test::kWriteRowsEvent, 5, 0, as_bytes("b")});
    Buffer trailing = insert_events("a");
    append_table_map(trailing, 5, "s", "t");
    Buffer mixed;
    append_table_map(mixed, 5, "s", "t");
    append_event(mixed, {test::kWriteRowsEvent, 5, 2, as_bytes("b")});
    append_event(mixed, {test::kWriteRowsEvent, 5, test::kEndsStatement, as_bytes("b")});
    Buffer foreign = insert_events("a");
    foreign[4] = 2;  // a QUERY event
    Buffer nameless = insert_events("a");
    nameless[27] = 0xFF;  // a schema's name that is longer than the event
    const Buffer cut(good.begin(), good.end() - 1);
    const Buffer shorter(good.begin(), good.begin() + 10);
    for (const Buffer& odd :
         {unmapped, unended, trailing, mixed, foreign, nameless, cut, shorter}) {
      CAPTURE(&odd);
      EventGroups groups;
      groups.add(good);
      groups.add(odd);
      groups.add(good);
      EXPECT(groups.count() >= 3);
      Buffer expected = good;
      append(expected, odd);
      append(expected, good);
      // Table ids are the only difference.
      Buffer bytes = joined(groups);
      REQUIRE(bytes.size() == expected.size());
      EXPECT(Buffer(bytes.begin() + static_cast<std::ptrdiff_t>(good.size()),
                    bytes.end() - static_cast<std::ptrdiff_t>(good.size())) == odd);
    }
  }

  TEST_CASE("EventGroups: nothing is a group of its own") {
    EventGroups groups;
    groups.add({});
    EXPECT(groups.count() == 0);
    EXPECT(joined(groups).empty());
  }

  TEST_CASE("EventGroups: tables that a cascade may have changed have a map and no rows") {
    EXPECT_FALSE(maps_table_without_rows({}));
    Buffer events = insert_events("a", 5);
    EXPECT_FALSE(maps_table_without_rows(events));
    append(events, insert_events("b", 6, 0, "u"));
    EXPECT_FALSE(maps_table_without_rows(events));
    Buffer cascade;
    append_table_map(cascade, 6, "s", "u");
    append(cascade, insert_events("c", 5));
    EXPECT(maps_table_without_rows(cascade));
    Buffer behind = events;  // the same table has rows in another statement
    append(behind, cascade);
    append(behind, insert_events("d", 6, 0, "u"));
    EXPECT(maps_table_without_rows(behind));
    EXPECT(maps_table_without_rows(as_bytes("no events")));  // in doubt
    Buffer cut;
    append_table_map(cut, 6, "s", "u");
    EXPECT(maps_table_without_rows(cut));
    EXPECT(maps_table_without_rows(Bytes(cut).first(cut.size() - 1)));
  }
}
