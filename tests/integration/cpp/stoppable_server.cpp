#include "tests/integration/cpp/stoppable_server.h"

#include <csignal>
#include <filesystem>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <mysql.h>

#include "tests/integration/cpp/server_process.h"
#include "tests/support/test.h"

namespace consort::test {

namespace {

namespace fs = std::filesystem;

bool answers(std::uint16_t port) {
  MYSQL* const connection = mysql_init(nullptr);
  const unsigned protocol = MYSQL_PROTOCOL_TCP;
  mysql_options(connection, MYSQL_OPT_PROTOCOL, &protocol);
  const bool ok =
      mysql_real_connect(connection, "127.0.0.1", "root", "", nullptr, port, nullptr, 0) != nullptr;
  mysql_close(connection);
  return ok;
}

}  // namespace

StoppableServer::StoppableServer(std::uint32_t server_id, std::vector<std::string> options) {
  std::string pattern = (fs::temp_directory_path() / "consort-server-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  directory_ = pattern;
  port_ = free_port();
  const std::string data = "--datadir=" + directory_ + "/data";
  std::vector<std::string> install = {
      server_program("MARIADB_INSTALL_DB", "/usr/bin/mariadb-install-db"),
      "--no-defaults",
      data,
      "--force",
      "--auth-root-authentication-method=normal",
      "--skip-test-db",
      "--skip-name-resolve"};
  arguments_ = {server_program("MARIADBD", "/usr/sbin/mariadbd"),
                "--no-defaults",
                data,
                "--socket=" + directory_ + "/s",
                "--pid-file=" + directory_ + "/pid",
                "--port=" + std::to_string(port_),
                "--bind-address=127.0.0.1",
                "--server-id=" + std::to_string(server_id),
                "--log-bin=bin",
                "--binlog-format=ROW",
                "--binlog-row-image=FULL",
                "--binlog-row-metadata=FULL",
                "--innodb-flush-log-at-trx-commit=2",
                "--innodb-buffer-pool-size=64M",
                "--max-allowed-packet=1G",
                "--performance-schema=OFF",
                "--skip-name-resolve"};
  if (geteuid() == 0) {
    install.emplace_back("--user=root");
    arguments_.emplace_back("--user=root");
  }
  arguments_.insert(arguments_.end(), options.begin(), options.end());
  int status = 0;
  waitpid(spawn(install, directory_, "install.log"), &status, 0);
  REQUIRE_MESSAGE(status == 0, "mariadb-install-db failed in ", directory_);
}

StoppableServer::~StoppableServer() {
  if (pid_ > 0) {
    kill(pid_, SIGCONT);
    end(SIGKILL);
  }
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void StoppableServer::start() {
  REQUIRE(pid_ < 0);
  pid_ = spawn(arguments_, directory_, "server.log");
  for (int i = 0; i < kStartTriesMax && !answers(port_); ++i) {
    REQUIRE_MESSAGE(waitpid(pid_, nullptr, WNOHANG) == 0, "the server ended: ", directory_);
    std::this_thread::sleep_for(kStartPause);
  }
  REQUIRE_MESSAGE(answers(port_), "the server did not start: ", directory_);
}

void StoppableServer::crash() {
  end(SIGKILL);
}

void StoppableServer::stop() {
  end(SIGTERM);
}

void StoppableServer::freeze() {
  kill(pid_, SIGSTOP);
  waitpid(pid_, nullptr, WUNTRACED);  // until then its threads may still answer
}

void StoppableServer::thaw() {
  kill(pid_, SIGCONT);
}

void StoppableServer::end(int signal) {
  kill(pid_, signal);
  kill(pid_, SIGCONT);  // a case that failed may have left it frozen
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace consort::test
