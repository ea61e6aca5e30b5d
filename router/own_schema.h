// Own schema: Consort keeps a schema of its own on every server, which is nothing of its clients'.
// Pure. Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"
#include "router/statement.h"

namespace consort::router {

/// SHOW DATABASES, with or without WHERE, that leaves Consort's schema out. A column keeps its
/// name, which is why one with LIKE stays as it is. nullopt: any other statement.
[[nodiscard]] std::optional<std::string> without_own_schema(std::string_view sql,
                                                            const Statement& statement,
                                                            const LexerOptions& options);

/// SHOW GRANTS, of whomever: whoever looks at his own sees PUBLIC's, too.
[[nodiscard]] bool shows_grants(std::string_view sql,
                                const Statement& statement,
                                const LexerOptions& options);

/// One line of what it shows: a right of PUBLIC to something in Consort's schema, which Consort has
/// granted.
[[nodiscard]] bool is_own_grant(std::string_view line);

}  // namespace consort::router
