// EventRun: one run of one event: its body in a branch on a home, certified like any client's
// statement. In the place of a session stands a thread that blocks. The body runs as its definer by
// a procedure that is there for the run only, on the home only (decision 0033).
//
//   connect, make the procedure -> XA START, CALL -> XA END, XA PREPARE -> verdict -> drop it
//        ^                                 |                                |
//        +------ conflict, home lost, somebody's lock: again --------------+
//
// A body that commits by itself runs alone, in its turn (program_turn.h), and only once: what it
// has committed stays (decision 0045).
//
// Threads: run() its own; on_event() the commit thread; stop(), kill() any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "healthcheck/server_link.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/commit_loop.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/cuttable_link.h"
#include "proxy/event_catalogue.h"
#include "proxy/program_turn.h"
#include "proxy/session/process_list.h"

namespace consort::proxy {

/// Where a run may take place.
struct EventHome {
  BackendId backend;
  healthcheck::LinkTarget target;
  std::string setup;        ///< the first statement of a connection whose branches are certified
  std::string mysql_setup;  ///< the same, where its server is MySQL
};

struct EventRunParts {
  std::function<std::optional<EventHome>()> choose_home;
  std::function<bool(CommitRequest)> post_commit;
  std::function<bool()> read_only;  ///< clients have SET GLOBAL read_only
  CuttableLink::Kill kill;
  AppliedPositions& positions;  ///< outlives the run
  CommitIdentity identity;
  SessionId session;         ///< where outcomes go
  std::uint64_t number = 0;  ///< of the run: it names the program and its branches
};

class EventRun {
 public:
  enum class End : std::uint8_t {
    kDone,
    kFailed,  ///< an error, which is in Consort's log
    kCut      ///< Consort ends
  };

  EventRun(EventRunParts parts, EventToRun event);
  EventRun(const EventRun&) = delete;
  EventRun& operator=(const EventRun&) = delete;

  /// Returns when it is done, or cannot be; says in the log why not.
  End run();
  /// A verdict of its own, its turn, or who is in somebody's way. True: it is for this run alone.
  bool on_event(const CommitEvent& event);
  /// run() returns soon; what is prepared is decided without it.
  void stop();
  /// A client's KILL.
  void kill();

  [[nodiscard]] std::string user() const;  ///< the definer's

  /// How SHOW PROCESSLIST has it, but for its number. Any thread.
  [[nodiscard]] ProcessRow process();

  /// The name of its procedure.
  [[nodiscard]] const std::string& program() const { return program_; }

  /// It has begun on more than one connection, and may have left its procedure behind. When run()
  /// has returned.
  [[nodiscard]] bool moved() const { return connections_ > 1; }

 private:
  enum class Step : std::uint8_t { kDone, kConflict, kLocked, kFailed };
  using TimePoint = std::chrono::steady_clock::time_point;

  Step attempt();
  Step settle_home();
  [[nodiscard]] Status make_program();
  void drop_program();
  Step execute();
  [[nodiscard]] bool runs_alone();
  Step execute_alone();
  Step take_turn();
  Step on_call_failed(const Error& error);
  Step grant_program();
  Step commit();
  Step await_outcome(const BranchPrepared& prepared);
  [[nodiscard]] std::string call_sql() const;
  [[nodiscard]] Status call();
  [[nodiscard]] Status statement(std::string_view sql);
  Step fail(std::string_view why);
  [[nodiscard]] bool stopping();
  void pause(std::chrono::milliseconds time);
  void give_up(bool& why);
  [[nodiscard]] bool names(const std::vector<DdlTarget>& targets) const;
  [[nodiscard]] bool is_in_the_way(const AbortTableUsers& asked);
  void forget_link();

  EventRunParts parts_;
  EventToRun event_;
  const TimePoint began_ = std::chrono::steady_clock::now();
  std::string program_;
  std::optional<EventHome> home_;
  std::optional<healthcheck::ServerLink> link_;
  unsigned connections_ = 0;
  bool granted_ = false;
  std::optional<bool> alone_;  ///< its body commits by itself
  bool writes_ = true;         ///< also under read_only
  BranchId branch_;
  std::uint64_t branches_ = 0;
  BranchPrepared prepared_;

  ProgramTurn turn_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool yields_ = true;      ///< to others; a program that runs alone does not
  bool stopping_ = false;   ///< no other attempt
  bool killed_ = false;     ///< by a client: what is prepared is waited for
  bool ends_ = false;       ///< Consort does
  CuttableLink cuttable_;   ///< link_: cut off, it wakes run()
  std::uint32_t asks_ = 0;  ///< for it to give way, one after the other
  TimePoint asked_at_;
  std::optional<BranchOutcome> outcome_;
};

}  // namespace consort::proxy
