// SessionCore::Relay: what one read brings to the client: a span of it that passes unchanged, grown
// packet by packet and sent at once.
// Threads: none; a local of on_backend_read().
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {

class SessionCore::Relay {
 public:
  explicit Relay(MutableBytes bytes) : bytes_(bytes) {}

  /// `count` bytes from `at` on pass. REQUIRES: they follow what passes already, or nothing does.
  void pass(std::size_t at, std::size_t count) {
    if (begin_ == end_) {
      begin_ = at;
    }
    end_ = at + count;
  }

  /// The packet at hand is there.
  void look_at(std::size_t at, std::size_t count) {
    packet_at_ = at;
    packet_bytes_ = count;
  }

  [[nodiscard]] MutableBytes packet() const { return bytes_.subspan(packet_at_, packet_bytes_); }

  void pass_packet() { pass(packet_at_, packet_bytes_); }

  /// A short packet goes in front of what passes next. REQUIRES: empty().
  void put_first(Bytes packet) {
    CHECK(packet.size() <= sizeof(first_));
    std::copy(packet.begin(), packet.end(), first_);
    first_bytes_ = packet.size();
  }

  [[nodiscard]] bool empty() const { return begin_ == end_ && first_bytes_ == 0; }

  [[nodiscard]] Bytes first() const { return Bytes(first_, first_bytes_); }

  [[nodiscard]] Bytes span() const { return Bytes(bytes_).subspan(begin_, end_ - begin_); }

  void clear() {
    begin_ = end_ = 0;
    first_bytes_ = 0;
  }

 private:
  MutableBytes bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t packet_at_ = 0;
  std::size_t packet_bytes_ = 0;
  std::uint8_t first_[16] = {};  // header, number of columns, one byte
  std::size_t first_bytes_ = 0;
};

}  // namespace consort::proxy
