#include "proxy/session/init_connect.h"

#include "protocol/packet_writer.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

Buffer packet_of(std::initializer_list<std::uint8_t> payload) {
  Buffer packet;
  protocol::append_packet(packet, Buffer(payload), 1);
  return packet;
}

Buffer error_packet(std::uint16_t code) {
  Buffer packet;
  protocol::append_err(packet, {code, "HY000", "what went wrong"}, 1);
  return packet;
}

TEST_SUITE("session") {
  TEST_CASE("InitConnect: what is planned runs once") {
    InitConnect init;
    init.plan("");
    EXPECT_FALSE(init.due());
    init.plan("SET @a=1");
    EXPECT(init.due());
    EXPECT(init.begin() == "SET @a=1");
    EXPECT_FALSE(init.due());
    EXPECT(init.running());
    init.hear(packet_of({0, 0, 0, 2, 0, 0, 0}));
    init.end();
    EXPECT_FALSE(init.running());
    EXPECT_FALSE(init.failed());
  }

  TEST_CASE("InitConnect: an error among the replies ends it, however they are cut") {
    Buffer replies = packet_of({1, 0xFF, 0xFF});  // 0xFF is no packet's beginning there
    append(replies, error_packet(1146));
    append(replies, error_packet(1064));
    for (std::size_t cut = 1; cut < replies.size(); ++cut) {
      CAPTURE(cut);
      InitConnect init;
      init.plan("x");
      (void)init.begin();
      init.hear(Bytes(replies).first(cut));
      init.hear(Bytes(replies).subspan(cut));
      init.end();
      EXPECT(init.failed());
      EXPECT(init.why() == "what went wrong");
    }
  }

  TEST_CASE("InitConnect: neither a report of progress nor the rest of a long row is an error") {
    InitConnect init;
    init.plan("x");
    (void)init.begin();
    init.hear(packet_of({0xFF, 0xFF, 0xFF, 1, 1, 1, 0, 0, 0, 0}));
    Buffer row = {0xFF, 0xFF, 0xFF, 2};
    row.resize(row.size() + 0xFFFFFF, 'x');
    append(row, packet_of({0xFF, 'y'}));
    init.hear(row);
    init.end();
    EXPECT_FALSE(init.failed());
  }

  TEST_CASE("InitConnect: what it cannot do") {
    InitConnect init;
    init.plan("LOAD DATA LOCAL INFILE 'x' INTO TABLE t");
    (void)init.begin();
    init.fail("no file");
    init.hear(error_packet(1064));
    init.end();
    EXPECT(init.failed());
    EXPECT(init.why() == "no file");
  }
}

}  // namespace
}  // namespace consort::proxy
