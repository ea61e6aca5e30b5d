// Gives `SET @@x = ..` the scope that it has: the server's session tracking reports `SET x` and
// `SET @@session.x`, but not this spelling (measured, MariaDB 10.11), so that nobody would know of
// the change. Pure. Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/statement.h"

namespace consort::router {

/// One of the variables that say how transactions run: tx_isolation, tx_read_only and MySQL's
/// names.
[[nodiscard]] bool is_transaction_setting(std::string_view name);

/// The SET with `@@session.x` for every `@@x` that it assigns. nullopt: it has none, or its text
/// cannot be cut with certainty. `@@tx_isolation` and its like stay: without a scope they are of
/// the next transaction only.
[[nodiscard]] std::optional<std::string> with_session_scope(std::string_view sql,
                                                            const Statement& statement);

/// A SET that says something of the next transaction only, by `@@tx_isolation` and its like.
[[nodiscard]] bool sets_next_transaction(std::string_view sql, const Statement& statement);

/// A SET after which it is not known what it has set, where with_session_scope() could not help.
[[nodiscard]] bool sets_unknown(const Statement& statement);

/// A USE, or a SET of the session's variables that does not ask for ROW_COUNT(): one of our own may
/// stand in front of it.
[[nodiscard]] bool sets_session_state(const Statement& statement);

}  // namespace consort::router
