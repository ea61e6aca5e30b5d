#include "proxy/session/found_rows.h"

#include <string>

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

using Number = std::optional<std::uint64_t>;

/// What is known behind a read of three rows and then `sql`, which sends `rows`.
Number behind(std::string_view sql, std::uint64_t rows = 0, bool programs = false) {
  FoundRows found;
  constexpr std::string_view kRead = "SELECT a FROM t";
  found.begin(router::classify(kRead), kRead, programs);
  found.end(3);
  found.begin(router::classify(sql), sql, programs);
  found.end(rows);
  return found.value();
}

TEST_SUITE("session") {
  TEST_CASE("FoundRows: a SELECT tells what it sends") {
    EXPECT(behind("SELECT b FROM u", 7) == Number(7));
    EXPECT(behind("SELECT b FROM u LIMIT 2", 2) == Number(2));
    EXPECT(behind("WITH c AS (SELECT 1) SELECT * FROM c", 1) == Number(1));
    EXPECT(behind("SELECT 1", 1) == Number(1));
  }

  TEST_CASE("FoundRows: where the rows sent are others than those found, the home knows") {
    for (const std::string_view sql :
         {"SELECT SQL_CALC_FOUND_ROWS b FROM u LIMIT 2", "SELECT b FROM u LIMIT 2,5",
          "SELECT b FROM u LIMIT 5 OFFSET 2", "SELECT 1 UNION SELECT 2 LIMIT 1", "VALUES (1),(2)",
          "TABLE u", "(SELECT 1)", "SELECT b INTO @x FROM u", "SELECT stored(1)",
          "SELECT b FROM u PROCEDURE ANALYSE()", "CALL p()", "EXECUTE s", "SHOW TABLES",
          "INSERT INTO u SELECT 1 FROM v", "SET @x = (SELECT 1)", "CREATE TABLE u SELECT 1",
          "ANALYZE SELECT 1"}) {
      CAPTURE(sql);
      EXPECT_FALSE(behind(sql, 2).has_value());
    }
    EXPECT_FALSE(behind("SELECT '" + std::string(5000, 'x') + "'", 1).has_value());
  }

  TEST_CASE("FoundRows: what finds nothing keeps the number") {
    for (const std::string_view sql :
         {"DROP TABLE t", "CREATE TABLE u (a INT)", "CREATE VIEW v AS SELECT 1", "BEGIN", "COMMIT",
          "SET @x = 1", "SET NAMES utf8mb4", "INSERT INTO u VALUES (1)", "UPDATE u SET b = 1",
          "SHOW CREATE TABLE t", "SHOW WARNINGS", "GRANT SELECT ON *.* TO u", "USE d"}) {
      CAPTURE(sql);
      EXPECT(behind(sql) == Number(3));
    }
    EXPECT_FALSE(behind("INSERT INTO u VALUES (1)", 0, true).has_value());  // a trigger may read
  }

  TEST_CASE("FoundRows: an error, a connection without a past, rows that were stored") {
    FoundRows found;
    EXPECT_FALSE(found.value().has_value());
    found.begin(router::classify("SELECT a FROM t"), "SELECT a FROM t", false);
    EXPECT_FALSE(found.value().has_value());
    const auto stored = [&](std::string_view sql) {
      found.end_stored(router::classify(sql), sql, 2);
      return found.value();
    };
    EXPECT(stored("CREATE TABLE u SELECT a FROM t") == Number(2));
    EXPECT(stored("CREATE TABLE u SELECT 1 AS a") == Number(0));
    EXPECT_FALSE(stored("CREATE TABLE u SELECT 1 AS a UNION SELECT 2").has_value());
    EXPECT_FALSE(stored("CREATE TABLE u SELECT a FROM t LIMIT 1,2").has_value());
    EXPECT_FALSE(stored("CREATE TABLE u (a INT UNIQUE) IGNORE SELECT a FROM t").has_value());
    (void)stored("CREATE TABLE u SELECT a FROM t");
    found.reset();
    EXPECT_FALSE(found.value().has_value());
  }
}

}  // namespace
}  // namespace consort::proxy
