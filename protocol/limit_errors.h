// Errors of limits that an operator has set. Texts and states are the server's own (MariaDB 10.11).
// Threads: any.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/sql_error.h"

namespace consort::protocol {

/// 1613: the whole transaction is rolled back.
[[nodiscard]] SqlError transaction_too_long_error();
/// 1203: the limit for all accounts. `user`: as the client wrote it.
[[nodiscard]] SqlError too_many_user_connections_error(std::string_view user);
/// 1226: the account's own MAX_USER_CONNECTIONS.
[[nodiscard]] SqlError user_limit_reached_error(std::string_view user, std::int64_t limit);

}  // namespace consort::protocol
