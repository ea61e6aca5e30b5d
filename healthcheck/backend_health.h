// BackendHealth: turns what is seen of one backend into its BackendState, with a reason.
// Pure: events and times in, state and the time of the next probe out. Three things decide
// together: whether it can be reached (Reach, below), whether its lane has applied the log, and
// what an operator wants. The first rule that holds names the state:
//   1. operator says offline                    -> offline
//   2. its data differ (sticky)                 -> offline
//   3. never probed                             -> unknown
//   4. down or returning                        -> offline
//   5. preflight or set-up refuses it           -> offline
//      or has not been done yet                 -> offline; at start unknown
//   6. the lane has not applied the log         -> catching_up
//   7. operator says draining                   -> draining
//   8. shaky                                    -> suspect
//   9. else                                     -> online
// A pause (backup, FTWRL) is shown but changes no state.
// Threads: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/state_machine.h"
#include "healthcheck/backend_state.h"
#include "healthcheck/probe.h"
#include "healthcheck/probe_schedule.h"

namespace consort::healthcheck {

/// Whether a backend can be reached.
///
///               ok           failed, or path broken
///   unknown ---------> up ----------------------------> shaky
///      |               |^ ^------------- ok ------------' |
///      | refused,      || `returns_after` ok in a row     | refused,
///      | or too many   |'----- returning                  | or too many
///      | failed        |         |   ^                    | failed
///      |               | refused | ok| failed             |
///      '---------------+-----> down <---------------------'
///
/// "ok" and "failed" are probes; "too many": `ejects_after` in a row; "path broken": a session or a
/// lane met a reset or a timeout.
enum class Reach : std::uint8_t { kUnknown, kUp, kShaky, kDown, kReturning };

/// What the commit thread says of a backend's lane.
enum class LaneState : std::uint8_t {
  kLost,         ///< no connection, or not begun
  kCatchingUp,   ///< connected, behind the log
  kCaughtUp,     ///< has applied the log
  kPaused,       ///< stopped by a backup or FTWRL: as caught up as it was before
  kInconsistent  ///< an apply error means that the data differ: only an operator can end it
};

[[nodiscard]] std::string_view to_text(LaneState lane);

/// What an operator wants of a backend. kOnline also ends "inconsistent".
enum class OperatorState : std::uint8_t { kOnline, kDraining, kOffline };

[[nodiscard]] std::string_view to_text(OperatorState wish);

struct HealthOptions {
  ProbeIntervals intervals;
  std::uint32_t ejects_after = 3;   ///< failed probes in a row that eject; at least 2
  std::uint32_t returns_after = 2;  ///< good probes in a row that bring it back; at least 1
  /// A probe without any result for so long counts as failed (its thread hangs, say in a resolver).
  Duration probe_deadline = std::chrono::seconds(10);
  /// False where no lane exists (the servers replicate by themselves).
  bool needs_lane = true;
};

class BackendHealth {
 public:
  BackendHealth(const HealthOptions& options, TimePoint now);

  /// The shell begins a probe. No other begins before its result or the deadline.
  void on_probe_started(TimePoint now);

  /// The probe that began at `started` succeeded. It does not clear a suspicion younger than
  /// itself.
  void on_probe_ok(TimePoint started, TimePoint now, bool paused);

  void on_probe_failed(ProbeFailure failure, std::string_view message, TimePoint now);

  /// A session or a lane met this on its own connection.
  void on_path_failure(PathFailure failure, TimePoint now);

  /// `reason` says more for people, and may be empty.
  void on_lane(LaneState lane, std::string_view reason, TimePoint now);

  void on_operator(OperatorState wish, TimePoint now);

  /// Preflight and set-up let it in (empty `refusal`) or not. When it goes down, admission ends and
  /// the lane is forgotten: both must come again.
  void on_admission(std::string_view refusal);

  /// Time passes: call at next_wake().
  void on_clock(TimePoint now);

  [[nodiscard]] BackendState state() const { return state_; }

  /// Why the state is not online; empty when it is.
  [[nodiscard]] const std::string& reason() const { return reason_; }

  /// True when a probe should begin now.
  [[nodiscard]] bool probe_due(TimePoint now) const;

  /// The next probe must use a new connection.
  [[nodiscard]] bool wants_fresh_connection() const { return wants_fresh_connection_; }

  /// The next probe should look for a backup's lock.
  [[nodiscard]] bool wants_pause_look() const;
  /// When on_clock() or probe_due() has something to say again.
  [[nodiscard]] TimePoint next_wake() const;
  /// It answers, but was not admitted since it came back: run preflight and set-up.
  [[nodiscard]] bool needs_admission() const;

  [[nodiscard]] bool admitted() const { return admitted_; }

  /// It was probed, and either it is down or preflight and set-up have judged it.
  [[nodiscard]] bool judged() const;

  [[nodiscard]] Reach reach() const { return reach_.state(); }

  [[nodiscard]] LaneState lane() const { return lane_; }

  [[nodiscard]] OperatorState operator_state() const { return wish_; }

  [[nodiscard]] std::uint32_t failures() const { return failures_; }

  [[nodiscard]] bool paused() const { return paused_by_probe_ || lane_ == LaneState::kPaused; }

 private:
  void doubt(std::string why, TimePoint now);
  void go_down(std::string why, TimePoint now);
  void forget_lane();
  void settle();

  HealthOptions options_;
  ProbeSchedule schedule_;
  StateMachine<Reach> reach_;
  LaneState lane_ = LaneState::kLost;
  OperatorState wish_ = OperatorState::kOnline;
  BackendState state_ = BackendState::kUnknown;
  std::string reason_;
  std::string reach_reason_;  ///< what made it shaky or down
  std::string lane_reason_;
  std::string difference_;  ///< why it is inconsistent
  std::string refusal_;     ///< of preflight or set-up
  TimePoint suspected_at_{};
  TimePoint probe_started_{};
  std::uint32_t failures_ = 0;   ///< probes failed in a row
  std::uint32_t successes_ = 0;  ///< probes ok in a row
  bool probing_ = false;
  bool admitted_ = false;
  bool lane_ready_ = false;  ///< caught up, or paused after that
  bool inconsistent_ = false;
  bool paused_by_probe_ = false;
  bool wants_fresh_connection_ = false;
};

}  // namespace consort::healthcheck
