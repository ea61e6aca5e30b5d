#include "certifier/writeset.h"

#include <string>
#include <xxhash.h>

#include "tests/support/row_events.h"
#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::certifier;

LogEntry writeset_entry() {
  Writeset body;
  body.branch = {3, 2, 0x1122334455667788ULL};
  body.home = BackendId{15};
  body.last_seen = Seqno{41};
  body.keys = {{0, KeyHold::kShared},
               {~0ULL, KeyHold::kReference},
               {7, KeyHold::kUpdate},
               {8, KeyHold::kExclusive}};
  body.payload = {0, 1, 2, 255};
  body.flags = kWritesetAtHome;
  return LogEntry{3, Seqno{42}, body};
}

LogEntry ddl_entry() {
  Ddl body;
  body.home = BackendId{1};
  body.sql = "CREATE TABLE `caf\xC3\xA9` (a INT)";
  body.schema = "shop";
  body.definer = "root@localhost";
  body.session_set = "SET sql_mode=''";
  body.targets = {{"shop", "caf\xC3\xA9"}, {"shop", ""}, {"", ""}};
  body.keys = {{99, KeyHold::kExclusive}};
  return LogEntry{1, Seqno{1}, body};
}

LogEntry own_ddl_entry() {
  Ddl body;
  body.home = BackendId{15};
  body.sql = "DROP TABLE t";
  body.own = true;
  return LogEntry{1, Seqno{3}, body};
}

LogEntry program_entry() {
  Ddl body;
  body.home = BackendId{15};
  body.sql = "CALL p()";
  body.program_thread = 0x1122334455667788ULL;
  return LogEntry{1, Seqno{3}, body};
}

LogEntry part_entry() {
  Writeset body;
  body.home = BackendId{15};
  body.flags = kWritesetAtHome;
  body.part = {Seqno{3}, {1, 2, 0x1122334455667788ULL}, true};
  body.payload = {1};
  return LogEntry{1, Seqno{4}, body};
}

LogEntry ddl_part_entry() {
  Ddl body;
  body.home = BackendId{15};
  body.sql = "TRUNCATE t";
  body.part = {Seqno{3}, {1, 2, 9}, false, 1051};
  return LogEntry{1, Seqno{5}, body};
}

std::vector<LogEntry> samples() {
  return {
      program_entry(),
      part_entry(),
      ddl_part_entry(),
      writeset_entry(),
      LogEntry{1, Seqno{9}, Writeset{}},
      ddl_entry(),
      LogEntry{1, Seqno{2}, Ddl{}},
      own_ddl_entry(),
      LogEntry{2, Seqno{0}, DdlResult{Seqno{5}, DdlOutcome::kRunTolerant}},
      LogEntry{2, Seqno{0}, DdlResult{Seqno{5}, DdlOutcome::kVoid}},
      LogEntry{2, Seqno{0}, DdlResult{Seqno{5}, DdlOutcome::kRun, "SET GLOBAL a=1"}},
      LogEntry{2, Seqno{0}, Replay{Seqno{6}, BackendId{2}}},
      LogEntry{2, Seqno{0}, EpochStart{"0b2f-uuid", Seqno{77}}},
  };
}

/// The same bytes with a checksum that fits them.
Buffer resealed(Buffer bytes) {
  if (bytes.size() >= 8) {
    store_le<8>(bytes.data() + bytes.size() - 8, XXH64(bytes.data(), bytes.size() - 8, 0));
  }
  return bytes;
}

DecodeError error_of(Bytes bytes) {
  const auto decoded = decode_entry(bytes);
  REQUIRE_FALSE(decoded.ok());
  return static_cast<DecodeError>(decoded.error().code);
}

}  // namespace

TEST_SUITE("certifier") {
  TEST_CASE("LogEntry: every kind survives being written and read") {
    for (const LogEntry& entry : samples()) {
      CAPTURE(static_cast<int>(entry.kind()));
      const Buffer bytes = encode_entry(entry);
      const auto decoded = decode_entry(bytes);
      REQUIRE(decoded.ok());
      EXPECT(decoded->epoch == entry.epoch);
      EXPECT((decoded->seqno == entry.seqno));
      EXPECT(decoded->kind() == entry.kind());
      EXPECT((encode_entry(*decoded) == bytes));  // nothing was lost
    }
  }

  TEST_CASE("LogEntry: the fields of a writeset arrive") {
    const auto decoded = decode_entry(encode_entry(writeset_entry()));
    REQUIRE(decoded.ok());
    const Writeset& read = *decoded->writeset();
    const LogEntry written_entry = writeset_entry();
    const Writeset& written = *written_entry.writeset();
    EXPECT((read.branch == written.branch));
    EXPECT((read.home == written.home));
    EXPECT((read.last_seen == written.last_seen));
    EXPECT((read.keys == written.keys));
    EXPECT((read.payload == written.payload));
    EXPECT(read.flags == written.flags);
  }

  TEST_CASE("LogEntry: the fields of a DDL arrive") {
    const auto decoded = decode_entry(encode_entry(ddl_entry()));
    REQUIRE(decoded.ok());
    const Ddl& read = *decoded->ddl();
    EXPECT((read.home == BackendId{1}));
    EXPECT(read.sql == "CREATE TABLE `caf\xC3\xA9` (a INT)");
    EXPECT(read.schema == "shop");
    EXPECT(read.definer == "root@localhost");
    EXPECT(read.session_set == "SET sql_mode=''");
    REQUIRE(read.targets.size() == 3);
    EXPECT(read.targets[0].table == "caf\xC3\xA9");
    EXPECT(read.targets[1].table.empty());
    EXPECT(read.keys.size() == 1);
    EXPECT_FALSE(read.own);
    const auto own = decode_entry(encode_entry(own_ddl_entry()));
    REQUIRE(own.ok());
    EXPECT(own->ddl()->own);
    EXPECT((own->ddl()->home == BackendId{15}));
  }

  TEST_CASE("LogEntry: what a program leaves arrives") {
    const auto decoded = [](const LogEntry& entry) {
      auto read = decode_entry(encode_entry(entry));
      REQUIRE(read.ok());
      return std::move(read).value();
    };
    const LogEntry begun = decoded(program_entry());
    EXPECT(begun.is_program());
    EXPECT(begun.part() == nullptr);
    EXPECT(begun.ddl()->home.value == 15);
    EXPECT(begun.ddl()->program_thread == 0x1122334455667788ULL);
    const LogEntry rows = decoded(part_entry());
    EXPECT_FALSE(rows.is_program());
    REQUIRE(rows.part() != nullptr);
    EXPECT((*rows.part() == part_entry().writeset()->part));
    EXPECT(rows.writeset()->flags == kWritesetAtHome);
    const LogEntry ddl = decoded(ddl_part_entry());
    REQUIRE(ddl.part() != nullptr);
    EXPECT((*ddl.part() == ddl_part_entry().ddl()->part));
    EXPECT_FALSE(ddl.part()->whole);
    EXPECT_FALSE(ddl.is_program());
    EXPECT(decoded(own_ddl_entry()).part() == nullptr);
  }

  TEST_CASE("LogEntry: a changed byte is noticed, whichever") {
    for (const LogEntry& entry : samples()) {
      const Buffer bytes = encode_entry(entry);
      for (std::size_t at = 0; at < bytes.size(); ++at) {
        for (const int flip : {0x01, 0x80, 0xFF}) {
          CAPTURE(at);
          Buffer damaged = bytes;
          damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ flip);
          EXPECT_FALSE(decode_entry(damaged).ok());
        }
      }
    }
  }

  TEST_CASE("LogEntry: a changed byte under a right checksum does no harm") {
    for (const LogEntry& entry : samples()) {
      const Buffer bytes = encode_entry(entry);
      for (std::size_t at = 0; at + 8 < bytes.size(); ++at) {
        for (int value = 0; value < 256; ++value) {
          Buffer changed = bytes;
          changed[at] = static_cast<std::uint8_t>(value);
          const auto decoded = decode_entry(resealed(changed));
          if (decoded.ok()) {  // another entry, but a sound one
            CAPTURE(at);
            EXPECT((encode_entry(*decoded) == resealed(changed)));
          }
        }
      }
    }
  }

  TEST_CASE("LogEntry: an entry cut anywhere, or with bytes behind it, is refused") {
    for (const LogEntry& entry : samples()) {
      const Buffer bytes = encode_entry(entry);
      for (std::size_t length = 0; length < bytes.size(); ++length) {
        CAPTURE(length);
        EXPECT_FALSE(decode_entry(Bytes(bytes).first(length)).ok());
        EXPECT_FALSE(decode_entry(resealed(Buffer(bytes.begin(), bytes.begin() + length))).ok());
      }
      Buffer longer = bytes;
      longer.push_back(0);
      EXPECT_FALSE(decode_entry(longer).ok());
      EXPECT_FALSE(decode_entry(resealed(longer)).ok());
    }
  }

  TEST_CASE("LogEntry: says why it refuses") {
    const Buffer bytes = encode_entry(writeset_entry());
    EXPECT(error_of({}) == DecodeError::kTruncated);
    EXPECT(error_of(Bytes(bytes).first(bytes.size() - 1)) == DecodeError::kTruncated);
    const auto with = [&bytes](std::size_t at, std::uint8_t value) {
      Buffer changed = bytes;
      changed[at] = value;
      return resealed(changed);
    };
    EXPECT(error_of(with(0, 'X')) == DecodeError::kBadMagic);
    EXPECT(error_of(with(4, 2)) == DecodeError::kUnknownVersion);
    EXPECT(error_of(with(5, 0)) == DecodeError::kMalformed);
    EXPECT(error_of(with(5, 6)) == DecodeError::kMalformed);
    EXPECT(error_of(with(6, 1)) == DecodeError::kMalformed);    // reserved
    EXPECT(error_of(with(42, 16)) == DecodeError::kMalformed);  // home
    EXPECT(error_of(with(43, 2)) == DecodeError::kMalformed);   // flags
    EXPECT(error_of(with(44, 42)) == DecodeError::kMalformed);  // last_seen not before seqno
    Buffer damaged = bytes;
    damaged.back() ^= 1;
    EXPECT(error_of(damaged) == DecodeError::kBadChecksum);
  }

  TEST_CASE("LogEntry: a count larger than the bytes left allocates nothing") {
    Buffer bytes = encode_entry(writeset_entry());
    store_le<4>(bytes.data() + 52, 0xFFFFFFFF);  // keys
    EXPECT(error_of(resealed(bytes)) == DecodeError::kMalformed);
  }

  TEST_CASE("LogEntry: all rows of a table name it, and have no branch") {
    Writeset body;
    body.home = BackendId{2};
    body.payload = test::insert_events("all");
    const auto read = [&body](unsigned flags) {
      body.flags = static_cast<std::uint8_t>(flags);
      return decode_entry(encode_entry({3, Seqno{7}, body}));
    };
    const auto entry = read(kWritesetAtHome | kWritesetWholeTable);
    REQUIRE(entry.ok());
    EXPECT(entry->writeset()->flags == (kWritesetAtHome | kWritesetWholeTable));
    EXPECT_FALSE(read(kWritesetWholeTable).ok());
    EXPECT_FALSE(read(kWritesetAtHome | kWritesetWholeTable | kWritesetSequences).ok());
    body.payload = {1, 2, 3};
    EXPECT_FALSE(read(kWritesetAtHome | kWritesetWholeTable).ok());
    EXPECT(read(kWritesetAtHome).ok());
  }

  TEST_CASE("LogEntry: seqnos belong to writesets and DDL only") {
    Buffer replay = encode_entry(LogEntry{2, Seqno{0}, Replay{Seqno{6}, BackendId{2}}});
    store_le<8>(replay.data() + 12, 9);
    EXPECT(error_of(resealed(replay)) == DecodeError::kMalformed);
    Buffer ddl = encode_entry(ddl_entry());
    store_le<8>(ddl.data() + 12, 0);
    EXPECT(error_of(resealed(ddl)) == DecodeError::kMalformed);
  }
}
