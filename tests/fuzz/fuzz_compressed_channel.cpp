// CompressedChannel: any bytes, cut anywhere, become the same plain bytes as in one piece, never
// more at once than a step, whoever is at the other end; and what we write we read. Input: first
// byte = chunk size, second = algorithm, then the stream.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "protocol/compressed_channel.h"
#include "protocol/packet_writer.h"

using namespace consort;
using namespace consort::protocol;

namespace {

/// A small input may become much; this much shows what is wrong with it.
constexpr std::size_t kPlainBytesMax = std::size_t{1} << 20;

struct Seen {
  Buffer plain;
  int error = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
};

Seen read_chunks(CompressionChoice choice,
                 Bytes wire,
                 std::size_t chunk_bytes,
                 CompressedPeer peer = CompressedPeer::kClient) {
  static CompressionContexts contexts;
  CompressedChannel channel(choice, contexts, peer);
  ReadBuffer plain;
  Seen seen;
  while (!wire.empty() && seen.error == 0 && seen.plain.size() < kPlainBytesMax) {
    const Bytes chunk = wire.first(std::min(chunk_bytes, wire.size()));
    wire = wire.subspan(chunk.size());
    channel.feed(chunk);
    while (seen.plain.size() < kPlainBytesMax) {
      const Result<std::size_t> read = channel.read(plain);
      append(seen.plain, std::as_const(plain).unread());
      if (!plain.empty()) {
        plain.consume(std::as_const(plain).unread().size());
      }
      if (!read.ok()) {
        seen.error = read.error().code;
        break;
      }
      CHECK(*read <= CompressedChannel::kStepBytesMax);
      if (*read == 0) {
        break;
      }
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const Bytes wire(data + 2, size - 2);
  const CompressionChoice choice{
      data[1] % 2 == 0 ? CompressionAlgorithm::kZlib : CompressionAlgorithm::kZstd, 1};
  const Seen whole = read_chunks(choice, wire, std::max<std::size_t>(1, wire.size()));
  const Seen cut = read_chunks(choice, wire, std::max<std::size_t>(1, data[0]));
  const std::size_t common = std::min(whole.plain.size(), cut.plain.size());
  CHECK(std::equal(whole.plain.begin(), whole.plain.begin() + static_cast<std::ptrdiff_t>(common),
                   cut.plain.begin()));
  // An error in a packet that is not complete yet may be seen sooner in smaller pieces.
  CHECK(whole.error == cut.error || whole.error == 0 || cut.error == 0);
  CHECK(whole.error != 0 || cut.error != 0 || common >= kPlainBytesMax || whole == cut);
  // A server's numbers are not looked at: nothing else may differ.
  const Seen lenient =
      read_chunks(choice, wire, std::max<std::size_t>(1, data[0]), CompressedPeer::kServer);
  CHECK(lenient.plain.size() >= cut.plain.size());
  CHECK(std::equal(cut.plain.begin(), cut.plain.end(), lenient.plain.begin()));
  CompressionContexts contexts;
  CompressedChannel writer(choice, contexts);
  Buffer out;
  writer.write({wire.first(wire.size() / 3), wire.subspan(wire.size() / 3)}, out);
  const Seen back = read_chunks(choice, out, std::max<std::size_t>(1, data[0]));
  CHECK(back.error == 0);
  CHECK(std::equal(back.plain.begin(), back.plain.end(), wire.begin(), wire.end()));
  // Commands of the input's bytes: each begins anew and comes out whole.
  Buffer commands;
  for (Bytes rest = wire; !rest.empty();) {
    const Bytes payload = rest.first(std::min<std::size_t>(rest.size(), 1 + data[0]));
    append_packet(commands, payload, 0);
    rest = rest.subspan(payload.size());
  }
  CompressedChannel client(choice, contexts, CompressedPeer::kServer);
  out.clear();
  client.write_commands({commands}, out);
  const Seen sent =
      read_chunks(choice, out, std::max<std::size_t>(1, data[0]), CompressedPeer::kServer);
  CHECK(sent.error == 0);
  CHECK(sent.plain == commands);
  return 0;
}
