"""What a client gets that a plain server would give it, where that took Consort some doing of its own.
Each step is played on both."""

import time

from support import wire
from support.case import case
from support.cluster import together
from support.pair import Pair


def setup(context):
    return Pair(context)


def outcome(call):
    """What came of it, for comparing: rows, a status, or an error."""
    try:
        reply = call()
    except wire.ServerError as error:
        # Consort has no skip_name_resolve, which the private servers have.
        return error.code, error.state, error.message.replace("'localhost'", "'127.0.0.1'")
    except wire.Closed:
        return "closed"
    return reply.rows if reply.columns is not None else (reply.affected, reply.status, reply.warnings)


WHO = ("SELECT USER(), CURRENT_USER(), DATABASE(), @x, @@sort_buffer_size, @@in_transaction,"
       " @@character_set_client, @@collation_connection")


@case(seconds=60)
def a_change_of_user_that_fails(_context, pair):
    """The client stays who it was, in a fresh session, and hears of it a second later; the fourth
    COM_CHANGE_USER is not looked at any more."""
    for sql in ("CREATE USER other@'%' IDENTIFIED BY 'pw'", "GRANT ALL ON test.* TO other@'%'",
                "CREATE USER locked@'%' IDENTIFIED BY 'pw' ACCOUNT LOCK"):
        pair.sql(sql)
        pair.plain.query(sql)

    def play(client):
        seen = []
        for sql in ("CREATE TEMPORARY TABLE tmp (a INT)", "SET @x = 5, sort_buffer_size = 65536",
                    "BEGIN"):
            client.query(sql)
        began = time.monotonic()
        seen.append(outcome(lambda: client.change_user("other", "wrong", "test")))
        assert 0.9 < time.monotonic() - began < 5
        seen.append(outcome(lambda: client.query(WHO)))
        seen.append(outcome(lambda: client.query("SELECT * FROM tmp")))
        # Only the backend knows whether it may use the database.
        seen.append(outcome(lambda: client.change_user("other", "pw", "mysql")))
        seen.append(outcome(lambda: client.query(WHO)))
        seen.append(outcome(lambda: client.change_user("other", "pw", "test")))
        seen.append(outcome(lambda: client.query(WHO)))
        seen.append(outcome(lambda: client.change_user("locked", "pw", "test")))
        seen.append(outcome(lambda: client.query(WHO)))
        seen.append(outcome(lambda: client.change_user("app", "app-secret", "test")))
        seen.append(outcome(lambda: client.query(WHO)))
        return seen

    with pair.connect() as through, pair.connect_plain() as plain:
        expected, found = together(lambda: play(plain), lambda: play(through))
        assert found == expected, (found, expected)
        assert [one[0] for one in (expected[0], expected[3], expected[7], expected[9])] == [
            1045, 1044, 4151, 1047], expected
    pair.sql("DROP USER other@'%', locked@'%'")
    pair.plain.query("DROP USER other@'%', locked@'%'")


@case(seconds=120)
def wrong_passwords_block_an_account(_context, pair):
    """max_password_errors: who is blocked by wrong passwords, by whose they are not, and what ends it."""
    ends = ["ALTER USER u ACCOUNT UNLOCK", "ALTER USER IF EXISTS v, u", "ALTER USER v, u REQUIRE NONE",
            "GRANT SELECT ON test.* TO u", "GRANT SELECT ON test.few TO u@'%'",
            "REVOKE SELECT ON test.* FROM 'u'@'%'", "REVOKE ALL PRIVILEGES, GRANT OPTION FROM v, u",
            "CREATE OR REPLACE USER u IDENTIFIED BY 'good'", "FLUSH PRIVILEGES",
            "FLUSH LOCAL STATUS, PRIVILEGES", "EXECUTE IMMEDIATE 'FLUSH PRIVILEGES'",
            "EXECUTE IMMEDIATE 'ALTER USER u'", "SET GLOBAL max_password_errors = 3"]
    lasts = ["SET PASSWORD FOR u = PASSWORD('good')", "CREATE USER IF NOT EXISTS u", "ALTER USER v",
             "CREATE ROLE r", "GRANT r TO u", "REVOKE r FROM u", "SET DEFAULT ROLE NONE FOR u",
             "DROP ROLE r", "FLUSH STATUS", "GRANT USAGE ON *.* TO u@localhost",
             "ALTER USER nosuch ACCOUNT UNLOCK", "SET GLOBAL max_password_errors = 1"]

    def play(connect):
        seen = []

        def login(user, password):
            def once():
                with connect(user=user, password=password, database=None) as client:
                    return client.query("SELECT CURRENT_USER()")
            seen.append((user, password, outcome(once)))
            return seen[-1][-1]

        with connect() as admin:
            def ask(sql):
                seen.append((sql, outcome(lambda: admin.query(sql))))
            for sql in ("SET GLOBAL max_password_errors = 0", "SET GLOBAL max_password_errors = 'x'",
                        "SET SESSION max_password_errors = 1", "CREATE TABLE few (a INT PRIMARY KEY)",
                        "CREATE USER u IDENTIFIED BY 'good'", "CREATE USER v IDENTIFIED BY 'good'",
                        "CREATE USER admin@'127.%' IDENTIFIED BY 'good'",
                        "GRANT ALL ON *.* TO admin@'127.%'",
                        "CREATE USER several IDENTIFIED VIA mysql_native_password USING PASSWORD('a')"
                        " OR mysql_native_password USING PASSWORD('good')"):
                ask(sql)
            for sql in lasts + ends:
                ask("SET GLOBAL max_password_errors = 2")
                login("u", "bad")
                login("u", "bad")
                assert login("u", "good")[0] == 4150, seen[-1]
                ask(sql)
                ended = login("u", "good")
                assert (ended[0] == 4150) == (sql in lasts), (sql, ended)
            # A good login begins anew, an empty password and an unknown name count nothing.
            for password in ("bad", "good", "bad", "", "", "good", "bad", "good"):
                login("u", password)
            for user in ("admin", "several", "nobody", "v"):
                for password in ("bad", "bad", "bad", "good", "good"):
                    login(user, password)
            ask("ALTER USER v, admin@'127.%'")
            # COM_CHANGE_USER counts, and is blocked, too; its own session goes on.
            with connect(user="v", password="good", database=None) as client:
                for password in ("bad", "bad", "good"):
                    seen.append(outcome(lambda p=password: client.change_user("v", p)))
                seen.append(outcome(lambda: client.query("SELECT CURRENT_USER()")))
            login("v", "good")
            admin.command(7, b"\x01")  # COM_REFRESH of the grants
            admin.read_ok()
            login("v", "good")
            login("v", "bad")
            ask("SET GLOBAL max_password_errors = DEFAULT")
            ask("DROP USER u, v, admin@'127.%', several")
            ask("DROP TABLE few")
        return seen

    def connect_plain(user="app", password="app-secret", database="test"):
        return wire.connect(pair.plain.port, user, password, database)

    def connect(user="app", password="app-secret", database="test"):
        return wire.connect(pair.consort.port, user, password, database)

    expected, found = play(connect_plain), play(connect)
    differ = [one for one in zip(expected, found) if one[0] != one[1]]
    assert not differ, differ[:5]


@case(seconds=60)
def timeouts_of_interactive_clients(_context, pair):
    """interactive_timeout is their wait_timeout, until they reset the session; SET GLOBAL of both is
    for sessions that come after, also those of a Consort that has started again."""
    timeouts = "SELECT @@wait_timeout, @@interactive_timeout, @@global.wait_timeout"

    def play(connect):
        seen = []
        with connect() as admin:
            admin.query("SET GLOBAL interactive_timeout = 77, GLOBAL wait_timeout = 3600")
            seen.append(outcome(lambda: admin.query(timeouts)))
        with connect(capabilities=wire.INTERACTIVE) as client:
            seen.append(outcome(lambda: client.query(timeouts)))
            client.reset_connection()
            seen.append(outcome(lambda: client.query(timeouts)))
        with connect(capabilities=wire.INTERACTIVE) as client:
            client.change_user("app", "app-secret", "test")
            seen.append(outcome(lambda: client.query(timeouts)))
        with connect() as client:
            seen.append(outcome(lambda: client.query(timeouts)))
        return seen

    expected, found = play(pair.connect_plain), play(pair.connect)
    assert found == expected, (found, expected)
    assert [row[0][0] for row in found] == [b"28800", b"77", b"3600", b"3600", b"3600"], found
    pair.consort.kill()
    pair.consort.start()
    with pair.connect(capabilities=wire.INTERACTIVE) as client:
        assert client.value("SELECT @@wait_timeout") == "77"
    with pair.connect() as client:
        assert client.value("SELECT @@wait_timeout") == "3600"
        client.query("SET GLOBAL wait_timeout = 1")
    with pair.connect() as client:
        began = time.monotonic()
        assert outcome(client.read_packet) == "closed"
        assert 0.9 < time.monotonic() - began < 3
    for one in (pair.sql, pair.plain.query):
        one("SET GLOBAL interactive_timeout = DEFAULT, GLOBAL wait_timeout = DEFAULT")


@case(seconds=60)
def transactions_read_only_by_default(_context, pair):
    """SET GLOBAL TRANSACTION READ ONLY: of sessions that come after; lanes and DDL go on."""
    table = pair.table("id INT PRIMARY KEY, v INT")
    pair.plain.query(f"CREATE TABLE test.{table} (id INT PRIMARY KEY, v INT)")

    def play(connect):
        seen = []
        with connect() as old:
            old.query("SET GLOBAL TRANSACTION READ ONLY")
            with connect() as client:
                for sql in ("SELECT @@tx_read_only, @@global.tx_read_only",
                            f"INSERT INTO {table} VALUES (1, 1)", "BEGIN",
                            f"INSERT INTO {table} VALUES (1, 1)", "COMMIT",
                            "START TRANSACTION READ WRITE", f"INSERT INTO {table} VALUES (2, 2)",
                            "COMMIT", "SET SESSION TRANSACTION READ WRITE",
                            f"INSERT INTO {table} VALUES (3, 3)"):
                    seen.append(outcome(lambda sql=sql: client.query(sql)))
            for sql in ("SELECT @@tx_read_only, @@global.tx_read_only",
                        f"INSERT INTO {table} VALUES (4, 4)",
                        "SET GLOBAL TRANSACTION READ WRITE, ISOLATION LEVEL REPEATABLE READ",
                        f"ALTER TABLE {table} ADD w INT"):
                seen.append(outcome(lambda sql=sql: old.query(sql)))
        with connect() as client:
            seen.append(outcome(lambda: client.query("SELECT @@tx_read_only")))
            seen.append(outcome(lambda: client.query(f"SELECT id FROM {table} ORDER BY id")))
        return seen

    expected, found = play(pair.connect_plain), play(pair.connect)
    assert found == expected, (found, expected)
    pair.assert_identical()


def waits(client, sql, release):
    """Whether the statement waits until `release` is called, and what came of it then."""
    client.command(wire.COM_QUERY, sql.encode())
    client.socket.settimeout(0.4)
    try:
        client.read_packet()
        return False
    except TimeoutError:
        pass
    finally:
        client.socket.settimeout(30)
    release()
    return outcome(client.read_reply)


@case(seconds=90)
def a_global_read_lock(_context, pair):
    """FLUSH TABLES WITH READ LOCK holds up the commits, writes and DDL of everybody, on all servers,
    until UNLOCK TABLES or the session's end; whoever reads meanwhile reads the same."""
    table = pair.table("id INT PRIMARY KEY, v INT")
    pair.plain.query(f"CREATE TABLE test.{table} (id INT PRIMARY KEY, v INT)")

    def play(connect, settle=lambda: None):
        seen = []
        locker, other = connect(), connect()
        other.query("SET lock_wait_timeout = 1, innodb_lock_wait_timeout = 1")

        def step(client, sql):
            seen.append((sql, outcome(lambda: client.query(sql))))

        step(other, f"INSERT INTO {table} VALUES (1, 1)")
        step(locker, "FLUSH TABLES WITH READ LOCK")
        for sql in (f"INSERT INTO {table} VALUES (2, 2)", f"TRUNCATE {table}",
                    f"LOCK TABLES {table} WRITE", "CREATE TEMPORARY TABLE tmp (a INT)",
                    "INSERT INTO tmp VALUES (1)", f"SELECT * FROM {table}",
                    f"SELECT * FROM {table} FOR UPDATE", "FLUSH TABLES WITH READ LOCK"):
            step(locker, sql)
        for sql in (f"INSERT INTO {table} VALUES (3, 3)", f"ALTER TABLE {table} ADD w INT",
                    f"SELECT COUNT(*) FROM {table}", f"LOCK TABLES {table} READ", "UNLOCK TABLES",
                    f"LOCK TABLES {table} WRITE", f"OPTIMIZE TABLE {table}", f"ANALYZE TABLE {table}",
                    "FLUSH TABLES", f"FLUSH TABLES {table}", "FLUSH LOCAL TABLES", "FLUSH PRIVILEGES"):
            step(other, sql)
        step(locker, "UNLOCK TABLES")
        # A transaction that has written before: its COMMIT waits.
        other.query("SET lock_wait_timeout = 30")
        for sql in ("BEGIN", f"INSERT INTO {table} VALUES (4, 4)"):
            step(other, sql)
        step(locker, "FLUSH TABLES WITH READ LOCK")
        step(locker, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
        seen.append(waits(other, "COMMIT", lambda: step(locker, "UNLOCK TABLES")))
        step(locker, f"SELECT COUNT(*) FROM {table}")
        step(locker, "COMMIT")
        settle()
        step(locker, f"SELECT COUNT(*) FROM {table}")
        # The session's end frees everything; two may hold it.
        step(locker, "FLUSH TABLES WITH READ LOCK")
        with connect() as second:
            step(second, "FLUSH TABLES WITH READ LOCK")
            seen.append(waits(other, f"INSERT INTO {table} VALUES (5, 5)",
                              lambda: (second.quit(), locker.reset_connection())))
        settle()
        step(locker, f"SELECT COUNT(*) FROM {table}")
        # Behind a WRITE lock.
        step(other, f"LOCK TABLES {table} WRITE")
        step(locker, "SET lock_wait_timeout = 1")
        step(locker, "FLUSH TABLES WITH READ LOCK")
        step(other, "FLUSH TABLES WITH READ LOCK")
        locker.quit()
        other.quit()
        return seen

    expected, found = together(lambda: play(pair.connect_plain),
                               lambda: play(pair.connect, pair.settle))
    for one, other in zip(found, expected, strict=True):
        assert one == other, (one, other)
    pair.assert_identical()


@case(seconds=60)
def maintenance_of_locked_tables(_context, pair):
    """CHECK, ANALYZE, OPTIMIZE and REPAIR TABLE wait for LOCK TABLES, and answer in rows when that was
    in vain; DDL waits as long as it says itself."""
    table = pair.table("id INT PRIMARY KEY, v INT")
    pair.plain.query(f"CREATE TABLE test.{table} (id INT PRIMARY KEY, v INT)")

    def play(connect):
        seen = []
        with connect() as locker, connect() as other:
            other.query("SET lock_wait_timeout = 1")
            for lock in ("READ", "WRITE"):
                locker.query(f"LOCK TABLES {table} {lock}")
                for sql in (f"CHECK TABLE {table}", f"ANALYZE TABLE {table}",
                            f"OPTIMIZE TABLE {table} NOWAIT", f"REPAIR TABLE {table}",
                            f"ALTER TABLE {table} WAIT 0 COMMENT='x'",
                            f"RENAME TABLE {table} NOWAIT TO other_name"):
                    began = time.monotonic()
                    reply = outcome(lambda sql=sql: other.query(sql))
                    seen.append((lock, sql, reply, round(time.monotonic() - began)))
                locker.query("UNLOCK TABLES")
            locker.query(f"LOCK TABLES {table} WRITE")
            other.query("SET lock_wait_timeout = 30")
            seen.append(waits(other, f"CHECK TABLE {table}", lambda: locker.query("UNLOCK TABLES")))
        return seen

    expected, found = together(lambda: play(pair.connect_plain), lambda: play(pair.connect))
    for one, other in zip(found, expected, strict=True):
        assert one == other, (one, other)


@case(seconds=90)
def read_only(_context, pair):
    """SET GLOBAL read_only keeps all who have no READ_ONLY ADMIN from writing, on every server, also a
    transaction that has written before; administrators and lanes go on, also after a restart."""
    table = pair.table("id INT PRIMARY KEY, v INT")
    pair.plain.query(f"CREATE TABLE test.{table} (id INT PRIMARY KEY, v INT)")
    for one in (pair.sql, pair.plain.query):
        one("CREATE USER poor@'%' IDENTIFIED BY 'pw'")
        one("GRANT ALL ON test.* TO poor@'%'")

    def play(port, restart):
        seen = []

        def step(client, sql):
            seen.append((sql, outcome(lambda: client.query(sql))))

        admin = wire.connect(port, "app", "app-secret", "test")
        poor = wire.connect(port, "poor", "pw", "test")
        step(poor, "SET GLOBAL read_only = 1")
        step(poor, "BEGIN")
        step(poor, f"INSERT INTO {table} VALUES (1, 1)")
        for value in ("2", "'x'", "NULL", "ON"):
            step(admin, f"SET GLOBAL read_only = {value}")
        step(admin, "SELECT @@read_only, @@global.read_only")
        step(poor, "COMMIT")
        for sql in (f"INSERT INTO {table} VALUES (2, 2)", f"ALTER TABLE {table} ADD w INT",
                    f"SELECT * FROM {table} FOR UPDATE", f"LOCK TABLES {table} WRITE",
                    "START TRANSACTION READ WRITE", "CREATE TEMPORARY TABLE tmp (a INT)",
                    "INSERT INTO tmp VALUES (1)", f"SELECT COUNT(*) FROM {table}"):
            step(poor, sql)
        step(admin, f"INSERT INTO {table} VALUES (3, 3)")
        admin.quit()
        poor.quit()
        restart()
        admin = wire.connect(port, "app", "app-secret", "test")
        poor = wire.connect(port, "poor", "pw", "test")
        step(poor, f"INSERT INTO {table} VALUES (4, 4)")
        step(admin, "SET GLOBAL read_only = OFF")
        step(poor, f"INSERT INTO {table} VALUES (5, 5)")
        step(poor, f"SELECT id FROM {table} ORDER BY id")
        step(admin, "SELECT @@read_only")
        admin.quit()
        poor.quit()
        return seen

    def restart():
        pair.consort.kill()
        pair.consort.start()

    expected = play(pair.plain.port, lambda: None)
    found = play(pair.consort.port, restart)
    for one, other in zip(found, expected, strict=True):
        assert one == other, (one, other)
    pair.assert_identical()
    for one in (pair.sql, pair.plain.query):
        one("DROP USER poor@'%'")


@case(seconds=60)
def max_connections(_context, pair):
    """SET GLOBAL max_connections is how many clients there may be, at once and after a restart; the
    servers have what they need."""
    with pair.connect() as admin:
        assert outcome(lambda: admin.query("SET GLOBAL max_connections = 'x'"))[0] == 1232
        admin.query("SET GLOBAL max_connections = 10")
        for restarts in (False, True):
            if restarts:
                pair.consort.kill()
                pair.consort.start()
            clients = []
            try:
                while len(clients) < 20:
                    clients.append(pair.connect())
            except wire.ServerError as error:
                assert error.code == 1040, error
            # The account may log in as one more than those, as an administrator.
            assert len(clients) == (11 if restarts else 10), len(clients)
            for client in clients:
                client.quit()
            time.sleep(0.2)
    with pair.connect() as admin:
        assert int(admin.value("SELECT @@max_connections")) >= 50
        admin.query("SET GLOBAL max_connections = 3000")
        assert admin.value("SELECT @@max_connections") == "3000"
        admin.query("SET GLOBAL max_connections = DEFAULT")
    clients = [pair.connect() for _ in range(12)]
    for client in clients:
        client.quit()


@case(seconds=60)
def blanks_behind_functions(_context, pair):
    """CLIENT_IGNORE_SPACE is a sql_mode that lasts until the session is reset, also in what all servers
    execute."""
    ignore_space = 1 << 8
    seen = []
    for connect in (pair.connect, pair.connect_plain):
        with connect(capabilities=ignore_space) as client:
            answers = [client.value("SELECT @@sql_mode").split(",")]
            for sql in ("SELECT COUNT (*)", "CREATE VIEW counts AS SELECT COUNT (*) AS n FROM DUAL",
                        "SELECT * FROM counts", "CREATE TABLE count (a INT)"):
                answers.append(outcome(lambda sql=sql: client.query(sql)))
            client.reset_connection()
            answers.append(client.value("SELECT @@sql_mode").split(","))
            answers.append(outcome(lambda: client.query("SELECT COUNT (*)")))
            client.query("DROP VIEW counts")
            client.query("SELECT 1")
        with connect() as client:
            answers.append(outcome(lambda: client.query("SELECT COUNT (*)")))
            answers.append(outcome(lambda: client.query("CREATE TABLE count (a INT)")))
            client.query("DROP TABLE count")
        seen.append(answers)
    assert seen[0] == seen[1], seen
    assert "IGNORE_SPACE" in seen[0][0] and "IGNORE_SPACE" not in seen[0][5], seen[0]


@case(seconds=60)
def numbers_of_a_session_of_ones_own(_context, pair):
    """SET auto_increment_increment and _offset: for the session, wherever it runs; what two homes give
    twice, certification finds."""
    def play(client):
        seen = []
        for sql in ("CREATE TABLE numbered (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
                    "SET auto_increment_increment = 100, @@auto_increment_offset = 7",
                    "INSERT INTO numbered (v) VALUES (1), (2), (3)", "SELECT * FROM numbered",
                    "SELECT @@auto_increment_increment, @@auto_increment_offset",
                    "SET SESSION auto_increment_increment = 1000", "INSERT INTO numbered (v) VALUES (4)",
                    "SELECT LAST_INSERT_ID()", "SET STATEMENT auto_increment_increment = 5 FOR "
                    "INSERT INTO numbered (v) VALUES (5)", "SELECT * FROM numbered",
                    "SELECT @@auto_increment_increment, @@auto_increment_offset"):
            seen.append(outcome(lambda sql=sql: client.query(sql)))
        client.reset_connection()
        return seen

    with pair.connect() as through, pair.connect_plain() as plain:
        found, expected = play(through), play(plain)
    assert found == expected, (found, expected)
    with pair.connect() as client:
        assert client.value("SELECT @@auto_increment_increment") == "16"
        assert outcome(lambda: client.query("SET GLOBAL auto_increment_increment = 1"))[0] == 1238
    pair.assert_identical()
    pair.sql("DROP TABLE numbered")
    pair.plain.query("DROP TABLE test.numbered")


@case(seconds=60)
def purge_of_a_binlog(_context, pair):
    """At the home, whose binlogs SHOW BINARY LOGS tells."""
    def play(client):
        return [outcome(lambda sql=sql: client.query(sql)) for sql in (
            "PURGE BINARY LOGS BEFORE (SELECT NOW())", "PURGE MASTER LOGS BEFORE NOW() - INTERVAL 4 DAY",
            "PURGE BINARY LOGS TO 'nosuch.000001'", "PURGE BINARY LOGS BEFORE")]

    with pair.connect() as through, pair.connect_plain() as plain:
        assert play(through) == play(plain)


@case(seconds=60)
def status_counters(_context, pair):
    """FLUSH STATUS, a statement, SHOW STATUS: what the statement does, wherever its session would have run
    it, and nothing of what Consort does beside it."""
    names = ("Handler_%", "Com_%", "Questions", "Select_%", "Sort_%", "Feature_%", "Created_tmp_tables",
             "Empty_queries", "Rows_read", "Optimizer_%")

    def play(client):
        seen = []
        # Who opens a table first reads its statistics, here perhaps another connection.
        client.query("SET use_stat_tables = NEVER")
        for statements in (
                ["CREATE TABLE counted (id INT PRIMARY KEY, v INT)"],
                ["INSERT INTO counted VALUES (1, 1), (2, 2), (3, 3)"], ["UPDATE counted SET v = 9 WHERE id = 2"],
                ["UPDATE counted SET v = 9 WHERE id = 77"], ["SELECT * FROM counted ORDER BY v"],
                ["SELECT * FROM counted WHERE v > 1", "SELECT 1", "SELECT COUNT(*) FROM counted"],
                ["BEGIN", "INSERT INTO counted VALUES (4, 4)", "SELECT * FROM counted", "COMMIT"],
                ["CREATE TABLE copied SELECT id, v FROM counted", "SELECT * FROM copied"], ["DROP TABLE copied"],
                ["CREATE OR REPLACE TABLE copied (PRIMARY KEY (v)) SELECT v * 1e0 AS v, COUNT(*) FROM counted GROUP BY v"],
                ["DROP TABLE copied", "CREATE TABLE copied SELECT 1 AS one FROM counted WHERE v > 99", "DROP TABLE copied"],
                ["BEGIN", "UPDATE counted SET v = 5", "ROLLBACK"], ["ALTER TABLE counted ADD w INT", "DROP TABLE counted"]):
            client.query("FLUSH STATUS")
            for sql in statements:
                client.query(sql)
            seen.append((statements, sorted(row for name in names for row in
                                            client.query(f"SHOW STATUS LIKE '{name}'").rows if row[1] != b"0")))
        client.query("FLUSH STATUS")
        client.query("SELECT 1")
        before = client.query("SHOW SESSION STATUS LIKE 'Com_select'").rows
        client.reset_connection()
        seen.append((before, client.query("SHOW SESSION STATUS LIKE 'Com_select'").rows))
        return seen

    with pair.connect() as through, pair.connect_plain() as plain:
        for found, expected in zip(play(through), play(plain), strict=True):
            ours, theirs = set(found[1]), set(expected[1])
            assert found == expected, (found[0], sorted(ours - theirs), sorted(theirs - ours))


@case(seconds=60)
def wide_characters_from_a_text(_context, pair):
    """What an EXECUTE or CALL sets is in force before the end of the branch that it runs in."""
    pair.compare(["CREATE TABLE wide (a INT)", "SET @c = 'SET SESSION collation_connection = utf32_spanish_ci'",
                  "PREPARE s FROM @c", "EXECUTE s", "SELECT @@collation_connection", "INSERT INTO wide VALUES (1)",
                  "SET NAMES utf8mb4", "BEGIN", "INSERT INTO wide VALUES (2)", "EXECUTE s", "INSERT INTO wide VALUES (3)",
                  "COMMIT", "SET NAMES utf8mb4", "DEALLOCATE PREPARE s", "SELECT * FROM wide",
                  "CREATE PROCEDURE widen() SET collation_connection = ucs2_bin", "CALL widen()",
                  "SELECT @@collation_connection", "INSERT INTO wide VALUES (4)", "SET NAMES utf8mb4",
                  "BEGIN NOT ATOMIC SET collation_connection = utf16_bin; INSERT INTO wide VALUES (5); END",
                  "SET NAMES utf8mb4", "SELECT * FROM wide", "DROP PROCEDURE widen", "DROP TABLE wide"])


@case(seconds=60)
def a_schema_that_somebody_drops(_context, pair):
    """Who is in it stays there, and hears what is missing in it."""
    asked = ["SELECT DATABASE()", "SELECT 1", "SELECT * FROM t", "SELECT * FROM t, u", "DROP TABLE t",
             "DROP TABLE IF EXISTS t", "SHOW WARNINGS", "CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)",
             "ALTER TABLE t ADD b INT", "TRUNCATE t", "SHOW TABLES", "DESCRIBE t", "LOCK TABLES t READ",
             "CREATE VIEW v AS SELECT 1", "DROP VIEW IF EXISTS v", "SHOW WARNINGS", "DROP VIEW v",
             "CREATE PROCEDURE p() SELECT 1", "CALL p()", "DROP PROCEDURE IF EXISTS p", "SHOW WARNINGS",
             "RENAME TABLE t TO u", "CREATE TABLE t LIKE mysql.db", "CREATE TABLE t SELECT 1",
             "PREPARE s FROM 'SELECT * FROM t'", "CREATE INDEX i ON t (a)", "SELECT f()", "DROP SEQUENCE IF EXISTS s",
             "CREATE SEQUENCE s", "USE gone", "SELECT DATABASE()", "DROP DATABASE gone", "SHOW CREATE DATABASE gone",
             "INSERT INTO test.seen VALUES (1)", "BEGIN", "SELECT * FROM test.seen", "COMMIT", "SET @x = 1", "SELECT @x",
             "CREATE DATABASE gone CHARACTER SET latin1", "CREATE TABLE t (c TEXT)", "SHOW CREATE TABLE t",
             "INSERT INTO t VALUES ('x')", "SELECT * FROM gone.t"]

    def play(connect):
        with connect("test") as other:
            other.query("CREATE DATABASE gone")
            other.query("CREATE TABLE gone.t (a INT)")
            other.query("CREATE TABLE test.seen (a INT)")
            if connect == pair.connect:
                pair.settle()
            with connect("gone") as client:
                client.query("INSERT INTO t VALUES (1)")
                other.query("DROP DATABASE gone")
                if connect == pair.connect:
                    pair.settle()  # another session's
                seen = [(sql, outcome(lambda s=sql: client.query(s))) for sql in asked]
            other.query("DROP DATABASE gone")
            other.query("DROP TABLE test.seen")
        return seen

    for plain, through in zip(play(pair.connect_plain), play(pair.connect)):
        assert plain == through, (plain, through)
    pair.assert_identical()


@case(seconds=60)
def collations_of_many_character_sets(_context, pair):
    """SET NAMES takes their names without one (since 10.10); on the other servers DDL needs them whole."""
    pair.compare(["SET NAMES utf8mb4 COLLATE uca1400_ai_ci",
                  "SELECT @@collation_connection = 'utf8mb4_uca1400_ai_ci' AS a", "CREATE TABLE many (a INT)",
                  "CREATE VIEW seen AS SELECT 'a' AS a",
                  "SELECT COUNT(*) FROM information_schema.VIEWS WHERE TABLE_NAME = 'seen' AND "
                  "COLLATION_CONNECTION = 'utf8mb4_uca1400_ai_ci'", "SET NAMES utf8mb3 COLLATE 'UCA1400_AS_CS'",
                  "SELECT @@collation_connection = 'utf8mb3_uca1400_as_cs' AS a", "DROP VIEW seen", "DROP TABLE many"])
    pair.assert_identical()
    assert set(pair.consort.backend_states().values()) == {"online"}
