#include "protocol/sql_error.h"

namespace consort::protocol {
namespace {

SqlError make(std::uint16_t code, const char* state, std::string message) {
  return SqlError{code, state, std::move(message)};
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  out += text;
  out += "'";
  return out;
}

std::string denied_prefix(LoginName name) {
  return "Access denied for user " + quoted(name.user) + "@" + quoted(name.host);
}

}  // namespace

SqlError deadlock_error() {
  return make(sql_code::kDeadlock, "40001",
              "Deadlock found when trying to get lock; try restarting transaction");
}

SqlError access_denied_error(LoginName name, bool using_password) {
  return make(sql_code::kAccessDenied, "28000",
              denied_prefix(name) + " (using password: " + (using_password ? "YES" : "NO") + ")");
}

SqlError access_denied_error(LoginName name, std::string_view reason) {
  return make(sql_code::kAccessDenied, "28000", denied_prefix(name) + ": " + std::string(reason));
}

SqlError access_denied_error(LoginName name) {
  return make(sql_code::kAccessDeniedNoPassword, "28000", denied_prefix(name));
}

SqlError must_set_password_error() {
  return make(sql_code::kMustSetPassword, "HY000",
              "You must SET PASSWORD before executing this statement");
}

SqlError password_expired_error() {
  return make(
      sql_code::kPasswordExpired, "HY000",
      "Your password has expired. To log in you must change it using a client that supports "
      "expired passwords");
}

SqlError auth_mode_not_supported_error() {
  return make(sql_code::kAuthModeNotSupported, "08004",
              "Client does not support authentication protocol requested by server; consider "
              "upgrading MariaDB client");
}

SqlError host_is_blocked_error(std::string_view host, std::int64_t retry_s) {
  return make(sql_code::kHostIsBlocked, "HY000",
              "Host " + quoted(host) +
                  " is blocked because of many failed logins; it may try again in " +
                  std::to_string(retry_s) + " s");
}

SqlError aborted_connection_error(const AbortedConnection& aborted) {
  return make(sql_code::kAbortedConnection, "08S01",
              "Aborted connection " + std::to_string(aborted.id) +
                  " to db: " + quoted(aborted.schema) + " user: " + quoted(aborted.user) +
                  " host: " + quoted(aborted.host) + " (" + std::string(aborted.why) + ")");
}

SqlError user_is_blocked_error() {
  return make(sql_code::kUserIsBlocked, "HY000",
              "User is blocked because of too many credential errors; unblock with 'ALTER USER / "
              "FLUSH PRIVILEGES'");
}

SqlError account_locked_error() {
  return make(sql_code::kAccountLocked, "HY000", "Access denied, this account is locked");
}

SqlError account_locked_in_mysql_error(const LoginName& login) {
  return make(sql_code::kAccountLockedInMysql, "HY000",
              "Access denied for user " + quoted(login.user) + "@" + quoted(login.host) +
                  ". Account is locked.");
}

SqlError unknown_database_error(std::string_view database) {
  return make(sql_code::kUnknownDatabase, "42000", "Unknown database " + quoted(database));
}

SqlError unknown_command_error() {
  return make(sql_code::kUnknownCommand, "08S01", "Unknown command");
}

SqlError handshake_error(std::string_view reason) {
  std::string message = "Bad handshake";
  if (!reason.empty()) {
    message += ": ";
    message += reason;
  }
  return make(sql_code::kHandshakeError, "08S01", std::move(message));
}

SqlError packet_too_large_error() {
  return make(sql_code::kPacketTooLarge, "08S01",
              "Got a packet bigger than 'max_allowed_packet' bytes");
}

SqlError packets_out_of_order_error() {
  return make(sql_code::kPacketsOutOfOrder, "08S01", "Got packets out of order");
}

SqlError uncompress_error() {
  return make(sql_code::kUncompressError, "08S01", "Couldn't uncompress communication packet");
}

SqlError proxy_header_error() {
  return make(sql_code::kUnknownError, "HY000", "Failed to parse proxy header");
}

SqlError malformed_packet_error() {
  return make(sql_code::kMalformedPacket, "HY000", "Malformed communication packet");
}

SqlError not_supported_error(std::string_view what) {
  return make(sql_code::kNotSupported, "42000", "Consort doesn't yet support " + quoted(what));
}

SqlError guarded_setting_error(std::string_view setting) {
  return make(sql_code::kOptionPreventsStatement, "HY000",
              "The setting " + quoted(setting) + " is managed by Consort and cannot be changed");
}

SqlError too_many_connections_error() {
  return make(sql_code::kTooManyConnections, "08004", "Too many connections");
}

SqlError pool_exhausted_error(std::string_view reason) {
  return make(sql_code::kTooManyConnections, "HY000",
              "Too many connections: " + std::string(reason));
}

SqlError server_shutdown_error() {
  return make(sql_code::kServerShutdown, "08S01", "Server shutdown in progress");
}

SqlError connection_killed_error() {
  return make(sql_code::kConnectionKilled, "70100", "Connection was killed");
}

SqlError query_interrupted_error() {
  return make(sql_code::kQueryInterrupted, "70100", "Query execution was interrupted");
}

SqlError no_such_thread_error(std::uint64_t thread_id) {
  return make(sql_code::kNoSuchThread, "HY000", "Unknown thread id: " + std::to_string(thread_id));
}

SqlError not_thread_owner_error(std::uint64_t thread_id) {
  return make(sql_code::kNotThreadOwner, "HY000",
              "You are not owner of thread " + std::to_string(thread_id));
}

SqlError kill_user_denied_error(std::string_view user, std::string_view host) {
  return make(sql_code::kNotThreadOwner, "HY000",
              "Operation KILL USER failed for " + std::string(user) + "@" + std::string(host));
}

SqlError no_such_query_error(std::uint64_t query_id) {
  return make(1957, "HY000", "Unknown query id: " + std::to_string(query_id));
}

SqlError not_query_owner_error(std::uint64_t query_id) {
  return make(1979, "HY000", "You are not owner of query " + std::to_string(query_id));
}

SqlError kill_takes_no_query_error() {
  return make(1970, "42000", "KILL does not support subqueries or stored functions");
}

SqlError lock_wait_timeout_error() {
  return make(sql_code::kLockWaitTimeout, "HY000",
              "Lock wait timeout exceeded; try restarting transaction");
}

SqlError statement_timeout_error() {
  return make(sql_code::kStatementTimeout, "70100",
              "Query execution was interrupted (max_statement_time exceeded)");
}

SqlError backend_lost_error(std::string_view backend) {
  return make(sql_code::kNetReadError, "08S01",
              "Lost the connection to backend " + quoted(backend) + " during the query");
}

SqlError no_backend_error(std::string_view reason) {
  return make(sql_code::kUnknownError, "HY000",
              "No backend can serve this: " + std::string(reason));
}

SqlError unknown_outcome_error() {
  return make(sql_code::kUnknownError, "HY000",
              "No backend is there to execute this: whether it takes effect is decided when one is "
              "back");
}

SqlError no_open_cursor_error(std::uint32_t statement_id) {
  return make(1421, "HY000",
              "The statement (" + std::to_string(statement_id) + ") has no open cursor");
}

SqlError unsupported_prepared_error() {
  return make(1295, "HY000",
              "This command is not supported in the prepared statement protocol yet");
}

SqlError unknown_statement_error(std::uint32_t statement_id, std::string_view command) {
  return make(sql_code::kUnknownStatementHandler, "HY000",
              "Unknown prepared statement handler (" + std::to_string(statement_id) +
                  ") given to mysqld_stmt_" + std::string(command));
}

SqlError transaction_in_progress_error() {
  return make(sql_code::kTransactionInProgress, "25001",
              "Transaction characteristics can't be changed while a transaction is in progress");
}

SqlError too_many_statements_error(std::size_t statements_max) {
  return make(sql_code::kTooManyStatements, "42000",
              "Can't create more than " + std::to_string(statements_max) +
                  " prepared statements in one session");
}

}  // namespace consort::protocol
