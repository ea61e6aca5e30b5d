// StoppableServer: a private MariaDB server that a test may kill, freeze and start again, on one
// port and data directory throughout.
// Needs mariadbd and mariadb-install-db (MARIADBD and MARIADB_INSTALL_DB override where they are).
// Threads: none.
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace consort::test {

class StoppableServer {
 public:
  /// Creates the data directory and reserves a port; start() starts the server. Ends the test
  /// program when that fails. `options` are added to those of a Consort backend.
  StoppableServer(std::uint32_t server_id, std::vector<std::string> options);
  ~StoppableServer();
  StoppableServer(const StoppableServer&) = delete;
  StoppableServer& operator=(const StoppableServer&) = delete;

  /// Starts it and returns when it takes connections.
  void start();
  /// kill -9.
  void crash();
  /// A clean shutdown.
  void stop();
  /// SIGSTOP: connections stay open, the kernel accepts more, nobody answers.
  void freeze();
  void thaw();

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  void end(int signal);

  std::string directory_;
  std::vector<std::string> arguments_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace consort::test
