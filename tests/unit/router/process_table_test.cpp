#include "router/process_table.h"

#include "router/classify.h"
#include "router/statement.h"
#include "tests/support/test.h"

namespace consort::router {
namespace {

/// The statement with `T` in the table's place; "-": it is left alone.
std::string with_table(std::string_view sql,
                       std::string_view schema = "test",
                       const LexerOptions& options = {}) {
  const Statement statement = classify(sql, options);
  if (!reads_process_table(statement, schema)) {
    return "-";
  }
  return with_process_table(sql, statement, schema, options, "T").value_or("-");
}

TEST_SUITE("router") {
  TEST_CASE("information_schema.PROCESSLIST: its place, with the client's alias or its name") {
    struct Row {
      std::string_view sql;
      std::string_view expected;
    };

    const Row table[] = {
        {"SELECT * FROM information_schema.processlist", "SELECT * FROM T AS processlist"},
        {"select id from INFORMATION_SCHEMA.PROCESSLIST where id=1 ;",
         "select id from T AS PROCESSLIST where id=1 ;"},
        {"SELECT p.id FROM information_schema.processlist AS p", "SELECT p.id FROM T AS p"},
        {"SELECT p.id FROM `information_schema` . `Processlist` p JOIN t",
         "SELECT p.id FROM T p JOIN t"},
        {"SELECT 1 FROM t, information_schema.PROCESSLIST, u",
         "SELECT 1 FROM t, T AS PROCESSLIST, u"},
        {"SELECT 1 FROM t LEFT JOIN information_schema.PROCESSLIST ON t.i = ID",
         "SELECT 1 FROM t LEFT JOIN T AS PROCESSLIST ON t.i = ID"},
        {"SELECT (SELECT COUNT(*) FROM information_schema.processlist) > 5",
         "SELECT (SELECT COUNT(*) FROM T AS processlist) > 5"},
        {"SELECT id FROM information_schema.processlist UNION SELECT id FROM "
         "information_schema.processlist x",
         "SELECT id FROM T AS processlist UNION SELECT id FROM T x"},
        {"SELECT information_schema.processlist.id, processlist.`user`, "
         "`information_schema`.PROCESSLIST.* FROM information_schema.processlist",
         "SELECT processlist.id, processlist.`user`, PROCESSLIST.* FROM T AS processlist"},
        {"INSERT INTO log SELECT * FROM information_schema.processlist",
         "INSERT INTO log SELECT * FROM T AS processlist"},
        {"CREATE TABLE log SELECT * FROM information_schema.processlist",
         "CREATE TABLE log SELECT * FROM T AS processlist"},
        {"DELETE FROM t WHERE i NOT IN (SELECT id FROM information_schema.processlist)",
         "DELETE FROM t WHERE i NOT IN (SELECT id FROM T AS processlist)"},
        {"SET @n = (SELECT COUNT(*) FROM information_schema.processlist)",
         "SET @n = (SELECT COUNT(*) FROM T AS processlist)"},
        {"DO (SELECT COUNT(*) FROM information_schema.processlist)",
         "DO (SELECT COUNT(*) FROM T AS processlist)"},
        {"WITH c AS (SELECT 1) SELECT * FROM c, information_schema.processlist",
         "WITH c AS (SELECT 1) SELECT * FROM c, T AS processlist"},
        {"SELECT 'a' FROM information_schema.processlist-- the end\n LIMIT 1",
         "SELECT 'a' FROM T AS processlist-- the end\n LIMIT 1"},
    };
    for (const auto& [sql, expected] : table) {
      CAPTURE(sql);
      EXPECT(with_table(sql) == expected);
    }
  }

  TEST_CASE("information_schema.PROCESSLIST: without a schema, where that is the session's") {
    EXPECT(with_table("SELECT * FROM Processlist", "INFORMATION_SCHEMA") ==
           "SELECT * FROM T AS Processlist");
    EXPECT(with_table("SELECT * FROM processlist p", "information_schema") == "SELECT * FROM T p");
    EXPECT(with_table("SELECT * FROM processlist") == "-");
    EXPECT(with_table("WITH processlist AS (SELECT 1) SELECT * FROM processlist",
                      "information_schema") == "-");
  }

  TEST_CASE("information_schema.PROCESSLIST: what is left alone") {
    std::string beside_many = "SELECT * FROM information_schema.processlist";
    for (std::size_t i = 0; i < kTablesMax; ++i) {
      beside_many += ", t" + std::to_string(i);
    }
    for (const std::string_view sql : std::initializer_list<std::string_view>{
             "SELECT 'information_schema.processlist'", "SELECT * FROM test.processlist",
             "SELECT processlist FROM information_schema.tables",
             "SELECT * FROM information_schema.processlists",
             "CREATE VIEW v AS SELECT * FROM information_schema.processlist",
             "EXPLAIN SELECT * FROM information_schema.processlist",
             "DESCRIBE information_schema.processlist",
             "CREATE TABLE t LIKE information_schema.processlist",
             "SELECT * FROM information_schema.processlist /* open", beside_many,
             "BEGIN NOT ATOMIC SELECT * FROM information_schema.processlist; END"}) {
      CAPTURE(sql);
      EXPECT(with_table(sql) == "-");
    }
    LexerOptions doubtful;
    doubtful.doubtful = true;
    EXPECT(with_table("SELECT * FROM information_schema.processlist", "", doubtful) == "-");
  }
}

}  // namespace
}  // namespace consort::router
