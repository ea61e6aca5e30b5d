#include "certifier/lane_sql.h"

#include "base/sql_identifier.h"
#include "certifier/ddl_fence.h"
#include "certifier/lane_batch.h"
#include "certifier/lane_errors.h"
#include "tests/support/row_events.h"
#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::certifier;

using test::describe_binlog;
using test::insert_events;

constexpr BatchStart kStart{0xAB, "c1", {2, 1}, Seqno{10}};
constexpr std::string_view kHead = "BEGIN NOT ATOMIC ";
constexpr std::string_view kRollBack =
    "DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END; ";

/// Of a batch with branches.
constexpr std::string_view kDisown =
    "DECLARE EXIT HANDLER FOR 1397 BEGIN ROLLBACK; BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION "
    "BEGIN END; UPDATE consort.`position` SET cluster='differs' WHERE id=1 AND owner=8589934593; "
    "END; RESIGNAL; END; ";

LogEntry entry(std::uint64_t seqno, Buffer payload) {
  Writeset body;
  body.branch = {1, 0, seqno};
  body.payload = std::move(payload);
  return {1, Seqno{seqno}, body};
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

/// What a server makes of `SET @x='..'`, `SET @x=CONCAT(@x,'..')`.
std::string literal_of(std::string_view statement) {
  const std::size_t from = statement.find('\'') + 1;
  return std::string(statement.substr(from, statement.rfind('\'') - from));
}

}  // namespace

TEST_SUITE("certifier") {
  TEST_CASE("a lane takes back what a DDL's session has set") {
    EXPECT(lane_session_reset("").empty());
    EXPECT(lane_session_reset("SET SESSION character_set_server=_utf8mb4 X'75', "
                              "SESSION collation_server=_utf8mb4 X'76'") ==
           "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; "
           "SET SESSION character_set_server=DEFAULT; SET SESSION collation_server=DEFAULT; END");
  }

  TEST_CASE("LaneSql: base64") {
    constexpr const char* kRows[][2] = {{"", ""},
                                        {"f", "Zg=="},
                                        {"fo", "Zm8="},
                                        {"foo", "Zm9v"},
                                        {"foob", "Zm9vYg=="},
                                        {"fooba", "Zm9vYmE="},
                                        {"foobar", "Zm9vYmFy"}};
    for (const auto& row : kRows) {
      EXPECT(base64(as_bytes(row[0])) == row[1]);
    }
    const std::uint8_t all[] = {0xFB, 0xFF, 0xBF, 0x00, 0x10, 0x83};
    EXPECT(base64(all) == "+/+/ABCD");
    std::string out = "x";
    append_base64(out, as_bytes("foo"));
    EXPECT(out == "xZm9v");
  }

  TEST_CASE("LaneSql: literals and identifiers cannot be left") {
    EXPECT(sql_literal("a'b\\c") == "'a\\'b\\\\c'");
    EXPECT(sql_literal(std::string_view("\0", 1)) == "'\\0'");
    EXPECT(sql_identifier("a`b") == "`a``b`");
  }

  TEST_CASE("LaneSql: a newer run and a newer connection own more") {
    EXPECT(LaneOwner{1, 9}.value() < LaneOwner{2, 1}.value());
    EXPECT(LaneOwner{2, 1}.value() < LaneOwner{2, 2}.value());
    EXPECT(claim_position_sql({2, 1}) ==
           "UPDATE consort.`position` SET owner=8589934593 WHERE id=1 AND owner<8589934593");
  }

  TEST_CASE("LaneSql: a move of the position names the whole row as it was") {
    const Buffer events = position_events({"c1", {2, 1}, Seqno{10}, Seqno{12}});
    EXPECT(test::describe_events(events) == "[10>12]");
    const auto [before, after] = test::position_images(test::parse_events(events).at(1).body);
    EXPECT(before.cluster_id == "c1");
    EXPECT(after.cluster_id == "c1");
    EXPECT(before.owner == LaneOwner{2, 1}.value());
    EXPECT(after.owner == LaneOwner{2, 1}.value());
  }

  TEST_CASE("LaneBatch: a transaction is one BINLOG, branches commit behind the position") {
    const LogEntry one = entry(11, insert_events("foo"));
    const LogEntry two = entry(12, insert_events("bar", 99));
    SUBCASE("two payloads: a single statement, a single group") {
      const BatchEntry entries[] = {{&one, EntryRole::kPayload}, {&two, EntryRole::kPayload}};
      const LaneBatch batch = writeset_batch(kStart, entries);
      REQUIRE(batch.statements.size() == 1);
      EXPECT(describe_binlog(batch.statements[0]) == "BINLOG [10>12 s.t:foo s.t:bar]");
      EXPECT((batch.first == Seqno{11}));
      EXPECT((batch.last == Seqno{12}));
    }
    SUBCASE("two branches") {
      const BatchEntry entries[] = {{&one, EntryRole::kBranch}, {&two, EntryRole::kBranch}};
      EXPECT(describe_binlog(writeset_batch(kStart, entries).statements[0]) ==
             std::string(kHead) + std::string(kDisown) +
                 "BINLOG [10>12]; XA COMMIT 'consort-ab-1-0-b','',1131376243; "
                 "XA COMMIT 'consort-ab-1-0-c','',1131376243; END");
    }
    SUBCASE("a branch whose cascades changed a table: not in the query cache any more") {
      Buffer events;
      test::append_table_map(events, 6, "s", "u");
      append(events, insert_events("baz"));
      const LogEntry three = entry(12, events);
      const BatchEntry entries[] = {{&one, EntryRole::kBranch}, {&three, EntryRole::kBranch}};
      EXPECT(describe_binlog(writeset_batch(kStart, entries).statements[0]) ==
             std::string(kHead) + std::string(kDisown) +
                 "BINLOG [10>12]; RESET QUERY CACHE; XA COMMIT 'consort-ab-1-0-b','',1131376243; "
                 "XA COMMIT 'consort-ab-1-0-c','',1131376243; END");
    }
    SUBCASE("a payload, then a branch") {
      const BatchEntry entries[] = {{&one, EntryRole::kPayload}, {&two, EntryRole::kBranch}};
      EXPECT(describe_binlog(writeset_batch(kStart, entries).statements[0]) ==
             std::string(kHead) + std::string(kDisown) +
                 "BINLOG [10>12 s.t:foo]; XA COMMIT 'consort-ab-1-0-c','',1131376243; END");
    }
    SUBCASE("nothing to do but to move") {
      const BatchEntry entries[] = {{&one, EntryRole::kNothing}, {&two, EntryRole::kNothing}};
      EXPECT(describe_binlog(writeset_batch(kStart, entries).statements[0]) == "BINLOG [10>12]");
    }
    SUBCASE("a branch, then a payload: the position moves twice") {
      const BatchEntry entries[] = {{&one, EntryRole::kBranch}, {&two, EntryRole::kPayload}};
      EXPECT(describe_binlog(writeset_batch(kStart, entries).statements[0]) ==
             std::string(kHead) + std::string(kDisown) +
                 "BINLOG [10>11]; XA COMMIT 'consort-ab-1-0-b','',1131376243; "
                 "BINLOG [11>12 s.t:bar]; END");
    }
    SUBCASE("several groups need a transaction around them, and a handler that ends it") {
      const LogEntry other = entry(12, insert_events("bar", 99, 2));
      const BatchEntry entries[] = {{&one, EntryRole::kPayload}, {&other, EntryRole::kPayload}};
      EXPECT(describe_binlog(writeset_batch(kStart, entries).statements[0]) ==
             std::string(kHead) + std::string(kRollBack) +
                 "START TRANSACTION; BINLOG [10>12 s.t:foo][s.t:bar]; COMMIT; END");
    }
  }

  TEST_CASE("LaneBatch: a large payload goes in pieces and comes out whole") {
    for (const std::size_t size : {1, 2, 3, 4, 5, 7, 11, 12, 13, 24, 25, 100}) {
      CAPTURE(size);
      const std::string payload(size, 'q');
      const LogEntry large = entry(11, Buffer(payload.begin(), payload.end()));
      const LaneBatch batch = large_batch(kStart, large, 16);
      std::string first;
      std::string second;
      for (const std::string& statement : batch.statements) {
        if (statement.starts_with("SET @consort_1='") ||
            statement.starts_with("SET @consort_1=CONCAT(@consort_1,'")) {
          first += literal_of(statement);
          EXPECT(literal_of(statement).size() <= 16);
        } else if (statement.starts_with("SET @consort_2=") && count_of(statement, "NULL") == 0) {
          second += literal_of(statement);
          EXPECT(literal_of(statement).size() <= 16);
        }
      }
      EXPECT(first + second == base64(as_bytes(payload)));
      const std::string& apply = batch.statements[batch.statements.size() - 2];
      EXPECT(describe_binlog(apply).ends_with(
          "START TRANSACTION; BINLOG [10>11]; BINLOG @consort_1,@consort_2; COMMIT; END"));
      EXPECT(batch.statements.back() == "SET @consort_1=NULL,@consort_2=NULL");
      EXPECT((batch.last == Seqno{11}));
    }
  }

  TEST_CASE("LaneBatch: a DDL runs as its session would have run it") {
    Ddl body;
    body.sql = "CREATE TABLE t (a INT)";
    body.schema = "shop";
    body.session_set = "SET sql_mode='ANSI'";
    const LogEntry ddl{1, Seqno{11}, body};
    const LaneBatch marked = ddl_batch(kStart, ddl, true);
    REQUIRE(marked.statements.size() == 7);
    EXPECT(marked.statements[0] == kDdlFenceSql);
    EXPECT(count_of(marked.statements[1],
                    "UPDATE consort.ddl_mark SET ddl=11,ddl_before=NULL,binlog_before=(SELECT ") ==
           1);
    EXPECT(count_of(marked.statements[1],
                    " WHERE id=1 AND EXISTS "
                    "(SELECT 1 FROM consort.`position` WHERE id=1 AND owner=8589934593 AND "
                    "seqno=10 LOCK IN SHARE MODE); IF ROW_COUNT()<>1 THEN SIGNAL") == 1);
    EXPECT(marked.statements[2] == "USE information_schema");
    EXPECT(marked.statements[3] == "USE `shop`");
    EXPECT(marked.statements[4] == body.session_set);
    EXPECT(marked.statements[5] == body.sql);
    EXPECT(marked.ddl_statement == 5);
    EXPECT(marked.statements[6] == kDdlReleaseSql);
    EXPECT(marked.last < marked.first);
    const LogEntry plain{1, Seqno{11}, Ddl{{}, "DROP USER u", "", "", "", {}, {}}};
    const LaneBatch absent = ddl_batch(kStart, ddl, true, {}, true);
    REQUIRE(absent.statements.size() == 6);
    EXPECT(absent.statements[2] == "USE information_schema");
    EXPECT(absent.statements[4] == body.sql);
    const LaneBatch again = ddl_batch(kStart, plain, false);
    REQUIRE(again.statements.size() == 3);
    EXPECT(again.ddl_statement == 1);
  }

  TEST_CASE("LaneBatch: what only drops tables of a schema that is not there does nothing") {
    Ddl body;
    body.sql = "DROP TABLE IF EXISTS a, b";
    body.schema = "shop";
    body.targets = {{"shop", "a"}, {"shop", "b"}};
    const auto executed = [&body] {
      const LaneBatch batch = ddl_batch(kStart, {1, Seqno{11}, body}, false, {}, true);
      return batch.statements[batch.ddl_statement.value()];
    };
    EXPECT(executed() == "DO 0");
    body.targets[1].schema = "other";
    EXPECT(executed() == body.sql);
    body.targets = {{"shop", ""}};
    body.sql = "DROP DATABASE IF EXISTS shop";
    EXPECT(executed() == body.sql);
    body.targets = {{"shop", "a"}};
    body.sql = "CREATE TABLE a (i INT)";  // fails where nobody has a right to create
    EXPECT(executed() == body.sql);
  }

  TEST_CASE("LaneBatch: a DDL begun before is compared with what its mark has kept") {
    Ddl body;
    body.sql = "/* swap */ rename table a to c, b to a, c to b";
    body.targets = {{"shop", "a"}, {"shop", "b"}, {"shop", "c"}};
    const LogEntry ddl{1, Seqno{11}, body};
    const auto fingerprint = ddl_fingerprint_sql(body, ServerKind::kMariadb);
    REQUIRE(fingerprint.has_value());
    const LaneBatch marked = ddl_batch(kStart, ddl, true);
    REQUIRE(marked.statements.size() == 4);
    EXPECT(count_of(marked.statements[1], "ddl_before=" + *fingerprint + ",binlog_before=") == 1);
    const LaneBatch again = ddl_batch(kStart, ddl, false);
    REQUIRE(again.statements.size() == 4);
    EXPECT(again.statements[0] == kDdlFenceSql);
    EXPECT(again.statements[1] == compound_sql(ddl_done_check_sql(*fingerprint)));
    EXPECT(again.ddl_statement == 2);
  }

  TEST_CASE("DdlFence: only what is all or nothing has a fingerprint") {
    const auto has = [](const char* sql, std::vector<DdlObject> targets) {
      Ddl body;
      body.sql = sql;
      body.targets = std::move(targets);
      return ddl_fingerprint_sql(body, ServerKind::kMariadb).has_value();
    };
    EXPECT(has("ALTER TABLE t ADD INDEX (a)", {{"s", "t"}}));
    EXPECT(has("# why\n alter online table t ADD INDEX (a)", {{"s", "t"}}));
    EXPECT(has("-- why\nRENAME TABLE t TO u", {{"s", ""}}));
    EXPECT_FALSE(has("DROP TABLE t, u", {{"s", "t"}, {"s", "u"}}));
    EXPECT_FALSE(has("CREATE TABLE t (a INT)", {{"s", "t"}}));
    EXPECT_FALSE(has("RENAME USER a TO b, c TO d", {{"", ""}}));
    EXPECT_FALSE(has("/*!50000 ALTER */ TABLE t ADD INDEX (a)", {{"s", "t"}}));
    EXPECT_FALSE(has("ALTER TABLE t ADD INDEX (a)", {}));
  }

  TEST_CASE("LaneErrors: what an error means") {
    struct Row {
      std::uint16_t error;
      LaneAction expected;
    };

    const Row rows[] = {
        {1205, LaneAction::kRetry},          {1213, LaneAction::kRetry},
        {1317, LaneAction::kResync},         {1609, LaneAction::kResync},
        {1021, LaneAction::kBackOff},        {1290, LaneAction::kBackOff},
        {1026, LaneAction::kBackOff},        {kPacketTooLargeErrno, LaneAction::kBackOff},
        {kFencedErrno, LaneAction::kFenced}, {1032, LaneAction::kInconsistent},
        {1062, LaneAction::kInconsistent},   {1397, LaneAction::kInconsistent},
        {1452, LaneAction::kInconsistent},   {9999, LaneAction::kInconsistent},
    };
    for (const Row& row : rows) {
      CAPTURE(row.error);
      EXPECT(classify_lane_error(row.error) == row.expected);
    }
    EXPECT((ddl_outcome(0) == DdlOutcome::kRun));
    EXPECT((ddl_outcome(1064) == DdlOutcome::kSkip));
    EXPECT((ddl_outcome(1050) == DdlOutcome::kSkip));
    EXPECT((ddl_outcome(1051) == DdlOutcome::kRunTolerant));
    EXPECT((ddl_outcome(1451) == DdlOutcome::kRunTolerant));
    EXPECT((ddl_outcome(1965) == DdlOutcome::kRunTolerant));
    EXPECT(ddl_partly_applied(1965));
    EXPECT_FALSE(ddl_already_applied(1965));
    EXPECT_FALSE(ddl_outcome(1205).has_value());
    EXPECT_FALSE(ddl_outcome(1317).has_value());
    EXPECT(ddl_already_applied(1050));
    EXPECT_FALSE(ddl_already_applied(1064));
  }
}
