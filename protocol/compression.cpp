#include "protocol/compression.h"

#include <algorithm>
#include <utility>
#include <zlib.h>
#include <zstd.h>

#include "base/check.h"
#include "protocol/constants.h"

namespace consort::protocol {
namespace {

/// Level of the server's own compress().
constexpr int kZlibLevel = Z_DEFAULT_COMPRESSION;
/// What an announced level of 0 means (MySQL's default_zstd_compression_level).
constexpr int kZstdLevelDefault = 3;
constexpr int kZstdLevelMax = 22;
/// No packet has more than 16 MiB, so no honest frame needs a larger window.
constexpr int kZstdWindowLogMax = 24;
/// More than this is not kept in case of need.
constexpr std::size_t kSpareBytesMax = std::size_t{512} << 10;

std::size_t index_of(CompressionAlgorithm algorithm) {
  return static_cast<std::size_t>(algorithm);
}

/// zlib's interface is not const but it only reads.
Bytef* zlib_input(Bytes bytes) {
  return const_cast<Bytef*>(bytes.data());
}

class ZlibDecompressor final : public Decompressor {
 public:
  ZlibDecompressor() { CHECK(inflateInit(&stream_) == Z_OK); }

  ~ZlibDecompressor() override { inflateEnd(&stream_); }

  void restart() override { CHECK(inflateReset(&stream_) == Z_OK); }

  Progress run(Bytes in, MutableBytes out) override {
    Bytef nowhere = 0;  // zlib wants addresses, also of nothing
    stream_.next_in = in.empty() ? &nowhere : zlib_input(in);
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = out.empty() ? &nowhere : out.data();
    stream_.avail_out = static_cast<uInt>(out.size());
    const int result = inflate(&stream_, Z_NO_FLUSH);
    Progress progress;
    progress.consumed = in.size() - stream_.avail_in;
    progress.produced = out.size() - stream_.avail_out;
    progress.ended = result == Z_STREAM_END;
    progress.failed = result != Z_STREAM_END && result != Z_OK && result != Z_BUF_ERROR;
    return progress;
  }

  bool is_small() const override { return true; }

 private:
  z_stream stream_{};
};

class ZstdDecompressor final : public Decompressor {
 public:
  ZstdDecompressor() : stream_(ZSTD_createDStream()) {
    CHECK(stream_ != nullptr);
    CHECK(ZSTD_isError(ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kZstdWindowLogMax)) ==
          0);
  }

  ~ZstdDecompressor() override { ZSTD_freeDStream(stream_); }

  void restart() override {
    CHECK(ZSTD_isError(ZSTD_DCtx_reset(stream_, ZSTD_reset_session_only)) == 0);
  }

  Progress run(Bytes in, MutableBytes out) override {
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    const std::size_t result = ZSTD_decompressStream(stream_, &output, &input);
    return {input.pos, output.pos, result == 0, ZSTD_isError(result) != 0};
  }

  bool is_small() const override { return ZSTD_sizeof_DStream(stream_) <= kSpareBytesMax; }

 private:
  ZSTD_DStream* stream_;
};

class ZlibCompressor final : public Compressor {
 public:
  ZlibCompressor() { CHECK(deflateInit(&stream_, kZlibLevel) == Z_OK); }

  ~ZlibCompressor() override { deflateEnd(&stream_); }

  bool compress(Bytes plain, int /*level*/, Buffer& out) override {
    CHECK(deflateReset(&stream_) == Z_OK);
    const std::size_t before = out.size();
    out.resize(before + plain.size());
    stream_.next_in = zlib_input(plain);
    stream_.avail_in = static_cast<uInt>(plain.size());
    stream_.next_out = out.data() + before;
    stream_.avail_out = static_cast<uInt>(plain.size());
    const bool fits = deflate(&stream_, Z_FINISH) == Z_STREAM_END && stream_.avail_out > 0;
    out.resize(fits ? out.size() - stream_.avail_out : before);
    return fits;
  }

 private:
  z_stream stream_{};
};

class ZstdCompressor final : public Compressor {
 public:
  ZstdCompressor() : context_(ZSTD_createCCtx()) { CHECK(context_ != nullptr); }

  ~ZstdCompressor() override { ZSTD_freeCCtx(context_); }

  bool compress(Bytes plain, int level, Buffer& out) override {
    const std::size_t before = out.size();
    out.resize(before + plain.size());
    const std::size_t result = ZSTD_compressCCtx(context_, out.data() + before, plain.size(),
                                                 plain.data(), plain.size(), level);
    const bool fits = ZSTD_isError(result) == 0 && result < plain.size();
    out.resize(before + (fits ? result : 0));
    return fits;
  }

 private:
  ZSTD_CCtx* context_;
};

}  // namespace

std::string_view to_text(CompressionAlgorithm algorithm) {
  return algorithm == CompressionAlgorithm::kZlib ? "zlib" : "zstd";
}

std::optional<CompressionChoice> choose_compression(std::uint64_t capabilities,
                                                    std::uint8_t zstd_level) {
  if ((capabilities & capability::kCompress) != 0) {
    return CompressionChoice{CompressionAlgorithm::kZlib, 0};
  }
  if ((capabilities & capability::kZstdCompression) == 0) {
    return std::nullopt;
  }
  const int level = zstd_level == 0 ? kZstdLevelDefault : std::min<int>(zstd_level, kZstdLevelMax);
  return CompressionChoice{CompressionAlgorithm::kZstd, level};
}

std::unique_ptr<Decompressor> CompressionContexts::take_decompressor(
    CompressionAlgorithm algorithm) {
  std::unique_ptr<Decompressor> spare = std::move(spare_[index_of(algorithm)]);
  if (spare) {
    spare->restart();
    return spare;
  }
  if (algorithm == CompressionAlgorithm::kZlib) {
    return std::make_unique<ZlibDecompressor>();
  }
  return std::make_unique<ZstdDecompressor>();
}

void CompressionContexts::give_back(CompressionAlgorithm algorithm,
                                    std::unique_ptr<Decompressor> decompressor) {
  if (decompressor->is_small()) {
    spare_[index_of(algorithm)] = std::move(decompressor);
  }
}

Compressor& CompressionContexts::compressor(CompressionAlgorithm algorithm) {
  std::unique_ptr<Compressor>& made = compressors_[index_of(algorithm)];
  if (!made && algorithm == CompressionAlgorithm::kZlib) {
    made = std::make_unique<ZlibCompressor>();
  } else if (!made) {
    made = std::make_unique<ZstdCompressor>();
  }
  return *made;
}

}  // namespace consort::protocol
