#include "router/create_select.h"

#include <string>

#include "router/classify.h"
#include "tests/support/test.h"

namespace consort::router {
namespace {

/// "prefix|schema.table|list|rest", with marks for what else was read.
std::string read(std::string_view sql, const LexerOptions& options = {}) {
  const auto parts = read_create_select(sql, options);
  if (!parts) {
    return "-";
  }
  std::string text(parts->prefix);
  text += "|" + std::string(parts->table.schema) + "." + std::string(parts->table.name);
  text += "|" + std::string(parts->list) + "|" + std::string(parts->rest);
  text += parts->or_replace ? "|replace" : "";
  text += parts->if_not_exists ? "|if not exists" : "";
  text += parts->names_character_set ? "|character set" : "";
  for (const std::string_view key : parts->keys) {
    text += "|" + std::string(key);
  }
  text += parts->lists_nothing_else ? "|nothing else" : "";
  text += parts->versioning.empty() ? "" : "|" + std::string(parts->versioning);
  text += parts->partitions.empty() ? "" : "|" + std::string(parts->partitions);
  return text;
}

TEST_SUITE("router") {
  TEST_CASE("CreateSelect: name, definitions, options and query") {
    EXPECT(read("CREATE TABLE t SELECT 1") == "|.t|| SELECT 1");
    EXPECT(read("create table `d`.`a``b` as select 1") == "|d.a``b|| as select 1");
    EXPECT(read("CREATE OR REPLACE TABLE t (PRIMARY KEY (a)) SELECT 1 AS a") ==
           "|.t|(PRIMARY KEY (a))| SELECT 1 AS a|replace");
    EXPECT(read("CREATE TABLE IF NOT EXISTS t(a INT DEFAULT (1+(2)))IGNORE SELECT 1") ==
           "|.t|(a INT DEFAULT (1+(2)))|IGNORE SELECT 1|if not exists");
    EXPECT(read("/* a */ CREATE TABLE t REPLACE SELECT ')' FROM u") ==
           "/* a */ |.t|| REPLACE SELECT ')' FROM u");
    EXPECT(read("SET STATEMENT sql_mode='', x=(SELECT 1 FOR UPDATE) FOR CREATE TABLE t SELECT 1") ==
           "SET STATEMENT sql_mode='', x=(SELECT 1 FOR UPDATE) FOR |.t|| SELECT 1");
  }

  TEST_CASE("CreateSelect: a parenthesis may be the query's") {
    EXPECT(read("CREATE TABLE t (SELECT 1)") == "|.t|| (SELECT 1)");
    EXPECT(read("CREATE TABLE t ((SELECT 1) UNION (SELECT 2))") ==
           "|.t|| ((SELECT 1) UNION (SELECT 2))");
    EXPECT(read("CREATE TABLE t (a INT) (SELECT 1 AS a)") == "|.t|(a INT)| (SELECT 1 AS a)");
    EXPECT(read("CREATE TABLE t (WITH x AS (SELECT 1) SELECT * FROM x)") ==
           "|.t|| (WITH x AS (SELECT 1) SELECT * FROM x)");
    EXPECT(read("CREATE TABLE t WITH x AS (SELECT 1) SELECT * FROM x") ==
           "|.t|| WITH x AS (SELECT 1) SELECT * FROM x");
    EXPECT(read("CREATE TABLE t VALUES (1), (2)") == "|.t|| VALUES (1), (2)");
    EXPECT(read("CREATE TABLE t WITH SYSTEM VERSIONING SELECT 1") ==
           "|.t|| WITH SYSTEM VERSIONING SELECT 1|WITH SYSTEM VERSIONING");
  }

  TEST_CASE("CreateSelect: keys that temporary tables cannot have") {
    EXPECT(
        read("CREATE TABLE t (a INT, FULLTEXT KEY f (a, b), KEY (a), CONSTRAINT c FOREIGN KEY (a) "
             "REFERENCES u (a, b) ON DELETE CASCADE) SELECT 1 AS a") ==
        "|.t|(a INT, FULLTEXT KEY f (a, b), KEY (a), CONSTRAINT c FOREIGN KEY (a) REFERENCES u "
        "(a, b) ON DELETE CASCADE)| SELECT 1 AS a|FULLTEXT KEY f (a, b)|CONSTRAINT c FOREIGN KEY "
        "(a) REFERENCES u (a, b) ON DELETE CASCADE");
    EXPECT(
        read("CREATE TABLE t (CONSTRAINT FOREIGN KEY (a) REFERENCES u (a)) SELECT 1 AS a") ==
        "|.t|(CONSTRAINT FOREIGN KEY (a) REFERENCES u (a))| SELECT 1 AS a|CONSTRAINT FOREIGN KEY "
        "(a) REFERENCES u (a)|nothing else");
    EXPECT(read("CREATE TABLE t (CONSTRAINT u UNIQUE (a), `foreign` INT, CONSTRAINT CHECK (a)) "
                "SELECT 1 AS a") ==
           "|.t|(CONSTRAINT u UNIQUE (a), `foreign` INT, CONSTRAINT CHECK (a))| SELECT 1 AS a");
  }

  TEST_CASE("CreateSelect: options in front of the query, not in it") {
    EXPECT(read("CREATE TABLE t CHARSET=utf8 SELECT 1") ==
           "|.t|| CHARSET=utf8 SELECT 1|character set");
    EXPECT(
        read("CREATE TABLE t (a INT) COMMENT='SELECT', DEFAULT COLLATE latin1_bin AS SELECT 1") ==
        "|.t|(a INT)| COMMENT='SELECT', DEFAULT COLLATE latin1_bin AS SELECT 1|character set");
    EXPECT(read("CREATE TABLE t SELECT 'a' COLLATE utf8_bin") ==
           "|.t|| SELECT 'a' COLLATE utf8_bin");
    EXPECT(read("CREATE TABLE t (a CHAR(1) CHARACTER SET latin1) SELECT 1") ==
           "|.t|(a CHAR(1) CHARACTER SET latin1)| SELECT 1");
    EXPECT(read("CREATE TABLE t UNION=(a,b) (SELECT 1)") == "|.t|| UNION=(a,b) (SELECT 1)");
  }

  TEST_CASE("CreateSelect: partitions") {
    EXPECT(read("CREATE TABLE t (a INT) PARTITION BY HASH (a) PARTITIONS 2 SELECT 1 AS a") ==
           "|.t|(a INT)| PARTITION BY HASH (a) PARTITIONS 2 SELECT 1 AS a"
           "|PARTITION BY HASH (a) PARTITIONS 2");
    EXPECT(read("CREATE TABLE t PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (9)) AS "
                "(SELECT 1 AS a)") ==
           "|.t|| PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (9)) AS (SELECT 1 AS a)"
           "|PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (9))");
    EXPECT(read("CREATE TABLE t PARTITION BY KEY (a) (SELECT 1 AS a)") ==
           "|.t|| PARTITION BY KEY (a) (SELECT 1 AS a)|PARTITION BY KEY (a)");
  }

  TEST_CASE("CreateSelect: anything else, or nothing certain") {
    for (const char* sql :
         {"CREATE TABLE t (a INT)", "CREATE TABLE t LIKE u", "CREATE TEMPORARY TABLE t SELECT 1",
          "CREATE VIEW v AS SELECT 1", "INSERT INTO t SELECT 1", "CREATE TABLE", "CREATE TABLE t",
          "CREATE TABLE t. SELECT 1", "CREATE TABLE /*! t */ SELECT 1", "CREATE TABLE t SELECT 'a",
          "CREATE TABLE t /*!999999 x */ SELECT 1", "CREATE TABLE t (a INT", ""}) {
      CAPTURE(sql);
      EXPECT(read(sql) == "-");
    }
  }

  TEST_CASE("CreateSelect: whatever makes rows is known as such") {
    for (const char* sql : {"CREATE TABLE t SELECT 1", "CREATE TABLE t VALUES (1)",
                            "CREATE TABLE t (a INT) AS VALUES (1)", "CREATE TABLE t (VALUES (1))",
                            "CREATE TABLE t (a INT) REPLACE VALUES (1)",
                            "CREATE TABLE t WITH x AS (VALUES (1)) SELECT * FROM x"}) {
      CAPTURE(sql);
      EXPECT(classify(sql, {}).has(Flag::kCreateSelect));
    }
    for (const char* sql :
         {"CREATE TABLE t (a INT) PARTITION BY LIST (a) (PARTITION p VALUES IN (1, 2))",
          "CREATE TABLE t (a INT) PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (5))",
          "CREATE TABLE t (`values` INT)"}) {
      CAPTURE(sql);
      EXPECT_FALSE(classify(sql, {}).has(Flag::kCreateSelect));
    }
  }
}

}  // namespace
}  // namespace consort::router
