// PacketReader: turns a byte stream into logical packets.
// Joins payloads split at 0xFFFFFF bytes; checks sequence ids, where they mean something. The peek
// functions do the same in place on bytes the caller holds, without storing or allocating anything.
// Spec: MariaDB KB "0 - Packet". Threads: none; one connection owns it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/constants.h"

namespace consort::protocol {

enum class PacketError : std::uint8_t {
  kSequenceMismatch = 1,  ///< answer 1156 (packets out of order)
  kPacketTooLarge         ///< answer 1153 (max_allowed_packet)
};

/// One logical packet: a payload that may have come in several packets.
struct Packet {
  Bytes payload;
  std::uint8_t sequence = 0;  ///< of its last packet
};

/// One packet (a frame) at the front of received bytes.
struct Frame {
  Bytes payload;
  std::uint8_t sequence = 0;
  std::size_t bytes = 0;   ///< with its header
  bool continues = false;  ///< the payload is kMaxPayload long: the next frame belongs to it
};

/// The frame at the front of `unread`, or nullopt while it is incomplete.
[[nodiscard]] std::optional<Frame> peek_packet(Bytes unread);

/// A logical packet at the front of received bytes, still cut into frames.
struct Message {
  Bytes wire;           ///< all of its frames, headers included: what to forward unchanged
  Bytes payload_front;  ///< payload of the first frame; all of the payload when !split
  std::size_t payload_bytes = 0;  ///< of all frames together
  std::uint8_t sequence = 0;      ///< of its last frame
  bool split = false;
};

/// What a stream of packets may look like.
struct PacketLimits {
  std::size_t packet_bytes_max = 64U << 20U;  ///< longest logical payload
};

/// The logical packet at the front of `unread`, or nullopt while it is incomplete. Its frames must
/// be numbered from `expected_sequence`. Errors: PacketError, as soon as the headers show them.
[[nodiscard]] Result<std::optional<Message>> peek_message(Bytes unread,
                                                          std::uint8_t expected_sequence,
                                                          const PacketLimits& limits);

/// The joined payload of the frames in `wire`. REQUIRES: whole frames, as in Message::wire.
[[nodiscard]] Buffer join_payload(Bytes wire);

class PacketReader {
 public:
  explicit PacketReader(PacketLimits limits = {}) : limits_(limits) {}

  /// Gives the next received bytes. They must stay readable until next() has returned nullopt or
  /// an error: whole packets are handed out as views into them, only an incomplete tail is copied.
  /// REQUIRES: the previous bytes are used up (next() returned nullopt), !failed().
  void feed(Bytes chunk);

  /// Next complete packet, or nullopt when more bytes are needed. The payload dies at the following
  /// next() or feed(), or with the bytes fed. Errors: PacketError. REQUIRES: !failed().
  [[nodiscard]] Result<std::optional<Packet>> next();

  /// The sequence id that the next packet must carry. A peer starts each command at 0.
  void expect_sequence(std::uint8_t sequence) { expected_sequence_ = sequence; }

  /// From now on the packets' numbers mean nothing, as those in compressed packets.
  void ignore_sequence() { ignores_sequence_ = true; }

  [[nodiscard]] std::uint8_t expected_sequence() const { return expected_sequence_; }

  /// True after an error: the stream is lost and the connection must be closed.
  [[nodiscard]] bool failed() const { return failed_; }

  /// True when no incomplete packet waits.
  [[nodiscard]] bool between_packets() const { return header_bytes_ == 0 && !joining_; }

 private:
  [[nodiscard]] Result<std::optional<Packet>> whole_frame(const Frame& frame);
  [[nodiscard]] Result<std::optional<Packet>> next_joined();
  [[nodiscard]] bool take_header();
  [[nodiscard]] std::optional<Error> begin_frame();
  [[nodiscard]] Error fail(Error error);

  PacketLimits limits_;
  Bytes chunk_;
  Buffer joined_;
  std::uint8_t header_[kHeaderBytes] = {};
  std::size_t header_bytes_ = 0;   ///< of header_ that are filled
  std::size_t frame_missing_ = 0;  ///< payload bytes of the open frame still to come
  std::uint8_t expected_sequence_ = 0;
  bool frame_open_ = false;  ///< its header is read
  bool continues_ = false;   ///< another frame of the same payload follows it
  bool joining_ = false;     ///< joined_ holds the front of a logical packet
  bool handed_out_ = false;  ///< joined_ is the payload of the packet given last
  bool failed_ = false;
  bool ignores_sequence_ = false;
};

}  // namespace consort::protocol
