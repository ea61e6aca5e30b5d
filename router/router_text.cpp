#include "router/router.h"

namespace consort::router {

std::string_view to_text(Target target) {
  switch (target) {
    case Target::kAnyFresh:
      return "any_fresh";
    case Target::kHome:
      return "home";
    case Target::kProxy:
      return "proxy";
    case Target::kOrdered:
      return "ordered";
    case Target::kRefuse:
      return "refuse";
  }
  return "home";
}

std::string_view to_text(RouteReason reason) {
  switch (reason) {
    case RouteReason::kSafeRead:
      return "safe_read";
    case RouteReason::kTransaction:
      return "transaction";
    case RouteReason::kAutocommitOff:
      return "autocommit_off";
    case RouteReason::kPinned:
      return "pinned";
    case RouteReason::kHint:
      return "hint";
    case RouteReason::kWrite:
      return "write";
    case RouteReason::kLockingRead:
      return "locking_read";
    case RouteReason::kUnknownFunction:
      return "unknown_function";
    case RouteReason::kSequence:
      return "sequence";
    case RouteReason::kSessionDependent:
      return "session_dependent";
    case RouteReason::kUserVariable:
      return "user_variable";
    case RouteReason::kUserLock:
      return "user_lock";
    case RouteReason::kIntoFile:
      return "into_file";
    case RouteReason::kSessionSetting:
      return "session_setting";
    case RouteReason::kServerLocal:
      return "server_local";
    case RouteReason::kUnknownStatement:
      return "unknown_statement";
    case RouteReason::kUncertainText:
      return "uncertain_text";
    case RouteReason::kTemporaryTable:
      return "temporary_table";
    case RouteReason::kTransactionControl:
      return "transaction_control";
    case RouteReason::kKill:
      return "kill";
    case RouteReason::kLockTables:
      return "lock_tables";
    case RouteReason::kEmptyStatement:
      return "empty_statement";
    case RouteReason::kMultiStatement:
      return "multi_statement";
    case RouteReason::kDdl:
      return "ddl";
    case RouteReason::kAccounts:
      return "accounts";
    case RouteReason::kGlobalSetting:
      return "global_setting";
    case RouteReason::kGuardedSetting:
      return "guarded_setting";
    case RouteReason::kNotSupported:
      return "not_supported";
  }
  return "unknown_statement";
}

}  // namespace consort::router
