// Puts another table in the place of information_schema.PROCESSLIST where a statement reads it: a
// server would list its own connections. Pure.
// Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"
#include "router/statement.h"

namespace consort::router {

/// Some table has that name, in whatever schema.
[[nodiscard]] bool names_process_table(const Statement& statement);

/// The statement reads that table by name, and its text may be changed: no definition (a view, a
/// program) keeps it. `schema`: the session's, in which an unqualified name is meant. Of more than
/// kTablesMax tables nothing is known: false.
[[nodiscard]] bool reads_process_table(const Statement& statement, std::string_view schema);

/// The statement with `table`, a table expression without an alias, in each such place. It gets the
/// alias that the client has given, else the table's name as the client has spelled it. nullopt:
/// the text cannot be cut with certainty. REQUIRES: reads_process_table().
[[nodiscard]] std::optional<std::string> with_process_table(std::string_view sql,
                                                            const Statement& statement,
                                                            std::string_view schema,
                                                            const LexerOptions& options,
                                                            std::string_view table);

}  // namespace consort::router
