// CREATE or ALTER EVENT whose schedule is another one on each server: the server computes it when
// it executes the statement, and what `ON SCHEDULE AT @t`, `EVERY RAND() * 9 HOUR` or @@server_id
// is there no other one knows. Spec: MariaDB KB "CREATE EVENT". Threads: none; pure.
#pragma once

#include <string_view>

#include "router/statement.h"

namespace consort::router {

/// `statement`: what `sql` was classified as. What the event's body names does not count.
[[nodiscard]] bool scheduled_by_variable(std::string_view sql,
                                         const Statement& statement,
                                         const LexerOptions& options);

}  // namespace consort::router
