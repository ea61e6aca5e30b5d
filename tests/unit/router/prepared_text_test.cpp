#include "router/prepared_text.h"

#include "router/classify.h"
#include "tests/support/test.h"

namespace consort::router {
namespace {

TEST_SUITE("router") {
  TEST_CASE("PreparedText: a source is one literal or one variable") {
    const auto source = [](std::string_view sql) {
      return prepared_text_source(sql, {}).value_or("-");
    };
    EXPECT(source("PREPARE s FROM 'DROP TABLE t'") == "'DROP TABLE t'");
    EXPECT(source("prepare `a b` from @sql /* c */") == "@sql");
    EXPECT(source("PREPARE s FROM \"COMMIT\"") == "\"COMMIT\"");
    for (const char* sql :
         {"PREPARE s FROM CONCAT('a', @b)", "PREPARE s FROM 'a' 'b'", "PREPARE s FROM N'a'",
          "PREPARE s FROM NULL", "PREPARE s FROM 'a", "PREPARE s", "EXECUTE s", "SELECT 1"}) {
      CAPTURE(sql);
      EXPECT(source(sql) == "-");
    }
    LexerOptions doubtful;
    doubtful.doubtful = true;
    EXPECT_FALSE(prepared_text_source("PREPARE s FROM 'a'", doubtful).has_value());
  }

  TEST_CASE("PreparedText: what is executed immediately") {
    const auto source = [](std::string_view sql) {
      return immediate_text_source(sql, {}).value_or("-");
    };
    EXPECT(source("EXECUTE IMMEDIATE 'DROP TABLE t'") == "'DROP TABLE t'");
    EXPECT(source("execute immediate @sql") == "@sql");
    for (const char* sql : {"EXECUTE IMMEDIATE 'SELECT ?' USING 1", "EXECUTE IMMEDIATE 'a' 'b'",
                            "EXECUTE IMMEDIATE f()", "EXECUTE s", "PREPARE s FROM 'a'"}) {
      CAPTURE(sql);
      EXPECT(source(sql) == "-");
    }
  }

  TEST_CASE("PreparedText: an execution by name alone") {
    const auto name = [](std::string_view sql) { return executed_name(sql, {}).value_or("-"); };
    EXPECT(name("EXECUTE s") == "s");
    EXPECT(name("execute `a b` -- c") == "a b");
    for (const char* sql : {"EXECUTE s USING @a", "EXECUTE s USING 1", "EXECUTE IMMEDIATE 'a'",
                            "EXECUTE", "CALL s"}) {
      CAPTURE(sql);
      EXPECT(name(sql) == "-");
    }
  }

  TEST_CASE("PreparedText: what cannot run inside a branch") {
    for (const char* sql :
         {"DROP TABLE t", "ALTER TABLE t ADD c INT", "GRANT ALL ON *.* TO u", "COMMIT", "BEGIN",
          "SET autocommit = 1", "SET @a = 1, autocommit = 0", "ANALYZE TABLE t",
          "SET TRANSACTION READ ONLY", "SET sql_log_bin = 0", "SET GLOBAL x = 1", "FLUSH TABLES"}) {
      CAPTURE(sql);
      EXPECT(runs_outside_execute(classify(sql, {})));
    }
    for (const char* sql :
         {"SELECT 1", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (?)", "CALL p()",
          "SET @a = 1", "SAVEPOINT a", "DROP TABLE t; DROP TABLE u"}) {
      CAPTURE(sql);
      EXPECT_FALSE(runs_outside_execute(classify(sql, {})));
    }
  }
}

}  // namespace
}  // namespace consort::router
