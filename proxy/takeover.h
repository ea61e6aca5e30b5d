// Takeover: this process becomes the program that is installed now, and its listening sockets stay
// open on the way: clients that come meanwhile wait.
// Threads: the main thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace consort::proxy {

/// How this program was started.
struct Invocation {
  std::string program;  ///< path of the file: another version may be there later
  std::vector<std::string> arguments;
};

/// REQUIRES: called at start, before the file may be replaced.
[[nodiscard]] Invocation this_invocation(int argc, char** argv);

/// Whether the installed program takes our configuration: runs it with --check-config. Errors say
/// what it said.
[[nodiscard]] Status check_successor(const Invocation& invocation);

/// Becomes it. Returns only when that failed. REQUIRES: no other thread is left.
[[nodiscard]] Error become_successor(const Invocation& invocation);

}  // namespace consort::proxy
