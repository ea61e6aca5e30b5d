// Text protocol PREPARE and EXECUTE: what is prepared, and which statement is executed. Pure.
// Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"
#include "router/statement.h"

namespace consort::router {

/// What follows FROM in `PREPARE name FROM ..`, when it is one literal or one @variable: an
/// expression that has the text for its value and no effect. nullopt: something else.
[[nodiscard]] std::optional<std::string_view> prepared_text_source(std::string_view sql,
                                                                   const LexerOptions& options);

/// The same of `EXECUTE IMMEDIATE ..`, with or without parameters.
[[nodiscard]] std::optional<std::string_view> immediate_text_source(std::string_view sql,
                                                                    const LexerOptions& options);

/// The name in `EXECUTE name`, with or without parameters, quotes stripped. nullopt: IMMEDIATE.
[[nodiscard]] std::optional<std::string_view> executed_name(std::string_view sql,
                                                            const LexerOptions& options);

/// The statement that such an EXECUTE runs, whose text is `prepared`: with what USING names in the
/// place of its parameters. nullopt: their numbers differ, the text cannot be cut with certainty,
/// or a parameter stands where no expression may (LIMIT).
[[nodiscard]] std::optional<std::string> executed_text(std::string_view sql,
                                                       std::string_view prepared,
                                                       const LexerOptions& options);

/// The statement must be run as if the client had sent it itself: EXECUTE runs inside a branch,
/// where it cannot run as its client means it, or it speaks of Consort's sessions (KILL,
/// CONNECTION_ID(), information_schema.PROCESSLIST). `schema`: the session's.
[[nodiscard]] bool runs_outside_execute(const Statement& statement, std::string_view schema);

}  // namespace consort::router
