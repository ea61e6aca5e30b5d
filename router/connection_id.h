// Puts a connection's number where a statement calls CONNECTION_ID(): the server would say the one
// of its own connection, which is another. Pure.
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"
#include "router/statement.h"

namespace consort::router {

/// The statement with its calls replaced. A column keeps its name: `SELECT CONNECTION_ID()` gets an
/// alias of this spelling, and so does an expression around a call where it surely has none.
/// nullopt: there is no call, the text cannot be cut with certainty, or the statement stores its
/// text for other sessions (DDL, programs).
[[nodiscard]] std::optional<std::string> with_connection_id(std::string_view sql,
                                                            const Statement& statement,
                                                            const LexerOptions& options,
                                                            std::uint32_t connection_id);

}  // namespace consort::router
