#include "router/program_scan.h"

#include <string>

#include "tests/support/test.h"

using namespace consort::router;

namespace {

/// What was found, in letters: t(ransactions), d(dl), e(xecute), x(unfit), r(ename), m(akes
/// temporary).
std::string found_in(std::string_view body) {
  const ProgramScan scan = scan_program(body, {});
  std::string found;
  found += scan.ends_transactions ? "t" : "";
  found += scan.executes_ddl ? "d" : "";
  found += scan.dynamic ? "e" : "";
  found += scan.unfit ? "x" : "";
  found += scan.renames ? "r" : "";
  found += scan.makes_temporary ? "m" : "";
  found += scan.uncertain ? "?" : "";
  return found;
}

}  // namespace

TEST_SUITE("route") {
  TEST_CASE("scan_program: what ends LOCK TABLES") {
    EXPECT(scan_program("BEGIN COMMIT; START TRANSACTION; END", {}).begins_transaction);
    EXPECT(scan_program("EXECUTE IMMEDIATE 'START TRANSACTION'", {}).begins_transaction);
    EXPECT_FALSE(scan_program("BEGIN COMMIT; TRUNCATE t; END", {}).begins_transaction);
  }

  TEST_CASE("scan_program: what ends transactions") {
    for (const char* body : {
             "COMMIT",
             "BEGIN START TRANSACTION; UPDATE t SET a=1; COMMIT; END",
             "begin if a then commit; else rollback; end if; end",
             "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION ROLLBACK; END",
             "BEGIN DECLARE EXIT HANDLER FOR 1062 ROLLBACK; SELECT 1; END",
             "BEGIN DECLARE EXIT HANDLER FOR SQLSTATE '23000', SQLWARNING COMMIT; SELECT 1; END",
             "BEGIN DECLARE EXIT HANDLER FOR 1062 SET autocommit = 1; END",
             "BEGIN DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN ROLLBACK WORK; END; END",
             "BEGIN WHILE a DO COMMIT AND CHAIN; END WHILE; END",
             "BEGIN l: LOOP COMMIT; END LOOP; END",
             "BEGIN REPEAT COMMIT; UNTIL 1 END REPEAT; END",
             "BEGIN SET autocommit=0; END",
             "BEGIN SET @a=1, SESSION autocommit = 0; END",
             "BEGIN SET @@autocommit := 0; END",
             "BEGIN CASE a WHEN 1 THEN COMMIT; END CASE; END",
             "BEGIN /* x */ COMMIT; -- y\n END",
         }) {
      CAPTURE(body);
      EXPECT(found_in(body) == "t");
    }
  }

  TEST_CASE("scan_program: what does not") {
    for (const char* body : {
             "SELECT 1",
             "BEGIN SELECT commit FROM t; END",
             "BEGIN INSERT INTO t VALUES ('COMMIT; ROLLBACK;'); END",
             "BEGIN /* COMMIT; */ SELECT 1; END",
             "BEGIN SAVEPOINT a; ROLLBACK TO a; ROLLBACK WORK TO SAVEPOINT a; END",
             "BEGIN UPDATE t SET autocommit_at = 1; END",
             "BEGIN SELECT @@autocommit; END",
             "BEGIN SELECT `commit`, a.rollback FROM t; END",
             "BEGIN DECLARE c CURSOR FOR SELECT 1; OPEN c; END",
             "BEGIN DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1; END",
             "BEGIN SET @a = @@server_id, b = 1; END",
             "BEGIN SET a = (SELECT server_id = 1 FROM t); END",
         }) {
      CAPTURE(body);
      EXPECT(found_in(body) == "");
    }
  }

  TEST_CASE("scan_program: statements that commit by themselves") {
    EXPECT(found_in("BEGIN CREATE TABLE t (a INT); END") == "d");
    EXPECT(found_in("BEGIN CREATE OR REPLACE TABLE t (a INT); DROP TABLE u; END") == "d");
    EXPECT(found_in("BEGIN TRUNCATE t; END") == "d");
    EXPECT(found_in("BEGIN RENAME TABLE a TO b; END") == "dr");
    EXPECT(found_in("BEGIN CREATE TEMPORARY TABLE t (a INT); DROP TEMPORARY TABLE t; END") == "m");
    EXPECT(found_in("BEGIN CREATE OR REPLACE TEMPORARY TABLE t (a INT); END") == "m");
    EXPECT(found_in("BEGIN GRANT SELECT ON t TO u; END") == "d");
  }

  TEST_CASE("scan_program: what hides what it does") {
    EXPECT(found_in("BEGIN EXECUTE IMMEDIATE @a; END") == "e");
    EXPECT(found_in("BEGIN PREPARE s FROM @a; EXECUTE s; END") == "e");
    EXPECT(found_in("BEGIN SELECT 'a; END") == "?");
  }

  TEST_CASE("scan_program: text that is executed counts as what it says") {
    EXPECT(found_in("BEGIN PREPARE s FROM 'COMMIT'; EXECUTE s; END") == "te");
    EXPECT(found_in("BEGIN SET @a = CONCAT('DROP TABLE ', n); PREPARE s FROM @a; END") == "de");
    EXPECT(found_in("BEGIN EXECUTE IMMEDIATE 'INSERT INTO t VALUES (''COMMIT'')'; END") == "e");
    EXPECT(found_in("BEGIN EXECUTE IMMEDIATE 'SELECT 1 -- COMMIT'; END") == "e");
    EXPECT(found_in("BEGIN EXECUTE IMMEDIATE 'XA RECOVER'; END") == "ex");
    EXPECT(found_in("BEGIN SELECT 'DROP TABLE t'; END") == "");
    const ProgramScan scan = scan_program("EXECUTE IMMEDIATE 'CALL a.b(1)'", {});
    REQUIRE(scan.calls.size() == 1);
    EXPECT((scan.calls[0] == ObjectName{"a", "b"}));
    EXPECT(scan_literals("CALL p('CREATE TABLE t (a INT)')", {}).executes_ddl);
    EXPECT_FALSE(scan_literals("CALL p('a CREATE TABLE t')", {}).commits());
  }

  TEST_CASE("scan_program: accounts whose host is a name") {
    for (const char* body : {
             "BEGIN CREATE USER a@web1; END",
             "BEGIN INSERT INTO t VALUES (1); GRANT r TO u, a@web1; END",
             "SET PASSWORD FOR a@web1 = 'x'",
             "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION SET DEFAULT ROLE r FOR a@web1; END",
             "EXECUTE IMMEDIATE 'CREATE USER a@web1'",
             "EXECUTE IMMEDIATE \"SET PASSWORD FOR a@web1 = 'x'\"",
         }) {
      CAPTURE(body);
      EXPECT(scan_program(body, {}).names_host);
    }
    for (const char* body : {
             "BEGIN CREATE USER a@localhost; DROP USER a@web1; END",
             "BEGIN SET PASSWORD = 'x'; SELECT 1 INTO @web; END",
             "SELECT 'CREATE USER a@web1'",
         }) {
      CAPTURE(body);
      EXPECT_FALSE(scan_program(body, {}).names_host);
    }
  }

  TEST_CASE("scan_program: what no other server can be told of, or what stops the lanes") {
    for (const char* body : {
             "BEGIN XA START 'a'; END",
             "BEGIN SET sql_log_bin = 0; END",
             "BEGIN SET a = 1, SESSION binlog_format := 'STATEMENT'; END",
             "BEGIN SET @@session.pseudo_thread_id = 5; END",
             "BEGIN DECLARE EXIT HANDLER FOR 1062 SET sql_log_bin = 0; END",
             "BEGIN RESET MASTER; END",
             "BEGIN PURGE BINARY LOGS TO 'a'; END",
             "BEGIN INSTALL SONAME 'a'; END",
             "BEGIN BACKUP STAGE START; END",
             "BEGIN START SLAVE; END",
             "BEGIN UPDATE consort.position SET seqno = 1; END",
             "BEGIN INSERT INTO `mysql` . user VALUES (1); END",
         }) {
      CAPTURE(body);
      EXPECT(found_in(body) == "x");
    }
    EXPECT(found_in("BEGIN CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (); END") == "dx");
    EXPECT(found_in("BEGIN ALTER TABLE t ADD id INT AUTO_INCREMENT KEY; END") == "dx");
    EXPECT(found_in("BEGIN ALTER TABLE t ADD b CHAR(36) DEFAULT UUID(); END") == "dx");
    EXPECT(found_in("BEGIN CREATE SEQUENCE s; END") == "dx");
    EXPECT(found_in("BEGIN IF a THEN CREATE ROLE r; END IF; END") == "dx");
    EXPECT(found_in("BEGIN ALTER TABLE t ADD b DOUBLE DEFAULT (CASE WHEN 1 THEN TRUNCATE(1.5, 1) "
                    "ELSE RAND() END); END") == "dx");
    EXPECT(found_in("BEGIN EXECUTE IMMEDIATE 'CREATE SEQUENCE s'; END") == "dex");
    EXPECT(found_in("BEGIN ALTER TABLE t ADD b INT; CREATE TABLE u (a SERIAL); END") == "d");
    EXPECT(found_in("BEGIN FLUSH TABLES WITH READ LOCK; END") == "dx");
    EXPECT(found_in("BEGIN FLUSH TABLES; SELECT lock FROM t; END") == "d");
  }

  TEST_CASE("called_procedure: what a CALL calls") {
    const auto name_of = [](std::string_view sql) {
      const auto called = called_procedure(sql, {});
      return called ? called->schema + "/" + called->name : std::string("none");
    };
    EXPECT(name_of("CALL p") == "/p");
    EXPECT(name_of("call /* x */ `a``b`.P(1)") == "a`b/P");
    EXPECT(name_of("CALL p;") == "/p");
    EXPECT(name_of("CALL a.b.c()") == "none");
    EXPECT(name_of("CALL") == "none");
    EXPECT(name_of("SELECT p()") == "none");
    EXPECT(name_of("CALL p('a") == "/p");  // the server says what is wrong with it
  }

  TEST_CASE("scan_program: what reads may call behind it, and what it copies") {
    const ProgramScan scan = scan_program(
        "BEGIN CREATE TABLE a LIKE b.c; EXECUTE IMMEDIATE 'CREATE TABLE d LIKE e'; "
        "EXECUTE IMMEDIATE CONCAT('CREATE FUNCTION ', n, '() RETURNS INT RETURN 1'); END",
        {});
    REQUIRE(scan.copied.size() == 2);
    EXPECT((scan.copied[0] == ObjectName{"b", "c"}));
    EXPECT((scan.copied[1] == ObjectName{"", "e"}));
    EXPECT(scan.makes_function);
    EXPECT_FALSE(scan.makes_trigger);
    EXPECT(
        scan_program("CREATE TRIGGER t AFTER INSERT ON u FOR EACH ROW SET @a=1", {}).makes_trigger);
    EXPECT_FALSE(scan_program("BEGIN CREATE TABLE a (b INT); COMMIT; END", {}).makes_function);
  }

  TEST_CASE("scan_program: which procedures it calls") {
    const ProgramScan scan =
        scan_program("BEGIN CALL a(); CALL `b c`.`d`(1); IF 1 THEN CALL a(2); END IF; END", {});
    REQUIRE(scan.calls.size() == 2);
    EXPECT((scan.calls[0] == ObjectName{"", "a"}));
    EXPECT((scan.calls[1] == ObjectName{"b c", "d"}));
    EXPECT_FALSE(scan.commits());
  }
}
