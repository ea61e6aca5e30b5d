#include "protocol/binlog_events.h"

#include <vector>

#include "protocol/row_events.h"
#include "tests/support/test.h"
#include "tests/unit/protocol/binlog_bytes.h"

namespace consort::protocol {
namespace {

using test::EventWriter;
using test::from_hex;

/// Feeds events; the groups they complete. A failed event ends it and is a test failure.
std::vector<BinlogGroup> groups_of(BinlogGroupReader& reader, const std::vector<Buffer>& events) {
  std::vector<BinlogGroup> groups;
  for (const Buffer& event : events) {
    auto output = reader.feed(event);
    REQUIRE_MESSAGE(output.ok(), output.error().message);
    if (output->has_value() && std::holds_alternative<BinlogGroup>(**output)) {
      groups.push_back(std::move(std::get<BinlogGroup>(**output)));
    }
  }
  return groups;
}

int error_of(BinlogGroupReader& reader, const Buffer& event) {
  const auto output = reader.feed(event);
  return output.ok() ? 0 : output.error().code;
}

/// A reader that has seen the beginning of a file.
struct Stream {
  explicit Stream(bool checksums = true, BinlogGroupReader::Limits limits = {})
      : events(checksums), reader(limits) {
    static_cast<void>(
        groups_of(reader, {events.rotate("bin.000007"), events.format_description()}));
  }

  EventWriter events;
  BinlogGroupReader reader;
};

TEST_SUITE("protocol") {
  TEST_CASE("BinlogGroupReader: an XA group of a real server") {
    // XA START 'abc','q',7; INSERT; XA END; XA PREPARE; as dumped by 10.11.19 with CRC32.
    Stream stream;
    EventWriter& e = stream.events;
    const Buffer insert_body = from_hex(
        "15000000000001000101"
        "00"
        "01000000");
    const auto groups =
        groups_of(stream.reader, {e.event(162, "0400000000000000000000004c07000000030161626371"),
                                  e.table_map(0x15, "t"), e.event(23, insert_body),
                                  e.query("XA END X'616263',X'71',7"),
                                  e.event(38, "0007000000030000000100000061626371"),
                                  e.event(162,
                                          "0500000000000000000000008d070000000301616263"
                                          "71"),
                                  e.query("XA COMMIT X'616263',X'71',7")});
    REQUIRE(groups.size() == 2);
    const BinlogGroup& prepared = groups[0];
    EXPECT(prepared.kind == BinlogGroupKind::kXaPrepared);
    EXPECT(to_string(prepared.gtid) == "0-11-4");
    REQUIRE(prepared.xid.has_value());
    EXPECT(*prepared.xid == XaId{7, "abc", "q"});
    EXPECT(prepared.has_rows);
    REQUIRE(prepared.spans.size() == 2);
    // The checksum is gone and the header's size says so.
    const Bytes rows = prepared.event(prepared.spans[1]);
    EXPECT(rows.size() == kBinlogHeaderBytes + insert_body.size());
    EXPECT(load_le<4>(rows.data() + 9) == rows.size());
    EXPECT(groups[1].kind == BinlogGroupKind::kXaCommitted);
    EXPECT(groups[1].xid == prepared.xid);
    EXPECT(groups[1].end.file == "bin.000007");
    EXPECT(groups[1].end.offset == e.position());
    EXPECT(stream.reader.position().offset == e.position());
  }

  TEST_CASE("BinlogGroupReader: tells of a statement of whoever has used temporary tables") {
    for (const bool used : {true, false}) {
      Stream stream(false);
      EventWriter& e = stream.events;
      const Buffer begins = e.gtid(1, 0x01);
      Buffer renames = e.query("RENAME TABLE a TO b");
      renames[17] = used ? 0x04 : 0x00;  // LOG_EVENT_THREAD_SPECIFIC_F
      const auto groups = groups_of(stream.reader, {begins, renames});
      REQUIRE(groups.size() == 1);
      EXPECT(groups[0].thread_specific == used);
    }
  }

  TEST_CASE("BinlogGroupReader: kinds of groups") {
    Stream stream(false);
    EventWriter& e = stream.events;
    const auto groups = groups_of(
        stream.reader,
        {e.gtid(1, 0x01), e.query("CREATE TABLE x(a INT)"), e.gtid(2, 0x0C), e.table_map(1, "t"),
         e.insert(1, 5), e.xid(), e.gtid(3, 0x46),  // prepared, in a group commit
         e.xa_prepare(), e.gtid(4, 0x84), e.query("XA ROLLBACK X'786131',X'',9"), e.gtid(5, 0x0C),
         e.query("COMMIT")});
    REQUIRE(groups.size() == 5);
    EXPECT(groups[0].kind == BinlogGroupKind::kStandalone);
    EXPECT(groups[0].statement == "CREATE TABLE x(a INT)");
    EXPECT(groups[0].schema == "d");
    EXPECT(groups[1].kind == BinlogGroupKind::kTransaction);
    EXPECT(groups[1].has_rows);
    EXPECT(groups[2].kind == BinlogGroupKind::kXaPrepared);
    EXPECT(*groups[2].xid == XaId{9, "xa1", ""});
    EXPECT_FALSE(groups[2].has_rows);
    EXPECT(groups[3].kind == BinlogGroupKind::kXaRolledBack);
    EXPECT(groups[4].kind == BinlogGroupKind::kTransaction);
  }

  TEST_CASE("BinlogGroupReader: MySQL's framing") {
    Stream stream(false);
    EventWriter& e = stream.events;
    const Buffer gtid(42);
    const auto groups = groups_of(
        stream.reader,
        {e.event(33, gtid), e.query("XA START X'786131',X'',9"), e.table_map(1, "t"),
         e.insert(1, 5), e.query("XA END X'786131',X'',9"), e.xa_prepare(), e.event(34, gtid),
         e.query("BEGIN"), e.table_map(1, "t"), e.insert(1, 6), e.xid(), e.event(33, gtid),
         e.query("DROP TABLE t"), e.event(33, gtid), e.query("XA COMMIT X'786131',X'',9")});
    REQUIRE(groups.size() == 4);
    EXPECT(groups[0].kind == BinlogGroupKind::kXaPrepared);
    EXPECT(*groups[0].xid == XaId{9, "xa1", ""});
    EXPECT(groups[1].kind == BinlogGroupKind::kTransaction);
    EXPECT(groups[2].kind == BinlogGroupKind::kStandalone);
    EXPECT(groups[3].kind == BinlogGroupKind::kXaCommitted);
    EXPECT(*groups[3].xid == XaId{9, "xa1", ""});
  }

  TEST_CASE("BinlogGroupReader: tells files of one name apart by when and where they began") {
    const auto identity = [](std::uint32_t began, std::uint32_t server) {
      EventWriter events(false);
      Buffer format = events.format_description();
      store_le<4>(format.data(), began);
      store_le<4>(format.data() + 5, server);
      BinlogGroupReader reader(BinlogGroupReader::Limits{});
      EXPECT(reader.file_identity() == 0);
      REQUIRE(reader.feed(format).ok());
      return reader.file_identity();
    };
    EXPECT(identity(1000, 3) != 0);
    EXPECT(identity(1000, 3) == identity(1000, 3));
    EXPECT(identity(1000, 3) != identity(1001, 3));
    EXPECT(identity(1000, 3) != identity(1000, 4));
  }

  TEST_CASE("BinlogGroupReader: the format description loses its checksum algorithm") {
    Stream stream(true);
    const Bytes format = stream.reader.format_description();
    REQUIRE(format.size() > 5);
    for (const std::uint8_t byte : format.last(5)) {
      EXPECT(byte == 0);
    }
    EXPECT(load_le<4>(format.data() + 9) == format.size());
  }

  TEST_CASE("BinlogGroupReader: a wrong checksum is found") {
    Stream stream;
    Buffer event = stream.events.gtid(1, 0x01);
    event[20] ^= 1;
    EXPECT(error_of(stream.reader, event) == static_cast<int>(BinlogError::kBadChecksum));
  }

  TEST_CASE("BinlogGroupReader: heartbeats and rotations with and without checksum") {
    Stream stream;
    for (const bool checksum : {false, true}) {
      const auto output =
          stream.reader.feed(stream.events.artificial(27, as_bytes("bin.000007"), checksum));
      REQUIRE(output.ok());
      REQUIRE(output->has_value());
      EXPECT(std::get<BinlogHeartbeat>(**output).at.file == "bin.000007");
    }
    const auto rotated = stream.reader.feed(stream.events.rotate("bin.000008"));
    REQUIRE(rotated.ok());
    EXPECT(std::get<BinlogRotate>(**rotated).next.file == "bin.000008");
    EXPECT(stream.reader.position().file == "bin.000008");
    EXPECT(stream.reader.position().offset == 4);
  }

  TEST_CASE("BinlogGroupReader: a group that ends in ROLLBACK says so and names its tables") {
    Stream stream(false);
    EventWriter& e = stream.events;
    const auto groups = groups_of(
        stream.reader, {e.gtid(1, 0x0C), e.table_map(1, "t"), e.insert(1, 1), e.query("ROLLBACK"),
                        e.gtid(2, 0x0C), e.table_map(1, "t"), e.insert(1, 2), e.query("COMMIT")});
    REQUIRE(groups.size() == 2);
    EXPECT(groups[0].rolled_back);
    EXPECT(groups[0].unfit);
    EXPECT(groups[0].tables.size() == 1);
    EXPECT_FALSE(groups[1].rolled_back);
  }

  TEST_CASE("BinlogGroupReader: what is undone by ROLLBACK TO is left out") {
    Stream stream(false);
    EventWriter& e = stream.events;
    const auto branch = [&](const std::vector<Buffer>& middle) {
      std::vector<Buffer> all{e.gtid(1, 0x44)};
      all.insert(all.end(), middle.begin(), middle.end());
      all.push_back(e.xa_prepare());
      return groups_of(stream.reader, all).at(0);
    };
    SUBCASE("to the innermost, and names without case") {
      const BinlogGroup group =
          branch({e.query("SAVEPOINT `a`"), e.table_map(1, "t"), e.insert(1, 1),
                  e.query("SAVEPOINT `b`"), e.table_map(1, "t"), e.insert(1, 2),
                  e.query("ROLLBACK TO `B`"), e.table_map(1, "t"), e.insert(1, 3)});
      EXPECT_FALSE(group.unfit.has_value());
      EXPECT(group.spans.size() == 4);
    }
    SUBCASE("to the outermost") {
      const BinlogGroup group =
          branch({e.query("SAVEPOINT `a`"), e.table_map(1, "t"), e.insert(1, 1),
                  e.query("SAVEPOINT `b`"), e.query("ROLLBACK TO `a`")});
      EXPECT_FALSE(group.has_rows);
      EXPECT(group.events.empty());
    }
    SUBCASE("names that only a collation could compare") {
      const BinlogGroup group =
          branch({e.query("SAVEPOINT `e`"), e.query("SAVEPOINT `\xC3\xA9`"), e.table_map(1, "t"),
                  e.insert(1, 1), e.query("ROLLBACK TO `e`")});
      REQUIRE(group.unfit.has_value());
      EXPECT(group.unfit->code == static_cast<int>(BinlogError::kUnsupported));
    }
  }

  TEST_CASE("BinlogGroupReader: a CREATE TABLE .. SELECT is a statement and its rows") {
    Stream stream(false);
    EventWriter& e = stream.events;
    const auto groups =
        groups_of(stream.reader, {e.gtid(1, 0x0C), e.query("CREATE TABLE `t` (`a` int)"),
                                  e.table_map(1, "t"), e.insert(1, 5), e.xid()});
    REQUIRE(groups.size() == 1);
    EXPECT(groups[0].kind == BinlogGroupKind::kTransaction);
    EXPECT(groups[0].statement == "CREATE TABLE `t` (`a` int)");
    EXPECT(groups[0].has_rows);
    EXPECT_FALSE(groups[0].unfit.has_value());
    const auto late =
        groups_of(stream.reader, {e.gtid(2, 0x0C), e.table_map(1, "t"), e.insert(1, 5),
                                  e.query("CREATE TABLE u (a int)"), e.xid()});
    EXPECT(late.at(0).unfit.has_value());
  }

  TEST_CASE("BinlogGroupReader: unfit groups") {
    Stream stream(false, {.group_bytes_max = 100});
    EventWriter& e = stream.events;
    const auto code_of = [&](const std::vector<Buffer>& middle) {
      std::vector<Buffer> all{e.gtid(1, 0x44)};
      all.insert(all.end(), middle.begin(), middle.end());
      all.push_back(e.xa_prepare());
      const BinlogGroup group = groups_of(stream.reader, all).at(0);
      EXPECT(group.events.empty());
      return group.unfit ? group.unfit->code : 0;
    };
    const auto code = [](BinlogError error) { return static_cast<int>(error); };
    EXPECT(code_of({e.query("INSERT INTO t VALUES(1)")}) == code(BinlogError::kStatementFormat));
    EXPECT(code_of({e.event(17, "00")}) == code(BinlogError::kStatementFormat));
    EXPECT(code_of({e.table_map(1, "t"), e.event(166, "00")}) == code(BinlogError::kCompressed));
    EXPECT(code_of({e.event(39, "00")}) == code(BinlogError::kUnsupported));
    EXPECT(code_of({e.table_map(1, "t"), e.insert(1, 1), e.insert(1, 1)}) ==
           code(BinlogError::kGroupTooLarge));
    EXPECT(stream.reader.waiting_bytes() == 0);
    // The stream goes on.
    EXPECT(groups_of(stream.reader, {e.gtid(2, 0x01), e.query("DROP TABLE t")}).size() == 1);
  }

  TEST_CASE("BinlogGroupReader: gives up the group whose next event nobody can have") {
    Stream stream(false);
    EventWriter& e = stream.events;
    EXPECT_FALSE(stream.reader.give_up_group().has_value());
    EXPECT(
        groups_of(stream.reader, {e.gtid(1, 0x44), e.table_map(1, "t"), e.insert(1, 1)}).empty());
    const std::optional<BinlogGroup> group = stream.reader.give_up_group();
    REQUIRE(group.has_value());
    EXPECT(group->kind == BinlogGroupKind::kXaPrepared);
    EXPECT(group->xid.has_value());
    EXPECT(group->events.empty());
    REQUIRE(group->unfit.has_value());
    EXPECT(group->unfit->code == static_cast<int>(BinlogError::kGroupTooLarge));
    EXPECT_FALSE(stream.reader.give_up_group().has_value());
  }

  TEST_CASE("BinlogGroupReader: statements that change nothing of a table they map") {
    Stream stream(false);
    EventWriter& e = stream.events;
    const auto groups =
        groups_of(stream.reader, {e.gtid(1, 0x44), e.table_map(1, "child"), e.insert(1, 1),
                                  e.table_map(2, "parent"), e.table_map(1, "child"), e.insert(2, 1),
                                  e.xa_prepare()});
    REQUIRE(groups.size() == 1);
    REQUIRE(groups[0].tables.size() == 2);
    EXPECT(groups[0].tables[0].has_rows);
    EXPECT(groups[0].tables[0].mapped_without_rows);
    EXPECT_FALSE(groups[0].tables[1].mapped_without_rows);
  }

  TEST_CASE("BinlogGroupReader: malformed streams end with an error") {
    const auto malformed = static_cast<int>(BinlogError::kMalformed);
    Stream stream(false);
    EventWriter& e = stream.events;
    EXPECT(error_of(stream.reader, {}) == malformed);
    EXPECT(error_of(stream.reader, Buffer(19)) == malformed);
    EXPECT(error_of(stream.reader, e.xid()) == malformed);  // outside a group
    EXPECT(error_of(stream.reader, e.event(162, "00")) == malformed);
    static_cast<void>(groups_of(stream.reader, {e.gtid(1, 0x44)}));
    EXPECT(error_of(stream.reader, e.gtid(2, 0x44)) == malformed);  // within a group
    EXPECT(error_of(stream.reader, e.event(38, "0009000000ff00000000000000")) == malformed);
    EXPECT(error_of(stream.reader, e.event(2, "0000")) == malformed);
  }

  TEST_CASE("gtids as text") {
    EXPECT(parse_gtid("0-11-42") == BinlogGtid{0, 11, 42});
    EXPECT(to_string(BinlogGtid{4294967295, 1, 18446744073709551615U}) ==
           "4294967295-1-18446744073709551615");
    for (const char* bad : {"", "0-1", "0-1-", "0-1-2,1-1-3", "a-1-2", "-1-1-1"}) {
      EXPECT_FALSE(parse_gtid(bad).has_value());
    }
  }

  TEST_CASE("encode_binlog_dump") {
    EXPECT(encode_binlog_dump({{"b.1", 0x104}, 0x0A0B0C0D, true}) == from_hex("12"
                                                                              "04010000"
                                                                              "0100"
                                                                              "0d0c0b0a"
                                                                              "622e31"));
  }
}

}  // namespace
}  // namespace consort::protocol
