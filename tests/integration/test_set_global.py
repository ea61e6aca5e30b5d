"""SET GLOBAL through Consort: on every server, in one order, for every session that comes after."""

import contextlib
import threading
import time

from support import wire
from support.case import case
from support.cluster import Cluster, together
from support.process import wait_until


def setup(context):
    return Cluster(context, settings={"workers": 2})


def everywhere(cluster, name):
    """The variable's value on each server, as it shows there."""
    cluster.settle()
    return [server.query(f"SELECT @@global.{name}")[0][0] for server in cluster.servers]


def seen_by_all_homes(cluster, expression):
    """What new sessions see, one with each server as its home."""
    clients = cluster.on_homes()
    try:
        seen = []
        for client in clients:
            client.query("BEGIN")
            client.query("SELECT seqno FROM consort.`position` FOR UPDATE")
            seen.append(client.value(f"SELECT {expression}"))
            client.query("ROLLBACK")
        return seen
    finally:
        for client in clients:
            client.quit()


@case(seconds=60)
def all_servers_and_new_sessions(_context, cluster):
    """All servers have the value when the client has its OK; sessions that come have it as theirs,
    on connections that others had before, too; those that run keep theirs, wherever they read."""
    old = cluster.on_homes()
    assert {client.value("SELECT @@sort_buffer_size") for client in old} == {"2097152"}
    with cluster.connect() as client:
        client.query("SET GLOBAL sort_buffer_size = 262144, @@global.lc_time_names = 'de_DE'")
        assert client.value("SELECT @@global.sort_buffer_size") == "262144"
        assert client.value("SELECT @@sort_buffer_size") == "2097152"
        for _ in range(8):  # whichever server reads it
            with cluster.connect() as fresh:
                assert fresh.value("SELECT @@global.sort_buffer_size") == "262144"
                assert fresh.value("SELECT @@sort_buffer_size") == "262144"
                assert fresh.value("SELECT @@lc_time_names") == "de_DE"
                assert fresh.value("SELECT DATE_FORMAT('2026-11-27', '%W')") == "Freitag"
    assert everywhere(cluster, "sort_buffer_size") == [262144] * 3
    assert everywhere(cluster, "lc_time_names") == ["de_DE"] * 3
    for client in old:
        assert client.value("SELECT @@sort_buffer_size") == "2097152"
        client.query("BEGIN")
        client.query("SELECT seqno FROM consort.`position` FOR UPDATE")
        assert client.value("SELECT @@sort_buffer_size, 1") == "2097152"
        client.query("ROLLBACK")
        client.reset_connection()
        assert client.value("SELECT @@sort_buffer_size") == "262144"
        client.quit()
    assert seen_by_all_homes(cluster, "@@sort_buffer_size") == ["262144"] * 3
    cluster.sql("SET GLOBAL sort_buffer_size = DEFAULT, GLOBAL lc_time_names = DEFAULT")
    assert everywhere(cluster, "sort_buffer_size") == [2097152] * 3


@case(seconds=60)
def values_are_evaluated_once(_context, cluster):
    """@variables, other variables, expressions, DEFAULT, several scopes in one statement, a prepared
    statement, EXECUTE, text that needs quotes: the others get the value."""
    with cluster.connect() as client:
        client.query("SET @old = @@global.max_error_count, @new = 77")
        client.query("SET GLOBAL max_error_count = @new, SESSION max_error_count = @new + 1, @x = 5")
        assert everywhere(cluster, "max_error_count") == [77] * 3
        assert client.value("SELECT @@max_error_count") == "78"
        assert client.value("SELECT @x") == "5"
        client.query("SET GLOBAL max_error_count = @@global.max_error_count + 3")
        assert everywhere(cluster, "max_error_count") == [80] * 3
        client.query("SET GLOBAL max_error_count = @old")
        assert everywhere(cluster, "max_error_count") == [64] * 3
        statement = client.prepare("SET GLOBAL max_error_count = 65")
        client.execute(statement)
        assert everywhere(cluster, "max_error_count") == [65] * 3
        client.query("PREPARE s FROM 'SET GLOBAL max_error_count = 66'")
        client.query("EXECUTE s")
        client.query("EXECUTE IMMEDIATE CONCAT('SET GLOBAL long_query_time', '= 1.5')")
        assert everywhere(cluster, "max_error_count") == [66] * 3
        client.query("SET GLOBAL slow_query_log_file = 'it''s \\\\ \u00e4\u20ac.log'")
        assert everywhere(cluster, "slow_query_log_file") == ["it's \\ \u00e4\u20ac.log"] * 3
        client.query("SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', NAMES latin1")
        client.query("SET GLOBAL slow_query_log_file = 'it''s \\ a.log'".encode("latin1"))
        assert everywhere(cluster, "slow_query_log_file") == ["it's \\ a.log"] * 3
        client.query("SET sql_mode = DEFAULT, NAMES utf8mb4")
        client.query("SET GLOBAL max_error_count = DEFAULT, GLOBAL long_query_time = DEFAULT,"
                     " GLOBAL slow_query_log_file = 'slow.log'")
        client.query("SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED")
        assert everywhere(cluster, "tx_isolation") == ["READ-COMMITTED"] * 3
    assert seen_by_all_homes(cluster, "@@tx_isolation") == ["READ-COMMITTED"] * 3
    cluster.sql("SET GLOBAL tx_isolation = 'REPEATABLE-READ'")
    assert seen_by_all_homes(cluster, "@@tx_isolation") == ["REPEATABLE-READ"] * 3


@case(seconds=60)
def errors_are_the_servers(_context, cluster):
    """Unknown, read only, session only, wrong type and value, no privilege, out of range; nothing
    changes anywhere. What Consort keeps is refused with the reason."""
    cluster.sql("CREATE USER poor@'%' IDENTIFIED BY 'pw'", "GRANT SELECT ON test.* TO poor@'%'")
    with cluster.connect() as client, cluster.servers[0].connect() as plain:
        cursor = plain.cursor()
        for sql in ("SET GLOBAL nosuch = 1", "SET GLOBAL version = 'x'", "SET GLOBAL timestamp = 1",
                    "SET GLOBAL max_error_count = 'x'", "SET GLOBAL sql_mode = 'nosuch'",
                    "SET GLOBAL max_error_count = 5, nosuch = 1", "SET GLOBAL max_error_count = ",
                    "SET GLOBAL sort_buffer_size = NULL", "SET PERSIST max_error_count = 5"):
            try:
                cursor.execute(sql)
                expected = None
            except Exception as failed:  # pylint: disable=broad-except
                expected = failed.args[0]
            assert client.error_of(sql)[0] == expected, sql
        client.query("SET GLOBAL max_error_count = 70000")
        assert [int(row[1]) for row in client.query("SHOW WARNINGS").rows] == [1292]
        assert everywhere(cluster, "max_error_count") == [65535] * 3
        client.query("SET GLOBAL max_error_count = DEFAULT")
        for sql in ("SET GLOBAL slave_net_timeout = 5", "SET GLOBAL binlog_format = 'STATEMENT'",
                    "SET GLOBAL innodb_snapshot_isolation = 1",
                    "SET GLOBAL auto_increment_increment = 1",
                    "SET GLOBAL max_error_count = 1, server_id = 9", "SET @@global.gtid_domain_id = 2",
                    "SET GLOBAL slave_exec_mode = 'IDEMPOTENT'"):
            assert client.error_of(sql) == (1238, "HY000"), sql
        for sql in ("SET GLOBAL `x y`.key_buffer_size = 1", "SET GLOBAL max_error_count = f()",
                    "SET GLOBAL max_error_count = 5, read_only = 1",
                    "SET GLOBAL max_error_count = 5, event_scheduler = 1"):
            assert client.error_of(sql) == (1235, "42000"), sql
        client.query("BEGIN")
        client.query("SELECT COUNT(*) FROM consort.`position`")
        assert client.error_of("SET GLOBAL max_error_count = 70") == (1235, "42000")
        assert client.query("DO 1").in_transaction
        client.query("ROLLBACK")
        client.query("BEGIN")
        client.query("SET GLOBAL max_error_count = 70")
        assert client.query("DO 1").in_transaction
        client.query("COMMIT")
        with cluster.connect(database="test", user="poor", password="pw") as poor:
            assert poor.error_of("SET GLOBAL max_error_count = 7") == (1227, "42000")
    assert everywhere(cluster, "max_error_count") == [70] * 3
    cluster.sql("SET GLOBAL max_error_count = DEFAULT", "DROP USER poor@'%'")


@case(seconds=60)
def a_restarted_server_has_them_again(_context, cluster):
    """Its file's values are in force for no session; who deletes what is kept ends that."""
    cluster.sql("SET GLOBAL max_sort_length = 2000, GLOBAL div_precision_increment = 7")
    for each in cluster.servers:
        kept = dict(each.query("SELECT name, value FROM consort.global_variables"))
        assert kept["max_sort_length"] == "2000" and kept["div_precision_increment"] == "7", kept
    server = cluster.servers[1]
    server.kill()
    with cluster.connect() as client:  # while it is away
        client.query("SET GLOBAL max_sort_length = 3000")
    server.start()
    wait_until(lambda: set(cluster.consort.backend_states().values()) == {"online"}, 30, "online")
    assert everywhere(cluster, "max_sort_length") == [3000] * 3
    assert everywhere(cluster, "div_precision_increment") == [7] * 3
    assert seen_by_all_homes(cluster, "1/3") == ["0.3333333"] * 3
    cluster.sql("DELETE FROM consort.global_variables WHERE name = 'max_sort_length'",
                "SET GLOBAL div_precision_increment = DEFAULT")
    cluster.assert_identical()
    server.stop()
    server.start()
    wait_until(lambda: set(cluster.consort.backend_states().values()) == {"online"}, 30, "online")
    assert everywhere(cluster, "max_sort_length") == [3000, 1024, 3000]
    cluster.sql("SET GLOBAL max_sort_length = DEFAULT")


@case(seconds=60)
def named_key_caches(_context, cluster):
    """All servers have them, also one that restarts, though nothing of InnoDB is in one."""
    table = cluster.table("id INT PRIMARY KEY")
    with cluster.connect() as client:
        client.query("SET GLOBAL Hot.key_buffer_size = 1048576, @@global.Hot.Key_cache_block_size = 2048")
        client.query("SET @@global.default.key_cache_age_threshold = 400")
        answer = [(table_name.decode(), operation.decode()) for table_name, operation, *_ in
                  client.query(f"CACHE INDEX {table} IN Hot").rows]
        assert answer == [(f"test.{table}", "assign_to_keycache")], answer
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} VALUES (1)")
        client.query(f"LOAD INDEX INTO CACHE {table}")
        client.query("ROLLBACK")
        assert client.value(f"SELECT COUNT(*) FROM {table}") == "0"
        assert client.error_of(f"CACHE INDEX {table} IN nowhere")[0] == 1284
    size = everywhere(cluster, "Hot.key_buffer_size")
    assert size[0] > 1000000 and size == size[:1] * 3, size
    server = cluster.servers[1]
    server.stop()
    server.start()
    wait_until(lambda: set(cluster.consort.backend_states().values()) == {"online"}, 30, "online")
    assert everywhere(cluster, "Hot.key_buffer_size") == size
    assert everywhere(cluster, "Hot.key_cache_block_size") == [2048] * 3
    assert everywhere(cluster, "key_cache_age_threshold") == [400] * 3
    cluster.sql("SET GLOBAL Hot.key_buffer_size = 0, GLOBAL key_cache_age_threshold = DEFAULT")
    cluster.sql("DELETE FROM consort.global_variables WHERE name LIKE 'Hot.%'")


@case(seconds=60)
def max_allowed_packet_is_for_clients(_context, cluster):
    """New sessions have it as on a server; what applies rows takes larger ones, also when it has
    connected again; a Consort that restarts knows it."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT")

    def fresh(statement):
        """What a new session gets: its first column, or the error's number."""
        with contextlib.closing(cluster.connect()) as client:
            try:
                return client.value(statement)
            except wire.ServerError as failed:
                return failed.code
            except wire.Closed:
                return 1153

    def writes(many):
        """A transaction of more bytes than a packet may have, in statements of less."""
        with cluster.connect() as client:
            client.query("BEGIN")
            for _ in range(many):
                client.query(f"INSERT INTO {table} (v) VALUES (REPEAT('y', 100000))")
            client.query("COMMIT")
        cluster.settle()

    long_text = f"SELECT LENGTH('{'x' * 200000}')"
    with cluster.connect() as old:
        assert fresh(long_text) == "200000"
        old.query("SET GLOBAL max_allowed_packet = 131072")
        assert fresh("SELECT @@max_allowed_packet") == "131072"
        assert fresh("SELECT REPEAT('x', 131073) IS NULL") == "1"
        assert fresh(long_text) == 1153
        assert everywhere(cluster, "max_allowed_packet") == [131072] * 3
        writes(5)
    for number, server in enumerate(cluster.servers):
        thread = server.query("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'consort'"
                              " ORDER BY ID")
        for (connection,) in thread:
            server.query(f"KILL {connection}")
        wait_until(lambda: set(cluster.consort.backend_states().values()) == {"online"}, 30,
                   f"lane {number} again")
    writes(5)
    assert everywhere(cluster, "max_allowed_packet") == [131072] * 3
    cluster.consort.stop()
    cluster.consort.start()
    assert fresh(long_text) == 1153
    assert fresh("SELECT @@max_allowed_packet") == "131072"
    writes(5)
    cluster.assert_identical()
    assert int(cluster.sql(f"SELECT COUNT(*) FROM {table}")[0][0]) == 15
    cluster.sql("SET GLOBAL max_allowed_packet = 1073741824")
    assert fresh(long_text) == "200000"


@case(seconds=60)
def definitions_do_not_differ(_context, cluster):
    """What DDL takes from the settings is the same on all servers, for sessions from before and
    after, while the settings change."""
    stop = threading.Event()
    done = {1: 0, 2: 0}  # by each that creates, so far

    def change():
        rounds = 0
        try:
            with cluster.connect() as client:
                while not stop.is_set() and (rounds < 3 or sum(done.values()) <= 15):  # slow ones
                    for charset in ("latin2", "utf8mb4", "latin1", "koi8r", "utf8mb4"):
                        client.query(f"SET GLOBAL character_set_server = {charset}")
                        time.sleep(0.02)
                    rounds += 1
        finally:
            stop.set()

    def create(number):
        try:
            with cluster.connect() as old:
                while not stop.is_set():
                    made = done[number]
                    client = old if made % 2 else cluster.connect()
                    client.query(f"CREATE DATABASE d{number}_{made}")
                    client.query(f"CREATE TABLE d{number}_{made}.t (a TEXT, b INT DEFAULT 1)")
                    if client is not old:
                        client.quit()
                    done[number] += 1
        finally:
            stop.set()  # also when it failed
        return done[number]

    results = together(change, lambda: create(1), lambda: create(2))
    failures = [result for result in results if isinstance(result, Exception)]
    assert not failures, failures
    assert results[1] + results[2] > 15, results
    cluster.assert_identical()
    seen = [server.query("SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM"
                         " information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'd%' ORDER BY 1")
            for server in cluster.servers]
    assert seen[0] == seen[1] == seen[2], seen
    assert len({collation for _, collation in seen[0]}) > 1, seen[0]
    cluster.sql("SET GLOBAL character_set_server = utf8mb4", *[
        f"DROP DATABASE {name}" for name, _ in seen[0]])


@case(seconds=60)
def beside_commits(_context, cluster):
    """Sessions that change a variable and sessions that commit do not wait for one another, and all
    servers end with one value."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, v INT")

    def change(start):
        with cluster.connect() as client:
            for value in range(start, start + 25):
                client.query(f"SET GLOBAL max_error_count = {value}")

    def commit():
        with cluster.connect() as client:
            for value in range(60):
                client.query(f"INSERT INTO {table} (v) VALUES ({value})")

    results = together(lambda: change(100), lambda: change(200), commit, commit)
    assert not any(isinstance(result, Exception) for result in results), results
    values = everywhere(cluster, "max_error_count")
    assert len(set(values)) == 1 and values[0] in (124, 224), values
    assert int(cluster.sql(f"SELECT COUNT(*) FROM {table}")[0][0]) == 120
    cluster.sql("SET GLOBAL max_error_count = DEFAULT")


@case(seconds=60)
def sql_mode_is_read_at_once(_context, cluster):
    """A new sql_mode is how texts of new sessions are read, here as on the servers."""
    table = cluster.table("id INT PRIMARY KEY, v VARCHAR(20)")
    with cluster.connect() as old:
        old.query("SET GLOBAL sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')")
        with cluster.connect() as fresh:
            fresh.query(f'INSERT INTO "{table}" VALUES (1, \'x\')')
            fresh.query(f'CREATE TABLE "{table}_too" ("a" INT)')
            assert fresh.value(f'SELECT "v" FROM "{table}"') == "x"
        cluster.settle()
        assert old.value(f'SELECT "v" FROM {table}') == "v"
        old.query("SET GLOBAL sql_mode = DEFAULT")
    cluster.assert_identical()
