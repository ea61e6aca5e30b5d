// Puts values of the session where a statement calls CONNECTION_ID(), ROW_COUNT() or FOUND_ROWS(),
// or names @@pseudo_thread_id, @@session_track_schema, @@session_track_system_variables,
// @@read_only, @@event_scheduler or @@init_connect: the server would say those of its own
// connection, or its own, which are others. Pure. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"
#include "router/statement.h"

namespace consort::router {

/// What the session has to say; a call without a value here stays the server's.
struct SessionValues {
  std::optional<std::uint32_t> connection_id;  ///< CONNECTION_ID(), @@pseudo_thread_id
  std::optional<std::int64_t> row_count;       ///< ROW_COUNT()
  /// Expressions for @@session_track_schema and @@session_track_system_variables; empty: theirs.
  std::string track_schema = {};
  std::string track_variables = {};
  std::string read_only = {};                    ///< @@read_only; empty: the server's
  std::string event_scheduler = {};              ///< the same for @@event_scheduler
  std::string init_connect = {};                 ///< and for @@init_connect
  std::optional<std::uint64_t> found_rows = {};  ///< FOUND_ROWS()
};

/// The statement with its calls and variables replaced. A column keeps its name: `SELECT
/// CONNECTION_ID()` gets an alias of this spelling, and so does an expression around a call where
/// it surely has none. nullopt: there is no call, the text cannot be cut with certainty, or the
/// statement stores its text for other sessions (DDL, programs).
[[nodiscard]] std::optional<std::string> with_session_values(std::string_view sql,
                                                             const Statement& statement,
                                                             const LexerOptions& options,
                                                             const SessionValues& values);

}  // namespace consort::router
