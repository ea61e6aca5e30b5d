// ApplyLane: commits everything on one backend, in seqno order (I5). Pure: turns out, results in.
// The shell owns the connection, performs the turns, and tells the lane what came of them.
// Threads: none; the commit thread's.
//
//   shell                                                   lane
//     | -- push(entry) when it is durable ------------------> |
//     | -- on_connected(position, held branches) -----------> |
//     | <- next_turn(): LaneBatch --------------------------- |  statements, to be sent in order
//     | -- on_turn_done() | on_turn_failed(error) ----------> |
//     | <- next_turn(): DdlReached -------------------------- |  every lane, once per undecided DDL
//     | -- execute_ddl() on the one that shall decide ------> |
//     | <- next_turn(): LaneBatch (marks it) ---------------- |
//     | <- next_turn(): DdlOffer ---------------------------- |  the session may execute it now
//     | -- on_ddl_executed() --------------------------------> |
//     | -- on_ddl_result() when it is in the log -----------> |  every lane
//     | <- next_turn(): LaneBatch, then DdlLook ------------- |  it may have run here: did it?
//     | -- on_ddl_looked() ----------------------------------> |
//
// A program's entry (decision 0032) goes the same way, but no lane executes it. Its lane settles
// it: kEnded or kNobody, then a LaneBatch that ends in the marker, then DdlLook; on_ddl_result()
// when everything before the marker is in the log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/gtid.h"
#include "base/ids.h"
#include "base/server_kind.h"
#include "base/state_machine.h"
#include "certifier/lane_batch.h"
#include "certifier/lane_errors.h"
#include "certifier/lane_sql.h"
#include "certifier/writeset.h"

namespace consort::certifier {

struct LaneLimits {
  std::size_t queue_entries_max = 20'000;
  /// Payloads and texts of DDL; one entry always fits.
  std::size_t queue_bytes_max = std::size_t{64} << 20;
};

/// The lane has applied everything before this DDL entry and nobody has decided it yet.
struct DdlReached {
  Seqno seqno;
  bool may_have_run = false;  ///< its execution was begun here earlier: prefer this lane to decide
};

/// The DDL is marked as begun: the session may execute it on this backend now.
struct DdlOffer {
  Seqno seqno;
};

/// The lane executed the DDL as the first one: append a DdlResult with this outcome.
struct DdlDecided {
  Seqno seqno;
  DdlOutcome outcome = DdlOutcome::kSkip;
  std::uint16_t error = 0;  ///< its error number, 0 when it succeeded
  std::string message;
};

/// No connection executes the DDL here any more: find out whether one did, say on_ddl_looked().
struct DdlLook {
  Seqno seqno;
  bool changed = false;  ///< it did: its tables are not what they were
};

/// What a backend shows of a DDL that was begun there.
enum class DdlTraces : std::uint8_t {
  kNone,     ///< it did not run
  kRan,      ///< it was accepted, and has had its effect, perhaps in part
  kUnknown,  ///< its binlog does not reach back as far
};

using LaneTurn = std::variant<LaneBatch, DdlReached, DdlOffer, DdlLook, DdlDecided>;

/// Who sees to a DDL that nobody has decided.
enum class DdlExecutor : std::uint8_t {
  kSession,  ///< the client's session, on its own connection, after DdlOffer
  kLane,     ///< the lane: it is Consort's own, or was accepted
  kNobody,   ///< it may have run here: the lane finds out whether it did
  kEnded,    ///< a program whose session says that it has ended: the lane marks where
};

/// What the shell learned when it (re)opened the lane's connection or read it anew.
struct LaneStart {
  ServerKind kind = ServerKind::kMariadb;
  std::string cluster_id;      ///< as spelled in consort.position
  LaneOwner owner;             ///< as claimed
  Seqno position;              ///< BackendPosition::seqno
  Seqno ddl_mark;              ///< BackendPosition::ddl
  std::vector<BranchId> held;  ///< RecoveryPlan::held
  Seqno listed_up_to;          ///< RecoveryInput::head
  Seqno durable;               ///< the newest seqno that the archive holds
  GtidState binlog;            ///< what its binlog has ..
  Seqno binlog_of;             ///< .. at least; the newest certified seqno when it was asked
};

/// Whether a branch may be rolled back for a replay.
enum class ReplayStep : std::uint8_t {
  kRollBack,        ///< yes, now: the lane will apply the payload in its turn
  kInterruptFirst,  ///< the turn under way would commit it, or its end is not known: KILL QUERY
                    ///< the lane if it runs, and ask again after the next on_connected()
  kApplied,         ///< too late and needless: it is committed here
};

/// States of a lane.
///
///                       +------------------------- on_disconnected, from everywhere ---+
///                       v                                                              |
///   kOffline --on_connected--> kIdle --next_turn--> kApplying --done--> kIdle          |
///                               |  ^                    |                              |
///     next_turn: undecided DDL  |  |on_ddl_result       | failed                       |
///                               v  |                    v                              |
///                            kDdlReached            kUnsure --on_connected--> kIdle    |
///                               | execute_ddl           (failed for good: kStopped)    |
///                               v                                                      |
///                            kDdlTurn --next_turn--> kDdlMarking --done--> kDdlMarked -+
///                               |                                             |
///                               | next_turn (kLane)              next_turn    v
///                               v                                         kDdlOffered
///                            kDdlDeciding --done | failed--> kDdlDecided --next_turn-->
///                            kDdlWaiting
///
///                               | next_turn (kNobody; kIdle, too, where it is void)
///                               v
///                            kDdlLooking --done--> kDdlLooked --next_turn--> kDdlAsked
///                               on_ddl_looked: kDdlReached; void: kIdle or kStopped
///
///   kDdlReached, kDdlOffered, kDdlDecided, kDdlWaiting, kDdlLooked, kDdlAsked
///       --on_ddl_result--> kIdle
enum class LaneState : std::uint8_t {
  kOffline,      ///< no connection
  kIdle,         ///< nothing is under way
  kApplying,     ///< a batch is under way
  kUnsure,       ///< a batch failed: on_connected() with what the backend says now
  kDdlReached,   ///< the shell was told of a DDL that nobody decided
  kDdlTurn,      ///< this lane's backend shall execute it first
  kDdlMarking,   ///< the mark is under way
  kDdlMarked,    ///< the session's turn has come
  kDdlOffered,   ///< the session executes it
  kDdlDeciding,  ///< the lane itself executes it first
  kDdlLooking,   ///< the end of whatever was begun of it is waited for
  kDdlLooked,    ///< the shell is to be asked whether it ran
  kDdlAsked,     ///< the shell looks
  kDdlDecided,   ///< the shell is to be told what came of it
  kDdlWaiting,   ///< the result is on its way into the log
  kStopped,      ///< for ever: make a new lane after the backend got a copy
};

class ApplyLane {
 public:
  /// `cluster`: as spelled in branch names.
  ApplyLane(BackendId backend, std::uint32_t cluster, LaneLimits limits = {});

  // ---- the log ----

  /// Takes a durable entry, in log order. DdlResult and Replay are handled, too. An entry that does
  /// not fit into the queue, or that follows such a one, is left out: see wants_from().
  void push(const std::shared_ptr<const LogEntry>& entry);

  /// The seqno from which the shell should push() entries again, from its archive, with the
  /// DdlResults and Replays among them; nullopt while none is missing or there is no room.
  [[nodiscard]] std::optional<Seqno> wants_from() const;

  /// A DDL's result is in the log. Also the answer to a DdlReached that was decided long ago.
  void on_ddl_result(const DdlResult& result);

  // ---- the connection ----

  /// The backend is as `start` says. Also after a failed turn (kUnsure), on the same connection.
  /// REQUIRES: the state is kOffline or kUnsure; the plan's branches are committed, rolled back.
  /// From kOffline also: no branch that was prepared here before this call is certified any more
  /// (drop what the binlog stream has captured, and open it anew): the lane counts on the branch
  /// of every own entry after `listed_up_to`.
  void on_connected(const LaneStart& start);

  /// The connection is lost, whatever was under way. Nothing after kStopped.
  void on_disconnected();

  // ---- turns ----

  /// What to do next; nullopt when there is nothing to do or something is under way.
  [[nodiscard]] std::optional<LaneTurn> next_turn(const BatchLimits& limits = {});

  /// The batch succeeded to its end. REQUIRES: a LaneBatch is under way.
  void on_turn_done();

  /// Statement `statement` of the batch failed; none after it was sent.
  [[nodiscard]] LaneAction on_turn_failed(std::uint16_t error,
                                          std::string_view message,
                                          std::size_t statement);

  // ---- DDL ----

  /// Makes this backend the one whose result decides, or, after DdlOffer, the lane itself instead
  /// of a session that is gone. REQUIRES: state kDdlReached or kDdlOffered, at `seqno`.
  void execute_ddl(Seqno seqno, DdlExecutor executor);

  /// What the shell found after DdlLook. A void DDL that ran here stops the lane (kStopped).
  void on_ddl_looked(Seqno seqno, DdlTraces traces);

  /// After DdlLook of a program the shell knows the marker's name. `again`: it was the first one,
  /// and the lane stands at the entry once more.
  void on_program_marked(Seqno seqno, bool again);

  /// The session executed the DDL here and its result is known (a DdlResult will follow).
  void on_ddl_executed(Seqno seqno);

  // ---- blocked lane ----

  /// The branch of `seqno` shall be rolled back and its entry applied from the log. Call it when
  /// the Replay entry is durable and the exemption withdrawn, before XA ROLLBACK.
  [[nodiscard]] ReplayStep replay(Seqno seqno);

  /// Entries whose branches wait here, prepared, with their locks; oldest first.
  [[nodiscard]] std::vector<std::shared_ptr<const LogEntry>> held_entries() const;

  // ---- what it knows ----

  [[nodiscard]] BackendId backend() const { return backend_; }

  [[nodiscard]] LaneState state() const { return machine_.state(); }

  /// Everything up to here is committed on this backend.
  [[nodiscard]] Seqno applied() const { return applied_; }

  /// The head of the log when the lane last began anew: until all that is applied, the backend may
  /// not know of numbers of sequences that it has given itself.
  [[nodiscard]] Seqno began_at() const { return began_at_; }

  [[nodiscard]] std::size_t queued_entries() const { return queue_.size(); }

  [[nodiscard]] std::size_t queued_bytes() const { return queued_bytes_; }

  /// How many of the queued entries are DDL.
  [[nodiscard]] std::size_t queued_ddl() const { return queued_ddl_; }

  /// The entry, while the queue holds it: the one that is under way among them.
  [[nodiscard]] std::shared_ptr<const LogEntry> queued(Seqno seqno) const;

  /// Why the lane stopped, for people; empty otherwise.
  [[nodiscard]] const std::string& stop_reason() const { return stop_reason_; }

 private:
  struct Item {
    std::shared_ptr<const LogEntry> entry;
    bool held = false;  ///< its branch waits here for XA COMMIT
    bool here = false;  ///< a program has executed it here
  };

  void take(const std::shared_ptr<const LogEntry>& entry);
  [[nodiscard]] bool has_room(std::size_t bytes) const;
  [[nodiscard]] EntryRole role_of(const Item& item) const;
  [[nodiscard]] bool branch_is_held(const LogEntry& entry) const;
  [[nodiscard]] Item item_of(const std::shared_ptr<const LogEntry>& entry) const;
  [[nodiscard]] bool part_is_here(const LogEntry& entry) const;
  [[nodiscard]] bool part_is_lost(const Item& item) const;
  void stop_for_program(Seqno seqno, std::string_view why);
  /// nullptr: it is not known.
  [[nodiscard]] const DdlResult* ddl_result(Seqno seqno) const;

  [[nodiscard]] Seqno front_seqno() const { return queue_.front().entry->seqno; }

  [[nodiscard]] std::optional<LaneTurn> turn_when_idle(const BatchLimits& limits);
  [[nodiscard]] LaneBatch next_batch(const BatchLimits& limits) const;

  [[nodiscard]] BatchStart batch_start() const {
    return {cluster_, cluster_id_, owner_, applied_, kind_};
  }

  [[nodiscard]] LaneBatch begin(LaneBatch batch, LaneState state);

  void on_ddl_done();
  [[nodiscard]] bool is_void(Seqno seqno) const;
  [[nodiscard]] LaneAction on_ddl_failed(std::uint16_t error, std::string_view message);
  [[nodiscard]] LaneAction fail(LaneAction action, std::uint16_t error, std::string_view message);
  void stop(std::string reason);
  void restart_queue_at(Seqno next);
  void drop_front();
  void clear_queue();

  BackendId backend_;
  std::uint32_t cluster_;
  LaneLimits limits_;
  StateMachine<LaneState> machine_;
  ServerKind kind_ = ServerKind::kMariadb;
  std::string cluster_id_;
  LaneOwner owner_;
  Seqno applied_;

  std::deque<Item> queue_;  ///< seqnos applied_+1 .. next_-1
  std::size_t queued_bytes_ = 0;
  std::size_t queued_ddl_ = 0;
  Seqno next_;     ///< the seqno that push() takes next; 0 before the first on_connected()
  Seqno offered_;  ///< the newest seqno known to be in the log

  std::set<BranchId> held_;  ///< of entries up to listed_up_to_
  Seqno listed_up_to_;
  Seqno began_at_;
  GtidState binlog_;
  Seqno binlog_of_;
  std::set<Seqno> replayed_;  ///< beyond applied_

  std::map<Seqno, DdlResult> ddl_results_;  ///< beyond applied_
  Seqno ddl_mark_;
  Seqno ddl_executed_;             ///< known to have been executed here
  Seqno result_executed_;          ///< what its result says was
  Seqno ddl_absent_;               ///< known not to have run here
  Seqno schema_absent_;            ///< its session was in a schema that is not here
  bool ddl_changed_ = false;       ///< DdlLook::changed
  bool ddl_may_have_run_ = false;  ///< the DDL under way was begun here before
  DdlExecutor executor_ = DdlExecutor::kSession;
  std::optional<DdlDecided> decided_;
  bool session_dirty_ = false;    ///< a DDL's settings may still be in force
  std::string session_settings_;  ///< of the DDL that did it

  Seqno doubted_;  ///< where a row was not found last: the position's own, or the backend differs
  std::optional<LaneBatch> under_way_;  ///< its statements are empty; kept while its end is unknown
  std::string stop_reason_;
};

}  // namespace consort::certifier
