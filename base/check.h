// CHECK: our own mistakes end the process; a peer's mistakes never do.
// Threads: any.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace consort::internal {

[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "CHECK failed: %s at %s:%d\n", condition, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace consort::internal

/// Ends the process when `condition` is false. On in release builds. One condition each; never on
/// what a peer, a disk or a user sent.
#define CHECK(condition)                                                 \
  do {                                                                   \
    if (!(condition)) [[unlikely]] {                                     \
      ::consort::internal::check_failed(#condition, __FILE__, __LINE__); \
    }                                                                    \
  } while (false)
