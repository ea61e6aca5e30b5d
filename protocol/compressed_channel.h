// CompressedChannel: our end of a connection that speaks the compressed protocol: compressed
// packets in, the bytes of ordinary packets out, and the other way round.
//
//   [length 3][sequence 1][length before compression 3; 0: not compressed][payload]
//
// Compressed packets are numbered by themselves, from 0 with each command and on with its reply;
// the numbers of the packets inside are then not looked at, by clients as by servers. They may
// be cut anywhere. A packet is decompressed in steps of at most kStepBytesMax, so that what it
// claims to become is never held as a whole. A server numbers each reply on from its command; who
// sends commands ahead cannot tell where one reply ends in what it has not decompressed, so a
// server's numbers are not looked at. Spec: MariaDB KB "0 - Packet", "Compressed packet".
// Threads: its owner's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>

#include "base/bytes.h"
#include "base/read_buffer.h"
#include "base/result.h"
#include "protocol/compression.h"

namespace consort::protocol {

inline constexpr std::size_t kCompressedHeaderBytes = 7;
/// Shorter payloads are sent as they are, as the server does.
inline constexpr std::size_t kCompressBytesMin = 50;

enum class CompressedError : std::uint8_t {
  kSequenceMismatch = 1,  ///< answer 1156 (packets out of order)
  kUncompressFailed       ///< answer 1157: not compressed data, or not as long as announced
};

/// Who is at the other end.
enum class CompressedPeer : std::uint8_t { kClient, kServer };

class CompressedChannel {
 public:
  /// What one read() gives, and what one packet of write() carries at most.
  static constexpr std::size_t kStepBytesMax = std::size_t{64} << 10;

  /// `contexts` outlives the channel.
  CompressedChannel(CompressionChoice choice,
                    CompressionContexts& contexts,
                    CompressedPeer peer = CompressedPeer::kClient)
      : choice_(choice), contexts_(contexts), peer_(peer) {}

  /// Takes received bytes behind what waits.
  void feed(Bytes compressed) { input_.feed(compressed); }

  /// Bytes that wait for read().
  [[nodiscard]] std::size_t waiting_bytes() const { return input_.unread().size(); }

  /// read() may give more without more input.
  [[nodiscard]] bool has_more() const { return open_ || !input_.empty(); }

  /// Appends the next plain bytes to `out`: how many; 0: more must be fed first. After an error
  /// the connection is to be closed. Errors: CompressedError.
  [[nodiscard]] Result<std::size_t> read(ReadBuffer& out);

  /// The peer's next packet begins a command. One that came with the command before in one
  /// compressed packet counts as brought by packet 0.
  void begin_command() { sequence_ = open_ ? 1 : 0; }

  /// Appends the pieces to `out` as compressed packets.
  void write(std::initializer_list<Bytes> pieces, Buffer& out);

  /// The same with commands to a server, each of which begins anew: a packet with the sequence id 0
  /// begins one. REQUIRES: each piece is whole packets.
  void write_commands(std::initializer_list<Bytes> pieces, Buffer& out);

  [[nodiscard]] CompressionAlgorithm algorithm() const { return choice_.algorithm; }

 private:
  [[nodiscard]] Result<bool> open_packet();
  [[nodiscard]] Result<std::size_t> step(ReadBuffer& out);
  void close_packet();
  void write_packet(Bytes plain, Buffer& out);

  const CompressionChoice choice_;
  CompressionContexts& contexts_;
  const CompressedPeer peer_;
  ReadBuffer input_;
  std::unique_ptr<Decompressor> decompressor_;  ///< of the open packet, unless it is plain
  std::size_t payload_left_ = 0;                ///< of the open packet
  std::size_t plain_left_ = 0;                  ///< that the open packet still has to become
  std::uint8_t sequence_ = 0;                   ///< of the next packet, whoever sends it
  bool open_ = false;                           ///< a header is read, its packet not all
};

}  // namespace consort::protocol
