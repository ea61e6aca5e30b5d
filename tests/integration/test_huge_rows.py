"""Rows of which no binlog reader can have the event (more than 1 GiB): an error, and nothing else."""

import threading
import time
from collections import Counter

from support.case import Skip, case
from support.cluster import Cluster
from support.process import wait_until
from support.unreadable_binlog import UnreadableBinlogs
from support.wire import code_of

TEXT = "more than anybody can read"
REFUSED = 1105
EVENT_BYTES_MAX = 1 << 30


def setup(context):
    return UnreadableBinlogs(context, TEXT)


def all_online(cluster):
    wait_until(lambda: set(cluster.consort.backend_states().values()) == {"online"}, 30,
               lambda: f"all online: {cluster.consort.get('/backends')}")


def no_branch_stays(cluster):
    wait_until(lambda: not any(server.query("XA RECOVER") for server in cluster.servers), 20,
               "all branches are rolled back")


@case(seconds=60)
def what_cannot_be_read_is_refused(_context, cluster):
    """Alone it is not begun again: nobody could ever read it. Nor is a transaction told to."""
    table = cluster.table("id INT PRIMARY KEY, v TEXT")
    with cluster.connect(timeout=20) as client:
        began = time.monotonic()
        assert code_of(lambda: client.query(f"INSERT INTO {table} VALUES (1, '{TEXT}')")) == REFUSED
        assert time.monotonic() - began < 10, "it was tried again"
        assert cluster.told == 1
        all_online(cluster)
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} VALUES (2, 'short'), (3, '{TEXT}')")
        assert code_of(lambda: client.query("COMMIT")) == REFUSED
        all_online(cluster)
        client.query(f"INSERT INTO {table} VALUES (4, 'short')")
    no_branch_stays(cluster)
    cluster.settle()
    assert cluster.sql(f"SELECT id FROM {table}") == [(b"4",)]
    cluster.assert_identical()


@case(seconds=60)
def in_a_program_its_home_is_taken_out(context, _cluster):
    """It is committed there, and nobody else can have it. The others go on at once."""
    cluster = UnreadableBinlogs(context, TEXT)
    try:
        table = cluster.table("id INT PRIMARY KEY, v TEXT")
        with cluster.connect(timeout=30) as client:
            code = code_of(lambda: client.query(
                f"BEGIN NOT ATOMIC INSERT INTO {table} VALUES (1, 'short'); COMMIT; "
                f"INSERT INTO {table} VALUES (2, '{TEXT}'); COMMIT; END"))
            assert code != 0
        wait_until(lambda: sorted(cluster.consort.backend_states().values()).count("online") == 2, 20,
                   lambda: f"two serve: {cluster.consort.get('/backends')}")
        with cluster.connect(timeout=30) as client:
            client.query(f"INSERT INTO {table} VALUES (3, 'short')")
        # Only its home has the row.
        rows = [server.query(f"SELECT COUNT(*) FROM test.{table} WHERE id = 2")[0][0]
                for server in cluster.servers]
        assert sorted(map(int, rows)) == [0, 0, 1], rows
    finally:
        cluster.close()


@case(seconds=60)
def others_go_on(_context, cluster):
    """Sessions that commit on the same home meanwhile: what has not been read is begun again elsewhere,
    nothing is there on some servers only."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, v TEXT")
    done = threading.Event()
    outcomes = []

    def write():
        with cluster.connect(timeout=30) as client:
            while not done.is_set():
                outcomes.append(code_of(lambda: client.query(f"INSERT INTO {table} (v) VALUES ('x')")))

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    with cluster.connect(timeout=30) as client:
        for _ in range(5):
            sql = f"INSERT INTO {table} (v) VALUES ('{TEXT}')"
            assert code_of(lambda: client.query(sql)) == REFUSED
            all_online(cluster)
    done.set()
    for writer in writers:
        writer.join()
    assert set(outcomes) == {0} and len(outcomes) > 50, Counter(outcomes)
    no_branch_stays(cluster)
    cluster.settle()
    assert cluster.sql(f"SELECT COUNT(*) FROM {table}") == [(str(len(outcomes)).encode(),)]
    cluster.assert_identical()
    return f"{len(outcomes)} rows of others"


@case(seconds=400, soak_seconds=900)
def a_row_of_one_gibibyte(context, _cluster):
    """The real thing."""
    if not context.soak:
        raise Skip("takes gigabytes")
    cluster = Cluster(context, servers=2)
    try:
        table = cluster.table("v LONGTEXT")
        with cluster.connect(timeout=300) as client:
            assert code_of(lambda: client.query(
                f"INSERT INTO {table} VALUES (REPEAT('x', {EVENT_BYTES_MAX}))")) == REFUSED
        all_online(cluster)
        no_branch_stays(cluster)
        assert cluster.sql(f"SELECT COUNT(*) FROM {table}") == [(b"0",)]
        cluster.assert_identical()
    finally:
        cluster.close()
