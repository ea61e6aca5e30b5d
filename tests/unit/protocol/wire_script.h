// Builds byte scripts of the wire protocol, and cuts them into chunks in every way that matters.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "protocol/constants.h"
#include "protocol/encode.h"
#include "protocol/lenenc.h"
#include "protocol/packet_writer.h"
#include "protocol/statement_map.h"

namespace consort::protocol::test {

inline Buffer bytes_of(std::initializer_list<int> values) {
  Buffer out;
  for (const int value : values) {
    out.push_back(static_cast<std::uint8_t>(value));
  }
  return out;
}

inline ClientStatement statement_with(std::uint16_t parameters) {
  ClientStatement out;
  out.parameters = parameters;
  return out;
}

inline Buffer text_bytes(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return Buffer(bytes.begin(), bytes.end());
}

/// A stream of packets numbered one after the other.
class Script {
 public:
  explicit Script(std::uint8_t first_sequence = 1) : sequence_(first_sequence) {}

  Script& packet(Bytes payload) {
    sequence_ = append_packet(wire_, payload, sequence_);
    return *this;
  }

  Script& ok(std::uint16_t status = status_flag::kAutocommit, std::string_view info = {}) {
    OkPacket ok;
    ok.status = status;
    ok.info = info;
    sequence_ = append_ok(wire_, ok, capability::kSessionTrack, sequence_);
    return *this;
  }

  /// The OK that takes the place of an EOF.
  Script& end(std::uint16_t status = status_flag::kAutocommit) {
    OkPacket ok;
    ok.status = status;
    sequence_ = append_ok(wire_, ok, capability::kDeprecateEof, sequence_, OkHeader::kEof);
    return *this;
  }

  Script& eof(std::uint16_t status = status_flag::kAutocommit) {
    sequence_ = append_eof(wire_, EofPacket{0, status}, sequence_);
    return *this;
  }

  Script& err(std::uint16_t code = 1064) {
    sequence_ = append_err(wire_, SqlError{code, "42000", "syntax"}, sequence_);
    return *this;
  }

  /// `count` column definitions (only their beginning is true to life).
  Script& definitions(int count) {
    for (int i = 0; i < count; ++i) {
      packet(
          text_bytes("\x03"
                     "def\x01x\x01t"));
    }
    return *this;
  }

  Script& columns(int count) { return packet(bytes_of({count})).definitions(count); }

  Script& text_row(std::initializer_list<std::string_view> values) {
    Buffer row;
    for (const std::string_view value : values) {
      append_lenenc_text(row, value);
    }
    return packet(row);
  }

  [[nodiscard]] const Buffer& wire() const { return wire_; }

  [[nodiscard]] std::uint8_t sequence() const { return sequence_; }

 private:
  Buffer wire_;
  std::uint8_t sequence_;
};

/// Calls `feed` with pieces of `wire` of `size` bytes (the last may be shorter).
inline void in_chunks(Bytes wire, std::size_t size, const std::function<void(Bytes)>& feed) {
  while (!wire.empty()) {
    const std::size_t taken = std::min(size, wire.size());
    feed(wire.first(taken));
    wire = wire.subspan(taken);
  }
}

/// Chunk sizes worth trying on a script of `bytes` bytes.
inline std::vector<std::size_t> chunk_sizes(std::size_t bytes) {
  std::vector<std::size_t> sizes = {1, 2, 3, 4, 5, 7, 11, 64, 1000};
  sizes.push_back(std::max<std::size_t>(1, bytes));
  return sizes;
}

}  // namespace consort::protocol::test
