// TableAligner: brings the rows of a table into one order on all backends, before an ALTER TABLE
// that treats rows in the order in which a server has them (decision 0046). Of a table without a
// primary key each server has another one.
//
//   AlignTable -> XA START, DELETE FROM t, XA PREPARE on its home: the binlog has all rows, in the
//   order in which they lie there -> certified: they go into the log, the ALTER behind them, and
//   the branch is rolled back
//     ^                                                   |
//     +-- somebody has written the table, or wants to ----+
//
// One table at a time: it is a rare thing to do, and all backends apply it one after the other.
// Threads: one of its own; on_commit_event() the commit thread's; everything else the owner's.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "healthcheck/server_link.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/commit_loop.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/cuttable_link.h"
#include "proxy/event_run.h"

namespace consort::proxy {

struct TableAlignerParts {
  std::vector<EventHome> homes;  ///< by BackendId
  std::function<bool(CommitRequest)> post_commit;
  std::function<void(SessionId, CommitEvent)> tell;  ///< a session's worker
  CuttableLink::Kill kill;
  const AppliedPositions& positions;  ///< outlives the aligner
  CommitIdentity identity;
  std::uint16_t worker = 0;          ///< SessionId::worker of its branches
  std::uint64_t rows_bytes_max = 0;  ///< of a table, as the server estimates them
};

class TableAligner {
 public:
  static constexpr std::size_t kWaitingMax = 64;  ///< tables; more are to come again later

  explicit TableAligner(TableAlignerParts parts);
  /// stop(), when that was not done.
  ~TableAligner();
  TableAligner(const TableAligner&) = delete;
  TableAligner& operator=(const TableAligner&) = delete;

  /// Begins to work. Once.
  void start();
  /// What is under way is given up; what is prepared is decided without it.
  void stop();
  void on_commit_event(const CommitEvent& event);

 private:
  enum class Step : std::uint8_t {
    kDone,      ///< the statement is ordered
    kConflict,  ///< nothing has happened, the next try may do it
    kLocked,    ///< somebody's LOCK TABLES was waited for as long as may be
    kAgain,     ///< the session is to look at the table again
    kRefused    ///< why_ says why
  };

  void work();
  void align(const AlignTable& wanted);
  Step attempt(const AlignTable& wanted);
  Step connect(const EventHome& home);
  Step look(const DdlTarget& table);
  Step show_rows(const AlignTable& wanted);
  Step await_outcome(const BranchPrepared& prepared);
  [[nodiscard]] Status statement(std::string_view sql);
  [[nodiscard]] bool stopping();
  void pause(std::chrono::milliseconds time);
  void forget_link();

  TableAlignerParts parts_;
  std::uint64_t branches_ = 0;
  std::optional<healthcheck::ServerLink> link_;
  std::string why_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::deque<AlignTable> waiting_;
  std::optional<AlignTable> under_way_;
  CuttableLink cuttable_;  ///< link_
  std::optional<BranchOutcome> outcome_;

  std::thread worker_;
};

}  // namespace consort::proxy
