// RaftCommitLog: the commit log on disk, by libraft with one voter, on the commit thread's loop.
// Formats: docs/formats/raft_log.md. Threads: the loop's; LogSnapshot::make_durable on libuv's
// pool.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "certifier/commit_log.h"
#include "proxy/uv/event_loop.h"

namespace consort::proxy {

/// What stands for all records up to some index once it is on disk.
struct LogSnapshot {
  Buffer data;
  /// Runs on another thread before the snapshot is written. An error is the log's failure.
  std::function<Status()> make_durable;
};

/// Who keeps the records that the log forgets.
class LogSnapshotter {
 public:
  LogSnapshotter() = default;
  LogSnapshotter(const LogSnapshotter&) = delete;
  LogSnapshotter& operator=(const LogSnapshotter&) = delete;
  virtual ~LogSnapshotter() = default;

  /// A snapshot of every record given to on_committed() so far, the last one with `index`. nullopt:
  /// not now (between the records of one entry); asked again soon.
  [[nodiscard]] virtual Result<std::optional<LogSnapshot>> take_snapshot(std::uint64_t index) = 0;

  /// At start, before any on_committed(): what the newest snapshot says. Not called without one.
  [[nodiscard]] virtual Status restore_snapshot(Bytes data) = 0;
};

struct RaftLogOptions {
  std::string dir;  ///< created when missing
  /// A snapshot is taken when this many records or bytes came since the last one: they are held in
  /// memory until then.
  std::uint32_t snapshot_records = 32768;
  std::uint64_t snapshot_bytes = 64ULL << 20;
};

/// append() only queues; submit() hands everything queued to the disk, in one write when it fits.
class RaftCommitLog final : public certifier::CommitLog {
 public:
  /// Most bytes of one record.
  static constexpr std::size_t kRecordBytesMax = std::size_t{2} << 20;

  /// Locks and opens the directory, or makes it. `snapshotter` outlives the log. Errors: another
  /// process holds the directory, it is damaged, the disk.
  [[nodiscard]] static Result<std::unique_ptr<RaftCommitLog>> open(EventLoop& loop,
                                                                   RaftLogOptions options,
                                                                   LogSnapshotter& snapshotter);
  /// REQUIRES: close() was called and its callback came, or start() never was; or the process ends.
  ~RaftCommitLog() override;

  /// Reads what is on disk. Calls `observer` from the loop, the first time not before this
  /// returned.
  void start(certifier::CommitLogObserver& observer) override;
  void append(Buffer record, std::uint64_t token) override;
  /// Records up to `index` may go: they leave at the next snapshot, which covers what the
  /// snapshotter has. Nothing to do here: kept for the interface.
  void release(std::uint64_t index) override;

  /// Gives what append() queued to the disk.
  void submit();

  /// The directory held no log before open().
  [[nodiscard]] bool is_new() const;
  /// Records given to append() and not yet on disk.
  [[nodiscard]] std::size_t unacknowledged() const;
  /// Bytes of them.
  [[nodiscard]] std::size_t unacknowledged_bytes() const;

  /// Takes a snapshot at the next record, whatever the thresholds say: for tests.
  void snapshot_soon();

  /// Stops after what is being written. Then calls `closed` from the loop; what was not on disk by
  /// then is given to nobody.
  void close(std::function<void()> closed);

 private:
  struct Impl;
  explicit RaftCommitLog(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace consort::proxy
