// classify(): transactions, DDL, accounts, administration.
#include "tests/support/test.h"
#include "tests/unit/router/statement_summary.h"

using namespace consort::router;

TEST_SUITE("classify_other") {
  TEST_CASE("transactions") {
    constexpr std::string_view kControl = "proxy/transaction_control";
    constexpr std::string_view kUnknown = "home/unknown_statement";
    const Case table[] = {
        {"BEGIN", "begin", "reads_only", "", kControl},
        {"begin work;", "begin", "reads_only", "", kControl},
        {"START TRANSACTION", "begin", "reads_only", "", kControl},
        {"START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT", "begin", "reads_only", "",
         kControl},
        {"START TRANSACTION READ FOO", "unknown", "touches_tables", "", kUnknown},
        {"START TRANSACTION READ ONLY, READ WRITE", "unknown", "touches_tables", "", kUnknown},
        {"COMMIT", "commit", "reads_only", "", kControl},
        {"COMMIT WORK AND NO CHAIN NO RELEASE", "commit", "reads_only", "", kControl},
        {"COMMIT FOO", "unknown", "touches_tables", "", kUnknown},
        {"COMMIT AND CHAIN RELEASE", "unknown", "touches_tables", "", kUnknown},
        {"ROLLBACK AND CHAIN", "rollback", "reads_only", "", kControl},
        {"ROLLBACK WORK TO SAVEPOINT `a b`", "rollback_to_savepoint", "reads_only", "",
         "home/transaction"},
        {"ROLLBACK TO s", "rollback_to_savepoint", "reads_only", "", "home/transaction"},
        {"SAVEPOINT s", "savepoint", "reads_only", "", "home/transaction"},
        {"RELEASE SAVEPOINT s", "release_savepoint", "reads_only", "", "home/transaction"},
        {"SAVEPOINT", "unknown", "touches_tables", "", kUnknown},
        {"BEGIN; UPDATE t SET a=1; COMMIT", "begin", "multi_statement", "",
         "proxy/multi_statement"},
        {"BEGIN NOT ATOMIC DELETE FROM t; END", "compound", "touches_tables", "", "home/write"},
        {"BEGIN NOT ATOMIC IF 1 THEN SELECT 1; END IF; CASE 1 WHEN 1 THEN SELECT 1; END CASE; END; "
         "COMMIT",
         "compound", "touches_tables multi_statement", "", "proxy/multi_statement"},
        {"lbl: BEGIN NOT ATOMIC SELECT 1; END", "compound", "touches_tables", "", "home/write"},
        {"<<lbl>> LOOP SELECT 1; END LOOP", "compound", "touches_tables", "", "home/write"},
        {"IF 1 THEN DELETE FROM t; END IF", "compound", "touches_tables", "", "home/write"},
        {"WHILE 1 DO SELECT 1; END WHILE", "compound", "touches_tables", "", "home/write"},
        {"XA START 'a'", "xa", "", "", "refuse/not_supported"},
    };
    expect_all(table);
  }

  TEST_CASE("the options of BEGIN, COMMIT and ROLLBACK") {
    const TransactionOptions begin =
        classify("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ WRITE").transaction;
    EXPECT(begin.consistent_snapshot);
    EXPECT(begin.access == AccessMode::kReadWrite);
    EXPECT(classify("START TRANSACTION READ ONLY").transaction.access == AccessMode::kReadOnly);
    EXPECT(classify("COMMIT AND CHAIN").transaction.chain == Choice::kYes);
    EXPECT(classify("COMMIT AND NO CHAIN RELEASE").transaction.chain == Choice::kNo);
    EXPECT(classify("COMMIT RELEASE").transaction.release == Choice::kYes);
    EXPECT(classify("ROLLBACK").transaction.chain == Choice::kUnset);
    EXPECT(classify("ROLLBACK TO SAVEPOINT `a b`").name == "a b");
    EXPECT(classify("ROLLBACK TO savepoint").name == "savepoint");
    EXPECT(classify("SAVEPOINT x").name == "x");
  }

  TEST_CASE("definitions") {
    constexpr std::string_view kDdl = "touches_tables implicit_commit";
    constexpr std::string_view kOrdered = "ordered/ddl";
    const Case table[] = {
        {"CREATE TABLE t (a INT PRIMARY KEY, b DATETIME(6), KEY i (b))", "ddl", kDdl, "d:t",
         kOrdered},
        {"CREATE OR REPLACE TABLE IF NOT EXISTS db.t (a INT)", "ddl", kDdl, "d:db.t", kOrdered},
        {"CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES db.p (id) ON DELETE CASCADE)", "ddl",
         kDdl, "d:t d:db.p", kOrdered},
        {"CREATE TABLE t LIKE u", "ddl", kDdl, "d:t d:u", kOrdered},
        {"CREATE TABLE t (a INT) PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (5))", "ddl",
         kDdl, "d:t", kOrdered},
        {"CREATE TABLE t AS SELECT * FROM u", "ddl", "touches_tables implicit_commit create_select",
         "d:t r:u", "ordered/ddl"},
        {"CREATE TABLE t (a INT) (SELECT a FROM u)", "ddl",
         "touches_tables implicit_commit create_select", "d:t r:u", "ordered/ddl"},
        {"CREATE TABLE t ((SELECT a FROM u))", "ddl",
         "touches_tables implicit_commit create_select", "d:t r:u", "ordered/ddl"},
        {"CREATE TABLE list (VALUES (1))", "ddl", "touches_tables implicit_commit create_select",
         "d:list", "ordered/ddl"},
        {"CREATE TABLE t PARTITION BY HASH (a) (SELECT a FROM u)", "ddl",
         "touches_tables implicit_commit create_select", "d:t r:u", "ordered/ddl"},
        {"CREATE TABLE t (a INT) PARTITION BY LIST (VALUES(a) DIV 1) (PARTITION p VALUES IN (0))",
         "ddl", kDdl, "d:t", kOrdered},
        {"CREATE TABLE t (a INT DEFAULT (1 + (SELECT 2)))", "ddl", kDdl, "d:t", kOrdered},
        {"CREATE TEMPORARY TABLE t (a INT)", "ddl", "touches_tables temporary", "d:t",
         "home/temporary_table"},
        {"CREATE TEMPORARY TABLE t SELECT a FROM u", "ddl",
         "touches_tables temporary create_select", "d:t r:u", "home/temporary_table"},
        {"DROP TEMPORARY TABLE IF EXISTS t, db.u", "ddl", "touches_tables temporary", "d:t d:db.u",
         "home/temporary_table"},
        {"DROP TABLES a, c", "ddl", kDdl, "d:a d:c", kOrdered},
        {"DROP TABLE IF EXISTS a, `b`.`c` CASCADE", "ddl", kDdl, "d:a d:b.c", kOrdered},
        {"ALTER TABLE t ADD COLUMN x INT, RENAME TO db.u", "ddl", kDdl, "d:t d:db.u", kOrdered},
        {"ALTER TABLE t RENAME COLUMN a TO b, RENAME INDEX c TO d", "ddl", kDdl, "d:t", kOrdered},
        {"ALTER TABLE t RENAME AS u", "ddl", kDdl, "d:t d:u", kOrdered},
        {"ALTER ONLINE IGNORE TABLE IF EXISTS t ADD FOREIGN KEY (a) REFERENCES p (b)", "ddl", kDdl,
         "d:t d:p", kOrdered},
        {"ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u", "ddl", kDdl, "d:t d:u", kOrdered},
        {"/*!40000 ALTER TABLE `t` DISABLE KEYS */", "ddl", kDdl, "d:t", kOrdered},
        {"RENAME TABLE a TO b, db.c TO db.d", "ddl", kDdl, "d:a d:b d:db.c d:db.d", kOrdered},
        {"TRUNCATE t", "ddl", kDdl, "d:t", kOrdered},
        {"TRUNCATE TABLE db.t", "ddl", kDdl, "d:db.t", kOrdered},
        {"CREATE UNIQUE INDEX i ON db.t (a)", "ddl", kDdl, "d:db.t", kOrdered},
        {"DROP INDEX i ON t", "ddl", kDdl, "d:t", kOrdered},
        {"CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`view`@`%` SQL SECURITY INVOKER VIEW v (a) AS "
         "SELECT a FROM t, db.u",
         "ddl", kDdl, "d:v r:t r:db.u", kOrdered},
        {"ALTER VIEW v AS SELECT 1", "ddl", kDdl, "d:v", kOrdered},
        {"DROP VIEW a, b", "ddl", kDdl, "d:a d:b", kOrdered},
        {"CREATE DATABASE IF NOT EXISTS x CHARACTER SET utf8mb4", "ddl", "implicit_commit", "d:x.*",
         kOrdered},
        {"DROP SCHEMA x", "ddl", "implicit_commit", "d:x.*", kOrdered},
        {"CREATE DEFINER = event@localhost PROCEDURE p() BEGIN SELECT 1; DELETE FROM t; END", "ddl",
         "implicit_commit", "", kOrdered},
        {"CREATE PROCEDURE p() SELECT 1; DELETE FROM t", "ddl", "implicit_commit multi_statement",
         "", "proxy/multi_statement"},
        {"CREATE FUNCTION f() RETURNS INT BEGIN IF 1 THEN RETURN 1; END IF; RETURN 2; END;", "ddl",
         "implicit_commit", "", kOrdered},
        {"CREATE PROCEDURE p() BEGIN SELECT 1; END; DELETE FROM t", "ddl",
         "implicit_commit multi_statement", "", "proxy/multi_statement"},
        {"CREATE TRIGGER tr BEFORE INSERT ON db.t FOR EACH ROW SET NEW.a = f(1)", "ddl", kDdl,
         "d:db.t", kOrdered},
        {"DROP TRIGGER IF EXISTS tr", "ddl", "implicit_commit", "d:*", kOrdered},
        {"DROP PROCEDURE p", "ddl", "implicit_commit", "", kOrdered},
        {"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t", "ddl", "implicit_commit", "",
         kOrdered},
        {"CREATE SEQUENCE s START WITH 5", "ddl", kDdl, "d:s", kOrdered},
        {"ALTER SEQUENCE s RESTART 5", "ddl", kDdl, "d:s", kOrdered},
        {"CREATE FOO", "unknown", "touches_tables", "", "home/unknown_statement"},
    };
    expect_all(table);
    EXPECT(classify("DROP TABLE t").ddl.verb == DdlVerb::kDrop);
    EXPECT(classify("CREATE EVENT e DO SELECT 1").ddl.object == DdlObject::kEvent);
  }

  TEST_CASE("accounts") {
    const Case table[] = {
        {"CREATE USER IF NOT EXISTS 'a'@'%' IDENTIFIED BY 'x'", "account", "implicit_commit", "",
         "ordered/accounts"},
        {"CREATE OR REPLACE ROLE r WITH ADMIN a", "account", "implicit_commit", "",
         "ordered/accounts"},
        {"CREATE ROLE r", "account", "implicit_commit creators_role", "", "refuse/not_supported"},
        {"GRANT r TO CURRENT_USER()", "account", "implicit_commit current_user", "",
         "refuse/not_supported"},
        {"SET PASSWORD = PASSWORD('x')", "set_password", "implicit_commit current_user", "",
         "refuse/not_supported"},
        {"SET PASSWORD FOR a = PASSWORD('x')", "set_password", "implicit_commit", "",
         "ordered/accounts"},
        {"SET PASSWORD FOR CURRENT_USER = 'x'", "set_password", "implicit_commit current_user", "",
         "refuse/not_supported"},
        {"SET DEFAULT ROLE r", "account", "implicit_commit current_user", "",
         "refuse/not_supported"},
        {"ALTER USER a ACCOUNT LOCK", "account", "implicit_commit", "", "ordered/accounts"},
        {"DROP USER a, b", "account", "implicit_commit", "", "ordered/accounts"},
        {"DROP ROLE r", "account", "implicit_commit", "", "ordered/accounts"},
        {"RENAME USER a TO b", "account", "implicit_commit", "", "ordered/accounts"},
        {"GRANT SELECT ON *.* TO a", "account", "implicit_commit", "", "ordered/accounts"},
        {"REVOKE ALL ON db.* FROM a", "account", "implicit_commit", "", "ordered/accounts"},
    };
    expect_all(table);
  }

  TEST_CASE("administration") {
    const Case table[] = {
        {"USE `a b`", "use", "reads_only", "", "home/session_setting"},
        {"USE", "unknown", "touches_tables", "", "home/unknown_statement"},
        {"LOCK TABLES a READ, db.b AS x WRITE", "lock_tables",
         "reads_only touches_tables implicit_commit", "r:a r:db.b", "home/lock_tables"},
        {"UNLOCK TABLES", "unlock_tables", "reads_only", "", "proxy/lock_tables"},
        {"FLUSH PRIVILEGES", "flush", "reads_only implicit_commit", "", "home/server_local"},
        {"FLUSH TABLES WITH READ LOCK", "flush", "reads_only implicit_commit locks_tables", "",
         "home/server_local"},
        {"ANALYZE TABLE t, db.u", "analyze", "reads_only touches_tables implicit_commit",
         "r:t r:db.u", "home/server_local"},
        {"OPTIMIZE NO_WRITE_TO_BINLOG TABLE t", "optimize",
         "reads_only touches_tables implicit_commit", "r:t", "home/server_local"},
        {"CHECK TABLE t EXTENDED", "check", "reads_only touches_tables implicit_commit", "r:t",
         "home/server_local"},
        {"REPAIR TABLE t", "repair", "reads_only touches_tables implicit_commit", "r:t",
         "home/server_local"},
        {"SHOW TABLES FROM db LIKE 'x'", "show", "reads_only", "", "any_fresh/safe_read"},
        {"SHOW CREATE TABLE t", "show", "reads_only", "", "any_fresh/safe_read"},
        {"SHOW FULL COLUMNS FROM `status` FROM db", "show", "reads_only", "",
         "any_fresh/safe_read"},
        {"SHOW VARIABLES LIKE 'x'", "show", "reads_only", "", "any_fresh/safe_read"},
        {"SHOW WARNINGS LIMIT 1", "show", "reads_only diagnostics", "", "home/session_dependent"},
        {"SHOW COUNT(*) ERRORS", "show", "reads_only diagnostics", "", "home/session_dependent"},
        {"SHOW GLOBAL STATUS", "show", "reads_only server_local", "", "home/server_local"},
        {"SHOW FULL PROCESSLIST", "show", "reads_only server_local", "", "home/server_local"},
        {"SHOW MASTER STATUS", "show", "reads_only server_local", "", "home/server_local"},
        {"KILL 5", "kill", "reads_only", "", "proxy/kill"},
        {"PREPARE s FROM 'DELETE FROM t'", "prepare_text", "reads_only", "",
         "home/session_setting"},
        {"EXECUTE s USING @a", "execute_text", "touches_tables reads_user_variable", "",
         "home/write"},
        {"EXECUTE IMMEDIATE 'DROP TABLE t'", "execute_text", "touches_tables", "", "home/write"},
        {"DEALLOCATE PREPARE s", "deallocate_text", "reads_only", "", "home/session_setting"},
        {"DROP PREPARE s", "deallocate_text", "reads_only", "", "home/session_setting"},
        {"HANDLER t OPEN", "handler", "reads_only opens_handler", "", "home/server_local"},
        {"HANDLER d.t OPEN AS h", "handler", "reads_only opens_handler", "", "home/server_local"},
        {"HANDLER h READ FIRST", "handler", "reads_only", "", "home/server_local"},
        {"HANDLER h CLOSE", "handler", "reads_only closes_handler", "", "home/server_local"},
        {"GET DIAGNOSTICS @n = NUMBER", "diagnostics",
         "reads_only reads_user_variable assigns_user_variable diagnostics", "",
         "home/session_dependent"},
        {"SHUTDOWN", "shutdown", "", "", "refuse/not_supported"},
        {"CHANGE MASTER TO MASTER_HOST='x'", "server_admin", "", "", "refuse/not_supported"},
        {"START SLAVE", "server_admin", "", "", "refuse/not_supported"},
        {"START ALL SLAVES", "server_admin", "", "", "refuse/not_supported"},
        {"START NONSENSE", "unknown", "touches_tables", "", "home/unknown_statement"},
        {"LOCK INSTANCE FOR BACKUP", "server_admin", "", "", "refuse/not_supported"},
        {"LOCK BINLOG FOR BACKUP", "server_admin", "", "", "refuse/not_supported"},
        {"LOCK NONSENSE", "unknown", "touches_tables", "", "home/unknown_statement"},
        {"UNLOCK INSTANCE", "server_admin", "", "", "refuse/not_supported"},
        {"UNLOCK TABLES NONSENSE", "unknown", "touches_tables", "", "home/unknown_statement"},
        {"RESET MASTER", "server_admin", "", "", "refuse/not_supported"},
        {"RESET QUERY CACHE", "flush", "reads_only implicit_commit", "", "home/server_local"},
        {"RESET QUERY CACHE, MASTER", "server_admin", "implicit_commit", "",
         "refuse/not_supported"},
        {"PURGE BINARY LOGS TO 'x'", "flush", "reads_only", "", "home/server_local"},
        {"PURGE MASTER LOGS BEFORE (SELECT NOW())", "flush", "reads_only", "", "home/server_local"},
        {"BACKUP STAGE START", "server_admin", "", "", "refuse/not_supported"},
        {"BACKUP UNLOCK", "server_admin", "", "", "refuse/not_supported"},
        {"BACKUP TABLE t TO 'x'", "unknown", "touches_tables", "", "home/unknown_statement"},
        {"CACHE INDEX t, u IN hot", "index_cache", "reads_only", "", "home/server_local"},
        {"LOAD INDEX INTO CACHE t", "index_cache", "reads_only", "", "home/server_local"},
        {"INSTALL SONAME 'x'", "server_admin", "", "", "refuse/not_supported"},
        {"BINLOG 'x'", "binlog", "", "", "refuse/not_supported"},
        {"BINLOG ''", "unknown", "touches_tables", "", "home/unknown_statement"},
    };
    expect_all(table);
  }

  TEST_CASE("KILL") {
    EXPECT(classify("KILL 12").kill.id == 12);
    EXPECT(classify("KILL 12").kill.supported);
    EXPECT(!classify("KILL 12").kill.query_only);
    EXPECT(classify("KILL HARD QUERY 7").kill.query_only);
    EXPECT(classify("kill connection 7").kill.id == 7);
    EXPECT(classify("KILL QUERY CONNECTION_ID()").kill.own);
    EXPECT(classify("KILL CONNECTION_ID()").kill.supported);
    EXPECT(classify("KILL CONNECTION_ID ( )").kill.own);
    EXPECT(!classify("KILL CONNECTION_ID() + 1").kill.own);
    EXPECT(classify("KILL CONNECTION_ID() + 1 -- c").kill.operand == "CONNECTION_ID() + 1");
    EXPECT(classify("KILL CONNECTION_ID").kill.operand == "CONNECTION_ID");
    EXPECT(classify("KILL 12").kill.is_number);
    EXPECT(!classify("KILL 12 + 1").kill.is_number);
    EXPECT(!classify("KILL 0x12").kill.is_number);
    EXPECT(classify("KILL 0x12").kill.operand == "0x12");
    EXPECT(!classify("KILL 99999999999999999999").kill.is_number);
    EXPECT(classify("KILL").kill.supported);
    EXPECT(classify("KILL").kill.operand.empty());
    EXPECT(classify("KILL QUERY ID 5").kill.target == KillTarget::kQueryId);
    EXPECT(classify("KILL QUERY ID 5").kill.id == 5);
    EXPECT(classify("KILL QUERY ID 5").kill.query_only);
    EXPECT(classify("KILL QUERY USER 'x'@'%' ;").kill.target == KillTarget::kUser);
    EXPECT(classify("KILL QUERY USER 'x'@'%' ;").kill.operand == "'x'@'%'");
    EXPECT(classify("KILL USER").kill.operand == "USER");
    EXPECT(classify("KILL USER").kill.target == KillTarget::kConnection);
    EXPECT(classify("KILL (SELECT id FROM t)").has(Flag::kTouchesTables));
    EXPECT(classify("KILL f()").has(Flag::kUnknownFunction));
    EXPECT(classify("KILL (f())").has(Flag::kUnknownFunction));
    EXPECT(!classify("KILL QUERY ID ((SELECT 1))").has(Flag::kUnknownFunction));
    EXPECT(classify("KILL QUERY ID ((SELECT 1))").kill.operand == "((SELECT 1))");
    EXPECT(classify("KILL (1) + (2)").kill.supported);
    EXPECT(classify("KILL @id").has(Flag::kReadsUserVariable));
    EXPECT(classify("KILL ?").has(Flag::kPlaceholders));
    EXPECT(!classify("KILL @x := 5").kill.supported);
    EXPECT(!classify("KILL GET_LOCK('a', 1)").kill.supported);
    EXPECT(!classify("KILL 1, 2").kill.supported);
  }

  TEST_CASE("names") {
    EXPECT(classify("USE `a b`").name == "a b");
    EXPECT(classify("PREPARE s FROM @x").name == "s");
    EXPECT(classify("EXECUTE `s`").name == "s");
    EXPECT(classify("EXECUTE IMMEDIATE @x").name.empty());
    EXPECT(classify("DEALLOCATE PREPARE s").name == "s");
    EXPECT(classify("HANDLER t OPEN").name == "t");
    EXPECT(classify("HANDLER d.t OPEN").name == "t");
    EXPECT(classify("HANDLER d.t OPEN AS h").name == "h");
    EXPECT(classify("HANDLER t OPEN h").name == "h");
    EXPECT(classify("HANDLER h CLOSE").name == "h");
  }

  TEST_CASE("every kind, flag, target and reason has a name of its own") {
    for (unsigned i = 0; i <= static_cast<unsigned>(StatementKind::kCompound); ++i) {
      EXPECT(!to_text(static_cast<StatementKind>(i)).empty());
    }
    EXPECT(to_text(Flag::kUncertain) == "uncertain");
    EXPECT(to_text(StatementKind::kCompound) == "compound");
    EXPECT(to_text(RouteReason::kNotSupported) == "not_supported");
  }
}
