// KILL of anything but a number: what to ask a server for the number, and whose sessions KILL USER
// ends. Pure.
// Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"

namespace consort::router {

/// A query whose only value is the number that `operand` (KillInfo::operand) stands for; NULL is 0.
/// On one line with the operand first, behind which stands kKillQuestionEnd. nullopt: the text
/// cannot be cut with certainty, or its parentheses do not match.
[[nodiscard]] std::optional<std::string> kill_question(std::string_view operand,
                                                       const LexerOptions& options);

/// The same for an operand with parameters: to be prepared, and answered with a text.
[[nodiscard]] std::optional<std::string> prepared_kill_question(std::string_view operand,
                                                                const LexerOptions& options);

/// How kill_question() ends.
inline constexpr std::string_view kKillQuestionEnd = ") AS SIGNED))";

/// The bare name that a kill_question() begins with, where a server would take it for a column's;
/// empty: something else.
[[nodiscard]] std::string_view leading_column(std::string_view question,
                                              const LexerOptions& options);

struct KilledAccount {
  std::string user;
  std::string host = "%";  ///< "%": any
  bool current = false;    ///< CURRENT_USER: neither is given
};

/// The operand of KILL USER. nullopt: none, or one that cannot be read with certainty.
[[nodiscard]] std::optional<KilledAccount> killed_account(std::string_view operand,
                                                          const LexerOptions& options);

}  // namespace consort::router
