#include "healthcheck/server_link.h"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <errmsg.h>
#include <mutex>
#include <system_error>
#include <utility>

#include <mysql.h>
#include <mysqld_error.h>

#include "base/check.h"
#include "healthcheck/connect_error.h"

namespace consort::healthcheck {

namespace {

/// What libmariadb and the servers call these; not in every version's headers.
constexpr unsigned kTooManyConnections = 1040;
constexpr unsigned kTooManyUserConnections = 1203;
constexpr unsigned kUserLimitReached = 1226;
constexpr unsigned kAccountLocked = 4151;
constexpr unsigned kHostBlocked = 1129;
constexpr unsigned kHostNotPrivileged = 1130;
constexpr unsigned kMustChangePassword = 1820;
constexpr unsigned kServerShutdown = 1053;
constexpr unsigned kConnectionKilled = 1927;

/// The number in the last pair of parentheses: the errno of a failed connect.
int system_errno(std::string_view text) {
  const std::size_t open = text.rfind('(');
  int number = 0;
  if (open != std::string_view::npos) {
    const std::string_view tail = text.substr(open + 1);
    std::from_chars(tail.data(), tail.data() + tail.size(), number);
  }
  return number;
}

unsigned whole_seconds(Duration timeout) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(timeout).count();
  return seconds < 1 ? 1U : static_cast<unsigned>(seconds);
}

Error last_error(MYSQL* handle) {
  return Error{static_cast<int>(mysql_errno(handle)), mysql_error(handle)};
}

SqlRows read_rows(MYSQL_RES* result) {
  SqlRows out;
  const unsigned columns = mysql_num_fields(result);
  const MYSQL_FIELD* fields = mysql_fetch_fields(result);
  for (unsigned i = 0; i < columns; ++i) {
    out.columns.emplace_back(fields[i].name, fields[i].name_length);
  }
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    auto& cells = out.rows.emplace_back();
    cells.reserve(columns);
    for (unsigned i = 0; i < columns; ++i) {
      cells.push_back(row[i] == nullptr ? std::nullopt
                                        : std::optional<std::string>({row[i], lengths[i]}));
    }
  }
  return out;
}

/// With a CA file the library checks the chain, with VERIFY_SERVER_CERT the name too (measured with
/// Connector/C 3.3).
void set_tls(MYSQL* handle, const BackendTls& tls) {
  const my_bool on = tls.mode == TlsMode::kOff ? 0 : 1;
  const my_bool verify = tls.mode == TlsMode::kVerifyIdentity ? 1 : 0;
  mysql_optionsv(handle, MYSQL_OPT_SSL_ENFORCE, &on);
  mysql_optionsv(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
  if (tls.mode == TlsMode::kOff) {
    return;
  }
  if (!tls.files.ca.empty()) {
    mysql_optionsv(handle, MYSQL_OPT_SSL_CA, tls.files.ca.c_str());
  }
  if (!tls.files.certificate.empty()) {
    mysql_optionsv(handle, MYSQL_OPT_SSL_CERT, tls.files.certificate.c_str());
    mysql_optionsv(handle, MYSQL_OPT_SSL_KEY, tls.files.key.c_str());
  }
  const bool newest = tls.files.version_min == TlsVersion::kTls13;
  mysql_optionsv(handle, MARIADB_OPT_TLS_VERSION, newest ? "TLSv1.3" : "TLSv1.2,TLSv1.3");
}

}  // namespace

std::string SqlRows::first() const {
  return rows.empty() || rows[0].empty() ? std::string() : rows[0][0].value_or("");
}

ProbeFailure classify_error(unsigned number, std::string_view text) {
  switch (number) {
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
      return system_errno(text) == ECONNREFUSED || system_errno(text) == ENOENT
                 ? ProbeFailure::kRefused
                 : ProbeFailure::kConnectTimeout;
    case CR_UNKNOWN_HOST:
    case CR_IPSOCK_ERROR:
    case CR_SOCKET_CREATE_ERROR:
      return ProbeFailure::kConnectTimeout;
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case kServerShutdown:
    case kConnectionKilled:
      return ProbeFailure::kReset;
    case kTooManyConnections:
    case kTooManyUserConnections:
    case kUserLimitReached:
      return ProbeFailure::kOverloaded;
    case ER_ACCESS_DENIED_ERROR:
    case 1698:  // access denied without a password
    case kHostBlocked:
    case kHostNotPrivileged:
    case kMustChangePassword:
    case kAccountLocked:
    case CR_AUTH_PLUGIN_CANNOT_LOAD:
    case CR_SSL_CONNECTION_ERROR:
      return ProbeFailure::kLoginRefused;
    default:
      return ProbeFailure::kServerError;
  }
}

bool is_link_error(int number) {
  return (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) ||
         number == static_cast<int>(kConnectionKilled) ||
         number == static_cast<int>(kServerShutdown);
}

std::uint64_t cell_number(const std::optional<std::string>& cell) {
  std::uint64_t value = 0;
  if (cell) {
    std::from_chars(cell->data(), cell->data() + cell->size(), value);
  }
  return value;
}

std::string sql_literal(std::string_view text) {
  // Hexadecimal: no sql_mode and no character set can change what it means.
  constexpr char kDigits[] = "0123456789abcdef";
  if (text.empty()) {
    return "''";
  }
  std::string out = "_utf8mb4 x'";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  out.push_back('\'');
  return out;
}

void ServerLink::Closer::operator()(st_mysql* handle) const {
  mysql_close(handle);
}

ServerLink::ServerLink(LinkTarget target, LinkTimeouts timeouts)
    : target_(std::move(target)), timeouts_(timeouts) {}

ServerLink::~ServerLink() = default;

Status ServerLink::connect() {
  if (connected()) {
    return Ok{};
  }
  static std::once_flag once;  // the library's own initialisation is not safe between threads
  std::call_once(once, [] { mysql_server_init(0, nullptr, nullptr); });
  std::unique_ptr<st_mysql, Closer> handle(mysql_init(nullptr));
  CHECK(handle != nullptr);
  const unsigned connect_s = whole_seconds(timeouts_.connect);
  const unsigned read_s = whole_seconds(timeouts_.read);
  mysql_optionsv(handle.get(), MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
  mysql_optionsv(handle.get(), MYSQL_OPT_READ_TIMEOUT, &read_s);
  mysql_optionsv(handle.get(), MYSQL_OPT_WRITE_TIMEOUT, &read_s);
  mysql_optionsv(handle.get(), MYSQL_SET_CHARSET_NAME, "utf8mb4");
  const unsigned protocol = MYSQL_PROTOCOL_TCP;
  mysql_optionsv(handle.get(), MYSQL_OPT_PROTOCOL, &protocol);
  set_tls(handle.get(), target_.tls);
  const TimePoint began = std::chrono::steady_clock::now();
  if (mysql_real_connect(handle.get(), target_.host.c_str(), target_.user.c_str(),
                         target_.password.c_str(), nullptr, target_.port, nullptr, 0) == nullptr) {
    return connect_failure(last_error(handle.get()), std::chrono::steady_clock::now() - began);
  }
  // The library goes on without TLS where the server offers none, unless it checks identities.
  if (target_.tls.mode >= TlsMode::kRequired && mysql_get_ssl_cipher(handle.get()) == nullptr) {
    return Error{CR_SSL_CONNECTION_ERROR, "the server offers no TLS, which is required"};
  }
  handle_ = std::move(handle);
  // What may fail on some server or with few privileges stands alone and is not fatal; preflight
  // tells of missing privileges.
  for (const char* setting :
       {"SET SESSION sql_log_bin=0", "SET SESSION lock_wait_timeout=1, innodb_lock_wait_timeout=1",
        "SET SESSION autocommit=1, wait_timeout=31536000", "SET SESSION TRANSACTION READ WRITE"}) {
    const auto done = query(setting);
    if (!done.ok() && !connected()) {
      return done.error();
    }
  }
  return Ok{};
}

/// A failed TCP connect with the system's true error number in its text.
Error ServerLink::connect_failure(Error error, Duration took) const {
  constexpr Duration kSecondTryMax = std::chrono::milliseconds(200);
  const bool no_tcp = error.code == CR_CONNECTION_ERROR || error.code == CR_CONN_HOST_ERROR;
  if (no_tcp && took < timeouts_.connect) {
    const int number = connect_error(target_.host, target_.port, kSecondTryMax);
    error.message = "Can't connect to server on '" + target_.host + "' (" + std::to_string(number) +
                    " " + std::generic_category().message(number) + ")";
  }
  return error;
}

Result<SqlRows> ServerLink::query(std::string_view sql) {
  CHECK(connected());
  MYSQL* const handle = handle_.get();
  const auto failed = [this, handle] {
    Error error = last_error(handle);
    if (is_link_error(error.code)) {
      close();
    }
    return error;
  };
  if (mysql_real_query(handle, sql.data(), sql.size()) != 0) {
    return failed();
  }
  MYSQL_RES* const stored = mysql_store_result(handle);
  const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result(stored, mysql_free_result);
  if (result == nullptr) {
    if (mysql_field_count(handle) != 0) {
      return failed();
    }
    SqlRows out;
    out.affected_rows = mysql_affected_rows(handle);
    return out;
  }
  return read_rows(result.get());
}

void ServerLink::close() {
  handle_.reset();
}

ServerKind ServerLink::kind() const {
  CHECK(connected());
  return server_kind_of(mysql_get_server_info(handle_.get()));
}

std::uint64_t ServerLink::thread_id() const {
  return handle_ == nullptr ? 0 : mysql_thread_id(handle_.get());
}

}  // namespace consort::healthcheck
