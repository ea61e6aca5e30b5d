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

  TEST_CASE("user variables that no pin tells of bind what reads them") {
    SessionTraits session;
    session.user_variables = true;  // a trigger may have made some
    const auto target = [&](std::string_view sql) {
      return decide(classify(sql), session, {}).target;
    };
    EXPECT(target("SELECT v FROM t") == Target::kAnyFresh);
    EXPECT(target("SELECT @a") == Target::kHome);
    EXPECT(target("SELECT v FROM t WHERE id=@`a`") == Target::kHome);
    EXPECT(target("SELECT * FROM information_schema.User_Variables") == Target::kHome);
    session.user_variables = false;
    EXPECT(target("SELECT @a") == Target::kAnyFresh);
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
    SessionTraits session;
    session.ddl_subjects = DdlSubjects::kTemporary;
    EXPECT(route_in("DROP TABLE tmp", session) == "home/temporary_table");
    EXPECT(route_in("ALTER TABLE `TMP` ADD x INT", session) == "home/temporary_table");
    EXPECT(route_in("TRUNCATE db.tmp", session) == "home/temporary_table");
    EXPECT(route_in("CREATE INDEX i ON tmp (a)", session) == "home/temporary_table");
    session.ddl_subjects = DdlSubjects::kMixed;
    EXPECT(route_in("CREATE TABLE lasting LIKE tmp", session) == "refuse/not_supported");
    EXPECT(decide(classify("CREATE VIEW v AS TABLE tmp"), session).refusal.code == 1352);
    EXPECT(route_in("RENAME TABLE tmp TO a, b TO c", session) == "refuse/not_supported");
    EXPECT(route_in("DROP TEMPORARY TABLE tmp, other", session) == "home/temporary_table");
    session.ddl_subjects = DdlSubjects::kSeparable;
    EXPECT(route_in("DROP TABLE tmp, other", session) == "ordered/ddl");
    session.ddl_subjects = DdlSubjects::kPlain;
    EXPECT(route_in("DROP TABLE real_one", session) == "ordered/ddl");
    EXPECT(route_in("DROP DATABASE db", session) == "ordered/ddl");
  }

  TEST_CASE("temporary tables: what their names tell of a statement") {
    TemporaryTables tables;
    EXPECT(!tables.changes_only_these(classify("INSERT INTO tmp VALUES (1)"), "db"));
    tables.note(classify("CREATE TEMPORARY TABLE tmp LIKE real_one"), "db");
    const auto only = [&](std::string_view sql) {
      return tables.changes_only_these(classify(sql), "db");
    };
    const auto may = [&](std::string_view sql) { return tables.may_change(classify(sql), "db"); };
    EXPECT(only("INSERT INTO tmp SELECT * FROM real_one"));
    EXPECT(only("DELETE FROM db.TMP"));
    EXPECT(only("LOAD DATA INFILE 'x' INTO TABLE tmp"));
    EXPECT(!only("INSERT INTO tmp SELECT f()"));
    EXPECT(!only("INSERT INTO elsewhere.tmp VALUES (1)"));
    EXPECT(!only("UPDATE tmp, real_one SET tmp.a=1"));
    EXPECT(!only("SELECT * FROM tmp"));
    EXPECT(!only("CREATE TEMPORARY TABLE b SELECT * FROM tmp"));
    EXPECT(may("UPDATE tmp, real_one SET tmp.a=1"));
    EXPECT(may("INSERT INTO real_one SELECT f()"));
    EXPECT(may("CALL p()"));
    EXPECT(may("CREATE TEMPORARY TABLE b SELECT * FROM tmp"));
    EXPECT(!may("INSERT INTO real_one SELECT * FROM tmp"));
    EXPECT(!may("SELECT * FROM tmp"));
  }

  TEST_CASE("temporary tables: their names come and go") {
    TemporaryTables tables;
    const auto note = [&](std::string_view sql, std::string_view schema = "db") {
      tables.note(classify(sql), schema);
    };
    const auto knows = [&](std::string_view name) {
      return tables.contains(TableRef{"db", name, TableRole::kRead}, "");
    };
    note("CREATE TEMPORARY TABLE a (x INT)");
    note("CREATE TABLE plain (x INT)");
    EXPECT(knows("a"));
    EXPECT(!knows("plain"));
    note("ALTER TABLE a RENAME TO b");
    EXPECT((knows("b") && !knows("a")));
    note("RENAME TABLE b TO c, plain TO d");
    EXPECT((knows("c") && !knows("b") && !knows("d")));
    note("ALTER TABLE c ADD COLUMN y INT");
    note("TRUNCATE TABLE c");
    note("DROP VIEW c");
    note("DROP TABLE c", "elsewhere");
    EXPECT(knows("c"));
    note("DROP TABLE IF EXISTS nowhere, db.c", "elsewhere");
    EXPECT(tables.empty());
  }

  TEST_CASE("temporary tables: RENAME TABLE takes one pair after the other") {
    const auto kind = [](std::string_view sql, TemporarySubjects temporary) {
      return kind_of_subjects(classify(sql), temporary, "db");
    };
    // Both names are the temporary table's until the first is taken away.
    EXPECT(kind("RENAME TABLE t TO a, t TO b", 0b101) == DdlSubjects::kMixed);
    EXPECT(kind("RENAME TABLE t TO a, db.T TO b", 0b101) == DdlSubjects::kMixed);
    EXPECT(kind("RENAME TABLE t TO a, other.t TO b", 0b101) == DdlSubjects::kTemporary);
    EXPECT(kind("RENAME TABLE t TO a, a TO b", 0b001) == DdlSubjects::kTemporary);
    EXPECT(kind("RENAME TABLE t TO A, a TO b", 0b001) == DdlSubjects::kMixed);
    EXPECT(kind("RENAME TABLE t TO a, a TO b, a TO c", 0b001) == DdlSubjects::kMixed);
    EXPECT(kind("RENAME TABLE t TO a, u TO t, a TO u", 0b100101) == DdlSubjects::kTemporary);
    EXPECT(kind("RENAME TABLE t TO a, u TO t, db.a TO u", 0b100001) == DdlSubjects::kMixed);
    EXPECT(kind("RENAME TABLE p TO t", 0b10) == DdlSubjects::kMixed);
    EXPECT(kind("RENAME TABLE p TO q, r TO s", 0) == DdlSubjects::kPlain);
  }

  TEST_CASE("temporary tables: what a DDL statement's tables are together") {
    const auto kind = [](std::string_view sql, TemporarySubjects temporary) {
      return kind_of_subjects(classify(sql), temporary, "db");
    };
    EXPECT(kind("DROP TABLE a, b", 0) == DdlSubjects::kPlain);
    EXPECT(kind("DROP TABLE a, b", 3) == DdlSubjects::kTemporary);
    EXPECT(kind("DROP TABLE a, b", 2) == DdlSubjects::kSeparable);
    EXPECT(kind("RENAME TABLE a TO b, c TO d", 1) == DdlSubjects::kMixed);
    EXPECT(kind("ALTER TABLE a RENAME TO b", 1) == DdlSubjects::kTemporary);
    EXPECT(kind("ALTER TABLE a RENAME TO b", 2) == DdlSubjects::kMixed);
    EXPECT(kind("CREATE TABLE a LIKE b", 1) == DdlSubjects::kMixed);
  }

  TEST_CASE("temporary tables: which names of a DDL statement the server is asked about") {
    const auto subjects = [](std::string_view sql) {
      const Statement statement = classify(sql);
      std::string text;
      for (const TableRef& table : ddl_subjects(statement)) {
        text += std::string(table.name) + (table.role == TableRole::kDdl ? " " : "? ");
      }
      return text;
    };
    EXPECT(subjects("DROP TABLE a, b") == "a b ");
    EXPECT(subjects("DROP VIEW a") == "");
    EXPECT(subjects("DROP TEMPORARY TABLE a") == "");
    EXPECT(subjects("ALTER TABLE a RENAME TO b") == "a b? ");
    EXPECT(subjects("RENAME TABLE a TO b, c TO d") == "a b? c d? ");
    EXPECT(subjects("TRUNCATE a") == "a ");
    EXPECT(subjects("CREATE UNIQUE INDEX i ON a (x)") == "a ");
    EXPECT(subjects("DROP INDEX i ON a") == "a ");
    EXPECT(subjects("CREATE TABLE a (x INT)") == "");
    EXPECT(subjects("CREATE TABLE a LIKE b") == "b? ");
    EXPECT(subjects("CREATE VIEW a AS SELECT * FROM b, c") == "b? c? ");
    EXPECT(subjects("ALTER VIEW a AS SELECT * FROM b") == "b? ");
    EXPECT(subjects("CREATE TEMPORARY TABLE a LIKE b") == "");
    EXPECT(subjects("DROP DATABASE d") == "");
    EXPECT(subjects("INSERT INTO a VALUES (1)") == "");
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
    EXPECT(decide(classify("LOCK TABLES t WRITE"), {}).target == Target::kHome);
    EXPECT(decide(classify("LOCK TABLES `t WRITE"), {}).refusal.code == 1235);
  }
}
