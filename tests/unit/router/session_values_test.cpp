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
        {"DO CONNECTION_ID()", "DO 7"},
    };
    for (const Row& row : table) {
      CAPTURE(row.sql);
      EXPECT(replaced(row.sql) == row.expected);
      EXPECT_FALSE(classify(replaced(row.sql), {}).has(Flag::kConnectionId));
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
         {"SELECT 1", "SELECT @@pseudo_thread_id", "CREATE VIEW v AS SELECT CONNECTION_ID()",
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
