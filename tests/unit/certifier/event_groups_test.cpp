#include "certifier/event_groups.h"

#include <algorithm>

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

  TEST_CASE("to_mysql_events: rows events of version 2") {
    Buffer events = insert_events("abc", 5, 2);
    append_event(events, {test::kUpdateRowsEvent, 5, test::kEndsStatement, as_bytes("d")});
    append_event(events, {25, 5, test::kEndsStatement, as_bytes("e")});
    const Buffer upgraded = to_mysql_events(events);
    const auto parsed = test::parse_events(upgraded);
    REQUIRE(parsed.size() == 4);
    EXPECT(upgraded.size() == events.size() + 6);
    EXPECT(parsed[0].type == test::kTableMapEvent);
    EXPECT(parsed[1].type == 30);
    EXPECT(parsed[1].table_id == 5);
    EXPECT(parsed[1].flags == 3);
    EXPECT(as_text(parsed[1].body) == std::string_view("\2\0abc", 5));
    EXPECT(parsed[2].type == 31);
    EXPECT(parsed[3].type == 32);
    EXPECT(to_mysql_events(upgraded) == upgraded);
    events.push_back(1);  // what cannot be read
    EXPECT(to_mysql_events(events).size() == upgraded.size() + 1);
    EXPECT(to_mysql_events({}).empty());
  }

  TEST_CASE("EventGroups: for MySQL one group of whatever flags, of version 2") {
    constexpr std::uint16_t kOwn = 0x10;
    Buffer cascade;  // as MySQL logs it: the child's row, then its parent's
    append_table_map(cascade, 3, "s", "p");
    append_table_map(cascade, 4, "s", "c");
    append_event(cascade, {test::kWriteRowsEvent, 4, kOwn | 2, as_bytes("child")});
    append_event(cascade,
                 {test::kWriteRowsEvent, 3, kOwn | test::kEndsStatement, as_bytes("parent")});
    const Buffer position = insert_events("0>1");
    const Buffer unchecked = insert_events("x", 1, kOwn | 2);
    EventGroups groups(ServerKind::kMysql);
    groups.add(position);
    groups.add(cascade);
    groups.add(unchecked);
    EXPECT(groups.count() == 1);
    const Buffer bytes = joined(groups);
    const auto events = test::parse_events(bytes);
    REQUIRE(events.size() == 7);
    std::vector<std::uint16_t> flags;
    for (std::size_t i = 3; i < events.size(); ++i) {
      EXPECT(events[i].type == 30);
      flags.push_back(events[i].flags);
    }
    EXPECT(flags == std::vector<std::uint16_t>{kOwn, kOwn | 2, kOwn, kOwn | 2 | 1});
  }

  TEST_CASE("EventGroups: for MariaDB what MySQL wrote follows no foreign keys") {
    constexpr std::uint16_t kOwn = 0x10;
    Buffer cascade;
    append_table_map(cascade, 3, "s", "p");
    append_table_map(cascade, 4, "s", "c");
    append_event(cascade, {test::kWriteRowsEvent, 4, kOwn | 2, as_bytes("child")});
    append_event(cascade,
                 {test::kWriteRowsEvent, 3, kOwn | test::kEndsStatement, as_bytes("parent")});
    EventGroups groups;
    groups.add(insert_events("0>1"));
    groups.add(insert_events("checked", 1, kOwn));  // first in its group: it speaks for all
    groups.add(cascade);
    groups.add(insert_events("mariadb"));
    EXPECT(groups.count() == 3);
    const Buffer bytes = joined(groups);
    std::vector<std::uint16_t> flags;
    for (const auto& event : test::parse_events(bytes)) {
      if (event.type == test::kWriteRowsEvent) {
        flags.push_back(event.flags);
      }
    }
    EXPECT(flags == std::vector<std::uint16_t>{1, 2, 2, 2 | 1, 1});
    const Buffer alone = to_mariadb_events(cascade);
    const auto events = test::parse_events(alone);
    REQUIRE(events.size() == 4);
    EXPECT(events[2].flags == 2);
    EXPECT(events[3].flags == (2 | 1));
    EXPECT(to_mariadb_events(insert_events("a", 1, 2)) == insert_events("a", 1, 2));
    EXPECT(to_mariadb_events(Bytes(cascade).first(30)) ==
           Buffer(cascade.begin(), cascade.begin() + 30));
  }

  TEST_CASE("split_groups: pieces that are groups of their own") {
    Buffer payload;
    append_table_map(payload, 3, "s", "t");
    append_table_map(payload, 4, "s", "children");
    append_event(payload, {test::kWriteRowsEvent, 3, 2, as_bytes("aaaaaaaaaa")});
    append_event(payload, {test::kWriteRowsEvent, 3, 2, as_bytes("bbbbbbbbbb")});
    append_event(payload, {test::kWriteRowsEvent, 4, 2, as_bytes("cccccccccc")});
    append_event(payload,
                 {test::kWriteRowsEvent, 3, 2 | test::kEndsStatement, as_bytes("dddddddddd")});
    append(payload, insert_events(std::string(400, 'e'), 3, 2, "u"));
    append(payload, insert_events("f", 9, 2, "u"));
    const std::size_t maps = 2 * (27 + 4) + 8 + 8;  // more or less
    const std::size_t two_rows = maps + 2 * (27 + 10 + 2) + 8;
    const auto describe = [](const std::vector<Buffer>& pieces) {
      std::string out;
      for (const Buffer& piece : pieces) {
        out += test::describe_events(piece);
      }
      return out;
    };
    const std::vector<Buffer> pieces = split_groups(payload, two_rows);
    EXPECT(describe(pieces) ==
           "[s.t:aaaaaaaaaa s.t:bbbbbbbbbb]"
           "[s.children:cccccccccc s.t:dddddddddd]"
           "[s.u:" +
               std::string(400, 'e') + "][s.u:f]");
    for (const Buffer& piece : pieces) {
      const auto events = test::parse_events(piece);
      EXPECT((piece.size() <= two_rows || events.size() == 2));
      const auto is_map = [](const test::RowEvent& event) {
        return event.type == test::kTableMapEvent;
      };
      EXPECT(std::is_partitioned(events.begin(), events.end(), is_map));
      for (const auto& event : events) {
        if (!is_map(event)) {
          EXPECT((event.flags & 2) == 2);
          EXPECT(((event.flags & test::kEndsStatement) != 0) == (&event == &events.back()));
        }
      }
      // The lane's own transaction: each is one group for the server.
      EventGroups groups(ServerKind::kMysql);
      groups.add(piece);
      EXPECT(groups.count() == 1);
    }
    EXPECT(split_groups(payload, 100'000).size() == 1);
    EXPECT(split_groups(payload, 1).size() == 6);
    EXPECT(split_groups({}, 100).empty());
    const Buffer odd(payload.begin(), payload.end() - 1);
    EXPECT(split_groups(odd, 1) == std::vector<Buffer>{odd});
  }

  TEST_CASE("split_groups: flags that say different things of a group keep pieces apart") {
    Buffer payload = insert_events("a", 1, 0);
    append(payload, insert_events("b", 1, 2));
    append(payload, insert_events("c", 1, 0x10));
    append(payload, insert_events("d", 1, 0x12));
    const std::vector<Buffer> pieces = split_groups(payload, 100'000);
    REQUIRE(pieces.size() == 3);
    EXPECT(test::describe_events(pieces[2]) == "[s.t:c s.t:d]");
    EXPECT(test::parse_events(pieces[2]).back().flags == 0x13);
    // One name for two definitions.
    Buffer other = insert_events("a");
    append_table_map(other, 5, "s", "t", "more columns");
    append_event(other, {test::kWriteRowsEvent, 5, test::kEndsStatement, as_bytes("b")});
    EXPECT(split_groups(other, 100'000).size() == 2);
  }
}
