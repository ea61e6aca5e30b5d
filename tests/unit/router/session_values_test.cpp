#include "router/session_values.h"

#include "router/classify.h"
#include "router/statement.h"
#include "tests/support/test.h"

namespace consort::router {
namespace {

/// The statement for connection 7, or "-".
std::string replaced(std::string_view sql, const LexerOptions& options = {}) {
  return with_session_values(sql, classify(sql, options), options, {7, std::nullopt}).value_or("-");
}

TEST_SUITE("router") {
  TEST_CASE("CONNECTION_ID() becomes the number, its column keeps the name") {
    struct Row {
      std::string_view sql;
      std::string_view expected;
    };

    const Row table[] = {
        {"SELECT CONNECTION_ID()", "SELECT 7 AS `CONNECTION_ID()`"},
        {"/* x */ select distinct Connection_Id ( ) ;",
         "/* x */ select distinct 7 AS `Connection_Id ( )` ;"},
        {"SELECT CONNECTION_ID() AS id, 1", "SELECT 7 AS id, 1"},
        {"SELECT @@pseudo_thread_id, @@Session.Pseudo_Thread_Id id",
         "SELECT 7 AS `@@pseudo_thread_id`, 7 id"},
        {"SELECT 1, CONNECTION_ID() id FROM t", "SELECT 1, 7 id FROM t"},
        {"SELECT CONNECTION_ID() 'id'", "SELECT 7 'id'"},
        {"SELECT CONNECTION_ID()+1, CONNECTION_ID()",
         "SELECT 7+1 AS `CONNECTION_ID()+1`, 7 AS `CONNECTION_ID()`"},
        {"SELECT CONCAT('`', CONNECTION_ID()) FROM t",
         "SELECT CONCAT('`', 7) AS `CONCAT('``', CONNECTION_ID())` FROM t"},
        {"SELECT CONNECTION_ID() DIV a FROM t", "SELECT 7 DIV a FROM t"},
        {"SELECT a FROM t WHERE id = CONNECTION_ID() LIMIT 1",
         "SELECT a FROM t WHERE id = 7 LIMIT 1"},
        {"SELECT CONNECTION_ID() UNION SELECT CONNECTION_ID()",
         "SELECT 7 AS `CONNECTION_ID()` UNION SELECT 7"},
        {"SELECT /*!50000 CONNECTION_ID() */", "SELECT /*!50000 7 AS `CONNECTION_ID()` */"},
        {"INSERT INTO t VALUES (CONNECTION_ID(), 'CONNECTION_ID()')",
         "INSERT INTO t VALUES (7, 'CONNECTION_ID()')"},
        {"UPDATE t SET a = CONNECTION_ID() WHERE b = 1", "UPDATE t SET a = 7 WHERE b = 1"},
        {"SET @a = CONNECTION_ID()", "SET @a = 7"},
        {"SET GLOBAL a = CONNECTION_ID(), b = (@@pseudo_thread_id)", "SET GLOBAL a = 7, b = (7)"},
        {"SET @@a = @@pseudo_thread_id", "SET @@a = 7"},
        {"DO CONNECTION_ID()", "DO 7"},
    };
    for (const Row& row : table) {
      CAPTURE(row.sql);
      EXPECT(replaced(row.sql) == row.expected);
      EXPECT_FALSE(classify(replaced(row.sql), {}).has(Flag::kConnectionId));
    }
  }

  TEST_CASE("FOUND_ROWS() becomes a number of its own type") {
    SessionValues values;
    values.found_rows = 3;
    const auto of = [&](std::string_view sql) {
      return with_session_values(sql, classify(sql, {}), {}, values).value_or("-");
    };
    EXPECT(of("SELECT FOUND_ROWS()") == "SELECT IFNULL(3,FOUND_ROWS()) AS `FOUND_ROWS()`");
    EXPECT(of("SELECT HEX(found_rows( )) a") == "SELECT HEX(IFNULL(3,FOUND_ROWS())) a");
    EXPECT(of("SELECT ROW_COUNT()") == "-");
  }

  TEST_CASE("@@session_track_* become the session's, their columns keep the names") {
    const auto of = [](std::string_view sql) {
      const SessionValues values{std::nullopt, std::nullopt, "0", "'a'"};
      return with_session_values(sql, classify(sql, {}), {}, values).value_or("-");
    };
    EXPECT(of("SELECT @@session_track_schema, @@session.session_track_system_variables v") ==
           "SELECT 0 AS `@@session_track_schema`, 'a' v");
    EXPECT(of("SELECT IF(@@LOCAL.Session_Track_Schema, 1, 2)") ==
           "SELECT IF(0, 1, 2) AS `IF(@@LOCAL.Session_Track_Schema, 1, 2)`");
    EXPECT(of("SET @x = @@session_track_system_variables") == "SET @x = 'a'");
    EXPECT(of("SET @@global.session_track_schema = 1, GLOBAL session_track_system_variables = "
              "CONCAT(@@session_track_system_variables, ',b')") ==
           "SET @@global.session_track_schema = 1, GLOBAL session_track_system_variables = "
           "CONCAT('a', ',b')");
    EXPECT(of("SELECT (@@session_track_schema + @@global.session_track_schema)") ==
           "SELECT (0 + @@global.session_track_schema) AS "
           "`(@@session_track_schema + @@global.session_track_schema)`");
    for (const std::string_view sql :
         {"SELECT @@global.session_track_schema", "SELECT @@session_track_state_change",
          "CREATE VIEW v AS SELECT @@session_track_schema", "SELECT '@@session_track_schema'"}) {
      CAPTURE(sql);
      EXPECT(of(sql) == "-");
    }
  }

  TEST_CASE("ROW_COUNT() becomes the session's, where that is known") {
    struct Row {
      std::string_view sql;
      std::int64_t count;
      std::string_view expected;
    };

    const Row table[] = {
        {"SELECT LAST_INSERT_ID(), ROW_COUNT()", 3,
         "SELECT LAST_INSERT_ID(), IFNULL(3,ROW_COUNT()) AS `ROW_COUNT()`"},
        {"SELECT 1-Row_Count ()", -1, "SELECT 1-IFNULL(-1,ROW_COUNT()) AS `1-Row_Count ()`"},
        {"SET @n = ROW_COUNT()", 0, "SET @n = IFNULL(0,ROW_COUNT())"},
        {"INSERT INTO t VALUES (ROW_COUNT(), CONNECTION_ID())", 2,
         "INSERT INTO t VALUES (IFNULL(2,ROW_COUNT()), CONNECTION_ID())"},
        {"SELECT row_count FROM t", 2, "-"},
        {"SELECT CONNECTION_ID()", 2, "-"},
        {"CREATE VIEW v AS SELECT ROW_COUNT()", 2, "-"},
    };
    for (const Row& row : table) {
      CAPTURE(row.sql);
      EXPECT(with_session_values(row.sql, classify(row.sql, {}), {}, {std::nullopt, row.count})
                 .value_or("-") == row.expected);
    }
    EXPECT(replaced("SELECT ROW_COUNT()") == "-");
    EXPECT(replaced("SELECT ROW_COUNT(), CONNECTION_ID()") ==
           "SELECT ROW_COUNT(), 7 AS `CONNECTION_ID()`");
  }

  TEST_CASE("CONNECTION_ID() stays where the text is not only this session's, or not certain") {
    for (const std::string_view sql :
         {"SELECT 1", "SELECT @@global.pseudo_thread_id", "CREATE VIEW v AS SELECT CONNECTION_ID()",
          "SELECT CONNECTION_ID(), 'x", "SELECT 'CONNECTION_ID()'", "SELECT connection_id FROM t",
          "SELECT d.CONNECTION_ID()", "SELECT 1; SELECT CONNECTION_ID()",
          "PREPARE s FROM 'SELECT CONNECTION_ID()'"}) {
      CAPTURE(sql);
      EXPECT(replaced(sql) == "-");
    }
    LexerOptions doubtful;
    doubtful.doubtful = true;
    EXPECT(replaced("SELECT CONNECTION_ID()", doubtful) == "-");
  }
}

}  // namespace
}  // namespace consort::router
