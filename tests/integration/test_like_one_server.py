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
