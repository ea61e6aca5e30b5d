// Names the account in statements that mean "whoever runs this": SET PASSWORD = .., CURRENT_USER,
// CREATE ROLE without WITH ADMIN. Every backend executes them, each as an account of its own. Pure.
// Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"
#include "router/statement.h"

namespace consort::router {

/// The statement for `account`, "user@host" as CURRENT_USER() says it; classified anew it is not
/// Flag::kCurrentUser or kCreatorsRole any more. nullopt: it names all accounts, means the current
/// role, or its text cannot be cut with certainty.
[[nodiscard]] std::optional<std::string> with_account_named(std::string_view sql,
                                                            const Statement& statement,
                                                            const LexerOptions& options,
                                                            std::string_view account);

}  // namespace consort::router
