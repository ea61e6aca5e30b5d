// classify(): queries and row changes.
#include "tests/support/test.h"
#include "tests/unit/router/statement_summary.h"

using namespace consort::router;

namespace {

constexpr std::string_view kRead = "reads_only touches_tables";
constexpr std::string_view kAny = "any_fresh/safe_read";

}  // namespace

TEST_SUITE("classify") {
  TEST_CASE("reads that may go anywhere") {
    const Case table[] = {
        {"SELECT 1", "select", "reads_only", "", kAny},
        {"select 1;", "select", "reads_only", "", kAny},
        {" /* x */ ; ", "empty", "reads_only", "", "proxy/empty_statement"},
        {"SELECT 1 ; ; -- x", "select", "reads_only", "", kAny},
        {"SELECT c FROM sbtest1 WHERE id=501", "select", kRead, "r:sbtest1", kAny},
        {"SELECT * FROM a.t x JOIN `b`.`u` AS y ON x.i = y.i, v w WHERE 1", "select", kRead,
         "r:a.t r:b.u r:v", kAny},
        {"SELECT * FROM a JOIN (b, c JOIN d) USING (x)", "select", kRead, "r:a r:b r:c r:d", kAny},
        {"SELECT (SELECT max(x) FROM u) FROM t WHERE y IN (SELECT z FROM v, w)", "select", kRead,
         "r:u r:t r:v r:w", kAny},
        {"SELECT * FROM (SELECT a FROM t) d, e", "select", kRead, "r:t r:e", kAny},
        {"((SELECT a FROM t) UNION ALL (SELECT b FROM u)) ORDER BY 1", "select", kRead, "r:t r:u",
         kAny},
        {"SELECT 1 UNION SELECT a FROM t EXCEPT SELECT b FROM u", "select", kRead, "r:t r:u", kAny},
        {"WITH c AS (SELECT 1) SELECT * FROM c", "select", kRead, "r:c", kAny},
        {"WITH RECURSIVE c (n) AS (SELECT 1), d (m, o) AS (SELECT 2, 3) SELECT * FROM c, d",
         "select", kRead, "r:c r:d", kAny},
        {"VALUES (1, 2), (3, 4)", "select", "reads_only", "", kAny},
        {"TABLE t", "select", kRead, "r:t", kAny},
        {"SELECT EXTRACT(YEAR FROM d), TRIM(BOTH 'x' FROM s), SUBSTRING(s FROM 2 FOR 3) FROM t",
         "select", kRead, "r:t", kAny},
        {"SELECT 1 FROM DUAL", "select", kRead, "", kAny},
        {"SELECT a FROM t PARTITION (p0, p1) USE INDEX (i, j) WHERE b", "select", kRead, "r:t",
         kAny},
        {"SELECT a FROM t FORCE INDEX FOR ORDER BY (i), u", "select", kRead, "r:t", kAny},
        {"SELECT STRAIGHT_JOIN a FROM t STRAIGHT_JOIN u", "select", kRead, "r:t r:u", kAny},
        {"SELECT CAST(a AS DECIMAL(10,2)), CONVERT(b, CHAR(3)), CONVERT(c USING utf8mb4) FROM t",
         "select", kRead, "r:t", kAny},
        {"SELECT IF(a, b, c), LEFT(a, 1), REPLACE(a, 'b', 'c'), INSERT(a, 1, 2, 'x') FROM t",
         "select", kRead, "r:t", kAny},
        {"SELECT a FROM t WHERE b IN (1) AND (c) OR NOT (d) AND EXISTS (SELECT 1)", "select", kRead,
         "r:t", kAny},
        {"SELECT row_number() OVER (PARTITION BY a ORDER BY b), sum(c) OVER w FROM t WINDOW w AS "
         "(ORDER "
         "BY d)",
         "select", kRead, "r:t", kAny},
        {"SELECT a FROM t WHERE MATCH (b) AGAINST ('c' IN BOOLEAN MODE)", "select", kRead, "r:t",
         kAny},
        {"SELECT * FROM JSON_TABLE('[]', '$[*]' COLUMNS (a INT PATH '$')) AS j", "select", kRead,
         "", kAny},
        {"SELECT CASE WHEN (a) THEN (b) ELSE (c) END FROM t", "select", kRead, "r:t", kAny},
        {"SELECT LINESTRING(a, b) FROM t", "select", kRead, "r:t", kAny},
        {"SELECT ABS (1), SLEEP(0), BENCHMARK(1, 2), RAND(), UUID(), NOW(6)", "select",
         "reads_only", "", kAny},
        {"SELECT @@version, @@global.read_only, @@session.sql_mode", "select", "reads_only", "",
         kAny},
        {"SELECT @x", "select", "reads_only reads_user_variable", "", kAny},
        {"SELECT a FROM t WHERE b = ? LIMIT ?, ?", "select",
         "reads_only touches_tables placeholders", "r:t", kAny},
        {"SELECT `select`, t.`from`, t.update, t.delete FROM `into`", "select", kRead, "r:into",
         kAny},
        {"SELECT 'a; DELETE FROM t', \"b; -- \" /* ; DELETE */ FROM t", "select", kRead, "r:t",
         kAny},
        {"/*!40001 SELECT */ /*!50000 SQL_NO_CACHE */ * FROM `t`", "select", kRead, "r:t", kAny},
        {"SELECT 1 /*!99999 + f(1) */", "select", "reads_only", "", kAny},
        {"DO SLEEP(0)", "do", "reads_only", "", kAny},
        {"EXPLAIN EXTENDED SELECT a FROM t", "explain", kRead, "r:t", kAny},
        {"EXPLAIN FORMAT=JSON SELECT a FROM t", "explain", kRead, "r:t", kAny},
        {"DESCRIBE a.t", "describe", kRead, "r:a.t", kAny},
        {"explain t", "describe", kRead, "r:t", kAny},
        {"ANALYZE FORMAT=JSON SELECT a FROM t", "select",
         "reads_only touches_tables executes_inner", "r:t", kAny},
        {"CHECKSUM TABLE a, b.c", "checksum", kRead, "r:a r:b.c", kAny},
        {"HELP 'x'", "help", "reads_only", "", kAny},
        {"SET STATEMENT max_statement_time=1, sort_buffer_size=2 FOR SELECT a FROM t", "select",
         "reads_only touches_tables set_statement", "r:t", kAny},
    };
    expect_all(table);
  }

  TEST_CASE("reads that must go home") {
    constexpr std::string_view kDependent = "home/session_dependent";
    const Case table[] = {
        {"SELECT a FROM t FOR UPDATE", "select", "reads_only touches_tables locking_read", "r:t",
         "home/locking_read"},
        {"SELECT a FROM t FOR UPDATE NOWAIT", "select", "reads_only touches_tables locking_read",
         "r:t", "home/locking_read"},
        {"SELECT a FROM t FOR SHARE SKIP LOCKED", "select",
         "reads_only touches_tables locking_read", "r:t", "home/locking_read"},
        {"SELECT a FROM t LOCK IN SHARE MODE", "select", "reads_only touches_tables locking_read",
         "r:t", "home/locking_read"},
        {"SELECT * FROM (SELECT a FROM t FOR UPDATE) x", "select",
         "reads_only touches_tables locking_read", "r:t", "home/locking_read"},
        {"SELECT a FROM t INTO OUTFILE '/x'", "select", "reads_only touches_tables into_outfile",
         "r:t", "home/into_file"},
        {"SELECT a INTO DUMPFILE '/x' FROM t", "select", "reads_only touches_tables into_outfile",
         "r:t", "home/into_file"},
        {"SELECT a, b INTO @x, @y FROM t", "select",
         "reads_only touches_tables into_variable reads_user_variable assigns_user_variable", "r:t",
         "home/user_variable"},
        {"SELECT @n := @n + 1 FROM t", "select",
         "reads_only touches_tables reads_user_variable assigns_user_variable", "r:t",
         "home/user_variable"},
        {"SELECT LAST_INSERT_ID()", "select", "reads_only last_insert_id", "", kDependent},
        {"SELECT LAST_INSERT_ID() LIMIT 1;", "select", "reads_only last_insert_id", "", kDependent},
        {"SELECT last_insert_id ( ) FROM DUAL", "select",
         "reads_only touches_tables last_insert_id", "", kDependent},
        {"SELECT LAST_INSERT_ID(5)", "select", "reads_only last_insert_id sets_last_insert_id", "",
         kDependent},
        {"SELECT @@identity, @@SESSION.last_insert_id", "select", "reads_only last_insert_id", "",
         kDependent},
        {"SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1", "select",
         "reads_only touches_tables calc_found_rows", "r:t", kDependent},
        {"SELECT FOUND_ROWS()", "select", "reads_only found_rows", "", kDependent},
        {"SELECT ROW_COUNT()", "select", "reads_only row_count", "", kDependent},
        {"SELECT CONNECTION_ID()", "select", "reads_only connection_id", "", kDependent},
        {"SELECT @@warning_count", "select", "reads_only diagnostics", "", kDependent},
        {"SELECT @@in_transaction", "select", "reads_only session_state", "", kDependent},
        {"SELECT GET_LOCK('a', 1)", "select", "reads_only user_lock takes_user_lock", "",
         "home/user_lock"},
        {"DO RELEASE_LOCK('a')", "do", "reads_only user_lock", "", "home/user_lock"},
        {"SELECT RELEASE_ALL_LOCKS()", "select", "reads_only user_lock releases_user_locks", "",
         "home/user_lock"},
        {"EXPLAIN FOR CONNECTION 5", "explain", "reads_only server_local", "", "home/server_local"},
        {"/* consort: home */ SELECT 1", "select", "reads_only", "", "home/hint"},
    };
    expect_all(table);
  }

  TEST_CASE("queries that may write") {
    constexpr std::string_view kUnknown = "touches_tables unknown_function";
    const Case table[] = {
        {"SELECT f(1)", "select", kUnknown, "", "home/unknown_function"},
        {"SELECT a FROM t WHERE b > `f`(c)", "select", kUnknown, "r:t", "home/unknown_function"},
        {"SELECT db.f (1)", "select", kUnknown, "", "home/unknown_function"},
        {"SELECT db.abs(1)", "select", kUnknown, "", "home/unknown_function"},
        {"SELECT `abs`(1)", "select", kUnknown, "", "home/unknown_function"},
        {"SELECT COUNT (*)", "select", kUnknown, "", "home/unknown_function"},
        {"SELECT now /**/()", "select", kUnknown, "", "home/unknown_function"},
        {"SELECT POINT(1)", "select", kUnknown, "", "home/unknown_function"},
        {"SELECT POLYGON()", "select", kUnknown, "", "home/unknown_function"},
        {"SELECT LOAD_FILE('/x')", "select", kUnknown, "", "home/unknown_function"},
        {"SELECT MASTER_POS_WAIT('a', 1)", "select", kUnknown, "", "home/unknown_function"},
        {"SELECT JSON_TABLE(1)", "select", kUnknown, "", "home/unknown_function"},
        {"SELECT * FROM f(1)", "select", kUnknown, "r:f", "home/unknown_function"},
        {"WITH c AS (SELECT f(1)) SELECT * FROM c", "select", kUnknown, "r:c",
         "home/unknown_function"},
        {"SELECT a FROM t GROUP BY a WITH ROLLUP ORDER BY b, f(1)", "select", kUnknown, "r:t",
         "home/unknown_function"},
        {"/*!50000 SELECT f(1) */", "select", kUnknown, "", "home/unknown_function"},
        {"SELECT /*! f */ (1)", "select", kUnknown, "", "home/unknown_function"},
        {"DO f()", "do", kUnknown, "", "home/unknown_function"},
        {"EXPLAIN SELECT f()", "explain", kUnknown, "", "home/unknown_function"},
        {"SHOW TABLES WHERE f()", "show", kUnknown, "", "home/write"},
        {"SHOW TABLES WHERE COUNT (1)", "show", kUnknown, "", "home/write"},
        {"SHOW FULL TABLES WHERE f()", "show", kUnknown, "", "home/write"},
        {"SELECT NEXTVAL(s)", "select", "touches_tables sequence", "", "home/sequence"},
        {"SELECT NEXT VALUE FOR db.s", "select", "touches_tables sequence", "", "home/sequence"},
        {"SELECT PREVIOUS VALUE FOR s", "select", "touches_tables sequence", "", "home/sequence"},
        {"SELECT s.nextval", "select", "touches_tables sequence", "", "home/sequence"},
        {"SELECT SETVAL(s, 5)", "ddl", "touches_tables sequence", "d:s", "ordered/ddl"},
        {"SELECT SETVAL(s, 5), LASTVAL(s)", "select", "touches_tables sequence", "",
         "home/sequence"},
        {"SELECT 1; DELETE FROM t", "select", "multi_statement", "", "proxy/multi_statement"},
        {"SELECT 1;;;SELECT 2", "select", "multi_statement", "", "proxy/multi_statement"},
        {"SELECT 1; /*!50000 DELETE FROM t */", "select", "multi_statement", "",
         "proxy/multi_statement"},
        {"SELECT 1 DELETE FROM t", "unknown", "touches_tables", "r:t", "home/unknown_statement"},
        {"(SELECT 1) UPDATE t SET a=1", "unknown", "touches_tables", "", "home/unknown_statement"},
        {"WITH c AS (SELECT 1) DELETE FROM t", "unknown", "touches_tables", "",
         "home/unknown_statement"},
        {"SELECT 'open", "select", "uncertain", "", "home/uncertain_text"},
        {"SELECT 1 /* open", "select", "uncertain", "", "home/uncertain_text"},
        {"SELECT 1 /*!999999 + f(1) */", "select", "conditional_comment uncertain", "",
         "home/uncertain_text"},
        {"/*M!199999 SELECT */ 1", "unknown", "touches_tables conditional_comment uncertain", "",
         "home/uncertain_text"},
        {"EXPLAIN UPDATE t SET a=1", "explain", "touches_tables", "w:t", "home/write"},
        {"ANALYZE UPDATE t SET a=1", "update", "touches_tables executes_inner", "w:t",
         "home/write"},
        {"ANALYZE FORMAT=JSON DELETE FROM t", "delete", "touches_tables executes_inner", "w:t",
         "home/write"},
        {"FOO BAR", "unknown", "touches_tables", "", "home/unknown_statement"},
        {"123", "unknown", "touches_tables", "", "home/unknown_statement"},
    };
    expect_all(table);
  }

  TEST_CASE("row changes") {
    constexpr std::string_view kWrite = "touches_tables";
    constexpr std::string_view kInner = "touches_tables inner_query";
    constexpr std::string_view kHome = "home/write";
    const Case table[] = {
        {"INSERT INTO t (a, b) VALUES (1, 'x'), (2, DEFAULT)", "insert", kWrite, "w:t", kHome},
        {"INSERT t VALUES (1)", "insert", kWrite, "w:t", kHome},
        {"INSERT LOW_PRIORITY IGNORE INTO db.t SET a = 1", "insert", kWrite, "w:db.t", kHome},
        {"INSERT INTO `t` VALUE (1) ON DUPLICATE KEY UPDATE a = VALUES(a)", "insert", kWrite, "w:t",
         kHome},
        {"INSERT INTO t (a) SELECT b FROM u JOIN v USING (c)", "insert", kInner, "w:t r:u r:v",
         kHome},
        {"INSERT INTO t WITH c (n) AS (SELECT 1) SELECT * FROM c", "insert",
         "touches_tables inner_query unknown_function", "w:t r:c", kHome},
        {"INSERT INTO t VALUES (1) RETURNING id", "insert", "touches_tables returns_rows", "w:t",
         kHome},
        {"INSERT INTO t VALUES (LAST_INSERT_ID(), @x, f(1))", "insert",
         "touches_tables reads_user_variable last_insert_id unknown_function", "w:t", kHome},
        {"INSERT INTO t VALUES (NEXTVAL(s))", "insert", "touches_tables sequence", "w:t",
         "home/sequence"},
        {"INSERT INTO t VALUES (1); COMMIT", "insert", "touches_tables multi_statement", "w:t",
         "proxy/multi_statement"},
        {"REPLACE INTO t VALUES (1)", "replace", kWrite, "w:t", kHome},
        {"REPLACE t SELECT * FROM u", "replace", kInner, "w:t r:u", kHome},
        {"UPDATE t SET a = 1 WHERE b = 2", "update", kWrite, "w:t", kHome},
        {"UPDATE LOW_PRIORITY IGNORE db.t AS x SET a = 1", "update", kWrite, "w:db.t", kHome},
        {"UPDATE a, b JOIN c ON 1 SET a.x = (SELECT max(y) FROM d), b.z = 1", "update", kInner,
         "w:a w:b w:c r:d", kHome},
        {"UPDATE t JOIN (SELECT a FROM u) v SET t.a = v.a", "update", kInner, "w:t r:u", kHome},
        {"UPDATE t SET c=LAST_INSERT_ID(c+1)", "update",
         "touches_tables last_insert_id sets_last_insert_id", "w:t", kHome},
        {"DELETE FROM t WHERE a = 1 LIMIT 5", "delete", kWrite, "w:t", kHome},
        {"UPDATE t SET a=1 WHERE MATCH (b) AGAINST ('x')", "update", kInner, "w:t", kHome},
        {"UPDATE t SET a=1 WHERE `match` = 2", "update", kWrite, "w:t", kHome},
        {"DELETE QUICK FROM db.t", "delete", kWrite, "w:db.t", kHome},
        {"DELETE HISTORY FROM t", "delete", kWrite, "w:t", kHome},
        {"DELETE a, b.* FROM a JOIN b USING (id)", "delete", kWrite, "w:a w:b w:a w:b", kHome},
        {"DELETE FROM a, b USING a JOIN b WHERE a.x IN (SELECT y FROM c)", "delete", kInner,
         "w:a w:b w:a w:b r:c", kHome},
        {"DELETE FROM t RETURNING *", "delete", "touches_tables returns_rows", "w:t", kHome},
        {"LOAD DATA INFILE '/x' REPLACE INTO TABLE db.t FIELDS TERMINATED BY ',' (a, b)",
         "load_data", kWrite, "w:db.t", kHome},
        {"LOAD DATA LOW_PRIORITY LOCAL INFILE 'x' INTO TABLE t LINES STARTING BY '' (a, @b) SET c "
         "= @b",
         "load_data", "touches_tables reads_user_variable assigns_user_variable local_infile",
         "w:t", kHome},
        {"LOAD XML INFILE '/x' INTO TABLE t", "load_data", kWrite, "w:t", kHome},
        {"CALL p", "call", kWrite, "", kHome},
        {"CALL db.p(1, @out)", "call",
         "touches_tables reads_user_variable assigns_user_variable unknown_function", "", kHome},
        {"SET STATEMENT max_statement_time=1 FOR DELETE FROM t", "delete",
         "touches_tables set_statement", "w:t", kHome},
        {"/* x */ -- y\n # z\n (( DELETE FROM t))", "unknown", "touches_tables", "",
         "home/unknown_statement"},
    };
    expect_all(table);
  }

  TEST_CASE("more tables than kept: overflowed, never forgotten") {
    std::string sql = "SELECT * FROM t0";
    for (std::size_t i = 1; i < kTablesMax + 5; ++i) {
      sql += ", d.t" + std::to_string(i);
    }
    const Statement statement = classify(sql);
    EXPECT(statement.tables.size() == kTablesMax);
    EXPECT(statement.tables.overflowed());
    EXPECT(tables_text(statement).ends_with("r:d.t" + std::to_string(kTablesMax - 1)));
  }

  TEST_CASE("deep parentheses: followed to a limit, then uncertain") {
    const auto nested = [](int depth) {
      return "SELECT " + std::string(depth, '(') + "1" + std::string(depth, ')');
    };
    for (const int depth : {60, 63, 64, 65, 1000, 9999}) {
      EXPECT(route_text(classify(nested(depth))) == "any_fresh/safe_read");
    }
    EXPECT(route_text(classify(nested(10000))) == "home/uncertain_text");
    EXPECT(tables_text(classify("SELECT " + std::string(80, '(') + "SELECT a FROM (t, u)" +
                                std::string(80, ')') + ", (SELECT b FROM w)")) == "r:t r:u r:w");
    EXPECT(route_text(classify(nested(100000))) == "home/uncertain_text");
    EXPECT(classify("SELECT 1)))").kind == StatementKind::kSelect);
  }

  TEST_CASE("rest: what follows the first statement") {
    EXPECT(classify("SELECT 1; UPDATE t SET a=1; COMMIT").rest == " UPDATE t SET a=1; COMMIT");
    EXPECT(classify("SELECT ';'").rest.empty());
    const Statement commented = classify("SELECT 1; /* c */ ;");
    EXPECT(commented.rest == " /* c */ ;");
    EXPECT_FALSE(commented.has(Flag::kMultiStatement));
  }

  TEST_CASE("hints") {
    const Statement statement = classify("SELECT /* consort: read=strong backend=db2 */ 1");
    const Route route = decide(statement, {});
    EXPECT(route.target == Target::kAnyFresh);
    EXPECT(route.reason == RouteReason::kHint);
    EXPECT(route.freshness == ReadFreshness::kStrong);
    EXPECT(route.backend == "db2");
  }

  TEST_CASE("doubtful text: whatever could be read otherwise goes home") {
    LexerOptions options;
    options.doubtful = true;
    EXPECT(route_text(classify("SELECT a FROM t WHERE b = 'c'", options)) == "any_fresh/safe_read");
    EXPECT(route_text(classify("SELECT @@a, @b, `c` FROM `t`", options)) ==
           route_text(classify("SELECT @@a, @b, `c` FROM `t`")));
    EXPECT(route_text(classify("SELECT '\\'", options)) == "home/uncertain_text");
    EXPECT(route_text(classify("SELECT \"a\"", options)) == "home/uncertain_text");
    EXPECT(route_text(classify("SELECT '\xBF\x5C'", options)) == "home/uncertain_text");
    EXPECT(route_text(classify("CREATE TABLE t (a INT COMMENT \"b\")", options)) ==
           "refuse/not_supported");
  }

  TEST_CASE("IGNORE_SPACE: a blank before the parenthesis means nothing") {
    LexerOptions options;
    options.ignore_space = true;
    EXPECT(route_text(classify("SELECT COUNT (*) FROM t", options)) == "any_fresh/safe_read");
  }

  TEST_CASE("identifier_text undoes doubled quotes") {
    EXPECT(identifier_text("a``b") == "a`b");
    EXPECT(identifier_text("") == "");
    EXPECT(identifier_text("a`") == "a`");
  }
}
