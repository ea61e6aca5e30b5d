"""ALTER TABLE that numbers rows in the order in which they lie there, of tables without a key that orders them: each
server has another order, and all have the home's numbers then (decision 0046)."""

import threading

from support import wire
from support.case import case
from support.cluster import Cluster
from support.process import wait_until

NUMBER = "ALTER TABLE {} ADD id INT NOT NULL AUTO_INCREMENT, ADD KEY (id)"


def setup(context):
    cluster = Cluster(context, settings={"limits": {"writeset_bytes_max": 16 << 20}})
    cluster.clients = cluster.on_homes()
    return cluster


def fill(cluster, name, definition="n INT, t VARCHAR(20)", rows=24, values="({0} % 5, '{0}')"):
    """With rows that came from all homes at once: one's open transaction is amid the others' rows."""
    cluster.sql(f"CREATE TABLE {name} ({definition})")
    for begin in range(0, rows, 6):
        cluster.clients[begin % 3].query("BEGIN")
        cluster.clients[begin % 3].query(f"INSERT INTO {name} (n, t) VALUES " + values.format(begin))
        for number in range(begin + 1, begin + 6):
            cluster.clients[(begin + 1 + number % 2) % 3].query(
                f"INSERT INTO {name} (n, t) VALUES " + values.format(number))
        cluster.clients[begin % 3].query("COMMIT")
    cluster.settle()


def rows_of(cluster, name, columns="t", order=""):
    return [list(map(tuple, server.query(f"SELECT {columns} FROM test.{name} USE INDEX () {order}"))) for server in
            cluster.servers]


def online(cluster):
    return set(cluster.consort.backend_states().values()) == {"online"}


@case(seconds=60, each=[
    ("plain", "n INT, t VARCHAR(20)"),
    ("unique_with_null", "n INT, t VARCHAR(20), u INT UNIQUE, b BLOB DEFAULT 'x', f FLOAT DEFAULT 1.5"),
    ("generated", "n INT, t VARCHAR(20), v INT AS (n * 2) VIRTUAL, s INT AS (n + 1) STORED, KEY (v), x TEXT INVISIBLE DEFAULT 'y'"),
    ("partitioned", "n INT, t VARCHAR(20) PARTITIONED"),
    ("long_unique", "n INT, t VARCHAR(20), l TEXT UNIQUE")])
def numbers_of_the_home(_context, cluster, definition):
    if "PARTITIONED" in definition:
        definition = definition.replace(" PARTITIONED", ") PARTITION BY HASH (n) PARTITIONS (3")
        cluster.sql("CREATE TABLE heap (n INT, t VARCHAR(20)) PARTITION BY HASH (n) PARTITIONS 3",
                    "INSERT INTO heap VALUES (4, 'first'), (2, 'second')")
        for number in range(12):
            cluster.clients[number % 3].query(f"INSERT INTO heap VALUES ({number % 5}, '{number}')")
        cluster.settle()
    else:
        fill(cluster, "heap", definition)
    before = rows_of(cluster, "heap")
    cluster.clients[1].query(NUMBER.format("heap"))
    cluster.assert_identical()
    numbered = rows_of(cluster, "heap", "t", "ORDER BY id")
    assert numbered[0] in before, (numbered[0], before)
    assert numbered[0] == numbered[1] == numbered[2]
    numbers = cluster.clients[0].query("SELECT MIN(id), MAX(id), COUNT(DISTINCT id) FROM heap").rows
    assert numbers == [(b"1", str(len(before[0])).encode(), str(len(before[0])).encode())], numbers
    for client in cluster.clients:
        client.query("INSERT INTO heap (n, t) VALUES (9, 'more')")
    cluster.assert_identical()
    assert online(cluster)
    cluster.sql("DROP TABLE heap")


@case(seconds=60)
def orders_do_differ(_context, cluster):
    """Else this file would test nothing."""
    fill(cluster, "heap")
    before = rows_of(cluster, "heap")
    assert not before[0] == before[1] == before[2], before
    cluster.sql("DROP TABLE heap")


@case(seconds=60)
def of_duplicates_all_keep_the_homes_first(_context, cluster):
    fill(cluster, "heap")
    cluster.clients[2].query("ALTER IGNORE TABLE heap ADD UNIQUE (n)")
    cluster.assert_identical()
    assert cluster.clients[0].value("SELECT COUNT(*) FROM heap") == "5"
    cluster.sql("DROP TABLE heap")


@case(seconds=60)
def what_refers_to_rows_stays(_context, cluster):
    fill(cluster, "heap", "n INT, t VARCHAR(20), KEY (n)")
    cluster.sql("CREATE TABLE kids (n INT, FOREIGN KEY (n) REFERENCES heap (n) ON DELETE CASCADE)",
                "INSERT INTO kids VALUES (1), (2), (3)")
    cluster.clients[0].query("ALTER TABLE heap ADD id SERIAL")
    cluster.assert_identical()
    assert cluster.clients[0].value("SELECT COUNT(*) FROM kids") == "3"
    cluster.clients[0].query("DELETE FROM heap WHERE n = 2")
    assert cluster.clients[0].value("SELECT COUNT(*) FROM kids") == "2"
    cluster.assert_identical()
    cluster.sql("DROP TABLE kids, heap")


@case(seconds=90)
def others_write_meanwhile(_context, cluster):
    """Nothing that was committed is lost, and the numbers are the same whoever was first."""
    fill(cluster, "heap", rows=300)
    stopped, inserted, errors = threading.Event(), [0, 0, 0], []

    def write(index):
        with cluster.connect() as client:
            while not stopped.is_set():
                try:
                    client.query(f"INSERT INTO heap (n, t) VALUES ({index}, 'w')")
                    inserted[index] += 1
                except wire.ServerError as error:
                    if error.code not in (1213, 1205):
                        errors.append(error)
                        return
                stopped.wait(0.02)

    writers = [threading.Thread(target=write, args=(index,)) for index in range(3)]
    for writer in writers:
        writer.start()
    try:
        wait_until(lambda: sum(inserted) > 20, 20, "all write")
        cluster.clients[0].query(NUMBER.format("heap"))
        before = sum(inserted)
        wait_until(lambda: sum(inserted) > before + 10, 20, "they go on")
    finally:
        stopped.set()
        for writer in writers:
            writer.join()
    assert not errors, errors
    cluster.assert_identical()
    assert int(cluster.clients[0].value("SELECT COUNT(*) FROM heap")) == 300 + sum(inserted)
    assert online(cluster)
    cluster.sql("DROP TABLE heap")


@case(seconds=60)
def an_open_transaction_loses(_context, cluster):
    fill(cluster, "heap")
    cluster.clients[0].query("BEGIN")
    cluster.clients[0].query("INSERT INTO heap (n, t) VALUES (1, 'open')")
    cluster.clients[1].query(NUMBER.format("heap"))
    error = cluster.clients[0].error_of("COMMIT")
    assert error[0] == 1213, error
    cluster.assert_identical()
    assert cluster.clients[0].value("SELECT COUNT(*) FROM heap WHERE t = 'open'") == "0"
    cluster.sql("DROP TABLE heap")


@case(seconds=60)
def under_locks(_context, cluster):
    """Its own does no harm, somebody else's is waited for."""
    fill(cluster, "heap")
    with cluster.connect() as client:
        client.query("LOCK TABLES heap WRITE")
        client.query(NUMBER.format("heap"))
        client.query("INSERT INTO heap (n, t) VALUES (1, 'mine')")
        client.query("UNLOCK TABLES")
    cluster.assert_identical()
    cluster.sql("DROP TABLE heap")
    fill(cluster, "heap")
    with cluster.connect() as client, cluster.connect() as holder:
        holder.query("LOCK TABLES heap READ")
        client.query("SET lock_wait_timeout = 1")
        assert client.error_of(NUMBER.format("heap"))[0] == 1205
        holder.query("UNLOCK TABLES")
        client.query(NUMBER.format("heap"))
    cluster.assert_identical()
    cluster.sql("DROP TABLE heap")


@case(seconds=60)
def refused(_context, cluster):
    fill(cluster, "heap")
    cluster.sql("CREATE TABLE seen (n INT)",
                "CREATE TRIGGER gone AFTER DELETE ON heap FOR EACH ROW INSERT INTO seen VALUES (OLD.n)",
                "CREATE TABLE history (n INT, t VARCHAR(20)) WITH SYSTEM VERSIONING",
                "INSERT INTO history VALUES (1, 'a'), (2, 'b')", "CREATE VIEW looks AS SELECT * FROM history")
    with cluster.connect() as client:
        for table, why in (("heap", "that has triggers"), ("history", "that is no plain table"),
                           ("looks", "that is no plain table")):
            try:
                client.query(NUMBER.format(table))
                raise AssertionError(table)
            except wire.ServerError as error:
                assert error.code == 1235 and why in error.message, error
        assert client.value("SELECT COUNT(*) FROM seen") == "0"
        client.query("DROP TRIGGER gone")
        client.query(NUMBER.format("heap"))
    cluster.assert_identical()
    cluster.sql("DROP VIEW looks", "DROP TABLE heap, seen, history")


@case(seconds=60)
def an_error_of_the_statement_is_the_servers(_context, cluster):
    fill(cluster, "heap")
    before = rows_of(cluster, "heap")
    with cluster.connect() as client:
        assert client.error_of("ALTER TABLE heap ADD id INT AUTO_INCREMENT")[0] == 1075
        assert client.error_of("ALTER TABLE heap ADD id TINYINT AUTO_INCREMENT PRIMARY KEY, ADD t INT")[0] == 1060
        client.query("INSERT INTO heap SELECT n, t FROM heap")
        client.query("INSERT INTO heap SELECT n, t FROM heap")
        client.query("INSERT INTO heap SELECT n, t FROM heap")
        assert client.error_of("ALTER TABLE heap ADD id TINYINT AUTO_INCREMENT PRIMARY KEY")[0] in (167, 1062, 1264)
        client.query("ALTER TABLE heap ADD id SMALLINT AUTO_INCREMENT PRIMARY KEY")
    cluster.assert_identical()
    assert sorted(before[0]) == sorted(before[1])
    cluster.sql("DROP TABLE heap")


@case(seconds=120)
def many_rows(_context, cluster):
    """More bytes than one BINLOG statement of a lane has."""
    fill(cluster, "heap", "n INT, t VARCHAR(20), b VARCHAR(1000) DEFAULT (REPEAT('x', 900))")
    with cluster.connect() as client:
        client.query("INSERT INTO heap (n, t) SELECT seq, seq FROM seq_1_to_12000")
        client.query(NUMBER.format("heap"))
    cluster.assert_identical()
    assert online(cluster)
    cluster.sql("DROP TABLE heap")


@case(seconds=120)
def too_many_rows(_context, cluster):
    """As for any transaction that is larger than may be; and then nothing has happened."""
    cluster.sql("CREATE TABLE heap (n INT, b VARCHAR(1000))")
    with cluster.connect() as client:
        for _ in range(2):
            client.query("INSERT INTO heap SELECT seq, REPEAT('x', 900) FROM seq_1_to_12000")
        try:
            client.query(NUMBER.format("heap"))
            raise AssertionError("numbered")
        except wire.ServerError as error:
            assert error.code == 1235 and "16777216" in error.message, error
        assert client.value("SELECT COUNT(*) FROM heap") == "24000"
        client.query("TRUNCATE heap")
        client.query("INSERT INTO heap SELECT seq, REPEAT('x', 900) FROM seq_1_to_12000")
        client.query(NUMBER.format("heap"))
        told = client.query("SELECT COUNT(*), COUNT(DISTINCT id), MIN(id) FROM heap").rows
        assert told == [(b"12000", b"12000", b"1")], told  # a server leaves some numbers out
    cluster.assert_identical()
    assert online(cluster)
    cluster.sql("DROP TABLE heap")
