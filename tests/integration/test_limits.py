"""Memory stays small: slow readers, big results, many idle clients, too many clients."""

import resource
import time

from support import wire
from support.case import Skip, case
from support.cluster import Cluster
from support.process import wait_until

MIB = 1 << 20
IDLE_CLIENTS = 1000
# What a client that does nothing may cost.
IDLE_BYTES_MAX = 16 * 1024
GROWTH_MAX = 48 * MIB


def setup(context):
    return Cluster(context)


def plain_build(context):
    if context.slowdown > 1:
        raise Skip("memory is measured without sanitizers")


def big_query(mebibytes):
    return f"SELECT REPEAT('x', 1048576) FROM seq_1_to_{mebibytes}"


@case(seconds=90, soak_seconds=900)
def big_result_to_a_slow_client(context, cluster):
    """The result waits in the server, not in the proxy."""
    plain_build(context)
    mebibytes = context.pick(128, 1024)
    client = cluster.connect(receive_buffer=64 * 1024, timeout=60)
    client.value("SELECT 1")
    before = cluster.consort.rss
    client.command(wire.COM_QUERY, big_query(mebibytes).encode())
    peak = 0
    for _ in range(20):  # the client does not read for two seconds
        time.sleep(0.1)
        peak = max(peak, cluster.consort.rss - before)
    seen = {"rows": 0, "bytes": 0}

    def on_row(packet):
        nonlocal peak
        seen["rows"] += 1
        seen["bytes"] += len(packet)
        if seen["rows"] % 16 == 0:
            peak = max(peak, cluster.consort.rss - before)
            if seen["rows"] < 64:
                time.sleep(0.1)

    client.read_reply(on_row)
    assert seen["rows"] == mebibytes and seen["bytes"] >= mebibytes * MIB, seen
    assert client.value("SELECT 7") == "7"
    client.quit()
    assert peak < GROWTH_MAX, f"the proxy grew by {peak / MIB:.0f} MiB"
    return f"{mebibytes} MiB, the proxy grew by {peak / MIB:.1f} MiB"


@case(seconds=60, soak_seconds=900)
def many_slow_clients(context, cluster):
    """Forty stalled readers cost forty buffers, not forty results."""
    plain_build(context)
    before = cluster.consort.rss
    clients = [cluster.connect(receive_buffer=16 * 1024, timeout=60) for _ in range(40)]
    for client in clients:
        client.command(wire.COM_QUERY, big_query(64).encode())
    time.sleep(2)
    grown = cluster.consort.rss - before
    bystander = cluster.connect()
    began = time.monotonic()
    assert bystander.value("SELECT 1") == "1"
    waited = time.monotonic() - began
    for client in clients:
        client.close()
    bystander.quit()
    assert grown < 40 * MIB + GROWTH_MAX, f"the proxy grew by {grown / MIB:.0f} MiB"
    assert waited < 2, f"a bystander waited {waited:.1f} s"
    return f"grew by {grown / MIB:.1f} MiB"


@case(seconds=60)
def abandoned_result(_context, cluster):
    """A client that leaves in the middle of a big result frees its backend connection."""
    for _ in range(10):
        client = cluster.connect(receive_buffer=16 * 1024)
        client.command(wire.COM_QUERY, big_query(256).encode())
        client.read_packet()
        client.close()
    with cluster.connect() as client:
        assert client.value("SELECT 1") == "1"


@case(seconds=20)
def more_columns_than_a_table_may_have(_context, cluster):
    """A SELECT without a table may have more than 65,535."""
    count = 68001
    with cluster.connect() as client:
        reply = client.query("SELECT 1" + ",1" * (count - 1))
        assert len(reply.columns) == count and reply.rows == [(b"1",) * count]
        assert client.value("SELECT 2") == "2"


@case(seconds=90, soak_seconds=300)
def idle_clients(context, cluster):
    """1,000 clients that did one thing and wait: at most 16 KiB each."""
    plain_build(context)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE_CLIENTS + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Skip(f"only {hard} file descriptors allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    # A fresh process: memory that other tests gave back would hide what a client costs.
    cluster.consort.kill()
    cluster.consort.start()
    with cluster.connect() as client:
        client.value("SELECT 1")
    time.sleep(0.5)
    before = cluster.consort.rss
    clients = []
    for number in range(IDLE_CLIENTS):
        client = cluster.connect()
        if number % 2:
            client.value("SELECT 1")
        clients.append(client)
    each = (cluster.consort.rss - before) / IDLE_CLIENTS
    backend_connections = sum(len(server.query("SHOW PROCESSLIST")) for server in cluster.servers)
    for client in clients:
        client.quit()
    assert each <= IDLE_BYTES_MAX, f"{each / 1024:.1f} KiB for each idle client"
    return f"{each / 1024:.1f} KiB each, {backend_connections} backend connections"


@case(seconds=30)
def idle_costs_no_cpu(context, cluster):
    """Nobody asks anything: no busy loop, hardly any CPU, no growing memory."""
    plain_build(context)
    clients = [cluster.connect() for _ in range(20)]
    for client in clients:
        client.value("SELECT 1")
    time.sleep(0.5)
    seconds = context.pick(3, 60)
    before, memory = cluster.consort.cpu, cluster.consort.rss
    time.sleep(seconds)
    share = (cluster.consort.cpu - before) / seconds
    grown = cluster.consort.rss - memory
    for client in clients:
        client.quit()
    assert share < 0.05, f"{share:.0%} of a core for nothing"
    assert grown < 2 * MIB, f"grew by {grown / MIB:.1f} MiB while idle"
    return f"{share:.1%} of a core"


@case(seconds=60)
def too_many_connections(_context, cluster):
    """Beyond connections_max the surplus gets 1040; the others work on. One more may be an
    administrator, as on a server."""
    cluster.sql("CREATE USER plain@'%' IDENTIFIED BY 'pw'")
    consort = cluster.consort
    consort.stop()
    consort.config["limits"] = {"connections_max": 5}
    consort.write_config()
    consort.start()
    try:
        clients = [cluster.connect() for _ in range(5)]

        def refused(**account):
            try:
                cluster.connect(**account)
                raise AssertionError("a client too many was let in")
            except wire.ServerError as error:
                assert error.code == 1040, error

        def gone(count):
            wait_until(lambda: consort.metrics()["consort_connections"] == count, 10,
                       f"{count} clients are left")

        refused(database=None, user="plain", password="pw")
        gone(5)  # its connection counts until it has ended
        clients.append(cluster.connect())
        refused()
        clients.pop().quit()
        gone(5)
        assert clients[0].value("SELECT 1") == "1"
        clients[1].quit()
        gone(4)
        clients[1] = cluster.connect()
        for client in clients:
            assert client.value("SELECT 1") == "1"
            client.quit()
    finally:
        consort.stop()
        del consort.config["limits"]
        consort.write_config()
        consort.start()
    cluster.sql("DROP USER plain@'%'")


def ended_silently(client, seconds):
    """Nothing but the end comes within `seconds`; how long it took."""
    began = time.monotonic()
    client.socket.settimeout(seconds)
    try:
        said = client.socket.recv(100)
    except ConnectionResetError:
        said = b""
    except TimeoutError:
        raise AssertionError(f"still open after {seconds} s") from None
    assert said == b"", said
    client.close()
    return time.monotonic() - began


@case(seconds=40)
def silent_clients(_context, cluster):
    """wait_timeout and idle_transaction_timeout, as each session has set them: the end without a
    word, of that session only, and its transaction is rolled back."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    before = cluster.consort.metric("consort_idle_connections_closed_total")
    waits, works, begins, writes, commits, bystander = (cluster.connect() for _ in range(6))
    assert waits.value("SELECT @@wait_timeout") == "28800"
    for client in (waits, works):
        client.query("SET SESSION wait_timeout = 2")
        assert client.value("SELECT @@wait_timeout") == "2"
    for client, name in ((begins, "idle_transaction_timeout"), (commits, "idle_transaction_timeout"),
                         (writes, "idle_write_transaction_timeout")):
        client.query(f"SET SESSION {name} = 1")
        client.query("BEGIN")
    begins.query(f"INSERT INTO {table} VALUES (1, 1)")
    writes.query(f"INSERT INTO {table} VALUES (2, 1)")
    commits.query(f"INSERT INTO {table} VALUES (3, 1)")
    commits.query("COMMIT")
    ended_silently(begins, 3)
    ended_silently(writes, 3)
    # Busy is not idle, and what came before does not count.
    assert works.value("SELECT SLEEP(2.5)") == "0"
    ended_silently(waits, 4)
    assert works.value("SELECT 2") == "2"
    assert commits.value("SELECT 3") == "3" and bystander.value("SELECT 4") == "4"
    assert bystander.query(f"SELECT id FROM {table}").rows == [(b"3",)]
    for client in (works, commits, bystander):
        client.quit()
    assert cluster.consort.metric("consort_idle_connections_closed_total") == before + 3


@case(seconds=40)
def statements_that_take_too_long(_context, cluster):
    """max_statement_time: 1969, alone, in a transaction and on a write; what came before stays."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)")

    def too_long(client, sql):
        try:
            client.query(sql)
            raise AssertionError(f"no error: {sql}")
        except wire.ServerError as error:
            assert (error.code, error.state) == (1969, "70100"), error

    with cluster.connect() as client:
        client.query("SET SESSION max_statement_time = 0.2")
        too_long(client, "SELECT COUNT(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b")
        too_long(client, f"UPDATE {table} SET v = SLEEP(2)")
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} VALUES (2, 2)")
        too_long(client, f"UPDATE {table} SET v = 7 + SLEEP(2)")
        client.query(f"INSERT INTO {table} VALUES (3, 3)")
        client.query("COMMIT")
    cluster.settle()
    assert cluster.sql(f"SELECT id, v FROM {table} ORDER BY id") == [
        (b"1", b"0"), (b"2", b"2"), (b"3", b"3")]
    cluster.assert_identical()


@case(seconds=40)
def ddl_that_takes_too_long(_context, cluster):
    """A max_statement_time that is too short for anything ends the DDL or not, but no lane waits for it."""
    for number in range(5):
        table = cluster.table("id INT PRIMARY KEY, v INT")
        with cluster.connect() as client:
            client.query("SET max_statement_time = 0.0001")
            for sql in (f"CREATE TRIGGER brief{number} BEFORE INSERT ON {table} FOR EACH ROW SET NEW.v = 1",
                        f"ALTER TABLE {table} ADD w INT"):
                try:
                    client.query(sql)
                except wire.ServerError as error:
                    assert error.code == 1969, error
            client.query("SET max_statement_time = 0")
            client.query(f"ALTER TABLE {table} ADD x INT")
            client.query(f"INSERT INTO {table} (id, x) VALUES (1, 1)")
        cluster.settle()
        cluster.assert_identical()
        cluster.sql(f"DROP TABLE {table}")


@case(seconds=40)
def packets_that_are_too_large(_context, cluster):
    """A login of 2 MB; a statement above the servers' own max_allowed_packet."""
    client = wire.Wire(cluster.consort.port, timeout=10).read_greeting()
    client.send_raw(b"\x00\x00\x20\x01" + bytes(1000))
    client.sequence = 2
    assert client.read_packet()[1:3] == (1153).to_bytes(2, "little")
    client.close()
    cluster.sql("CREATE USER fresh@'%' IDENTIFIED BY 'pw'")  # has no connections there yet
    for server in cluster.servers:
        server.query("SET GLOBAL max_allowed_packet = 1048576")
    try:
        for begin in (False, True):
            client = cluster.connect(None, user="fresh", password="pw")
            if begin:
                client.query("BEGIN")
                client.query("SELECT 1 FOR UPDATE")
            try:
                client.query(f"SELECT LENGTH('{'x' * 2000000}')")
                raise AssertionError("2 MB went through 1 MiB")
            except wire.ServerError as error:
                # A server does not read to the end, so its connection may break before its error is
                # seen: in a transaction that is the end of the transaction.
                assert error.code in ((1153, 1213) if begin else (1153,)), error
            except wire.Closed:
                pass
            client.close()
        with cluster.connect() as client:
            assert client.value("SELECT 5") == "5"
    finally:
        for server in cluster.servers:
            server.query("SET GLOBAL max_allowed_packet = 1073741824")


@case(seconds=40)
def asks_and_never_listens(context, cluster):
    """Pings without end from a client that reads no answer: it has to wait, memory does not grow."""
    plain_build(context)
    client = cluster.connect(receive_buffer=16 * 1024)
    pings = b"\x01\0\0\0\x0e" * 100000
    before = cluster.consort.rss
    client.socket.settimeout(1)
    sent = 0
    try:
        while sent < 64 * MIB:
            sent += client.socket.send(pings[sent % 5:])
    except TimeoutError:
        pass
    grown = cluster.consort.rss - before
    with cluster.connect() as bystander:
        assert bystander.value("SELECT 1") == "1"
    assert sent < 64 * MIB, "everything was taken"
    client.socket.settimeout(10)
    answers = 0
    while answers < sent // 5 * 11:
        answers += len(client.socket.recv(1 << 20))
    client.close()
    assert grown < 16 * MIB, f"grew by {grown / MIB:.1f} MiB"
    return f"{sent / MIB:.1f} MiB of pings, grew by {grown / MIB:.1f} MiB"
