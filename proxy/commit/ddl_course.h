// DdlCourse: who sees to one DDL statement that nobody has decided, and what its outcome is. A
// client's statement is executed first by its own session, on its own account, so that a server
// says whether it may; lanes execute it only after that. Where its session cannot tell what became
// of it, the backend is asked (ApplyLane, DdlLook); what nobody is known to have executed is void.
// Pure: what happens in, the next step or the outcome out. Decision 0024. Threads: the commit
// thread's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "base/ids.h"
#include "certifier/apply_lane.h"
#include "proxy/commit/commit_messages.h"

namespace consort::proxy {

class DdlCourse {
 public:
  using Outcome = certifier::DdlOutcome;

  struct Begin {
    BackendId home;
    /// Consort's own statement: lanes execute it.
    bool own = false;
    /// A session waits for the outcome and may execute it.
    bool has_session = false;
    /// It stood in the log when this run began: any backend may have been offered it.
    bool restored = false;
    std::size_t backends_count = 0;
  };

  /// What the lanes are like now.
  struct Lanes {
    std::function<bool(BackendId)> can_execute;  ///< it stands at the statement and takes orders
    std::function<bool(BackendId)> running;
  };

  struct Step {
    BackendId backend;
    certifier::DdlExecutor who = certifier::DdlExecutor::kNobody;
  };

  /// Looks in which nobody is at it until it is void, while a backend that may have run it is away.
  static constexpr unsigned kLooksBeforeVoid = 200;
  /// Turns in which its session could not tell what became of it.
  static constexpr unsigned kTurnsMax = 20;

  explicit DdlCourse(const Begin& begin) : begin_(begin), session_may_(begin.has_session) {}

  // ---- what happens ----

  /// The lane stands at it; the mark there says whether it may have run.
  void on_reached(BackendId backend, bool may_have_run);
  void on_offered(BackendId backend);
  /// What the session says. The outcome, or nullopt: next() says how it goes on.
  [[nodiscard]] std::optional<Outcome> on_executed(const DdlExecuted& executed, bool sets_globals);
  [[nodiscard]] std::optional<Outcome> on_looked(BackendId backend, certifier::DdlTraces traces);
  void on_lane_lost(BackendId backend);

  // ---- what follows ----

  /// Void or not run, when nobody will execute it any more.
  [[nodiscard]] std::optional<Outcome> outcome();

  /// The lane to be told next; nullopt while somebody is at it, or has to come first.
  [[nodiscard]] std::optional<Step> next(const Lanes& lanes);

  /// One more look without a result.
  void on_look() { looks_ += !session_may_ && !executor_ && stands_somewhere() ? 1 : 0; }

  [[nodiscard]] std::optional<BackendId> executor() const { return executor_; }

  /// It is the session's turn on executor().
  [[nodiscard]] bool offered() const { return offered_; }

 private:
  struct Site {
    bool reached = false;
    bool may_have_run = false;
    bool absent = false;  ///< but it is known that it did not, by now
    bool silent = false;  ///< and what became of it cannot be found out there
  };

  [[nodiscard]] bool stands_somewhere() const;
  [[nodiscard]] bool may_have_run(BackendId backend) const;
  [[nodiscard]] bool may_have_run_elsewhere(BackendId than) const;
  void end_turn();

  Begin begin_;
  bool session_may_;
  std::map<BackendId, Site> sites_;
  std::optional<BackendId> executor_;
  bool offered_ = false;
  unsigned turns_in_vain_ = 0;
  unsigned looks_ = 0;
};

}  // namespace consort::proxy
