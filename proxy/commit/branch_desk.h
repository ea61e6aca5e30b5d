// BranchDesk: where a prepared branch and its rows meet and are certified.
//
//   BranchPrepared --+--> both are here --> definitions are here --> certified --> in the log
//   binlog group  ---+         |                                        |  conflict, too old,
//                              | the home is lost                       |  not replicable
//                              v                                        v
//                        told kHomeLost, rolled back               told, rolled back
//
// A branch that wrote a table on which another session has a READ lock waits here before it is
// certified, and keeps its row locks on its home. Whom those keep waiting may ask for its end:
// give_up_waiting(). A WRITE lock ends it at once. Decision 0026.
//
// Where lanes do not keep up, branches wait for them here: what a transaction under way has not
// seen must stay in the certification index, or it would be too old. Large writesets wait first.
// Threads: the commit thread's.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "certifier/key_builder.h"
#include "certifier/schema_catalog.h"
#include "certifier/sequence_reserve.h"
#include "certifier/sequencer.h"
#include "protocol/binlog_events.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/branch_reaper.h"
#include "proxy/commit/commit_loop.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/commit/commit_stats.h"
#include "proxy/commit/log_keeper.h"
#include "proxy/commit/table_loader.h"
#include "proxy/commit/table_locks.h"

namespace consort::proxy {

struct BranchDeskOptions {
  Durability durability = Durability::kDurable;
  std::uint32_t cluster = 0;
  std::chrono::milliseconds group_wait_max{10000};
  std::vector<std::string> backend_names;
  std::uint32_t sequence_step = 1;  ///< certifier::SequenceSteps::step
};

/// What the desk works with; all of it outlives the desk.
struct BranchDeskParts {
  LogKeeper& log;
  certifier::Sequencer& sequencer;
  certifier::SchemaCatalog& catalog;
  certifier::KeyBuilder& keys;
  TableLoader& tables;
  BranchReaper& reaper;
  const TableLocks& locks;
  AppliedPositions& positions;
  CommitStats& stats;
  std::function<bool(BackendId)> home_is_up;  ///< its lane runs and its binlog is followed
  std::function<Seqno()> applied_by_homes;    ///< what every home that serves has applied
  std::function<void(BranchOutcome)> tell;    ///< the session's worker
  std::function<bool()> paused = {};          ///< nothing may get a seqno now
  /// Takes a group of a program's (ProgramDesk::on_group()).
  std::function<bool(BackendId, protocol::BinlogGroup&)> take_part = {};
  /// Gives a statement its place in the order, now.
  std::function<void(const DdlRequest&)> order = {};
};

class BranchDesk {
 public:
  BranchDesk(BranchDeskOptions options, BranchDeskParts parts);

  void on_prepared(const BranchPrepared& prepared);
  void on_abandoned(const BranchAbandoned& abandoned);
  void on_group(BackendId home, protocol::BinlogGroup group);

  /// The lane or the stream of `home` is lost, or the stream left groups out: what has no verdict
  /// yet did not happen.
  void on_home_lost(BackendId home);

  /// The entry of `seqno` will lose its branch on `home` and be applied from the log: tells
  /// sessions. Call it before the branch is rolled back.
  void on_replay(BackendId home, Seqno seqno);

  /// Commits collide so often that it shows: lanes should not let them wait for each other longer
  /// than they must.
  [[nodiscard]] bool contended() const { return conflict_share_ > kContended; }

  /// A DDL entry got `seqno`: branches on its tables that have not seen it will lose.
  void on_ddl(const certifier::Ddl& ddl, Seqno seqno);

  /// Something got `seqno` of which nobody knows what it has changed: who has not seen it will
  /// lose.
  void on_everything(Seqno seqno);

  /// Branches of `home` that wait for certification end, as if it were lost: their row locks are in
  /// somebody's way who cannot wait for them.
  void lose_undecided(BackendId home);

  /// Row groups that `home` has committed by itself wait for their definitions, or their turn.
  [[nodiscard]] bool has_foreign_of(BackendId home) const {
    return std::any_of(foreign_.begin(), foreign_.end(),
                       [home](const Foreign& foreign) { return foreign.home == home; });
  }

  /// Nothing is certified now: a program is under way.
  [[nodiscard]] bool paused() const { return parts_.paused && parts_.paused(); }

  /// Certifies what is complete. Once per turn, after all messages were taken.
  void process();
  /// Definitions have arrived, a backend has applied a DDL, or tables are locked by others than
  /// before: look again at what waits.
  void retry_held();

  /// Row locks are in somebody's way: branches of `home` that wait for a locked table end, and
  /// those that wait for lanes wait no more, if `wanted` says so of their row events.
  void give_up_waiting(BackendId home, const std::function<bool(Bytes)>& wanted);

  /// `home` has reserved these numbers of sequences: the entry that says so.
  Seqno log_reserves(BackendId home, const std::vector<certifier::SequenceReserve>& reserves);

  /// The rows of `group` look like a sequence's.
  [[nodiscard]] bool has_numbers(const protocol::BinlogGroup& group) const;
  /// The same of a group in its binlog. False: they cannot be read.
  [[nodiscard]] bool log_numbers(BackendId home, const protocol::BinlogGroup& group);

  void on_durable(const certifier::LogEntry& entry);

  /// Gives up what waits for too long. Every 100 ms or so.
  void look_after(TimePoint now);

  /// Branches of `home` without a verdict: they may hold locks a lane waits for, but not for long.
  [[nodiscard]] std::size_t undecided_of(BackendId home) const;

  /// A branch, or its rows, are here.
  [[nodiscard]] bool knows(const BranchId& branch) const {
    const auto found = pending_.find(branch);
    return found != pending_.end() && !found->second.lost;
  }

  /// Nothing can be certified any more: everything that waits gets kHomeLost.
  void refuse_all();

 private:
  struct Pending {
    std::optional<BranchPrepared> prepared;
    std::optional<protocol::BinlogGroup> group;
    BackendId home;
    TimePoint arrived;
    unsigned definitions_failed = 0;
    std::optional<TimePoint> lock_deadline;  ///< waits until then for a locked table
    std::optional<TableLock> locked;         ///< for which table it is ended
    Seqno lost_to;                           ///< of a conflict: the commit that was first
    bool behind_lanes = false;               ///< waits for lanes that do not keep up
    bool in_the_way = false;                 ///< and must not: a lane waits for its row locks
    bool lost = false;  ///< its group came and was dropped with the home: it can never be complete
  };

  /// A transaction that its home committed without us: rows of a sequence, or a foreign write.
  struct Foreign {
    BackendId home;
    protocol::BinlogGroup group;
  };

  struct Told {  // when its entry is durable
    Seqno seqno;
    BranchOutcome outcome;
    TimePoint arrived;
  };
  enum class Step : std::uint8_t { kDone, kHeld };

  Step certify(const BranchId& branch, Pending& pending);
  void align(Pending& pending);
  [[nodiscard]] bool may_remove_parents(const protocol::BinlogGroup& group) const;
  [[nodiscard]] std::optional<std::string> refusal(const Pending& pending) const;
  [[nodiscard]] std::optional<Step> obey_locks(Pending& pending);
  [[nodiscard]] bool waits_for_lanes(Pending& pending);
  [[nodiscard]] Seqno seen_by_others(const Pending& pending) const;
  void watch_lanes(TimePoint now, bool anybody_waits);
  [[nodiscard]] bool has_definitions(BackendId home, const protocol::BinlogGroup& group);
  void pass(Pending& pending, std::vector<RowKey> keys, Seqno seqno);
  void lose(Pending& pending, BranchVerdict verdict, std::string message = {});
  void lose_with_home(Pending& pending);
  [[nodiscard]] bool lost_to_ddl(const Pending& pending) const;
  void tell(BranchOutcome outcome, TimePoint arrived);
  [[nodiscard]] bool takes_numbers(const protocol::BinlogGroup& group) const;
  Step take_foreign(Foreign& foreign);
  void log_at_home(Foreign& foreign, std::vector<RowKey> keys);
  Seqno append_at_home(certifier::Writeset writeset);

  void sort_by_home(std::vector<BranchId>& complete);
  void note_verdict(bool conflict);

  static constexpr double kContended = 0.01;

  const BranchDeskOptions options_;
  BranchDeskParts parts_;
  SystemClock clock_;
  std::uint8_t first_home_ = 0;  // of the next turn's commits
  double conflict_share_ = 0;    // of the last few hundred verdicts
  std::unordered_map<BranchId, Pending> pending_;
  std::vector<BranchId> complete_;  // both halves are here
  std::vector<BranchId> held_;      // complete, but a definition is missing, or they have to wait
  std::deque<std::pair<TimePoint, Seqno>> lanes_at_;  // applied_by_homes() of late, oldest first
  TimePoint lanes_moved_{};                           // when it last did, or nobody waited for it
  bool lanes_stand_still_ = false;
  std::deque<Foreign> foreign_;
  std::deque<Told> told_when_durable_;
  std::unordered_map<std::uint64_t, Seqno> ddl_of_;  // newest DDL by table, schema or server key
  TimePoint foreign_warned_{};
};

}  // namespace consort::proxy
