// SessionTraits: what routing needs to know of a session, and why a session is pinned to its home.
// Threads: none; pure values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ids.h"
#include "router/hints.h"

namespace consort::router {

struct Statement;

/// Why a session cannot leave its home. Each ends with its cause.
enum class PinReason : std::uint8_t {
  kTemporaryTable,  ///< it created temporary tables
  kUserVariables,   ///< it assigned @variables; they can travel (proxy/session/user_variables.h)
  kLockedTables,    ///< LOCK TABLES, FLUSH TABLES .. WITH READ LOCK
  kUserLock,        ///< GET_LOCK
  kPreparedText,    ///< PREPARE .. FROM
  kFoundRows,       ///< SQL_CALC_FOUND_ROWS was run, FOUND_ROWS() may follow
  kHandler,         ///< HANDLER .. OPEN
  kOpenCursor,      ///< a prepared statement's rows wait at the home to be fetched
  kStatusCounters,  ///< FLUSH STATUS: what its statements count is on that connection
  kUnknownState     ///< something changed the session that cannot be replayed elsewhere
};

inline constexpr unsigned kPinReasonsCount = static_cast<unsigned>(PinReason::kUnknownState) + 1;

/// "temporary_table", for /sessions and logs.
[[nodiscard]] constexpr std::string_view to_text(PinReason reason) {
  switch (reason) {
    case PinReason::kTemporaryTable:
      return "temporary_table";
    case PinReason::kUserVariables:
      return "user_variables";
    case PinReason::kLockedTables:
      return "locked_tables";
    case PinReason::kUserLock:
      return "user_lock";
    case PinReason::kPreparedText:
      return "prepared_text";
    case PinReason::kFoundRows:
      return "found_rows";
    case PinReason::kHandler:
      return "handler";
    case PinReason::kOpenCursor:
      return "open_cursor";
    case PinReason::kStatusCounters:
      return "status_counters";
    case PinReason::kUnknownState:
      return "unknown_state";
  }
  return "unknown_state";
}

/// A set of PinReason.
class PinSet {
 public:
  constexpr void add(PinReason reason) { bits_ = static_cast<std::uint16_t>(bits_ | bit(reason)); }

  constexpr void remove(PinReason reason) {
    bits_ = static_cast<std::uint16_t>(bits_ & ~bit(reason));
  }

  constexpr void add(PinSet other) { bits_ = static_cast<std::uint16_t>(bits_ | other.bits_); }

  constexpr void remove(PinSet other) { bits_ = static_cast<std::uint16_t>(bits_ & ~other.bits_); }

  constexpr void clear() { bits_ = 0; }

  [[nodiscard]] constexpr bool has(PinReason reason) const { return (bits_ & bit(reason)) != 0; }

  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }

  /// The first reason, for people. REQUIRES: !empty().
  [[nodiscard]] PinReason first() const;

  friend constexpr bool operator==(PinSet, PinSet) = default;

 private:
  static constexpr unsigned bit(PinReason reason) { return 1U << static_cast<unsigned>(reason); }

  std::uint16_t bits_ = 0;
};

/// What the tables of a DDL statement are (see ddl_subjects() in temporary_tables.h).
enum class DdlSubjects : std::uint8_t {
  kPlain,      ///< none is the session's temporary one, or the session has none
  kTemporary,  ///< all are
  kMixed,
  kSeparable  ///< both, of a DROP TABLE: the plain ones are dropped everywhere, the others at home
};

struct SessionTraits {
  bool autocommit = true;
  bool in_transaction = false;         ///< BEGIN was seen, or autocommit=0 and a table was touched
  bool read_only_transaction = false;  ///< the open transaction is READ ONLY
  PinSet pins;
  bool user_variables = false;    ///< it may have some, also such that no pin tells of
  std::optional<BackendId> home;  ///< where the session's state lives, when it has any
  DdlSubjects ddl_subjects = DdlSubjects::kPlain;  ///< of this statement, as the server says
  bool mysql = false;                              ///< some server is MySQL
};

/// What a statement does to a session's pins when it succeeds.
struct PinChange {
  PinSet added;
  PinSet ended;  ///< taken away first
};

/// kPreparedText and kHandler end only when the session counts its statements and handlers down to
/// none; kTemporaryTable when its TemporaryTables is empty; kOpenCursor with its cursors; those are
/// not in `ended`.
[[nodiscard]] PinChange pin_change(const Statement& statement);

}  // namespace consort::router
