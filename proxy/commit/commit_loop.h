// CommitLoop: the commit thread. Takes prepared branches from the workers and their rows from the
// backends' binlogs, certifies them, appends them to the commit log and lets every backend's lane
// commit what is durable, in log order.
// Threads: start(), stop() and the destructor: the thread that made it; post(), set_backend(),
// stats(): any. Every hook is called on the commit thread and must not block.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "certifier/lane_batch.h"
#include "healthcheck/backend_health.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/commit/commit_stats.h"
#include "proxy/uv/tls_context.h"

namespace consort::certifier {
class CollationWeights;
}

namespace consort::proxy {

class BackendController;

/// When a client hears of its commit. Durable: once its entry is on disk. Relaxed: once it is
/// certified; backends still commit only what is on disk, so a crash may lose the newest
/// acknowledged commits but never makes backends differ.
enum class Durability : std::uint8_t { kDurable, kRelaxed };

/// One backend, as the commit thread reaches it. Index in CommitOptions::backends = BackendId.
struct CommitBackend {
  std::string name;
  std::string host;
  std::uint16_t port = 0;
  BackendController* controller = nullptr;  ///< outlives the CommitLoop
  BackendTransport transport{};
};

struct CommitOptions {
  std::string data_dir;    ///< holds `raft/` and `archive/`; locked while open
  std::string cluster_id;  ///< what load_or_create_cluster_id(data_dir) says
  std::vector<CommitBackend> backends;
  std::string service_user;  ///< of lanes and binlog streams
  std::string service_password;
  std::uint16_t workers_count = 1;  ///< AbortBranch and AbortTableUsers go to all of them
  std::uint16_t aligner = 0;        ///< the one that gets AlignTable
  Durability durability = Durability::kDurable;
  std::uint32_t binlog_server_id = 0xC0450000;   ///< of backend n's stream: this + n
  std::uint64_t archive_bytes_max = 8ULL << 30;  ///< history kept for backends that catch up
  std::uint64_t disk_free_bytes_min = 64 << 20;  ///< below this, new commits are refused
  std::uint64_t writeset_bytes_max = 256 << 20;  ///< row events of one transaction: more is refused
  std::uint32_t auto_increment = 16;             ///< AutoIncrementConfig::increment
  std::uint32_t sequence_increment_max = 1;      ///< SequencesConfig::increment_max
  std::size_t index_entries_max = 16384;         ///< applied commits that certification remembers
  std::size_t index_keys_max = 1'000'000;        ///< keys that it remembers, applied or not
  certifier::BatchLimits batch;                  ///< what lanes commit at once
  std::chrono::milliseconds lane_interval{0};    ///< a busy lane waits for more, at most so long
  std::size_t requests_max = 65536;              ///< mailbox bound
  std::shared_ptr<const certifier::CollationWeights> collation_weights;  ///< may be null
  /// The process ends soon after stop(): the log is left open, as a crash would, and not closed.
  bool process_ends_with_stop = false;
  std::chrono::milliseconds lane_stall{3};  ///< unanswered this long: look for a lock holder
  std::chrono::milliseconds lock_lookup_interval{120};  ///< between looks; the server caches 100
  std::chrono::milliseconds group_wait_max{10000};      ///< a prepared branch whose rows never come
};

/// The cluster's UUID, made once with the data directory and kept in `<data_dir>/cluster_id`. It
/// also stands in consort.position of every backend. Needed before the controllers start.
[[nodiscard]] Result<std::string> load_or_create_cluster_id(const std::string& data_dir);

/// First 32 bits of a cluster UUID: what branch names hold.
[[nodiscard]] std::uint32_t cluster_of(const std::string& cluster_id);

/// Which branches are ours: goes into their names (base/branch_name.h).
struct CommitIdentity {
  std::uint32_t cluster = 0;  ///< cluster_of(the cluster id)
  std::uint32_t epoch = 0;    ///< one more at each start
};

/// A lane's state has changed. The control thread decides from it whether the backend serves.
struct LaneReport {
  BackendId backend;
  healthcheck::LaneState state = healthcheck::LaneState::kLost;
  Seqno applied;
  std::string reason;  ///< why it has not caught up, for people
};

/// All but the first may be empty.
struct CommitHooks {
  /// Gives `event` to worker `worker` (its mailbox).
  std::function<void(std::uint16_t worker, CommitEvent event)> post_to_worker;
  std::function<void(const LaneReport& report)> lane_changed;
  /// AppliedPositions moved: once per loop turn in which they did.
  std::function<void()> positions_moved;
  /// A lane or a binlog stream met this on its connection.
  std::function<void(BackendId backend, healthcheck::PathFailure failure)> path_failed;
  /// A statement about accounts or grants was executed.
  std::function<void()> accounts_changed;
  /// The process must end: the log cannot be written, or another process drives the backends.
  /// Empty: it ends here. Must not return.
  std::function<void(const std::string& why)> fatal;
};

class CommitLoop {
 public:
  /// Opens the log, starts the thread and returns once the log accepts commits and the new epoch is
  /// durable. `positions` outlives the loop. Errors: another process holds the directory, the log
  /// or the archive is damaged, the disk.
  [[nodiscard]] static Result<std::unique_ptr<CommitLoop>> start(CommitOptions options,
                                                                 CommitHooks hooks,
                                                                 AppliedPositions& positions);
  /// stop(), when that was not done.
  ~CommitLoop();
  CommitLoop(const CommitLoop&) = delete;
  CommitLoop& operator=(const CommitLoop&) = delete;

  /// False when the mailbox is full, which happens only to a request that starts_work(): the caller
  /// treats the branch as not committed and gives it up (BranchAbandoned).
  [[nodiscard]] bool post(CommitRequest request);

  /// The control thread's word on a backend. Reachable: (re)connect its lane and stream now and
  /// whenever they break. Not reachable: its branches are decided without it.
  void set_backend(BackendId backend, bool reachable);

  /// Ends the lanes after their batches, syncs log and archive, joins the thread. Branches without
  /// an outcome get kHomeLost. No hook is called after it returns.
  void stop();

  [[nodiscard]] const CommitIdentity& identity() const;
  [[nodiscard]] const CommitStats& stats() const;

 private:
  class Thread;
  explicit CommitLoop(std::unique_ptr<Thread> thread);

  std::unique_ptr<Thread> thread_;
};

}  // namespace consort::proxy
