// connect_error: why a TCP connection cannot be made, in the system's own number.
// libmariadb 3.3 reports EINPROGRESS for every failed connect, and "refused" must be told from
// "lost": one ejects a backend at once, the other does not.
// Threads: any.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace consort::healthcheck {

/// Tries once more: 0 when a connection could be made after all, ETIMEDOUT when nothing happened
/// within `wait_max`, else the error such as ECONNREFUSED. Of several addresses the last counts.
[[nodiscard]] int connect_error(const std::string& host, std::uint16_t port, Duration wait_max);

}  // namespace consort::healthcheck
