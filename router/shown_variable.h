// Shown variable: SHOW VARIABLES of one variable alone whose value Consort keeps and no server has:
// event_scheduler (decision 0033), init_connect (decision 0041). Pure. Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"

namespace consort::router {

struct ShownVariable {
  std::string_view name;
  std::string_view unmistakable;  ///< its beginning: that of no other variable
  std::string_view value;         ///< as SQL
};

/// A statement that answers `sql` with the value. nullopt: it asks for something else, or for other
/// variables too, or cannot be read with certainty.
[[nodiscard]] std::optional<std::string> with_shown_variable(std::string_view sql,
                                                             const LexerOptions& options,
                                                             const ShownVariable& variable);

}  // namespace consort::router
