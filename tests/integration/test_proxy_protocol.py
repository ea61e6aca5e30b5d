"""PROXY protocol: clients behind HAProxy keep their address; headers that are wrong or from
strangers end their connection and nothing else."""

import os
import shutil
import socket
import struct
import subprocess
import time

from support import wire
from support.case import Skip, case
from support.cluster import Cluster
from support.private_server import APP_PASSWORD, APP_USER
from support.process import free_port, spawn, wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOGIN_MS = 1500


def version_1(address="10.1.2.3", port=555):
    return f"PROXY TCP4 {address} 10.0.0.1 {port} 3306\r\n".encode()


def version_2(address="10.1.2.3", port=555, command=0x21, family=0x11, rest=b""):
    block = (socket.inet_aton(address) + socket.inet_aton("10.0.0.1")
             + struct.pack(">HH", port, 3306)) + rest
    return SIGNATURE + struct.pack(">BBH", command, family, len(block)) + block


class Balanced(Cluster):
    """Headers are believed from 127.0.0.1 and the Unix socket, not from ::1."""

    def __init__(self, context):
        self.path = os.path.join(context.work_dir, "sock")
        super().__init__(context, servers=2, settings={
            "listen": {"sql": {"address": "::"}, "socket": self.path,
                       "proxy_protocol_networks": ["127.0.0.1/32", "localhost"]},
            "limits": {"login_timeout_ms": LOGIN_MS}})
        # The servers see Consort's address, Consort the client's: an account needs both.
        self.sql(*(f"CREATE USER {user} IDENTIFIED BY 'pw'" for user in (
            "inside@'10.1.2.%'", "inside@'127.0.0.1'", "outside@'192.0.2.%'",
            "outside@'127.0.0.1'", "six@'2001:db8::7'", "six@'127.0.0.1'", "local@localhost")))
        self.bystander = self.connect()

    def check(self):
        super().check()
        assert self.bystander.value("SELECT 1") == "1"

    def login(self, header, user=APP_USER, password=APP_PASSWORD, **options):
        return wire.connect(self.consort.port, user, password, before=header, **options)

    def addresses(self):
        return [one["client_address"] for one in self.consort.get("/sessions")["sessions"]]

    def refused(self):
        return self.consort.metric('consort_connections_refused_total{reason="proxy_header"}')


def setup(context):
    return Balanced(context)


def denied(call):
    try:
        call().close()
    except wire.ServerError as error:
        assert error.code == 1045, error
        return error.message
    raise AssertionError("let in")


@case(seconds=30, each=[("v1", version_1), ("v2", version_2)])
def the_address_counts(_context, cluster, header):
    """For the account's host, the message of a refusal and GET /sessions."""
    before = cluster.consort.metric("consort_proxied_connections_total")
    client = cluster.login(header(), "inside", "pw")
    assert client.value("SELECT 1") == "1"
    assert "10.1.2.3:555" in cluster.addresses(), cluster.addresses()
    client.quit()
    assert "'inside'@'192.0.2.9'" in denied(lambda: cluster.login(header("192.0.2.9"), "inside", "pw"))
    cluster.login(header("192.0.2.9"), "outside", "pw").close()
    cluster.login(header("127.0.0.1"), "local", "pw").close()
    assert cluster.consort.metric("consort_proxied_connections_total") == before + 4


@case(seconds=30)
def other_sources(_context, cluster):
    """LOCAL and UNKNOWN keep the sender's address, Unix streams are localhost, IPv6, a sender on the
    Unix socket, extensions."""
    six = SIGNATURE + struct.pack(">BBH", 0x21, 0x21, 36) + socket.inet_pton(
        socket.AF_INET6, "2001:db8::7") + bytes(16) + struct.pack(">HH", 7, 8)
    local = SIGNATURE + struct.pack(">BBH", 0x20, 0, 0)
    unix = SIGNATURE + struct.pack(">BBH", 0x21, 0x31, 216) + bytes(216)
    for name, header, user, shown in (
            ("local", local, "local", "::ffff:127.0.0.1:"),
            ("unknown", b"PROXY UNKNOWN\r\n", "local", "::ffff:127.0.0.1:"),
            ("unix", unix, "local", "localhost"),
            ("six", six, "six", "2001:db8::7:7"),
            ("six", b"PROXY TCP6 2001:db8::7 ::1 7 8\r\n", "six", "2001:db8::7:7"),
            ("extensions", version_2(rest=b"\x04\x03\xe8" + b"x" * 1000), "inside", "10.1.2.3:555")):
        client = cluster.login(header, user, "pw")
        assert any(one.startswith(shown) for one in cluster.addresses()), (name,
                                                                          cluster.addresses())
        client.quit()
    client = cluster.login(version_1(), "inside", "pw", unix=cluster.path)
    assert client.value("SELECT 3") == "3"
    client.quit()


@case(seconds=30)
def in_pieces(_context, cluster):
    """A header that comes byte by byte, with the login behind it in one segment."""
    for header in (version_1(), version_2()):
        client = wire.Wire(cluster.consort.port)
        for byte in header[:-1]:
            client.send_raw(bytes([byte]))
            time.sleep(0.0005)
        client.read_greeting()
        send, last = client.send_raw, [header[-1:]]
        client.send_raw = lambda data, send=send, last=last: send((last.pop() if last else b"") + data)
        client.login("inside", "pw")
        assert client.value("SELECT 1") == "1"
        client.quit()


@case(seconds=30, each=[
    ("bad_address", b"PROXY TCP4 10.1.2.3.4 10.0.0.1 555 3306\r\n"),
    ("endless", b"PROXY TCP4 " + b"1" * 200),
    ("udp", version_2(family=0x12)),
    ("version_3", version_2(command=0x31)),
    ("huge", SIGNATURE + b"\x21\x11\xff\xff"),
    ("cut_extension", version_2(rest=b"\x04\x00")),
    ("wrong_checksum", version_2(rest=b"\x03\x00\x04abcd")),
])
def malformed(_context, cluster, header):
    """The server's error, the end, a line in the log and a count."""
    before = cluster.refused()
    client = wire.Wire(cluster.consort.port, before=header).read_greeting()
    assert b"Failed to parse proxy header" in client.read_packet()
    client.close()
    assert cluster.refused() == before + 1
    assert "malformed PROXY header" in cluster.consort.log_text()


@case(seconds=30)
def from_strangers(_context, cluster):
    """An address that is not listed may not send one; without one it is as welcome as ever."""
    before = cluster.refused()

    def is_logged():  # one line a second
        client = wire.Wire(cluster.consort.port, host="::1", before=version_1()).read_greeting()
        assert b"Failed to parse proxy header" in client.read_packet()
        client.close()
        return "proxy_protocol_networks lacks" in cluster.consort.log_text()

    wait_until(is_logged, 10, "it is logged", every=0.3)
    assert cluster.refused() > before
    cluster.login(b"", host="::1").close()


@case(seconds=30)
def one_that_never_ends(_context, cluster):
    """The login's time limit counts for the header too."""
    began = time.monotonic()
    for client in [wire.Wire(cluster.consort.port, before=part).read_greeting()
                   for part in (b"PROX", SIGNATURE, version_1()[:-2])]:
        client.socket.settimeout(LOGIN_MS / 1000 + 5)
        try:
            assert client.socket.recv(100) == b""
        except ConnectionResetError:
            pass
        waited = time.monotonic() - began
        assert LOGIN_MS / 1000 - 0.5 < waited < LOGIN_MS / 1000 + 3, waited
        client.close()


@case(seconds=40)
def behind_haproxy(context, cluster):
    """send-proxy and send-proxy-v2 of a real one, with its health checks."""
    if shutil.which("haproxy") is None:
        raise Skip("haproxy is not installed")
    ports = {"send-proxy": free_port(), "send-proxy-v2": free_port()}
    path = os.path.join(context.work_dir, "haproxy.cfg")
    with open(path, "w", encoding="ascii") as file:
        file.write("defaults\n mode tcp\n timeout connect 2s\n timeout client 30s\n"
                   " timeout server 30s\n")
        for way, port in ports.items():
            file.write(f"listen {way}\n bind 127.0.0.1:{port}\n server consort "
                       f"127.0.0.1:{cluster.consort.port} {way} check inter 200ms\n")
    balancer = spawn(["haproxy", "-f", path, "-db"], stdin=subprocess.DEVNULL,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        before = cluster.refused()
        for way, port in ports.items():
            def entered(port=port):
                try:
                    return wire.connect(port, APP_USER, APP_PASSWORD, "test")
                except (OSError, wire.Closed):
                    return None

            wait_until(lambda entered=entered: entered() is not None, 10, f"{way} lets in")
            client = entered()
            own = client.socket.getsockname()[1]
            assert f"127.0.0.1:{own}" in cluster.addresses(), (own, cluster.addresses())
            client.query("SELECT 1")
            client.quit()
        time.sleep(0.5)
        assert cluster.refused() == before
    finally:
        balancer.terminate()
        balancer.wait(10)
