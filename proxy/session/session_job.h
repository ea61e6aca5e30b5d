// SessionJob: one client command on its way: what is to be done with it once a connection is there.
// Threads: none; a plain value of its session.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "protocol/sql_error.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/metrics.h"
#include "proxy/session/definition_mode.h"
#include "proxy/session/effects.h"
#include "proxy/session/status_counters.h"
#include "router/program_ddl.h"
#include "router/session_traits.h"
#include "router/statement.h"

namespace consort::proxy {

enum class JobKind : std::uint8_t {
  kNone,
  kQuery,
  kPrepare,
  kExecute,
  kFetch,       ///< from an open cursor
  kOrdered,     ///< DDL and accounts: when its turn in the log has come
  kSnapshot,    ///< START TRANSACTION
  kKill,        ///< what a KILL means, whether the client may: a backend knows
  kProcesses,   ///< whether it may see other users' sessions: likewise
  kLockTables,  ///< LOCK TABLES, or UNLOCK TABLES behind it: see LockStep
  kRefused,     ///< by Consort: the home may have an error of its own
  kLogin        ///< a home connection proves that the account may use its database
};

/// The session's schema, where it may be another one than its home's connection has entered.
enum class OwnSchema : std::uint8_t {
  kUnknown,
  kThere,
  kGone  ///< the connection stays in it, as a server's own session does
};

/// In which order the servers have the rows that an ALTER TABLE treats one after the other.
enum class RowOrder : std::uint8_t {
  kUnknown,
  kWanted,  ///< each in its own: they are to get one
  kOne      ///< when the statement has its turn, in one
};

/// How far a LOCK TABLES has come.
enum class LockStep : std::uint8_t {
  kBegin,
  kCheck,    ///< the home is asked whether the client may
  kLook,     ///< it did not say: whether the tables are there
  kAsk,      ///< the commit thread is asked
  kGranted,  ///< the home has to apply what was committed before
  kUnlock    ///< it is an UNLOCK TABLES
};

struct SessionJob {
  JobKind kind = JobKind::kNone;
  router::StatementKind statement_kind = router::StatementKind::kEmpty;
  std::uint64_t digest = 0;
  Channel channel = Channel::kHome;
  QueryKind query_kind = QueryKind::kOther;
  bool wrapped = false;       ///< an autocommit write: runs in a branch of its own
  bool needs_branch = false;  ///< runs in the session's transaction
  bool reads_under_locks =
      false;  ///< all that it reads, given the isolation level (see reads_under_locks())
  bool may_write = false;
  bool read_only = false;         ///< runs in a read-only transaction of its own: it must not write
  bool refused = false;           ///< and it wanted to
  bool answered = false;          ///< the client has its whole reply, the connection owes more
  bool succeeded = false;         ///< what it was answered
  bool commit_first = false;      ///< the open transaction is committed before
  bool ends_by_setting = false;   ///< by SET autocommit, which no COMMIT is: see keep_one_shot()
  bool reader = false;            ///< an autocommit read: it may run on any backend
  bool any_backend = true;        ///< a reader is chosen; else `backend`
  bool sets_insert_id = false;    ///< LAST_INSERT_ID(expr)
  bool asks_diagnostics = false;  ///< SHOW WARNINGS and its like
  bool uses_engine = false;       ///< tables of a storage engine, in the server's transaction
  bool reaches_tables = false;    ///< the same, or it runs what may
  bool commits_by_itself = false;  ///< DDL, FLUSH and the like
  bool names_tables = false;       ///< then the server forgets earlier warnings
  bool touches_tables = false;     ///< it reads or writes some
  bool calls_unknown = false;      ///< perhaps a stored function
  bool begins_unseen = false;      ///< a transaction, of which a server tells nobody yet
  bool leaves_traces = false;      ///< on its connection: see leaves_traces()
  bool names_sequence = false;     ///< NEXTVAL, PREVIOUS VALUE and the like
  bool keeps = false;   ///< it may change rows of temporary tables: see Session::branch_keeps_
  DefinitionMode mode;  ///< of a CREATE or ALTER TABLE
  std::string name;  ///< of the prepared statement or handler that it makes or ends, in lower case
  bool ends_name = false;
  bool uses_locks = false;            ///< GET_LOCK and its family: only where all sessions lock
  bool locks_asked = false;           ///< the server was asked which are held
  std::uint64_t lock_generation = 0;  ///< of that place
  bool subjects_known = false;        ///< `subjects` is the server's word
  router::DdlSubjects subjects = router::DdlSubjects::kPlain;
  LockStep lock_step = LockStep::kBegin;
  bool locks_all = false;                    ///< FLUSH TABLES WITH READ LOCK
  bool locks_by_flush = false;               ///< FLUSH TABLES t .. WITH READ LOCK
  bool lock_at_once = false;                 ///< lock_sql may not wait
  std::string lock_sql;                      ///< of kLockTables: for the home, without its waiting
  std::string look_sql;                      ///< the same: a read of those tables
  std::optional<std::uint32_t> lock_wait_s;  ///< what it says itself
  std::vector<TableLock> tables;  ///< that it locks; or uses, where others may have locked some
  bool tables_free = false;       ///< they had not
  std::uint32_t locks_met = 0;    ///< at its commit: so often it has run in vain
  bool sends_file = false;        ///< LOAD DATA LOCAL: nothing may be pipelined behind it
  bool sets_next = false;         ///< SET @@tx_isolation: of the next transaction only
  bool sets_access = false;       ///< READ ONLY or READ WRITE of transactions
  bool passing_settings = false;  ///< SET STATEMENT .. FOR: what it changes ends with it
  bool left_open = false;         ///< it has begun a transaction of its server's own
  bool sets_state = false;        ///< variables or the schema: its OK tells which
  bool sets_collation = false;    ///< of the connection, but not by SET NAMES alone
  bool restarts_clock = false;    ///< SET timestamp = DEFAULT
  bool told_as_one = false;       ///< a SET of variables of which tracking mistakes one for another
  std::vector<std::pair<std::string, std::string>> numbers;  ///< that it gives to several of them
  bool sets_several = false;      ///< a SET that may fail when it has had a part of its effect
  bool one_shot = false;          ///< SET TRANSACTION for the next transaction only
  bool waited = false;            ///< for freshness, once
  bool asks_about_call = false;   ///< the commit thread tells how it is to run
  bool begun = false;             ///< its branch or transaction was begun in a command of its own
  bool begins_alone = false;      ///< and the answer is still to come
  bool text_known = false;        ///< of EXECUTE IMMEDIATE: the server's to execute
  bool text_read = false;         ///< the home has been asked whether it can read the text
  bool copies_temporary = false;  ///< CREATE TEMPORARY TABLE .. LIKE
  protocol::SqlError refusal;     ///< of kRefused
  std::uint32_t text_statement = 0;  ///< as which it has prepared it for that; 0: it has not
  bool bulk = false;                 ///< COM_STMT_BULK_EXECUTE
  bool wants_cursor = false;         ///< of an execution
  bool shows_grants = false;         ///< SHOW GRANTS
  bool flushes_privileges = false;   ///< FLUSH PRIVILEGES
  StatusUse status_use = StatusUse::kNone;
  bool full_list = false;        ///< SHOW FULL PROCESSLIST
  bool counts_sessions = false;  ///< Threads_connected
  bool binary_list = false;      ///< one of these, prepared
  bool kills_user = false;       ///< KILL USER
  bool process_table = false;    ///< it reads information_schema.PROCESSLIST: asked for
  bool opened_cursor = false;    ///< the backend has it
  bool told_columns =
      false;  ///< the reply under way, as it was sent for last, has had a result set
  std::uint64_t columns = 0;          ///< of an execution's first result set; 0: none has come
  std::optional<bool> other_columns;  ///< than the client was told of before; nullopt: no word
  Buffer telling;  ///< definitions that it brings: see SessionCore::knows_definitions()
  BackendId backend;
  Seqno at_least;  ///< the reader must have applied this
  router::PinChange pins;
  router::IsolationLevel next_isolation = router::IsolationLevel::kUnset;  ///< of a `one_shot`
  std::optional<bool> next_read_only;                                      ///< likewise
  std::string call_text;      ///< of a CALL that may run alone, or of what else may
  bool may_prepare = false;   ///< of a CALL: statements by name, so that none is known behind it
  router::ObjectName called;  ///< by that CALL, with its schema
  std::string call_question;  ///< whether it would come as far as its body; empty: not to be asked
  std::string text;           ///< that a PREPARE .. FROM prepares, if the server was asked
  /// Of an execution: is prepared for it alone, in place of the client's statement. Empty: that is.
  std::string own_text;
  std::string own_key;    ///< under which a backend connection knows it
  std::string shown_sql;  ///< the client's own text, where `command_` has another
  /// Of a statement that an EXECUTE .. USING means: what stands behind USING.
  std::string parameters;
  router::AccessMode access = router::AccessMode::kUnset;  ///< of a BEGIN, a SET TRANSACTION
  std::string tracking;            ///< assignments of session_track_* whose meaning is asked for
  std::string names_collation;     ///< of SET NAMES .. COLLATE
  std::uint32_t statement_id = 0;  ///< of kExecute: the client's
  std::uint32_t fetches = 0;       ///< of kFetch: from which statement of the client
  std::uint32_t reset_first = 0;   ///< the backend's statement that needs a COM_STMT_RESET; 0: none
  std::uint32_t attempts = 0;
  std::uint32_t conflicts = 0;       ///< so often it has run again because it lost one
  bool lost = false;                 ///< it did, amid its execution: its error is of that
  std::uint32_t looks_for_kill = 0;  ///< of a KILL QUERY that must be over first
  TimePoint began;
};

}  // namespace consort::proxy
