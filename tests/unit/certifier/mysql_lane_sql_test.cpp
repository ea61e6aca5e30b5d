#include "certifier/mysql_lane_sql.h"

#include <algorithm>
#include <string>
#include <vector>

#include "certifier/ddl_fence.h"
#include "certifier/global_variables_sql.h"
#include "certifier/lane_batch.h"
#include "certifier/lane_errors.h"
#include "tests/support/row_events.h"
#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::certifier;

using test::describe_binlog;
using test::insert_events;

using Texts = std::vector<std::string>;

constexpr BatchStart kMysqlStart{0xAB, "c1", {2, 1}, Seqno{10}, ServerKind::kMysql};

LogEntry mysql_entry(std::uint64_t seqno, Buffer payload) {
  Writeset body;
  body.branch = {1, 0, seqno};
  body.payload = std::move(payload);
  return {1, Seqno{seqno}, body};
}

/// The statements, each BINLOG in words.
Texts described(const LaneBatch& batch) {
  Texts out;
  for (const std::string& statement : batch.statements) {
    out.push_back(describe_binlog(statement));
  }
  return out;
}

/// Of the table that insert_events() names, with other columns: they need a group of their own.
Buffer altered_events(std::string_view rows) {
  Buffer out;
  test::append_table_map(out, 99, "s", "t", "other columns");
  test::append_event(out, {test::kWriteRowsEvent, 99, test::kEndsStatement, as_bytes(rows)});
  return out;
}

Ddl ddl_of(std::string sql) {
  Ddl ddl;
  ddl.sql = std::move(sql);
  ddl.schema = "shop";
  return ddl;
}

}  // namespace

TEST_SUITE("certifier") {
  TEST_CASE("MySqlLaneBatch: the position moves first, branches commit behind it, one by one") {
    const LogEntry one = mysql_entry(11, insert_events("foo"));
    const LogEntry two = mysql_entry(12, insert_events("bar", 99));
    const std::string commit_one = "XA COMMIT 'consort-ab-1-0-b','',1131376243";
    const std::string commit_two = "XA COMMIT 'consort-ab-1-0-c','',1131376243";
    SUBCASE("two payloads") {
      const BatchEntry entries[] = {{&one, EntryRole::kPayload}, {&two, EntryRole::kPayload}};
      const LaneBatch batch = writeset_batch(kMysqlStart, entries);
      EXPECT(described(batch) == Texts{"BINLOG [10>12 s.t:foo s.t:bar]"});
      EXPECT_FALSE(batch.rolls_back);
      EXPECT((batch.first == Seqno{11}));
      EXPECT((batch.last == Seqno{12}));
    }
    SUBCASE("two branches: a connection lost between any two leaves what recovery commits") {
      const BatchEntry entries[] = {{&one, EntryRole::kBranch}, {&two, EntryRole::kBranch}};
      const LaneBatch batch = writeset_batch(kMysqlStart, entries);
      EXPECT(described(batch) == Texts{"BINLOG [10>12]", commit_one, commit_two});
      EXPECT_FALSE(batch.rolls_back);
      EXPECT(batch.branches == 2);
    }
    SUBCASE("a payload, then a branch") {
      const BatchEntry entries[] = {{&one, EntryRole::kPayload}, {&two, EntryRole::kBranch}};
      EXPECT(described(writeset_batch(kMysqlStart, entries)) ==
             Texts{"BINLOG [10>12 s.t:foo]", commit_two});
    }
    SUBCASE("a branch, then a payload: the position moves twice, behind the XA COMMIT") {
      const BatchEntry entries[] = {{&one, EntryRole::kBranch}, {&two, EntryRole::kPayload}};
      EXPECT(described(writeset_batch(kMysqlStart, entries)) ==
             Texts{"BINLOG [10>11]", commit_one, "BINLOG [11>12 s.t:bar]"});
    }
    SUBCASE("a branch whose cascades changed a table: there is no query cache") {
      Buffer events;
      test::append_table_map(events, 6, "s", "u");
      append(events, insert_events("baz"));
      const LogEntry three = mysql_entry(11, events);
      const BatchEntry entries[] = {{&three, EntryRole::kBranch}};
      EXPECT(described(writeset_batch(kMysqlStart, entries)) ==
             Texts{"BINLOG [10>11]", commit_one});
    }
    SUBCASE("several groups are a transaction, which an error leaves to be rolled back") {
      const LogEntry other = mysql_entry(12, altered_events("bar"));
      const BatchEntry entries[] = {{&one, EntryRole::kPayload}, {&other, EntryRole::kPayload}};
      const LaneBatch batch = writeset_batch(kMysqlStart, entries);
      EXPECT(described(batch) ==
             Texts{"START TRANSACTION", "BINLOG [10>12 s.t:foo][s.t:bar]", "COMMIT"});
      EXPECT(batch.rolls_back);
    }
    SUBCASE("no XA COMMIT stands within a transaction") {
      const LogEntry other = mysql_entry(12, altered_events("bar"));
      const LogEntry third = mysql_entry(13, insert_events("baz", 99));
      const BatchEntry entries[] = {
          {&one, EntryRole::kPayload}, {&other, EntryRole::kPayload}, {&third, EntryRole::kBranch}};
      const LaneBatch batch = writeset_batch(kMysqlStart, entries);
      EXPECT(described(batch) == Texts{"START TRANSACTION", "BINLOG [10>13 s.t:foo][s.t:bar]",
                                       "COMMIT", "XA COMMIT 'consort-ab-1-0-d','',1131376243"});
      EXPECT(batch.rolls_back);
    }
  }

  TEST_CASE("MySqlLaneBatch: a large payload goes in groups, in one transaction with its move") {
    Buffer payload;
    for (int i = 0; i < 9; ++i) {
      append(payload, insert_events("row" + std::to_string(i)));
    }
    const LaneBatch batch = large_batch(kMysqlStart, mysql_entry(11, payload), 400);
    const Texts told = described(batch);
    REQUIRE(told.size() > 4);
    EXPECT(told[0] == "START TRANSACTION");
    EXPECT(told[1] == "BINLOG [10>11]");
    EXPECT(told.back() == "COMMIT");
    std::string rows;
    for (std::size_t i = 2; i + 1 < told.size(); ++i) {
      EXPECT(told[i].starts_with("BINLOG ["));
      rows += told[i];
    }
    for (int i = 0; i < 9; ++i) {
      const std::string row = "s.t:row" + std::to_string(i);
      CAPTURE(row);
      const std::size_t at = rows.find(row);
      REQUIRE(at != rows.npos);
      EXPECT(rows.find(row, at + 1) == rows.npos);
      rows.erase(0, at);  // and they are in order
    }
    EXPECT(batch.rolls_back);
    EXPECT((batch.last == Seqno{11}));
  }

  TEST_CASE("MySqlLaneBatch: a whole table's rows are deleted behind the move") {
    const LogEntry whole = mysql_entry(11, insert_events("foo"));
    const std::string clear = "DELETE /*+ SET_VAR(foreign_key_checks=OFF) */ FROM `s`.`t`";
    const LaneBatch batch = whole_table_batch(kMysqlStart, whole, 4096);
    EXPECT(described(batch) ==
           Texts{"START TRANSACTION", "BINLOG [10>11]", clear, "BINLOG [s.t:foo]", "COMMIT"});
    EXPECT(batch.rolls_back);
    const LaneBatch large = whole_table_batch(kMysqlStart, whole, 16);
    EXPECT(described(large) == described(batch));
    EXPECT(large.rolls_back);
  }

  TEST_CASE("MySqlLaneBatch: a DDL's mark, and the lock by which its session knows of it") {
    const LogEntry ddl{1, Seqno{11}, ddl_of("CREATE TABLE t (a INT)")};
    const LaneBatch batch = mark_batch(kMysqlStart, ddl);
    REQUIRE(batch.statements.size() == 4);
    EXPECT(batch.statements[0] ==
           "SELECT RELEASE_LOCK(CONCAT('consort_turn_',ddl)) FROM consort.ddl_mark WHERE id=1");
    EXPECT(batch.statements[1].starts_with(
        "UPDATE consort.ddl_mark SET ddl=11,ddl_before=NULL,binlog_before=("));
    EXPECT(batch.statements[1].ends_with("AND owner=8589934593 AND seqno=10 FOR SHARE)"));
    EXPECT(batch.statements[2].starts_with("CALL consort.stop_unless(ROW_COUNT()=1," +
                                           std::to_string(kFencedErrno) + ","));
    EXPECT(batch.statements[3].starts_with(
        "CALL consort.stop_unless(GET_LOCK('consort_turn_11',0)<=>1,1205,"));
    EXPECT(batch.last < batch.first);
    EXPECT_FALSE(batch.rolls_back);
  }

  TEST_CASE("MySqlLaneBatch: a DDL runs between the fence and its release") {
    Ddl body = ddl_of("CREATE TABLE t (a INT)");
    body.session_set = "SET SESSION sql_mode='ANSI'";
    const LogEntry ddl{1, Seqno{11}, body};
    const LaneBatch marked = ddl_batch(kMysqlStart, ddl, true);
    Texts expected{mysql::ddl_fence_sql()};
    for (const std::string& statement : mark_batch(kMysqlStart, ddl).statements) {
      expected.push_back(statement);
    }
    for (const char* statement :
         {"USE information_schema", "USE `shop`", "SET SESSION sql_mode='ANSI'",
          "CREATE TABLE t (a INT)", "SELECT RELEASE_ALL_LOCKS() LIMIT 1"}) {
      expected.emplace_back(statement);
    }
    EXPECT(marked.statements == expected);
    REQUIRE(marked.ddl_statement.has_value());
    EXPECT(marked.statements[*marked.ddl_statement] == body.sql);

    // Nothing tells whether a CREATE was executed: it is executed again.
    const LaneBatch again = ddl_batch(kMysqlStart, ddl, false);
    EXPECT(again.statements.front() == mysql::ddl_fence_sql());
    EXPECT(again.ddl_statement == 4);
    EXPECT(look_batch(kMysqlStart, ddl).statements ==
           Texts{mysql::ddl_fence_sql(), std::string(mysql::kSessionReleaseSql)});
  }

  TEST_CASE("MySqlLaneBatch: a DDL begun before is compared with what its mark has kept") {
    Ddl body = ddl_of("ALTER TABLE t ADD INDEX (a)");
    body.targets = {{"shop", "t"}};
    const LogEntry ddl{1, Seqno{11}, body};
    const auto fingerprint = ddl_fingerprint_sql(body, ServerKind::kMysql);
    REQUIRE(fingerprint.has_value());
    EXPECT(fingerprint->starts_with("LEFT(SHA2("));
    EXPECT(fingerprint->find("INNODB_SYS_") == std::string::npos);
    const std::string check = mysql::ddl_done_check_sql(*fingerprint);
    EXPECT(check.starts_with("CALL consort.stop_unless(NOT IFNULL("));
    EXPECT(check.find("," + std::to_string(kDdlDoneErrno) + ",") != std::string::npos);
    EXPECT(mark_batch(kMysqlStart, ddl).statements[1].find("ddl_before=" + *fingerprint + ",") !=
           std::string::npos);
    EXPECT(ddl_batch(kMysqlStart, ddl, false).statements[1] == check);
    EXPECT(look_batch(kMysqlStart, ddl).statements ==
           Texts{mysql::ddl_fence_sql(), check, std::string(mysql::kSessionReleaseSql)});
    const Texts marked = ddl_batch(kMysqlStart, ddl, true).statements;
    EXPECT(std::find(marked.begin(), marked.end(), check) == marked.end());
  }

  TEST_CASE("MySqlLaneSql: global variables, whatever their values are") {
    const GlobalVariable variables[] = {
        {"init_connect", "SET @a='x; y'; SET @b=\"\\\"", true},
        {"max_connections", "77", false},
        {"hot.key_buffer_size", std::nullopt, false},
    };
    const auto steps = mysql::set_globals_steps(set_globals_sql(variables));
    REQUIRE(steps.has_value());
    REQUIRE(steps->size() == 8);
    EXPECT(steps->at(0).starts_with("CREATE TABLE IF NOT EXISTS consort.global_variables ("));
    EXPECT(steps->at(0).ends_with("ENGINE=InnoDB"));
    EXPECT(steps->at(1) ==
           "REPLACE INTO consort.global_variables (name,value,is_text) VALUES "
           "('init_connect','SET @a=\\'x; y\\'; SET @b=\"\\\\\"',1),('max_connections','77',0),"
           "('hot.key_buffer_size',NULL,0)");
    EXPECT(steps->at(2).starts_with("CALL consort.attempt('SET GLOBAL `init_connect`=\\'SET @a="));
    EXPECT(steps->at(2).ends_with("')"));
    EXPECT(steps->at(3) == "CALL consort.attempt('SET SESSION `init_connect`=DEFAULT')");
    EXPECT(steps->at(4) == "CALL consort.attempt('SET GLOBAL `max_connections`=77')");
    EXPECT(steps->at(6) == "CALL consort.attempt('SET GLOBAL `hot`.`key_buffer_size`=NULL')");
    EXPECT_FALSE(mysql::set_globals_steps("CREATE TABLE t (a INT)").has_value());
    EXPECT_FALSE(mysql::set_globals_steps("").has_value());

    const LogEntry ddl{1, Seqno{11}, ddl_of("SET GLOBAL max_connections=77")};
    const LaneBatch batch = ddl_batch(kMysqlStart, ddl, false, set_globals_sql(variables));
    REQUIRE(batch.ddl_statement.has_value());
    EXPECT(batch.statements[*batch.ddl_statement] == "DO 0");
    EXPECT(batch.statements[*batch.ddl_statement - 1] == steps->back());
  }

  TEST_CASE("MySqlLaneSql: a session's turn") {
    const std::string turn =
        "GET_LOCK('consort_ddl',2)<=>1 AND (IS_USED_LOCK('consort_turn_11') IS NOT NULL OR "
        "RELEASE_LOCK('consort_ddl')*0)";
    EXPECT(mysql::ddl_turn_fence_sql(Seqno{11}) == "SELECT IF(" + turn + ",0,EXP(999)) LIMIT 1");
    EXPECT(mysql::ddl_turn_fence_sql(Seqno{11}, "17.25") ==
           "SET SESSION timestamp=IF(" + turn + ",17.25,EXP(999))");
  }

  TEST_CASE("MySqlLaneSql: a lane takes back what a DDL's session has set, variable by variable") {
    EXPECT(mysql::lane_session_reset("").empty());
    EXPECT(
        mysql::lane_session_reset(
            "SET SESSION character_set_server=_utf8mb4 X'75', SESSION rand_seed1=4, "
            "SESSION collation_server=_utf8mb4 X'76'") ==
        Texts{"SET SESSION character_set_server=DEFAULT", "SET SESSION collation_server=DEFAULT"});
  }

  TEST_CASE("MySqlLaneSql: a DDL's tables are matched as InnoDB spells their names there") {
    Ddl body;
    body.sql = "RENAME TABLE `Tü-b_1` TO a";
    body.targets = {{"shop", "Tü-b_1"}};
    // It is T@1o@002db_1 there (measured): one @ for each character that is spelled out.
    const std::string sql = ddl_fingerprint_sql(body, ServerKind::kMysql).value_or("");
    EXPECT(sql.find("t.NAME LIKE 'shop/T@%@%b\\\\_1'") != std::string::npos);
    EXPECT(sql.find("t.NAME LIKE 'shop/T@%@%b\\\\_1#p#%'") != std::string::npos);
  }
}
