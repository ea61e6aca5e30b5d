#include "router/program_ddl.h"

#include <string>

#include "tests/support/test.h"

using namespace consort::router;

namespace {

/// What it does, in letters: f(unction), t(rigger), a(ccounts), r(enames), d(rops), s(chema).
std::string done_by(std::string_view sql) {
  const ProgramDdl ddl = program_ddl(sql, {});
  std::string done;
  done += ddl.makes_function ? "f" : "";
  done += ddl.makes_trigger ? "t" : "";
  done += ddl.accounts ? "a" : "";
  done += ddl.renames ? "r" : "";
  done += ddl.drops ? "d" : "";
  done += ddl.whole_schema ? "s" : "";
  return done;
}

std::string names(const std::vector<ObjectName>& tables) {
  std::string text;
  for (const ObjectName& table : tables) {
    text += table.schema + "." + table.name + " ";
  }
  return text;
}

}  // namespace

TEST_SUITE("route") {
  TEST_CASE("program_ddl: what servers would not come out of alike") {
    for (const char* sql : {
             "ALTER TABLE t ADD id INT AUTO_INCREMENT PRIMARY KEY",
             "/* x */ ALTER TABLE t ADD b CHAR(36) DEFAULT UUID()",
             "ALTER TABLE t ADD b DOUBLE DEFAULT (CASE WHEN 1 THEN TRUNCATE(1.5, 1) ELSE RAND() "
             "END)",
             "ALTER IGNORE TABLE t ADD UNIQUE (a)",
             "CREATE SEQUENCE s",
             "CREATE OR REPLACE SEQUENCE s INCREMENT BY 0",
             "ALTER SEQUENCE s RESTART 5",
             "CREATE TABLE s (a INT) SEQUENCE=1",
             "CREATE TABLE t (a INT) /*!999999 SEQUENCE=1 */",
             "CREATE TABLE t (a INT) DATA DIRECTORY='/d'",
             "ALTER TABLE t DISCARD TABLESPACE",
             "GRANT SELECT ON t TO CURRENT_USER",
             "CREATE ROLE r",
             "SET PASSWORD = 'x'",
             "ALTER EVENT e DISABLE",
             "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'h')",
         }) {
      CAPTURE(sql);
      EXPECT(program_ddl(sql, {}).differs);
    }
  }

  TEST_CASE("program_ddl: what the binlog shows of temporary tables, too") {
    for (const char* sql : {"RENAME TABLE a TO b", "/* x */ rename tables IF EXISTS a TO b",
                            "/*!50000 RENAME */ TABLE a TO b"}) {
      CAPTURE(sql);
      EXPECT(program_ddl(sql, {}).renames_any);
    }
    for (const char* sql : {"ALTER TABLE a RENAME b", "RENAME USER a TO b", "DROP TABLE a",
                            "CREATE VIEW v AS SELECT 'rename'"}) {
      CAPTURE(sql);
      EXPECT_FALSE(program_ddl(sql, {}).renames_any);
    }
  }

  TEST_CASE("program_ddl: what all do alike") {
    for (const char* sql : {
             "ALTER TABLE t ADD b INT DEFAULT 5, DROP c",
             "CREATE TABLE t (id SERIAL, sequence INT)",
             "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=5",
             "DROP SEQUENCE s",
             "CREATE ROLE r WITH ADMIN u",
             "SET PASSWORD FOR 'u'@'h' = '*0123456789012345678901234567890123456789'",
             "GRANT SELECT ON t TO u",
             "CREATE DEFINER=`u`@`h` EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
             "ALTER DEFINER=`u`@`h` EVENT e DISABLE",
             "ANALYZE TABLE t",
             "TRUNCATE t",
         }) {
      CAPTURE(sql);
      EXPECT_FALSE(program_ddl(sql, {}).differs);
    }
  }

  TEST_CASE("program_ddl: what else has to be known of it") {
    EXPECT(done_by("CREATE TABLE t (a INT)").empty());
    EXPECT(done_by("TRUNCATE t").empty());
    EXPECT(done_by("CREATE DEFINER=`u`@`h` FUNCTION f() RETURNS INT RETURN 1") == "f");
    EXPECT(done_by("CREATE PACKAGE BODY p AS END") == "f");
    EXPECT(done_by("CREATE PROCEDURE p() SELECT 1").empty());
    EXPECT(done_by("CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW SET @a=1") == "t");
    EXPECT(done_by("GRANT SELECT ON t TO u") == "a");
    EXPECT(done_by("SET PASSWORD FOR u = 'x'") == "a");
    EXPECT(done_by("RENAME TABLE a TO b") == "rd");
    EXPECT(done_by("ALTER TABLE a RENAME TO b") == "rd");
    EXPECT(done_by("DROP TABLE a") == "d");
    EXPECT(done_by("CREATE OR REPLACE TABLE a (b INT)") == "d");
    EXPECT(done_by("DROP DATABASE a") == "ds");
    EXPECT(done_by("CREATE DATABASE a") == "s");
  }

  TEST_CASE("program_ddl: its tables, and whose definition is copied") {
    EXPECT(names(program_ddl("DROP TABLE a, `b``c`.d", {}).tables) == ".a b`c.d ");
    EXPECT(names(program_ddl("CREATE TABLE a LIKE b.c", {}).copied) == "b.c ");
    EXPECT(names(program_ddl("CREATE TABLE a (LIKE b)", {}).copied) == ".b ");
    EXPECT(program_ddl("CREATE TABLE a AS SELECT * FROM b", {}).copied.empty());
    EXPECT(program_ddl("CREATE TABLE a (b INT)", {}).copied.empty());
    EXPECT(program_ddl("CREATE VIEW a AS SELECT * FROM b", {}).copied.empty());
  }
}
