// Text protocol PREPARE and EXECUTE: what is prepared, and which statement is executed. Pure.
// Threads: any.
#pragma once

#include <optional>
#include <string_view>

#include "router/lexer_options.h"
#include "router/statement.h"

namespace consort::router {

/// What follows FROM in `PREPARE name FROM ..`, when it is one literal or one @variable: an
/// expression that has the text for its value and no effect. nullopt: something else.
[[nodiscard]] std::optional<std::string_view> prepared_text_source(std::string_view sql,
                                                                   const LexerOptions& options);

/// The same of `EXECUTE IMMEDIATE ..` without parameters.
[[nodiscard]] std::optional<std::string_view> immediate_text_source(std::string_view sql,
                                                                    const LexerOptions& options);

/// The name in `EXECUTE name`, quotes stripped. nullopt: IMMEDIATE, or with parameters.
[[nodiscard]] std::optional<std::string_view> executed_name(std::string_view sql,
                                                            const LexerOptions& options);

/// EXECUTE runs inside a branch, where this statement cannot run as its client means it: it must be
/// run as if the client had sent it itself.
[[nodiscard]] bool runs_outside_execute(const Statement& statement);

}  // namespace consort::router
