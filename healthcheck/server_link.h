// ServerLink: one blocking connection to a backend with the service account (libmariadb).
// Every call returns within its timeouts, except for name resolution, which has the resolver's.
// Threads: one at a time; the owner's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/server_kind.h"
#include "base/tls_options.h"
#include "healthcheck/probe.h"

struct st_mysql;

namespace consort::healthcheck {

/// Where a backend is and who we are there.
struct LinkTarget {
  std::string host;
  std::uint16_t port = 3306;
  std::string user;
  std::string password;
  BackendTls tls;
};

/// libmariadb counts whole seconds: fractions are rounded up.
struct LinkTimeouts {
  Duration connect = std::chrono::seconds(2);
  Duration read = std::chrono::seconds(2);
};

/// A result set, or what a statement without one did. Cells are nullopt for NULL.
struct SqlRows {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::uint64_t affected_rows = 0;

  /// The only cell that is wanted often; empty when absent or NULL.
  [[nodiscard]] std::string first() const;
};

/// Which ProbeFailure a client or server error number means. `text` is mysql_error()'s, which hides
/// the system's error number of a failed connect.
[[nodiscard]] ProbeFailure classify_error(unsigned number, std::string_view text);

/// The error means that the connection is of no use any more.
[[nodiscard]] bool is_link_error(int number);

/// ER_NO_SUCH_THREAD: what KILL answers when nobody is there.
inline constexpr int kNoSuchThread = 1094;

/// `text` as an SQL string literal with quotes, safe under any sql_mode.
[[nodiscard]] std::string sql_literal(std::string_view text);

/// The table of the connections, with ID, COMMAND and STATE.
[[nodiscard]] constexpr std::string_view process_table(ServerKind kind) {
  return kind == ServerKind::kMysql ? "performance_schema.processlist"
                                    : "information_schema.PROCESSLIST";
}

/// The number in a cell of a result; 0: NULL, or no number.
[[nodiscard]] std::uint64_t cell_number(const std::optional<std::string>& cell);

class ServerLink {
 public:
  ServerLink(LinkTarget target, LinkTimeouts timeouts);
  ~ServerLink();
  ServerLink(const ServerLink&) = delete;
  ServerLink& operator=(const ServerLink&) = delete;

  /// Connects when not connected. Error::code is the client's or server's error number. The session
  /// gets sql_log_bin=0 and short lock waits, so that nothing on it is replicated or hangs.
  [[nodiscard]] Status connect();

  /// Runs one statement. Error::code is the error number; after a link error the link is closed.
  /// REQUIRES: connected().
  [[nodiscard]] Result<SqlRows> query(std::string_view sql);

  void close();

  [[nodiscard]] bool connected() const { return handle_ != nullptr; }

  [[nodiscard]] const LinkTimeouts& timeouts() const { return timeouts_; }

  /// What the server calls itself. REQUIRES: connected().
  [[nodiscard]] ServerKind kind() const;

  /// For code that speaks to libmariadb itself. Null when not connected.
  [[nodiscard]] st_mysql* handle() const { return handle_.get(); }

  /// The server's id of this connection; 0 when not connected.
  [[nodiscard]] std::uint64_t thread_id() const;

 private:
  struct Closer {
    void operator()(st_mysql* handle) const;
  };

  [[nodiscard]] Error connect_failure(Error error, Duration took) const;

  LinkTarget target_;
  LinkTimeouts timeouts_;
  std::unique_ptr<st_mysql, Closer> handle_;
};

}  // namespace consort::healthcheck
