"""Transactions look as on a single server: every script is played through Consort and on a plain
server, and each answer (flags, counts, ids, warnings, errors, rows) must be the same."""

from support import wire
from support.case import Skip, case
from support.pair import Pair
from support.private_server import APP_PASSWORD, APP_USER
from support.server_kinds import SYSTEM, by_brand, with_mysql

FILL = ["CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, v INT, u INT UNIQUE) ENGINE=InnoDB",
        "INSERT INTO t VALUES (1, 10, 1), (2, 20, 2), (3, 30, 3)"]
END = ["ROLLBACK", "SET autocommit = 1", "SELECT * FROM t ORDER BY id"]

SCRIPTS = {
    "autocommit": ["INSERT INTO t VALUES (4, 40, 4)", "UPDATE t SET v = v + 1 WHERE id > 1",
                   "UPDATE t SET v = v WHERE id = 1", "DELETE FROM t WHERE id = 2",
                   "DELETE FROM t WHERE id = 99", "SELECT id, v FROM t ORDER BY id"],
    "begin_commit": ["BEGIN", "SELECT * FROM t WHERE id = 1", "UPDATE t SET v = 11 WHERE id = 1",
                     "SELECT v FROM t WHERE id = 1", "COMMIT", "SELECT v FROM t WHERE id = 1"],
    "begin_rollback": ["START TRANSACTION", "DELETE FROM t", "SELECT COUNT(*) FROM t", "ROLLBACK",
                       "SELECT COUNT(*) FROM t"],
    "ddl_of_the_parsers": ["BEGIN", "DELETE FROM t WHERE id = 1",
                           "ALTER TABLE information_schema.nosuch ADD v INT",
                           "DROP TABLE information_schema.tables", "ROLLBACK",
                           "SELECT COUNT(*) FROM t", "BEGIN", "DELETE FROM t WHERE id = 1",
                           "CREATE VIEW of_none AS SELECT * FROM information_schema.nosuch",
                           "ROLLBACK", "SELECT COUNT(*) FROM t"],
    "handler_without_autocommit": [
        "HANDLER t OPEN", "START TRANSACTION", "SET autocommit = 0", "HANDLER t READ FIRST",
        "INSERT INTO t VALUES (9, 9, 9)", "COMMIT", "HANDLER t READ NEXT",
        "UPDATE t SET v = 5 WHERE id = 9", "COMMIT", "HANDLER t READ `PRIMARY` = (9)", "ROLLBACK",
        "HANDLER t CLOSE", "INSERT INTO t VALUES (10, 10, 10)", "COMMIT", "HANDLER t OPEN AS h",
        "INSERT INTO t VALUES (11, 11, 11)", "ROLLBACK", "HANDLER h READ FIRST", "HANDLER h CLOSE",
        "SELECT id, v FROM t ORDER BY id", "COMMIT"],
    "maintenance_of_the_parsers": [
        "BEGIN", "DELETE FROM t WHERE id = 1", "ANALYZE TABLE", "CHECK TABLE t NONSENSE",
        "OPTIMIZE TABLE information_schema.nosuch", "REPAIR TABLE", "FLUSH NONSENSE",
        "ANALYZE TABLE information_schema.nosuch", "ROLLBACK", "SELECT COUNT(*) FROM t",
        "BEGIN", "DELETE FROM t WHERE id = 1", "CHECK TABLE t", "ROLLBACK",
        "SELECT COUNT(*) FROM t", "BEGIN", "DELETE FROM t WHERE id = 2", "FLUSH TABLES", "ROLLBACK",
        "SELECT COUNT(*) FROM t", "BEGIN", "ANALYZE TABLE nosuch", "COMMIT"],
    "nonsense_of_transactions": [
        "BEGIN", "DELETE FROM t WHERE id = 1", "LOCK TABLES t", "LOCK TABLES t READ NONSENSE",
        "LOCK TABLES NONSENSE t READ", "LOCK NONSENSE", "UNLOCK TABLES NONSENSE", "UNLOCK NONSENSE",
        "FLUSH TABLES t WITH NONSENSE", "FLUSH TABLES WITH READ NONSENSE", "FLUSH TABLES t FOR NONSENSE",
        "BEGIN NONSENSE", "BEGIN WORK NONSENSE", "START NONSENSE", "START TRANSACTION NONSENSE",
        "START TRANSACTION READ", "COMMIT NONSENSE", "COMMIT AND", "ROLLBACK NONSENSE",
        "ROLLBACK TO", "SAVEPOINT", "SAVEPOINT a b", "RELEASE NONSENSE", "USE a b",
        "SET autocommit =", "SET TRANSACTION NONSENSE", "ROLLBACK",
        "SELECT COUNT(*) FROM t",
        "BEGIN", "DELETE FROM t WHERE id = 1", "LOCK TABLES nosuch READ", "ROLLBACK",
        "SELECT COUNT(*) FROM t", "BEGIN", "DELETE FROM t WHERE id = 2", "LOCK TABLES t READ",
        "ROLLBACK", "UNLOCK TABLES", "SELECT COUNT(*) FROM t"],
    "nonsense_of_select": [
        "BEGIN", "DELETE FROM t WHERE id = 1", "CREATE TABLE made SELECT FROM", "CREATE TABLE made AS",
        "CREATE TABLE made SELECT 1 NONSENSE NONSENSE",
        "CREATE TABLE information_schema.made SELECT 1 AS a", "ROLLBACK", "SELECT COUNT(*) FROM t",
        "BEGIN", "DELETE FROM t WHERE id = 1", "CREATE TABLE made SELECT nosuch FROM t", "ROLLBACK",
        "SELECT COUNT(*) FROM t", "BEGIN", "DELETE FROM t WHERE id = 2",
        "CREATE TABLE nosuch.made SELECT 1 AS a", "ROLLBACK", "SELECT COUNT(*) FROM t"],
    "grants_begin": ["SET TRANSACTION READ WRITE", "BEGIN", "SHOW GRANTS", "COMMIT",
                     "FLUSH STATUS", "SET TRANSACTION READ WRITE", "BEGIN",
                     "SHOW STATUS LIKE 'Com_set_option'", "COMMIT"],
    "begin_of_oracle": [
        ("prepare", "begins", "BEGIN"), "SET sql_mode = 'ORACLE'", ("execute", "begins"),
        "UPDATE t SET v = 6 WHERE id = 1", "ROLLBACK", "BEGIN", "BEGIN WORK", "INSERT INTO t VALUES (4, 4, 4)", "ROLLBACK",
        "EXECUTE IMMEDIATE 'BEGIN'", "START TRANSACTION", "UPDATE t SET v = 5 WHERE id = 1", "BEGIN",
        "ROLLBACK", "BEGIN INSERT INTO t VALUES (5, 5, 5); END", "SELECT id, v FROM t ORDER BY id",
        "SET sql_mode = DEFAULT"],
    "empty": ["BEGIN", "COMMIT", "BEGIN", "ROLLBACK", "COMMIT", "ROLLBACK",
              "BEGIN", "BEGIN", "COMMIT"],
    "begin_inside": ["BEGIN", "INSERT INTO t VALUES (4, 4, 4)", "BEGIN",
                     "INSERT INTO t VALUES (5, 5, 5)", "ROLLBACK", "SELECT id FROM t ORDER BY id"],
    "chain": ["BEGIN", "INSERT INTO t VALUES (4, 4, 4)", "COMMIT AND CHAIN",
              "INSERT INTO t VALUES (5, 5, 5)", "ROLLBACK AND CHAIN",
              "INSERT INTO t VALUES (6, 6, 6)", "COMMIT AND NO CHAIN",
              "SELECT id FROM t ORDER BY id"],
    "chain_alone": ["COMMIT AND CHAIN", "ROLLBACK", "ROLLBACK AND CHAIN", "COMMIT"],
    "completion": ["SET completion_type = 1", "BEGIN", "INSERT INTO t VALUES (4, 4, 4)", "COMMIT",
                   "INSERT INTO t VALUES (5, 5, 5)", "ROLLBACK", "INSERT INTO t VALUES (6, 6, 6)",
                   "COMMIT AND NO CHAIN", "INSERT INTO t VALUES (7, 7, 7)", "ROLLBACK",
                   "SELECT @@completion_type, @@in_transaction", "ALTER TABLE t COMMENT 'x'",
                   "SELECT @@in_transaction", "SELECT id FROM t ORDER BY id",
                   "SET completion_type = DEFAULT", "COMMIT"],
    "savepoint_begins": ["SET autocommit = 0", "SAVEPOINT a", "UPDATE t SET v = 11 WHERE id = 1",
                         "ROLLBACK TO SAVEPOINT a", "UPDATE t SET v = 12 WHERE id = 2", "COMMIT",
                         "SAVEPOINT b", "INSERT INTO t VALUES (1, 1, 1)", "SAVEPOINT c", "RELEASE SAVEPOINT c",
                         "ROLLBACK TO b", "COMMIT", "ROLLBACK TO b", "SAVEPOINT a", "SELECT * FROM t",
                         "INSERT INTO t VALUES (7, 7, 7)", "ROLLBACK TO a", "COMMIT"],
    "completion_release": ["SET completion_type = 'RELEASE'", "BEGIN", "COMMIT NO RELEASE",
                           "INSERT INTO t VALUES (4, 4, 4)", "SET completion_type = 0", "COMMIT",
                           "SELECT COUNT(*) FROM t"],
    "no_release": ["BEGIN", "INSERT INTO t VALUES (4, 4, 4)", "COMMIT NO RELEASE",
                   "SELECT COUNT(*) FROM t"],
    "autocommit_off": ["SET autocommit = 0", "SELECT 1", "INSERT INTO t VALUES (4, 4, 4)",
                       "SELECT COUNT(*) FROM t", "ROLLBACK", "SELECT COUNT(*) FROM t",
                       "INSERT INTO t VALUES (5, 5, 5)", "COMMIT", "COMMIT",
                       "SELECT id FROM t ORDER BY id"],
    "autocommit_on_commits": ["SET autocommit = 0", "INSERT INTO t VALUES (4, 4, 4)",
                              "SET autocommit = 1", "ROLLBACK", "SELECT COUNT(*) FROM t"],
    "autocommit_forms": ["SET @@session.autocommit = OFF", "INSERT INTO t VALUES (4, 4, 4)",
                         "SET SESSION autocommit = ON", "SET autocommit = DEFAULT",
                         "SELECT @@autocommit", "SET autocommit = 0, sql_mode = ''",
                         "SELECT @@autocommit", "SELECT id FROM t ORDER BY id", "ROLLBACK"],
    "autocommit_same_value": ["BEGIN", "INSERT INTO t VALUES (4, 4, 4)", "SET autocommit = 1",
                              "ROLLBACK", "SELECT COUNT(*) FROM t"],
    "autocommit_off_twice": ["SET autocommit = 0", "INSERT INTO t VALUES (4, 4, 4)",
                             "SET autocommit = 0", "SET @a = 1, autocommit = OFF", "ROLLBACK",
                             "SELECT COUNT(*) FROM t", "INSERT INTO t VALUES (5, 5, 5)",
                             "SET autocommit = 1", "ROLLBACK", "SELECT COUNT(*) FROM t"],
    "read_only_next": ["BEGIN", "SET SESSION TRANSACTION READ ONLY",
                       "INSERT INTO t VALUES (4, 4, 4)", "ROLLBACK",
                       "SET SESSION TRANSACTION READ WRITE", "SELECT COUNT(*) FROM t"],
    "read_only_afterwards": ["BEGIN", "INSERT INTO t VALUES (4, 4, 4)",
                             "SET SESSION TRANSACTION READ ONLY", "INSERT INTO t VALUES (5, 5, 5)",
                             "COMMIT", "INSERT INTO t VALUES (6, 6, 6)", "SELECT COUNT(*) FROM t",
                             "SET SESSION TRANSACTION READ WRITE", "INSERT INTO t VALUES (7, 7, 7)",
                             "START TRANSACTION READ ONLY", "SET @@tx_read_only = 0", "COMMIT"],
    "savepoints": ["BEGIN", "INSERT INTO t VALUES (4, 4, 4)", "SAVEPOINT one",
                   "INSERT INTO t VALUES (5, 5, 5)", "SAVEPOINT two", "DELETE FROM t WHERE id = 1",
                   "ROLLBACK TO SAVEPOINT two", "SELECT id FROM t ORDER BY id",
                   "ROLLBACK TO one", "RELEASE SAVEPOINT one", "ROLLBACK TO one", "COMMIT",
                   "SELECT id FROM t ORDER BY id"],
    "savepoint_errors": ["SAVEPOINT lost", "ROLLBACK TO lost", "RELEASE SAVEPOINT lost", "BEGIN",
                         "ROLLBACK TO nothing", "INSERT INTO t VALUES (4, 4, 4)",
                         "RELEASE SAVEPOINT nothing", "COMMIT", "SELECT COUNT(*) FROM t"],
    "savepoint_first": ["BEGIN", "SAVEPOINT first", "INSERT INTO t VALUES (4, 4, 4)",
                        "ROLLBACK TO first", "COMMIT", "SELECT COUNT(*) FROM t"],
    "duplicate_inside": ["BEGIN", "INSERT INTO t VALUES (4, 4, 4)", "INSERT INTO t VALUES (1, 1, 9)",
                         "INSERT INTO t VALUES (9, 9, 1)", "INSERT INTO t VALUES (5, 5, 5)",
                         "COMMIT", "SELECT id FROM t ORDER BY id"],
    "duplicate_alone": ["INSERT INTO t VALUES (1, 1, 9)", "INSERT INTO t VALUES (7, 7, 7), (1, 1, 9)",
                        "SELECT id FROM t ORDER BY id", "INSERT IGNORE INTO t VALUES (1, 1, 9)",
                        "SHOW WARNINGS", "REPLACE INTO t VALUES (1, 100, 1)",
                        "INSERT INTO t VALUES (1, 5, 1) ON DUPLICATE KEY UPDATE v = 77",
                        "SELECT * FROM t ORDER BY id"],
    "errors_inside": ["BEGIN", "INSERT INTO t VALUES (4, 4, 4)", "SELEC 1", "SELECT * FROM nowhere",
                      "SELECT nothing FROM t", "INSERT INTO t VALUES (5)",
                      "INSERT INTO t (id, v) VALUES (6, 'word')", "SELECT id FROM t ORDER BY id",
                      "COMMIT", "SELECT id FROM t ORDER BY id"],
    "read_only": ["START TRANSACTION READ ONLY", "SELECT COUNT(*) FROM t",
                  "INSERT INTO t VALUES (4, 4, 4)", "UPDATE t SET v = 1", "SELECT COUNT(*) FROM t",
                  "COMMIT", "INSERT INTO t VALUES (4, 4, 4)"],
    "read_only_snapshot": ["START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
                           "SELECT COUNT(*) FROM t", "COMMIT"],
    "snapshot": ["START TRANSACTION WITH CONSISTENT SNAPSHOT", "SELECT COUNT(*) FROM t",
                 "INSERT INTO t VALUES (4, 4, 4)", "COMMIT", "SELECT COUNT(*) FROM t"],
    "read_write": ["START TRANSACTION READ WRITE", "INSERT INTO t VALUES (4, 4, 4)", "COMMIT",
                   "START TRANSACTION READ ONLY, READ WRITE"],
    "set_transaction": ["SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "BEGIN",
                        "SELECT COUNT(*) FROM t", "COMMIT",
                        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                        "SELECT @@tx_isolation", "SET SESSION TRANSACTION READ ONLY",
                        "INSERT INTO t VALUES (4, 4, 4)", "SET SESSION TRANSACTION READ WRITE",
                        "INSERT INTO t VALUES (4, 4, 4)",
                        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"],
    "set_transaction_inside": ["BEGIN", "SELECT COUNT(*) FROM t",
                               "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "ROLLBACK"],
    "implicit_commit": ["BEGIN", "INSERT INTO t VALUES (4, 4, 4)",
                        "CREATE TABLE IF NOT EXISTS extra (a INT)", "ROLLBACK",
                        "SELECT COUNT(*) FROM t", "BEGIN", "INSERT INTO t VALUES (5, 5, 5)",
                        "DROP TABLE extra", "ROLLBACK", "SELECT COUNT(*) FROM t"],
    "implicit_commit_alter": ["BEGIN", "INSERT INTO t VALUES (4, 4, 4)",
                              "ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 7", "ROLLBACK",
                              "SELECT * FROM t ORDER BY id", "ALTER TABLE t DROP COLUMN w",
                              "TRUNCATE TABLE t", "SELECT COUNT(*) FROM t"],
    "affected_rows": ["UPDATE t SET v = 0", "UPDATE t SET v = 0", "DELETE FROM t WHERE id IN (1, 2)",
                      "INSERT INTO t SELECT id + 10, v, u + 10 FROM t", "SELECT ROW_COUNT()"],
    "warnings": ["SET sql_mode = ''", "INSERT INTO t VALUES (4, 'word', 4), ('5x', 5, 5)",
                 "SHOW WARNINGS", "SELECT @@warning_count", "SHOW COUNT(*) WARNINGS",
                 "INSERT INTO t VALUES (6, 'word', 6)", "SHOW COUNT(*) ERRORS", "SELECT @@error_count",
                 "SHOW COUNT(*) WARNINGS", "SHOW WARNINGS", "SELECT 1 / 0", "SHOW COUNT(*) WARNINGS",
                 "SELECT CAST('abc' AS SIGNED)", "SHOW WARNINGS LIMIT 1", "SHOW ERRORS"],
    "errors_remembered": ["SELECT * FROM nowhere", "SHOW ERRORS", "SELECT @@error_count",
                          "SHOW WARNINGS"],
    "row_count_found_rows": ["SELECT SQL_CALC_FOUND_ROWS id FROM t ORDER BY id LIMIT 1",
                             "SELECT FOUND_ROWS()", "DELETE FROM t WHERE id = 1",
                             "SELECT ROW_COUNT()"],
    "user_variables": ["SET @a = 5, @b := 'x'", "SELECT @a, @b", "SELECT @a := @a + 1",
                       "INSERT INTO t VALUES (@a, @a, @a)", "SELECT * FROM t WHERE id = @a"],
    "locking_reads": ["BEGIN", "SELECT * FROM t WHERE id = 1 FOR UPDATE",
                      "SELECT * FROM t WHERE id = 2 LOCK IN SHARE MODE",
                      "UPDATE t SET v = 1 WHERE id = 1", "COMMIT"],
    "temporary_tables": ["CREATE TEMPORARY TABLE tmp (a INT PRIMARY KEY)", "INSERT INTO tmp VALUES (1)",
                         "BEGIN", "INSERT INTO tmp VALUES (2)", "INSERT INTO t VALUES (4, 4, 4)",
                         "COMMIT", "SELECT * FROM tmp ORDER BY a", "BEGIN",
                         "INSERT INTO tmp VALUES (3)", "ROLLBACK", "SELECT * FROM tmp ORDER BY a",
                         "DROP TEMPORARY TABLE tmp", "SELECT * FROM tmp"],
    "text_prepare": ["PREPARE p FROM 'SELECT v FROM t WHERE id = ?'", "SET @id = 2",
                     "EXECUTE p USING @id", "DEALLOCATE PREPARE p", "EXECUTE p USING @id",
                     "PREPARE w FROM 'INSERT INTO t VALUES (?, 4, 4)'", "SET @id = 4",
                     "EXECUTE w USING @id", "SELECT COUNT(*) FROM t", "DEALLOCATE PREPARE w"],
    "text_prepare_ddl": ["SET @s = 'CREATE TABLE prepared (id INT PRIMARY KEY)'", "PREPARE s FROM @s",
                         "EXECUTE s", "EXECUTE s", "INSERT INTO prepared VALUES (1)",
                         "PREPARE s FROM 'ALTER TABLE prepared ADD c INT DEFAULT 7'", "EXECUTE S",
                         "DEALLOCATE PREPARE s", "EXECUTE s", "SELECT * FROM prepared",
                         "EXECUTE IMMEDIATE 'DROP TABLE prepared'",
                         "EXECUTE IMMEDIATE 'DROP TABLE prepared'", "EXECUTE IMMEDIATE @nothing",
                         "PREPARE s FROM ''", "EXECUTE s"],
    "text_prepare_control": ["PREPARE b FROM 'BEGIN'", "PREPARE r FROM 'ROLLBACK'", "EXECUTE b",
                             "INSERT INTO t VALUES (4, 4, 4)", "EXECUTE r", "SELECT COUNT(*) FROM t",
                             "EXECUTE IMMEDIATE 'SET autocommit = 0'", "INSERT INTO t VALUES (5, 5, 5)",
                             "EXECUTE r", "SELECT COUNT(*) FROM t", "PREPARE c FROM 'COMMIT'",
                             "INSERT INTO t VALUES (6, 6, 6)", "EXECUTE c",
                             "EXECUTE IMMEDIATE 'SET autocommit = 1'", "SELECT COUNT(*) FROM t",
                             "EXECUTE IMMEDIATE 'DELETE FROM t WHERE id = ?' USING 6",
                             "EXECUTE IMMEDIATE 'SELECT id FROM t'"],
    "databases": ["SELECT DATABASE()", "USE nowhere", "SELECT DATABASE()", "CREATE DATABASE elsewhere",
                  "USE elsewhere", "SELECT DATABASE()", "SELECT COUNT(*) FROM test.t",
                  "DROP DATABASE elsewhere", "SELECT DATABASE()", "USE test", "SELECT DATABASE()"],
    "explain_show": ["EXPLAIN SELECT * FROM t WHERE id = 1", "SHOW TABLES LIKE 't'",
                     "SHOW CREATE TABLE t", "DESCRIBE t", "SHOW VARIABLES LIKE 'autocommit'",
                     "SHOW INDEX FROM t"],
    "empty_statements": ["", " ", ";", "/* only a comment */", "-- only a comment", "SELECT 1;"],
    "do_set_kill": ["DO 1 + 1", "DO SLEEP(0)", "SET @x = 1", "SET nonsense = 1", "SET SESSION wait_timeout = 100",
                    "SELECT @@wait_timeout"],
    "checksum_analyze": ["CHECKSUM TABLE t", "ANALYZE TABLE t", "CHECK TABLE t"],
    "select_forms": ["SELECT 1 UNION SELECT 2 ORDER BY 1", "WITH c AS (SELECT 1 AS a) SELECT * FROM c",
                     "(SELECT 1)", "VALUES (1), (2)", "TABLE t", "SELECT NULL, '', 0, -1, 1.5, x'00ff'",
                     "SELECT id FROM t WHERE id > 5"],
    "returning": ["INSERT INTO t VALUES (4, 4, 4) RETURNING id, v", "DELETE FROM t WHERE id = 4 RETURNING *",
                  "REPLACE INTO t VALUES (1, 1, 1) RETURNING id"],
    "multi_table": ["CREATE OR REPLACE TABLE r (id INT PRIMARY KEY, w INT)",
                    "INSERT INTO r VALUES (1, 5), (2, 6)", "UPDATE t JOIN r USING (id) SET v = w, w = 0",
                    "DELETE t FROM t JOIN r USING (id) WHERE r.id = 2", "SELECT * FROM r ORDER BY id",
                    "DROP TABLE r"],
    "signal": ["SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'own', MYSQL_ERRNO = 5000"],
    "kill": ["KILL 999999999", "KILL QUERY 999999999", "KILL HARD CONNECTION 999999999",
             "KILL SOFT QUERY 999999999", "KILL 0", "KILL 4294967297", "KILL QUERY CONNECTION_ID()",
             "BEGIN", "INSERT INTO t VALUES (4, 4, 4)", "KILL 999999999",
             "KILL QUERY CONNECTION_ID()", "COMMIT", "SELECT COUNT(*) FROM t",
             "KILL CONNECTION_ID()"],
}

LONG = wire.LONG_DATA

BINARY = {
    "basic": [("prepare", "s", "SELECT id, v, ? FROM t WHERE id >= ? ORDER BY id"),
              ("execute", "s", ("x", 2)), ("execute", "s", (None, 3)), ("reset_statement", "s"),
              ("execute", "s", (5, 1)), ("close", "s"), "SELECT 1"],
    "write": [("prepare", "i", "INSERT INTO t VALUES (?, ?, ?)"), ("execute", "i", (4, 40, 4)),
              ("execute", "i", (4, 40, 5)), ("execute", "i", (5, None, 5)),
              "SELECT * FROM t ORDER BY id"],
    "in_transaction": [("prepare", "u", "UPDATE t SET v = v + ? WHERE id = ?"), "BEGIN",
                       ("execute", "u", (5, 1)), ("execute", "u", (5, 99)), "ROLLBACK",
                       ("execute", "u", (1, 1)), "BEGIN", ("execute", "u", (1, 1)), "COMMIT",
                       "SELECT v FROM t WHERE id = 1"],
    "control": [("prepare", "b", "BEGIN"), ("prepare", "c", "COMMIT"), ("prepare", "r", "ROLLBACK"),
                ("execute", "b"), "INSERT INTO t VALUES (4, 4, 4)", ("execute", "r"),
                ("execute", "b"), "INSERT INTO t VALUES (5, 5, 5)", ("execute", "c"),
                "SELECT id FROM t ORDER BY id"],
    "set_autocommit": [("prepare", "off", "SET autocommit = 0"), ("prepare", "on", "SET autocommit = 1"),
                       ("execute", "off"), "INSERT INTO t VALUES (4, 4, 4)", "ROLLBACK",
                       ("execute", "on"), "SELECT COUNT(*) FROM t"],
    "errors": [("prepare", "bad", "SELEC 1"), ("prepare", "none", "SELECT * FROM nowhere"),
               ("prepare", "s", "SELECT ?"), ("execute", "s", ("y",)), "SELECT 2"],
    "long_data": [("prepare", "s", "SELECT LENGTH(?), SHA2(?, 256)"), ("long_data", "s", 0, b"a" * 100000),
                  ("long_data", "s", 0, b"b" * 100000), ("long_data", "s", 1, b"z" * 10),
                  ("execute", "s", (LONG, LONG)), ("execute", "s", ("k", "l")),
                  ("long_data", "s", 1, b""), ("execute", "s", (None, LONG)),
                  ("long_data", "s", 0, b"forgotten"), ("reset_statement", "s"),
                  ("execute", "s", ("k", "l")), ("long_data", "s", 0, b"not NULL"),
                  ("execute", "s", (None, None)), ("long_data", "s", 0, b"another's"),
                  ("prepare", "t", "SELECT LENGTH(?), SHA2(?, 256)"), ("execute", "t", ("k", "l")),
                  ("execute", "s", (LONG, "l")), ("long_data", "s", 0, b"gone"), ("close", "s"),
                  ("execute", "t", ("k", "l")), ("long_data", "t", 0, b"gone"), ("reset",),
                  ("prepare", "s", "SELECT LENGTH(?), SHA2(?, 256)"), ("execute", "s", ("k", "l"))],
    "long_data_errors": [("prepare", "s", "SELECT LENGTH(?), SHA2(?, 256)"), ("long_data", "s", 2, b"x"),
                         ("execute", "s", ("k", "l")), ("execute", "s", ("k", "l")),
                         ("long_data", "s", 0, b"x"), ("execute", "s", (LONG, "l")),
                         ("reset_statement", "s"), ("execute", "s", ("k", "l"))],
    "long_data_write": ["CREATE OR REPLACE TABLE blobs (id INT PRIMARY KEY, b LONGBLOB, c TEXT)",
                        ("prepare", "i", "INSERT INTO blobs VALUES (?, ?, ?)"),
                        ("long_data", "i", 1, b"a" * 70000), ("long_data", "i", 2, b"text"),
                        ("execute", "i", (1, LONG, LONG)), ("long_data", "i", 1, b"b"),
                        ("execute", "i", (1, LONG, "twice")), ("execute", "i", (2, "c", None)),
                        "BEGIN", ("long_data", "i", 1, b"d" * 70000), ("execute", "i", (3, LONG, None)),
                        ("long_data", "i", 1, b"e"), ("execute", "i", (4, LONG, None)), "COMMIT",
                        "BEGIN", ("long_data", "i", 1, b"f"), "ROLLBACK",
                        ("execute", "i", (5, LONG, None)),
                        "SELECT id, LENGTH(b), SHA2(b, 256), c FROM blobs ORDER BY id", "DROP TABLE blobs"],
    "types": ["CREATE OR REPLACE TABLE types (a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d BIGINT,"
              " e FLOAT, f DOUBLE, g DECIMAL(20,6), h DATE, i DATETIME(6), j TIME(3), k YEAR,"
              " l VARCHAR(30), m BLOB, n ENUM('x','y'), o SET('p','q'), p BIT(5), q JSON)",
              "INSERT INTO types VALUES (-1, 65535, -5, 9e15, 1.5, -2.25, 12.345678, '2024-02-29',"
              " '2024-02-29 12:34:56.789012', '-100:10:10.5', 2024, 'text', x'00ff', 'y', 'p,q',"
              " b'10101', '{\"a\": 1}')",
              ("prepare", "s", "SELECT * FROM types"), ("execute", "s"), "SELECT * FROM types",
              "DROP TABLE types"],
    "many": [("prepare", f"s{n}", f"SELECT {n}, ?") for n in range(50)]
            + [("execute", f"s{n}", (n,)) for n in range(49, -1, -1)],
    "ddl": [("prepare", "c", "CREATE TABLE IF NOT EXISTS by_statement (a INT)"), ("execute", "c"),
            ("execute", "c"), "SHOW TABLES LIKE 'by_statement'",
            ("prepare", "d", "DROP TABLE by_statement"), ("execute", "d"), ("execute", "d")],
}

_LOAD = "LOAD DATA LOCAL INFILE 'f' "
FILES = {
    "rows": [("load", _LOAD + "INTO TABLE t", [b"4\t4\t4\n5\t", b"5\t5\n"]),
             "SELECT ROW_COUNT()", "SELECT * FROM t ORDER BY id"],
    "empty": [("load", _LOAD + "INTO TABLE t", []), "SELECT COUNT(*) FROM t"],
    "shapes": [("load", _LOAD + "INTO TABLE t FIELDS TERMINATED BY ',' IGNORE 1 LINES (id, @x) SET v = @x * 2,"
                " u = id", [b"id,x\n4,1\n", b"5,2\n6"]), "SHOW WARNINGS",
               "SELECT * FROM t ORDER BY id"],
    "errors": [("load", _LOAD + "INTO TABLE nowhere", [b"1\n"]), "SELECT 1",
               ("load", _LOAD + "INTO TABLE t", [b"4\t4\t4\n", b"1\t1\t9\n", b"5\t5\t5\n"]),
               "SHOW WARNINGS", "SELECT COUNT(*) FROM t", "LOAD DATA LOCAL INFILE",
               ("prepare", "s", _LOAD + "INTO TABLE t")],
    "ignore": [("load", _LOAD + "IGNORE INTO TABLE t", [b"4\t4\t4\n1\t7\t7\n4\t5\t5\n"]),
               "SHOW WARNINGS", "SELECT * FROM t ORDER BY id"],
    "replace": [("load", _LOAD + "REPLACE INTO TABLE t", [b"4\t4\t4\n1\t7\t7\n4\t5\t5\n"]),
                "SELECT * FROM t ORDER BY id"],
    "in_transaction": ["BEGIN", ("load", _LOAD + "INTO TABLE t", [b"4\t4\t4\n"]),
                       "SELECT COUNT(*) FROM t", "ROLLBACK", "SELECT COUNT(*) FROM t", "BEGIN",
                       ("load", _LOAD + "INTO TABLE t", [b"4\t4\t4\n"]),
                       ("load", _LOAD + "INTO TABLE t", [b"5\t5\t5\n1\t1\t9\n"]),
                       "UPDATE t SET v = 0 WHERE id = 4", "COMMIT", "SELECT * FROM t ORDER BY id"],
    "autocommit_off": ["SET autocommit = 0", ("load", _LOAD + "INTO TABLE t", [b"4\t4\t4\n"]),
                       "ROLLBACK", ("load", _LOAD + "INTO TABLE t", [b"5\t5\t5\n"]), "COMMIT",
                       "SELECT * FROM t ORDER BY id"],
    "read_only": ["START TRANSACTION READ ONLY", ("load", _LOAD + "INTO TABLE t", [b"4\t4\t4\n"]),
                  "SELECT COUNT(*) FROM t", "COMMIT"],
}

SESSION = {
    "ping": [("ping",), "BEGIN", ("ping",), "ROLLBACK", "SET autocommit = 0", ("ping",)],
    "init_db": [("init_db", "mysql"), "SELECT DATABASE()", ("init_db", "nowhere"),
                "SELECT DATABASE()", ("init_db", "test"), "SELECT DATABASE()"],
    "reset": ["SET autocommit = 0", "INSERT INTO t VALUES (4, 4, 4)", "SET @a = 1",
              "SET sql_mode = ''", ("reset",), "SELECT @a, @@autocommit, @@sql_mode, DATABASE()",
              "SELECT COUNT(*) FROM t"],
    "reset_forgets_statements": [("prepare", "s", "SELECT 1"), ("reset",), ("execute", "s"),
                                 "SELECT 2"],
    "change_user": ["BEGIN", "INSERT INTO t VALUES (4, 4, 4)", "SET @a = 1",
                    ("change_user", APP_USER, APP_PASSWORD, "mysql"), "SELECT @a, DATABASE()",
                    "SELECT COUNT(*) FROM test.t", ("change_user", APP_USER, APP_PASSWORD, "test"),
                    "SELECT CURRENT_USER()"],
    "unknown_commands": ["SELECT 1"],
}


def setup(context):
    return Pair(context, FILL, END)


# What differs before MySQL servers, and why (docs/compatibility.md, "MySQL").
WITH_MYSQL = {
    "temporary_tables": "xa_detach_on_prepare=ON lets no branch come near a temporary table (4091)",
    "text_prepare_ddl": "Consort executes EXECUTE IMMEDIATE of DDL itself, which MySQL does not know",
    "text_prepare_control": "the script says EXECUTE IMMEDIATE, which MySQL does not know",
    "explain_show": "SHOW INDEX estimates, each server for itself",
    "kill": "Consort knows MariaDB's KILL HARD",
    "begin_of_oracle": "MySQL has no sql_mode ORACLE",
    "nonsense_of_select": "CREATE TABLE .. SELECT is refused before it is read (1235)",
    "long_data_errors": "the text of 1210 names another function of the server",
    "init_db": "the warning that a reset connection's settings leave is counted",
}


def skip_with_mysql(script):
    """Skips a script that MySQL, alone or in a mixture, cannot play as it stands."""
    names = {id(each): name for scripts in (SCRIPTS, BINARY, FILES, SESSION)
             for name, each in scripts.items()}
    if with_mysql() and names[id(script)] in WITH_MYSQL:
        raise Skip(WITH_MYSQL[names[id(script)]])


@case(seconds=30, each=[(name, script) for name, script in SCRIPTS.items()])
def text(_context, pair, script):
    """COM_QUERY."""
    skip_with_mysql(script)
    pair.compare(script)


@case(seconds=30, each=[(name, script) for name, script in BINARY.items()])
def binary(_context, pair, script):
    """Prepared statements."""
    skip_with_mysql(script)
    pair.compare(script)


@case(seconds=30, each=[(name, script) for name, script in FILES.items()])
def file(_context, pair, script):
    """LOAD DATA LOCAL."""
    pair.compare(script, capabilities=wire.LOCAL_FILES)


@case(seconds=30)
def file_without_the_ability(_context, pair):
    """A client that did not say that it can send files is not asked for one."""
    pair.compare([("load", _LOAD + "INTO TABLE t", [b"4\t4\t4\n"]), "SELECT COUNT(*) FROM t"])


@case(seconds=30, each=[(name, script) for name, script in SESSION.items()])
def session(_context, pair, script):
    """Commands of the session."""
    skip_with_mysql(script)
    pair.compare(script)


@case(seconds=30, each=[("without_eof", wire.DEPRECATE_EOF), ("found_rows", wire.FOUND_ROWS),
                        ("session_track", wire.SESSION_TRACK)])
def capabilities(_context, pair, flag):
    """Other capability flags give the same answers, too."""
    for name in ("autocommit", "begin_commit", "affected_rows", "warnings", "select_forms"):
        if with_mysql() and name in WITH_MYSQL:
            continue
        pair.compare(SCRIPTS[name], capabilities=flag)
    pair.compare(BINARY["basic"], capabilities=flag)


@case(seconds=30)
def multi_statements(_context, pair):
    """Several statements in one packet, when the client asked for that ability."""
    pair.compare([("all", "SELECT 1; SELECT 2; SELECT id FROM t ORDER BY id"),
                  ("all", "SELECT 1; SELEC 2; SELECT 3"), "SELECT 4"],
                 capabilities=wire.MULTI_STATEMENTS)
    pair.compare(["SELECT 1; SELECT 2"])


@case(seconds=30)
def commit_release_ends_the_connection(_context, pair):
    """COMMIT RELEASE and ROLLBACK RELEASE answer and then close."""
    for statement in ("COMMIT RELEASE", "ROLLBACK RELEASE"):
        with pair.connect() as client:
            client.query("BEGIN")
            client.query("SELECT 1")
            client.query(statement)
            try:
                client.query("SELECT 1")
                raise AssertionError(f"{statement} left the connection open")
            except wire.Closed:
                pass


@case(seconds=30)
def insert_ids(_context, pair):
    """The OK's insert id, LAST_INSERT_ID() and the row agree; several rows count from the first."""
    table = pair.table("id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT")
    with pair.connect() as client:
        seen = set()
        for number in range(20):
            if number % 3 == 0:
                client.query("BEGIN")
            reply = client.query(f"INSERT INTO {table} (v) VALUES ({number})")
            assert reply.insert_id > 0 and reply.insert_id not in seen
            assert int(client.value("SELECT LAST_INSERT_ID()")) == reply.insert_id
            if number % 3 == 0:
                client.query("COMMIT")
                assert int(client.value("SELECT LAST_INSERT_ID()")) == reply.insert_id
            seen.add(reply.insert_id)
            row = client.query(f"SELECT v FROM {table} WHERE id = {reply.insert_id}").rows
            assert row == [(str(number).encode(),)], row
        several = client.query(f"INSERT INTO {table} (v) VALUES (100), (101), (102)")
        ids = [int(row[0]) for row in client.query(
            f"SELECT id FROM {table} WHERE v >= 100 ORDER BY id").rows]
        assert ids[0] == several.insert_id and several.affected == 3
        statement = client.prepare(f"INSERT INTO {table} (v) VALUES (?)")
        reply = client.execute(statement, (7,))
        assert int(client.value("SELECT LAST_INSERT_ID()")) == reply.insert_id > 0
    pair.assert_identical()


@case(seconds=30)
def lock_wait_timeout(_context, pair):
    """1205 leaves the transaction usable, as on one server."""
    table = pair.table("id INT PRIMARY KEY, v INT")
    pair.sql(f"INSERT INTO {table} VALUES (1, 0), (2, 0)")
    clients = [pair.connect() for _ in range(6)]
    homes = {}
    for client in clients:
        client.query("SET innodb_lock_wait_timeout = 1")
        client.query("BEGIN")
        homes.setdefault(client.value("SELECT @@server_id"), []).append(client)
    first, second, *_ = max(homes.values(), key=len)
    first.query(f"UPDATE {table} SET v = 1 WHERE id = 1")
    second.query(f"UPDATE {table} SET v = 2 WHERE id = 2")
    try:
        second.query(f"UPDATE {table} SET v = 2 WHERE id = 1")
        raise AssertionError("the lock was ignored")
    except wire.ServerError as error:
        assert error.code == 1205, error
    first.query("ROLLBACK")
    assert second.query("COMMIT").status & wire.STATUS_IN_TRANS == 0
    assert int(pair.sql(f"SELECT /* consort: read=strong */ v FROM {table} WHERE id = 2")[0][0]) == 2
    for client in clients:
        client.quit()


@case(seconds=30)
def deadlock_on_one_home(_context, pair):
    """A real InnoDB deadlock: one gets 1213 and a session as after a rollback, the other goes on."""
    table = pair.table("id INT PRIMARY KEY, v INT")
    pair.sql(f"INSERT INTO {table} VALUES (1, 0), (2, 0)")
    clients = [pair.connect() for _ in range(6)]
    homes = {}
    for client in clients:
        client.query("BEGIN")
        homes.setdefault(client.value("SELECT @@server_id"), []).append(client)
    first, second, *_ = max(homes.values(), key=len)
    first.query(f"UPDATE {table} SET v = 1 WHERE id = 1")
    second.query(f"UPDATE {table} SET v = 2 WHERE id = 2")
    first.command(wire.COM_QUERY, f"UPDATE {table} SET v = 1 WHERE id = 2".encode())
    second.command(wire.COM_QUERY, f"UPDATE {table} SET v = 2 WHERE id = 1".encode())
    outcomes = []
    for client in (first, second):
        try:
            client.read_reply()
            outcomes.append("ok")
        except wire.ServerError as error:
            outcomes.append((error.code, error.state))
            # The transaction is gone; the session is not.
            assert not client.ping().in_transaction
    assert sorted(outcomes, key=str) == [(1213, "40001"), "ok"], outcomes
    for client in (first, second):
        client.query("COMMIT")
    for client in clients:
        client.quit()
    pair.assert_identical()


@case(seconds=30)
def programs_in_read_only_transactions(_context, pair):
    """One that says COMMIT must not write behind it, where nobody would see: on one server."""
    if with_mysql():
        raise Skip("programs that commit are refused before MySQL servers: test_mysql.refused_for_now")
    table = pair.table("id INT PRIMARY KEY, v INT")
    pair.sql(f"CREATE OR REPLACE PROCEDURE writes_behind() BEGIN COMMIT; INSERT INTO {table}"
             " VALUES (1, 1); END", f"CREATE OR REPLACE PROCEDURE only_reads() SELECT v FROM {table}")
    for begin in (["START TRANSACTION READ ONLY"],
                  ["START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"],
                  ["SET TRANSACTION READ ONLY", "BEGIN"],
                  ["SET SESSION TRANSACTION READ ONLY", "SET autocommit = 0"]):
        for earlier in ([], [f"SELECT v FROM {table}"]):
            with pair.connect() as client:
                for sql in begin + earlier:
                    client.query(sql)
                for sql in ("CALL writes_behind()",
                            f"BEGIN NOT ATOMIC COMMIT; INSERT INTO {table} VALUES (2, 2); END",
                            "EXECUTE IMMEDIATE CONCAT(@x := 'COM', 'MIT')"):
                    try:
                        client.query(sql)
                        raise AssertionError(f"{sql} ended {begin}")
                    except wire.ServerError as error:
                        assert error.code == 1399, error
                assert client.query(f"SELECT v FROM {table}").in_transaction
                client.query("ROLLBACK")
    assert pair.sql(f"SELECT /* consort: read=strong */ COUNT(*) FROM {table}")[0][0] == b"0"
    pair.assert_identical()


USES_UP = ["SELECT * FROM t WHERE id = 77", "SELECT nosuch FROM t", "EXPLAIN SELECT * FROM t",
           by_brand("SELECT COUNT(*) FROM mysql.global_priv", "SELECT COUNT(*) FROM mysql.user"),
           "ANALYZE SELECT * FROM t", "CHECK TABLE t",
           "CHECKSUM TABLE t", "SET @a = (SELECT COUNT(*) FROM t)", "DO (SELECT COUNT(*) FROM t)",
           "CALL p_reads()", "EXECUTE IMMEDIATE 'SELECT * FROM t'", "COMMIT", "ROLLBACK", "FLUSH STATUS",
           "CREATE TABLE t (id INT)", "DROP TABLE nosuch", "ANALYZE TABLE t", "SELECT MIN(id) FROM t",
           "SELECT * FROM t WHERE 0"]
LEAVES = ["SELECT 1", "SELECT * FROM nosuch", "SELECT 1 FROM dual", "SELECT * FROM (SELECT 1) x",
          "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'nosuch'", "DESCRIBE t",
          "DESC t id", "EXPLAIN t", "EXPLAIN SELECT 1", "ANALYZE SELECT 1", "SHOW COLUMNS FROM t",
          "SHOW INDEX FROM t", "SHOW CREATE TABLE t", "SHOW TABLE STATUS", "SHOW TRIGGERS",
          "SHOW PROCESSLIST", "USE test", "SET @a = 1", "SET @a = (SELECT 1)", "SET nosuch = 1",
          "SET NAMES utf8mb4", "DO 1", "CALL nosuch()", "PREPARE s FROM 'SELECT * FROM t'",
          "INSERT INTO t VALUES (1, 2, 3)", "UPDATE t SET nosuch = 1", "HANDLER t OPEN",
          "SAVEPOINT a", "ROLLBACK TO nosuch", "SELECT 1 INTO @x", "VALUES (1)"]
# The session's own takes the place of what was said, whatever comes behind it.
FOR_THE_SESSION = ["SET SESSION TRANSACTION READ WRITE",
                   by_brand("SET SESSION tx_read_only = OFF", "SET SESSION transaction_read_only = OFF"),
                   "SET SESSION TRANSACTION READ WRITE; SELECT /* open",
                   "SET SESSION TRANSACTION READ WRITE; DESC t"]
NOT_AS_ON_A_SERVER = ["DO f()", "SELECT f()", "CALL nothing()", "BEGIN NOT ATOMIC SELECT 1;END",
                      "EXECUTE IMMEDIATE 'SELECT 1'", "SELECT * FROM of_nothing",
                      "WITH c AS (SELECT 1) SELECT * FROM c", "SET GLOBAL nosuch = 1"]


@case(seconds=60)
def what_is_said_of_the_next_transaction(_context, pair):
    """It holds for as long as on a server, and for nobody else."""
    if with_mysql():
        raise Skip("MySQL's SHOW and DESCRIBE read its dictionary and use it up, and errors do not")
    fill = ["DROP TABLE IF EXISTS t", "CREATE TABLE t (id INT PRIMARY KEY, v INT, u INT)",
            "CREATE OR REPLACE VIEW of_nothing AS SELECT 1", "DROP FUNCTION IF EXISTS f",
            "CREATE FUNCTION f() RETURNS INT NO SQL RETURN 1", "DROP PROCEDURE IF EXISTS p_reads",
            "CREATE PROCEDURE p_reads() SELECT * FROM t", "DROP PROCEDURE IF EXISTS nothing",
            "CREATE PROCEDURE nothing() SELECT 1"]
    with pair.connect_plain() as plain:
        for sql in fill:
            plain.query(sql)
    pair.sql(*fill)

    def outcome(client, sql):
        return wire.code_of(lambda: client.query_all(sql))

    def play(connect, sql):
        with connect() as client:
            client.query("SET TRANSACTION READ ONLY")
            for one in sql.split("; "):
                last = outcome(client, one)
            return last, outcome(client, "DELETE FROM t WHERE id = 10")

    for statements, then in ((USES_UP, 0), (FOR_THE_SESSION, 0), (LEAVES, 1792),
                             (NOT_AS_ON_A_SERVER, None)):
        for sql in statements:
            expected, found = play(pair.connect_plain, sql), play(pair.connect, sql)
            if then is not None:
                assert found == expected and found[1] == then, (sql, expected, found)
            for _ in range(4):
                with pair.connect() as client:
                    assert outcome(client, "DELETE FROM t WHERE id = 10") == 0, sql
