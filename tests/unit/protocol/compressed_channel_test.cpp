#include "protocol/compressed_channel.h"

#include <string>
#include <utility>
#include <vector>
#include <zlib.h>
#include <zstd.h>

#include "protocol/constants.h"
#include "tests/support/test.h"
#include "tests/unit/protocol/wire_script.h"

using namespace consort;
using namespace consort::protocol;
using namespace consort::protocol::test;

namespace {

constexpr CompressionChoice kZlib{CompressionAlgorithm::kZlib, 0};
constexpr CompressionChoice kZstd{CompressionAlgorithm::kZstd, 3};

Buffer plain_bytes(std::size_t bytes) {
  Buffer out(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    out[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  }
  return out;
}

/// What no algorithm makes shorter.
Buffer noise(std::size_t bytes) {
  Buffer out(bytes);
  std::uint64_t state = 42;
  for (std::uint8_t& byte : out) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<std::uint8_t>(state >> 56U);
  }
  return out;
}

Buffer packet(std::uint8_t sequence, std::size_t plain_bytes, Bytes payload) {
  Buffer out;
  append_le<3>(out, payload.size());
  out.push_back(sequence);
  append_le<3>(out, plain_bytes);
  append(out, payload);
  return out;
}

Buffer deflated(Bytes plain) {
  uLongf size = compressBound(plain.size());
  Buffer out(size);
  CHECK(compress(out.data(), &size, plain.data(), plain.size()) == Z_OK);
  out.resize(size);
  return out;
}

Buffer zstandard(Bytes plain) {
  Buffer out(ZSTD_compressBound(plain.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 3));
  return out;
}

struct Inflated {
  Buffer plain;
  int error = 0;
  std::size_t step_max = 0;
};

/// Everything that `wire` becomes when it arrives in pieces of `chunk_bytes`.
Inflated inflate_all(CompressionChoice choice, Bytes wire, std::size_t chunk_bytes) {
  CompressionContexts contexts;
  CompressedChannel channel(choice, contexts);
  ReadBuffer plain;
  Inflated seen;
  in_chunks(wire, chunk_bytes, [&](Bytes chunk) {
    if (seen.error != 0) {
      return;
    }
    channel.feed(chunk);
    while (true) {
      const Result<std::size_t> read = channel.read(plain);
      if (!read.ok()) {
        seen.error = read.error().code;
        return;
      }
      seen.step_max = std::max(seen.step_max, *read);
      if (*read == 0) {
        return;
      }
    }
  });
  append(seen.plain, std::as_const(plain).unread());
  return seen;
}

int error_code(CompressedError error) {
  return static_cast<int>(error);
}

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE(
      "CompressedChannel: each command to a server begins anew, its packets belong together") {
    CompressionContexts contexts;
    CompressedChannel channel(kZlib, contexts, CompressedPeer::kServer);
    Buffer commands;
    append_packet(commands, noise(60), 0);
    append_packet(commands, noise(5), 0);
    Buffer large;  // one command of two packets, in more than one compressed packet
    append_packet(large, Buffer(kMaxPayload + 3, 'x'), 0);
    Buffer wire;
    channel.write_commands({commands, large}, wire);
    std::vector<int> numbers;
    std::vector<std::size_t> plain_sizes;
    Bytes rest(wire);
    while (!rest.empty()) {
      numbers.push_back(rest[3]);
      const std::size_t payload = load_le<3>(rest.data());
      const std::size_t plain = load_le<3>(rest.data() + 4);
      plain_sizes.push_back(plain == 0 ? payload : plain);
      rest = rest.subspan(kCompressedHeaderBytes + payload);
    }
    REQUIRE(numbers.size() > 4);
    EXPECT(numbers[0] == 0);
    EXPECT(plain_sizes[0] == kHeaderBytes + 60);
    EXPECT(numbers[1] == 0);
    EXPECT(plain_sizes[1] == kHeaderBytes + 5);
    for (std::size_t i = 2; i < numbers.size(); ++i) {
      EXPECT(numbers[i] == static_cast<std::uint8_t>(i - 2));
    }
    // As the server reads them: one command after the other.
    CompressedChannel server(kZlib, contexts);
    server.feed(wire);
    ReadBuffer plain;
    server.begin_command();
    EXPECT(server.read(plain).value() == kHeaderBytes + 60);
    EXPECT_FALSE(server.read(plain).ok());  // the next one is another command
  }

  TEST_CASE("CompressedChannel: a server numbers as it likes; a file goes on from its request") {
    CompressionContexts contexts;
    CompressedChannel channel(kZlib, contexts, CompressedPeer::kServer);
    Buffer replies = packet(1, 0, Buffer{1, 2});
    append(replies, packet(1, 0, Buffer{3}));
    append(replies, packet(7, 0, Buffer{4}));
    channel.feed(replies);
    ReadBuffer plain;
    while (channel.has_more()) {
      REQUIRE(channel.read(plain).ok());
    }
    EXPECT(std::as_const(plain).unread().size() == 4);
    Buffer file;
    channel.write({Buffer{9, 9}}, file);
    EXPECT(file[3] == 8);
  }

  TEST_CASE("CompressedChannel: what one end writes the other reads, however it is cut") {
    for (const CompressionChoice choice : {kZlib, kZstd, CompressionChoice{kZstd.algorithm, 22}}) {
      for (const Buffer& plain : {Buffer{7}, plain_bytes(49), plain_bytes(50), noise(300),
                                  plain_bytes(70000), noise(70000), Buffer(1000000, 'x')}) {
        CompressionContexts contexts;
        CompressedChannel writer(choice, contexts);
        Buffer wire;
        const Bytes all(plain);
        const std::size_t half = plain.size() / 2;
        writer.write({all.first(half), all.subspan(half)}, wire);
        for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{65536}}) {
          if (chunk == 1 && wire.size() > 5000) {
            continue;
          }
          const Inflated seen = inflate_all(choice, wire, chunk);
          EXPECT(seen.error == 0);
          EXPECT(seen.plain == plain);
          EXPECT(seen.step_max <= CompressedChannel::kStepBytesMax);
        }
      }
    }
  }

  TEST_CASE("CompressedChannel: short and incompressible payloads go as they are") {
    CompressionContexts contexts;
    CompressedChannel channel(kZlib, contexts);
    Buffer wire;
    const Buffer small(49, 'a');
    channel.write({small}, wire);
    EXPECT(wire == packet(0, 0, small));
    wire.clear();
    const Buffer random = noise(500);
    channel.write({random}, wire);
    EXPECT(wire == packet(1, 0, random));
    wire.clear();
    const Buffer large(50, 'a');
    channel.write({large}, wire);
    EXPECT(wire == packet(2, 50, deflated(large)));
  }

  TEST_CASE("CompressedChannel: pieces share a packet of at most one step") {
    CompressionContexts contexts;
    CompressedChannel channel(kZlib, contexts);
    Buffer wire;
    const Buffer large = noise(CompressedChannel::kStepBytesMax);
    const Buffer small = noise(10);
    channel.write({small, large, small}, wire);
    const Bytes second = Bytes(wire).subspan(kCompressedHeaderBytes + large.size());
    EXPECT(load_le<3>(wire.data()) == large.size());
    EXPECT(wire[3] == 0);
    EXPECT(load_le<3>(second.data()) == 20);
    EXPECT(second[3] == 1);
    EXPECT(second.size() == kCompressedHeaderBytes + 20);
  }

  TEST_CASE("CompressedChannel: one numbering for both directions, anew with each command") {
    CompressionContexts contexts;
    CompressedChannel channel(kZlib, contexts);
    ReadBuffer plain;
    Buffer wire;
    channel.begin_command();
    channel.feed(packet(0, 0, as_bytes("ab")));
    channel.feed(packet(1, 0, as_bytes("cd")));
    EXPECT(*channel.read(plain) == 2);
    EXPECT(*channel.read(plain) == 2);
    channel.write({as_bytes("reply")}, wire);
    EXPECT(wire[3] == 2);
    channel.feed(packet(3, 0, as_bytes("file")));
    EXPECT(*channel.read(plain) == 4);
    channel.begin_command();
    channel.feed(packet(0, 0, as_bytes("ef")));
    EXPECT(*channel.read(plain) == 2);
    EXPECT(as_text(std::as_const(plain).unread()) == "abcdfileef");
  }

  TEST_CASE("CompressedChannel: a command behind another in one packet counts as packet 0's") {
    CompressionContexts contexts;
    CompressedChannel channel(kZlib, contexts);
    ReadBuffer plain;
    Buffer wire;
    const Buffer two(CompressedChannel::kStepBytesMax + 5, 'x');
    channel.feed(packet(0, two.size(), deflated(two)));
    EXPECT(*channel.read(plain) == CompressedChannel::kStepBytesMax);
    channel.write({as_bytes("1"), as_bytes("2")}, wire);
    channel.begin_command();
    EXPECT(*channel.read(plain) == 5);
    wire.clear();
    channel.write({as_bytes("reply")}, wire);
    EXPECT(wire[3] == 1);
  }

  TEST_CASE("CompressedChannel: numbers wrap, a wrong one is an error at once") {
    CompressionContexts contexts;
    CompressedChannel channel(kZlib, contexts);
    Buffer wire;
    for (int i = 0; i < 257; ++i) {
      wire.clear();
      channel.write({as_bytes("x")}, wire);
      EXPECT(wire[3] == (i & 0xFF));
    }
    for (const std::uint8_t wrong : {1, 2, 255}) {
      EXPECT(inflate_all(kZlib, packet(wrong, 0, as_bytes("ab")), 100).error ==
             error_code(CompressedError::kSequenceMismatch));
    }
  }

  TEST_CASE("CompressedChannel: empty packets are passed over") {
    Buffer wire = packet(0, 0, {});
    append(wire, packet(1, 0, as_bytes("ab")));
    append(wire, packet(2, 0, {}));
    EXPECT(as_text(inflate_all(kZlib, wire, 3).plain) == "ab");
  }

  TEST_CASE("CompressedChannel: the length announced must be the true one") {
    const Buffer plain = plain_bytes(3000);
    const Buffer large(200000, 'x');
    for (const bool zlib : {true, false}) {
      const CompressionChoice choice = zlib ? kZlib : kZstd;
      for (const Buffer& content : {plain, large}) {
        const Buffer payload = zlib ? deflated(content) : zstandard(content);
        Buffer longer = payload;
        longer.push_back(0);
        const Bytes cut = Bytes(payload).first(payload.size() - 1);
        Buffer broken = payload;
        broken[broken.size() / 2] ^= 0x55U;
        const std::vector<Buffer> wrong = {
            packet(0, content.size() - 1, payload),
            packet(0, content.size() + 1, payload),
            packet(0, 1, payload),
            packet(0, 0xFFFFFF, payload),
            packet(0, content.size(), longer),
            packet(0, content.size(), cut),
            packet(0, content.size(), {}),
            packet(0, content.size(), as_bytes("nonsense")),
        };
        for (const Buffer& wire : wrong) {
          for (const std::size_t chunk : {std::size_t{10}, wire.size()}) {
            const Inflated seen = inflate_all(choice, wire, chunk);
            EXPECT(seen.error == error_code(CompressedError::kUncompressFailed));
            EXPECT(seen.plain.size() <= content.size());
          }
        }
        // zstd's frames have no checksum unless one asks for it; in a run of x any distance is
        // right.
        if (zlib && content == plain) {
          EXPECT(inflate_all(choice, packet(0, content.size(), broken), 4096).error ==
                 error_code(CompressedError::kUncompressFailed));
        }
      }
    }
  }

  TEST_CASE("CompressedChannel: a bomb becomes no more than it is asked for") {
    const Buffer zeros(0xFFFFFF, 0);
    for (const CompressionChoice choice : {kZlib, kZstd}) {
      const Buffer payload =
          choice.algorithm == CompressionAlgorithm::kZlib ? deflated(zeros) : zstandard(zeros);
      CompressionContexts contexts;
      CompressedChannel channel(choice, contexts);
      ReadBuffer plain;
      channel.feed(packet(0, zeros.size(), payload));
      std::size_t total = 0;
      while (total < zeros.size()) {
        const Result<std::size_t> read = channel.read(plain);
        REQUIRE(read.ok());
        REQUIRE(*read > 0);
        REQUIRE(*read <= CompressedChannel::kStepBytesMax);
        REQUIRE(std::as_const(plain).unread().size() == *read);
        plain.consume(*read);
        total += *read;
      }
      EXPECT(channel.waiting_bytes() == 0);
    }
  }

  TEST_CASE("choose_compression: zlib first, a level that zstd has") {
    using namespace capability;
    EXPECT(!choose_compression(kSsl, 5).has_value());
    EXPECT(choose_compression(kCompress | kZstdCompression, 5)->algorithm ==
           CompressionAlgorithm::kZlib);
    for (const auto& [asked, level] : {std::pair{0, 3}, {1, 1}, {22, 22}, {23, 22}, {255, 22}}) {
      const auto choice = choose_compression(kZstdCompression, static_cast<std::uint8_t>(asked));
      REQUIRE(choice.has_value());
      EXPECT(choice->algorithm == CompressionAlgorithm::kZstd);
      EXPECT(choice->level == level);
    }
  }
}
