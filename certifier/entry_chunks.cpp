#include "certifier/entry_chunks.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <xxhash.h>

#include "base/check.h"
#include "certifier/writeset.h"

namespace consort::certifier {
namespace {

constexpr std::string_view kRecordMagic = "CREC";
constexpr std::uint8_t kRecordVersion = 1;
constexpr std::size_t kRecordHeadBytes = 32;
constexpr std::size_t kRecordChecksumBytes = 8;
static_assert(kRecordOverheadBytes == kRecordHeadBytes + kRecordChecksumBytes);

struct RecordHead {
  std::uint32_t epoch = 0;
  std::uint64_t entry = 0;
  std::uint32_t index = 0;
  std::uint32_t count = 0;
};

Buffer encode_record(const RecordHead& head, Bytes piece) {
  Buffer out;
  out.reserve(kRecordOverheadBytes + piece.size());
  append(out, kRecordMagic);
  append_le<1>(out, kRecordVersion);
  append_le<3>(out, 0);
  append_le<4>(out, head.epoch);
  append_le<8>(out, head.entry);
  append_le<4>(out, head.index);
  append_le<4>(out, head.count);
  append_le<4>(out, piece.size());
  append(out, piece);
  append_le<8>(out, XXH64(out.data(), out.size(), 0));
  return out;
}

/// The record's head, when its frame is sound.
Result<RecordHead> decode_head(Bytes record) {
  if (record.size() < kRecordOverheadBytes) {
    return make_error(DecodeError::kTruncated, "log record: shorter than its head");
  }
  const std::uint8_t* data = record.data();
  if (as_text(record.first(kRecordMagic.size())) != kRecordMagic) {
    return make_error(DecodeError::kBadMagic, "log record: wrong magic");
  }
  if (data[4] != kRecordVersion) {
    return make_error(DecodeError::kUnknownVersion,
                      "log record: version " + std::to_string(data[4]) + " is not known");
  }
  if (load_le<4>(data + 28) != record.size() - kRecordOverheadBytes) {
    return make_error(DecodeError::kTruncated, "log record: its length does not match its bytes");
  }
  const std::size_t checked = record.size() - kRecordChecksumBytes;
  if (XXH64(data, checked, 0) != load_le<8>(data + checked)) {
    return make_error(DecodeError::kBadChecksum, "log record: wrong checksum");
  }
  RecordHead head;
  head.epoch = static_cast<std::uint32_t>(load_le<4>(data + 8));
  head.entry = load_le<8>(data + 12);
  head.index = static_cast<std::uint32_t>(load_le<4>(data + 20));
  head.count = static_cast<std::uint32_t>(load_le<4>(data + 24));
  if (head.epoch == 0 || head.index >= head.count || load_le<3>(data + 5) != 0) {
    return make_error(DecodeError::kMalformed, "log record: its head breaks the format");
  }
  return head;
}

Error out_of_order(const RecordHead& head) {
  return make_error(DecodeError::kOutOfOrder, "log record: epoch " + std::to_string(head.epoch) +
                                                  ", entry " + std::to_string(head.entry) +
                                                  ", index " + std::to_string(head.index) +
                                                  " does not continue the one before");
}

}  // namespace

EntrySplitter::EntrySplitter(std::uint32_t epoch, EntryLimits limits)
    : epoch_(epoch), limits_(limits) {
  CHECK(epoch > 0);
  CHECK(limits.record_bytes_max > kRecordOverheadBytes);
  CHECK(limits.record_bytes_max <= std::numeric_limits<std::uint32_t>::max());
}

std::vector<Buffer> EntrySplitter::split(Bytes entry) {
  CHECK(!entry.empty());
  CHECK(entry.size() <= limits_.entry_bytes_max);
  const std::size_t piece_bytes = limits_.record_bytes_max - kRecordOverheadBytes;
  const std::size_t count = (entry.size() + piece_bytes - 1) / piece_bytes;
  RecordHead head{epoch_, ++entries_, 0, static_cast<std::uint32_t>(count)};
  std::vector<Buffer> records;
  records.reserve(count);
  for (; head.index < head.count; ++head.index) {
    const std::size_t from = head.index * piece_bytes;
    records.push_back(
        encode_record(head, entry.subspan(from, std::min(piece_bytes, entry.size() - from))));
  }
  return records;
}

EntryAssembler::EntryAssembler(EntryLimits limits) : limits_(limits) {}

Result<std::optional<Buffer>> EntryAssembler::feed(Bytes record) {
  const Result<RecordHead> decoded = decode_head(record);
  if (!decoded) {
    return decoded.error();
  }
  const RecordHead& head = *decoded;
  if (head.epoch < epoch_) {
    return out_of_order(head);
  }
  if (head.epoch > epoch_) {
    dropped_ += incomplete() ? 1 : 0;
    entry_ =
        epoch_ == 0 ? head.entry - 1 : 0;  // the log's oldest epoch may have lost its beginning
    epoch_ = head.epoch;
    next_index_ = 0;
  }
  const bool begins = next_index_ == 0;
  if (head.index != next_index_ || head.entry != (begins ? entry_ + 1 : entry_) ||
      (!begins && head.count != count_)) {
    return out_of_order(head);
  }
  if (begins) {
    entry_ = head.entry;
    count_ = head.count;
    joined_.clear();
  }
  const Bytes piece = record.subspan(kRecordHeadBytes, record.size() - kRecordOverheadBytes);
  if (piece.size() > limits_.entry_bytes_max - joined_.size()) {
    return make_error(DecodeError::kTooLarge, "log entry: larger than the limit");
  }
  append(joined_, piece);
  ++next_index_;
  if (next_index_ < count_) {
    return std::optional<Buffer>();
  }
  next_index_ = 0;
  return std::optional<Buffer>(std::exchange(joined_, Buffer()));
}

}  // namespace consort::certifier
