// ProgramCourse: how far one program that commits by itself has come (decision 0032): from its
// entry in the log to the result behind everything that it has committed. While it is not over,
// nothing but its own parts may get a seqno.
//
//   kWaiting --its home's lane is there--> kStanding --> kClearing --the begin marker--> kCleared
//      | it may have run before                                  the stream has shown it |
//      v                                                                      offer      v
//   kUnsettled <-------------------------it ended, it is in doubt------------------ kRunning
//      |
//      v
//   kSettling --the end marker--> kMarked --the stream has shown it--> kOver: skip
//   from everywhere: void, when its home stays away
//
// Markers are groups of ours in its home's binlog. Statements before the first one are somebody
// else's: a DDL of its own session, perhaps, that the stream is late to show.
//
// Pure: what happens in, the next step or the outcome out. Threads: the commit thread's.
#pragma once

#include <cstdint>
#include <optional>

#include "base/gtid.h"
#include "base/ids.h"
#include "certifier/apply_lane.h"

namespace consort::proxy {

class ProgramCourse {
 public:
  using Outcome = certifier::DdlOutcome;

  struct Begin {
    BackendId home;
    /// Its session waits for its turn. Nobody runs it otherwise, and nobody twice.
    bool has_session = false;
    /// It stood in the log when this run began: it may have run, and may still.
    bool restored = false;
  };

  /// Looks in which its home's lane was not at it until it is given up: everybody waits for it.
  static constexpr unsigned kLooksBeforeVoid = 400;
  /// An end marker that cannot be written so often: the program's connection may be in the way, by
  /// a lock of the whole server. It is ended.
  static constexpr unsigned kSettlesBeforeKill = 3;

  explicit ProgramCourse(const Begin& begin)
      : home_(begin.home),
        session_may_(begin.has_session),
        may_run_(begin.restored),
        cleared_(begin.restored) {}

  [[nodiscard]] BackendId home() const { return home_; }

  // ---- what happens ----

  /// The lane of `backend` stands at it, at once or after a turn that failed; the mark there says
  /// whether it may have run on the data that are there now.
  void on_reached(BackendId backend, bool may_have_run);
  /// The session has its turn.
  void on_offered();
  /// What the session says: it has the last packet, or nothing was executed at all; or, `unknown`,
  /// it cannot tell. Its session does not run it any more, whatever comes.
  void on_ended(bool unknown);
  /// There is no session any more that would take a turn.
  void on_session_gone();
  /// The lane has written `marker` into its home's binlog: nothing of the program is before it, or
  /// nothing behind it. True: the first; the lane is to stand at the entry again.
  [[nodiscard]] bool on_marked(const Gtid& marker);
  /// The stream of its home has delivered everything up to `gtid`.
  void on_streamed(const Gtid& gtid);
  /// Groups of its home's binlog were left out, or one cannot be replicated.
  void on_gap();
  void on_lane_lost(BackendId backend);
  /// Every 50 ms or so.
  void on_look();

  // ---- what follows ----

  /// What its home's lane shall do now (execute_ddl()); nullopt: nothing. `lane_ready`: it stands
  /// at the entry (kDdlReached or kDdlOffered), and takes orders.
  [[nodiscard]] std::optional<certifier::DdlExecutor> next(bool lane_ready);

  /// Nothing that it has committed is missing in the log (kSkip: nobody executes it), or nobody
  /// knows (kVoid). Once.
  [[nodiscard]] std::optional<Outcome> take_outcome();

  /// The session has its turn.
  [[nodiscard]] bool offered() const { return running_; }

  /// What its home's binlog shows may be the program's.
  [[nodiscard]] bool cleared() const { return cleared_; }

  [[nodiscard]] bool over() const { return step_ == Step::kOver; }

 private:
  enum class Step : std::uint8_t {
    kWaiting,
    kStanding,
    kClearing,
    kCleared,
    kRunning,
    kUnsettled,
    kSettling,
    kMarked,
    kOver
  };

  void look_for_marker();
  void end(Outcome outcome);

  BackendId home_;
  bool session_may_;
  bool may_run_;           ///< it may have been begun somewhere, as far as this run knows
  bool running_ = false;   ///< its session has its turn, and has not said what came of it
  bool in_doubt_ = true;   ///< it may still run; false: its session has said that it ended
  bool standing_ = false;  ///< its home's lane is at it
  Step step_ = Step::kWaiting;
  bool cleared_;
  std::optional<Gtid> marker_;  ///< the newest
  GtidState streamed_;
  unsigned looks_ = 0;
  unsigned settles_ = 0;
  std::optional<Outcome> outcome_;
};

}  // namespace consort::proxy
