#include "router/prepared_text.h"

#include "router/classify.h"
#include "tests/support/test.h"

namespace consort::router {
namespace {

TEST_SUITE("router") {
  TEST_CASE("PreparedText: a source is any expression without an effect") {
    const auto source = [](std::string_view sql) {
      const auto found = prepared_text_source(sql, {});
      return found ? found->expression : "-";
    };
    EXPECT(source("PREPARE s FROM 'DROP TABLE t'") == "'DROP TABLE t'");
    EXPECT(source("prepare `a b` from @sql /* c */") == "@sql");
    EXPECT(source("PREPARE s FROM \"COMMIT\";") == "\"COMMIT\"");
    EXPECT(source("PREPARE s FROM CONCAT('a', CONVERT(@b USING latin1)) -- c") ==
           "CONCAT('a', CONVERT(@b USING latin1))");
    EXPECT(source("PREPARE s FROM 'a' 'b'") == "'a' 'b'");
    EXPECT(source("PREPARE s FROM f(1)") == "f(1)");  // the server refuses a stored function
    EXPECT(prepared_text_source("PREPARE s FROM f(1)", {})->calls_unknown);
    EXPECT_FALSE(prepared_text_source("PREPARE s FROM LOWER(@a)", {})->calls_unknown);
    for (const char* sql :
         {"PREPARE s FROM CONCAT(@a := 'x', 'y')", "PREPARE s FROM GET_LOCK('a', 1)",
          "PREPARE s FROM CONCAT(FOUND_ROWS())", "PREPARE s FROM LAST_INSERT_ID(5)",
          "PREPARE s FROM 'a' USING @b", "PREPARE s FROM NEXTVAL(q)", "PREPARE s FROM 'a",
          "PREPARE s FROM", "PREPARE s", "PREPARE s FROM 'a'; SELECT 1", "EXECUTE s", "SELECT 1"}) {
      CAPTURE(sql);
      EXPECT(source(sql) == "-");
    }
    LexerOptions doubtful;
    doubtful.doubtful = true;
    EXPECT_FALSE(prepared_text_source("PREPARE s FROM 'a'", doubtful).has_value());
  }

  TEST_CASE("PreparedText: what is executed immediately, and with what") {
    const auto source = [](std::string_view sql) {
      const auto found = immediate_text_source(sql, {});
      return found ? std::string(found->expression) + "|" + std::string(found->parameters) : "-";
    };
    EXPECT(source("EXECUTE IMMEDIATE 'DROP TABLE t'") == "'DROP TABLE t'|");
    EXPECT(source("execute immediate @sql") == "@sql|");
    EXPECT(source("EXECUTE IMMEDIATE 'SELECT ?' USING 1, NULL") == "'SELECT ?'|1, NULL");
    EXPECT(source("EXECUTE IMMEDIATE CONCAT('a', @b) USING CONVERT('c' USING utf8mb4);") ==
           "CONCAT('a', @b)|CONVERT('c' USING utf8mb4)");
    for (const char* sql :
         {"EXECUTE IMMEDIATE 'a' USING", "EXECUTE IMMEDIATE USING 1",
          "EXECUTE IMMEDIATE 'a' USING 1 USING 2", "EXECUTE s", "PREPARE s FROM 'a'"}) {
      CAPTURE(sql);
      EXPECT(source(sql) == "-");
    }
  }

  TEST_CASE("PreparedText: the question lets no stored function run") {
    EXPECT(text_question("@a", {}) == "SELECT @a");
    EXPECT(text_question("'it''s'", {}) == "SELECT 'it''s'");
    EXPECT(text_question("f()", {}) == "EXECUTE IMMEDIATE 'SELECT ?' USING f()");
    LexerOptions ansi;
    ansi.ansi_quotes = true;
    EXPECT(text_question("\"f\"", ansi) == "EXECUTE IMMEDIATE 'SELECT ?' USING \"f\"");
  }

  TEST_CASE("PreparedText: an execution by name") {
    const auto executed = [](std::string_view sql) {
      const auto found = executed_text(sql, {});
      return found ? std::string(found->name) + "|" + std::string(found->parameters) : "-";
    };
    EXPECT(executed("EXECUTE s") == "s|");
    EXPECT(executed("execute `a b` ; -- c") == "a b|");
    EXPECT(executed("EXECUTE s USING @a, 1") == "s|@a, 1");
    EXPECT(executed("EXECUTE immediate") == "immediate|");
    for (const char* sql : {"EXECUTE IMMEDIATE 'a'", "EXECUTE s USING", "EXECUTE s USING 1 USING 2",
                            "EXECUTE s x", "EXECUTE", "CALL s"}) {
      CAPTURE(sql);
      EXPECT(executed(sql) == "-");
    }
  }

  TEST_CASE("PreparedText: what is executed, with its parameters") {
    const auto text = [](std::string_view sql, std::string_view prepared) {
      const auto named = executed_text(sql, {});
      const auto source = immediate_text_source(sql, {});
      return !named && !source ? "-"
                               : text_with_parameters(
                                     prepared, named ? named->parameters : source->parameters, {})
                                     .value_or("-");
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

  TEST_CASE("PreparedText: parameters that are values already") {
    for (const char* list : {"", "7", "'a,b', 2.5", "\"x\""}) {
      CAPTURE(list);
      EXPECT(are_literals(list, {}));
    }
    for (const char* list : {"@a", "7, @a", "NOW()", "1 + 1", "7,", "(7)"}) {
      CAPTURE(list);
      EXPECT_FALSE(are_literals(list, {}));
    }
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
          "SET TRANSACTION READ ONLY", "SET sql_log_bin = 0", "SET GLOBAL x = 1", "FLUSH TABLES",
          "INSTALL SONAME 'a'", "CREATE TABLE t SELECT ? AS a"}) {
      CAPTURE(sql);
      EXPECT(runs_outside_execute(classify(sql, {}), "test"));
    }
    for (const char* sql : {"SELECT 1", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (?)",
                            "CALL p()", "SET @a = 1", "SAVEPOINT a", "DROP TABLE t; DROP TABLE u",
                            "CREATE TEMPORARY TABLE t SELECT ? AS a"}) {
      CAPTURE(sql);
      EXPECT_FALSE(runs_outside_execute(classify(sql, {}), "test"));
    }
  }
}

}  // namespace
}  // namespace consort::router
