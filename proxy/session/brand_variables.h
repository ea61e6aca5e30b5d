// Which session variables only one brand of server knows. A session that has set one takes it along
// to servers of that brand; another one would answer 1193 to a statement that has nothing to do
// with it. Threads: any.
#pragma once

#include <string_view>

#include "base/server_kind.h"

namespace consort::proxy {

/// Can a session on a server of `kind` set the variable? `name`: in lower case. What no list names
/// is taken for known.
[[nodiscard]] bool knows_variable(ServerKind kind, std::string_view name);

/// What a server of `kind` calls it: MariaDB's tx_isolation is MySQL's transaction_isolation.
[[nodiscard]] std::string_view variable_on(ServerKind kind, std::string_view name);

}  // namespace consort::proxy
