// decide(), pins and temporary tables: what a session's state does to its statements.
#include "router/temporary_tables.h"
#include "tests/support/test.h"
#include "tests/unit/router/statement_summary.h"

using namespace consort::router;

namespace {

std::string route_in(std::string_view sql, const SessionTraits& session) {
  return route_text(classify(sql), session);
}

PinSet added_by(std::string_view sql) {
  return pin_change(classify(sql)).added;
}

PinSet ended_by(std::string_view sql) {
  return pin_change(classify(sql)).ended;
}

}  // namespace

TEST_SUITE("route") {
  TEST_CASE("in a transaction everything goes home") {
    SessionTraits session;
    session.in_transaction = true;
    EXPECT(route_in("SELECT a FROM t", session) == "home/transaction");
    EXPECT(route_in("SELECT 1", session) == "home/transaction");
    EXPECT(route_in("/* consort: backend=b */ SELECT a FROM t", session) == "home/transaction");
    EXPECT(route_in("UPDATE t SET a=1", session) == "home/transaction");
    EXPECT(route_in("SHOW TABLES", session) == "home/transaction");
    EXPECT(route_in("COMMIT", session) == "proxy/transaction_control");
    EXPECT(route_in("CREATE TABLE t (a INT)", session) == "ordered/ddl");
    session.read_only_transaction = true;
    EXPECT(route_in("SELECT a FROM t", session) == "home/transaction");
  }

  TEST_CASE("autocommit=0: what begins a transaction goes home") {
    SessionTraits session;
    session.autocommit = false;
    EXPECT(route_in("SELECT a FROM t", session) == "home/autocommit_off");
    EXPECT(route_in("SELECT 1", session) == "any_fresh/safe_read");
    EXPECT(route_in("SELECT @@version", session) == "any_fresh/safe_read");
  }

  TEST_CASE("a pinned session stays at home and can say why") {
    SessionTraits session;
    session.pins.add(PinReason::kUserLock);
    session.pins.add(PinReason::kTemporaryTable);
    const Route route = decide(classify("SELECT a FROM t"), session);
    EXPECT(route.target == Target::kHome);
    EXPECT(route.reason == RouteReason::kPinned);
    EXPECT(route.pin == PinReason::kTemporaryTable);
    session.pins.clear();
    EXPECT(route_in("SELECT a FROM t", session) == "any_fresh/safe_read");
  }

  TEST_CASE("what pins and what unpins") {
    EXPECT(added_by("CREATE TEMPORARY TABLE t (a INT)").has(PinReason::kTemporaryTable));
    EXPECT(added_by("SET @x=1").has(PinReason::kUserVariables));
    EXPECT(added_by("SELECT a INTO @x FROM t").has(PinReason::kUserVariables));
    EXPECT(added_by("SELECT @x:=1").has(PinReason::kUserVariables));
    EXPECT(added_by("CALL p(@x)").has(PinReason::kUserVariables));
    EXPECT(added_by("CALL p()").has(PinReason::kUnknownState));
    EXPECT(added_by("SELECT GET_LOCK('a', 1)").has(PinReason::kUserLock));
    EXPECT(added_by("LOCK TABLES t READ").has(PinReason::kLockedTables));
    EXPECT(added_by("FLUSH TABLES WITH READ LOCK").has(PinReason::kLockedTables));
    EXPECT(added_by("PREPARE s FROM 'x'").has(PinReason::kPreparedText));
    EXPECT(added_by("HANDLER t OPEN").has(PinReason::kHandler));
    EXPECT(added_by("SELECT SQL_CALC_FOUND_ROWS a FROM t").has(PinReason::kFoundRows));
    EXPECT(added_by("SELECT a, @x FROM t WHERE b = LAST_INSERT_ID()").empty());
    EXPECT(added_by("UPDATE t SET a=1").empty());
    EXPECT(added_by("SELECT f(1)").empty());
    EXPECT(ended_by("UNLOCK TABLES").has(PinReason::kLockedTables));
    EXPECT(ended_by("SELECT RELEASE_ALL_LOCKS()").has(PinReason::kUserLock));
    EXPECT(ended_by("SELECT 1").has(PinReason::kFoundRows));
    EXPECT(!ended_by("SELECT FOUND_ROWS()").has(PinReason::kFoundRows));
    EXPECT(!ended_by("SELECT RELEASE_LOCK('a')").has(PinReason::kUserLock));
  }

  TEST_CASE("PinSet") {
    PinSet pins;
    pins.add(PinReason::kHandler);
    pins.add(PinReason::kUserLock);
    EXPECT(pins.first() == PinReason::kUserLock);
    PinSet gone;
    gone.add(PinReason::kUserLock);
    pins.remove(gone);
    EXPECT(pins.first() == PinReason::kHandler);
    pins.remove(PinReason::kHandler);
    EXPECT(pins.empty());
    for (unsigned i = 0; i < kPinReasonsCount; ++i) {
      EXPECT(!to_text(static_cast<PinReason>(i)).empty());
    }
  }

  TEST_CASE("temporary tables: DDL on them is the session's own business") {
    TemporaryTables tables;
    tables.note(classify("CREATE TEMPORARY TABLE tmp LIKE real_one"), "db");
    SessionTraits session;
    session.temporary_tables = &tables;
    session.schema = "db";
    EXPECT(route_in("DROP TABLE tmp", session) == "home/temporary_table");
    EXPECT(route_in("ALTER TABLE `TMP` ADD x INT", session) == "home/temporary_table");
    EXPECT(route_in("TRUNCATE db.tmp", session) == "home/temporary_table");
    EXPECT(route_in("DROP TABLE tmp, other", session) == "ordered/ddl");
    EXPECT(route_in("DROP TABLE real_one", session) == "ordered/ddl");
    EXPECT(route_in("DROP TABLE elsewhere.tmp", session) == "ordered/ddl");
    EXPECT(route_in("DROP DATABASE db", session) == "ordered/ddl");
    session.schema = "elsewhere";
    EXPECT(route_in("DROP TABLE tmp", session) == "ordered/ddl");
    tables.note(classify("DROP TABLE tmp"), "elsewhere");
    EXPECT(!tables.empty());
    tables.note(classify("DROP TABLE db.tmp"), "elsewhere");
    EXPECT(tables.empty());
  }

  TEST_CASE("temporary tables: more than kept means any") {
    TemporaryTables tables;
    for (std::size_t i = 0; i <= TemporaryTables::kNamesMax; ++i) {
      const std::string sql = "CREATE TEMPORARY TABLE t" + std::to_string(i) + " (a INT)";
      tables.note(classify(sql), "db");
    }
    EXPECT(tables.contains(TableRef{"x", "y", TableRole::kRead}, "db"));
    EXPECT(!tables.empty());
    tables.clear();
    EXPECT(tables.empty());
  }

  TEST_CASE("LOCK TABLES by policy") {
    RouterPolicy policy;
    policy.ignore_lock_tables = true;
    const Route route = decide(classify("LOCK TABLES t WRITE"), {}, policy);
    EXPECT(route.target == Target::kProxy);
    EXPECT(route.reason == RouteReason::kLockTables);
    EXPECT(decide(classify("LOCK TABLES t WRITE"), {}).refusal.code == 1235);
  }
}
