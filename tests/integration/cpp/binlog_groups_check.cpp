// Which groups a real server's binlog holds, and what the reader makes of them.

#include <string>
#include <thread>
#include <vector>

#include "protocol/row_events.h"
#include "tests/integration/cpp/server_pair.h"
#include "tests/support/test.h"

namespace consort::test {
namespace {

using protocol::BinlogError;
using protocol::BinlogGroup;
using protocol::BinlogGroupKind;

int unfit_code(const BinlogGroup& group) {
  return group.unfit ? group.unfit->code : 0;
}

const BinlogGroup* find_branch(const Dump& dump, const std::string& gtrid) {
  for (const BinlogGroup& group : dump.groups) {
    if (group.kind == BinlogGroupKind::kXaPrepared && group.xid && group.xid->gtrid == gtrid) {
      return &group;
    }
  }
  return nullptr;
}

TEST_SUITE("binlog_groups") {
  TEST_CASE("kinds, names and positions") {
    ServerPair& pair = ServerPair::instance();
    MYSQL* client = pair.client();
    pair.on_both("CREATE TABLE kinds(id INT PRIMARY KEY, v INT)");
    pair.on_both("CREATE TABLE kinds_myisam(id INT PRIMARY KEY) ENGINE=MyISAM");
    run_sql(client, "CREATE SEQUENCE kinds_sequence");
    const Dump dump = pair.capture([&] {
      run_groups_of_kinds(client);
      try_sql(client, "XA COMMIT 'empty'");
      run_sql(client, "CREATE TABLE kinds_ddl(id INT)");
      run_sql(client, "DO NEXTVAL(kinds_sequence)");
      run_sql(client, "INSERT INTO kinds_myisam VALUES(1)");
      run_sql(client, "FLUSH BINARY LOGS");
      run_sql(client, "DELETE FROM kinds WHERE id=2");
    });
    std::vector<BinlogGroupKind> kinds;
    for (const BinlogGroup& group : dump.groups) {
      EXPECT(unfit_code(group) == 0);
      EXPECT(group.gtid.server == 11);
      kinds.push_back(group.kind);
    }
    using enum BinlogGroupKind;
    const std::vector<BinlogGroupKind> expected{kTransaction, kXaPrepared,   kXaCommitted,
                                                kXaPrepared,  kXaRolledBack, kStandalone,
                                                kTransaction, kTransaction,  kTransaction};
    REQUIRE(kinds == expected);
    REQUIRE(dump.groups[1].xid.has_value());
    EXPECT(*dump.groups[1].xid == protocol::XaId{99, "a'b", "q"});
    EXPECT(dump.groups[2].xid == dump.groups[1].xid);
    EXPECT(dump.groups[5].statement == "CREATE TABLE kinds_ddl(id INT)");
    EXPECT(dump.groups[5].schema == "rows");
    EXPECT(dump.groups[6].tables.at(0).table == "kinds_sequence");
    EXPECT(dump.groups[8].end.file != dump.groups[0].end.file);
    // A dump from any group's end delivers exactly what follows.
    for (std::size_t i = 0; i < dump.groups.size(); ++i) {
      const Dump rest = read_dump(pair.origin().port(), dump.groups[i].end);
      EXPECT(rest.groups.size() == dump.groups.size() - i - 1);
    }
    const SqlRows last = run_sql(client, "SELECT @@last_gtid");
    EXPECT(protocol::to_string(dump.groups.back().gtid) == last[0][0]);
  }

  TEST_CASE("rows undone by ROLLBACK TO beside a temporary table are cut out") {
    ServerPair& pair = ServerPair::instance();
    pair.on_both("CREATE TABLE undone(id INT PRIMARY KEY, v INT)");
    pair.on_both("INSERT INTO undone VALUES(1,0),(2,0),(3,0)");
    const Dump dump = pair.capture([&] {
      run_branch(
          pair.client(), "savepoints",
          {"UPDATE undone SET v=1 WHERE id=1", "CREATE TEMPORARY TABLE undone_temporary(a INT)",
           "SAVEPOINT s1", "UPDATE undone SET v=2 WHERE id=2", "SAVEPOINT s2",
           "UPDATE undone SET v=3 WHERE id=3", "ROLLBACK TO S2", "UPDATE undone SET v=4 WHERE id=3",
           "ROLLBACK TO s1", "INSERT INTO undone_temporary VALUES(1)",
           "UPDATE undone SET v=5 WHERE id=3", "RELEASE SAVEPOINT s1",
           "DROP TEMPORARY TABLE undone_temporary"});
      run_sql(pair.client(), "XA COMMIT 'savepoints'");
    });
    const BinlogGroup* branch = find_branch(dump, "savepoints");
    REQUIRE(branch != nullptr);
    EXPECT(unfit_code(*branch) == 0);
    EXPECT(branch->spans.size() == 4);
    pair.apply(dump);
    pair.expect_equal("undone");
  }

  TEST_CASE("unfit groups do not stop the stream") {
    ServerPair& pair = ServerPair::instance();
    pair.on_both("CREATE TABLE unfit(id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(2000))");
    const auto branch = [&](const std::string& name, const std::string& set,
                            const std::string& statement) {
      const MysqlPtr client = pair.origin().connect();
      run_sql(client.get(), "USE `rows`");
      run_sql(client.get(), "SET pseudo_slave_mode=1");
      run_sql(client.get(), set);
      run_branch(client.get(), name, {statement});
      run_sql(client.get(), "XA ROLLBACK '" + name + "'");
    };
    const std::string insert = "INSERT INTO unfit(v) VALUES(REPEAT('x',1500))";
    const Dump dump = pair.capture(
        [&] {
          branch("statement", "SET binlog_format=STATEMENT", insert);
          branch("compressed", "SET GLOBAL log_bin_compress=ON", insert);
          run_sql(pair.client(), "SET GLOBAL log_bin_compress=OFF");
          branch("large", "DO 0", insert + ",(REPEAT('y',1500))");
          branch("annotated", "SET binlog_annotate_row_events=1", insert);
          branch("fits", "DO 0", insert);
        },
        {.group_bytes_max = 2000});
    for (const auto& [name, code] :
         {std::pair<std::string, int>{"fits", 0},
          {"annotated", 0},
          {"large", static_cast<int>(BinlogError::kGroupTooLarge)},
          {"compressed", static_cast<int>(BinlogError::kCompressed)},
          {"statement", static_cast<int>(BinlogError::kStatementFormat)}}) {
      INFO(name);
      const BinlogGroup* found = find_branch(dump, name);
      REQUIRE(found != nullptr);
      EXPECT(unfit_code(*found) == code);
      EXPECT(found->events.empty() == (code != 0));
    }
  }

  TEST_CASE("names of branches prepared at the same time") {
    ServerPair& pair = ServerPair::instance();
    constexpr int kThreads = 8;
    constexpr int kBranches = 40;
    pair.on_both("CREATE TABLE grouped(id INT PRIMARY KEY, v INT)");
    run_sql(pair.client(), "SET GLOBAL binlog_commit_wait_count=8");
    run_sql(pair.client(), "SET GLOBAL binlog_commit_wait_usec=2000");
    const Dump dump = pair.capture([&] {
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&pair, t] {
          const MysqlPtr client = pair.origin().connect();
          run_sql(client.get(), "USE `rows`");
          run_sql(client.get(), "SET pseudo_slave_mode=1");
          for (int i = 0; i < kBranches; ++i) {
            const std::string number = std::to_string(t * kBranches + i);
            run_branch(client.get(), "g" + number,
                       {"INSERT INTO grouped VALUES(" + number + ",1)"});
            run_sql(client.get(), "XA COMMIT 'g" + number + "'");
          }
        });
      }
      for (std::thread& thread : threads) {
        thread.join();
      }
    });
    run_sql(pair.client(), "SET GLOBAL binlog_commit_wait_count=0");
    int grouped = 0;
    for (const Buffer& event : dump.events) {
      constexpr std::size_t kFlags = protocol::kBinlogHeaderBytes + 12;
      grouped += event[4] == 162 && (event[kFlags] & 0x42) == 0x42 ? 1 : 0;
    }
    EXPECT(grouped > 0);  // prepared branches with a group commit id: the hard form of the event
    for (int i = 0; i < kThreads * kBranches; ++i) {
      EXPECT(find_branch(dump, "g" + std::to_string(i)) != nullptr);
    }
    pair.apply(dump);
    pair.expect_equal("grouped");
  }

  TEST_CASE("tables, statements and the foreign key flag") {
    ServerPair& pair = ServerPair::instance();
    pair.on_both("CREATE TABLE top(id INT PRIMARY KEY)");
    pair.on_both(
        "CREATE TABLE leaf(id INT PRIMARY KEY, top INT, "
        "FOREIGN KEY(top) REFERENCES top(id) ON DELETE CASCADE)");
    pair.on_both("INSERT INTO top VALUES(1),(2)");
    pair.on_both("INSERT INTO leaf VALUES(1,1),(2,2)");
    Dump dump = pair.capture([&] {
      run_branch(pair.client(), "cascade",
                 {"INSERT INTO leaf VALUES(3,1)", "DELETE FROM top WHERE id=1"});
      run_sql(pair.client(), "XA COMMIT 'cascade'");
    });
    REQUIRE(dump.groups.size() == 2);
    BinlogGroup& group = dump.groups[0];
    REQUIRE(group.tables.size() == 2);
    EXPECT(group.tables[0].table == "leaf");
    EXPECT(group.tables[0].has_rows);
    EXPECT(group.tables[0].mapped_without_rows);
    EXPECT(group.tables[1].table == "top");
    EXPECT_FALSE(group.tables[1].mapped_without_rows);
    protocol::set_no_foreign_key_checks(group, true,
                                        [](const TableName& name) { return name.table == "leaf"; });
    int flagged = 0;
    for (const auto& span : group.spans) {
      flagged += (span.flags & protocol::kRowsNoForeignKeyChecks) != 0 ? 1 : 0;
    }
    EXPECT(flagged == 1);
    pair.apply(dump);
    pair.expect_equal("top");
    pair.expect_equal("leaf");
  }
}

}  // namespace
}  // namespace consort::test
