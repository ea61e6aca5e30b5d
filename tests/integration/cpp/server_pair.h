// ServerPair: a server where things happen and a second one where their row events are applied.
// Threads: none.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/integration/cpp/dump_client.h"
#include "tests/integration/cpp/private_server.h"

namespace consort::test {

class ServerPair {
 public:
  /// One pair for all test cases of a program; stopped when it ends.
  static ServerPair& instance();

  [[nodiscard]] const PrivateServer& origin() const { return origin_; }

  /// A client's connection to the origin, as Consort keeps it, in schema `rows`.
  [[nodiscard]] MYSQL* client() { return client_.get(); }

  /// A connection to the replica, as a lane keeps it, in schema `rows`.
  [[nodiscard]] MYSQL* lane() { return lane_.get(); }

  /// Runs a statement on both, unlogged.
  void on_both(const std::string& sql);

  /// Runs `work` and returns what the origin logged meanwhile.
  [[nodiscard]] Dump capture(const std::function<void()>& work,
                             const protocol::BinlogGroupReader::Limits& limits = {});

  /// Makes the lane's session ready for BINLOG of what `dump` holds.
  void start_binlog(const Dump& dump);

  /// Applies the groups that hold rows, each in a transaction.
  void apply(const Dump& dump);

  /// Contents of a table on both are the same.
  void expect_equal(const std::string& table);

 private:
  ServerPair();

  PrivateServer origin_;
  PrivateServer replica_;
  MysqlPtr client_;
  MysqlPtr unlogged_;
  MysqlPtr lane_;
};

/// Runs statements inside an XA branch and prepares it (which detaches it).
void run_branch(MYSQL* client, const std::string& name, const std::vector<std::string>& statements);

/// A transaction, a branch that is committed and one that is rolled back, and one that changes
/// nothing and waits, prepared, as 'empty'. REQUIRES: a table kinds(id INT PRIMARY KEY, v INT).
void run_groups_of_kinds(MYSQL* client);

}  // namespace consort::test
