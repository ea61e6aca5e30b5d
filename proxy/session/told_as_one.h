// Variables of which session tracking tells as if they were one. MariaDB 11.8.9 remembers since
// tracking was last set which of them changed first, and tells of that one, with its present
// value, whichever changes (measured; 10.11 does not): behind a commit's last_gtid a SET timestamp
// shows as last_gtid, and DDL behind SET timestamp as timestamp. The way out is to set tracking
// anew around what sets one of them.
// Pure. Threads: any.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "router/statement.h"

namespace consort::proxy {

/// The session's clock stands where this is set.
inline constexpr std::string_view kClockVariable = "timestamp";

/// A SET of the session's identity, insert_id, last_insert_id, rand_seed1, rand_seed2 or timestamp,
/// among others perhaps. Commits count as one more of them (last_gtid).
[[nodiscard]] bool sets_told_as_one(const router::Statement& statement);

/// Names in lower case, and the numbers that such a SET gives them, if there are several: only one
/// will be told of.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> numbers_told_as_one(
    const router::Statement& statement);

}  // namespace consort::proxy
