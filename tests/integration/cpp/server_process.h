// ServerProcess: what it takes to start a server's program on a free port.
// Threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace consort::test {

/// Looks until a server that starts counts as failed, and the time between two.
inline constexpr int kStartTriesMax = 600;
inline constexpr auto kStartPause = std::chrono::milliseconds(50);

/// Where the environment's `variable` says that a program is; else `place`.
[[nodiscard]] std::string server_program(const char* variable, const char* place);

/// Starts a program with its output at the end of a file of `directory`. Its temporary files stay
/// there: a starting server removes other servers' temporary tables from a directory they share.
[[nodiscard]] pid_t spawn(const std::vector<std::string>& arguments,
                          const std::string& directory,
                          const char* log_name);

/// A port of the loopback address that nobody listens on.
[[nodiscard]] std::uint16_t free_port();

}  // namespace consort::test
