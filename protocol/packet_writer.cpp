#include "protocol/packet_writer.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "protocol/encode.h"
#include "protocol/lenenc.h"

namespace consort::protocol {
namespace {

void store_header(std::uint8_t* at, std::size_t payload_bytes, std::uint8_t sequence) {
  store_le<3>(at, payload_bytes);
  at[3] = sequence;
}

}  // namespace

std::uint8_t append_packet(Buffer& out, Bytes payload, std::uint8_t sequence) {
  // A payload that fills its last packet exactly is followed by an empty one.
  while (true) {
    const std::size_t taken = std::min(payload.size(), kMaxPayload);
    std::array<std::uint8_t, kHeaderBytes> header{};
    store_header(header.data(), taken, sequence++);
    append(out, header);
    append(out, payload.first(taken));
    payload = payload.subspan(taken);
    if (taken < kMaxPayload) {
      return sequence;
    }
  }
}

std::uint8_t append_command(Buffer& out, Command command, Bytes argument) {
  const std::size_t place = begin_packet(out);
  out.push_back(static_cast<std::uint8_t>(command));
  append(out, argument);
  return finish_packet(out, place, 0);
}

std::size_t begin_packet(Buffer& out) {
  out.resize(out.size() + kHeaderBytes);
  return out.size() - kHeaderBytes;
}

std::uint8_t finish_packet(Buffer& out, std::size_t place, std::uint8_t sequence) {
  CHECK(place + kHeaderBytes <= out.size());
  const std::size_t payload_bytes = out.size() - place - kHeaderBytes;
  if (payload_bytes < kMaxPayload) {
    store_header(out.data() + place, payload_bytes, sequence++);
    return sequence;
  }
  const auto from = out.begin() + static_cast<std::ptrdiff_t>(place + kHeaderBytes);
  const Buffer payload(from, out.end());
  out.resize(place);
  return append_packet(out, payload, sequence);
}

std::uint8_t append_ok(Buffer& out,
                       const OkPacket& ok,
                       std::uint64_t capabilities,
                       std::uint8_t sequence,
                       OkHeader header) {
  const std::size_t place = begin_packet(out);
  encode_ok(out, ok, capabilities, header);
  return finish_packet(out, place, sequence);
}

std::uint8_t append_err(Buffer& out, const SqlError& error, std::uint8_t sequence) {
  const std::size_t place = begin_packet(out);
  encode_err(out, ErrPacket{error.code, error.state, error.message});
  return finish_packet(out, place, sequence);
}

std::uint8_t append_column_count(Buffer& out,
                                 const ColumnCount& count,
                                 std::uint64_t capabilities,
                                 std::uint8_t sequence) {
  const std::size_t place = begin_packet(out);
  append_lenenc(out, count.columns);
  if ((capabilities & capability::kMariadbCacheMetadata) != 0) {
    out.push_back(count.definitions_follow ? 1 : 0);
  }
  return finish_packet(out, place, sequence);
}

std::uint8_t append_eof(Buffer& out, const EofPacket& eof, std::uint8_t sequence) {
  const std::size_t place = begin_packet(out);
  encode_eof(out, eof);
  return finish_packet(out, place, sequence);
}

}  // namespace consort::protocol
