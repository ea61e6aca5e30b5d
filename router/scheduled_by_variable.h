// CREATE or ALTER EVENT whose schedule names a variable of the session's (`ON SCHEDULE AT @t`): the
// server computes it when it executes the statement, and no other server's connection has that
// variable. Spec: MariaDB KB "CREATE EVENT". Threads: none; pure.
#pragma once

#include <string_view>

#include "router/statement.h"

namespace consort::router {

/// `statement`: what `sql` was classified as. What the event's body names does not count.
[[nodiscard]] bool scheduled_by_variable(std::string_view sql,
                                         const Statement& statement,
                                         const LexerOptions& options);

}  // namespace consort::router
