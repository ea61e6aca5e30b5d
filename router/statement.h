// Statement: what routing needs to know of one SQL statement, from one pass over its text.
// In doubt the answer is the one that sends the statement home: a write is never taken for a read.
// Every view points into the statement's text and dies with it (I1). Nothing is allocated.
// Threads: none; pure.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "router/fixed_list.h"
#include "router/hints.h"
#include "router/lexer_options.h"

namespace consort::router {

enum class StatementKind : std::uint8_t {
  kEmpty,    ///< nothing but blanks and comments
  kUnknown,  ///< no statement we know: goes home as one that may write
  kSelect,   ///< SELECT, VALUES, TABLE, WITH .. SELECT, with or without parentheses
  kInsert,
  kUpdate,
  kDelete,
  kReplace,
  kLoadData,  ///< LOAD DATA or LOAD XML
  kCall,
  kDo,
  kBegin,  ///< BEGIN or START TRANSACTION: see `transaction`
  kCommit,
  kRollback,
  kSavepoint,            ///< `name` is the savepoint
  kReleaseSavepoint,     ///< `name`
  kRollbackToSavepoint,  ///< `name`
  kSetAutocommit,        ///< nothing but autocommit, with a literal: see `autocommit_value`
  kSetTransaction,       ///< SET [SESSION|GLOBAL] TRANSACTION ..: see `transaction`
  kSetSession,           ///< any other SET: see `settings`
  kSetUserVariable,      ///< SET of nothing but @variables: see `settings`
  kSetNames,             ///< nothing but SET NAMES or SET CHARACTER SET: see `settings`
  kSetPassword,
  kSetRole,
  kUse,  ///< `name` is the schema
  kDdl,  ///< see `ddl`
  kAccount,
  kLockTables,
  kUnlockTables,
  kFlush,
  kAnalyze,  ///< ANALYZE TABLE; ANALYZE <statement> is that statement with kExecutesInner
  kOptimize,
  kCheck,
  kRepair,
  kChecksum,
  kIndexCache,  ///< CACHE INDEX, LOAD INDEX INTO CACHE: nothing is done for tables of InnoDB
  kShow,
  kExplain,  ///< EXPLAIN of a statement, which does not run; its flags are the inner statement's
  kDescribe,
  kHelp,
  kPrepareText,     ///< `name`
  kExecuteText,     ///< EXECUTE (`name`) or EXECUTE IMMEDIATE
  kDeallocateText,  ///< `name`
  kHandler,         ///< `name`
  kXa,
  kKill,  ///< see `kill`
  kShutdown,
  kServerAdmin,  ///< replication, plugins, binary logs, backup stages: one server's own business
  kBinlog,
  kDiagnostics,  ///< GET DIAGNOSTICS, SIGNAL, RESIGNAL
  kCompound      ///< BEGIN NOT ATOMIC and other compound statements: may do anything
};

/// Accounts, grants, roles, passwords.
[[nodiscard]] constexpr bool changes_accounts(StatementKind kind) {
  return kind == StatementKind::kAccount || kind == StatementKind::kSetPassword;
}

/// All backends execute it, in the log's order.
[[nodiscard]] constexpr bool is_ordered(StatementKind kind) {
  return kind == StatementKind::kDdl || changes_accounts(kind);
}

/// Name of a kind in lower case, for logs and metrics: "select", "set_session".
[[nodiscard]] std::string_view to_text(StatementKind kind);

/// INSERT, UPDATE, DELETE, REPLACE, LOAD DATA.
[[nodiscard]] bool changes_rows(StatementKind kind);

/// Its expressions and tables are evaluated when it runs, and never again: something else may stand
/// in their place. Not so in a view or a stored program.
[[nodiscard]] bool is_evaluated_at_once(StatementKind kind);

/// What else is true of a statement.
enum class Flag : std::uint8_t {
  kReadsOnly,            ///< surely changes no data: no writing kind, function or sequence in it
  kTouchesTables,        ///< reads or writes tables: a transaction must have begun before
  kImplicitCommit,       ///< ends an open transaction by itself; not allowed inside a branch
  kMultiStatement,       ///< another statement follows: see `rest`
  kLockingRead,          ///< FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE
  kIntoOutfile,          ///< SELECT .. INTO OUTFILE or DUMPFILE
  kIntoVariable,         ///< SELECT .. INTO @x
  kReadsUserVariable,    ///< an @variable is read
  kAssignsUserVariable,  ///< an @variable is assigned
  kLastInsertId,         ///< LAST_INSERT_ID(), @@last_insert_id, @@identity
  kSetsLastInsertId,     ///< LAST_INSERT_ID(expr), or SET of it
  kFoundRows,            ///< FOUND_ROWS()
  kCalcFoundRows,        ///< SQL_CALC_FOUND_ROWS
  kRowCount,             ///< ROW_COUNT()
  kDiagnostics,          ///< SHOW WARNINGS/ERRORS, @@warning_count, @@error_count, GET DIAGNOSTICS
  kConnectionId,         ///< CONNECTION_ID(), @@pseudo_thread_id
  kTracking,             ///< @@session_track_schema, @@session_track_system_variables
  kUserLock,             ///< GET_LOCK and its family
  kTakesUserLock,        ///< GET_LOCK(): the session holds a lock afterwards
  kReleasesUserLocks,    ///< RELEASE_ALL_LOCKS()
  kSessionState,         ///< another variable that lives in one connection (@@insert_id, ...)
  kInnerQuery,           ///< in a row change: a SELECT, or MATCH .. AGAINST
  kUnknownFunction,     ///< a call that is no known built-in: perhaps a stored function that writes
  kSequence,            ///< NEXTVAL, LASTVAL, SETVAL and their other spellings
  kTemporary,           ///< CREATE or DROP with the word TEMPORARY
  kCreateSelect,        ///< CREATE TABLE .. SELECT
  kLocalInfile,         ///< LOAD DATA LOCAL
  kSetsAutocommit,      ///< a SET that names autocommit among others
  kSetsGlobal,          ///< a SET of a global variable
  kGuardedSetting,      ///< a SET of a variable that Consort owns: `name` is its name
  kSetStatement,        ///< SET STATEMENT .. FOR this statement
  kExecutesInner,       ///< ANALYZE <statement>: runs it, answers with the plan
  kReturnsRows,         ///< INSERT, REPLACE or DELETE .. RETURNING
  kCurrentUser,         ///< an account statement that means whoever runs it: SET PASSWORD = ..
  kCreatorsRole,        ///< CREATE ROLE that makes whoever runs it its administrator, on MariaDB
  kOpensHandler,        ///< HANDLER .. OPEN: `name` is what it is called from now on
  kClosesHandler,       ///< HANDLER .. CLOSE: `name`
  kLocksTables,         ///< FLUSH TABLES .. WITH READ LOCK or FOR EXPORT
  kServerLocal,         ///< speaks of one server or one connection: SHOW STATUS, EXPLAIN FOR ..
  kPlaceholders,        ///< has `?`
  kConditionalComment,  ///< a /*!NNNNNN */ that only some server versions run
  kUncertain            ///< the text cannot be read with certainty (see LexerOptions::doubtful)
};

/// A set of Flag.
class Flags {
 public:
  constexpr void set(Flag flag) { bits_ |= bit(flag); }

  constexpr void clear(Flag flag) { bits_ &= ~bit(flag); }

  [[nodiscard]] constexpr bool has(Flag flag) const { return (bits_ & bit(flag)) != 0; }

  [[nodiscard]] constexpr bool has_any(std::initializer_list<Flag> flags) const {
    for (Flag flag : flags) {
      if (has(flag)) {
        return true;
      }
    }
    return false;
  }

  [[nodiscard]] constexpr std::uint64_t bits() const { return bits_; }

  friend constexpr bool operator==(Flags, Flags) = default;

 private:
  static constexpr std::uint64_t bit(Flag flag) {
    return std::uint64_t{1} << static_cast<unsigned>(flag);
  }

  std::uint64_t bits_ = 0;
};

/// Name of a flag in lower case: "reads_only".
[[nodiscard]] std::string_view to_text(Flag flag);

inline constexpr unsigned kFlagsCount = static_cast<unsigned>(Flag::kUncertain) + 1;

/// What a statement does with a table it names. kDdl: defines it, or refers to it from a
/// definition.
enum class TableRole : std::uint8_t { kRead, kWrite, kDdl };

/// A table, view, sequence or schema as the statement spells it. Quotes are stripped but doubled
/// quotes inside are not undone: identifier_text() does that. An empty `schema` is the session's
/// current one; an empty `name` means the whole schema.
struct TableRef {
  std::string_view schema;
  std::string_view name;
  TableRole role;
};

/// An identifier's real text: `` a``b `` becomes `` a`b ``.
[[nodiscard]] std::string identifier_text(std::string_view inside_quotes);

enum class SetScope : std::uint8_t {
  kUnscoped,     ///< SET x = .. or @@x: session, but the next transaction for tx_isolation
  kSession,      ///< SESSION, LOCAL, @@session., @@local.
  kGlobal,       ///< GLOBAL, PERSIST, PERSIST_ONLY
  kUser,         ///< @x; `name` is x
  kNames,        ///< NAMES: `value` is the character set, `collation` perhaps its collation
  kCharacterSet  ///< CHARACTER SET or CHARSET
};

enum class SetValueKind : std::uint8_t {
  kNumber,     ///< an unsigned or negative number
  kString,     ///< one quoted string; `value` includes its quotes
  kWord,       ///< one bare word: ON, utf8mb4, DEFAULT
  kExpression  ///< anything else
};

/// One assignment of a SET.
struct SetItem {
  std::string_view name;   ///< variable's name as written, without @ or @@ or quotes
  std::string_view value;  ///< the text of the value, blanks around it stripped
  std::string_view collation;
  SetScope scope;
  SetValueKind value_kind;
  bool guarded;  ///< Consort owns this variable
};

enum class IsolationLevel : std::uint8_t {
  kUnset,
  kReadUncommitted,
  kReadCommitted,
  kRepeatableRead,
  kSerializable
};

enum class AccessMode : std::uint8_t { kUnset, kReadOnly, kReadWrite };

enum class Choice : std::uint8_t { kUnset, kYes, kNo };

/// The options of kBegin, kCommit, kRollback and kSetTransaction.
struct TransactionOptions {
  AccessMode access = AccessMode::kUnset;
  IsolationLevel isolation = IsolationLevel::kUnset;  ///< only kSetTransaction
  SetScope scope = SetScope::kUnscoped;  ///< kSetTransaction: kUnscoped is the next one only
  bool consistent_snapshot = false;      ///< only kBegin
  Choice chain = Choice::kUnset;         ///< COMMIT or ROLLBACK AND [NO] CHAIN
  Choice release = Choice::kUnset;       ///< COMMIT or ROLLBACK [NO] RELEASE
};

enum class DdlVerb : std::uint8_t { kNone, kCreate, kAlter, kDrop, kRename, kTruncate };

enum class DdlObject : std::uint8_t {
  kNone,
  kTable,
  kView,
  kIndex,
  kDatabase,
  kRoutine,  ///< function, package
  kProcedure,
  kTrigger,
  kEvent,
  kSequence,
  kServer,
  kOther
};

struct DdlInfo {
  DdlVerb verb = DdlVerb::kNone;
  DdlObject object = DdlObject::kNone;
};

enum class KillTarget : std::uint8_t {
  kConnection,
  kQueryId,  ///< KILL QUERY ID
  kUser      ///< all of an account's sessions
};

/// KILL [HARD|SOFT] [CONNECTION|QUERY [ID]] <expression>, or USER <account>. Expressions that take
/// locks, assign variables and the like are `supported` = false.
struct KillInfo {
  std::uint64_t id = 0;
  bool is_number = false;  ///< `id` is given
  bool own = false;        ///< CONNECTION_ID() stands for the number
  bool query_only = false;
  bool supported = false;
  KillTarget target = KillTarget::kConnection;
  std::string_view operand;  ///< the expression or account as written
};

inline constexpr std::size_t kTablesMax = 32;
inline constexpr std::size_t kSettingsMax = 12;

struct Statement {
  StatementKind kind = StatementKind::kEmpty;
  bool autocommit_value = false;  ///< for kSetAutocommit
  Flags flags;
  TransactionOptions transaction;
  DdlInfo ddl;
  KillInfo kill;
  Hints hints;
  /// The schema of USE, a savepoint, a prepared statement, a handler, or a guarded variable's name;
  /// quotes stripped, doubled quotes not undone.
  std::string_view name;
  /// Text behind the `;` that ends the statement: another one when kMultiStatement, else nothing
  /// but blanks, comments and more of them.
  std::string_view rest;
  std::uint64_t digest = 0;  ///< of the first statement; see digest.h
  /// Tables named, in order; names of common table expressions and aliases may be among them.
  /// When it overflowed, the statement must be taken to use any table.
  FixedList<TableRef, kTablesMax> tables;
  /// Assignments of a SET (also of SET STATEMENT), in order.
  FixedList<SetItem, kSettingsMax> settings;

  [[nodiscard]] bool has(Flag flag) const { return flags.has(flag); }

  /// It may change data that certification must see: run it in a branch.
  [[nodiscard]] bool may_write() const { return !flags.has(Flag::kReadsOnly); }
};

/// Reads one statement (or the first of several). Never fails: what it cannot read is kUnknown or
/// Flag::kUncertain. Time is linear in `sql`.
[[nodiscard]] Statement classify(std::string_view sql, const LexerOptions& options = {});

}  // namespace consort::router
