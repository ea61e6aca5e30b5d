// Rows of MySQL: what one server's binlog holds, applied on a second one by BINLOG.

#include <string>
#include <vector>

#include "certifier/event_groups.h"
#include "certifier/lane_sql.h"
#include "tests/integration/cpp/server_pair.h"
#include "tests/support/test.h"

namespace consort::test {
namespace {

using protocol::BinlogGroup;
using protocol::BinlogGroupKind;

TEST_SUITE("mysql_rows") {
  TEST_CASE("groups of MySQL: kinds, names and positions") {
    ServerPair& pair = ServerPair::instance();
    MYSQL* client = pair.client();
    pair.on_both("CREATE TABLE kinds(id INT PRIMARY KEY, v INT)");
    const Dump dump = pair.capture([&] {
      run_groups_of_kinds(client);
      run_sql(client, "XA ROLLBACK 'empty'");
      run_sql(client, "SET gtid_next='AUTOMATIC:tag'");
      run_sql(client, "DELETE FROM kinds WHERE id=1");
      run_sql(client, "SET gtid_next='AUTOMATIC'");
      run_sql(client, "CREATE TABLE kinds_ddl(id INT)");
      run_sql(client, "FLUSH BINARY LOGS");
      run_sql(client, "DELETE FROM kinds WHERE id=2");
    });
    std::vector<BinlogGroupKind> kinds;
    for (const BinlogGroup& group : dump.groups) {
      EXPECT_FALSE(group.unfit.has_value());
      kinds.push_back(group.kind);
    }
    using enum BinlogGroupKind;
    REQUIRE(kinds == std::vector<BinlogGroupKind>{kTransaction, kXaPrepared, kXaCommitted,
                                                  kXaPrepared, kXaRolledBack, kTransaction,
                                                  kStandalone, kTransaction});
    EXPECT(dump.groups[1].xid == protocol::XaId{99, "a'b", "q"});
    EXPECT(dump.groups[2].xid == dump.groups[1].xid);
    EXPECT(dump.groups[6].statement == "CREATE TABLE kinds_ddl(id INT)");
    EXPECT(dump.groups[6].schema == "rows");
    // What the settings say is what the server takes.
    run_sql(pair.lane(), dump.groups[6].settings);
    run_sql(pair.lane(), "SET timestamp=DEFAULT");
    EXPECT(dump.groups[7].end.file != dump.groups[0].end.file);
    for (std::size_t i = 0; i < dump.groups.size(); ++i) {
      const Dump rest = read_dump(pair.origin().port(), dump.groups[i].end);
      EXPECT(rest.groups.size() == dump.groups.size() - i - 1);
    }
  }

  TEST_CASE("rows of MySQL's types reach the other server") {
    ServerPair& pair = ServerPair::instance();
    MYSQL* client = pair.client();
    pair.on_both(
        "CREATE TABLE types(id INT PRIMARY KEY, y YEAR, d DECIMAL(20,5), bt BIT(11), "
        "e ENUM('a','b') CHARACTER SET latin1, st SET('x','y'), t TIME(3), dt DATETIME(6), "
        "ts TIMESTAMP(2), g GEOMETRY, vec VECTOR(3), j JSON, bb BLOB, "
        "tx TEXT COLLATE utf8mb4_ja_0900_as_cs, ch CHAR(100), bi BINARY(8), vb VARBINARY(300), "
        "vc VARCHAR(300) COLLATE utf8mb4_0900_bin, fl FLOAT, db DOUBLE, lb LONGBLOB, "
        "bigu BIGINT UNSIGNED, da DATE, inv INT UNSIGNED INVISIBLE, gv INT AS (id*2) VIRTUAL, "
        "gs INT AS (id*3) STORED, UNIQUE KEY fx((LOWER(vc))), "
        "KEY mv((CAST(j->'$.a' AS UNSIGNED ARRAY))))");
    const std::string columns =
        "INSERT INTO types(id,y,d,bt,e,st,t,dt,ts,g,vec,j,bb,tx,ch,bi,vb,vc,fl,db,lb,bigu,da,inv) "
        "VALUES";
    pair.apply(pair.capture([&] {
      run_sql(client, columns +
                          "(1,2020,-123.45,b'10101','b','x,y','-12:34:56.789',"
                          "'2020-01-02 03:04:05.678901','2020-01-02 03:04:05.12',"
                          "ST_GeomFromText('POINT(1 2)'),TO_VECTOR('[1,2,3]'),'{\"a\":[1,2]}',"
                          "'blob','text','char','bin','varbin','vc',1.5,2.5,REPEAT('lb',40000),"
                          "18446744073709551615,'2020-02-02',4000000000)");
      run_sql(client, "INSERT INTO types(id,vc) VALUES(2,'x'),(3,'y'),(4,NULL)");
      run_sql(client, "UPDATE types SET j=JSON_OBJECT('a',JSON_ARRAY(id)),inv=id WHERE id<3");
      run_sql(client, "DELETE FROM types WHERE id=3");
    }));
    pair.expect_equal("types");
    EXPECT(run_sql(pair.lane(), "SELECT COUNT(*),SUM(inv) FROM types")[0] ==
           std::vector<std::string>{"3", "3"});
  }

  TEST_CASE("cascades that MySQL logs, unchecked rows, and the position share a group") {
    ServerPair& pair = ServerPair::instance();
    MYSQL* client = pair.client();
    pair.on_both("CREATE TABLE cp(id INT PRIMARY KEY)");
    pair.on_both(
        "CREATE TABLE cc(id INT PRIMARY KEY, p INT, FOREIGN KEY(p) REFERENCES cp(id) ON DELETE "
        "CASCADE ON UPDATE CASCADE)");
    for (const std::string& statement : certifier::create_position_sql("c")) {
      if (statement.find("ddl_mark") == std::string::npos) {
        run_sql(pair.lane(), statement);
      }
    }
    run_sql(pair.lane(), "USE `rows`");
    const Dump dump = pair.capture([&] {
      run_sql(client, "INSERT INTO cp VALUES(1),(2),(3)");
      run_sql(client, "INSERT INTO cc VALUES(1,1),(2,2),(3,3)");
      run_sql(client, "DELETE FROM cp WHERE id=1");
      run_sql(client, "UPDATE cp SET id=20 WHERE id=2");
      run_sql(client, "SET foreign_key_checks=0");
      run_sql(client, "DELETE FROM cp WHERE id=3");
      run_sql(client, "SET foreign_key_checks=1");
    });
    const Buffer move =
        certifier::position_events({"c", certifier::LaneOwner{}, Seqno{0}, Seqno{5}});
    pair.start_binlog(dump);
    certifier::EventGroups groups(ServerKind::kMysql);
    groups.add(move);
    for (const BinlogGroup& group : dump.groups) {
      groups.add(group.events);
    }
    EXPECT(groups.count() == 1);
    std::string sql = "BINLOG '";
    groups.append_base64_to(sql);
    sql += "'";
    run_sql(pair.lane(), sql);
    pair.expect_equal("cp");
    pair.expect_equal("cc");
    EXPECT(run_sql(pair.lane(), "SELECT * FROM cc ORDER BY id") ==
           SqlRows{{"2", "20"}, {"3", "3"}});
    EXPECT(run_sql(pair.lane(), "SELECT seqno FROM consort.position")[0][0] == "5");
    // Whose position is another one changes nothing.
    constexpr unsigned kNoSuchRow = 1032;
    EXPECT(try_sql(pair.lane(), sql) == kNoSuchRow);
    EXPECT(run_sql(pair.lane(), "SELECT * FROM cc ORDER BY id") ==
           SqlRows{{"2", "20"}, {"3", "3"}});
  }

  TEST_CASE("a large transaction goes in pieces") {
    ServerPair& pair = ServerPair::instance();
    MYSQL* client = pair.client();
    pair.on_both("CREATE TABLE large(id INT PRIMARY KEY AUTO_INCREMENT, v TEXT)");
    pair.on_both("CREATE TABLE large2(id INT PRIMARY KEY, v TEXT)");
    const Dump dump = pair.capture([&] {
      run_branch(client, "large",
                 {"INSERT INTO large(v) VALUES(REPEAT('a',9000)),(REPEAT('b',9000))",
                  "INSERT INTO large(v) SELECT v FROM large a",
                  "INSERT INTO large(v) SELECT a.v FROM large a JOIN large b",
                  "INSERT INTO large2 SELECT * FROM large", "UPDATE large SET v='x' WHERE id>5",
                  "DELETE FROM large2 WHERE id=3"});
      run_sql(client, "XA COMMIT 'large'");
    });
    REQUIRE(dump.groups.at(0).kind == BinlogGroupKind::kXaPrepared);
    constexpr std::size_t kPieceBytes = 64 << 10;
    const std::vector<Buffer> pieces = certifier::split_groups(dump.groups[0].events, kPieceBytes);
    EXPECT(pieces.size() > 5);
    pair.start_binlog(dump);
    run_sql(pair.lane(), "START TRANSACTION");
    for (const Buffer& piece : pieces) {
      EXPECT(piece.size() <= kPieceBytes);
      run_sql(pair.lane(), "BINLOG '" + certifier::base64(certifier::to_mysql_events(piece)) + "'");
    }
    run_sql(pair.lane(), "COMMIT");
    pair.expect_equal("large");
    pair.expect_equal("large2");
  }
}

}  // namespace
}  // namespace consort::test
