#include "tests/integration/cpp/server_pair.h"

#include "certifier/event_groups.h"
#include "certifier/lane_sql.h"
#include "tests/support/test.h"

namespace consort::test {

ServerPair& ServerPair::instance() {
  static ServerPair pair;
  return pair;
}

ServerPair::ServerPair() : origin_(11, {}), replica_(12, {}) {
  client_ = origin_.connect();
  unlogged_ = origin_.connect();
  lane_ = replica_.connect();
  run_sql(unlogged_.get(), "SET sql_log_bin=0");
  run_sql(lane_.get(), "SET sql_log_bin=0");
  on_both("CREATE DATABASE `rows`");
  on_both("USE `rows`");
  run_sql(client_.get(), "USE `rows`");
  if (PrivateServer::kind() == ServerKind::kMariadb) {
    run_sql(client_.get(), "SET pseudo_slave_mode=1");
  }
}

void ServerPair::on_both(const std::string& sql) {
  run_sql(unlogged_.get(), sql);
  run_sql(lane_.get(), sql);
}

Dump ServerPair::capture(const std::function<void()>& work,
                         const protocol::BinlogGroupReader::Limits& limits) {
  const SqlRows status = run_sql(unlogged_.get(), PrivateServer::kind() == ServerKind::kMysql
                                                      ? "SHOW BINARY LOG STATUS"
                                                      : "SHOW MASTER STATUS");
  const protocol::BinlogPosition from{status.at(0).at(0), std::stoull(status.at(0).at(1))};
  work();
  return read_dump(origin_.port(), from, limits);
}

void ServerPair::apply(const Dump& dump) {
  start_binlog(dump);
  certifier::EventGroups groups(
      PrivateServer::kind());  // as a lane's batch: joined where that is possible
  for (const protocol::BinlogGroup& group : dump.groups) {
    if (group.has_rows) {
      REQUIRE_FALSE(group.unfit.has_value());
      groups.add(group.events);
    }
  }
  if (groups.count() > 0) {
    std::string sql = "BINLOG '";
    groups.append_base64_to(sql);
    run_sql(lane_.get(), sql + "'");
  }
}

void ServerPair::start_binlog(const Dump& dump) {
  run_sql(lane_.get(), "BINLOG '" + certifier::base64(dump.format_description) + "'");
  if (PrivateServer::kind() == ServerKind::kMysql) {
    run_sql(lane_.get(), "SET gtid_next='AUTOMATIC'");  // it would wait for GTID events
  }
}

void ServerPair::expect_equal(const std::string& table) {
  INFO(table);
  for (const std::string sql : {"CHECKSUM TABLE ", "SELECT * FROM "}) {
    const bool is_checksum = sql[0] == 'C';
    if (is_checksum && PrivateServer::kind() == ServerKind::kMysql) {
      continue;  // its sum of a JSON value is that of a pointer
    }
    const std::string order = is_checksum ? "" : " ORDER BY 1";
    EXPECT(run_sql(unlogged_.get(), sql + table + order) ==
           run_sql(lane_.get(), sql + table + order));
  }
}

void run_groups_of_kinds(MYSQL* client) {
  run_sql(client, "INSERT INTO kinds VALUES(1,1)");
  run_sql(client, "XA START 'a\\'b','q',99");
  run_sql(client, "INSERT INTO kinds VALUES(2,2)");
  run_sql(client, "XA END 'a\\'b','q',99");
  run_sql(client, "XA PREPARE 'a\\'b','q',99");
  run_sql(client, "XA COMMIT 'a\\'b','q',99");
  run_branch(client, "undone", {"INSERT INTO kinds VALUES(3,3)"});
  run_sql(client, "XA ROLLBACK 'undone'");
  run_branch(client, "empty", {"UPDATE kinds SET v=1 WHERE id=1"});
}

void run_branch(MYSQL* client,
                const std::string& name,
                const std::vector<std::string>& statements) {
  run_sql(client, "XA START '" + name + "'");
  for (const std::string& statement : statements) {
    run_sql(client, statement);
  }
  run_sql(client, "XA END '" + name + "'");
  run_sql(client, "XA PREPARE '" + name + "'");
}

}  // namespace consort::test
