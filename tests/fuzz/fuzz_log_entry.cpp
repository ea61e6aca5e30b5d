// Log entries and records: any bytes give an entry or an error, and an entry that was read is
// written back to the same bytes. Checksums would keep every mutation out, so the input is also
// tried with a frame that fits it. Input: an entry, or anything.
#include <algorithm>
#include <string_view>
#include <xxhash.h>

#include "base/check.h"
#include "certifier/entry_chunks.h"
#include "certifier/writeset.h"

using namespace consort;
using namespace consort::certifier;

namespace {

constexpr std::size_t kEntryHeadBytes = 28;
constexpr std::size_t kChecksumBytes = 8;
constexpr EntryLimits kLimits{kRecordOverheadBytes + 50, 4096};

void decode_and_compare(Bytes bytes) {
  const Result<LogEntry> entry = decode_entry(bytes);
  if (entry) {
    CHECK(std::ranges::equal(encode_entry(*entry), bytes));
  }
}

/// `bytes` with magic, version, length and checksum as they must be.
Buffer with_frame(Bytes bytes) {
  Buffer framed(bytes.begin(), bytes.end());
  constexpr std::string_view kMagicAndVersion = "CENT\1";
  std::ranges::copy(kMagicAndVersion, framed.begin());
  store_le<8>(framed.data() + 20, framed.size() - kEntryHeadBytes - kChecksumBytes);
  const std::size_t checked = framed.size() - kChecksumBytes;
  store_le<8>(framed.data() + checked, XXH64(framed.data(), checked, 0));
  return framed;
}

/// Cut, joined, and with one record damaged: whole, or refused.
void cut_and_join(Bytes bytes) {
  EntrySplitter splitter(1, kLimits);
  EntryAssembler assembler(kLimits);
  std::vector<Buffer> records = splitter.split(bytes);
  const std::size_t damaged = bytes[0] % (records.size() + 1);
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (i == damaged) {
      Buffer& record = records[i];
      record[bytes[bytes.size() / 2] % record.size()] ^= 0x40;
      CHECK(!assembler.feed(record));
      return;
    }
    const Result<std::optional<Buffer>> joined = assembler.feed(records[i]);
    CHECK(joined.ok());
    CHECK(joined->has_value() == (i + 1 == records.size()));
    CHECK(!joined->has_value() || std::ranges::equal(**joined, bytes));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  decode_and_compare(bytes);
  if (size >= kEntryHeadBytes + kChecksumBytes) {
    decode_and_compare(with_frame(bytes));
  }
  EntryAssembler assembler(kLimits);
  (void)assembler.feed(bytes);
  if (size > 0 && size <= kLimits.entry_bytes_max) {
    cut_and_join(bytes);
  }
  return 0;
}
