// Router: where a statement of a session goes, and why.
// Pure: the same statement and traits give the same route. In doubt: home.
// Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "router/session_traits.h"
#include "router/statement.h"

namespace consort::router {

enum class Target : std::uint8_t {
  kAnyFresh,  ///< any backend that is fresh enough; no transaction, no state of the session needed
  kHome,      ///< the session's home, chosen now if it has none
  kProxy,     ///< the session carries it out itself: transaction control, KILL, empty statement
  kOrdered,   ///< DDL, accounts, SET GLOBAL: through the commit log, on every backend in one order
  kRefuse     ///< answer with `error`
};

/// "any_fresh"
[[nodiscard]] std::string_view to_text(Target target);

enum class RouteReason : std::uint8_t {
  kSafeRead,            ///< any: reads only, needs nothing of the session
  kTransaction,         ///< home: a transaction is open
  kAutocommitOff,       ///< home: autocommit=0, it would begin a transaction
  kPinned,              ///< home: see `pin`
  kHint,                ///< home or any: the client's comment says so
  kWrite,               ///< home: it may write
  kLockingRead,         ///< home: FOR UPDATE and the like
  kUnknownFunction,     ///< home: perhaps a stored function that writes
  kSequence,            ///< home: takes a number from a sequence
  kSessionDependent,    ///< home: reads what the session's last statement left behind
  kUserVariable,        ///< home: assigns or reads @variables
  kUserLock,            ///< home: GET_LOCK and its family
  kIntoFile,            ///< home: writes a file on one server
  kSessionSetting,      ///< home: changes the session
  kServerLocal,         ///< home: speaks of one server or one connection
  kUnknownStatement,    ///< home: not understood
  kUncertainText,       ///< home: its text cannot be read with certainty
  kTemporaryTable,      ///< home: defines a temporary table
  kTransactionControl,  ///< proxy
  kKill,                ///< proxy
  kLockTables,          ///< home: the session asks there whether the client may lock the tables;
                        ///< proxy: LOCK or UNLOCK TABLES without effect: answer OK
  kEmptyStatement,      ///< proxy: error 1065
  kMultiStatement,      ///< proxy: several statements: route each by itself, or refuse
  kDdl,                 ///< ordered
  kAccounts,            ///< ordered
  kGlobalSetting,       ///< ordered
  kGuardedSetting,      ///< refuse: Consort owns this variable
  kNotSupported         ///< refuse
};

/// "safe_read", for /sessions, metrics and logs.
[[nodiscard]] std::string_view to_text(RouteReason reason);

/// What to answer a client whose statement is refused.
struct Refusal {
  std::uint16_t code = 0;
  std::string_view sqlstate;
  std::string message;
};

struct Route {
  Target target = Target::kHome;
  RouteReason reason = RouteReason::kUnknownStatement;
  PinReason pin = PinReason::kUnknownState;           ///< only for kPinned
  ReadFreshness freshness = ReadFreshness::kDefault;  ///< for kAnyFresh: the hint's wish
  std::string_view backend;                           ///< for kAnyFresh: the backend a hint names
  Refusal refusal;                                    ///< only for kRefuse
};

/// What an operator may decide.
struct RouterPolicy {
  /// LOCK TABLES is answered OK and does nothing.
  bool ignore_lock_tables = false;
};

/// Where `statement` goes. Views in the route point into the statement's text.
[[nodiscard]] Route decide(const Statement& statement,
                           const SessionTraits& session,
                           const RouterPolicy& policy = {});

}  // namespace consort::router
