// Which user locks a statement takes, where its text says so.
// Threads: any; pure.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "router/lexer_options.h"

namespace consort::router {

/// The names in its calls of GET_LOCK, as the string literals they are written as, quotes included.
/// nullopt: one is no plain literal, or the text cannot be read with certainty. Views into `sql`.
[[nodiscard]] std::optional<std::vector<std::string_view>> lock_names(std::string_view sql,
                                                                      const LexerOptions& options);

}  // namespace consort::router
