// Text protocol PREPARE and EXECUTE: what is prepared, and which statement is executed. Pure.
// Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"
#include "router/statement.h"

namespace consort::router {

/// What a PREPARE or EXECUTE IMMEDIATE prepares.
struct TextSource {
  std::string_view expression;  ///< the text is its value; it has no effect
  std::string_view parameters;  ///< the expressions behind USING; may be empty
  bool calls_unknown = false;   ///< what may be a stored function, which the server should refuse
};

/// Of `PREPARE name FROM ..`. nullopt: something else, or an expression that might do more.
[[nodiscard]] std::optional<TextSource> prepared_text_source(std::string_view sql,
                                                             const LexerOptions& options);

/// Of `EXECUTE IMMEDIATE .. [USING ..]`.
[[nodiscard]] std::optional<TextSource> immediate_text_source(std::string_view sql,
                                                              const LexerOptions& options);

/// A query whose one value is that of `expression`. Like PREPARE, the server refuses subqueries and
/// stored functions in it.
[[nodiscard]] std::string text_question(std::string_view expression, const LexerOptions& options);

/// What `EXECUTE name [USING ..]` executes.
struct ExecutedText {
  std::string_view name;  ///< quotes stripped
  std::string_view parameters;
};

/// nullopt: IMMEDIATE, or something else.
[[nodiscard]] std::optional<ExecutedText> executed_text(std::string_view sql,
                                                        const LexerOptions& options);

/// The statement that an EXECUTE runs whose text is `prepared`: with the expressions behind USING
/// in the place of its parameters. nullopt: their numbers differ, the text cannot be cut with
/// certainty, or a parameter stands where no expression may (LIMIT).
[[nodiscard]] std::optional<std::string> text_with_parameters(std::string_view prepared,
                                                              std::string_view parameters,
                                                              const LexerOptions& options);

/// Are the expressions behind USING nothing but numbers and texts? None is.
[[nodiscard]] bool are_literals(std::string_view parameters, const LexerOptions& options);

/// The statement must be run as if the client had sent it itself: EXECUTE runs inside a branch,
/// where it cannot run as its client means it, or it speaks of Consort's sessions (KILL,
/// CONNECTION_ID(), information_schema.PROCESSLIST). `schema`: the session's.
[[nodiscard]] bool runs_outside_execute(const Statement& statement, std::string_view schema);

}  // namespace consort::router
