// The bytes of one archive segment: framing and reading records. Format: docs/formats/archive.md.
// Threads: none; the archive's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace consort::proxy {

inline constexpr std::size_t kArchiveHeaderBytes = 32;
inline constexpr std::size_t kRecordHeaderBytes = 32;
inline constexpr std::size_t kRecordPayloadMax = 1ULL << 30;

/// A record's header, checked.
struct RecordHeader {
  std::size_t payload_bytes = 0;
  std::uint64_t log_index = 0;
  Seqno seqno;
  std::uint64_t checksum = 0;
};

struct SegmentHeader {
  Seqno first;
  /// Size of the segment before, which is complete then. 0: there was none, or it is not known.
  std::uint32_t previous_bytes = 0;
};

/// The 32 bytes that begin a segment.
[[nodiscard]] Buffer encode_segment_header(const SegmentHeader& header);
/// nullopt when `bytes` do not begin a segment.
[[nodiscard]] std::optional<SegmentHeader> decode_segment_header(Bytes bytes);

/// Appends a whole record to `out`.
void append_archive_record(Buffer& out, std::uint64_t log_index, Seqno seqno, Bytes payload);
/// Reads a header, or nullopt when `bytes` hold none. REQUIRES: kRecordHeaderBytes bytes.
[[nodiscard]] std::optional<RecordHeader> decode_record_header(Bytes bytes);
/// Whether `payload` is what `header_bytes` promise.
[[nodiscard]] bool record_checksum_matches(Bytes header_bytes, Bytes payload);

/// Reads a segment file forward from an offset, a block at a time.
class SegmentReader {
 public:
  /// `fd` outlives the reader. `end` is where its records end.
  SegmentReader(int fd, std::uint64_t offset, std::uint64_t end);

  struct Record {
    RecordHeader header;
    std::uint64_t offset = 0;  ///< of the record in the file
    Bytes payload;             ///< dies at the next call
  };

  /// The next whole and undamaged record; nullopt where there is none: see at_end(). Errors: the
  /// disk.
  [[nodiscard]] Result<std::optional<Record>> next();

  /// True when the last next() found nothing because everything was read; false: damage.
  [[nodiscard]] bool at_end() const { return offset_ == end_; }

  /// Offset of the first byte not yet returned.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }

 private:
  Result<bool> fill(std::size_t bytes_wanted);

  const int fd_;
  std::uint64_t offset_;
  const std::uint64_t end_;
  Buffer block_;  // bytes from block_offset_ on
  std::uint64_t block_offset_;
};

}  // namespace consort::proxy
