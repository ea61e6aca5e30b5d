#include "router/statement.h"

namespace consort::router {

std::string_view to_text(StatementKind kind) {
  switch (kind) {
    case StatementKind::kEmpty:
      return "empty";
    case StatementKind::kUnknown:
      return "unknown";
    case StatementKind::kSelect:
      return "select";
    case StatementKind::kInsert:
      return "insert";
    case StatementKind::kUpdate:
      return "update";
    case StatementKind::kDelete:
      return "delete";
    case StatementKind::kReplace:
      return "replace";
    case StatementKind::kLoadData:
      return "load_data";
    case StatementKind::kCall:
      return "call";
    case StatementKind::kDo:
      return "do";
    case StatementKind::kBegin:
      return "begin";
    case StatementKind::kCommit:
      return "commit";
    case StatementKind::kRollback:
      return "rollback";
    case StatementKind::kSavepoint:
      return "savepoint";
    case StatementKind::kReleaseSavepoint:
      return "release_savepoint";
    case StatementKind::kRollbackToSavepoint:
      return "rollback_to_savepoint";
    case StatementKind::kSetAutocommit:
      return "set_autocommit";
    case StatementKind::kSetTransaction:
      return "set_transaction";
    case StatementKind::kSetSession:
      return "set_session";
    case StatementKind::kSetUserVariable:
      return "set_user_variable";
    case StatementKind::kSetNames:
      return "set_names";
    case StatementKind::kSetPassword:
      return "set_password";
    case StatementKind::kSetRole:
      return "set_role";
    case StatementKind::kUse:
      return "use";
    case StatementKind::kDdl:
      return "ddl";
    case StatementKind::kAccount:
      return "account";
    case StatementKind::kLockTables:
      return "lock_tables";
    case StatementKind::kUnlockTables:
      return "unlock_tables";
    case StatementKind::kFlush:
      return "flush";
    case StatementKind::kAnalyze:
      return "analyze";
    case StatementKind::kOptimize:
      return "optimize";
    case StatementKind::kCheck:
      return "check";
    case StatementKind::kRepair:
      return "repair";
    case StatementKind::kChecksum:
      return "checksum";
    case StatementKind::kIndexCache:
      return "index_cache";
    case StatementKind::kShow:
      return "show";
    case StatementKind::kExplain:
      return "explain";
    case StatementKind::kDescribe:
      return "describe";
    case StatementKind::kHelp:
      return "help";
    case StatementKind::kPrepareText:
      return "prepare_text";
    case StatementKind::kExecuteText:
      return "execute_text";
    case StatementKind::kDeallocateText:
      return "deallocate_text";
    case StatementKind::kHandler:
      return "handler";
    case StatementKind::kXa:
      return "xa";
    case StatementKind::kKill:
      return "kill";
    case StatementKind::kShutdown:
      return "shutdown";
    case StatementKind::kServerAdmin:
      return "server_admin";
    case StatementKind::kBinlog:
      return "binlog";
    case StatementKind::kDiagnostics:
      return "diagnostics";
    case StatementKind::kCompound:
      return "compound";
  }
  return "unknown";
}

std::string_view to_text(Flag flag) {
  switch (flag) {
    case Flag::kReadsOnly:
      return "reads_only";
    case Flag::kTouchesTables:
      return "touches_tables";
    case Flag::kImplicitCommit:
      return "implicit_commit";
    case Flag::kMultiStatement:
      return "multi_statement";
    case Flag::kLockingRead:
      return "locking_read";
    case Flag::kIntoOutfile:
      return "into_outfile";
    case Flag::kIntoVariable:
      return "into_variable";
    case Flag::kReadsUserVariable:
      return "reads_user_variable";
    case Flag::kAssignsUserVariable:
      return "assigns_user_variable";
    case Flag::kLastInsertId:
      return "last_insert_id";
    case Flag::kSetsLastInsertId:
      return "sets_last_insert_id";
    case Flag::kFoundRows:
      return "found_rows";
    case Flag::kCalcFoundRows:
      return "calc_found_rows";
    case Flag::kRowCount:
      return "row_count";
    case Flag::kDiagnostics:
      return "diagnostics";
    case Flag::kConnectionId:
      return "connection_id";
    case Flag::kTracking:
      return "tracking";
    case Flag::kUserLock:
      return "user_lock";
    case Flag::kTakesUserLock:
      return "takes_user_lock";
    case Flag::kReleasesUserLocks:
      return "releases_user_locks";
    case Flag::kSessionState:
      return "session_state";
    case Flag::kInnerQuery:
      return "inner_query";
    case Flag::kUnknownFunction:
      return "unknown_function";
    case Flag::kSequence:
      return "sequence";
    case Flag::kTemporary:
      return "temporary";
    case Flag::kCreateSelect:
      return "create_select";
    case Flag::kLocalInfile:
      return "local_infile";
    case Flag::kSetsAutocommit:
      return "sets_autocommit";
    case Flag::kSetsGlobal:
      return "sets_global";
    case Flag::kGuardedSetting:
      return "guarded_setting";
    case Flag::kSetStatement:
      return "set_statement";
    case Flag::kExecutesInner:
      return "executes_inner";
    case Flag::kReturnsRows:
      return "returns_rows";
    case Flag::kCurrentUser:
      return "current_user";
    case Flag::kCreatorsRole:
      return "creators_role";
    case Flag::kLocksTables:
      return "locks_tables";
    case Flag::kOpensHandler:
      return "opens_handler";
    case Flag::kClosesHandler:
      return "closes_handler";
    case Flag::kServerLocal:
      return "server_local";
    case Flag::kPlaceholders:
      return "placeholders";
    case Flag::kConditionalComment:
      return "conditional_comment";
    case Flag::kUncertain:
      return "uncertain";
  }
  return "unknown";
}

std::string identifier_text(std::string_view inside_quotes) {
  std::string text;
  text.reserve(inside_quotes.size());
  for (std::size_t i = 0; i < inside_quotes.size(); ++i) {
    text.push_back(inside_quotes[i]);
    const bool doubled =
        inside_quotes[i] == '`' && i + 1 < inside_quotes.size() && inside_quotes[i + 1] == '`';
    if (doubled) {
      ++i;
    }
  }
  return text;
}

}  // namespace consort::router
