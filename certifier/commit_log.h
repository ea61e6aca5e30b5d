// CommitLog: the durable, ordered log of records, as the certifier's users see it.
// proxy/uv/raft_commit_log implements it on disk; the simulator in memory with torn tails.
// Threads: one; every call and callback on the commit thread.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace consort::certifier {

/// One record that is on disk (on a quorum of disks, when there are several).
struct CommittedRecord {
  std::uint64_t index = 0;  ///< place in the log; grows, need not be dense
  std::uint64_t token = 0;  ///< as given to append(); 0 for a record of an earlier run
  Bytes record;             ///< dies when the callback returns (I1)
};

class CommitLogObserver {
 public:
  CommitLogObserver() = default;
  CommitLogObserver(const CommitLogObserver&) = delete;
  CommitLogObserver& operator=(const CommitLogObserver&) = delete;
  virtual ~CommitLogObserver() = default;

  /// The next record in log order. First those of earlier runs, then on_replayed(), then ours in
  /// the order of append().
  virtual void on_committed(const CommittedRecord& record) = 0;

  /// All records of earlier runs have been given; append() is allowed from now on.
  virtual void on_replayed() = 0;

  /// The log cannot be written or read. The process must end: what was appended without an
  /// on_committed() may or may not be on disk.
  virtual void on_failed(const Error& error) = 0;
};

class CommitLog {
 public:
  CommitLog() = default;
  CommitLog(const CommitLog&) = delete;
  CommitLog& operator=(const CommitLog&) = delete;
  virtual ~CommitLog() = default;

  /// Opens the log and delivers its records to `observer`, which outlives the log.
  virtual void start(CommitLogObserver& observer) = 0;

  /// Appends behind everything appended before. Never calls back from inside.
  /// REQUIRES: on_replayed() was called; token != 0; the record fits the log's record limit.
  virtual void append(Buffer record, std::uint64_t token) = 0;

  /// Records up to and including `index` are needed no more. The log may keep them.
  virtual void release(std::uint64_t index) = 0;
};

}  // namespace consort::certifier
