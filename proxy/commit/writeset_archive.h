// WritesetArchive: the retained history of log entries on disk, for backends that catch up.
// Format: docs/formats/archive.md. Threads: the commit thread; ArchiveSync::run() any one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace consort::proxy {

struct ArchiveOptions {
  std::string dir;  ///< created when missing
  /// A segment is closed when it has this many.
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  std::uint64_t bytes_max = 8ULL << 30;  ///< retention, over all segments
  /// Appended records wait for write(2) up to this.
  std::size_t write_buffer_bytes = std::size_t{256} << 10;
};

/// What a reader that goes on takes at once.
inline constexpr std::size_t kArchiveReadBytes = std::size_t{1} << 20;

/// One record. `entry` points into the batch that holds it.
struct ArchivedEntry {
  std::uint64_t log_index = 0;
  Seqno seqno;
  Bytes entry;
};

/// Records in log order and the bytes they point into. Moving it keeps the views valid.
struct ArchiveBatch {
  Buffer storage;
  std::vector<ArchivedEntry> entries;
};

/// The blocking half of a sync: fdatasync of every file written since the last one.
class ArchiveSync {
 public:
  ArchiveSync() = default;

  ArchiveSync(ArchiveSync&& other) noexcept
      : fds_(std::exchange(other.fds_, {})),
        mark_path_(std::move(other.mark_path_)),
        last_log_index_(other.last_log_index_) {}

  ArchiveSync& operator=(ArchiveSync&& other) noexcept;
  ArchiveSync(const ArchiveSync&) = delete;
  ArchiveSync& operator=(const ArchiveSync&) = delete;
  ~ArchiveSync();

  /// Blocks until the files are on disk. A failure means that the log must not be truncated.
  [[nodiscard]] Status run();

  /// How many files that are, directories included.
  [[nodiscard]] std::size_t files() const { return fds_.size(); }

 private:
  friend class WritesetArchive;
  std::vector<int> fds_;   // owned duplicates
  std::string mark_path_;  // says up to which log index everything is on disk
  std::uint64_t last_log_index_ = 0;
};

class WritesetArchive {
 public:
  /// Opens or creates the directory and cuts off what a power loss tore: all that was not synced is
  /// read through. Errors: something is missing that was synced, the disk.
  [[nodiscard]] static Result<std::unique_ptr<WritesetArchive>> open(ArchiveOptions options);
  ~WritesetArchive();
  WritesetArchive(const WritesetArchive&) = delete;
  WritesetArchive& operator=(const WritesetArchive&) = delete;

  /// Appends one log entry, buffered. Does nothing when `log_index` <= last_log_index().
  /// REQUIRES: `seqno` is not smaller than last_seqno().
  [[nodiscard]] Status append(std::uint64_t log_index, Seqno seqno, Bytes entry);
  /// Hands buffered records to the kernel: they then survive the end of the process.
  [[nodiscard]] Status flush();
  /// flush(), and what remains to be done, on another thread, for them to survive a power loss.
  [[nodiscard]] Result<ArchiveSync> begin_sync();

  /// Records with seqno >= `from`, in order, until `bytes_max` is reached; at least one when there
  /// is one. All records of one seqno come in one batch. Errors: `from` < first_seqno(), a damaged
  /// record, the disk.
  [[nodiscard]] Result<ArchiveBatch> read(Seqno from, std::size_t bytes_max);

  /// Deletes the oldest segments while there are more than ArchiveOptions::bytes_max, but none that
  /// holds a seqno >= `needed_from`.
  void retire(Seqno needed_from);

  /// Seqno of the oldest record; 0 when empty.
  [[nodiscard]] Seqno first_seqno() const;

  /// Seqno of the newest record; 0 when empty.
  [[nodiscard]] Seqno last_seqno() const { return last_seqno_; }

  /// Log index of the newest record; 0 when empty.
  [[nodiscard]] std::uint64_t last_log_index() const { return last_log_index_; }

  /// Bytes on disk and in the buffer.
  [[nodiscard]] std::uint64_t bytes() const;

  /// Records that read() had to pass over, in all, before the first one it was asked for.
  [[nodiscard]] std::uint64_t records_passed_over() const { return records_passed_over_; }

 private:
  struct Segment;

  explicit WritesetArchive(ArchiveOptions options);

  Status find_segments();
  Status open_tail();
  [[nodiscard]] std::size_t first_unsynced() const;
  Result<bool> check_segment(std::size_t at);
  Status cut_behind(std::size_t last);
  Status note_directory();
  Status start_segment(Seqno first);
  Status close_last_segment();
  Status append_record(std::uint64_t log_index, Seqno seqno, Bytes entry);

  ArchiveOptions options_;
  std::deque<std::unique_ptr<Segment>> segments_;  // oldest first; the last one is written
  Buffer unwritten_;                               // records of the last segment
  std::vector<int> unsynced_fds_;  // owned: closed segments not yet synced, changed directories
  bool last_is_unsynced_ = false;
  Seqno last_seqno_;
  std::uint64_t last_log_index_ = 0;
  std::uint64_t records_passed_over_ = 0;
  std::uint64_t synced_log_index_ = 0;   // at open; 0 when not known
  std::vector<std::string> torn_paths_;  // at open: segments without a header, and all behind
};

}  // namespace consort::proxy
