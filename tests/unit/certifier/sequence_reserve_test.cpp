#include "certifier/sequence_reserve.h"

#include <limits>

#include "tests/support/test.h"

namespace consort::certifier {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

std::string value_of(const SequenceReserve& reserve, RaiseTo to) {
  const std::string sql = raise_sequence_sql(reserve, to);
  const std::size_t comma = sql.find("`,") + 2;
  return sql.substr(comma, sql.find(",0)") - comma);
}

TEST_SUITE("certifier") {
  TEST_CASE("SequenceReserve: what was encoded is decoded, and nothing else") {
    const std::vector<SequenceReserve> reserves = {{"d", "s", 16001, 1000, 16},
                                                   {"", "`x", kMin, 0, 65535}};
    const Buffer payload = encode_reserves(reserves);
    const auto read = decode_reserves(payload);
    REQUIRE(read.ok());
    EXPECT(*read == reserves);
    EXPECT(decode_reserves({}).ok());
    for (std::size_t size = 1; size < payload.size(); ++size) {
      const auto cut = decode_reserves(Bytes(payload).first(size));
      EXPECT(cut.ok() == (size == payload.size() - 30));  // the first one whole
    }
    Buffer more = payload;
    more.push_back(0);
    EXPECT_FALSE(decode_reserves(more).ok());
    const SequenceReserve large{"d", "s", 1, kSequenceCacheMax + 1, 1};
    EXPECT_FALSE(decode_reserves(encode_reserves({&large, 1})).ok());
  }

  TEST_CASE("SequenceReserve: who runs goes on where the range begins, who begins anew behind it") {
    const SequenceReserve reserve{"d`", "s", 16001, 1000, 16};
    EXPECT(raise_sequence_sql(reserve, RaiseTo::kRangeBegin) ==
           "BEGIN DECLARE CONTINUE HANDLER FOR 1049,1146,1347,4084,4089,4091 BEGIN END; "
           "DO SETVAL(`d```.`s`,1,0); END; ");
    EXPECT(value_of(reserve, RaiseTo::kRangeEnd) == "16001");
    EXPECT(value_of({"d", "s", 17, 0, 16}, RaiseTo::kRangeBegin) == "1");
    EXPECT(value_of({"d", "s", 17, 0, 16}, RaiseTo::kRangeEnd) == "17");
  }

  TEST_CASE("SequenceReserve: no number overflows") {
    EXPECT(value_of({"d", "s", kMax, 1000, 16}, RaiseTo::kRangeEnd) == std::to_string(kMax));
    EXPECT(value_of({"d", "s", kMin + 5, 1000, 16}, RaiseTo::kRangeBegin) == std::to_string(kMin));
  }

  TEST_CASE("SequenceReserve: a lane begins with the steps of its backend") {
    const std::string sql = share_sequences_sql({800, 51, 50});
    EXPECT(sql.find("SET GLOBAL auto_increment_increment=800; "
                    "SET GLOBAL auto_increment_offset=51;") != std::string::npos);
    EXPECT(sql.find("NOT BETWEEN 0 AND 50 ") != std::string::npos);
    const std::string begins = begin_sequences_sql({800, 51, 50});
    EXPECT(begins.find("GREATEST(cache_size*10,20000)*',wide,'") != std::string::npos);
    EXPECT(begins.find("FLUSH LOCAL ENGINE LOGS; ") != std::string::npos);
  }
}

}  // namespace
}  // namespace consort::certifier
