#include "protocol/packet_reader.h"

#include <string>
#include <vector>

#include "protocol/packet_writer.h"
#include "tests/support/test.h"
#include "tests/unit/protocol/wire_script.h"

using namespace consort;
using namespace consort::protocol;
using namespace consort::protocol::test;

namespace {

struct Seen {
  std::vector<Buffer> payloads;
  std::vector<int> sequences;
  int error = 0;
};

/// Reads `wire` in chunks of `size` bytes, each in memory of its own that dies afterwards.
Seen read_all(Bytes wire, std::size_t size, PacketLimits limits = {}) {
  Seen seen;
  PacketReader reader(limits);
  in_chunks(wire, size, [&](Bytes chunk) {
    const Buffer memory(chunk.begin(), chunk.end());
    if (seen.error != 0) {
      return;
    }
    reader.feed(memory);
    while (true) {
      Result<std::optional<Packet>> packet = reader.next();
      if (!packet) {
        seen.error = packet.error().code;
        return;
      }
      if (!packet->has_value()) {
        return;
      }
      const Packet& got = **packet;
      seen.payloads.emplace_back(got.payload.begin(), got.payload.end());
      seen.sequences.push_back(got.sequence);
    }
  });
  return seen;
}

Buffer pattern(std::size_t bytes) {
  Buffer out(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    out[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  }
  return out;
}

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE("PacketReader: the same packets however the stream is cut") {
    Script script(0);
    script.packet(text_bytes("hello")).packet({}).packet(pattern(300)).packet(text_bytes("x"));
    for (const std::size_t size : chunk_sizes(script.wire().size())) {
      CAPTURE(size);
      const Seen seen = read_all(script.wire(), size);
      REQUIRE(seen.error == 0);
      REQUIRE(seen.payloads.size() == 4);
      EXPECT(seen.payloads[0] == text_bytes("hello"));
      EXPECT(seen.payloads[1].empty());
      EXPECT(seen.payloads[2] == pattern(300));
      EXPECT(seen.payloads[3] == text_bytes("x"));
      EXPECT(seen.sequences == std::vector<int>{0, 1, 2, 3});
    }
  }

  TEST_CASE("PacketReader: hands out views when a packet lies in one chunk") {
    Script script(0);
    script.packet(text_bytes("hello"));
    PacketReader reader;
    reader.feed(script.wire());
    const auto packet = reader.next();
    REQUIRE(packet.ok());
    REQUIRE(packet->has_value());
    EXPECT((*packet)->payload.data() == script.wire().data() + kHeaderBytes);
    EXPECT_FALSE(reader.next().value().has_value());
    EXPECT(reader.between_packets());
  }

  TEST_CASE("PacketReader: joins payloads split at 16 MiB") {
    for (const std::size_t bytes :
         {kMaxPayload - 1, kMaxPayload, kMaxPayload + 1, 2 * kMaxPayload, 2 * kMaxPayload + 5}) {
      CAPTURE(bytes);
      const Buffer payload = pattern(bytes);
      Script script(0);
      script.packet(payload).packet(text_bytes("next"));
      for (const std::size_t size : {script.wire().size(), std::size_t{65521}, kMaxPayload}) {
        const Seen seen = read_all(script.wire(), size);
        REQUIRE(seen.error == 0);
        REQUIRE(seen.payloads.size() == 2);
        EXPECT((seen.payloads[0] == payload));
        EXPECT(seen.payloads[1] == text_bytes("next"));
        EXPECT(seen.sequences[0] == static_cast<int>(bytes / kMaxPayload));
      }
      const auto message = peek_message(script.wire(), 0, {});
      REQUIRE(message.ok());
      REQUIRE(message->has_value());
      EXPECT((*message)->payload_bytes == bytes);
      EXPECT((*message)->split == (bytes >= kMaxPayload));
      EXPECT((join_payload((*message)->wire) == payload));
    }
  }

  TEST_CASE("PacketReader: rejects a wrong sequence id") {
    Script script(0);
    script.packet(text_bytes("a"));
    Buffer wire = script.wire();
    wire[3] = 5;
    for (const std::size_t size : chunk_sizes(wire.size())) {
      EXPECT(read_all(wire, size).error == static_cast<int>(PacketError::kSequenceMismatch));
    }
    EXPECT(peek_message(wire, 0, {}).error().code ==
           static_cast<int>(PacketError::kSequenceMismatch));
    EXPECT(peek_message(wire, 5, {}).ok());
  }

  TEST_CASE("PacketReader: takes any numbers where they mean nothing") {
    Buffer wire;
    append_packet(wire, pattern(9), 7);
    append_packet(wire, pattern(kMaxPayload + 5), 7);
    append_packet(wire, pattern(3), 0);
    for (const std::size_t size : {wire.size(), std::size_t{100000}}) {
      PacketReader reader;
      reader.ignore_sequence();
      std::vector<std::size_t> sizes;
      in_chunks(wire, size, [&](Bytes chunk) {
        reader.feed(chunk);
        while (true) {
          const auto packet = reader.next();
          REQUIRE(packet.ok());
          if (!packet->has_value()) {
            return;
          }
          sizes.push_back((*packet)->payload.size());
        }
      });
      EXPECT((sizes == std::vector<std::size_t>{9, kMaxPayload + 5, 3}));
    }
  }

  TEST_CASE("PacketReader: the sequence starts again at each command, and wraps") {
    PacketReader reader;
    Script script(255);
    script.packet(text_bytes("a")).packet(text_bytes("b"));
    reader.expect_sequence(255);
    reader.feed(script.wire());
    EXPECT(reader.next().value()->sequence == 255);
    EXPECT(reader.next().value()->sequence == 0);
    EXPECT(reader.expected_sequence() == 1);
  }

  TEST_CASE("PacketReader: rejects a packet above the limit as soon as its header is there") {
    const PacketLimits limits{10};
    Script script(0);
    script.packet(pattern(11));
    for (const std::size_t size : chunk_sizes(script.wire().size())) {
      EXPECT(read_all(Bytes(script.wire()).first(4), size, limits).error ==
             static_cast<int>(PacketError::kPacketTooLarge));
    }
    EXPECT(peek_message(Bytes(script.wire()).first(4), 0, limits).error().code ==
           static_cast<int>(PacketError::kPacketTooLarge));
    Script fits(0);
    fits.packet(pattern(10));
    EXPECT(read_all(fits.wire(), 3, limits).payloads.size() == 1);
  }

  TEST_CASE("peek_packet: nullopt for every prefix of a packet") {
    Script script(3);
    script.packet(text_bytes("hello"));
    const Bytes wire = script.wire();
    for (std::size_t cut = 0; cut < wire.size(); ++cut) {
      EXPECT_FALSE(peek_packet(wire.first(cut)));
      EXPECT_FALSE(peek_message(wire.first(cut), 3, {}).value());
    }
    const auto frame = peek_packet(wire);
    REQUIRE(frame);
    EXPECT(frame->bytes == wire.size());
    EXPECT(frame->sequence == 3);
    EXPECT_FALSE(frame->continues);
  }

  TEST_CASE("packet writer: finish_packet splits like append_packet") {
    for (const std::size_t bytes :
         {std::size_t{0}, std::size_t{5}, kMaxPayload - 1, kMaxPayload, kMaxPayload + 1}) {
      const Buffer payload = pattern(bytes);
      Buffer appended;
      const std::uint8_t next = append_packet(appended, payload, 7);
      Buffer built;
      const std::size_t place = begin_packet(built);
      append(built, payload);
      EXPECT(finish_packet(built, place, 7) == next);
      EXPECT((built == appended));
    }
    Buffer command;
    EXPECT(append_command(command, Command::kQuery, as_bytes("SELECT 1")) == 1);
    EXPECT(as_text(Bytes(command).subspan(5)) == "SELECT 1");
  }
}
