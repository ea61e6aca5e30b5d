// SessionCore: commands that are no SQL and concern the server more than the session.
// What a command does on a server of its own the home does; what would make one server differ from
// the others, or read its log, is refused.
#include "proxy/session/session_core.h"

namespace consort::proxy {

using protocol::Command;
using router::Flag;
using router::Statement;
using router::StatementKind;

namespace {

/// Of COM_REFRESH: RESET SLAVE and RESET MASTER.
constexpr std::uint8_t kRefreshGrant = 1;
constexpr std::uint8_t kRefreshReplication = 64 | 128;

protocol::SqlError one_servers_own_error() {
  return {protocol::sql_code::kNotSupported, "42000",
          "This command concerns one server: connect to that server directly"};
}

}  // namespace

void SessionCore::on_server_command(Command kind, Bytes argument) {
  Statement statement;
  statement.kind = StatementKind::kShow;
  statement.flags.set(Flag::kReadsOnly);
  switch (kind) {
    case Command::kFieldList:
      statement.kind = StatementKind::kDescribe;
      run_command_at_home(statement);
      return;
    case Command::kStatistics:
    case Command::kProcessInfo:
    case Command::kDebug:
      run_command_at_home(statement);
      return;
    case Command::kRefresh:
      if (!argument.empty() && (argument[0] & kRefreshReplication) != 0) {
        reply_error(one_servers_own_error());
        return;
      }
      statement.kind = StatementKind::kFlush;
      statement.flags.set(Flag::kImplicitCommit);
      job_.flushes_privileges = !argument.empty() && (argument[0] & kRefreshGrant) != 0;
      run_command_at_home(statement);
      return;
    case Command::kShutdown:
    case Command::kBinlogDump:
    case Command::kRegisterSlave:
      reply_error(one_servers_own_error());
      return;
    default:  // COM_TIME, COM_CREATE_DB, COM_BINLOG_DUMP_GTID and the like: MariaDB knows none
      reply_error(protocol::unknown_command_error());
      return;
  }
}

void SessionCore::run_command_at_home(const Statement& statement) {
  if (transaction_.is(TransactionState::kMustAbort) && statement.has(Flag::kImplicitCommit)) {
    finish_aborted(statement);
    return;
  }
  if (read_lingers_) {
    read_lingers_ = false;
    give_back(Channel::kRead, true);
  }
  job_.statement_kind = statement.kind;
  run_at_home(statement, JobKind::kQuery);
}

}  // namespace consort::proxy
