// CommitStats: what the commit thread counts.
// Threads: written by the commit thread only, read by any.
#pragma once

#include <array>
#include <cstdint>

#include "base/ids.h"
#include "proxy/latency_histogram.h"
#include "proxy/metric_cell.h"

namespace consort::proxy {

/// Cells of one backend's lane and binlog stream.
struct alignas(64) LaneStats {
  Gauge state;                     ///< a healthcheck::LaneState
  Gauge applied;                   ///< seqno up to which the backend has committed everything
  Gauge queue_entries;             ///< durable entries that wait for the lane
  Gauge queue_bytes;               ///< their bytes
  Counter batches;                 ///< batches answered with OK
  Counter batch_failures;          ///< batches answered with an error, then recovered or repeated
  Counter local_commits;           ///< XA COMMITs
  Counter remote_applies;          ///< writesets applied through BINLOG
  Counter stalls;                  ///< a batch took so long that the lock holder was looked up
  Counter holders_aborted;         ///< open branches ended because the lane waited for them
  Counter replays;                 ///< certified branches rolled back and applied from the log
  Counter reconnects;              ///< connections made, the first one included
  Counter captured_groups;         ///< our branches seen in the binlog
  Counter foreign_groups;          ///< rows changed past Consort, or by non-transactional tables
  Counter stream_bytes;            ///< received by the binlog stream
  LatencyHistogram apply_latency;  ///< a batch, from sending it to its answer
};

struct CommitStats {
  // Certification.
  Counter certified_passed;
  Counter certified_failed;   ///< conflict
  Counter certified_too_old;  ///< last_seen before the index's horizon
  Counter certified_locked;   ///< another session had locked a table
  Counter refused;            ///< rows that cannot be replicated, or the log takes no more
  Counter home_lost;
  Counter branches_abandoned;
  Counter empty_groups;  ///< branches without rows
  Counter ddl_executed;
  Counter ddl_failed;
  Counter programs;             ///< that commit by themselves: run alone, all in the log
  Counter programs_lost;        ///< closed without their home: what it committed last is not known
  Gauge program_running;        ///< 1 while nobody else may commit
  Counter program_groups;       ///< what such programs have committed
  Gauge tables_locked;          ///< by LOCK TABLES, each table once
  Gauge table_lock_waiters;     ///< sessions that wait for LOCK TABLES or behind one
  Counter table_lock_timeouts;  ///< those that waited for too long
  Gauge branches_behind_locks;  ///< prepared, and wait for the end of a READ lock
  Gauge branches_behind_lanes;  ///< prepared, and wait for lanes that do not keep up
  Gauge index_keys;
  Gauge pending_branches;            ///< wait for their OK, their group or a table definition
  LatencyHistogram capture_latency;  ///< BranchPrepared arrives -> its binlog group is here
  LatencyHistogram commit_latency;   ///< BranchPrepared arrives -> the outcome leaves

  // Log and archive.
  Counter log_entries;
  Counter log_bytes;
  Counter log_refusals;      ///< commits refused because the disk is nearly full
  Gauge log_unacknowledged;  ///< entries handed to the log, not yet durable
  Gauge log_accepting;       ///< 0 while new commits are refused for want of disk space
  Gauge disk_free_bytes;     ///< of the file system that holds the log, last look
  Gauge archive_bytes;
  Gauge archive_first_seqno;
  Gauge head;                       ///< newest seqno in the log
  LatencyHistogram append_latency;  ///< handed to the log -> durable

  // The thread.
  Gauge mailbox_depth;       ///< requests from workers at the last drain
  Counter requests_dropped;  ///< the mailbox was full
  std::array<LaneStats, kBackendsMax> lanes;
};

}  // namespace consort::proxy
