"""The compressed protocol: zlib and zstd, with and without TLS, and everything that can be wrong; and
the same towards two of three servers."""

import os
import socket
import subprocess
import time

import pymysql

from support import wire
from support.case import case
from support.certificates import Certificates
from support.cluster import Cluster
from support.compressed import compress, packet
from support.private_server import APP_PASSWORD, APP_USER
from support.process import wait_until

MIB = 1 << 20
ALGORITHMS = [("zlib", "zlib"), ("zstd", "zstd")]


class Compressing(Cluster):
    """Two bystanders, one plain and one compressed, work on beside every test."""

    def __init__(self, context):
        self.certificates = Certificates(os.path.join(context.work_dir, "certificates"))
        file = self.certificates.file
        super().__init__(context, start=False, settings={
            "tls": {"certificate": file("proxy.pem"), "key": file("proxy.key")}})
        for backend in self.consort.config["backends"][:2]:
            backend["compression"] = True
        self.consort.write_config()
        self.consort.start()
        self.tls = self.certificates.client()
        self.bystanders = [self.connect(), self.connect(compress="zlib")]
        self.bystanders[0].query("CREATE TABLE bystander (id INT PRIMARY KEY, v TEXT)")
        self.count = 0

    def check(self):
        super().check()
        for bystander in self.bystanders:
            self.count += 1
            bystander.query(f"INSERT INTO bystander VALUES ({self.count}, REPEAT('v', 200))")
        assert int(self.bystanders[1].value("SELECT COUNT(*) FROM bystander")) == self.count


def rows_of_reply(client):
    """How many there are; none is kept."""
    rows = 0

    def on_row(_packet):
        nonlocal rows
        rows += 1

    client.read_reply(on_row)
    return rows


def setup(context):
    return Compressing(context)


def gone(client, seconds=10):
    """The other side ends the connection; what it says before, raw."""
    raw = getattr(client.socket, "raw", client.socket)
    raw.settimeout(seconds)
    said = b""
    try:
        while piece := raw.recv(65536):
            said += piece
    except (ConnectionResetError, BrokenPipeError):
        pass
    client.close()
    return said


# ---- at work ----------------------------------------------------------------------------------------


@case(seconds=30, each=ALGORITHMS)
def everything_a_client_does(_context, cluster, algorithm):
    """Reads, writes, prepared statements, errors, COM_CHANGE_USER: as without."""
    table = cluster.table("id INT PRIMARY KEY, v VARCHAR(2000)")
    with cluster.connect(compress=algorithm) as client:
        client.query(f"INSERT INTO {table} VALUES (1, REPEAT('a', 1500)), (2, 'two')")
        assert client.query(f"SELECT v FROM {table} ORDER BY id").rows == [(b"a" * 1500,), (b"two",)]
        statement = client.prepare(f"SELECT v FROM {table} WHERE id = ? AND v <> ?")
        assert client.execute(statement, (2, "x" * 300)).rows == [(b"two",)]
        client.close_statement(statement)
        client.query("BEGIN")
        client.query(f"UPDATE {table} SET v = 'changed' WHERE id = 2")
        client.query("COMMIT")
        try:
            client.query("SELECT * FROM nowhere")
            raise AssertionError("no error")
        except wire.ServerError as error:
            assert error.code == 1146, error
        client.reset_connection()
        client.change_user(APP_USER, APP_PASSWORD, "test")
        assert client.value(f"SELECT v FROM {table} WHERE id = 2") == "changed"
        ours = [one["compression"] for one in cluster.consort.get("/sessions")["sessions"]]
        assert sorted(ours) == sorted(["", "zlib", algorithm]), ours
        assert cluster.consort.metrics()["consort_compressed_connections"] == 2
    wait_until(lambda: cluster.consort.metrics()["consort_compressed_connections"] == 1, 10,
               "the gauge falls")


@case(seconds=60, each=[("zlib", "zlib", 17), ("zstd", "zstd", 3)])
def large_both_ways(_context, cluster, algorithm, mebibytes):
    """More than one packet holds, in compressed packets of the largest size and of odd ones; what
    comes back is a fraction of it."""
    table = cluster.table("id INT PRIMARY KEY, v LONGBLOB")
    large = "".join(f"{number:08d}" for number in range(mebibytes * MIB // 8))
    small = large[:MIB]
    with cluster.connect(compress=algorithm, timeout=60) as client:
        client.query(f"INSERT INTO {table} VALUES (1, '{large}')")
        client.socket.plain_max = 9999
        client.query(f"INSERT INTO {table} VALUES (2, '{small}')")
        before = client.socket.bytes_in
        rows = client.query(f"SELECT v FROM {table} ORDER BY id").rows
        assert rows == [(large.encode(),), (small.encode(),)]
        received = client.socket.bytes_in - before
        assert received < mebibytes * MIB / 3, f"{received} bytes for {mebibytes + 1} MiB"
    return f"{received / MIB:.1f} MiB for {mebibytes + 1}"


@case(seconds=30)
def with_tls(_context, cluster):
    """Compression inside TLS."""
    for algorithm in ("zlib", "zstd"):
        with cluster.connect(compress=algorithm, tls=cluster.tls) as client:
            assert client.value("SELECT REPEAT('x', 100000)") == "x" * 100000
    without_database = cluster.connect(database=None, compress="zlib")
    assert without_database.value("SELECT REPEAT('y', 1000)") == "y" * 1000
    without_database.quit()


@case(seconds=40)
def the_servers_own_clients(context, cluster):
    """mariadb --compress: statements, a large result, LOAD DATA LOCAL of many packets."""
    table = cluster.table("id INT PRIMARY KEY, v VARCHAR(100)")
    path = os.path.join(context.work_dir, "rows.csv")
    count = 20000
    with open(path, "w", encoding="ascii") as file:
        for number in range(count):
            file.write(f"{number}\tvalue {number} of a row that is long enough\n")

    def run(sql, *options):
        done = subprocess.run(
            ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{cluster.consort.port}",
             f"-u{APP_USER}", f"-p{APP_PASSWORD}", "-N", "--compress", "--local-infile", *options,
             "test", "-e", sql], capture_output=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("SHOW STATUS LIKE 'Compression'").startswith(b"Compression")
    assert run("SELECT REPEAT('x', 1000000)") == b"x" * 1000000 + b"\n"
    run(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table}; SELECT 1")
    cluster.settle()
    assert run(f"SELECT COUNT(*), MAX(v) FROM {table}", "--ssl") == (
        f"{count}\tvalue 9999 of a row that is long enough\n".encode())
    dumped = subprocess.run(
        ["mariadb-dump", "--no-defaults", "-h127.0.0.1", f"-P{cluster.consort.port}",
         f"-u{APP_USER}", f"-p{APP_PASSWORD}", "--compress", "--skip-lock-tables", "--no-tablespaces",
         "test", table], capture_output=True, timeout=30, check=False)
    assert dumped.returncode == 0, dumped.stderr
    assert dumped.stdout.count(b"of a row that is long enough") == count


@case(seconds=20)
def clients_without(_context, cluster):
    """PyMySQL knows no compression: nothing changes for it."""
    before = cluster.consort.metric("consort_compressed_connections_total")
    client = pymysql.connect(host="127.0.0.1", port=cluster.consort.port, user=APP_USER,
                             password=APP_PASSWORD, database="test")
    with client.cursor() as cursor:
        cursor.execute("SELECT REPEAT('x', 1000)")
        assert cursor.fetchone() == ("x" * 1000,)
    client.close()
    assert cluster.consort.metric("consort_compressed_connections_total") == before


@case(seconds=30)
def a_slow_reader(_context, cluster):
    """A result of 32 MiB waits in the server while its compressed reader sleeps."""
    client = cluster.connect(compress="zlib", receive_buffer=64 * 1024, timeout=60)
    client.value("SELECT 1")
    before = cluster.consort.rss
    # What does not compress, so that it does fill the buffers.
    client.command(wire.COM_QUERY, b"SELECT RANDOM_BYTES(1024), REPEAT(RANDOM_BYTES(1024), 1)"
                                   b" FROM seq_1_to_16384")
    time.sleep(1)
    grown = cluster.consort.rss - before
    rows = rows_of_reply(client)
    assert rows == 16384
    client.quit()
    assert grown < 8 * MIB * (4 if _context.slowdown > 1 else 1), f"grew by {grown / MIB:.1f} MiB"
    return f"grew by {grown / MIB:.1f} MiB"


# ---- towards the servers ----------------------------------------------------------------------------


@case(seconds=60)
def towards_the_servers(_context, cluster):
    """Two of the three are spoken to in compressed packets, by sessions, lanes and the binlog's
    readers: reads, transactions, prepared statements, cursors, several results, errors, DDL."""
    table = cluster.table("id INT PRIMARY KEY, v LONGTEXT")
    for number, client in enumerate(cluster.on_homes()):
        id_ = number + 1
        client.query("BEGIN")
        compressed = int(client.value("SELECT @@server_id")) <= 2
        assert client.query("SHOW SESSION STATUS LIKE 'Compression'").rows == [
            (b"Compression", b"ON" if compressed else b"OFF")]
        client.query(f"INSERT INTO {table} VALUES ({id_}, REPEAT('a', 100000))")
        client.query("COMMIT")
        client.query(f"UPDATE {table} SET v = 'small' WHERE id = {id_}")
        statement = client.prepare(f"SELECT v FROM {table} WHERE id = ? OR id = ?")
        assert client.execute(statement, (id_, "-1")).rows == [(b"small",)]
        client.close_statement(statement)
        for sql, code in (("SELECT * FROM nowhere", 1146),
                          (f"INSERT INTO {table} VALUES ({id_}, '')", 1062)):
            assert wire.code_of(lambda sql=sql: client.query(sql)) == code
        replies = client.query_all("BEGIN NOT ATOMIC SELECT 1; SELECT REPEAT('b', 40000), 2; SELECT 3; END")
        assert [len(reply.rows) for reply in replies[:3]] == [1, 1, 1]
        rows = client.query("SELECT seq, REPEAT('c', seq % 300) FROM seq_1_to_3000").rows
        assert len(rows) == 3000 and len(rows[-2][1]) == 299
        client.quit()
    cluster.sql(f"ALTER TABLE {table} ADD w INT")
    cluster.assert_identical()
    opened = cluster.consort.metrics()
    for name, wanted in (("s1", True), ("s2", True), ("s3", False)):
        key = f'consort_pool_compressed_connections_opened_total{{backend="{name}"}}'
        assert (opened[key] > 0) == wanted, opened[key]


@case(seconds=60)
def large_packets_towards_the_servers(_context, cluster):
    """A statement and a row above 16 MiB, from a compressed home through the binlog to the other
    compressed server's lane, and a file of more packets than sequence ids."""
    table = cluster.table("id INT PRIMARY KEY, v LONGTEXT")
    large = os.urandom(512).hex() * (17 * 1024)
    assert len(large) == 17 * MIB
    clients = cluster.on_homes()
    for number, client in enumerate(clients[::2]):  # compressed, and not
        client.query(f"INSERT INTO {table} VALUES ({number}, '{large}')")
        assert client.value(f"SELECT v FROM {table} WHERE id = {number}") == large
    for client in clients:
        client.quit()
    pieces = [b"".join(b"%d\tv%d\n" % (id_, id_) for id_ in range(at, at + 3)) for at in range(1000, 2200, 3)]
    for client in load_clients(cluster):
        client.query("BEGIN")
        home = int(client.value("SELECT @@server_id"))
        client.query("ROLLBACK")
        if home <= 2:
            assert client.load(f"LOAD DATA LOCAL INFILE 'x' INTO TABLE {table}", pieces).affected == 1200
            client.query("BEGIN")
            client.query(f"DELETE FROM {table} WHERE id < 1000")
            assert client.load(f"LOAD DATA LOCAL INFILE 'x' INTO TABLE {table}", [b"1\tv\n"]).affected == 1
            client.query("COMMIT")
            break
    cluster.assert_identical()
    assert cluster.sql(f"SELECT COUNT(*) FROM {table}") == [(b"1201",)]


def load_clients(cluster):
    """Clients that may send files, until one has the home that is wanted."""
    clients = []
    try:
        while len(clients) < 20:
            clients.append(cluster.connect(capabilities=wire.LOCAL_FILES))
            yield clients[-1]
        raise AssertionError("no session has a compressed home")
    finally:
        for client in clients:
            client.close()


@case(seconds=60)
def a_slow_reader_of_little(context, cluster):
    """What a server's few bytes become waits in the server, too, while the reader sleeps."""
    with cluster.connect(receive_buffer=64 * 1024, timeout=60) as client:
        client.value("SELECT 1")
        before = cluster.consort.rss
        client.command(wire.COM_QUERY, b"SELECT @a := 1, REPEAT('x', 1024) FROM seq_1_to_32768")
        time.sleep(1)
        grown = cluster.consort.rss - before
        rows = rows_of_reply(client)
        assert rows == 32768
        assert client.value("SELECT 2") == "2"
    assert grown < 8 * MIB * (4 if context.slowdown > 1 else 1), f"grew by {grown / MIB:.1f} MiB"
    return f"grew by {grown / MIB:.1f} MiB"


# ---- what is wrong ----------------------------------------------------------------------------------


def said_error(said):
    """The error code in a short compressed packet."""
    return int.from_bytes(said[12:14], "little") if said[11:12] == b"\xff" else None


@case(seconds=30)
def malformed(_context, cluster):
    """Each ends its own connection with the server's error, nobody else's."""
    query = b"\x35\0\0\0\x03SELECT '" + b"x" * 43 + b"'"
    assert len(query) == 4 + 0x35
    squeezed = compress("zlib", query)
    cases = [
        ("garbage", packet(0, 57, b"nonsense" * 5), 1157),
        ("too short", packet(0, len(query) + 1, squeezed), 1157),
        ("too long", packet(0, len(query) - 1, squeezed), 1157),
        ("bytes behind it", packet(0, len(query), squeezed + b"x"), 1157),
        ("numbered 1", packet(1, len(query), squeezed), 1156),
        ("the other algorithm", packet(0, len(query), compress("zstd", query)), 1157),
        ("not compressed at all", b"\x01\0\0\0\x0e" + b"\xff" * 100, 1157),
    ]
    for name, data, code in cases:
        client = cluster.connect(compress="zlib")
        client.socket.raw.sendall(data)
        said = gone(client)
        assert said_error(said) == code, f"{name}: {said[:80]!r}"
    client = cluster.connect(compress="zlib")
    client.socket.raw.sendall(packet(0, len(query), squeezed))
    assert client.socket.raw.recv(100)[3] == 1
    client.close()


@case(seconds=30)
def a_bomb(_context, cluster):
    """Zeros that become gigabytes, sent ahead of a slow statement, cost what came, not what they
    would be."""
    zeros = packet(0, 0xFFFFFF, compress("zlib", bytes(0xFFFFFF)))
    before = cluster.consort.rss
    clients = [cluster.connect(compress="zlib") for _ in range(8)]
    for client in clients:
        client.command(wire.COM_QUERY, b"SELECT SLEEP(1)")
        client.socket.raw.settimeout(0.05)
        try:
            client.socket.raw.sendall(zeros * 64)
        except (TimeoutError, socket.timeout, ConnectionError):
            pass
    time.sleep(0.5)
    grown = cluster.consort.rss - before
    for client in clients:
        client.close()
    assert grown < 24 * MIB * (4 if _context.slowdown > 1 else 1), f"grew by {grown / MIB:.1f} MiB"
    return f"grew by {grown / MIB:.1f} MiB"


@case(seconds=30)
def cut_anywhere(_context, cluster):
    """A command arrives in single bytes, and several in one compressed packet."""
    ping = b"\x01\0\0\0\x0e"
    client = cluster.connect(compress="zlib")
    for byte in packet(0, 0, ping):
        client.socket.raw.sendall(bytes([byte]))
    client.sequence = client.socket.sequence = 1
    client.read_ok()
    client.socket.raw.sendall(packet(0, 0, ping * 3))
    client.socket.sequence = 1  # one packet brought all three, and the answers go on from there
    for _ in range(3):
        client.sequence = 1
        client.read_ok()
    assert client.value("SELECT 5") == "5"
    client.quit()


@case(seconds=30)
def switched_off(_context, cluster):
    """listen.compression: only what it names is offered; a client that asks in spite of it gets
    none."""
    consort = cluster.consort
    for bystander in cluster.bystanders:
        bystander.close()
    try:
        consort.stop()
        consort.config["listen"]["compression"] = ["zstd"]
        consort.write_config()
        consort.start()
        client = wire.Wire(consort.port).read_greeting()
        offered = client.server_capabilities & (wire.COMPRESS | wire.ZSTD_COMPRESSION)
        assert offered == wire.ZSTD_COMPRESSION, hex(offered)
        client.server_capabilities |= wire.COMPRESS
        client.login(APP_USER, APP_PASSWORD, capabilities=wire.COMPRESS)
        assert client.value("SELECT REPEAT('x', 100)") == "x" * 100
        client.quit()
    finally:
        consort.stop()
        del consort.config["listen"]["compression"]
        consort.write_config()
        consort.start()
        cluster.bystanders = [cluster.connect(), cluster.connect(compress="zlib")]
