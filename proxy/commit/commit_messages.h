// What workers (sessions) and the commit thread say to each other. Values only; see Mailbox.
//
//   session                         commit thread
//     | -- BranchPrepared -----------> |   XA PREPARE answered OK with a last_gtid
//     | <------------ BranchOutcome -- |   committed | conflict | too old | home lost
//     | -- BranchAbandoned ----------> |   PREPARE was sent, its answer never came: roll it back
//     | <-------------- AbortBranch -- |   the lane waits for a lock this open branch holds
//     | -- DdlRequest ---------------> |   append it to the log
//     | <------------------ DdlTurn -- |   every earlier entry is applied on `backend`: execute it
//     there | -- DdlExecuted --------------> |   its result: run it on the others, or skip it |
//     <--------------- DdlOutcome -- |   the result is in the log: answer the client
//     | -- TableRequest -------------> |   LOCK TABLES, or a statement that may meet such a lock
//     | <-------------- TableAnswer -- |   the tables are its own, or free; or it waited too long
//     | <------------- TablesLocked -- |   another session may write these now: make way
//     | -- TablesReleased -----------> |
//     | -- CallQuestion -------------> |   does the procedure commit by itself?
//     | <--------------- CallAnswer -- |
//     | -- TableUnfilled ------------> |   order a DROP TABLE, for lanes to execute; DdlOutcome
//     | -- AlignTable ---------------> |   an ALTER TABLE behind rows in one order; DdlTurn or
//     DdlOutcome | -- OwnStatement -------------> |   order a statement of Consort's own;
//     DdlOutcome | <----------- GlobalsChanged -- |   a SET GLOBAL is in the log: what new sessions
//     have
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "certifier/global_variables_sql.h"

namespace consort::proxy {

// ---- worker -> commit thread ----------------------------------------------------------------

/// lock_wait_timeout of a server that was told nothing else, in seconds.
inline constexpr std::uint32_t kLockWaitDefaultS = 86400;

struct DdlRequest;

/// A branch is prepared (detached) on its home and awaits certification.
struct BranchPrepared {
  SessionId session;
  BranchId branch;
  BackendId home;
  /// applied(home) when XA START was sent: for branches that may remove rows others refer to.
  Seqno last_seen_at_start;
  Seqno last_seen_at_prepare;  ///< when XA PREPARE was sent: for shared (foreign-key) keys
  Seqno last_seen_at_answer;   ///< when its OK was read: for keys held by X row locks
  /// AppliedPositions::lane_generations of the home, read before `last_seen_at_start`.
  std::uint32_t lane_generation = 0;
  /// It changed rows of temporary tables, which only its own connection may see come and go: when
  /// it loses, or has no other rows, its session ends it (see BranchOutcome::left_at).
  bool session_ends_it = false;
  /// How long it may wait for a table that another session has locked, in seconds.
  std::uint32_t lock_wait_s = kLockWaitDefaultS;
  /// Its rows are in the binlog of its home. False: perhaps it has none, and then it is undone.
  bool surely_logged = true;
  /// It has deleted all rows of a table, only to show them: all backends get them in this order,
  /// the branch is rolled back, and this statement on the table is ordered right behind
  /// (AlignTable). Null: a branch like any.
  std::shared_ptr<const DdlRequest> aligns_for = {};
};

/// XA PREPARE was sent but its answer will not come. The branch is decided: aborted.
struct BranchAbandoned {
  BranchId branch;
  BackendId home;
  /// The backend's id of the connection that may still be about to prepare it: killed first. 0: it
  /// was prepared, or that connection is surely gone.
  std::uint64_t owner_thread = 0;
};

/// One table a statement names. Empty `table`: the whole schema. Both empty: accounts and grants.
struct DdlTarget {
  std::string schema;
  std::string table;
};

/// DDL, account management or another statement that all backends must execute in one order.
struct DdlRequest {
  SessionId session;
  BackendId home;
  std::string sql;     ///< the client's statement, unchanged
  std::string schema;  ///< the session's current database, may be empty
  std::string user;    ///< definer for views, routines, triggers: "user"@"host" as CURRENT_USER()
  std::string
      session_set;  ///< a SET statement that recreates sql_mode, character sets, ... ; may be empty
  std::vector<DdlTarget> targets;
  /// How long it may wait for a table that another session has locked, in seconds.
  std::uint32_t lock_wait_s = kLockWaitDefaultS;
  /// A SET GLOBAL: `sql` is not the client's statement, and nobody but the session can execute it.
  bool sets_globals = false;
  /// The newest GlobalsChanged that the session knew when it made `session_set`.
  Seqno globals_seen;
  /// `sql` is a CALL that commits by itself, which only this connection of the home runs (the
  /// server's number of it): decision 0032. Nothing is known of its targets.
  std::optional<std::uint64_t> program_thread = {};
  /// What a program renames are no temporary tables, of which it would be the only one to have
  /// some.
  bool renames_plain = false;
};

/// An ALTER TABLE that treats rows in the order in which a server has them. All backends shall have
/// the rows of the first target in the order that they have on `ddl.home`, and execute it right
/// behind that. A DdlOutcome of seqno 0 says that it was not ordered.
struct AlignTable {
  DdlRequest ddl;
};

/// What a SET GLOBAL has changed.
struct GlobalChange {
  certifier::GlobalVariable variable;    ///< as it is now
  std::optional<std::string> old_value;  ///< as the server shows it; nullopt: unknown, or NULL
  /// Every session has a value of its own, which a client may set.
  bool per_session = false;
};

/// The table that entry `made_by` creates has not got the rows that it is for, and will not: where
/// it was created, and nobody has touched it since, `drop` is ordered, for lanes to execute. Ends
/// in a DdlOutcome, of seqno 0 where nothing was ordered.
struct TableUnfilled {
  Seqno made_by;
  DdlRequest drop;
};

/// What became of a statement at its turn, as its session knows it.
enum class DdlEnd : std::uint8_t {
  kSucceeded,
  kNotExecuted,  ///< the session cannot, or is gone: no server was asked
  kFailed,       ///< the server refused it, and it has done nothing
  kPartly,       ///< it failed, but some of the objects that it names may have been treated
  /// It failed, and the error does not tell whether it had done a part: the binlog knows. Its
  /// session does not try it again.
  kUnclear,
  /// Its connection was lost while it ran: nobody knows. The commit thread finds out, and may let
  /// the session execute it on another home (a new DdlTurn).
  kLost,
};

/// A statement of Consort's own for all servers, at one place of the order: the lanes execute it.
/// `ddl.session` gets a DdlOutcome, of seqno 0 where nothing was ordered.
struct OwnStatement {
  DdlRequest ddl;
};

/// The home's part of a statement is over.
struct DdlExecuted {
  Seqno seqno;
  BackendId backend;
  DdlEnd end = DdlEnd::kNotExecuted;
  std::vector<GlobalChange> globals = {};  ///< of a SET GLOBAL: what all servers do; empty: nothing
  /// When it failed: the server's error.
  std::uint16_t error = 0;
};

/// Somebody waits until `backend` has applied `seqno`: its lane shall not wait for more.
struct PositionWanted {
  BackendId backend;
  Seqno seqno;
};

/// A table, and how it is locked or used. Empty `table`: the whole schema, which nobody can lock.
struct TableLock {
  std::string schema;
  std::string table;
  bool write = false;
};

/// LOCK TABLES; or a statement is about to use tables on which others may hold locks.
struct TableRequest {
  SessionId session;
  std::uint32_t number = 0;  ///< counts the session's requests: its answer bears it
  std::vector<TableLock> tables;
  bool keep = false;  ///< LOCK TABLES. Else it is told when the tables are free
  /// The session has an open transaction that has locked rows. Who holds tables may want them.
  bool holds_rows = false;
  std::uint32_t wait_s = kLockWaitDefaultS;
  bool all = false;  ///< FLUSH TABLES WITH READ LOCK: to keep, in place of `tables`
};

/// The session locks no tables any more, and waits for none.
struct TablesReleased {
  SessionId session;
};

/// What is to be done with a CALL of this procedure (RoutineBook)?
struct CallQuestion {
  SessionId session;
  std::uint32_t number = 0;  ///< counts the session's questions: its answer bears it
  std::string schema;
  std::string name;
};

using CommitRequest = std::variant<BranchPrepared,
                                   BranchAbandoned,
                                   DdlRequest,
                                   DdlExecuted,
                                   PositionWanted,
                                   TableRequest,
                                   TablesReleased,
                                   TableUnfilled,
                                   OwnStatement,
                                   AlignTable,
                                   CallQuestion>;

/// May be refused when the commit thread's mailbox is full; the others always arrive, because locks
/// or lanes wait for what they end.
[[nodiscard]] inline bool starts_work(const CommitRequest& request) {
  return std::holds_alternative<BranchPrepared>(request) ||
         std::holds_alternative<DdlRequest>(request) ||
         std::holds_alternative<TableRequest>(request) ||
         std::holds_alternative<AlignTable>(request) ||
         std::holds_alternative<CallQuestion>(request);
}

// ---- commit thread -> worker ----------------------------------------------------------------

enum class BranchVerdict : std::uint8_t {
  kCommitted,  ///< in the log (durable, or certified when relaxed): it will be everywhere
  kConflict,   ///< a concurrent commit wrote the same key: the branch is being rolled back
  kTooOld,     ///< last_seen lies before the certification index's horizon
  kHomeLost,   ///< the home went away before the entry was in the log: it did not happen
  kRefused,    ///< its rows cannot be replicated (see `message`): rolled back
  kLocked,     ///< another session has locked a table (see `locked`): it did not happen
  kLockWait    ///< the same, and it has waited for as long as it may
};

struct BranchOutcome {
  SessionId session;
  BranchId branch;
  BranchVerdict verdict = BranchVerdict::kConflict;
  /// Of the commit; 0 unless committed with rows. For kConflict: of the commit that was first.
  Seqno seqno;
  std::string message;  ///< for kRefused: what to tell the client
  /// The branch is still prepared on this backend: its session ends it, by XA COMMIT when
  /// kCommitted, else by XA ROLLBACK. Who cannot deliver this says BranchAbandoned.
  std::optional<BackendId> left_at;
  std::optional<TableLock> locked{};  ///< for kLocked
};

/// The lane of `home` waits for a lock that an open (not prepared) branch holds: end it now. The
/// client gets 1213. Exactly one of `thread_id` (the backend connection's id) is given.
struct AbortBranch {
  BackendId home;
  std::uint64_t thread_id = 0;
};

/// DDL waits for open branches that use these tables on `home`: end those. Same effect as
/// AbortBranch.
struct AbortTableUsers {
  BackendId home;
  std::vector<DdlTarget> targets;
};

/// Execute the DDL on `backend` now, then answer DdlExecuted.
struct DdlTurn {
  SessionId session;
  Seqno seqno;
  BackendId backend;
};

struct DdlOutcome {
  SessionId session;
  Seqno seqno;
  /// It waited too long for a table that another session has locked, and did not happen.
  bool lock_wait = false;
  /// It was not ordered: the worker has to hear of a SET GLOBAL first. Ask again soon.
  bool again = false;
  /// Of a program: what it has committed last is not known, its home is given up.
  bool lost = false;
  /// Of a program: it has changed accounts or rights, or may have.
  bool accounts = false;
  /// Of an AlignTable: why its rows cannot be brought into one order; empty: that is not so.
  std::string unalignable = {};
  /// It was not ordered: servers of one brand alone could execute it. 0: that is not so.
  std::uint16_t foreign_error = 0;
  std::string foreign = {};  ///< what to tell the client
};

/// To TableRequest `number`.
struct TableAnswer {
  SessionId session;
  std::uint32_t number = 0;
  bool granted = false;
  bool in_the_way = false;  ///< not granted: its transaction is to be rolled back
  Seqno head;               ///< whoever uses the tables now must see everything up to here
};

/// What is to be done with a CALL.
enum class CallVerdict : std::uint8_t {
  kBranch,          ///< it runs in a branch, as far as is known
  kAlone,           ///< no branch can hold it
  kAloneRenames,    ///< the same, where the session has no temporary tables: it says RENAME
  kAloneTemporary,  ///< as kAlone, and it makes temporary tables
  kByText,  ///< it executes text: alone when the literals of the CALL are such (scan_literals())
};

/// What the procedure does first, to whatever transaction is open.
enum class CallOpening : std::uint8_t {
  kUncertain,
  kCommits,   ///< surely that; before it stands nothing that a second try would not repeat
  kRollsBack  ///< likewise
};

struct CallKnowledge {
  CallVerdict verdict = CallVerdict::kBranch;
  CallOpening opening = CallOpening::kUncertain;
  bool begins = true;       ///< it says START TRANSACTION, or nobody knows
  bool dynamic = true;      ///< it may prepare statements by name
  bool handled = false;     ///< an error of the opening may be caught by a handler
  bool names_host = false;  ///< router::ProgramScan; not to be run where a server forgets it
  /// Then: as in its CREATE PROCEDURE, if nothing can go wrong in front of the opening.
  std::optional<std::string> parameters = {};
};

/// To CallQuestion `number`.
struct CallAnswer {
  SessionId session;
  std::uint32_t number = 0;
  std::string schema;
  std::string name;
  CallKnowledge known = {};
  /// Holds while AppliedPositions::routines is this; 0: for this once.
  std::uint64_t generation = 0;
};

/// `owner` holds these tables by WRITE locks from now on. Open branches of other sessions that have
/// locked rows of them are in its way.
struct TablesLocked {
  SessionId owner;
  std::vector<DdlTarget> tables;
};

/// To all workers, before the DdlOutcome: a SET GLOBAL is decided. No changes: it failed.
struct GlobalsChanged {
  Seqno seqno;
  std::vector<GlobalChange> changes;
};

using CommitEvent = std::variant<BranchOutcome,
                                 AbortBranch,
                                 AbortTableUsers,
                                 DdlTurn,
                                 DdlOutcome,
                                 TableAnswer,
                                 TablesLocked,
                                 GlobalsChanged,
                                 CallAnswer,
                                 AlignTable>;

/// May be dropped when a worker's mailbox is full: it is asked again as long as a lane waits. The
/// others always arrive, because a session waits for them.
[[nodiscard]] inline bool is_asked_again(const CommitEvent& event) {
  return std::holds_alternative<AbortBranch>(event) ||
         std::holds_alternative<AbortTableUsers>(event);
}

}  // namespace consort::proxy
