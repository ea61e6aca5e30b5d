// TableDesk: LOCK TABLES before the commit log. It grants the locks of all sessions, tells
// everybody on which tables there are some, and keeps DDL of other sessions waiting. What commits
// have to do with the locks is BranchDesk's. Decision 0026. Threads: the commit thread's.
#pragma once

#include <deque>
#include <functional>

#include "base/clock.h"
#include "base/ids.h"
#include "certifier/sequencer.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/branch_desk.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/commit/commit_stats.h"
#include "proxy/commit/table_locks.h"

namespace consort::proxy {

/// What the desk works with; all of it outlives the desk.
struct TableDeskParts {
  TableLocks& locks;
  const certifier::Sequencer& sequencer;
  BranchDesk& branches;
  AppliedPositions& positions;
  CommitStats& stats;
  std::function<void(const DdlRequest&)> order;      ///< DdlDesk::on_request()
  std::function<void(SessionId, CommitEvent)> tell;  ///< a session's worker
  std::function<void(CommitEvent)> tell_all;         ///< every worker
};

class TableDesk {
 public:
  explicit TableDesk(TableDeskParts parts);

  void on_request(TableRequest request);
  void on_released(const TablesReleased& released);

  /// Orders it, at once or when no other session holds one of its tables.
  void on_ddl(DdlRequest request);

  /// Once per turn, behind BranchDesk::process(): branches that waited for a lock which has just
  /// ended come before the next lock.
  void settle();

 private:
  struct WaitingDdl {
    DdlRequest request;
    TimePoint deadline;
  };

  [[nodiscard]] bool blocked(const DdlRequest& request) const;
  void settle_ddl(TimePoint now);
  void grant(std::vector<TableLocks::Answer> answers);

  TableDeskParts parts_;
  SystemClock clock_;
  bool changed_ = false;  ///< somebody has released tables, or asked for some
  TimePoint next_look_{};
  std::deque<WaitingDdl> ddl_;
};

}  // namespace consort::proxy
