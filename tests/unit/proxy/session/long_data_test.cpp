#include "proxy/session/long_data.h"

#include <string>
#include <vector>

#include "protocol/packet_reader.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

constexpr LongData::Limits kLimits{2, 1000};

/// A COM_STMT_SEND_LONG_DATA payload of statement 1.
Buffer payload(std::uint16_t parameter, std::string_view data) {
  Buffer out{0x18, 1, 0, 0, 0};
  append_le<2>(out, parameter);
  append(out, data);
  return out;
}

/// "<statement>/<parameter> <bytes>" of each packet for a backend that knows it as 7.
std::vector<std::string> packets(const LongData& data) {
  Buffer out;
  data.append_packets(out, 7);
  std::vector<std::string> texts;
  Bytes rest(out);
  while (const auto frame = protocol::peek_packet(rest)) {
    const Bytes found = frame->payload;
    EXPECT(frame->sequence == 0);
    EXPECT(found[0] == 0x18);
    texts.push_back(std::to_string(load_le<4>(found.data() + 1)) + "/" +
                    std::to_string(load_le<2>(found.data() + 5)) + " " +
                    std::to_string(found.size() - 7));
    rest = rest.subspan(frame->bytes);
  }
  return texts;
}

TEST_SUITE("session") {
  TEST_CASE("LongData: pieces are joined, an empty value is one") {
    LongData data;
    EXPECT(data.empty());
    data.add(payload(1, "abc"), kLimits);
    data.add(payload(1, "de"), kLimits);
    data.add(payload(0, ""), kLimits);
    EXPECT_FALSE(data.empty());
    EXPECT(data.bytes() == 5);
    EXPECT((packets(data) == std::vector<std::string>{"7/0 0", "7/1 5"}));
  }

  TEST_CASE("LongData: large values go in packets that every backend takes") {
    LongData data;
    data.add(payload(0, std::string(2 * LongData::kChunkBytesMax + 1, 'x')), {1, 10 << 20});
    const std::string full = "7/0 " + std::to_string(LongData::kChunkBytesMax);
    EXPECT((packets(data) == std::vector<std::string>{full, full, "7/0 1"}));
  }

  TEST_CASE("LongData: a packet without a parameter number is ignored") {
    LongData data;
    const Buffer whole = payload(1, "");
    for (std::size_t size = 1; size < whole.size(); ++size) {
      data.add(Bytes(whole).first(size), kLimits);
    }
    EXPECT(data.empty());
    EXPECT_FALSE(data.error());
  }

  TEST_CASE("LongData: errors are kept, the data is not") {
    LongData wrong;
    wrong.add(payload(1, "abc"), kLimits);
    wrong.add(payload(2, "abc"), kLimits);
    REQUIRE(wrong.error());
    EXPECT(wrong.error()->code == 1210);
    EXPECT(wrong.bytes() == 0);
    LongData large;
    large.add(payload(1, std::string(1000, 'x')), kLimits);
    EXPECT_FALSE(large.error());
    large.add(payload(1, "y"), {2, 0});
    REQUIRE(large.error());
    EXPECT(large.error()->code == 1105);
    EXPECT(large.empty());
  }
}

}  // namespace
}  // namespace consort::proxy
