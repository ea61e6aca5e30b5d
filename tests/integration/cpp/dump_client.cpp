#include "tests/integration/cpp/dump_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/lenenc.h"
#include "tests/support/test.h"

namespace consort::test {
namespace {

constexpr std::uint32_t kCapabilities = 0x00008000 | 0x00000200 | 0x00080000 | 0x1;
constexpr std::size_t kPayloadBytesMax = 0xFFFFFF;

/// A logged-in connection that speaks whole packets.
class Wire {
 public:
  explicit Wire(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    log_in();
  }

  ~Wire() { close(socket_); }

  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void send_command(Bytes payload) {
    sequence_ = 0;
    send_packet(payload);
  }

  /// One payload, joined when it came in pieces.
  Buffer receive() {
    Buffer payload;
    for (;;) {
      std::uint8_t header[4];
      read_all(header, sizeof header);
      const auto length = static_cast<std::size_t>(load_le<3>(header));
      sequence_ = static_cast<std::uint8_t>(header[3] + 1);
      const std::size_t at = payload.size();
      payload.resize(at + length);
      read_all(payload.data() + at, length);
      if (length < kPayloadBytesMax) {
        return payload;
      }
    }
  }

 private:
  void log_in() {
    static_cast<void>(receive());  // the greeting
    Buffer answer;
    append_le<4>(answer, kCapabilities);
    append_le<4>(answer, kPayloadBytesMax);
    answer.push_back(45);
    answer.resize(answer.size() + 23);
    append(answer, std::string_view("root\0", 5));
    answer.push_back(0);  // no password
    append(answer, std::string_view("mysql_native_password\0", 22));
    send_packet(answer);
    Buffer reply = receive();
    if (reply[0] == 0xFE) {  // asked again for the (empty) answer
      send_packet({});
      reply = receive();
    }
    REQUIRE_MESSAGE(reply[0] == 0, as_text(reply));
  }

  void send_packet(Bytes payload) {
    Buffer packet;
    append_le<3>(packet, payload.size());
    packet.push_back(sequence_);
    append(packet, payload);
    REQUIRE(write(socket_, packet.data(), packet.size()) == static_cast<ssize_t>(packet.size()));
  }

  void read_all(std::uint8_t* to, std::size_t count) {
    while (count > 0) {
      const ssize_t got = read(socket_, to, count);
      REQUIRE(got > 0);
      to += got;
      count -= static_cast<std::size_t>(got);
    }
  }

  int socket_;
  std::uint8_t sequence_ = 0;
};

}  // namespace

Dump read_dump(std::uint16_t port,
               const protocol::BinlogPosition& from,
               const protocol::BinlogGroupReader::Limits& limits) {
  Wire wire(port);
  for (const std::string& setting : protocol::binlog_dump_settings(1000)) {
    wire.send_command(as_bytes("\x03" + setting));
    const Buffer reply = wire.receive();
    REQUIRE_MESSAGE(reply[0] == 0, as_text(reply));
  }
  wire.send_command(protocol::encode_binlog_dump({from, 4711, true}));

  Dump dump;
  protocol::BinlogGroupReader reader(limits);
  for (;;) {
    Buffer packet = wire.receive();
    REQUIRE_MESSAGE(packet[0] != 0xFF, as_text(packet));
    if (packet[0] == 0xFE) {
      break;
    }
    dump.events.emplace_back(packet.begin() + 1, packet.end());
    auto output = reader.feed(dump.events.back());
    REQUIRE_MESSAGE(output.ok(), output.error().message);
    if (output->has_value() && std::holds_alternative<protocol::BinlogGroup>(**output)) {
      dump.groups.push_back(std::move(std::get<protocol::BinlogGroup>(**output)));
    }
  }
  dump.format_description.assign(reader.format_description().begin(),
                                 reader.format_description().end());
  dump.end = reader.position();
  return dump;
}

}  // namespace consort::test
