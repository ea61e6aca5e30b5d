#include "tests/integration/cpp/server_process.h"

#include <arpa/inet.h>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

namespace consort::test {

std::string server_program(const char* variable, const char* place) {
  const char* const given = std::getenv(variable);
  return given != nullptr ? given : place;
}

pid_t spawn(const std::vector<std::string>& arguments,
            const std::string& directory,
            const char* log_name) {
  const std::string log = directory + "/" + log_name;
  const std::string temporary = directory + "/tmp";
  std::filesystem::create_directories(temporary);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    setenv("TMPDIR", temporary.c_str(), 1);
    execv(argv[0], argv.data());
    _exit(127);
  }
  REQUIRE(pid > 0);
  return pid;
}

std::uint16_t free_port() {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(bind(probe, generic, length) == 0);
  REQUIRE(getsockname(probe, generic, &length) == 0);
  close(probe);
  return ntohs(address.sin_port);
}

}  // namespace consort::test
