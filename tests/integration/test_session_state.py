"""What a session leaves on its connection: temporary tables and the like. Scripts are played
through Consort and on a plain server and must look the same; what pins a session is seen at the
admin port and ends with its cause."""

import threading
import time

from support import wire
from support.case import case
from support.pair import Pair
from support.process import wait_until

FILL = ["CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, v INT)",
        "INSERT INTO t VALUES (1, 10), (2, 20), (3, 30)"]
END = ["ROLLBACK", "SET autocommit = 1", "SELECT * FROM t ORDER BY id"]

TMP = "CREATE TEMPORARY TABLE tmp (a INT PRIMARY KEY, b INT)"

TEMPORARY = {
    "plain": [TMP, "INSERT INTO tmp VALUES (1, 1), (2, 2)", "UPDATE tmp SET b = b + 5 WHERE a = 1",
              "SELECT ROW_COUNT()", "DELETE FROM tmp WHERE a = 2", "REPLACE INTO tmp VALUES (1, 7)",
              "INSERT INTO tmp VALUES (1, 1)", "SELECT * FROM tmp", "SHOW CREATE TABLE tmp",
              "DROP TEMPORARY TABLE tmp", "SELECT * FROM tmp", "DROP TEMPORARY TABLE tmp",
              "DROP TEMPORARY TABLE IF EXISTS tmp", "SHOW WARNINGS"],
    "select_and_like": ["CREATE TEMPORARY TABLE s SELECT * FROM t WHERE id > 1", "SELECT * FROM s",
                        "CREATE TEMPORARY TABLE l LIKE t", "INSERT INTO l SELECT * FROM s",
                        "SELECT COUNT(*) FROM l", "CREATE TEMPORARY TABLE l LIKE t",
                        "CREATE TEMPORARY TABLE IF NOT EXISTS l LIKE t",
                        "CREATE OR REPLACE TEMPORARY TABLE l SELECT 5 AS five", "SELECT * FROM l",
                        "CREATE OR REPLACE TEMPORARY TABLE l (PRIMARY KEY (x)) SELECT 1 AS x UNION"
                        " ALL SELECT 1", "SELECT * FROM l"],
    "joins": [TMP, "INSERT INTO tmp VALUES (1, 100), (2, 200)",
              "SELECT t.id, v, b FROM t JOIN tmp ON a = id ORDER BY id",
              "INSERT INTO t SELECT a + 10, b FROM tmp", "UPDATE t JOIN tmp ON a = id SET v = b",
              "UPDATE tmp JOIN t ON a = id SET b = 0", "UPDATE t JOIN tmp ON a = id SET v = 1, b = 1",
              "DELETE t FROM t JOIN tmp ON a = id WHERE a = 2",
              "DELETE tmp FROM t JOIN tmp ON a = id WHERE a = 1",
              "DELETE t, tmp FROM t JOIN tmp ON a + 10 = id", "SELECT * FROM tmp"],
    "in_transactions": [TMP, "BEGIN", "INSERT INTO tmp VALUES (1, 1)", "COMMIT", "SELECT * FROM tmp",
                        "BEGIN", "INSERT INTO tmp VALUES (2, 2)", "ROLLBACK", "SELECT * FROM tmp",
                        "BEGIN", "INSERT INTO tmp VALUES (3, 3)", "INSERT INTO t VALUES (4, 40)",
                        "COMMIT", "SELECT * FROM tmp", "BEGIN", "INSERT INTO t VALUES (5, 50)",
                        "INSERT INTO tmp VALUES (5, 5)", "ROLLBACK", "SELECT * FROM tmp",
                        "BEGIN", "INSERT INTO tmp VALUES (6, 6)", "UPDATE t SET v = 0 WHERE id = 99",
                        "COMMIT", "SELECT * FROM tmp"],
    "made_in_transactions": ["BEGIN", "INSERT INTO t VALUES (4, 40)",
                             "CREATE TEMPORARY TABLE s SELECT * FROM t", "SELECT COUNT(*) FROM s",
                             "COMMIT", "SELECT COUNT(*) FROM s", "BEGIN", "INSERT INTO t VALUES (5, 5)",
                             "DROP TEMPORARY TABLE s", "ROLLBACK", "SELECT COUNT(*) FROM s", "BEGIN",
                             TMP, "INSERT INTO tmp VALUES (1, 1)", "DROP TEMPORARY TABLE tmp", "COMMIT",
                             "BEGIN", "INSERT INTO t VALUES (6, 6)",
                             "CREATE TEMPORARY TABLE u SELECT 1 AS one", "ROLLBACK",
                             "SELECT COUNT(*) FROM t", "SHOW CREATE TABLE u"],
    "savepoints": [TMP, "BEGIN", "INSERT INTO tmp VALUES (1, 1)", "SAVEPOINT s",
                   "INSERT INTO t VALUES (4, 4)", "INSERT INTO tmp VALUES (2, 2)", "ROLLBACK TO s",
                   "COMMIT", "SELECT * FROM tmp", "BEGIN", "INSERT INTO t VALUES (5, 5)", "SAVEPOINT s",
                   "CREATE TEMPORARY TABLE u SELECT 1 AS one", "INSERT INTO t VALUES (6, 6)",
                   "ROLLBACK TO s", "COMMIT", "SELECT * FROM t ORDER BY id"],
    "errors_inside": [TMP, "BEGIN", "INSERT INTO tmp VALUES (1, 1)", "INSERT INTO t VALUES (9, 9), (1, 1)",
                      "COMMIT", "SELECT * FROM tmp", "BEGIN", "INSERT INTO tmp VALUES (2, 2)",
                      "INSERT INTO tmp VALUES (3, 3), (1, 1)", "INSERT INTO t VALUES (8, 8)", "COMMIT",
                      "SELECT * FROM tmp"],
    "autocommit_off": ["SET autocommit = 0", TMP, "INSERT INTO tmp VALUES (1, 1)", "COMMIT",
                       "INSERT INTO tmp VALUES (2, 2)", "ROLLBACK", "SELECT * FROM tmp",
                       "INSERT INTO t SELECT 7, b FROM tmp", "INSERT INTO tmp VALUES (3, 3)", "COMMIT",
                       "SELECT * FROM tmp", "COMMIT"],
    "read_only": [TMP, "START TRANSACTION READ ONLY", "INSERT INTO tmp VALUES (1, 1)",
                  "INSERT INTO t VALUES (4, 4)", "SELECT * FROM tmp", "ROLLBACK", "SELECT * FROM tmp",
                  "START TRANSACTION READ ONLY", "CREATE TEMPORARY TABLE x (a INT)", "COMMIT"],
    "definitions": [TMP, "INSERT INTO tmp VALUES (1, 1)", "ALTER TABLE tmp ADD c INT DEFAULT 3",
                    "CREATE INDEX i ON tmp (b)", "SELECT * FROM tmp", "DROP INDEX i ON tmp",
                    "ALTER TABLE tmp RENAME TO renamed", "SELECT * FROM renamed",
                    "RENAME TABLE renamed TO tmp", "TRUNCATE TABLE tmp", "SELECT * FROM tmp",
                    "ANALYZE TABLE tmp", "CHECK TABLE tmp", "BEGIN", "INSERT INTO t VALUES (4, 4)",
                    "ALTER TABLE tmp DROP c", "ROLLBACK", "SELECT COUNT(*) FROM t", "DROP TABLE tmp",
                    "DROP TABLE tmp"],
    "shadows": ["CREATE TEMPORARY TABLE t (a INT)", "INSERT INTO t VALUES (5)", "SELECT * FROM t",
                "TRUNCATE TABLE t", "INSERT INTO t VALUES (6)", "ALTER TABLE t ADD b INT",
                "UPDATE t SET b = 1", "SELECT * FROM t", "DROP TABLE t", "SELECT COUNT(*) FROM t",
                "INSERT INTO t VALUES (4, 40)", "CREATE TEMPORARY TABLE t (a INT)",
                "CREATE TABLE IF NOT EXISTS t (z INT)", "DROP TEMPORARY TABLE t"],
    "many_names": [f"CREATE TEMPORARY TABLE tmp{n} (a INT)" for n in range(5)]
                  + ["DROP TABLE tmp0, tmp1", "DROP TEMPORARY TABLE tmp2, nowhere",
                     "SELECT * FROM tmp2", "DROP TEMPORARY TABLE tmp3, tmp4", "SELECT * FROM tmp4"],
    "auto_increment": ["CREATE TEMPORARY TABLE ai (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
                       "SET @before = LAST_INSERT_ID()", "INSERT INTO ai VALUES (100, 1)",
                       "INSERT INTO ai VALUES (200, 2)", "SELECT COUNT(*) FROM ai"],
    "prepared": [("prepare", "c", "CREATE TEMPORARY TABLE tmp (a INT PRIMARY KEY, b INT)"),
                 ("execute", "c"), ("execute", "c"), ("prepare", "i", "INSERT INTO tmp VALUES (?, ?)"),
                 ("execute", "i", (1, 2)), "BEGIN", ("execute", "i", (2, 3)), "ROLLBACK",
                 ("prepare", "s", "SELECT * FROM tmp WHERE a = ?"), ("execute", "s", (1,)),
                 ("prepare", "a", "ALTER TABLE tmp ADD c INT"), ("execute", "a"),
                 ("prepare", "d", "DROP TABLE tmp"), ("execute", "d"), ("execute", "d")],
    "reset": [TMP, "INSERT INTO tmp VALUES (1, 1)", ("reset",), "SELECT * FROM tmp", TMP,
              "BEGIN", "INSERT INTO tmp VALUES (1, 1)", ("reset",), "SELECT * FROM tmp"],
    # What may change them has changed nothing; what has also read a table that takes no savepoints.
    "nothing_changed": [TMP, "INSERT INTO tmp VALUES (1, 1)", "PREPARE p FROM 'SELECT 5'", "EXECUTE p",
                        "SELECT * FROM tmp", "BEGIN", "EXECUTE p", "COMMIT", "SELECT * FROM tmp",
                        "PREPARE i FROM 'INSERT INTO tmp VALUES (2, 2)'", "EXECUTE i", "EXECUTE i", "SELECT * FROM tmp"],
    "aria_read": [TMP, "BEGIN", "INSERT INTO tmp SELECT 1, COUNT(*) > 0 FROM mysql.help_topic", "COMMIT",
                  "SELECT * FROM tmp", "BEGIN", "INSERT INTO t VALUES (4, 4)", "SELECT COUNT(*) > 0 FROM mysql.db",
                  "UPDATE tmp SET b = 7", "COMMIT", "SELECT * FROM tmp", "BEGIN", "DELETE FROM tmp",
                  "SELECT COUNT(*) > 0 FROM mysql.db", "ROLLBACK", "SELECT * FROM tmp"],
    "views": [TMP, "~CREATE VIEW vv AS SELECT * FROM tmp", "SELECT * FROM vv", "CREATE VIEW vt AS SELECT * FROM t",
              "CREATE TEMPORARY TABLE vt (x INT)", "SELECT * FROM vt", "DROP VIEW vt",
              "SELECT * FROM vt", "DROP TABLE vt",
              "CREATE VIEW vi AS SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'x'",
              "SELECT * FROM vi", "DROP VIEW vi"],
}


def setup(context):
    return Pair(context, FILL, END)


def pins_of(pair, client):
    """Why Consort keeps the client's session on its home."""
    connection = int(client.value("SELECT CONNECTION_ID()"))
    for session in pair.consort.get("/sessions")["sessions"]:
        if session["connection_id"] == connection:
            return session["pinned"]
    raise AssertionError(f"no session {connection}")


@case(seconds=30, each=[(name, script) for name, script in TEMPORARY.items()])
def temporary(_context, pair, script):
    """Temporary tables look as on a single server, and nothing of them is on another one."""
    pair.compare(script)
    pair.assert_identical()


@case(seconds=30)
def temporary_pins(_context, pair):
    """The pin shows, and goes with the last table."""
    with pair.connect() as client:
        assert pins_of(pair, client) == []
        client.query("CREATE TEMPORARY TABLE one (a INT)")
        client.query("CREATE TEMPORARY TABLE two (a INT)")
        assert pins_of(pair, client) == ["temporary_table"]
        assert pair.consort.metric('consort_sessions_pinned{reason="temporary_table"}') == 1
        client.query("DROP TABLE one")
        assert pins_of(pair, client) == ["temporary_table"]
        client.query("DROP TEMPORARY TABLE two")
        assert pins_of(pair, client) == []
        client.query("CREATE TEMPORARY TABLE one (a INT)")
        client.reset_connection()
        assert pins_of(pair, client) == []
    assert pair.consort.metric('consort_sessions_pinned{reason="temporary_table"}') == 0


@case(seconds=60)
def temporary_conflict(_context, pair):
    """A transaction that loses at its COMMIT takes its temporary rows along, at once."""
    pair.sql(*FILL)
    with pair.two_homes() as (loser, winner):
        loser.query(TMP)
        loser.query("INSERT INTO tmp VALUES (1, 1)")
        conflicts = 0
        for number in range(20):
            loser.query("BEGIN")
            loser.query("INSERT INTO tmp VALUES (2, 2)")
            loser.query("UPDATE t SET v = v + 1 WHERE id = 1")
            winner.query("UPDATE t SET v = v + 1 WHERE id = 1")
            try:
                loser.query("COMMIT")
                loser.query("DELETE FROM tmp WHERE a = 2")
            except wire.ServerError as error:
                assert error.code == 1213, error
                conflicts += 1
                assert loser.query("SELECT a FROM tmp").rows == [(b"1",)], number
                loser.query("INSERT INTO tmp VALUES (2, 3)")
                loser.query("DELETE FROM tmp WHERE a = 2")
        assert conflicts > 0
    pair.assert_identical()


@case(seconds=30)
def temporary_mixed_refused(_context, pair):
    """What every server would have to execute does not name a temporary table."""
    pair.sql(*FILL)
    with pair.connect() as client:
        client.query(TMP)
        client.query("CREATE TEMPORARY TABLE t (z INT)")
        client.query("CREATE TEMPORARY TABLE other (z INT)")
        pair.sql("CREATE TABLE other (a INT)", "CREATE TABLE third (a INT)")
        for sql in ("CREATE TABLE lasting LIKE tmp", "RENAME TABLE tmp TO a, third TO b",
                    "RENAME TABLE third TO tmp", "ALTER TABLE third RENAME TO tmp"):
            try:
                client.query(sql)
                raise AssertionError(f"{sql} was executed")
            except wire.ServerError as error:
                assert error.code == 1235, error
        for sql in ("CREATE VIEW v AS SELECT * FROM other", "CREATE VIEW v AS SELECT 1 FROM third, other"):
            try:
                client.query(sql)
                raise AssertionError(f"{sql} was executed")
            except wire.ServerError as error:
                assert error.code == 1352, error
        pair.assert_identical()
        pair.sql("CREATE TABLE fourth (a INT)", "CREATE TABLE `fi``fth` (a INT)")
        client.query("CREATE TEMPORARY TABLE passing (z INT)")
        client.query("BEGIN")
        client.query("INSERT INTO third VALUES (1)")
        client.query("DROP TABLE fourth, passing, test.`fi``fth`")  # commits, as any
        client.query("ROLLBACK")
        assert client.value("SELECT COUNT(*) FROM third") == "1"
        client.query("CREATE TEMPORARY TABLE passing (z INT)")
        client.query("DROP TABLE IF EXISTS passing, nowhere")
        assert [int(row[1]) for row in client.query("SHOW WARNINGS").rows] == [1051]
        client.query("CREATE TEMPORARY TABLE passing (z INT)")
        pair.sql("CREATE TABLE fourth (a INT)")
        assert client.error_of("DROP TABLE passing, nowhere, fourth")[0] == 1051
        for name in ("fourth", "fi``fth", "passing"):
            assert client.error_of(f"SELECT * FROM `{name}`")[0] == 1146, name
        pair.assert_identical()
        client.query("CREATE TABLE tmp (plain INT)")
        client.query("DROP TEMPORARY TABLE tmp, t, other")
        assert client.query("SELECT plain FROM tmp").rows == []
        client.query("DROP TABLE tmp, other, third")
    pair.assert_identical()


@case(seconds=30)
def temporary_renamed_in_turn(_context, pair):
    """RENAME TABLE takes one pair after the other: where the second one's table is a plain one, behind
    the first, all servers would have to rename it."""
    pair.sql("CREATE TABLE twice (plain INT)")
    with pair.connect() as client:
        client.query("CREATE TEMPORARY TABLE twice (tmp INT)")
        assert client.error_of("RENAME TABLE twice TO one, twice TO two")[0] == 1235
        pair.assert_identical()
        client.query("RENAME TABLE twice TO one, one TO two")
        assert client.query("SELECT tmp FROM two").rows == []
        assert client.query("SELECT plain FROM twice").rows == []
        client.query("CREATE TEMPORARY TABLE one (other INT)")
        client.query("RENAME TABLE two TO x, one TO two, x TO one")
        assert client.query("SELECT tmp FROM one").rows == []
        assert client.query("SELECT other FROM two").rows == []
        client.query("DROP TABLE one, two, twice")
    pair.assert_identical()


@case(seconds=60)
def temporary_under_load(_context, pair):
    """Sessions that fill temporary tables and copy them into one plain table, beside each other."""
    pair.sql("CREATE OR REPLACE TABLE sink (id INT PRIMARY KEY, v INT)")
    problems = []

    def work(number):
        try:
            with pair.connect() as client:
                for turn in range(15):
                    base = number * 1000 + turn * 10
                    client.query("CREATE TEMPORARY TABLE w (id INT PRIMARY KEY, v INT)")
                    client.query("BEGIN")
                    client.query(f"INSERT INTO w VALUES ({base}, 1), ({base + 1}, 2)")
                    client.query("INSERT INTO sink SELECT * FROM w")
                    client.query("COMMIT" if turn % 3 else "ROLLBACK")
                    rows = len(client.query("SELECT * FROM w").rows)
                    if rows != (2 if turn % 3 else 0):
                        problems.append((number, turn, rows))
                    client.query("DROP TEMPORARY TABLE w")
        except Exception as error:  # pylint: disable=broad-except
            problems.append((number, repr(error)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems
    assert pair.sql("SELECT COUNT(*) FROM sink")[0][0] == b"120"
    pair.assert_identical()
    time.sleep(0.3)
    assert pair.consort.metric("consort_lane_foreign_groups_total") == 0


OTHER_STATE = {
    "engines": ["CREATE TEMPORARY TABLE m (a INT) ENGINE=InnoDB", "INSERT INTO m VALUES (1)",
                "SELECT * FROM m", "SELECT @@sql_mode"],
    "handler": ["HANDLER t OPEN", "HANDLER t READ FIRST", "HANDLER t READ NEXT", "HANDLER t CLOSE",
                "HANDLER t READ FIRST", "HANDLER t OPEN AS h", "HANDLER h READ `PRIMARY` = (2)",
                "HANDLER h CLOSE", "HANDLER h CLOSE"],
    "text_prepare": ["PREPARE p FROM 'SELECT v FROM t WHERE id = ?'", "SET @id = 2",
                     "EXECUTE p USING @id", "DEALLOCATE PREPARE p", "EXECUTE p USING @id"],
    "found_rows_kept": ["SELECT id FROM t", "CREATE TABLE found (a INT)", "INSERT INTO found VALUES (1)",
                        "DROP TABLE found", "SELECT FOUND_ROWS(), HEX(CONCAT(FOUND_ROWS())) AS h", "SELECT FOUND_ROWS()",
                        "CREATE TABLE found SELECT id FROM t WHERE id > 1", "SHOW CREATE TABLE found",
                        "SELECT FOUND_ROWS()", "DROP TABLE found", "SELECT id FROM t LIMIT 1", "SELECT FOUND_ROWS()",
                        "SELECT id FROM t WHERE 1=0", "BEGIN", "INSERT INTO t VALUES (77, 1)", "SELECT FOUND_ROWS()",
                        "ROLLBACK", "CREATE TABLE found SELECT 1 AS a", "SELECT FOUND_ROWS()", "DROP TABLE found"],
    # Characters of two bytes, of which the second may be a backtick or a backslash.
    "ascii_text_in_gbk": ["SET NAMES gbk", "CREATE TABLE `of gbk` (a INT COMMENT \"\\\\\")", "SHOW CREATE TABLE `of gbk`",
                          "SELECT @@collation_connection", "DROP TABLE `of gbk`", "SET NAMES utf8mb4"],
    "found_rows": ["SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1", "SELECT FOUND_ROWS()",
                   "SELECT FOUND_ROWS()"],
    "user_locks": ["SELECT GET_LOCK('one', 1), GET_LOCK('two', 1)", "SELECT IS_FREE_LOCK('one')",
                   "SELECT GET_LOCK('one', 0)", "SELECT RELEASE_LOCK('one')",
                   "SELECT RELEASE_LOCK('one')", "SELECT RELEASE_LOCK('one')",
                   "SELECT RELEASE_LOCK('never')", "DO RELEASE_LOCK('two')", "SELECT ROW_COUNT()",
                   "SELECT GET_LOCK('three', 1)", "SELECT RELEASE_ALL_LOCKS()",
                   "SELECT IS_FREE_LOCK('three')", "SELECT GET_LOCK(NULL, 1)"],
    "user_locks_inside": ["SELECT GET_LOCK('one', 1)", "BEGIN", "UPDATE t SET v = 1 WHERE id = 1",
                          "SELECT RELEASE_LOCK('one')", "SELECT GET_LOCK('two', 1)", "COMMIT",
                          "SELECT RELEASE_LOCK('two')"],
}


@case(seconds=30, each=[(name, script) for name, script in OTHER_STATE.items()])
def state(_context, pair, script):
    """The other things that live on a connection."""
    pair.compare(script)


@case(seconds=30)
def other_engines(_context, pair):
    """A temporary table of another engine becomes one of InnoDB, and says so."""
    with pair.connect() as client:
        mode = client.value("SELECT @@sql_mode")
        made = client.query("CREATE TEMPORARY TABLE m (a INT) ENGINE=MEMORY SELECT 1 AS a")
        assert (made.affected, made.warnings) == (1, 1), made
        assert client.query("SHOW WARNINGS").rows[0][1] == b"1266"
        assert client.query("SELECT * FROM m").rows == [(b"1",)]
        client.query("SET sql_mode = 'ANSI_QUOTES,NO_ENGINE_SUBSTITUTION'")
        client.query("CREATE TEMPORARY TABLE n (a INT) ENGINE=Aria")
        assert client.value("SELECT @@sql_mode") == "ANSI_QUOTES,NO_ENGINE_SUBSTITUTION"
        client.query(f"SET sql_mode = '{mode}'")


@case(seconds=30)
def pins_end(_context, pair):
    """Each reason shows and ends with its cause."""
    pair.sql(*FILL)
    steps = [
        ("SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1", ["found_rows"]), ("SELECT 1", []),
        ("PREPARE p FROM 'SELECT 1'", ["prepared_text"]), ("PREPARE q FROM 'SELECT 1'", ["prepared_text"]),
        ("DEALLOCATE PREPARE p", ["prepared_text"]), ("DEALLOCATE PREPARE q", []),
        ("HANDLER t OPEN AS a", ["handler"]), ("HANDLER t OPEN AS b", ["handler"]),
        ("HANDLER a CLOSE", ["handler"]), ("HANDLER b CLOSE", []),
        ("SELECT GET_LOCK('x', 1)", ["user_lock"]), ("SELECT GET_LOCK('y', 1)", ["user_lock"]),
        ("SELECT RELEASE_LOCK('x')", ["user_lock"]), ("SELECT RELEASE_LOCK('y')", []),
        ("SELECT GET_LOCK(CONCAT('x', 1), 1)", ["user_lock"]), ("SELECT RELEASE_LOCK('x1')", ["user_lock"]),
        ("SELECT RELEASE_ALL_LOCKS()", []), ("SELECT IS_FREE_LOCK('x')", []),
        ("SET @a = 1", ["user_variables"]),
    ]
    with pair.connect() as client, pair.connect() as watcher:
        connection = int(client.value("SELECT CONNECTION_ID()"))
        for sql, expected in steps:
            client.query(sql)
            watcher.ping()
            for _ in range(50):
                pinned = next(one["pinned"] for one in pair.consort.get("/sessions")["sessions"]
                              if one["connection_id"] == connection)
                if pinned == expected:
                    break
                time.sleep(0.02)
            assert pinned == expected, f"{sql}: {pinned}, not {expected}"
        client.reset_connection()
        assert pins_of(pair, client) == []


@case(seconds=60)
def user_locks_exclude(_context, pair):
    """Sessions with different homes exclude each other by GET_LOCK."""
    pair.sql("CREATE OR REPLACE TABLE counter (id INT PRIMARY KEY, n INT)",
             "INSERT INTO counter VALUES (1, 0)")
    clients = pair.on_homes()
    inside, problems = [], []

    def work(number, client):
        try:
            for _ in range(10):
                if client.value("SELECT GET_LOCK('the counter', 20)") != "1":
                    problems.append((number, "no lock"))
                    return
                inside.append(number)
                if len(inside) > 1:
                    problems.append((number, "not alone", list(inside)))
                now = int(client.value("SELECT n FROM counter WHERE id = 1"))
                client.query(f"UPDATE counter SET n = {now + 1} WHERE id = 1")
                inside.remove(number)
                client.value("SELECT RELEASE_LOCK('the counter')")
        except Exception as error:  # pylint: disable=broad-except
            problems.append((number, repr(error)))

    threads = [threading.Thread(target=work, args=(number, client))
               for number, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.quit()
    assert not problems, problems
    pair.settle()
    for server in pair.servers:
        assert server.query("SELECT n FROM test.counter")[0][0] == 10 * len(clients)


VARIABLES = [
    "SET @i = 5, @neg = -9223372036854775808, @u = CAST(5 AS UNSIGNED), @big = 18446744073709551615",
    "SET @d = 0.1e0, @third = 1e0 / 3, @huge = 1.7976931348623157e308, @tiny = 5e-324, @whole = 7e0",
    "SET @dec = 1.50, @dec0 = CAST(7 AS DECIMAL(10, 0)), @small = -0.001000,"
    " @long = 12345678901234567890123456789012345678901234567890.123456789012345",
    "SET @s = 'it''s', @l = _latin1 X'E4' COLLATE latin1_bin, @b = X'00FF41', @w = _utf16 X'0041',"
    " @e = '', @c = _utf8mb4 'x' COLLATE utf8mb4_bin, @at = NOW(), @j = JSON_OBJECT('a', 1)",
    "SET @n = NULL, @in = 1, @dn = 1e0, @cn = 1.0, @sn = _utf8mb4 'x' COLLATE utf8mb4_bin, @`we``ird` = 1",
    "SET @in = NULL, @dn = NULL, @cn = NULL, @sn = NULL",
]
SHOWN = ("SELECT VARIABLE_NAME, HEX(VARIABLE_VALUE), VARIABLE_TYPE, CHARACTER_SET_NAME"
         " FROM information_schema.USER_VARIABLES ORDER BY 1")


def shown_variables(client):
    """All that a server tells of its user variables."""
    rows = client.query(SHOWN).rows
    names = ["@`" + row[0].decode().replace("`", "``") + "`" for row in rows]
    told = ", ".join(f"{name}, COLLATION({name}), COERCIBILITY({name})" for name in names)
    return rows, client.query("SELECT " + told).rows


@case(seconds=30)
def user_variables_move(_context, pair):
    """A session with user variables takes locks from any home, and its variables stay what they were."""
    places = set()
    for client in pair.on_homes():
        client.query("SET @last = LAST_INSERT_ID(77)")
        for sql in VARIABLES:
            client.query(sql)
        before = shown_variables(client)
        assert len(before[0]) > 25, before
        assert client.value("SELECT GET_LOCK(@s, 1)") == "1"
        assert client.value("SELECT IS_USED_LOCK('it''s') IS NOT NULL") == "1"
        places.add(client.value("SELECT @@server_id FROM (SELECT @i) AS x"))
        assert shown_variables(client) == before
        assert client.value("SELECT LAST_INSERT_ID()") == "77"
        client.query("CREATE TEMPORARY TABLE typed AS SELECT @in, @u, @dec, @d, @c, @b")
        kinds = client.query("SHOW CREATE TABLE typed").rows[0][1].decode()
        for kind in ("`@in` bigint(20) DEFAULT", "`@u` bigint(20) unsigned", "`@dec` decimal",
                     "`@d` double", "`@c` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                     "`@b` longblob"):
            assert kind in kinds, kinds
        client.query("SELECT RELEASE_ALL_LOCKS()")
        client.quit()
    assert len(places) == 1, places


@case(seconds=30)
def user_variables_that_cannot_move(_context, pair):
    """A name that is not ASCII stays where it is: GET_LOCK elsewhere is refused, nothing is lost."""
    answers = set()
    for client in pair.on_homes():
        client.query("SET @`\u00e4` = 'here'")
        try:
            assert client.value("SELECT GET_LOCK('bound', 1)") == "1"
            answers.add("taken")
        except wire.ServerError as error:
            assert error.code == 1235 and "user_variables" in error.message, error
            answers.add("refused")
        kept = client.query("SELECT @`\u00e4`, @@server_id").rows
        assert kept[0][0] == b"here", (kept, answers)
        client.quit()
    assert answers == {"taken", "refused"}, answers


@case(seconds=30)
def insert_id_moves(_context, pair):
    """LAST_INSERT_ID() survives the move to where locks are taken."""
    pair.sql("CREATE OR REPLACE TABLE ai (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
    for client in pair.on_homes():
        made = client.query("INSERT INTO ai (v) VALUES (1)").insert_id
        assert client.value("SELECT GET_LOCK('moving', 1)") == "1"
        assert int(client.value("SELECT LAST_INSERT_ID()")) == made
        client.value("SELECT RELEASE_LOCK('moving')")
        client.quit()


@case(seconds=30)
def user_locks_where_they_cannot_be(_context, pair):
    """A transaction that runs elsewhere hears that it cannot lock; nothing is silently not locked."""
    pair.sql(*FILL)
    homes = set()
    for client in pair.on_homes():
        client.query("BEGIN")
        client.query("UPDATE t SET v = v + 1 WHERE id = 1")
        try:
            assert client.value("SELECT GET_LOCK('inside', 0)") in ("0", "1")
            homes.add(client.value("SELECT @@server_id"))
        except wire.ServerError as error:
            assert error.code == 1235, error
        client.query("ROLLBACK")
        client.quit()
    assert len(homes) == 1, f"locks were taken on servers {homes}"


@case(seconds=30)
def temporary_of_programs(_context, pair):
    """A temporary table that a procedure left behind is not taken for the plain one of its name."""
    pair.sql(*FILL, "CREATE OR REPLACE PROCEDURE leaves() CREATE TEMPORARY TABLE t (z INT)")
    with pair.connect() as client:
        client.query("CALL leaves()")
        client.query("ALTER TABLE t ADD y INT")
        assert [column.name for column in client.query("SELECT * FROM t").columns] == ["z", "y"]
        client.query("DROP TABLE t")
        assert client.value("SELECT COUNT(*) FROM t") == "3"
    pair.sql("DROP PROCEDURE leaves")
    pair.assert_identical()


@case(seconds=30)
def temporary_of_functions(_context, pair):
    """A SELECT of a function may leave one that nobody told of: whoever drops it drops it at home."""
    pair.sql("CREATE OR REPLACE FUNCTION leaves() RETURNS INT DETERMINISTIC BEGIN"
             " CREATE TEMPORARY TABLE left_over (i INT); RETURN 1; END")
    with pair.connect() as client:
        client.query("DO leaves()")
        client.query("DROP TABLE left_over")
        pair.assert_identical()
        client.query("BEGIN")
        client.query("SET @x = leaves()")
        client.query("COMMIT")
        client.query("TRUNCATE TABLE left_over")
        client.query("DROP TABLE left_over")
        pair.assert_identical()
        assert client.error_of("CREATE TEMPORARY TABLE left_over SELECT leaves() AS i")[0] == 1050
        client.query("DROP TABLE left_over")
        pair.assert_identical()
        # That it may have left one is no reason to refuse a long list.
        many = [f"one_of_many_{number}" for number in range(40)]
        for name in many:
            client.query(f"CREATE TABLE {name} (i INT PRIMARY KEY)")
        client.query("DROP TABLE " + ", ".join(many))
        pair.assert_identical()
    pair.sql("DROP FUNCTION leaves")


@case(seconds=60)
def temporary_home_lost(_context, pair):
    """Temporary tables go with their home: the session ends with 1053, nobody goes on without."""
    client = pair.on_homes(1)[0]
    client.query(TMP)
    home = int(client.value("SELECT @@server_id"))
    server = next(one for one in pair.servers if one.server_id == home)
    server.kill()
    try:
        client.sequence = 0  # it is told unasked
        packet = client.read_packet()
        assert packet[:3] == b"\xff\x1d\x04", packet
    finally:
        server.start()
    wait_until(lambda: pair.consort.backend_states()[server.name] == "online", 30, "it is back")
    with pair.connect() as other:
        assert other.value("SELECT COUNT(*) FROM t") is not None
