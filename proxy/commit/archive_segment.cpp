#include "proxy/commit/archive_segment.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unistd.h>
#include <xxhash.h>

namespace consort::proxy {
namespace {

constexpr std::string_view kSegmentMagic = "CNSTARCH";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kRecordMagic = 0x43524543;
constexpr std::size_t kCheckedHeaderBytes = 24;
constexpr std::size_t kBlockBytes = std::size_t{256} << 10;

std::uint64_t payload_checksum(const std::uint8_t* header, Bytes payload) {
  const std::uint64_t seed = XXH64(header, kCheckedHeaderBytes, 0);
  return XXH64(payload.data(), payload.size(), seed);
}

}  // namespace

Buffer encode_segment_header(const SegmentHeader& header) {
  Buffer out;
  append(out, kSegmentMagic);
  append_le<4>(out, kVersion);
  append_le<4>(out, header.previous_bytes);
  append_le<8>(out, header.first.value);
  append_le<8>(out, XXH64(out.data(), kCheckedHeaderBytes, 0));
  return out;
}

std::optional<SegmentHeader> decode_segment_header(Bytes bytes) {
  if (bytes.size() < kArchiveHeaderBytes ||
      as_text(bytes.first(kSegmentMagic.size())) != kSegmentMagic ||
      load_le<4>(bytes.data() + 8) != kVersion ||
      load_le<8>(bytes.data() + 24) != XXH64(bytes.data(), kCheckedHeaderBytes, 0)) {
    return std::nullopt;
  }
  return SegmentHeader{Seqno{load_le<8>(bytes.data() + 16)},
                       static_cast<std::uint32_t>(load_le<4>(bytes.data() + 12))};
}

void append_archive_record(Buffer& out, std::uint64_t log_index, Seqno seqno, Bytes payload) {
  CHECK(payload.size() <= kRecordPayloadMax);
  std::uint8_t header[kRecordHeaderBytes];
  store_le<4>(header, payload.size());
  store_le<4>(header + 4, kRecordMagic);
  store_le<8>(header + 8, log_index);
  store_le<8>(header + 16, seqno.value);
  store_le<8>(header + 24, payload_checksum(header, payload));
  append(out, Bytes(header));
  append(out, payload);
}

std::optional<RecordHeader> decode_record_header(Bytes bytes) {
  CHECK(bytes.size() >= kRecordHeaderBytes);
  RecordHeader header;
  header.payload_bytes = load_le<4>(bytes.data());
  header.log_index = load_le<8>(bytes.data() + 8);
  header.seqno = Seqno{load_le<8>(bytes.data() + 16)};
  header.checksum = load_le<8>(bytes.data() + 24);
  if (load_le<4>(bytes.data() + 4) != kRecordMagic || header.payload_bytes > kRecordPayloadMax) {
    return std::nullopt;
  }
  return header;
}

bool record_checksum_matches(Bytes header_bytes, Bytes payload) {
  return load_le<8>(header_bytes.data() + 24) == payload_checksum(header_bytes.data(), payload);
}

SegmentReader::SegmentReader(int fd, std::uint64_t offset, std::uint64_t end)
    : fd_(fd), offset_(offset), end_(end), block_offset_(offset) {}

Result<std::optional<SegmentReader::Record>> SegmentReader::next() {
  Result<bool> have = fill(kRecordHeaderBytes);
  if (!have.ok() || !*have) {
    return have.ok() ? Result<std::optional<Record>>(std::nullopt) : have.error();
  }
  const auto at = [this] { return block_.data() + (offset_ - block_offset_); };
  const std::optional<RecordHeader> header = decode_record_header({at(), kRecordHeaderBytes});
  if (!header) {
    return std::optional<Record>();
  }
  have = fill(kRecordHeaderBytes + header->payload_bytes);
  if (!have.ok() || !*have) {
    return have.ok() ? Result<std::optional<Record>>(std::nullopt) : have.error();
  }
  const Bytes payload(at() + kRecordHeaderBytes, header->payload_bytes);
  if (!record_checksum_matches({at(), kRecordHeaderBytes}, payload)) {
    return std::optional<Record>();
  }
  const std::uint64_t offset = offset_;
  offset_ += kRecordHeaderBytes + header->payload_bytes;
  return std::optional<Record>(Record{*header, offset, payload});
}

// Makes `bytes_wanted` bytes from offset_ readable in block_; false when the file ends before.
Result<bool> SegmentReader::fill(std::size_t bytes_wanted) {
  if (offset_ + bytes_wanted > end_) {
    return false;
  }
  const auto unread = static_cast<std::size_t>(block_offset_ + block_.size() - offset_);
  if (unread >= bytes_wanted) {
    return true;
  }
  block_.erase(block_.begin(), block_.end() - static_cast<std::ptrdiff_t>(unread));
  block_offset_ = offset_;
  const auto left = static_cast<std::size_t>(end_ - offset_);
  block_.resize(std::min(left, std::max(bytes_wanted, kBlockBytes)));
  std::size_t have = unread;
  while (have < block_.size()) {
    const ssize_t count = ::pread(fd_, block_.data() + have, block_.size() - have,
                                  static_cast<off_t>(block_offset_ + have));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return make_error(std::string("reading the archive: ") + std::strerror(errno));
    }
    if (count == 0) {
      break;
    }
    have += static_cast<std::size_t>(count);
  }
  block_.resize(have);
  return have >= bytes_wanted;
}

}  // namespace consort::proxy
