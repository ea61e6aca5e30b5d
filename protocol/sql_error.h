// SqlError: an error as a client sees it, and the ones a proxy itself has to give.
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace consort::protocol {

/// `state` is five characters of SQLSTATE.
struct SqlError {
  std::uint16_t code = 1105;
  std::string state = "HY000";
  std::string message;
  friend bool operator==(const SqlError&, const SqlError&) = default;
};

/// Codes that code branches on.
namespace sql_code {
inline constexpr std::uint16_t kTooManyConnections = 1040;
inline constexpr std::uint16_t kHandshakeError = 1043;
inline constexpr std::uint16_t kDbAccessDenied = 1044;
inline constexpr std::uint16_t kAccessDenied = 1045;
inline constexpr std::uint16_t kNoDatabaseSelected = 1046;
inline constexpr std::uint16_t kUnknownCommand = 1047;
inline constexpr std::uint16_t kUnknownDatabase = 1049;
inline constexpr std::uint16_t kServerShutdown = 1053;
inline constexpr std::uint16_t kNoSuchThread = 1094;
inline constexpr std::uint16_t kNotThreadOwner = 1095;
inline constexpr std::uint16_t kUnknownError = 1105;
inline constexpr std::uint16_t kHostIsBlocked = 1129;
inline constexpr std::uint16_t kHostNotPrivileged = 1130;
inline constexpr std::uint16_t kPacketTooLarge = 1153;
inline constexpr std::uint16_t kPacketsOutOfOrder = 1156;
inline constexpr std::uint16_t kUncompressError = 1157;
inline constexpr std::uint16_t kNetReadError = 1158;
inline constexpr std::uint16_t kTooManyUserConnections = 1203;
inline constexpr std::uint16_t kLockWaitTimeout = 1205;
inline constexpr std::uint16_t kWrongArguments = 1210;
inline constexpr std::uint16_t kDeadlock = 1213;
inline constexpr std::uint16_t kNotSupported = 1235;
inline constexpr std::uint16_t kUnknownStatementHandler = 1243;
inline constexpr std::uint16_t kOptionPreventsStatement = 1290;
inline constexpr std::uint16_t kAuthModeNotSupported = 1251;
inline constexpr std::uint16_t kQueryInterrupted = 1317;
inline constexpr std::uint16_t kTooManyStatements = 1461;
inline constexpr std::uint16_t kTransactionInProgress = 1568;
inline constexpr std::uint16_t kAccessDeniedNoPassword = 1698;
inline constexpr std::uint16_t kMustSetPassword = 1820;
inline constexpr std::uint16_t kMalformedPacket = 1835;
inline constexpr std::uint16_t kPasswordExpired = 1862;
inline constexpr std::uint16_t kConnectionKilled = 1927;
inline constexpr std::uint16_t kStatementTimeout = 1969;
inline constexpr std::uint16_t kAbortedConnection = 1184;
inline constexpr std::uint16_t kUserIsBlocked = 4150;
inline constexpr std::uint16_t kAccountLocked = 4151;
inline constexpr std::uint16_t kAccountLockedInMysql = 3118;
}  // namespace sql_code

/// Who tried to log in, for messages.
struct LoginName {
  std::string_view user;
  std::string_view host;
};

/// 1213: the transaction lost certification or was aborted; the application retries it.
[[nodiscard]] SqlError deadlock_error();
/// 1045, worded like a server's.
[[nodiscard]] SqlError access_denied_error(LoginName name, bool using_password);
/// 1045 with a reason of our own behind the user's name.
[[nodiscard]] SqlError access_denied_error(LoginName name, std::string_view reason);
/// A literal would be taken for a bool.
SqlError access_denied_error(LoginName name, const char* reason) = delete;
/// 1698: as access_denied_error(), of an account that no password opens.
[[nodiscard]] SqlError access_denied_error(LoginName name);
/// 1820.
[[nodiscard]] SqlError must_set_password_error();
/// 1862.
[[nodiscard]] SqlError password_expired_error();
/// 1251: the account's plugin is beyond the client.
[[nodiscard]] SqlError auth_mode_not_supported_error();
/// 1129; `retry_s`: when it may come again, in seconds.
[[nodiscard]] SqlError host_is_blocked_error(std::string_view host, std::int64_t retry_s);

struct AbortedConnection {
  std::uint32_t id = 0;
  std::string_view schema;
  std::string_view user;
  std::string_view host;
  std::string_view why;
};

/// 1184.
[[nodiscard]] SqlError aborted_connection_error(const AbortedConnection& aborted);
/// 4150: max_password_errors.
[[nodiscard]] SqlError user_is_blocked_error();
/// 4151.
[[nodiscard]] SqlError account_locked_error();
/// 3118: what MySQL says.
[[nodiscard]] SqlError account_locked_in_mysql_error(const LoginName& login);
/// 1049.
[[nodiscard]] SqlError unknown_database_error(std::string_view database);
/// 1047.
[[nodiscard]] SqlError unknown_command_error();
/// 1043; `reason` may be empty.
[[nodiscard]] SqlError handshake_error(std::string_view reason);
/// 1153.
[[nodiscard]] SqlError packet_too_large_error();
/// 1156.
[[nodiscard]] SqlError packets_out_of_order_error();
/// 1157.
[[nodiscard]] SqlError uncompress_error();
/// 1105, as MariaDB says it.
[[nodiscard]] SqlError proxy_header_error();
/// 1835: the packet's contents cannot be read.
[[nodiscard]] SqlError malformed_packet_error();
/// 1235: `what` names what is not supported yet.
[[nodiscard]] SqlError not_supported_error(std::string_view what);
/// 1290: a setting that the proxy owns.
[[nodiscard]] SqlError guarded_setting_error(std::string_view setting);
/// 1040.
[[nodiscard]] SqlError too_many_connections_error();
/// 1040 inside a session: no connection to a backend is free. Not 08004: the client's connection is
/// well, and drivers close one whose SQLSTATE begins with 08.
[[nodiscard]] SqlError pool_exhausted_error(std::string_view reason);
/// 1053.
[[nodiscard]] SqlError server_shutdown_error();
/// 1927: the session was ended by KILL or by an administrator.
[[nodiscard]] SqlError connection_killed_error();
/// 1317: KILL QUERY.
[[nodiscard]] SqlError query_interrupted_error();
/// 1094.
[[nodiscard]] SqlError no_such_thread_error(std::uint64_t thread_id);
/// 1095.
[[nodiscard]] SqlError not_thread_owner_error(std::uint64_t thread_id);
/// 1095, of KILL USER.
[[nodiscard]] SqlError kill_user_denied_error(std::string_view user, std::string_view host);
/// 1957.
[[nodiscard]] SqlError no_such_query_error(std::uint64_t query_id);
/// 1979.
[[nodiscard]] SqlError not_query_owner_error(std::uint64_t query_id);
/// 1970.
[[nodiscard]] SqlError kill_takes_no_query_error();
/// 1205.
[[nodiscard]] SqlError lock_wait_timeout_error();
/// 1969: max_statement_time.
[[nodiscard]] SqlError statement_timeout_error();
/// 1158, state 08S01: a backend went away in the middle of a reply that cannot be repeated. What a
/// client library reports as 2013.
[[nodiscard]] SqlError backend_lost_error(std::string_view backend);
/// 1105: no backend can serve this; `reason` says why.
[[nodiscard]] SqlError no_backend_error(std::string_view reason);
/// 1105: a statement that all backends execute in one order waited for too long.
[[nodiscard]] SqlError unknown_outcome_error();
/// 1243: a statement id the client never got or has closed.
[[nodiscard]] SqlError unknown_statement_error(std::uint32_t statement_id,
                                               std::string_view command);
/// 1421. To COM_STMT_FETCH.
[[nodiscard]] SqlError no_open_cursor_error(std::uint32_t statement_id);
/// 1295, as for what cannot be executed in bulk.
[[nodiscard]] SqlError unsupported_prepared_error();
/// 1568.
[[nodiscard]] SqlError transaction_in_progress_error();
/// 1461.
[[nodiscard]] SqlError too_many_statements_error(std::size_t statements_max);

}  // namespace consort::protocol
