// HeldReply: the last packet of a reply, kept back until what it says is certain: the commit of an
// autocommit write, the result of a statement that all backends execute.
// Threads: none; its session's.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace consort::proxy {

class HeldReply {
 public:
  void hold(Bytes packet, bool is_error) {
    packet_.assign(packet.begin(), packet.end());
    is_error_ = is_error;
  }

  /// Gives the packet another sequence id. REQUIRES: !empty().
  void number(std::uint8_t sequence) { packet_[3] = sequence; }

  void clear() {
    if (packet_.capacity() > kRetainedBytesMax) {
      Buffer().swap(packet_);
    }
    packet_.clear();
    is_error_ = false;
  }

  [[nodiscard]] bool empty() const { return packet_.empty(); }

  /// The statement failed: the packet is its error.
  [[nodiscard]] bool is_error() const { return is_error_; }

  [[nodiscard]] Bytes packet() const { return packet_; }

  /// REQUIRES: !empty().
  [[nodiscard]] std::uint8_t sequence() const { return packet_[3]; }

 private:
  static constexpr std::size_t kRetainedBytesMax = 4096;

  Buffer packet_;
  bool is_error_ = false;
};

}  // namespace consort::proxy
