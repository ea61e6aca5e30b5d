// PrivateServer: a server of a test's own, in a temporary directory on a free port.
// Needs mariadbd and mariadb-install-db (MARIADBD and MARIADB_INSTALL_DB override where they are).
// Where MYSQLD says where a mysqld is, it is a MySQL server.
// Threads: none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

#include <mysql.h>

#include "base/server_kind.h"

namespace consort::test {

struct MysqlCloser {
  void operator()(MYSQL* connection) const { mysql_close(connection); }
};

using MysqlPtr = std::unique_ptr<MYSQL, MysqlCloser>;

/// A result: rows of texts, "NULL" spelled as \N.
using SqlRows = std::vector<std::vector<std::string>>;

class PrivateServer {
 public:
  /// Of all of them, by the environment.
  [[nodiscard]] static ServerKind kind();

  /// Creates and starts a server; ends the test program when that fails. `options` are added to
  /// those of a Consort backend.
  PrivateServer(std::uint32_t server_id, const std::vector<std::string>& options);
  ~PrivateServer();
  PrivateServer(const PrivateServer&) = delete;
  PrivateServer& operator=(const PrivateServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

  /// A new connection as root, in utf8mb4.
  [[nodiscard]] MysqlPtr connect() const;

 private:
  void create();
  void create_mysql();
  [[nodiscard]] std::vector<std::string> brand_arguments() const;
  void launch(std::uint32_t server_id, const std::vector<std::string>& options);
  void wait_until_up() const;

  struct Directory {
    Directory();
    ~Directory();
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    std::string path;
  };

  Directory directory_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

/// Runs one statement; a doctest failure when it fails. All rows it returns.
SqlRows run_sql(MYSQL* connection, const std::string& sql);

/// Runs one statement; its error number, 0 when it succeeded.
unsigned try_sql(MYSQL* connection, const std::string& sql);

}  // namespace consort::test
