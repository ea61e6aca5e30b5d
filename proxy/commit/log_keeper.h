// LogKeeper: the commit log and its archive as one: entries in, durable entries out, history back.
// Everything durable is either in the raft log or in the archive, mostly in both; see
// docs/formats/raft_log.md and archive.md.
// Threads: the commit thread's.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "certifier/commit_log.h"
#include "certifier/entry_chunks.h"
#include "certifier/writeset.h"
#include "proxy/commit/commit_stats.h"
#include "proxy/commit/own_branches.h"
#include "proxy/commit/writeset_archive.h"
#include "proxy/uv/event_loop.h"
#include "proxy/uv/raft_commit_log.h"

namespace consort::proxy {

using EntryPtr = std::shared_ptr<const certifier::LogEntry>;

class LogKeeperObserver {
 public:
  LogKeeperObserver() = default;
  LogKeeperObserver(const LogKeeperObserver&) = delete;
  LogKeeperObserver& operator=(const LogKeeperObserver&) = delete;
  virtual ~LogKeeperObserver() = default;

  /// An entry of an earlier run, in log order, from `history_entries` seqnos before the end on.
  [[nodiscard]] virtual Status on_restored(const certifier::LogEntry& entry) = 0;
  /// All of them were given; append() is allowed.
  virtual void on_log_ready() = 0;
  /// An appended entry is on disk. In the order of append().
  virtual void on_durable(const EntryPtr& entry) = 0;
  /// The process must end.
  virtual void on_log_failed(const Error& error) = 0;
};

struct LogKeeperOptions {
  std::string data_dir;
  std::string cluster_id;
  std::uint64_t archive_bytes_max = 8ULL << 30;
  std::uint64_t disk_free_bytes_min = 64ULL << 20;
  std::size_t history_entries = 16384;  ///< given back at start
  std::size_t own_branches_max = 65536;
};

class LogKeeper final : private certifier::CommitLogObserver, private LogSnapshotter {
 public:
  /// `observer` and `stats` outlive the keeper.
  [[nodiscard]] static Result<std::unique_ptr<LogKeeper>> open(EventLoop& loop,
                                                               LogKeeperOptions options,
                                                               LogKeeperObserver& observer,
                                                               CommitStats& stats);

  /// Gives back the history, then on_log_ready().
  void start();

  /// Begins this run: its epoch entry, and everything appended after it. REQUIRES: on_log_ready().
  void begin_epoch();

  /// The run's number: one more than the newest in the log. REQUIRES: on_log_ready().
  [[nodiscard]] std::uint32_t epoch() const { return epoch_; }

  /// Appends behind everything appended before; submit() sends it to the disk. The entry's epoch is
  /// set here. REQUIRES: begin_epoch().
  EntryPtr append(certifier::LogEntry entry);
  void submit();

  /// False while the disk is too full for an entry of this size: nothing new may be certified.
  [[nodiscard]] bool accepts(std::size_t entry_bytes) const;

  /// Looks at the free disk space again and retires what nobody needs: the archive keeps entries
  /// from `needed_from` on.
  void look_after(Seqno needed_from);

  /// Durable records with seqno >= `from`. See WritesetArchive::read().
  [[nodiscard]] Result<ArchiveBatch> read(Seqno from, std::size_t bytes_max) {
    return archive_->read(from, bytes_max);
  }

  /// The oldest seqno that read() still has; durable_head()+1 when it has none.
  [[nodiscard]] Seqno first_seqno() const;

  /// The newest durable seqno.
  [[nodiscard]] Seqno durable_head() const { return durable_head_; }

  /// Entries appended and not yet durable.
  [[nodiscard]] std::size_t unacknowledged() const { return in_flight_.size(); }

  [[nodiscard]] const OwnBranches& own_branches() const { return own_branches_; }

  /// The branches of `home` from `from` on, certified ones included, those of the archive too.
  [[nodiscard]] Result<std::vector<OwnBranch>> own_branches_from(BackendId home, Seqno from);

  /// Waits for nothing: what is not durable yet may be lost. Calls `closed` from the loop.
  void close(std::function<void()> closed);

 private:
  struct InFlight {
    EntryPtr entry;
    Buffer encoded;
    std::size_t records_left = 0;
    std::size_t records = 0;
    TimePoint appended_at;
  };

  LogKeeper(EventLoop& loop,
            LogKeeperOptions options,
            LogKeeperObserver& observer,
            CommitStats& stats);

  void on_committed(const certifier::CommittedRecord& record) override;
  void on_replayed() override;
  void on_failed(const Error& error) override;
  Result<std::optional<LogSnapshot>> take_snapshot(std::uint64_t index) override;
  Status restore_snapshot(Bytes data) override;

  Status restore_archive_tail();
  void on_earlier_record(const certifier::CommittedRecord& record);
  [[nodiscard]] Status restore(const certifier::LogEntry& entry);
  void keep(std::uint64_t index, const certifier::LogEntry& entry, Bytes encoded);
  void look_at_disk();
  void fail(Error error);

  EventLoop& loop_;
  const LogKeeperOptions options_;
  LogKeeperObserver& observer_;
  CommitStats& stats_;
  SystemClock clock_;
  std::unique_ptr<WritesetArchive> archive_;
  std::unique_ptr<RaftCommitLog> log_;
  certifier::EntryAssembler assembler_;
  std::optional<certifier::EntrySplitter> splitter_;
  std::deque<InFlight> in_flight_;
  OwnBranches own_branches_;
  std::uint32_t epoch_ = 0;  // of the newest entry, then ours
  Seqno durable_head_;
  std::uint64_t disk_free_ = 0;  // at the last look
  std::uint64_t bytes_since_look_ = 0;
  bool accepting_ = true;
  bool failed_ = false;
};

}  // namespace consort::proxy
