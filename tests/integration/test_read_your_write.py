"""A session reads what it wrote, wherever its reads go; the consistency levels keep their word."""

import threading

from support import wire
from support.case import case
from support.cluster import Cluster


def setup(context):
    return Cluster(context)


@case(seconds=60, soak_seconds=900)
def session_reads_its_own_writes(context, cluster):
    """1,000 times, over all backends: no miss. Other sessions keep the lanes busy meanwhile."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    noise = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)")
    rounds = context.pick(1000, 100_000)
    stop = threading.Event()

    def make_noise():
        with cluster.connect() as client:
            number = 0
            while not stop.is_set():
                number += 1
                client.query(f"INSERT INTO {noise} VALUES ({number}, 0)")

    thread = threading.Thread(target=make_noise)
    thread.start()
    servers, misses = {}, []
    try:
        with cluster.connect() as client:
            for number in range(1, rounds + 1):
                client.query(f"UPDATE {table} SET v = {number} WHERE id = 1")
                row = client.query(f"SELECT v, @@server_id FROM {table} WHERE id = 1").rows[0]
                servers[row[1]] = servers.get(row[1], 0) + 1
                if int(row[0]) != number:
                    misses.append((number, row))
    finally:
        stop.set()
        thread.join()
    assert not misses, f"{len(misses)} misses: {misses[:5]}"
    assert len(servers) == len(cluster.servers), f"all reads went to {servers}"
    cluster.assert_identical()
    return f"{rounds} reads on {sorted(servers.items())}"


@case(seconds=30)
def after_a_transaction_too(context, cluster):
    """The commit of an explicit transaction is seen by the next statement."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    with cluster.connect() as client:
        for number in range(context.pick(200, 10_000)):
            client.query("BEGIN")
            client.query(f"INSERT INTO {table} VALUES ({number}, 0)")
            client.query("COMMIT")
            assert int(client.value(f"SELECT COUNT(*) FROM {table}")) == number + 1


@case(seconds=30)
def strong_reads_see_everybody(context, cluster):
    """What one session was told is seen by another session's strong read at once."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)")
    with cluster.connect() as writer, cluster.connect() as reader:
        for number in range(1, context.pick(300, 10_000)):
            writer.query(f"UPDATE {table} SET v = {number} WHERE id = 1")
            seen = int(reader.value(f"SELECT /* consort: read=strong */ v FROM {table}"))
            assert seen == number, f"a strong read saw {seen} after {number}"


@case(seconds=30)
def hint_chooses_the_backend(_context, cluster):
    """/* consort: backend=s2 */ reads there."""
    with cluster.connect() as client:
        for number in (1, 2, 3):
            for _ in range(5):
                got = client.value(f"SELECT /* consort: backend=s{number} */ @@server_id")
                assert got == str(number)


@case(seconds=30)
def session_state_follows_reads(_context, cluster):
    """Settings, the current database and user variables hold on every backend."""
    cluster.sql("CREATE DATABASE IF NOT EXISTS other", "CREATE TABLE IF NOT EXISTS other.o (a INT)")
    with cluster.connect() as client:
        client.query("SET SESSION sql_mode = 'ANSI_QUOTES', time_zone = '+05:00'")
        client.query("SET NAMES latin1")
        client.query("USE other")
        client.query("SET @mine = 42")
        for _ in range(12):
            row = client.query("SELECT @@sql_mode, @@time_zone, @@character_set_client,"
                               " DATABASE()").rows[0]
            assert row == (b"ANSI_QUOTES", b"+05:00", b"latin1", b"other"), row
            assert client.value("SELECT @mine") == "42"


@case(seconds=30)
def temporary_tables_stay_reachable(_context, cluster):
    """A session with a temporary table finds it in every statement, and loses it at reset."""
    with cluster.connect() as client:
        client.query("CREATE TEMPORARY TABLE mine (a INT)")
        for number in range(10):
            client.query(f"INSERT INTO mine VALUES ({number})")
            assert int(client.value("SELECT COUNT(*) FROM mine")) == number + 1
        client.reset_connection()
        try:
            client.query("SELECT * FROM mine")
            raise AssertionError("the temporary table survived a reset")
        except wire.ServerError as error:
            assert error.code == 1146, error
