// LaneBlocker: finds out what a stalled lane waits for, and ends it.
//
//   holder is an open branch (or any connection)  -> its session ends it (AbortBranch); when it
//   does
//                                                    not, KILL
//   holder is detached, some have no verdict yet  -> wait: a loser is rolled back, a winner's turn
//                                                    comes; one that waits for LOCK TABLES is ended
//   holder is detached and certified              -> replay: its branch goes, its rows are applied
//                                                    from the log in their turn
//   holder is detached, nobody knows it           -> a sweep finds and ends it
//   nobody holds a row lock                       -> wait (a backup, an insert that is under way)
//
// Threads: the commit thread's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "certifier/sequencer.h"
#include "proxy/backend_controller.h"
#include "proxy/commit/branch_desk.h"
#include "proxy/commit/branch_reaper.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/commit/commit_stats.h"
#include "proxy/commit/lane_connection.h"
#include "proxy/commit/log_keeper.h"
#include "proxy/commit/loop_tasks.h"

namespace consort::proxy {

/// What the blocker works with; all of it outlives the blocker.
struct LaneBlockerParts {
  std::vector<BackendController*> controllers;  ///< by BackendId
  std::shared_ptr<LoopTasks> tasks;
  LogKeeper& log;
  certifier::Sequencer& sequencer;
  BranchDesk& branches;
  BranchReaper& reaper;
  CommitStats& stats;
  std::function<LaneConnection&(BackendId)> lane;
  std::function<void(CommitEvent)> tell_all;  ///< every worker
  std::function<void(BackendId)> sweep;       ///< look for prepared branches that nobody knows
  /// Between two looks at one backend. Its lock tables are a cache that refreshes only when nobody
  /// asked for 100 ms.
  std::chrono::milliseconds look_every{120};
};

class LaneBlocker {
 public:
  explicit LaneBlocker(LaneBlockerParts parts);

  ~LaneBlocker() { *alive_ = false; }

  LaneBlocker(const LaneBlocker&) = delete;
  LaneBlocker& operator=(const LaneBlocker&) = delete;

  /// The lane's batch is unanswered. Returns when to ask again if it still is.
  [[nodiscard]] std::chrono::milliseconds on_stalled(BackendId backend);

  /// A DDL statement does not get on at its turn on `backend`. Branches certified behind it wait
  /// for it and may hold what it waits for: an update locks its table also when it finds no row
  /// there. So they make way.
  void replay_held(BackendId backend);

  /// A program runs on `thread_id` of the backend (decision 0032). Finds who holds a row that it
  /// waits for, at most every `look_every`, and ends it.
  void unblock(BackendId backend, std::uint64_t thread_id);

  /// The lane stands still and no transaction is in its way: a backup, FLUSH TABLES WITH READ LOCK,
  /// or very many rows.
  [[nodiscard]] bool paused(BackendId backend) const;

  /// A Replay entry is in the log: its branch may go now.
  void on_durable(const certifier::Replay& replay);

  /// The lane knows again where it stands: replays that waited for that go on.
  void on_lane_running(BackendId backend);
  void on_lane_lost(BackendId backend);

 private:
  struct Watch {
    TimePoint last_look{};
    bool looking = false;
    std::uint64_t interrupted = 0;  ///< the batch that was last sent a KILL QUERY
    std::uint64_t ddl_batch = 0;    ///< the last that was seen waiting with DDL in it
    std::uint64_t batch = 0;        ///< the batch that waits: what follows is about its holders
    std::uint64_t trx = 0;          ///< the detached holder found last
    unsigned looks = 0;             ///< answers in a row that found it
    std::uint64_t holder = 0;       ///< thread found last
    unsigned holder_looks = 0;
    unsigned free_looks = 0;  ///< answers in a row that found no holder
    /// Replays not finished, and whether their entries are durable: before that no branch goes.
    std::map<Seqno, bool> replaying;
  };

  void on_holder(BackendId backend,
                 std::uint64_t batch,
                 const Result<std::optional<LockHolder>>& holder);
  void on_program_holder(BackendId backend,
                         std::uint64_t thread_id,
                         const Result<std::optional<LockHolder>>& holder);
  void look_for_table_wait(BackendId backend, std::uint64_t thread_id);
  void abort_thread(BackendId backend, Watch& watch, const LockHolder& holder);
  void replay_held_if(BackendId backend, const std::function<bool(const EntryPtr&)>& wanted);
  void on_detached_holder(BackendId backend, Watch& watch, const LockHolder& holder);
  void replay(BackendId backend, Watch& watch, Seqno seqno);
  void roll_back(BackendId backend, Watch& watch, Seqno seqno);

  LaneBlockerParts parts_;
  SystemClock clock_;
  std::vector<Watch> watches_;  // by BackendId
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// Whether row events in `payload` touch the table that InnoDB spells `schema`.`table`.
[[nodiscard]] bool payload_names_table(Bytes payload, const std::string& innodb_name);

}  // namespace consort::proxy
