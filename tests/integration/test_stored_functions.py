"""Views that call stored functions that write: such a read is a write, and commits as one."""

import threading

from support import wire
from support.case import case
from support.cluster import Cluster
from support.racing import DEADLOCK


def setup(context):
    cluster = Cluster(context)
    cluster.sql("CREATE TABLE counter (id INT PRIMARY KEY, n INT NOT NULL)",
                "CREATE TABLE journal (id INT AUTO_INCREMENT PRIMARY KEY, said INT)",
                "CREATE TABLE base (id INT PRIMARY KEY)", "INSERT INTO base VALUES (1), (2)",
                "INSERT INTO counter VALUES (1, 0), (2, 0)",
                "CREATE FUNCTION counted(a INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN"
                " UPDATE counter SET n = n + 1 WHERE id = 1;"
                " INSERT INTO journal (said) VALUES (a); RETURN a; END",
                "CREATE FUNCTION looked(a INT) RETURNS INT READS SQL DATA"
                " RETURN (SELECT COUNT(*) FROM counter)",
                "CREATE VIEW writing AS SELECT id, counted(id) AS said FROM base WHERE id = 2",
                "CREATE VIEW reading AS SELECT id, looked(id) AS rows_there FROM base")
    return cluster


def count(cluster):
    return int(cluster.sql("SELECT /* consort: read=strong */ n FROM counter WHERE id = 1")[0][0])


def assert_whole(cluster, counted):
    """Every read that was answered counted once, everywhere, and nothing went past Consort."""
    cluster.settle()
    assert count(cluster) == counted, f"{count(cluster)} counted, {counted} answered"
    journal = cluster.sql("SELECT /* consort: read=strong */ COUNT(*) FROM journal")[0][0]
    assert int(journal) == counted
    foreign = cluster.consort.metric("consort_lane_foreign_groups_total")
    assert foreign == 0, f"{foreign} changes went past Consort"
    cluster.assert_identical()


@case(seconds=60)
def reads_from_every_home(context, cluster):
    """Reads of the view and writes of its row, all at once, from sessions with different homes."""
    before = count(cluster)
    each = context.pick(40, 1000)
    done, wrong = [], []

    def work(client, statement):
        for _ in range(each):
            try:
                reply = client.query(statement)
                assert not reply.in_transaction
                done.append(1)
            except wire.ServerError as error:
                if error.code != DEADLOCK:
                    wrong.append(str(error))

    clients = cluster.on_homes() + cluster.on_homes()
    view, write = "SELECT * FROM writing", "DO counted(2)"
    threads = [threading.Thread(target=work, args=(client, write if number % 3 == 2 else view))
               for number, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.quit()
    assert not wrong, wrong[:3]
    assert_whole(cluster, before + len(done))
    return f"{len(done)} of {each * len(clients)} committed"


@case(seconds=30)
def every_way_to_read(_context, cluster):
    """Text, prepared, inside transactions, in other statements; the session looks as ever."""
    counted = count(cluster)
    with cluster.connect() as client:
        assert client.query("SELECT said FROM writing").rows == [(b"2",)]
        statement = client.prepare("SELECT said FROM writing WHERE id = ?")
        for _ in range(3):
            assert len(client.execute(statement, (2,)).rows) == 1
        counted += 4
        client.query("BEGIN")
        client.query("SELECT * FROM writing")
        client.query("COMMIT")
        counted += 1
        client.query("BEGIN")
        client.query("SELECT * FROM writing")
        client.query("ROLLBACK")
        client.query("SET autocommit = 0")
        client.query("SELECT * FROM writing")
        client.query("COMMIT")
        counted += 1
        client.query("SET autocommit = 1")
        client.query("SET @before = (SELECT said FROM writing)")
        assert client.value("SELECT @before") == "2"
        counted += 1
        # Pinned to its home now.
        assert client.query("SELECT said FROM writing").rows == [(b"2",)]
        counted += 1
    assert_whole(cluster, counted)


@case(seconds=30)
def refused_where_the_client_says_read_only(_context, cluster):
    """In the client's own read-only transaction the server's error is the answer."""
    counted = count(cluster)
    with cluster.connect() as client:
        client.query("START TRANSACTION READ ONLY")
        try:
            client.query("SELECT * FROM writing")
            raise AssertionError("a read-only transaction wrote")
        except wire.ServerError as error:
            assert error.code == 1792, error
        client.query("COMMIT")
    assert_whole(cluster, counted)


@case(seconds=30)
def session_looks_as_ever(_context, cluster):
    """Nothing shows that reads run in transactions of their own."""
    with cluster.connect() as client:
        for _ in range(2):  # on a reader, then on its home
            reply = client.query("SELECT * FROM reading")
            assert len(reply.rows) == 2 and not reply.in_transaction and reply.autocommit
            assert client.query("SELECT CAST('x' AS INT) FROM counter WHERE id = 1").warnings == 1
            assert client.query("SHOW WARNINGS").rows[0][1] == b"1292"
            assert client.value("SELECT @@tx_read_only") == "0"
            assert client.value("SELECT @@in_transaction") == "0"
            assert client.query("SELECT SQL_CALC_FOUND_ROWS id FROM reading LIMIT 1").rows
            assert client.value("SELECT FOUND_ROWS()") == "2"
            client.query("SELECT id FROM reading")
            assert client.value("SELECT ROW_COUNT()") == "-1"
            try:
                client.query("SELECT no_such FROM reading")
                raise AssertionError("an unknown column was read")
            except wire.ServerError as error:
                assert error.code == 1054, error
            assert client.query("SELECT id FROM counter WHERE id = 1 FOR UPDATE").rows == [(b"1",)]
            client.query("INSERT INTO journal (said) VALUES (7)")
            inserted = client.value("SELECT LAST_INSERT_ID()")
            client.query("DELETE FROM journal WHERE said = 7")
            client.query("SELECT * FROM reading")
            assert client.value("SELECT LAST_INSERT_ID()") == inserted
            client.query("SET @here = 1")
    cluster.assert_identical()


@case(seconds=60)
def known_after_a_restart(_context, cluster):
    """Consort learns from the servers that there are functions."""
    counted = count(cluster)
    cluster.consort.stop()
    cluster.consort.start()
    with cluster.connect() as client:
        client.query("SELECT * FROM writing")
    assert_whole(cluster, counted + 1)
