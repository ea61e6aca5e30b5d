// Cuts encoded entries into log records of bounded size, and joins them again.
// Format: docs/formats/log_entry.md, "Records".
// Threads: none; the commit thread's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace consort::certifier {

struct EntryLimits {
  std::size_t record_bytes_max = std::size_t{1} << 20;  ///< one log record, its head included
  std::size_t entry_bytes_max = std::size_t{2} << 30;   ///< one entry, all its records
};

/// Bytes that a record adds to the piece of the entry it carries.
inline constexpr std::size_t kRecordOverheadBytes = 40;

/// Cuts the encoded entries of one epoch into records. One object per epoch.
class EntrySplitter {
 public:
  explicit EntrySplitter(std::uint32_t epoch, EntryLimits limits = {});

  /// The records of `entry`, to be appended in this order with nothing in between.
  /// REQUIRES: entry.size() <= entry_bytes_max and not empty.
  [[nodiscard]] std::vector<Buffer> split(Bytes entry);

 private:
  std::uint32_t epoch_;
  EntryLimits limits_;
  std::uint64_t entries_ = 0;  ///< split so far: the last one's number
};

/// Joins records, in log order, to encoded entries. An entry that lacks its last records because
/// its run ended there is dropped when a later epoch's first record arrives: it was never
/// acknowledged. Within one epoch a gap is damage. The first record of all may be any entry's
/// first.
class EntryAssembler {
 public:
  explicit EntryAssembler(EntryLimits limits = {});

  /// Takes the next record. Returns the entry it completes, or nullopt when more are to come.
  /// Errors: DecodeError; after one the assembler must not be used further.
  [[nodiscard]] Result<std::optional<Buffer>> feed(Bytes record);

  /// True while an entry has begun and lacks records.
  [[nodiscard]] bool incomplete() const { return next_index_ != 0; }

  /// The newest epoch of any record, complete entry or not: a new run's must be larger.
  [[nodiscard]] std::uint32_t epoch() const { return epoch_; }

  /// How many unfinished entries of ended runs were dropped.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  EntryLimits limits_;
  std::uint32_t epoch_ = 0;
  std::uint64_t entry_ = 0;  ///< number of the entry begun last in epoch_
  std::uint32_t next_index_ = 0;
  std::uint32_t count_ = 0;
  Buffer joined_;
  std::uint64_t dropped_ = 0;
};

}  // namespace consort::certifier
