"""CREATE TABLE .. SELECT: scripts are played through Consort and on a plain server and must look the
same, packet by packet; afterwards every server has the same table. What a single server cannot show,
lost homes and refused rows, leaves no table behind."""

import threading
import time

from support import wire
from support.case import case
from support.pair import Pair
from support.process import wait_until

FILL = ["DROP TABLE IF EXISTS n, n2, s, p", "SET NAMES utf8mb4",
        "CREATE TABLE s (id INT PRIMARY KEY COMMENT 'number', v VARCHAR(20) DEFAULT 'x',"
        " ts TIMESTAMP(6) NULL, d DECIMAL(8,3))",
        "INSERT INTO s VALUES (1, 'one', '2020-10-25 00:30:00.123456', 1.5), (2, 'two', NULL, -2),"
        " (3, 'three', '2038-01-01 00:00:00', 0.001)"]
END = ["SHOW CREATE TABLE n", "SELECT * FROM n", "SELECT COUNT(*) FROM s"]

FORMS = {
    "plain": ["CREATE TABLE n SELECT * FROM s", "SELECT ROW_COUNT()", "SHOW WARNINGS"],
    "as": ["CREATE TABLE test.n AS SELECT id + 1 AS a, v, NULL AS nothing, 1.5 AS f, 'text' AS t FROM s"],
    "parentheses": ["CREATE TABLE n (SELECT id FROM s WHERE id > 1)"],
    "union": ["CREATE TABLE n SELECT id, v FROM s UNION ALL SELECT 10, 'a longer text than any other'"],
    "with": ["CREATE TABLE n WITH x AS (SELECT id FROM s) SELECT * FROM x JOIN s USING (id)"],
    "values": ["CREATE TABLE n VALUES (1, 'a'), (2, 'b')"],
    "columns": ["CREATE TABLE n (k INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50) NOT NULL,"
                " h INT INVISIBLE DEFAULT 7, g INT AS (id * 2) STORED, w INT AS (id * 3) VIRTUAL, UNIQUE (id))"
                " COMMENT='c' SELECT 10 + id AS k, id, v FROM s ORDER BY id", "SELECT h, n.* FROM n"],
    "zero_in_auto_increment": ["SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
                               "CREATE TABLE n (a INT AUTO_INCREMENT PRIMARY KEY) SELECT 0 AS a UNION SELECT 5"],
    "character_sets": ["CREATE TABLE n (a VARCHAR(5)) CHARSET=latin2 SELECT 'a' AS a, _utf8mb4'ž' AS b, v FROM s"],
    "other_database": ["CREATE DATABASE IF NOT EXISTS other CHARACTER SET latin5",
                       "CREATE OR REPLACE TABLE other.n (a VARCHAR(5)) SELECT 'a' AS a",
                       "SHOW CREATE TABLE other.n", "SELECT * FROM other.n", "DROP DATABASE other"],
    "nothing": ["CREATE TABLE n SELECT * FROM s WHERE id > 5", "SELECT ROW_COUNT()"],
    # Without a duplicate: of these MariaDB 10.11 loses rows that it should keep.
    "ignore": ["CREATE TABLE n (PRIMARY KEY (id), a TINYINT) IGNORE SELECT id, 300 AS a FROM s", "SHOW WARNINGS"],
    "replace": ["CREATE TABLE n (PRIMARY KEY (a)) REPLACE SELECT 1 AS a, id FROM s"],
    "truncated": ["SET sql_mode = ''", "CREATE TABLE n (a TINYINT, v CHAR(2)) SELECT 1000 + id AS a, v FROM s"],
    "zero_dates": ["SET sql_mode = ''", "CREATE TABLE n (d DATE NOT NULL) SELECT '0000-00-00' AS d UNION SELECT '2000-00-00'"],
    "strict": ["CREATE TABLE n (a TINYINT) SELECT 1000 AS a", "SHOW WARNINGS"],
    "or_replace": ["CREATE TABLE n (x INT)", "CREATE OR REPLACE TABLE n SELECT v FROM s",
                   "CREATE OR REPLACE TABLE n SELECT id FROM s"],
    "if_not_exists": ["CREATE TABLE IF NOT EXISTS n SELECT id FROM s", "SHOW WARNINGS",
                      "CREATE TABLE IF NOT EXISTS n SELECT v FROM s", "SHOW WARNINGS", "SELECT ROW_COUNT()"],
    "exists": ["CREATE TABLE n (x INT)", "CREATE TABLE n SELECT v FROM s", "SHOW WARNINGS"],
    "exists_as_view": ["CREATE OR REPLACE VIEW w AS SELECT 1 AS one", "CREATE TABLE w SELECT 1",
                       "CREATE TABLE IF NOT EXISTS w SELECT 1", "DROP VIEW w"],
    "duplicate_key": ["CREATE TABLE n (PRIMARY KEY (a)) SELECT 1 AS a, id FROM s"],
    "duplicate_column": ["CREATE TABLE n SELECT id, id FROM s"],
    "unknown": ["CREATE TABLE n SELECT nothing FROM s", "CREATE TABLE n SELECT * FROM nowhere",
                "CREATE TABLE nowhere.n SELECT 1", "CREATE TABLE n SELECT FROM"],
    "check": ["CREATE TABLE n (CHECK (id < 3)) SELECT id FROM s",
              "CREATE TABLE n (CHECK (id < 3)) IGNORE SELECT id FROM s"],
    "itself": ["CREATE TABLE n SELECT 1 AS a", "CREATE OR REPLACE TABLE n SELECT * FROM n",
               "CREATE TABLE n SELECT * FROM n"],
    "transaction": ["BEGIN", "INSERT INTO s VALUES (9, 'nine', NULL, 9)", "CREATE TABLE n SELECT * FROM s",
                    "ROLLBACK"],
    "autocommit_off": ["SET autocommit = 0", "INSERT INTO s VALUES (9, 'nine', NULL, 9)",
                       "CREATE TABLE n SELECT * FROM s", "ROLLBACK", "CREATE TABLE n2 SELECT * FROM n",
                       "CREATE TABLE n2 (PRIMARY KEY (a)) SELECT 1 AS a FROM n", "ROLLBACK", "SET autocommit = 1"],
    "read_only": ["START TRANSACTION READ ONLY", "CREATE TABLE n SELECT 1", "ROLLBACK",
                  "SET SESSION tx_read_only = 1", "CREATE TABLE n SELECT 1", "SET SESSION tx_read_only = 0"],
    "variables": ["SET @a = 5, @b = 'text'", "CREATE TABLE n SELECT @a AS a, @b AS b, @c := id AS c FROM s",
                  "SELECT @c"],
    "session_functions": ["CREATE TABLE n SELECT CURRENT_USER() AS u, DATABASE() AS d, 1 AS one"],
    "insert_id": ["CREATE TABLE n2 (k INT AUTO_INCREMENT PRIMARY KEY)", "INSERT INTO n2 VALUES (100)",
                  "CREATE TABLE n SELECT LAST_INSERT_ID() AS l"],
    "temporary_source": ["CREATE TEMPORARY TABLE tmp (a INT PRIMARY KEY, b ENUM('x','y'))",
                         "INSERT INTO tmp VALUES (1, 'x'), (2, 'y')", "CREATE TABLE n SELECT * FROM tmp",
                         "SELECT * FROM tmp", "DROP TEMPORARY TABLE tmp"],
    "settings": ["SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES', sql_quote_show_create = 0",
                 'CREATE TABLE "n" ("sel""ect" VARCHAR(9) DEFAULT \'a\\\') SELECT \'\\n\' AS "sel""ect"',
                 "SELECT @@sql_mode, @@sql_quote_show_create, @@check_constraint_checks",
                 "SET sql_mode = DEFAULT, sql_quote_show_create = 1"],
    "oracle": ["SET sql_mode = ORACLE", "CREATE TABLE n AS SELECT CAST('2001-02-03' AS DATE) AS d, id FROM s",
               "SELECT @@sql_mode", "SET sql_mode = DEFAULT"],
    "set_statement": ["SET STATEMENT sql_mode = '' FOR CREATE TABLE n (a TINYINT) SELECT 300 AS a"],
    "types": ["CREATE TABLE n SELECT CAST(1 AS UNSIGNED) AS u, 1e10 AS e, b'101' AS b, POINT(1, 2) AS g,"
              " CAST('[1]' AS CHAR) AS j, TIME'10:11:12.5' AS t, DATE'2001-02-03' AS d, X'00FF' AS x, s.* FROM s"],
    "checked_column": ["CREATE TABLE n (t JSON) SELECT '{}' AS t UNION SELECT '{'",
                       "CREATE TABLE n (t INT CHECK (t < 5)) SELECT 1 AS t UNION SELECT 7", "SHOW WARNINGS"],
    "names_beyond_ascii": ["CREATE TABLE n SELECT 'ä' AS `größe`, id AS `日本` FROM s"],
    "names_in_latin1": ["SET NAMES latin1", "CREATE TABLE n (e INT COMMENT '\xe4?')"
                        " SELECT 5 AS e, 'x' AS `\xf6`", "SET NAMES utf8mb4"],
    "sjis": ["SET NAMES sjis", "CREATE TABLE n SELECT 'x' AS a, REPEAT('b', 4000) AS b", "SET NAMES utf8mb4"],
    "lasting_keys": ["CREATE TABLE p (id INT PRIMARY KEY)", "INSERT INTO p VALUES (1), (2), (3)",
                     "CREATE TABLE n (k INT, FULLTEXT KEY ft (v), KEY (k), CONSTRAINT fk FOREIGN KEY (id) REFERENCES"
                     " p (id)) COMMENT='x' SELECT id, v, 5 AS k FROM s", "SHOW CREATE TABLE n", "SELECT * FROM n",
                     "DROP TABLE n", "DROP TABLE p", "CREATE TABLE n SELECT 1 AS a"],
    "partitions": ["CREATE TABLE n (PRIMARY KEY (id)) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (2),"
                   " PARTITION b VALUES LESS THAN MAXVALUE) SELECT id FROM s", "SELECT * FROM n PARTITION (b)"],
    "versioned": ["CREATE TABLE n WITH SYSTEM VERSIONING SELECT id, v FROM s"],
    # A temporary table of the name is what the query reads, and stays.
    "hidden": ["CREATE TEMPORARY TABLE n (i INT AUTO_INCREMENT PRIMARY KEY)", "INSERT INTO n VALUES (7), (8)",
               "CREATE TABLE n SELECT i + 1 AS j, id FROM n JOIN s ON id = i - 6", "CREATE TABLE n SELECT 1 AS a",
               "CREATE TABLE IF NOT EXISTS n SELECT 1 AS a", "SHOW WARNINGS", "INSERT INTO n VALUES (9)",
               "SELECT * FROM n", "CREATE OR REPLACE TABLE n SELECT i FROM n", "CREATE OR REPLACE TABLE n SELECT 5 AS i"
               " FROM n WHERE i > 9", "SHOW CREATE TABLE n", "SET autocommit = 0",
               "CREATE OR REPLACE TABLE test.n SELECT i AS k FROM n", "ROLLBACK", "SET autocommit = 1",
               ("prepare", "c", "CREATE OR REPLACE TABLE n SELECT i, ? AS p FROM n"), ("execute", "c", (3,)),
               "SELECT * FROM n", "DROP TEMPORARY TABLE n"],
    "hidden_and_refused": ["CREATE TEMPORARY TABLE n (i INT)", "INSERT INTO n VALUES (7), (7)",
                           "CREATE TABLE n (UNIQUE (i)) SELECT i FROM n",
                           "CREATE TABLE n (FOREIGN KEY (i) REFERENCES s (id)) SELECT i FROM n", "SELECT * FROM n",
                           "DROP TEMPORARY TABLE n", "CREATE TABLE n SELECT 1 AS a"],
    "locked": ["CREATE TABLE n (a INT)", "LOCK TABLES n WRITE, s READ", "CREATE OR REPLACE TABLE n SELECT id, v FROM s",
               "SELECT * FROM n", "INSERT INTO n VALUES (9, 'nine')", "CREATE OR REPLACE TABLE n SELECT 1 AS a",
               "INSERT INTO n VALUES (2)", "UNLOCK TABLES"],
    "locked_others": ["CREATE TABLE n (a INT)", "CREATE TABLE n2 (a INT)", "LOCK TABLES n READ, s READ",
                      "CREATE OR REPLACE TABLE n SELECT id FROM s", "CREATE TABLE p SELECT id FROM s", "UNLOCK TABLES",
                      "LOCK TABLES n WRITE", "CREATE OR REPLACE TABLE n SELECT id FROM s", "SELECT * FROM n",
                      "CREATE OR REPLACE TABLE n SELECT 1 AS a", "SELECT COUNT(*) FROM s", "UNLOCK TABLES",
                      "LOCK TABLES n2 WRITE, s WRITE, n WRITE", "CREATE OR REPLACE TABLE n SELECT id FROM s",
                      "INSERT INTO s VALUES (7, 'seven', NULL, 1)", "SELECT COUNT(*) FROM n", "UNLOCK TABLES",
                      "FLUSH TABLES WITH READ LOCK", "CREATE OR REPLACE TABLE n SELECT 1 AS a", "UNLOCK TABLES"],
    "several": [("all", "CREATE TABLE n SELECT id FROM s; INSERT INTO n VALUES (77); CREATE TABLE n SELECT 1;"
                        " SELECT 5")],
    "prepared": [("prepare", "c", "CREATE TABLE n SELECT id, v FROM s WHERE id > 1"), ("execute", "c"),
                 ("execute", "c"), "DROP TABLE n", ("execute", "c"), ("close", "c")],
    "parameters": [("prepare", "c", "CREATE TABLE n SELECT ? AS a, id, v FROM s WHERE id > ? AND v <> ?"),
                   ("execute", "c", (1.5, 1, "x")), "DROP TABLE n", ("execute", "c", (7, 0, "two")),
                   ("execute", "c", (7, 0, "two")), "DROP TABLE n",
                   ("prepare", "l", "CREATE TABLE n SELECT CONCAT(?) AS a, id FROM s"),
                   ("long_data", "l", 0, b"a long text"), ("execute", "l", ("",)), "SELECT 1"],
    "text_prepared": ["PREPARE c FROM 'CREATE TABLE n SELECT id FROM s'", "EXECUTE c", "EXECUTE c", "DROP TABLE n",
                      "EXECUTE c", "DEALLOCATE PREPARE c", "DROP TABLE n",
                      "EXECUTE IMMEDIATE 'CREATE TABLE n SELECT v FROM s'"],
}


def setup(context):
    return Pair(context, FILL, END)


@case(seconds=30, each=list(FORMS.items()))
def forms(_context, pair, script):
    """The answers of a single server, and the same table everywhere."""
    pair.compare(script, capabilities=wire.MULTI_STATEMENTS)
    pair.assert_identical()


WITH_FUNCTIONS = {
    "reads": ["CREATE TABLE n (a TINYINT) SELECT f(id) AS a, v FROM s", "SELECT ROW_COUNT()"],
    "warns": ["SET sql_mode = ''", "CREATE TABLE n (a TINYINT) SELECT f(id) + 1000 AS a, CAST(v AS INT) AS i FROM s",
              "SHOW WARNINGS", "SHOW WARNINGS"],
    "fails": ["CREATE TABLE n (a TINYINT) SELECT f(id) + 1000 AS a FROM s", "SHOW WARNINGS"],
    "writes": ["CREATE TABLE n SELECT w(id) AS a FROM s", "SELECT COUNT(*) FROM s"],
    "writes_and_fails": ["CREATE TABLE n (PRIMARY KEY (a)) SELECT w(id) AS x, 1 AS a FROM s"],
    "autocommit_off": ["SET autocommit = 0", "CREATE TABLE n SELECT w(id) AS a FROM s", "ROLLBACK",
                       "CREATE TABLE n2 (PRIMARY KEY (a)) SELECT 1 AS a, f(id) AS b FROM s", "SET autocommit = 1"],
    "parameters": [("prepare", "c", "CREATE TABLE n SELECT f(?) AS a, id FROM s"), ("execute", "c", (5,))],
    # Tables of an engine that takes no savepoints.
    "hidden": ["CREATE TEMPORARY TABLE n (x INT)", "INSERT INTO n VALUES (7)",
               "CREATE TABLE n SELECT x, f(x) AS y FROM n", "SELECT * FROM n", "DROP TEMPORARY TABLE n"],
    "reads_aria": ["CREATE TABLE n SELECT f(COUNT(*)) > 0 AS a FROM mysql.help_topic",
                   "CREATE OR REPLACE TABLE n SELECT sys.format_statement('SELECT 1') AS q, id FROM s"],
}


@case(seconds=30, each=list(WITH_FUNCTIONS.items()))
def functions(_context, pair, script):
    """Where stored functions exist the query may write: also that is everywhere, or nowhere."""
    define = ["CREATE OR REPLACE FUNCTION f(x INT) RETURNS INT DETERMINISTIC RETURN x + 1",
              "CREATE OR REPLACE FUNCTION w(x INT) RETURNS INT MODIFIES SQL DATA"
              " BEGIN INSERT INTO log VALUES (x); RETURN x; END", "CREATE OR REPLACE TABLE log (x INT)"]
    pair.compare(define + script + ["SELECT COUNT(*) FROM log"], capabilities=wire.MULTI_STATEMENTS)
    pair.assert_identical()


LENGTHS = {
    "literals": ["CREATE TABLE n SELECT 1e0 AS a, 12e0 AS b, -1e0 AS c, 1.234567890123e100 AS d, 1 AS i, '1' AS s"],
    "expressions": ["CREATE TABLE n SELECT id * 1e0 AS a, SQRT(id) AS b, RAND() * 0 AS c, @x := 1e0 AS x, id FROM s",
                    "CREATE TABLE n2 SELECT a, b AS bb, NULLIF(x, 1) AS x, c FROM n"],
    "unions": ["CREATE TABLE n SELECT 1e0 AS a, 5 AS b UNION SELECT 2.5e0, 17e0",
               "CREATE TABLE n2 SELECT * FROM (SELECT 1e0 AS a UNION SELECT 2.5e0) AS t"],
    "amid_others": ["CREATE TABLE n (k INT AUTO_INCREMENT PRIMARY KEY, h INT INVISIBLE DEFAULT 7, g INT AS (a * 2) STORED,"
                    " w DOUBLE AS (b + 1) VIRTUAL, t TIMESTAMP(3) NOT NULL DEFAULT NOW(3) COMMENT 'when', UNIQUE (a),"
                    " e DOUBLE DEFAULT 1.5, CHECK (b < 100)) COMMENT='c' SELECT 10 + id AS k, id * 1e0 AS a, v, SQRT(id) AS b, 1e0 AS `q``q`,"
                    " '2020-01-01' AS t FROM s", "SELECT h, n.* FROM n"],
    "defined": ["CREATE TABLE n (a DOUBLE, b DOUBLE(9,2), c FLOAT) SELECT 1e0 AS a, 1e0 AS b, 1e0 AS c, 1e0 AS d"],
    "replaced": ["CREATE TABLE n (x INT)", "CREATE OR REPLACE TABLE n SELECT 1e0 AS a", "CREATE OR REPLACE TABLE n"
                 " (PRIMARY KEY (b)) SELECT 1e0 AS a, id AS b FROM s"],
    "in_partitions": ["CREATE TABLE n PARTITION BY HASH (id) PARTITIONS 2 SELECT 1e0 AS a, id FROM s"],
    "parameters": [("prepare", "c", "CREATE TABLE n SELECT ? AS a, id FROM s"), ("execute", "c", (1.5,))],
    "names": ["SET NAMES latin1", "CREATE TABLE n SELECT 1e0 AS `\xf6`, 'x' AS `\xe4`", "SET NAMES utf8mb4"],
}


@case(seconds=30, each=list(LENGTHS.items()))
def lengths(_context, pair, script):
    """DOUBLE columns are as long as a single server shows them, on every server, and stay so."""
    tables = ["n", "n2"]
    looks = [f"SELECT * FROM {table}" for table in tables]
    pair.compare(script + [("prepare", "l", looks[0]), ("execute", "l"), looks[1]])
    for change in [None, "ALTER TABLE {} ADD more INT, FORCE", "ALTER TABLE {} ADD other INT FIRST, ALGORITHM=COPY"]:
        for table in tables:
            if change and pair.sql(f"SHOW TABLES LIKE '{table}'"):
                pair.sql(change.format(table))
                with pair.connect_plain() as plain:
                    plain.query(change.format(table))
        pair.assert_identical()
        ports = [server.port for server in pair.servers] + [pair.plain.port]
        shown = [[definitions_of(port, sql) for sql in looks] for port in ports]
        assert all(one == shown[-1] for one in shown), (change, shown)


def definitions_of(port, sql):
    """The packets that describe a query's columns."""
    with wire.connect(port, "app", "app-secret", "test") as client:
        try:
            return client.query(sql).columns
        except wire.ServerError as error:
            return error.code


@case(seconds=30)
def duplicates(_context, pair):
    """IGNORE keeps the first row of a key, as INSERT IGNORE does."""
    pair.sql(*FILL)
    with pair.connect() as client:
        reply = client.query("CREATE TABLE n (PRIMARY KEY (a)) IGNORE SELECT 1 AS a, id FROM s")
        assert (reply.affected, reply.warnings, reply.info) == (1, 2, "Records: 3  Duplicates: 2  Warnings: 2")
        assert len(client.query("SHOW WARNINGS").rows) == 2
        assert client.query("SELECT * FROM n").rows == [(b"1", b"1")]
    pair.assert_identical()


@case(seconds=30)
def rights(_context, pair):
    """An account needs what a plain server asks for, and no more."""
    setup_steps = ["CREATE OR REPLACE USER few@'%' IDENTIFIED BY 'few'", "GRANT SELECT ON test.s TO few@'%'"]
    more = ["GRANT CREATE ON test.n TO few@'%'", "GRANT CREATE, INSERT ON test.n TO few@'%'",
            "GRANT CREATE, DROP ON test.n TO few@'%'"]
    script = ["CREATE TABLE n SELECT id FROM s", "CREATE TABLE IF NOT EXISTS n SELECT v FROM s",
              "CREATE OR REPLACE TABLE n (PRIMARY KEY (id)) SELECT id FROM s", "CREATE TABLE n2 SELECT id FROM s",
              "CREATE TABLE n SELECT * FROM mysql.user", "CREATE TABLE n SELECT * FROM p"]
    pair.compare(setup_steps)
    for grant in [None, *more]:
        if grant:
            pair.sql(grant)
            with pair.connect_plain() as plain:
                plain.query(grant)
        outcomes = []
        for connect in (lambda: pair.consort.wire("test", user="few", password="few"),
                        lambda: wire.connect(pair.plain.port, "few", "few", "test")):
            with connect() as client:
                outcomes.append([outcome(client, sql) for sql in script])
        assert outcomes[0] == outcomes[1], (grant, outcomes)
    pair.assert_identical()
    pair.compare(["DROP TABLE n", "DROP USER few@'%'", "CREATE TABLE n SELECT 1 AS a"])


OWN_GRANTS = ("SELECT User FROM mysql.db WHERE Db = 'consort'",
              "SELECT COUNT(*) FROM mysql.proc WHERE db = 'consort' AND name = 'let_collect'")


def change_past_consort(server, *statements):
    """On one server."""
    with wire.connect(server.port, "app", "app-secret", "test") as client:
        client.query("SET sql_log_bin = 0")
        for sql in statements:
            client.query(sql)


def own_grants(server):
    """Who may do something in the whole of Consort's schema there, and what lets everybody."""
    with wire.connect(server.port, "app", "app-secret", "test") as client:
        return [client.query(sql).rows for sql in OWN_GRANTS]


@case(seconds=60)
def rights_beside_the_table(_context, pair):
    """Who may make temporary tables beside the new one leaves no trace in mysql.db; who may not has
    nobody to ask for it. The row of an earlier version goes."""
    pair.sql(*FILL, "CREATE OR REPLACE USER few@'%' IDENTIFIED BY 'few'", "GRANT SELECT, CREATE, INSERT ON test.* TO few@'%'",
             "CREATE OR REPLACE USER more@'%' IDENTIFIED BY 'more'", "GRANT CREATE, INSERT ON test.n TO more@'%'",
             "GRANT CREATE TEMPORARY TABLES ON test.* TO more@'%'", "GRANT SELECT ON test.s TO more@'%'")
    clean, granted = [[], [(b"1",)]], [[(b"PUBLIC",)], [(b"1",)]]

    def play(user, sql="CREATE TABLE n SELECT id, v FROM s"):
        with pair.consort.wire("test", user=user, password=user) as client:
            for autocommit in (1, 0):
                client.query(f"SET autocommit = {autocommit}")
                assert client.query(sql).affected == 3
                statement = client.prepare("CREATE TABLE n SELECT ? AS a, id FROM s")
                pair.sql("DROP TABLE n")
                assert client.execute(statement, (5,)).affected == 3
                pair.sql("DROP TABLE n")

    for server in pair.servers:
        if own_grants(server) == granted:  # other tests have needed it
            change_past_consort(server, "REVOKE CREATE TEMPORARY TABLES ON consort.* FROM PUBLIC")
    play("more")
    assert all(own_grants(server) == clean for server in pair.servers)
    play("few")
    assert any(own_grants(server) == granted for server in pair.servers)
    for server in pair.servers:
        change_past_consort(
            server, "GRANT CREATE TEMPORARY TABLES ON consort.* TO PUBLIC", "DROP PROCEDURE consort.let_collect",
            "DROP PROCEDURE consort.mark_branch",
            "CREATE PROCEDURE consort.mark_branch() SQL SECURITY DEFINER SELECT 'of an earlier version'",
            "GRANT EXECUTE ON PROCEDURE consort.mark_branch TO PUBLIC")
    pair.consort.stop()
    pair.consort.start()
    assert all(own_grants(server) == clean for server in pair.servers)
    play("more")
    pair.sql("CREATE OR REPLACE FUNCTION r(x INT) RETURNS INT DETERMINISTIC RETURN x + 1",
             "GRANT EXECUTE ON FUNCTION test.r TO few@'%'")
    play("few", "CREATE TABLE n SELECT r(id) AS id, v FROM s")  # where the query may write
    pair.sql("DROP FUNCTION r")
    with pair.connect() as client:
        for sql in ("CREATE TEMPORARY TABLE tmp (a INT)", "BEGIN", "INSERT INTO tmp VALUES (1)", "COMMIT"):
            client.query(sql)
        assert client.value("SELECT COUNT(*) FROM tmp") == "1"
    pair.sql("DROP USER few@'%', more@'%'")
    pair.assert_identical()


def outcome(client, sql):
    """What came of a statement, without addresses."""
    try:
        reply = client.query(sql)
        return reply.affected, reply.warnings, reply.info
    except wire.ServerError as error:
        return error.code, error.state, error.message


@case(seconds=30)
def no_rows_no_table(_context, pair):
    """Rows that are refused, and a client or home that goes, leave no table behind."""
    pair.sql(*FILL, "CREATE TABLE p (id INT PRIMARY KEY)", "INSERT INTO p VALUES (1)")
    with pair.connect() as client:
        for sql, code in [
                ("CREATE TABLE n (FOREIGN KEY (id) REFERENCES p (id)) SELECT id FROM s", 1452),
                ("CREATE TABLE n PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (2)) SELECT id FROM s", 1526)]:
            result = outcome(client, sql)
            assert result[0] == code, (sql, result)
            assert outcome(client, "SELECT * FROM n")[0] == 1146
        client.query("CREATE TABLE n (FOREIGN KEY (id) REFERENCES p (id), FULLTEXT KEY (v)) SELECT id, v FROM s"
                     " WHERE id = 1")
        assert "FULLTEXT" in client.query("SHOW CREATE TABLE n").rows[0][1].decode()
        client.query("DROP TABLE n")
        # Nobody waits for a query that nobody wants any more.
        client.command(wire.COM_QUERY, b"CREATE TABLE n SELECT SLEEP(0.3) AS a")
    time.sleep(0.6)
    assert pair.sql("SHOW TABLES LIKE 'n'") == []
    pair.assert_identical()


@case(seconds=60)
def in_a_crowd(context, pair):
    """Clients that make, replace, fill, kill and drop the same tables, also behind temporary ones of
    their names: whatever each gets, the servers stay equal and nothing is left at the homes."""
    pair.sql(*FILL)
    end = time.monotonic() + context.pick(2, 30)
    strange = []

    def work(number):
        with pair.connect() as client:
            connection = int(client.value("SELECT CONNECTION_ID()"))
            for turn in range(10_000):
                if time.monotonic() > end:
                    return
                sql = [f"CREATE TABLE c{turn % 3} (k INT AUTO_INCREMENT PRIMARY KEY) SELECT v FROM s",
                       f"CREATE OR REPLACE TABLE c{turn % 3} SELECT id, v FROM s", f"INSERT INTO c{turn % 3} (v) VALUES ('x')",
                       f"DROP TABLE IF EXISTS c{turn % 3}",
                       f"CREATE TABLE IF NOT EXISTS own{number} SELECT * FROM c1",
                       f"CREATE OR REPLACE TABLE c{turn % 3} SELECT 1e0 AS v, id FROM s",
                       f"CREATE OR REPLACE TEMPORARY TABLE c{turn % 3} SELECT 'mine' AS v",
                       f"CREATE OR REPLACE TABLE c{turn % 3} SELECT v FROM c{turn % 3}",
                       f"DROP TEMPORARY TABLE IF EXISTS c{turn % 3}"][(turn + number) % 9]
                if turn % 7 == number:
                    with pair.connect() as killer:
                        threading.Timer(0.002, killer.query, [f"KILL QUERY {connection}"]).start()
                        result = outcome(client, sql)
                        time.sleep(0.01)
                else:
                    result = outcome(client, sql)
                if result[0] in (1105, 1235, 2013) or "consort" in str(result[2]):
                    strange.append((sql, result))

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not strange, strange
    pair.assert_identical()


@case(seconds=60)
def home_lost(_context, pair):
    """A home that dies while it selects: the statement runs on another one. One that dies when the
    rows are collected ends the session, and no server has the table."""
    pair.sql(*FILL)
    with pair.connect() as client:
        client.query("BEGIN")
        home = pair.servers[int(client.value("SELECT @@server_id")) - 1]
        client.query("COMMIT")
        client.command(wire.COM_QUERY, b"CREATE TABLE n SELECT SLEEP(1) AS a, id FROM s WHERE id = 1")
        time.sleep(0.4)
        home.kill()
        reply = client.read_reply()
        assert reply.affected == 1, reply
        assert client.query("SELECT a, id FROM n").rows == [(b"0", b"1")]
    home.start()
    wait_until(lambda: set(pair.consort.backend_states().values()) == {"online"}, 30, "all online")
    pair.assert_identical()
