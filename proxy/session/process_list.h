// SHOW PROCESSLIST and SHOW STATUS LIKE 'Threads_connected' as Consort's clients see them: their
// sessions, not the connections that one server has from Consort. The workers list their sessions,
// the asking one puts them together.
// Spec: MariaDB KB "SHOW PROCESSLIST"; columns and types as MariaDB 10.11 describes them.
// Threads: values, sent between workers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "router/lexer_options.h"

namespace consort::proxy {

/// One session, as of the moment its worker was asked.
struct ProcessRow {
  std::uint32_t id = 0;      ///< what KILL takes
  std::string user;          ///< as it logged in
  std::string host;          ///< with the port
  std::string schema;        ///< empty: NULL
  std::string_view command;  ///< lives for ever: "Query", "Sleep", ...
  Duration time{};           ///< in this state
  std::string state;
  std::optional<std::string> info;  ///< the statement that runs, kProcessInfoBytesMax at most
  std::uint64_t query_id = 0;       ///< of the last command: what KILL QUERY ID takes

  /// Where the statement runs now, if it does: the server knows better what its state is.
  struct Place {
    BackendId backend;
    std::uint64_t thread_id = 0;  ///< the server's connection; 0: it runs on none
  };

  Place place;

  /// What that server says of it.
  struct Effort {
    std::uint32_t stage = 0;
    std::uint32_t max_stage = 0;
    std::string progress = "0.000";  ///< per cent of the stage
    std::uint64_t memory_used = 0;   ///< bytes
    std::uint64_t max_memory_used = 0;
    std::uint64_t examined_rows = 0;
  };

  Effort effort;

  [[nodiscard]] std::int64_t time_s() const {
    return std::chrono::duration_cast<std::chrono::seconds>(time).count();
  }
};

/// The number of a command of the session `connection_id`, the `command`th of its client (the low
/// 32 bits count).
[[nodiscard]] constexpr std::uint64_t process_query_id(std::uint32_t connection_id,
                                                       std::uint32_t command) {
  return std::uint64_t{connection_id} << 32 | command;
}

/// Of a statement's text with FULL, and without.
inline constexpr std::size_t kProcessInfoBytesMax = 65535;
inline constexpr std::size_t kProcessInfoBytesShort = 100;

/// What `SHOW [FULL] PROCESSLIST` asks for; nullopt: `sql` is something else, or cannot be read
/// with certainty.
struct ProcessListRequest {
  bool full = false;
};

[[nodiscard]] std::optional<ProcessListRequest> process_list_request(
    std::string_view sql, const router::LexerOptions& options);

/// Is it `SHOW [GLOBAL|SESSION|LOCAL] STATUS LIKE 'Threads_connected'`?
[[nodiscard]] bool asks_threads_connected(std::string_view sql,
                                          const router::LexerOptions& options);

/// How the client wants to have it.
struct ProcessListFormat {
  bool full = false;
  bool binary = false;  ///< rows of the binary protocol
  std::uint64_t capabilities = 0;
  std::uint16_t collation = 45;  ///< of texts
  std::uint32_t bytes_of_character = 4;
  std::uint16_t status = 0;   ///< of the closing packet
  std::uint8_t sequence = 1;  ///< of the first packet
};

/// Appends the result set, ordered by id.
void append_process_list(Buffer& out,
                         std::vector<ProcessRow> rows,
                         const ProcessListFormat& format);

/// Appends the result set of the status variable; `format.full` means nothing.
void append_threads_connected(Buffer& out, std::size_t threads, const ProcessListFormat& format);

/// A CHECK, ANALYZE, OPTIMIZE or REPAIR TABLE that could not be done.
struct FailedMaintenance {
  std::string table;      ///< with its schema
  std::string_view word;  ///< "check"
  std::string why;
};

/// Appends its result set; `format.full` means nothing.
void append_failed_maintenance(Buffer& out,
                               const FailedMaintenance& failed,
                               const ProcessListFormat& format);

/// Name of a command, as a server shows it: 0x03 is "Query".
[[nodiscard]] std::string_view process_command(std::uint8_t command);

}  // namespace consort::proxy
