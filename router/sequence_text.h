// Texts about sequences. Every server takes a sequence's numbers from a class of its own, which the
// server does by itself where the definition says INCREMENT BY 0. Decision 0034.
// Pure. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"
#include "router/statement.h"

namespace consort::router {

/// CREATE or ALTER SEQUENCE as all servers are to execute it.
struct SequenceDefinition {
  std::optional<std::string> sql;  ///< nullopt: the text as it is
  std::string refused;             ///< what of it cannot be had; empty: nothing
};

/// What becomes of a definition with an INCREMENT from 1 to `increment_max`: INCREMENT BY 0, also
/// where none is given. What no server will understand stays as it is. Any other statement: nothing
/// at all, but a table that would become a sequence is refused.
[[nodiscard]] SequenceDefinition shared_sequence(std::string_view sql,
                                                 const Statement& statement,
                                                 const LexerOptions& options,
                                                 std::uint32_t increment_max);

/// The sequence of `SELECT SETVAL(s, 5)` or `DO SETVAL(s, 5, 1, 0)`, which every server executes:
/// a statement with nothing else in it. nullopt: any other.
[[nodiscard]] std::optional<TableRef> raised_sequence(std::string_view sql,
                                                      const LexerOptions& options);

/// A SELECT from nothing but a sequence's table whose next_not_cached_value is above all numbers
/// that any server may have given: another one's range may reach one CACHE, in steps of `step`,
/// beyond what this one has heard of. nullopt: it reads more than that, or cannot be cut with
/// certainty. REQUIRES: its only table is a sequence.
[[nodiscard]] std::optional<std::string> with_all_reserved(std::string_view sql,
                                                           const Statement& statement,
                                                           const LexerOptions& options,
                                                           std::uint32_t step);

/// It asks for the number that the session has taken last: LASTVAL(s), PREVIOUS VALUE FOR s,
/// s.currval. REQUIRES: Flag::kSequence.
[[nodiscard]] bool asks_previous_value(std::string_view sql);

/// It raises a sequence amid something else. REQUIRES: Flag::kSequence.
[[nodiscard]] bool mentions_setval(std::string_view sql);

}  // namespace consort::router
