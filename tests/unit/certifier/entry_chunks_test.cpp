#include "certifier/entry_chunks.h"

#include <numeric>

#include "certifier/writeset.h"
#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::certifier;

constexpr EntryLimits kSmall{kRecordOverheadBytes + 10, 1000};

Buffer numbered(std::size_t size) {
  Buffer bytes(size);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
  return bytes;
}

/// Feeds all of `records`; the entries that came out.
std::vector<Buffer> feed_all(EntryAssembler& assembler, const std::vector<Buffer>& records) {
  std::vector<Buffer> entries;
  for (const Buffer& record : records) {
    auto fed = assembler.feed(record);
    REQUIRE(fed.ok());
    if (*fed) {
      entries.push_back(**fed);
    }
  }
  return entries;
}

DecodeError feed_error(EntryAssembler& assembler, Bytes record) {
  const auto fed = assembler.feed(record);
  REQUIRE_FALSE(fed.ok());
  return static_cast<DecodeError>(fed.error().code);
}

}  // namespace

TEST_SUITE("certifier") {
  TEST_CASE("EntryChunks: entries of every size survive being cut and joined") {
    EntrySplitter splitter(7, kSmall);
    EntryAssembler assembler(kSmall);
    for (std::size_t size = 1; size <= 101; ++size) {
      CAPTURE(size);
      const Buffer entry = numbered(size);
      const std::vector<Buffer> records = splitter.split(entry);
      EXPECT(records.size() == (size + 9) / 10);
      for (const Buffer& record : records) {
        EXPECT(record.size() <= kSmall.record_bytes_max);
      }
      const auto joined = feed_all(assembler, records);
      REQUIRE(joined.size() == 1);
      EXPECT((joined[0] == entry));
      EXPECT_FALSE(assembler.incomplete());
    }
  }

  TEST_CASE("EntryChunks: a tail that a crash cut is dropped by the next epoch") {
    for (std::size_t kept = 1; kept < 5; ++kept) {
      CAPTURE(kept);
      EntrySplitter first(1, kSmall);
      EntryAssembler assembler(kSmall);
      EXPECT(feed_all(assembler, first.split(numbered(25))).size() == 1);
      std::vector<Buffer> torn = first.split(numbered(50));
      torn.resize(kept);
      EXPECT(feed_all(assembler, torn).empty());
      EXPECT(assembler.incomplete());
      EntrySplitter second(2, kSmall);
      const auto joined = feed_all(assembler, second.split(numbered(33)));
      REQUIRE(joined.size() == 1);
      EXPECT((joined[0] == numbered(33)));
      EXPECT(assembler.dropped() == 1);
    }
  }

  TEST_CASE("EntryChunks: a log may begin at any entry") {
    EntrySplitter splitter(3, kSmall);
    (void)splitter.split(numbered(10));
    EntryAssembler assembler(kSmall);
    EXPECT(feed_all(assembler, splitter.split(numbered(15))).size() == 1);
  }

  TEST_CASE("EntryChunks: a gap, a repetition or an older epoch is damage") {
    EntrySplitter splitter(3, kSmall);
    const auto one = splitter.split(numbered(30));
    const auto two = splitter.split(numbered(30));
    SUBCASE("a record is missing") {
      EntryAssembler assembler(kSmall);
      (void)feed_all(assembler, {one[0]});
      EXPECT(feed_error(assembler, one[2]) == DecodeError::kOutOfOrder);
    }
    SUBCASE("a record comes twice") {
      EntryAssembler assembler(kSmall);
      (void)feed_all(assembler, {one[0], one[1]});
      EXPECT(feed_error(assembler, one[1]) == DecodeError::kOutOfOrder);
    }
    SUBCASE("an entry is not finished") {
      EntryAssembler assembler(kSmall);
      (void)feed_all(assembler, {one[0], one[1]});
      EXPECT(feed_error(assembler, two[0]) == DecodeError::kOutOfOrder);
    }
    SUBCASE("an entry is missing") {
      EntryAssembler assembler(kSmall);
      (void)feed_all(assembler, one);
      const auto three = splitter.split(numbered(5));
      EXPECT(feed_error(assembler, three[0]) == DecodeError::kOutOfOrder);
    }
    SUBCASE("the log begins inside an entry") {
      EntryAssembler assembler(kSmall);
      EXPECT(feed_error(assembler, one[1]) == DecodeError::kOutOfOrder);
    }
    SUBCASE("an epoch does not begin at its beginning") {
      EntryAssembler assembler(kSmall);
      (void)feed_all(assembler, one);
      EntrySplitter next(4, kSmall);
      (void)next.split(numbered(5));
      EXPECT(feed_error(assembler, next.split(numbered(5))[0]) == DecodeError::kOutOfOrder);
    }
    SUBCASE("an ended epoch goes on") {
      EntryAssembler assembler(kSmall);
      (void)feed_all(assembler, one);
      (void)feed_all(assembler, EntrySplitter(4, kSmall).split(numbered(5)));
      EXPECT(feed_error(assembler, two[0]) == DecodeError::kOutOfOrder);
    }
  }

  TEST_CASE("EntryChunks: a changed or cut record is noticed") {
    const Buffer record = EntrySplitter(3, kSmall).split(numbered(9))[0];
    for (std::size_t at = 0; at < record.size(); ++at) {
      CAPTURE(at);
      Buffer damaged = record;
      damaged[at] ^= 0x10;
      EntryAssembler assembler(kSmall);
      EXPECT_FALSE(assembler.feed(damaged).ok());
      EntryAssembler other(kSmall);
      EXPECT_FALSE(other.feed(Bytes(record).first(at)).ok());
    }
  }

  TEST_CASE("EntryChunks: an entry above the limit is refused while it is joined") {
    EntrySplitter splitter(1, kSmall);
    const auto records = splitter.split(numbered(60));
    EntryAssembler assembler(EntryLimits{kSmall.record_bytes_max, 25});
    (void)feed_all(assembler, {records[0], records[1]});
    EXPECT(feed_error(assembler, records[2]) == DecodeError::kTooLarge);
  }
}
