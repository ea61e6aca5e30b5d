// Compression: the algorithms of the compressed protocol, and what of them a thread's connections
// share. Every compressed packet stands for itself, so that nothing is kept between two of them.
// Spec: MariaDB KB "0 - Packet", MySQL internals "Compression"; RFC 1950, RFC 8878.
// Threads: a CompressionContexts and what it gives belong to one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace consort::protocol {

enum class CompressionAlgorithm : std::uint8_t { kZlib, kZstd };
inline constexpr std::size_t kCompressionAlgorithms = 2;

[[nodiscard]] std::string_view to_text(CompressionAlgorithm algorithm);

/// What a connection speaks above TLS and below packets.
struct CompressionChoice {
  CompressionAlgorithm algorithm = CompressionAlgorithm::kZlib;
  int level = 0;  ///< of kZstd: 1..22, the client's wish. kZlib has one level, as in the server.
};

/// The choice that both capabilities allow: zlib where both sides know both, as in MySQL.
/// `zstd_level` is peer input.
[[nodiscard]] std::optional<CompressionChoice> choose_compression(std::uint64_t capabilities,
                                                                  std::uint8_t zstd_level);

/// Decompresses one packet after the other, each in steps.
class Decompressor {
 public:
  struct Progress {
    std::size_t consumed = 0;
    std::size_t produced = 0;
    bool ended = false;  ///< the packet's stream is complete and its checksum right
    bool failed = false;
  };

  Decompressor() = default;
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  virtual ~Decompressor() = default;

  /// Forgets what was: the next bytes begin a stream.
  virtual void restart() = 0;

  /// Decompresses from `in` into `out` until one is used up or the stream ends. `out` may be empty.
  [[nodiscard]] virtual Progress run(Bytes in, MutableBytes out) = 0;

  /// Worth keeping for the next packet.
  [[nodiscard]] virtual bool is_small() const = 0;
};

class Compressor {
 public:
  Compressor() = default;
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  virtual ~Compressor() = default;

  /// Appends `plain`, compressed, to `out` if that is shorter. False: `out` is as it was.
  [[nodiscard]] virtual bool compress(Bytes plain, int level, Buffer& out) = 0;
};

/// Makes what is needed when it is needed. Threads that nobody asks for compression hold nothing.
class CompressionContexts {
 public:
  /// For one packet; give it back. As many exist as packets are half received.
  [[nodiscard]] std::unique_ptr<Decompressor> take_decompressor(CompressionAlgorithm algorithm);
  void give_back(CompressionAlgorithm algorithm, std::unique_ptr<Decompressor> decompressor);

  /// Compresses whole packets: one for all.
  [[nodiscard]] Compressor& compressor(CompressionAlgorithm algorithm);

 private:
  std::array<std::unique_ptr<Decompressor>, kCompressionAlgorithms> spare_;
  std::array<std::unique_ptr<Compressor>, kCompressionAlgorithms> compressors_;
};

}  // namespace consort::protocol
