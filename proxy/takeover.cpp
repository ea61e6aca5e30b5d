#include "proxy/takeover.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace consort::proxy {
namespace {

std::vector<char*> as_argv(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));  // neither exec nor spawn writes to it
  }
  argv.push_back(nullptr);
  return argv;
}

}  // namespace

Invocation this_invocation(int argc, char** argv) {
  std::error_code failure;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", failure);
  return {failure ? std::string(argv[0]) : self.string(), {argv, argv + argc}};
}

Status check_successor(const Invocation& invocation) {
  std::vector<std::string> arguments = invocation.arguments;
  arguments.emplace_back("--check-config");
  pid_t child = 0;
  const int failure = posix_spawn(&child, invocation.program.c_str(), nullptr, nullptr,
                                  as_argv(arguments).data(), environ);
  if (failure != 0) {
    return make_error(invocation.program + ": " + std::strerror(failure));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return make_error(invocation.program + " --check-config failed; what it said is in front");
  }
  return Ok{};
}

Error become_successor(const Invocation& invocation) {
  execv(invocation.program.c_str(), as_argv(invocation.arguments).data());
  return make_error("cannot run " + invocation.program + ": " + std::strerror(errno));
}

}  // namespace consort::proxy
