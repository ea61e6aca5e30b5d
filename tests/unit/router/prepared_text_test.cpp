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
    EXPECT(source("EXECUTE IMMEDIATE 'SELECT ?' USING 1") == "'SELECT ?'");
    for (const char* sql : {"EXECUTE IMMEDIATE 'a' 'b'", "EXECUTE IMMEDIATE f()", "EXECUTE s",
                            "PREPARE s FROM 'a'"}) {
      CAPTURE(sql);
      EXPECT(source(sql) == "-");
    }
  }

  TEST_CASE("PreparedText: an execution by name") {
    const auto name = [](std::string_view sql) { return executed_name(sql, {}).value_or("-"); };
    EXPECT(name("EXECUTE s") == "s");
    EXPECT(name("execute `a b` -- c") == "a b");
    EXPECT(name("EXECUTE s USING @a, 1") == "s");
    EXPECT(name("EXECUTE immediate") == "immediate");
    for (const char* sql : {"EXECUTE IMMEDIATE 'a'", "EXECUTE IMMEDIATE @a USING 1",
                            "EXECUTE s + 1", "EXECUTE", "CALL s"}) {
      CAPTURE(sql);
      EXPECT(name(sql) == "-");
    }
  }

  TEST_CASE("PreparedText: what is executed, with its parameters") {
    const auto text = [](std::string_view sql, std::string_view prepared) {
      return executed_text(sql, prepared, {}).value_or("-");
    };
    EXPECT(text("EXECUTE s", "KILL 5") == "KILL 5");
    EXPECT(text("EXECUTE s USING @id", "KILL ?") == "KILL (@id)");
    EXPECT(text("EXECUTE s USING 1 + (2, 3), 'a,b' -- c", "SELECT ?, '?', ? FROM t") ==
           "SELECT (1 + (2, 3)), '?', ('a,b') FROM t");
    EXPECT(text("EXECUTE IMMEDIATE 'KILL ?' USING 7", "KILL ?") == "KILL (7)");
    EXPECT(text("EXECUTE IMMEDIATE @k", "KILL 7") == "KILL 7");
    EXPECT(text("EXECUTE s", "KILL ?") == "-");
    EXPECT(text("EXECUTE s USING 1", "KILL 2") == "-");
    EXPECT(text("EXECUTE s USING 1, ", "SELECT ?, ?") == "-");
    EXPECT(text("EXECUTE s USING (1", "KILL ?") == "-");
    EXPECT(text("EXECUTE s USING 1, 2", "SELECT a FROM t LIMIT ?, ?") == "-");
    EXPECT(text("EXECUTE s USING 1", "SELECT a FROM t LIMIT 5 OFFSET ?") == "-");
    EXPECT(text("EXECUTE s USING 1", "(SELECT a FROM t LIMIT 5) UNION SELECT ?") ==
           "(SELECT a FROM t LIMIT 5) UNION SELECT (1)");
  }

  TEST_CASE("PreparedText: what speaks of Consort's sessions") {
    for (const char* sql :
         {"KILL 5", "KILL ?", "SELECT CONNECTION_ID()", "SELECT @@pseudo_thread_id, ?",
          "SELECT * FROM information_schema.processlist WHERE id = ?",
          "SELECT * FROM PROCESSLIST"}) {
      CAPTURE(sql);
      EXPECT(runs_outside_execute(classify(sql, {}), "information_schema"));
    }
    EXPECT_FALSE(runs_outside_execute(classify("SELECT * FROM processlist", {}), "test"));
    EXPECT_FALSE(runs_outside_execute(classify("CALL p(CONNECTION_ID())", {}), "test"));
  }

  TEST_CASE("PreparedText: what cannot run inside a branch") {
    for (const char* sql :
         {"DROP TABLE t", "ALTER TABLE t ADD c INT", "GRANT ALL ON *.* TO u", "COMMIT", "BEGIN",
          "SET autocommit = 1", "SET @a = 1, autocommit = 0", "ANALYZE TABLE t",
          "SET TRANSACTION READ ONLY", "SET sql_log_bin = 0", "SET GLOBAL x = 1", "FLUSH TABLES"}) {
      CAPTURE(sql);
      EXPECT(runs_outside_execute(classify(sql, {}), "test"));
    }
    for (const char* sql :
         {"SELECT 1", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (?)", "CALL p()",
          "SET @a = 1", "SAVEPOINT a", "DROP TABLE t; DROP TABLE u"}) {
      CAPTURE(sql);
      EXPECT_FALSE(runs_outside_execute(classify(sql, {}), "test"));
    }
  }
}

}  // namespace
}  // namespace consort::router
