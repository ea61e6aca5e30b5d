// Scheduler text: SHOW VARIABLES of event_scheduler alone, whose value Consort keeps and no server
// has (decision 0033). Pure. Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"

namespace consort::router {

/// A statement that answers `sql` with ON. nullopt: it asks for something else, or for other
/// variables too, or cannot be read with certainty.
[[nodiscard]] std::optional<std::string> with_scheduler_on(std::string_view sql,
                                                           const LexerOptions& options);

}  // namespace consort::router
