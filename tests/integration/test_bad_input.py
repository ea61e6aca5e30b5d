"""Bad input: a clear error to the one who caused it; nobody else notices."""

import re
import socket
import struct
import time

from support import wire
from support.case import case
from support.cluster import Cluster
from support.private_server import APP_PASSWORD, APP_USER
from support.process import wait_until


LOGIN_MS = 2000


class Watched(Cluster):
    """Beside every test a bystander works on; it must never notice anything."""

    def __init__(self, context):
        super().__init__(context, settings={"limits": {"login_timeout_ms": LOGIN_MS}})
        self.bystander = self.connect()
        self.bystander.query("CREATE TABLE bystander (id INT PRIMARY KEY)")
        self.count = 0

    def check(self):
        super().check()
        self.count += 1
        self.bystander.query(f"INSERT INTO bystander VALUES ({self.count})")
        assert int(self.bystander.value("SELECT COUNT(*) FROM bystander")) == self.count


def setup(context):
    return Watched(context)


def refused(call, *codes):
    """The call must fail with an ERR packet; of one of these codes, when there are any."""
    try:
        call()
    except wire.ServerError as error:
        assert not codes or error.code in codes, f"expected {codes}, got {error}"
        return error
    raise AssertionError(f"accepted, expected error {codes or 'of any kind'}")


def ended(client, seconds=15, codes=()):
    """The connection must end, perhaps after an ERR packet; never hang."""
    client.socket.settimeout(seconds)
    try:
        while True:
            client.sequence = client_sequence(client)
            packet = client.read_packet()
            assert packet[0] == 0xFF, f"an answer to garbage: {packet[:40]!r}"
            code = int.from_bytes(packet[1:3], "little")
            assert not codes or code in codes, f"error {code}, expected {codes}"
    except wire.Closed:
        return
    except TimeoutError:
        raise AssertionError(f"neither an error nor an end within {seconds} s") from None


def client_sequence(client):
    """The number of the next packet as the server will send it, whatever it is."""
    client._fill(4)  # pylint: disable=protected-access
    return client._buffer[client._start + 3]  # pylint: disable=protected-access


# ---- who logs in ----------------------------------------------------------------------------------


@case(seconds=20)
def wrong_password(_context, cluster):
    """1045 naming user and host, as the server's own."""
    error = refused(lambda: cluster.consort.wire(password="wrong"), 1045)
    assert error.state == "28000" and re.search(f"'{APP_USER}'@'[^']+'", error.message), error
    assert "using password: YES" in error.message, error
    error = refused(lambda: cluster.consort.wire(password=""), 1045)
    assert "using password: NO" in error.message, error


@case(seconds=20)
def unknown_user(_context, cluster):
    """The same answer as for a wrong password: it must not tell who exists."""
    error = refused(lambda: cluster.consort.wire(user="nobody", password="x"), 1045)
    assert error.state == "28000" and re.search("'nobody'@'[^']+'", error.message), error


@case(seconds=20)
def unknown_database(_context, cluster):
    """1049 at login, in USE and in COM_INIT_DB."""
    refused(lambda: cluster.connect("nowhere"), 1049)
    with cluster.connect() as client:
        refused(lambda: client.query("USE nowhere"), 1049)
        refused(lambda: client.init_db("nowhere"), 1049)
        assert client.value("SELECT DATABASE()") == "test"


@case(seconds=20)
def auth_switch(_context, cluster):
    """A client that begins with another plugin is asked to use mysql_native_password."""
    with cluster.connect(plugin="caching_sha2_password") as client:
        assert client.value("SELECT 1") == "1"
    refused(lambda: cluster.consort.wire(password="wrong", plugin="caching_sha2_password"), 1045)


@case(seconds=20)
def change_user_with_wrong_password(_context, cluster):
    """An error, and the connection ends as on a server (or stays in the old session)."""
    with cluster.connect() as client:
        refused(lambda: client.change_user(APP_USER, "wrong"), 1045)
    with cluster.connect() as client:
        assert client.value("SELECT CURRENT_USER()") == f"{APP_USER}@%"


@case(seconds=20)
def guarded_settings(_context, cluster):
    """What Consort owns cannot be set; the session goes on."""
    with cluster.connect() as client:
        for setting in ("sql_log_bin = 0", "SESSION binlog_format = 'STATEMENT'",
                        "@@binlog_row_image = 'MINIMAL'", "pseudo_slave_mode = 1",
                        "GLOBAL binlog_row_image = 'MINIMAL'", "server_id = 7",
                        "gtid_domain_id = 3"):
            error = refused(lambda text=setting: client.query("SET " + text))
            assert error.code not in (1064, 1213), error
        assert client.value("SELECT @@sql_log_bin") == "1"
    with cluster.connect() as client:
        for statement in ("XA START 'mine'", "XA RECOVER"):
            try:
                client.query(statement)
            except wire.ServerError as error:
                assert error.code != 1213, error
        assert client.value("SELECT 1") == "1"


# ---- packets ----------------------------------------------------------------------------------------


@case(seconds=30, each=[
    ("nothing", b""),
    ("http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("zeros", b"\0" * 64),
    ("ones", b"\xff" * 64),
    ("ssh", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("empty_packet", b"\0\0\0\1"),
    ("wrong_number", b"\x05\0\0\x07hello"),
    ("short_handshake", b"\x04\0\0\1\x85\xa6\xff\1"),
    ("huge_length", b"\xff\xff\xff\1" + b"x" * 1000),
    ("tls_hello", bytes.fromhex("160301008d01000089030300")),
])
def garbage_instead_of_a_login(_context, cluster, data):
    """An error or an end, soon; a client that sends nothing is ended by the login time limit."""
    client = wire.Wire(cluster.consort.port)
    client.read_greeting()
    client.send_raw(data)
    if data:
        client.socket.shutdown(socket.SHUT_WR)
    ended(client, seconds=20)
    client.close()


@case(seconds=30)
def random_handshakes(context, cluster):
    """Mutated logins never crash it, hang it or let anybody in."""
    for _ in range(context.pick(150, 5000)):
        client = wire.Wire(cluster.consort.port, timeout=10)
        client.read_greeting()
        size = context.random.randrange(0, 120)
        payload = bytearray(context.random.randbytes(size))
        if size >= 32 and context.random.random() < 0.7:
            payload[:32] = struct.pack("<IIB23x", wire.DEFAULT_CAPABILITIES, 1 << 24, 45)
        client.send_packet(bytes(payload))
        client.socket.shutdown(socket.SHUT_WR)
        try:
            while True:
                client.sequence = client_sequence(client)
                packet = client.read_packet()
                assert packet[0] in (0xFF, 0xFE), f"let in with {payload.hex()}"
        except (wire.Closed, ConnectionError):
            pass
        client.close()


@case(seconds=30)
def wrong_sequence_number(_context, cluster):
    """A command whose packet has another number than 0: 1156 (packets out of order) and the end."""
    client = cluster.connect()
    client.send_packet(bytes([wire.COM_QUERY]) + b"SELECT 1", sequence=5)
    ended(client, codes=(1156, 1835))
    client.close()


@case(seconds=30, each=[(str(number), number) for number in
                        (0, 5, 6, 7, 8, 11, 12, 13, 15, 16, 18, 19, 20, 21, 29, 30, 32, 100, 254)])
def unknown_commands(_context, cluster, number):
    """Each gets an answer at once; the connection stays usable or is closed cleanly."""
    client = cluster.connect()
    client.socket.settimeout(10)
    client.command(number, b"\0\0\0\0")
    try:
        packet = client.read_packet()
    except wire.Closed:
        return
    assert packet[0] in (0xFF, 0x00, 0xFE), packet[:30]
    if packet[0] == 0xFF:
        try:
            assert client.value("SELECT 1") == "1"
        except wire.Closed:
            pass
    client.close()


@case(seconds=30)
def empty_command_packet(_context, cluster):
    """A packet without a command byte: an error or the end."""
    client = cluster.connect()
    client.send_packet(b"", sequence=0)
    ended_or_usable(client)
    client.close()


def ended_or_usable(client):
    """After an odd packet: an error and further use, or the end. No hang."""
    client.socket.settimeout(10)
    try:
        client.sequence = client_sequence(client)
        packet = client.read_packet()
        assert packet[0] == 0xFF, packet[:40]
        assert client.value("SELECT 1") == "1"
    except wire.Closed:
        pass


@case(seconds=30, each=[
    ("execute_unknown", bytes([wire.COM_STMT_EXECUTE]) + struct.pack("<IBI", 4711, 0, 1)),
    ("execute_short", bytes([wire.COM_STMT_EXECUTE]) + b"\1\0"),
    ("close_short", bytes([wire.COM_STMT_CLOSE]) + b"\1"),
    ("reset_unknown", bytes([wire.COM_STMT_RESET]) + struct.pack("<I", 4711)),
    ("long_data_unknown", bytes([wire.COM_STMT_SEND_LONG_DATA]) + struct.pack("<IH", 4711, 0)),
    ("fetch", bytes([wire.COM_STMT_FETCH]) + struct.pack("<II", 4711, 10)),
    ("set_option_short", bytes([wire.COM_SET_OPTION])),
    ("change_user_short", bytes([wire.COM_CHANGE_USER]) + b"app"),
    ("process_kill", bytes([12]) + struct.pack("<I", 999999)),
    ("field_list", bytes([wire.COM_FIELD_LIST]) + b"nowhere\0%"),
    ("binlog_dump", bytes([18]) + b"\4\0\0\0\0\0\1\0\0\0"),
    ("register_slave", bytes([21]) + b"\1\0\0\0"),
])
def odd_commands(_context, cluster, payload):
    """Malformed or unsupported commands get an error (or none, where the protocol has none)."""
    client = cluster.connect()
    client.socket.settimeout(10)
    client.send_packet(payload, sequence=0)
    silent = payload[0] in (wire.COM_STMT_CLOSE, wire.COM_STMT_SEND_LONG_DATA)
    try:
        if not silent:
            packet = client.read_packet()
            # MariaDB itself takes a COM_SET_OPTION without its number.
            harmless = payload[0] == wire.COM_SET_OPTION and packet[0] == 0xFE
            assert packet[0] == 0xFF or harmless, packet[:40]
        assert client.value("SELECT 1") == "1"
    except wire.Closed:
        pass
    client.close()


@case(seconds=60)
def oversize_packet(context, cluster):
    """Above the limit: 1153 and the end; memory is not taken for it."""
    limit = cluster.consort.get("/config")["limits"]["packet_bytes_max"]
    client = cluster.connect()
    chunk = b"x" * wire.CHUNK_MAX
    sent, number = 0, 0
    before = cluster.consort.rss
    try:
        client.socket.settimeout(15)
        client.send_raw(struct.pack("<I", wire.CHUNK_MAX)[:3] + b"\0" + b"\3" + chunk[1:])
        while sent <= limit + 2 * wire.CHUNK_MAX:
            number += 1
            sent += wire.CHUNK_MAX
            client.send_raw(struct.pack("<I", wire.CHUNK_MAX)[:3] + bytes([number]) + chunk)
    except (wire.Closed, OSError):
        pass
    try:
        ended(client, codes=(1153,))
    except OSError:
        pass
    client.close()
    # A sanitizer keeps freed memory for a while.
    assert cluster.consort.rss < before + (limit + (64 << 20)) * (1 if context.slowdown == 1 else 4)


@case(seconds=60)
def packets_over_16_mib(_context, cluster):
    """A 17 MB and a 34 MB value go in and come out unharmed, also as exactly 16 MiB - 1."""
    table = cluster.table("id INT PRIMARY KEY, v LONGBLOB")
    with cluster.connect(timeout=60) as client:
        for ident, size in enumerate((17_000_000, 34_000_000)):
            client.query(f"INSERT INTO {table} VALUES ({ident}, '".encode() + b"a" * size + b"')")
            reply = client.query(f"SELECT LENGTH(v), MD5(v) FROM {table} WHERE id = {ident}")
            assert int(reply.rows[0][0]) == size
            value = client.query(f"SELECT v FROM {table} WHERE id = {ident}").rows[0][0]
            assert len(value) == size and value.count(b"a") == size
        text = b"SELECT LENGTH('"
        for size in (wire.CHUNK_MAX - 1, wire.CHUNK_MAX - 2, wire.CHUNK_MAX):
            body = text + b"b" * (size - len(text) - 2) + b"')"
            assert int(client.query(body).rows[0][0]) == size - len(text) - 2
        client.query(f"DROP TABLE {table}")


# ---- connections that end oddly ---------------------------------------------------------------------


def accepted(client, sql):
    """False for 1213: try again."""
    try:
        client.query(sql)
        return True
    except wire.ServerError as error:
        assert error.code == 1213, error
        return False


@case(seconds=60)
def half_open_connections(context, cluster):
    """Clients that leave without a word, in every phase, leave nothing behind."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)")
    for number in range(context.pick(30, 1000)):
        client = cluster.connect()
        if number % 5 == 1:
            client.query("BEGIN")
            client.query(f"UPDATE {table} SET v = v + 1 WHERE id = 1")
        elif number % 5 == 2:
            client.command(wire.COM_QUERY, b"SELECT SLEEP(0.05)")
        elif number % 5 == 3:
            client.send_raw(b"\x40\0\0\0\3SELECT")  # half a packet
        elif number % 5 == 4:
            client.query("BEGIN")
            client.query(f"UPDATE {table} SET v = v + 1 WHERE id = 1")
            client.command(wire.COM_QUERY, b"COMMIT")  # and never reads the answer
        if number % 2:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    # The bystander and this connection are what is left, and the row is free.
    with cluster.connect() as client:
        wait_until(lambda: cluster.consort.get("/status")["sessions"] <= 2, 15,
                   lambda: f"abandoned sessions end: {cluster.consort.get('/sessions')}")
        client.query("SET innodb_lock_wait_timeout = 5")
        # The COMMITs that nobody waited for may still be under way: they count as rivals.
        wait_until(lambda: accepted(client, f"UPDATE {table} SET v = -1 WHERE id = 1"), 10,
                   "the row is free")
    cluster.assert_identical()


@case(seconds=40)
def slow_login_is_ended(_context, cluster):
    """A client that stops in the middle of its login is ended by the time limit, not kept."""
    began = time.monotonic()
    client = wire.Wire(cluster.consort.port)
    client.read_greeting()
    client.send_raw(b"\x20\0\0\1\x85")
    ended(client, seconds=LOGIN_MS / 1000 + 10)
    assert time.monotonic() - began < LOGIN_MS / 1000 + 5
    client.close()


@case(seconds=30)
def errors_are_counted(_context, cluster):
    """Metrics and log know of what happened above."""
    metrics = cluster.consort.metrics()
    errors = {name: value for name, value in metrics.items() if "error" in name or "refus" in name}
    assert any(value > 0 for value in errors.values()), errors


@case(seconds=30)
def wrong_passwords_do_not_exhaust(context, cluster):
    """Hundreds of failed logins leave logins possible."""
    for _ in range(context.pick(200, 5000)):
        try:
            cluster.consort.wire(password="wrong").close()
            raise AssertionError("let in")
        except wire.ServerError as error:
            assert error.code == 1045
    assert wire.connect(cluster.consort.port, APP_USER, APP_PASSWORD).value("SELECT 1") == "1"
