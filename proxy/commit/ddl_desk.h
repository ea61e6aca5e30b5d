// DdlDesk: brings DDL statements through the log: one place in the order, executed first on one
// backend, whose result decides for the others.
//
//   DdlRequest -> entry durable -> lanes reach it -> the session executes it on one of their
//   backends (DdlTurn .. DdlExecuted); where it cannot tell what came of that, the lane there finds
//   out
//   -> DdlResult durable -> the other lanes run or skip it; DdlOutcome to the session
//
// Threads: the commit thread's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "certifier/apply_lane.h"
#include "certifier/sequencer.h"
#include "proxy/commit/branch_desk.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/commit/commit_stats.h"
#include "proxy/commit/ddl_course.h"
#include "proxy/commit/lane_connection.h"
#include "proxy/commit/log_keeper.h"

namespace consort::proxy {

/// What the desk works with; all of it outlives the desk.
struct DdlDeskParts {
  LogKeeper& log;
  certifier::Sequencer& sequencer;
  BranchDesk& branches;
  CommitStats& stats;
  std::size_t backends_count;
  std::function<LaneConnection&(BackendId)> lane;
  std::function<void(SessionId, CommitEvent)> tell;  ///< a session's worker
  std::function<void(CommitEvent)> tell_all;         ///< every worker
  std::function<void()> accounts_changed;            ///< accounts or grants are others now
  std::function<void(BackendId)> replay_held;        ///< LaneBlocker::replay_held()
  std::function<bool()> paused = {};                 ///< nothing may get a seqno now
};

class DdlDesk {
 public:
  explicit DdlDesk(DdlDeskParts parts);

  // ---- from sessions ----
  void on_request(const DdlRequest& request);
  void on_executed(const DdlExecuted& executed);
  void on_unfilled(const TableUnfilled& unfilled);
  void on_own(const OwnStatement& own);

  // ---- from lanes ----
  void on_reached(BackendId backend, const certifier::DdlReached& reached);
  void on_offer(BackendId backend, Seqno seqno);
  void on_looked(BackendId backend, Seqno seqno, certifier::DdlTraces traces);
  void on_decided(BackendId backend, const certifier::DdlDecided& decided);
  void on_lane_lost(BackendId backend);

  // ---- from the log ----
  /// At start, in log order. No session waits for these.
  void on_restored(const certifier::LogEntry& entry);
  void on_durable(const certifier::LogEntry& entry);

  /// Ends branches that keep a statement under way waiting; picks another executor where the first
  /// one is lost. Every 50 ms or so.
  void look_after();

 private:
  struct Undecided {
    std::optional<SessionId> session;  ///< waits for the outcome and may execute it
    DdlCourse course;
    std::vector<DdlTarget> targets;
    unsigned looks = 0;                          ///< look_after() calls since the session's turn
    bool decided = false;                        ///< its result is on its way into the log
    std::optional<TableUnfilled> unfilled = {};  ///< of what it creates
    bool sets_globals = false;
    std::vector<GlobalChange> globals = {};  ///< once it is decided
  };

  void go_on(Seqno seqno, Undecided& ddl);
  void decide(Seqno seqno, Undecided& ddl, certifier::DdlOutcome outcome, std::string instead = {});
  void abort_users(const Undecided& ddl, BackendId backend);
  void note_result(const certifier::DdlResult& result);
  void append(const DdlRequest& request, Seqno seqno, std::vector<RowKey> keys, bool own);
  void drop_unfilled(const TableUnfilled& unfilled);
  [[nodiscard]] std::optional<certifier::DdlResult> find_result(Seqno seqno);

  DdlDeskParts parts_;
  std::map<Seqno, Undecided> undecided_;
  std::map<Seqno, certifier::DdlResult> results_;  // the newest ones
  std::vector<TableUnfilled> unfilled_;            // tables that are decided now
  Seqno newest_globals_;                           // the newest SET GLOBAL
  unsigned tell_accounts_in_ = 0;  // look_after() calls until accounts_changed is told again
};

}  // namespace consort::proxy
