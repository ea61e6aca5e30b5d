#include "tests/integration/cpp/private_server.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "tests/integration/cpp/server_process.h"
#include "tests/support/test.h"

namespace consort::test {
namespace {

namespace fs = std::filesystem;

}  // namespace

PrivateServer::PrivateServer(std::uint32_t server_id, const std::vector<std::string>& options) {
  port_ = free_port();
  create();
  launch(server_id, options);
  wait_until_up();
}

PrivateServer::~PrivateServer() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
}

PrivateServer::Directory::Directory() {
  path = (fs::temp_directory_path() / "consort-rows-XXXXXX").string();
  REQUIRE(mkdtemp(path.data()) != nullptr);
}

PrivateServer::Directory::~Directory() {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

ServerKind PrivateServer::kind() {
  return server_program("MYSQLD", "").empty() ? ServerKind::kMariadb : ServerKind::kMysql;
}

void PrivateServer::create() {
  if (kind() == ServerKind::kMysql) {
    create_mysql();
    return;
  }
  const std::string program = server_program("MARIADB_INSTALL_DB", "/usr/bin/mariadb-install-db");
  std::vector<std::string> arguments{program,
                                     "--no-defaults",
                                     "--datadir=" + directory_.path + "/data",
                                     "--force",
                                     "--auth-root-authentication-method=normal",
                                     "--skip-test-db",
                                     "--skip-name-resolve"};
  if (geteuid() == 0) {
    arguments.push_back("--user=root");
  }
  int status = 0;
  waitpid(spawn(arguments, directory_.path, "install.log"), &status, 0);
  REQUIRE_MESSAGE(status == 0, "mariadb-install-db failed in ", directory_.path);
}

void PrivateServer::create_mysql() {
  std::vector<std::string> arguments{server_program("MYSQLD", ""), "--no-defaults",
                                     "--initialize-insecure",
                                     "--datadir=" + directory_.path + "/data"};
  if (geteuid() == 0) {
    arguments.push_back("--user=root");
  }
  int status = 0;
  waitpid(spawn(arguments, directory_.path, "install.log"), &status, 0);
  REQUIRE_MESSAGE(status == 0, "mysqld --initialize-insecure failed in ", directory_.path);
  // Its root comes from localhost only, which is no address.
  std::ofstream(directory_.path + "/accounts.sql")
      << "CREATE USER IF NOT EXISTS root@'127.0.0.1';\n"
         "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n";
}

std::vector<std::string> PrivateServer::brand_arguments() const {
  if (kind() == ServerKind::kMysql) {
    return {server_program("MYSQLD", ""),
            "--no-defaults",
            "--mysqlx=OFF",
            "--gtid-mode=ON",
            "--secure-file-priv=NULL",
            "--enforce-gtid-consistency=ON",
            "--init-file=" + directory_.path + "/accounts.sql"};
  }
  return {server_program("MARIADBD", "/usr/sbin/mariadbd"), "--no-defaults", "--binlog-format=ROW",
          "--binlog-annotate-row-events=0"};
}

void PrivateServer::launch(std::uint32_t server_id, const std::vector<std::string>& options) {
  std::vector<std::string> arguments = brand_arguments();
  const std::vector<std::string> common{"--datadir=" + directory_.path + "/data",
                                        "--socket=" + directory_.path + "/socket",
                                        "--port=" + std::to_string(port_),
                                        "--bind-address=127.0.0.1",
                                        "--server-id=" + std::to_string(server_id),
                                        "--log-bin=bin",
                                        "--binlog-row-image=FULL",
                                        "--binlog-row-metadata=FULL",
                                        "--innodb-flush-log-at-trx-commit=2",
                                        "--innodb-buffer-pool-size=64M",
                                        "--innodb-lock-wait-timeout=5",
                                        "--max-allowed-packet=1G",
                                        "--skip-name-resolve"};
  arguments.insert(arguments.end(), common.begin(), common.end());
  if (geteuid() == 0) {
    arguments.push_back("--user=root");
  }
  arguments.insert(arguments.end(), options.begin(), options.end());
  pid_ = spawn(arguments, directory_.path, "server.log");
}

void PrivateServer::wait_until_up() const {
  for (int i = 0; i < kStartTriesMax; ++i) {
    MysqlPtr connection(mysql_init(nullptr));
    if (mysql_real_connect(connection.get(), "127.0.0.1", "root", "", nullptr, port_, nullptr, 0) !=
        nullptr) {
      return;
    }
    REQUIRE_MESSAGE(waitpid(pid_, nullptr, WNOHANG) == 0, "the server ended: see ",
                    directory_.path);
    std::this_thread::sleep_for(kStartPause);
  }
  FAIL("the server did not start: see ", directory_.path);
}

MysqlPtr PrivateServer::connect() const {
  MysqlPtr connection(mysql_init(nullptr));
  mysql_options(connection.get(), MYSQL_SET_CHARSET_NAME, "utf8mb4");
  REQUIRE_MESSAGE(mysql_real_connect(connection.get(), "127.0.0.1", "root", "", nullptr, port_,
                                     nullptr, 0) != nullptr,
                  std::string(mysql_error(connection.get())));
  return connection;
}

SqlRows run_sql(MYSQL* connection, const std::string& sql) {
  REQUIRE_MESSAGE(mysql_real_query(connection, sql.data(), sql.size()) == 0,
                  mysql_error(connection), " in: ", sql.substr(0, 500));
  SqlRows rows;
  MYSQL_RES* result = mysql_store_result(connection);
  if (result == nullptr) {
    return rows;
  }
  while (const MYSQL_ROW values = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    auto& row = rows.emplace_back();
    for (unsigned i = 0; i < mysql_num_fields(result); ++i) {
      row.emplace_back(values[i] ? std::string(values[i], lengths[i]) : "\\N");
    }
  }
  mysql_free_result(result);
  return rows;
}

unsigned try_sql(MYSQL* connection, const std::string& sql) {
  const int failed = mysql_real_query(connection, sql.data(), sql.size());
  if (MYSQL_RES* result = failed == 0 ? mysql_store_result(connection) : nullptr) {
    mysql_free_result(result);
  }
  return mysql_errno(connection);
}

}  // namespace consort::test
