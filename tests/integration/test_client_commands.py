"""Commands that are more than one packet and its answer: long data."""

import hashlib

from support import wire
from support.case import case
from support.cluster import Cluster

LIMIT_BYTES = 24 << 20


def setup(context):
    return Cluster(context, settings={"limits": {"packet_bytes_max": LIMIT_BYTES}})


# ---- COM_STMT_SEND_LONG_DATA ----------------------------------------------------------------


@case(seconds=60)
def long_data_is_large(_context, cluster):
    """Pieces above 16 MiB, up to the limit; above it an error that a reset ends."""
    table = cluster.table("id INT PRIMARY KEY, b LONGBLOB")
    piece = bytes(range(256)) * (LIMIT_BYTES // 256 - 1)
    with cluster.connect(timeout=60) as client:
        statement = client.prepare(f"INSERT INTO {table} VALUES (?, ?)")
        client.send_long_data(statement, 1, piece)
        client.send_long_data(statement, 1, b"end")
        assert client.execute(statement, (1, wire.LONG_DATA)).affected == 1
        client.send_long_data(statement, 1, piece)
        client.send_long_data(statement, 1, b"x" * 257)
        for _ in range(2):
            try:
                client.execute(statement, (2, wire.LONG_DATA))
                raise AssertionError("more than the limit")
            except wire.ServerError as error:
                assert error.code == 1105 and "longer than" in error.message, error
        client.reset_statement(statement)
        client.send_long_data(statement, 1, b"short")
        assert client.execute(statement, (2, wire.LONG_DATA)).affected == 1
    cluster.settle()
    rows = cluster.sql(f"SELECT id, LENGTH(b), MD5(b) FROM {table} ORDER BY id")
    assert rows == [(b"1", str(len(piece) + 3).encode(), hashlib.md5(piece + b"end").hexdigest().encode()),
                    (b"2", b"5", hashlib.md5(b"short").hexdigest().encode())], rows
    cluster.assert_identical()


@case(seconds=60)
def long_data_survives_the_home(_context, cluster):
    """The backend that was to execute is gone: another one gets the data."""
    table = cluster.table("id INT PRIMARY KEY, b LONGBLOB")
    with cluster.connect(timeout=60) as client:
        statement = client.prepare(f"INSERT INTO {table} VALUES (?, ?)")
        client.execute(statement, (1, "a"))
        client.query("BEGIN")
        home = int(client.value("SELECT @@server_id")) - 1
        client.query("ROLLBACK")
        client.send_long_data(statement, 1, b"from the client, once")
        cluster.servers[home].kill()
        assert client.execute(statement, (2, wire.LONG_DATA)).affected == 1
        cluster.servers[home].start()
        assert client.value(f"SELECT b FROM {table} WHERE id = 2") == "from the client, once"
    cluster.assert_identical()


@case(seconds=30)
def long_data_is_nobody_elses(_context, cluster):
    """Sessions share backend connections and what these have prepared: never data, nor errors."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB")
    sql = f"INSERT INTO {table} (b) VALUES (?)"
    for number in range(12):
        with cluster.connect() as client:
            statement = client.prepare(sql)
            client.send_long_data(statement, number % 2, b"long")  # wrong ones, too
            if number % 3 == 0:
                try:
                    client.execute(statement, (wire.LONG_DATA,))
                except wire.ServerError as error:
                    assert error.code == 1210, error
        with cluster.connect() as client:
            assert client.execute(client.prepare(sql), ("own",)).affected == 1
    cluster.settle()
    values = cluster.sql(f"SELECT b, COUNT(*) FROM {table} GROUP BY b ORDER BY b")
    assert values == [(b"long", b"2"), (b"own", b"12")], values
    cluster.assert_identical()
