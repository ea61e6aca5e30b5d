"""TLS for clients: the same database through it, accounts that demand it, and every way to fail."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

from support import wire
from support.case import case
from support.certificates import Certificates
from support.cluster import Cluster
from support.private_server import APP_PASSWORD, APP_USER
from support.process import wait_until

LOGIN_MS = 2000


class Secured(Cluster):
    """A Consort with a certificate, and beside every test two bystanders, plain and through TLS,
    who must never notice anything."""

    def __init__(self, context):
        self.certificates = Certificates(os.path.join(context.work_dir, "certificates"))
        file = self.certificates.file
        # What the tests replace are copies.
        for kind in ("pem", "key"):
            shutil.copy(file("proxy." + kind), file("used." + kind))
        super().__init__(context, settings={
            "limits": {"login_timeout_ms": LOGIN_MS},
            "tls": {"certificate": file("used.pem"), "key": file("used.key"),
                    "ca": file("ca.pem")}})
        self.tls = self.certificates.client()
        self.bystanders = [self.connect(), self.connect(tls=self.tls)]
        self.bystanders[0].query("CREATE TABLE bystander (id INT PRIMARY KEY)")
        self.count = 0

    def check(self):
        super().check()
        for bystander in self.bystanders:
            self.count += 1
            bystander.query(f"INSERT INTO bystander VALUES ({self.count})")
        assert int(self.bystanders[1].value("SELECT COUNT(*) FROM bystander")) == self.count

    def sessions(self):
        return self.consort.get("/sessions")["sessions"]

    def failures(self):
        return self.consort.metric("consort_tls_handshake_failures_total")

    def raw(self, data=b""):
        """A connection that has asked for TLS and sent `data` after that."""
        client = wire.Wire(self.consort.port, timeout=10)
        client.read_greeting()
        client.send_packet(client.ssl_request())
        client.send_raw(data)
        return client


def setup(context):
    return Secured(context)


def refused(call, code):
    try:
        call()
    except wire.ServerError as error:
        assert error.code == code, f"expected {code}, got {error}"
        return error
    raise AssertionError(f"accepted, expected error {code}")


def gone(client, seconds=10):
    """The other side ends the connection, whatever it says before."""
    client.socket.settimeout(seconds)
    try:
        while client.socket.recv(65536):
            pass
    except (ConnectionResetError, BrokenPipeError):
        pass
    client.close()


def client_hello(context):
    """The bytes a client begins with."""
    out = ssl.MemoryBIO()
    channel = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="127.0.0.1")
    try:
        channel.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


# ---- at work ----------------------------------------------------------------------------------------


@case(seconds=40, each=[("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3)])
def works_through_tls(_context, cluster, version):
    """Reads, writes and prepared statements; Consort says who speaks TLS."""
    before = cluster.consort.metrics()
    context = cluster.certificates.client(version=version)
    table = cluster.table("id INT PRIMARY KEY, v VARCHAR(50)")
    with cluster.connect(tls=context) as client:
        assert client.server_capabilities & wire.SSL
        client.query(f"INSERT INTO {table} VALUES (1, 'one'), (2, 'two')")
        assert client.query(f"SELECT v FROM {table} ORDER BY id").rows == [(b"one",), (b"two",)]
        statement = client.prepare(f"SELECT COUNT(*) FROM {table}")
        assert client.execute(statement).rows == [(2,)]
        client.change_user(APP_USER, APP_PASSWORD, "test")
        assert client.value("SELECT 1") == "1"
        ours = [one for one in cluster.sessions() if one["tls"]]
        assert len(ours) == 2, cluster.sessions()  # the other is the bystander
        assert {one["tls"].split()[0] for one in ours} == {"TLSv1.3", client.socket.version()}
        metrics = cluster.consort.metrics()
        assert metrics["consort_tls_connections"] == 2, metrics
        assert (metrics["consort_tls_connections_total"]
                == before["consort_tls_connections_total"] + 1)
    wait_until(lambda: cluster.consort.metrics()["consort_tls_connections"] == 1, 10,
               "the gauge falls")


@case(seconds=40)
def the_mariadb_client(_context, cluster):
    """The servers' own client checks our certificate; a foreign CA ends it."""

    def run(*options):
        return subprocess.run(
            ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{cluster.consort.port}",
             f"-u{APP_USER}", f"-p{APP_PASSWORD}", "-N", *options, "-e", "SELECT 1 + 1"],
            capture_output=True, timeout=20, check=False)

    ca, foreign = cluster.certificates.file("ca.pem"), cluster.certificates.file("foreign.pem")
    checked = run("--ssl-ca=" + ca, "--ssl-verify-server-cert")
    assert checked.stdout == b"2\n", checked
    wrong = run("--ssl-ca=" + foreign, "--ssl-verify-server-cert")
    assert wrong.returncode != 0 and b"2026" in wrong.stderr, wrong
    for options in (("--ssl",), ("--skip-ssl",), ("--ssl", "--tls-version=TLSv1.2"),
                    ("--ssl-cert=" + cluster.certificates.file("client.pem"),
                     "--ssl-key=" + cluster.certificates.file("client.key"))):
        assert run(*options).stdout == b"2\n", run(*options)


@case(seconds=60)
def large_packets_and_results(_context, cluster):
    """17 MB in and 34 MB out through TLS, unharmed."""
    table = cluster.table("id INT PRIMARY KEY, v LONGBLOB")
    with cluster.connect(tls=cluster.tls, timeout=60) as client:
        body = os.urandom(1000).hex() * 8500
        client.query(f"INSERT INTO {table} VALUES (1, '{body}')")
        rows = client.query(f"SELECT v FROM {table} UNION ALL SELECT v FROM {table}").rows
        assert [row[0].decode() for row in rows] == [body, body]


@case(seconds=60)
def a_slow_reader_is_waited_for(_context, cluster):
    """Back-pressure goes through TLS: a result nobody reads stays at the backend."""
    table = cluster.table("id INT PRIMARY KEY, v LONGBLOB")
    cluster.sql(f"INSERT INTO {table} SELECT seq, REPEAT('x', 1000000) FROM "
                "(SELECT 1 AS seq UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) AS four")
    with cluster.connect(tls=cluster.tls, timeout=60, receive_buffer=1 << 16) as client:
        before = cluster.consort.rss
        pauses = cluster.consort.metric('consort_backpressure_pauses_total{slow="client"}')
        client.command(wire.COM_QUERY,
                       f"SELECT a.v FROM {table} a, {table} b, {table} c".encode())  # 64 MB
        wait_until(lambda: cluster.consort.metric(
            'consort_backpressure_pauses_total{slow="client"}') > pauses, 20, "a pause")
        time.sleep(0.5)
        grown = cluster.consort.rss - before
        assert grown < 24 << 20, f"{grown} bytes wait for a slow reader"
        assert len(client.read_reply().rows) == 64
        assert client.value("SELECT 1") == "1"


# ---- who may come in --------------------------------------------------------------------------------


@case(seconds=40)
def accounts_that_demand_tls(_context, cluster):
    """REQUIRE SSL, X509 and SUBJECT: 1045 as a server's, also with the right password."""
    for name, demand in (("needs_ssl", "SSL"), ("needs_x509", "X509"),
                         ("needs_subject", "SUBJECT '/C=DE/O=Test/CN=client' ISSUER '/CN=ca'"),
                         ("needs_other", "SUBJECT '/CN=somebody else'")):
        cluster.sql(f"CREATE USER {name}@'%' IDENTIFIED BY 'pw' REQUIRE {demand}")
    known = cluster.certificates.client(certificate="client")

    def login(name, tls, password="pw"):
        cluster.consort.wire(user=name, password=password, tls=tls).close()

    for name in ("needs_ssl", "needs_x509", "needs_subject", "needs_other"):
        error = refused(lambda name=name: login(name, None), 1045)
        assert error.state == "28000" and "using password: YES" in error.message, error
    login("needs_ssl", cluster.tls)
    for name in ("needs_x509", "needs_subject", "needs_other"):
        refused(lambda name=name: login(name, cluster.tls), 1045)
    for name in ("needs_ssl", "needs_x509", "needs_subject"):
        login(name, known)
    refused(lambda: login("needs_other", known), 1045)
    refused(lambda: login("needs_x509", known, "wrong"), 1045)
    with cluster.connect() as client:
        refused(lambda: client.change_user("needs_ssl", "pw"), 1045)


@case(seconds=20)
def a_foreign_certificate_is_refused(_context, cluster):
    """A client's certificate of another CA ends the handshake, whoever the client is."""
    before = cluster.failures()
    context = cluster.certificates.client(certificate="stranger")
    try:
        cluster.consort.wire(tls=context).close()
        raise AssertionError("let in")
    except (ssl.SSLError, wire.Closed, ConnectionError):
        pass
    wait_until(lambda: cluster.failures() == before + 1, 10, "it is counted")


@case(seconds=60)
def tls_may_be_required(_context, cluster):
    """tls.required: 1045 that says why for whoever comes without, before any password is seen."""
    config = cluster.consort.config["tls"]
    for bystander in cluster.bystanders:
        bystander.close()
    cluster.consort.stop()
    config["required"] = True
    cluster.consort.write_config()
    cluster.consort.client_tls = cluster.tls
    cluster.consort.start()
    try:
        error = refused(lambda: cluster.connect(tls=None), 1045)
        assert "TLS is required here" in error.message, error
        assert cluster.connect().value("SELECT 1") == "1"
    finally:
        cluster.consort.stop()
        config["required"] = False
        cluster.consort.write_config()
        cluster.consort.client_tls = None
        cluster.consort.start()
        cluster.bystanders = [cluster.connect(), cluster.connect(tls=cluster.tls)]


# ---- certificates -----------------------------------------------------------------------------------


def serial_shown(cluster):
    """Which certificate a new client sees."""
    with cluster.connect(tls=cluster.tls) as client:
        return client.socket.getpeercert()["serialNumber"]


@case(seconds=40, each=[("signal", False), ("admin", True)])
def certificates_are_read_again(_context, cluster, by_admin):
    """SIGHUP or POST: new connections get the new one, old ones go on with theirs; a wrong one is
    refused by name and the old one stays."""
    file = cluster.certificates.file

    def reload():
        if by_admin:
            return cluster.consort.admin("/tls/reload", "POST")
        cluster.consort.process.send_signal(signal.SIGHUP)
        return None

    def put(pem, key):
        shutil.copy(file(pem), file("used.pem"))
        shutil.copy(file(key), file("used.key"))

    old = serial_shown(cluster)
    kept = cluster.connect(tls=cluster.tls)
    cluster.certificates.make("next", "IP:127.0.0.1")
    put("next.pem", "next.key")
    assert serial_shown(cluster) == old, "nobody asked for it yet"
    answer = reload()
    assert answer is None or answer[0] == 200, answer
    wait_until(lambda: serial_shown(cluster) != old, 10, "the new certificate is shown")
    assert kept.value("SELECT 1") == "1"
    assert kept.socket.getpeercert()["serialNumber"] == old
    new = serial_shown(cluster)

    for pem, key, what in (("ca.csr.absent", "next.key", "cannot read the certificate"),
                           ("next.pem", "client.key", "does not belong to the certificate"),
                           ("next.ext", "next.key", "cannot read the certificate")):
        if os.path.exists(file(pem)):
            put(pem, key)
        else:
            os.unlink(file("used.pem"))
        began = len(cluster.consort.log_text())
        answer = reload()
        wait_until(lambda: what in cluster.consort.log_text()[began:], 10,
                   f"the log says {what}")
        said = cluster.consort.log_text()[began:]
        assert file("used.pem") in said and "the old certificates stay in use" in said, said
        if by_admin:
            assert answer[0] == 422 and what in answer[1]["error"]["message"], answer
            assert file("used.pem") in answer[1]["error"]["message"], answer
        assert serial_shown(cluster) == new
    put("proxy.pem", "proxy.key")
    reload()
    wait_until(lambda: serial_shown(cluster) == old, 10, "the first certificate is back")
    kept.close()


@case(seconds=20)
def a_wrong_certificate_does_not_start(_context, cluster):
    """--check-config and the start itself name the file."""
    path = os.path.join(cluster.directory, "wrong.json")
    with open(cluster.consort.config_path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("used.key", "client.key"))
    for arguments in (["--check-config"], []):
        done = subprocess.run([cluster.consort.binary, *arguments, "--config", path],
                              capture_output=True, timeout=20, check=False)
        assert done.returncode != 0, done
        assert b"client.key does not belong to the certificate" in done.stderr, done


# ---- what goes wrong --------------------------------------------------------------------------------


@case(seconds=30, each=[
    ("http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("zeros", b"\0" * 64),
    ("ones", b"\xff" * 64),
    ("much", b"\x16\x03\x01\x40\x00" + b"\x01\x00\x3f\xfc" + b"x" * 100000),
    ("alert", b"\x15\x03\x01\x00\x02\x02\x28"),
    ("data_first", b"\x17\x03\x03\x00\x10" + b"y" * 16),
    ("old_hello", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"z" * 37),
    ("ssl_request_again", None),
    ("a_plain_login", None),
])
def garbage_instead_of_a_hello(_context, cluster, data):
    """The end of that connection, a count, and nobody is let in."""
    before, accepted = cluster.failures(), cluster.consort.metric("consort_tls_connections_total")
    if data is None:
        probe = wire.Wire(cluster.consort.port)
        probe.read_greeting()
        login = wire.struct.pack("<IIB23x", wire.DEFAULT_CAPABILITIES, 1 << 30, 45)
        login += APP_USER.encode() + b"\0" + bytes([20])
        login += wire.native_scramble(APP_PASSWORD, probe.nonce) + b"mysql_native_password\0"
        probe.send_packet(probe.ssl_request())
        probe.send_packet(login)  # in the clear, where TLS was announced
        gone(probe)
    else:
        client = cluster.raw()
        try:
            client.send_raw(data)
        except wire.Closed:
            pass
        gone(client)
    wait_until(lambda: cluster.failures() == before + 1, 10, "it is counted")
    assert cluster.consort.metric("consort_tls_connections_total") == accepted


@case(seconds=120)
def a_handshake_cut_at_every_byte(context, cluster):
    """Whatever part of a ClientHello arrives before the client is gone: no trace but a count."""
    hello = client_hello(cluster.certificates.client())
    before = cluster.failures()
    cuts = range(0, len(hello), context.pick(3, 1))
    for cut in cuts:
        client = cluster.raw(hello[:cut])
        if cut % 2:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     wire.struct.pack("ii", 1, 0))
        client.close()
    wait_until(lambda: cluster.failures() == before + len(cuts), 20,
               lambda: f"{len(cuts)} failures: {cluster.failures() - before}")
    wait_until(lambda: len(cluster.sessions()) == 2, 10, "only the bystanders stay")


@case(seconds=60)
def a_handshake_changed_at_every_byte(context, cluster):
    """A ClientHello with one wrong byte ends or goes on, but nobody hangs and nobody is let in."""
    hello = client_hello(cluster.certificates.client())
    for at in range(0, len(hello), context.pick(7, 1)):
        wrong = bytearray(hello)
        wrong[at] ^= 0xA5
        client = cluster.raw(bytes(wrong))
        client.socket.shutdown(socket.SHUT_WR)
        gone(client)
    wait_until(lambda: len(cluster.sessions()) == 2, 10, "only the bystanders stay")


@case(seconds=30)
def a_client_that_stops_is_ended(_context, cluster):
    """Half a handshake, then silence: the login's time limit holds, and it is counted."""
    before = cluster.failures()
    began = time.monotonic()
    clients = [cluster.raw(), cluster.raw(client_hello(cluster.certificates.client())[:200]),
               cluster.raw(client_hello(cluster.certificates.client()))]
    for client in clients:
        gone(client, LOGIN_MS / 1000 + 10)
    assert time.monotonic() - began < LOGIN_MS / 1000 + 5
    wait_until(lambda: cluster.failures() == before + 3, 10, "they are counted")


@case(seconds=30)
def a_client_that_leaves_without_a_word(_context, cluster):
    """TCP ends in the middle of a transaction, without TLS's last word: it is rolled back."""
    table = cluster.table("id INT PRIMARY KEY")
    client = cluster.connect(tls=cluster.tls)
    client.query("BEGIN")
    client.query(f"INSERT INTO {table} VALUES (1)")
    os.close(client.socket.detach())
    wait_until(lambda: len(cluster.sessions()) == 2, 10, "the session is gone")
    cluster.sql(f"INSERT INTO {table} VALUES (1)")


@case(seconds=30)
def no_renegotiation(_context, cluster):
    """A TLS 1.2 client that asks for a new handshake ends its own connection, not more."""
    session = subprocess.Popen(
        ["openssl", "s_client", "-starttls", "mysql", "-tls1_2", "-connect",
         f"127.0.0.1:{cluster.consort.port}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: cluster.consort.metrics()["consort_tls_connections"] == 2, 10,
                   "the handshake")
        session.stdin.write(b"R\n")
        session.stdin.flush()
        out, _ = session.communicate(timeout=15)
        assert b"RENEGOTIATING" in out and b"no renegotiation" in out, out[-2000:]
    finally:
        session.kill()
    wait_until(lambda: len(cluster.sessions()) == 2, 10, "the session is gone")


@case(seconds=30)
def broken_records_end_a_session(_context, cluster):
    """Bytes changed on the way, in the middle of a session: the end, without an answer."""
    client = cluster.connect(tls=cluster.tls)
    raw = socket.socket(fileno=os.dup(client.socket.fileno()))
    raw.sendall(b"\x17\x03\x03\x00\x20" + b"\xee" * 32)
    raw.settimeout(10)
    try:
        while raw.recv(65536):
            pass
    except ConnectionResetError:
        pass
    raw.close()
    client.close()
    wait_until(lambda: len(cluster.sessions()) == 2, 10, "the session is gone")
