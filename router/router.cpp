#include "router/router.h"

#include <optional>
#include <utility>

#include "router/global_settings.h"
#include "router/token.h"

namespace consort::router {
namespace {

constexpr std::uint16_t kNotSupportedYet = 1235;       // ER_NOT_SUPPORTED_YET
constexpr std::uint16_t kViewOfTemporaryTable = 1352;  // ER_VIEW_SELECT_TMPTABLE
constexpr std::uint16_t kNotSettable = 1238;           // ER_INCORRECT_GLOBAL_LOCAL_VAR

Route route(Target target, RouteReason reason) {
  Route result;
  result.target = target;
  result.reason = reason;
  return result;
}

Route home(RouteReason reason) {
  return route(Target::kHome, reason);
}

Route refuse(std::string message) {
  Route result = route(Target::kRefuse, RouteReason::kNotSupported);
  result.refusal = {kNotSupportedYet, "42000", std::move(message)};
  return result;
}

bool is_kept_global(const Statement& statement) {
  if (statement.kind == StatementKind::kSetTransaction) {
    return true;
  }
  for (const SetItem& item : statement.settings) {
    if (item.name.data() == statement.name.data()) {
      return item.scope == SetScope::kGlobal;
    }
  }
  return false;
}

Route refuse_guarded(const Statement& statement) {
  Route result = route(Target::kRefuse, RouteReason::kGuardedSetting);
  std::string message = "Variable '" + std::string(statement.name) + "' ";
  if (is_kept_global(statement)) {
    message += "cannot be SET GLOBAL through Consort: ";
    message += why_global_is_kept(statement.name);
  } else {
    message += "belongs to Consort and cannot be set by a client";
  }
  result.refusal = {kNotSettable, "HY000", std::move(message)};
  return result;
}

/// What of a SET GLOBAL cannot be carried to the other servers.
std::optional<Route> global_refusal(const Statement& statement) {
  if (statement.has(Flag::kSetsAutocommit)) {
    return refuse("Consort does not take SET GLOBAL and SET autocommit in one statement");
  }
  if (statement.flags.has_any({Flag::kUnknownFunction, Flag::kTouchesTables})) {
    return refuse("Consort does not take SET GLOBAL with tables or stored functions in a value");
  }
  if (statement.has(Flag::kPlaceholders)) {
    return refuse("Consort does not take SET GLOBAL with parameters: spell the value out");
  }
  if (statement.settings.overflowed()) {
    return refuse("Consort takes at most " + std::to_string(kSettingsMax) +
                  " assignments in one SET GLOBAL");
  }
  for (const SetItem& item : statement.settings) {
    if (item.scope == SetScope::kGlobal && statement.settings.size() > 1 &&
        own_global(item.name) != OwnGlobal::kNone) {
      return refuse("Consort takes SET GLOBAL " + std::string(item.name) +
                    " in a statement of its own only");
    }
    if (item.scope == SetScope::kGlobal && item.name.find('.') != std::string_view::npos &&
        cache_variable(item.name).name.empty()) {
      return refuse(
          "Consort takes SET GLOBAL of a key cache's variables only, and of caches whose "
          "names are letters, digits and underscores");
    }
  }
  return std::nullopt;
}

std::optional<Route> lock_tables(const Statement& statement, const RouterPolicy& policy) {
  if (policy.ignore_lock_tables) {
    return route(Target::kProxy, RouteReason::kLockTables);
  }
  if (statement.flags.has_any({Flag::kUncertain, Flag::kMultiStatement})) {
    return refuse("This LOCK TABLES cannot be read with certainty");
  }
  return std::nullopt;
}

/// What the statement may not do at all, whatever the session's state.
std::optional<Route> refusal(const Statement& statement,
                             const SessionTraits& session,
                             const RouterPolicy& policy) {
  if (statement.has(Flag::kGuardedSetting)) {
    return refuse_guarded(statement);
  }
  if (statement.has(Flag::kSetsGlobal)) {
    if (std::optional<Route> refused = global_refusal(statement)) {
      return refused;
    }
  }
  if (statement.has(Flag::kCurrentUser) || (statement.has(Flag::kCreatorsRole) && !session.mysql)) {
    return refuse(
        "Name the account (SET PASSWORD FOR .., SET DEFAULT ROLE .. FOR .., CREATE ROLE .. WITH "
        "ADMIN ..): every server executes this statement, as an account of its own");
  }
  switch (statement.kind) {
    case StatementKind::kXa:
      return refuse("XA statements are Consort's own: use BEGIN and COMMIT");
    case StatementKind::kShutdown:
    case StatementKind::kServerAdmin:
    case StatementKind::kBinlog:
      return refuse("This statement concerns one server: connect to that server directly");
    case StatementKind::kLockTables:
      return lock_tables(statement, policy);
    default:
      return std::nullopt;
  }
}

/// Where the text's quotes or comments leave a doubt, rows may be touched, inside a branch that can
/// be rolled back; what all backends must execute alike may not.
Route uncertain(const Statement& statement) {
  if (is_ordered(statement.kind) || statement.has(Flag::kSetsGlobal)) {
    return refuse(
        "This statement cannot be read with certainty in the session's sql_mode and character set");
  }
  return home(RouteReason::kUncertainText);
}

/// A temporary table is its session's own business. What every backend executes must not name one:
/// there another table has that name, or none.
Route ddl(const Statement& statement, const SessionTraits& session) {
  if (session.mysql && statement.ddl.object == DdlObject::kEvent) {
    return refuse("Consort runs no events where a server is MySQL");
  }
  if (statement.has(Flag::kTemporary) || session.ddl_subjects == DdlSubjects::kTemporary) {
    return home(RouteReason::kTemporaryTable);
  }
  if (session.ddl_subjects == DdlSubjects::kPlain ||
      session.ddl_subjects == DdlSubjects::kSeparable) {
    return route(Target::kOrdered, RouteReason::kDdl);
  }
  if (statement.ddl.object == DdlObject::kView) {
    Route result = refuse("View's SELECT refers to a temporary table");
    result.refusal.code = kViewOfTemporaryTable;
    result.refusal.sqlstate = "HY000";
    return result;
  }
  return refuse(
      "Temporary tables and others in one statement: the other servers have no such temporary "
      "table. Rename them in statements of their own; for CREATE TABLE .. LIKE spell the "
      "columns out");
}

/// Statements that neither read nor write rows on a backend of the session's choice.
std::optional<Route> session_matter(const Statement& statement, const SessionTraits& session) {
  if (statement.has(Flag::kSetsGlobal)) {
    return route(Target::kOrdered, RouteReason::kGlobalSetting);
  }
  switch (statement.kind) {
    case StatementKind::kEmpty:
      return route(Target::kProxy, RouteReason::kEmptyStatement);
    case StatementKind::kBegin:
    case StatementKind::kCommit:
    case StatementKind::kRollback:
      return route(Target::kProxy, RouteReason::kTransactionControl);
    case StatementKind::kKill:
      return route(Target::kProxy, RouteReason::kKill);
    case StatementKind::kAccount:
    case StatementKind::kSetPassword:
      return route(Target::kOrdered, RouteReason::kAccounts);
    case StatementKind::kDdl:
      return ddl(statement, session);
    case StatementKind::kLockTables:
      return home(RouteReason::kLockTables);
    case StatementKind::kUnlockTables:
      return session.pins.has(PinReason::kLockedTables)
                 ? home(RouteReason::kServerLocal)
                 : route(Target::kProxy, RouteReason::kLockTables);
    default:
      return std::nullopt;
  }
}

/// Does its text read @variables, or information_schema.USER_VARIABLES?
bool reads_user_variables(const Statement& statement) {
  constexpr std::string_view kName = "user_variables";
  if (statement.has(Flag::kReadsUserVariable)) {
    return true;
  }
  for (const TableRef& table : statement.tables) {
    if (equals_ignoring_case(table.name, kName)) {
      return true;
    }
  }
  return false;
}

/// Why a statement that changes no data still needs its session's connection.
std::optional<RouteReason> session_dependence(const Statement& statement) {
  const Flags& flags = statement.flags;
  if (flags.has_any({Flag::kUserLock, Flag::kTakesUserLock})) {
    return RouteReason::kUserLock;
  }
  if (flags.has_any({Flag::kLastInsertId, Flag::kSetsLastInsertId, Flag::kFoundRows,
                     Flag::kCalcFoundRows, Flag::kRowCount, Flag::kDiagnostics, Flag::kConnectionId,
                     Flag::kSessionState})) {
    return RouteReason::kSessionDependent;
  }
  if (flags.has_any({Flag::kAssignsUserVariable, Flag::kIntoVariable})) {
    return RouteReason::kUserVariable;
  }
  if (flags.has(Flag::kIntoOutfile)) {
    return RouteReason::kIntoFile;
  }
  if (flags.has(Flag::kLockingRead)) {
    return RouteReason::kLockingRead;
  }
  if (flags.has(Flag::kServerLocal)) {
    return RouteReason::kServerLocal;
  }
  return std::nullopt;
}

RouteReason write_reason(const Statement& statement) {
  if (statement.kind == StatementKind::kUnknown) {
    return RouteReason::kUnknownStatement;
  }
  if (statement.has(Flag::kSequence)) {
    return RouteReason::kSequence;
  }
  const bool reads_otherwise = statement.kind == StatementKind::kSelect ||
                               statement.kind == StatementKind::kDo ||
                               statement.kind == StatementKind::kExplain;
  return reads_otherwise && statement.has(Flag::kUnknownFunction) ? RouteReason::kUnknownFunction
                                                                  : RouteReason::kWrite;
}

bool may_leave_home(StatementKind kind) {
  switch (kind) {
    case StatementKind::kSelect:
    case StatementKind::kDo:
    case StatementKind::kShow:
    case StatementKind::kExplain:
    case StatementKind::kDescribe:
    case StatementKind::kHelp:
    case StatementKind::kChecksum:
      return true;
    default:
      return false;
  }
}

RouteReason home_only_reason(StatementKind kind) {
  switch (kind) {
    case StatementKind::kSetAutocommit:
    case StatementKind::kSetTransaction:
    case StatementKind::kSetSession:
    case StatementKind::kSetUserVariable:
    case StatementKind::kSetNames:
    case StatementKind::kSetRole:
    case StatementKind::kUse:
    case StatementKind::kPrepareText:
    case StatementKind::kDeallocateText:
      return RouteReason::kSessionSetting;
    case StatementKind::kSavepoint:
    case StatementKind::kReleaseSavepoint:
    case StatementKind::kRollbackToSavepoint:
      return RouteReason::kTransaction;
    case StatementKind::kDiagnostics:
      return RouteReason::kSessionDependent;
    default:
      return RouteReason::kServerLocal;
  }
}

Route pinned(PinReason pin) {
  Route result = home(RouteReason::kPinned);
  result.pin = pin;
  return result;
}

/// A statement that changes no data and could run anywhere, if the session lets it.
Route route_read(const Statement& statement, const SessionTraits& session) {
  if (session.in_transaction) {
    return home(RouteReason::kTransaction);
  }
  if (!session.autocommit && statement.has(Flag::kTouchesTables)) {
    return home(RouteReason::kAutocommitOff);
  }
  if (const std::optional<RouteReason> reason = session_dependence(statement)) {
    return home(*reason);
  }
  if (session.user_variables && reads_user_variables(statement)) {
    return home(RouteReason::kUserVariable);
  }
  if (!session.pins.empty()) {
    return pinned(session.pins.first());
  }
  if (statement.hints.home) {
    return home(RouteReason::kHint);
  }
  const bool hinted =
      statement.hints.read != ReadFreshness::kDefault || !statement.hints.backend.empty();
  Route result = route(Target::kAnyFresh, hinted ? RouteReason::kHint : RouteReason::kSafeRead);
  result.freshness = statement.hints.read;
  result.backend = statement.hints.backend;
  return result;
}

}  // namespace

Route decide(const Statement& statement, const SessionTraits& session, const RouterPolicy& policy) {
  if (std::optional<Route> refused = refusal(statement, session, policy)) {
    return *std::move(refused);
  }
  if (statement.has(Flag::kMultiStatement)) {
    return route(Target::kProxy, RouteReason::kMultiStatement);
  }
  if (statement.has(Flag::kUncertain)) {
    return uncertain(statement);
  }
  if (std::optional<Route> own = session_matter(statement, session)) {
    return *std::move(own);
  }
  if (statement.may_write()) {
    return home(session.in_transaction ? RouteReason::kTransaction : write_reason(statement));
  }
  if (!may_leave_home(statement.kind)) {
    return home(home_only_reason(statement.kind));
  }
  return route_read(statement, session);
}

}  // namespace consort::router
