// PacketReader: any bytes, cut anywhere, give the same packets as in one piece, and as
// peek_message; and at least as many where numbers mean nothing. Input: first byte = chunk size,
// second = first sequence id, then the stream.
#include <algorithm>
#include <vector>

#include "base/check.h"
#include "protocol/packet_reader.h"

using namespace consort;
using namespace consort::protocol;

namespace {

constexpr PacketLimits kLimits{2048};

struct Seen {
  std::vector<Buffer> payloads;
  int error = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
};

Seen read_chunks(Bytes wire,
                 std::size_t chunk_bytes,
                 std::uint8_t sequence,
                 bool ignores_sequence = false) {
  Seen seen;
  PacketReader reader(kLimits);
  reader.expect_sequence(sequence);
  if (ignores_sequence) {
    reader.ignore_sequence();
  }
  while (!wire.empty()) {
    const Buffer chunk(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(
                                                        std::min(chunk_bytes, wire.size())));
    wire = wire.subspan(chunk.size());
    reader.feed(chunk);
    while (true) {
      const Result<std::optional<Packet>> packet = reader.next();
      if (!packet) {
        seen.error = packet.error().code;
        CHECK(reader.failed());
        return seen;
      }
      if (!packet->has_value()) {
        break;
      }
      seen.payloads.emplace_back((*packet)->payload.begin(), (*packet)->payload.end());
    }
  }
  return seen;
}

Seen peek_all(Bytes wire, std::uint8_t sequence) {
  Seen seen;
  while (true) {
    const Result<std::optional<Message>> message = peek_message(wire, sequence, kLimits);
    if (!message) {
      seen.error = message.error().code;
      return seen;
    }
    if (!message->has_value()) {
      return seen;
    }
    seen.payloads.push_back(join_payload((*message)->wire));
    CHECK(seen.payloads.back().size() == (*message)->payload_bytes);
    sequence = static_cast<std::uint8_t>((*message)->sequence + 1);
    wire = wire.subspan((*message)->wire.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const Bytes wire(data + 2, size - 2);
  const Seen whole = read_chunks(wire, std::max<std::size_t>(1, wire.size()), data[1]);
  CHECK(read_chunks(wire, std::max<std::size_t>(1, data[0]), data[1]) == whole);
  CHECK(peek_all(wire, data[1]) == whole);
  const Seen lenient = read_chunks(wire, std::max<std::size_t>(1, data[0]), 0, true);
  CHECK(read_chunks(wire, std::max<std::size_t>(1, wire.size()), data[1], true) == lenient);
  CHECK(lenient.error != static_cast<int>(PacketError::kSequenceMismatch));
  CHECK(lenient.payloads.size() >= whole.payloads.size());
  CHECK(std::equal(whole.payloads.begin(), whole.payloads.end(), lenient.payloads.begin()));
  return 0;
}
