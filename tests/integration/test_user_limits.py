"""Limits that an operator sets: the connections of one account, a transaction's and a statement's
time."""

import time

from support import wire
from support.case import case
from support.cluster import Cluster, together

LIMITS = {"user_connections_max": 3, "transaction_timeout_s": 2, "query_timeout_ms": 700}


def setup(context):
    return Cluster(context, settings={"limits": LIMITS})


def refused(connect):
    try:
        connect().quit()
    except wire.ServerError as error:
        return error.code, error.state
    raise AssertionError("one too many was let in")


def fails(client, sql):
    try:
        client.query(sql)
    except wire.ServerError as error:
        return error.code, error.state
    raise AssertionError(f"no error: {sql}")


def eventually(connect, seconds=5):
    """A place that another client has just left."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return connect()
        except wire.ServerError as error:
            if error.code not in (1203, 1226) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@case(seconds=60)
def connections_of_an_account(_context, cluster):
    """1203 beyond the general limit, 1226 beyond the account's own, through all workers; who has
    left makes room; CONNECTION ADMIN is not bound by the general one."""
    cluster.sql("CREATE USER plain@'%' IDENTIFIED BY 'pw'",
                "CREATE USER own@'%' IDENTIFIED BY 'pw' WITH MAX_USER_CONNECTIONS 2",
                "CREATE USER nobody@'%' IDENTIFIED BY 'pw' WITH MAX_USER_CONNECTIONS -1",
                "GRANT SELECT ON test.* TO plain@'%', own@'%'")
    before = cluster.consort.metric('consort_connections_refused_total{reason="too_many_of_account"}')
    clients = {}
    for user, places, code in (("plain", 3, 1203), ("own", 2, 1226)):
        def connect(name=user):
            return cluster.connect(user=name, password="pw")
        clients[user] = [eventually(connect) for _ in range(places)]
        assert refused(connect) == (code, "42000")
        clients[user].pop().quit()
        clients[user].append(eventually(connect))
        assert refused(connect) == (code, "42000")
    assert refused(lambda: cluster.connect(user="nobody", password="pw"))[0] == 1226
    # Each of an account's clients can do something on every server, although these count, too.
    for client in clients["own"]:
        for _ in range(20):
            assert client.value("SELECT 1 FROM DUAL") == "1"
    answers = together(*[lambda c=c: [c.value("SELECT SLEEP(0.01)") for _ in range(10)]
                         for c in clients["own"]])
    assert answers == [["0"] * 10] * 2, answers
    admins = [cluster.connect() for _ in range(5)]
    for client in admins + clients["plain"] + clients["own"]:
        client.quit()
    after = cluster.consort.metric('consort_connections_refused_total{reason="too_many_of_account"}')
    assert after >= before + 5, (before, after)
    cluster.sql("DROP USER plain@'%', own@'%', nobody@'%'")


@case(seconds=60)
def transactions_that_last_too_long(_context, cluster):
    """Rolled back with 1613, idle or amid a statement, also read-only ones; locks are free, the
    session and its variables stay; a commit in time stays."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0), (2, 0)")
    before = cluster.consort.metric("consort_transactions_timed_out_total")
    idle, reads, works, commits = (cluster.connect() for _ in range(4))
    idle.query("SET @kept = 5")
    for client in (idle, works, commits):
        client.query("BEGIN")
    reads.query("START TRANSACTION READ ONLY")
    reads.query(f"SELECT * FROM {table}")
    idle.query(f"UPDATE {table} SET v = 1 WHERE id = 1")
    works.query(f"UPDATE {table} SET v = 1 WHERE id = 2")
    commits.query(f"INSERT INTO {table} VALUES (3, 3)")
    commits.query("COMMIT")
    began = time.monotonic()
    code = None
    while code is None and time.monotonic() < began + 6:  # asks on and on: it is never idle
        try:
            works.query("SELECT SLEEP(0.3)")
        except wire.ServerError as error:
            code = (error.code, error.state)
    assert code == (1613, "XA106"), code
    assert time.monotonic() - began < 4.5
    time.sleep(max(0, began + 3.3 - time.monotonic()))
    assert fails(idle, f"UPDATE {table} SET v = 2 WHERE id = 1") == (1613, "XA106")
    assert fails(reads, f"SELECT * FROM {table}") == (1613, "XA106")
    assert idle.value("SELECT @kept") == "5"
    for client in (idle, works, reads):
        client.query(f"UPDATE {table} SET v = v + 10 WHERE id IN (1, 2)")
        client.quit()
        cluster.settle()  # the next one has another home
    commits.quit()
    cluster.settle()
    assert cluster.sql(f"SELECT id, v FROM {table} ORDER BY id") == [
        (b"1", b"30"), (b"2", b"30"), (b"3", b"3")]
    cluster.assert_identical()
    assert cluster.consort.metric("consort_transactions_timed_out_total") == before + 3


@case(seconds=60)
def statements_have_a_first_limit(_context, cluster):
    """query_timeout_ms is max_statement_time at first: 1969; an account's smaller one counts; SET
    changes it for this session only; nothing half-done stays."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)",
                "CREATE USER hasty@'%' IDENTIFIED BY 'pw' WITH MAX_STATEMENT_TIME 0.25")
    with cluster.connect() as client:
        assert client.value("SELECT @@max_statement_time") == "0.700000"
        assert fails(client, "SELECT SLEEP(3)") == (1969, "70100")
        assert fails(client, f"UPDATE {table} SET v = 1 + SLEEP(3)") == (1969, "70100")
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} VALUES (2, 2)")
        assert fails(client, f"UPDATE {table} SET v = 1 + SLEEP(3)") == (1969, "70100")
        client.query("COMMIT")
        client.query("SET max_statement_time = 0")
        assert client.value("SELECT SLEEP(1)") == "0"
    with cluster.connect() as client:  # perhaps by the connection that had the other limit
        assert client.value("SELECT @@max_statement_time") == "0.700000"
        client.query(f"INSERT INTO {table} VALUES (3, 3)")
    with cluster.connect(None, user="hasty", password="pw") as client:
        assert client.value("SELECT @@max_statement_time") == "0.250000"
    cluster.settle()
    assert cluster.sql(f"SELECT id, v FROM {table} ORDER BY id") == [
        (b"1", b"0"), (b"2", b"2"), (b"3", b"3")]
    cluster.sql("DROP USER hasty@'%'")
    cluster.assert_identical()
