"""Handshakes that end at every byte: plain, TLS, compressed, behind a PROXY header. Consort serves
on, keeps no descriptor, session or memory of them, and has counted them."""

import os
import socket
import struct
import time

from support import wire
from support.case import case
from support.certificates import Certificates
from support.cluster import Cluster
from support.cutting_relay import CLOSE, SILENT, WAYS, CuttingRelay
from support.private_server import APP_PASSWORD, APP_USER
from support.process import wait_until

LOGIN_MS = 1500
MIB = 1 << 20
FULL_CONNECTIONS = 10000
HEADER_1 = b"PROXY TCP4 127.0.0.1 127.0.0.1 555 3306\r\n"
HEADER_2 = (b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", 0x21, 0x11, 12)
            + socket.inet_aton("127.0.0.1") * 2 + struct.pack(">HH", 555, 3306))


class Cut(Cluster):
    """A Consort with everything that a handshake can have."""

    def __init__(self, context):
        certificates = Certificates(os.path.join(context.work_dir, "certificates"))
        super().__init__(context, servers=1, settings={
            "limits": {"login_timeout_ms": LOGIN_MS, "failed_logins_max": 0},
            "listen": {"proxy_protocol_networks": ["127.0.0.1"]},
            "tls": {"certificate": certificates.file("proxy.pem"),
                    "key": certificates.file("proxy.key")}})
        self.tls = certificates.client()
        self.relay = CuttingRelay(self.consort.port)

    def close(self, keep=False):
        self.relay.close()
        super().close(keep)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.consort.process.pid}/fd"))


def setup(context):
    return Cut(context)


def client_of(cluster, kind):
    """Logs in, asks one question, and leaves without a word."""
    options = {"plain": {}, "tls": {"tls": cluster.tls}, "compressed": {"compress": "zlib"},
               "tls_compressed": {"tls": cluster.tls, "compress": "zlib"},
               "proxy_1": {"before": HEADER_1},
               "proxy_2_tls": {"before": HEADER_2, "tls": cluster.tls}}[kind]

    def run(port):
        client = wire.connect(port, APP_USER, APP_PASSWORD, None, timeout=10, **options)
        assert client.value("SELECT 1") == "1"
        client.close()
    return run


KINDS = ("plain", "tls", "compressed", "tls_compressed", "proxy_1", "proxy_2_tls")


@case(seconds=60, soak_seconds=1800)
def cut_at_each_byte(context, cluster):
    """A sample of the bytes, each in one way; --soak: 10,000 connections, each byte in every way."""
    relay, consort = cluster.relay, cluster.consort
    clients = {kind: client_of(cluster, kind) for kind in KINDS}
    lengths = {kind: relay.run(client) for kind, client in clients.items()}
    wanted = context.pick(240, FULL_CONNECTIONS)
    for kind in KINDS:  # whatever is allocated once is there then
        for number in range(20):
            relay.run(clients[kind], number * lengths[kind] // 20)
    points = [(kind, cut) for kind in KINDS for cut in range(lengths[kind])]
    cuts = [(*point, way) for way in WAYS for point in points]
    context.random.shuffle(cuts)
    cuts = (cuts * (wanted // len(cuts) + 1))[:wanted]
    wait_until(lambda: consort.metric("consort_connections ") == 0, 10, "no session is left")
    descriptors, memory = cluster.descriptors(), consort.rss
    accepted = consort.metric("consort_connections_accepted_total")
    timeouts = 'consort_connections_refused_total{reason="handshake_timeout"}'
    timed_out = consort.metric(timeouts)
    silent = 0
    for number, (kind, cut, way) in enumerate(cuts):
        # As many as 400 are silent at once: what they needed the allocator keeps for those to come.
        if wanted == FULL_CONNECTIONS and number == wanted // 2:
            memory = consort.rss
        relay.run(clients[kind], cut, way)
        silent += way == SILENT
        if len(relay.kept) >= 400:
            time.sleep(LOGIN_MS / 1000 + 0.5)
            relay.release()
    time.sleep(LOGIN_MS / 1000 + 0.5)
    with cluster.connect() as bystander:
        assert bystander.value("SELECT 2") == "2"
    after = consort.metric(timeouts) - timed_out
    relay.release()
    wait_until(lambda: consort.metric("consort_connections ") == 0, 10, "no session is left")
    assert consort.metric("consort_connections_accepted_total") - accepted == wanted + 1
    # Who was silent before the end of the login was thrown out; who had logged in was not.
    assert 0.5 * silent <= after <= silent, (after, silent)
    wait_until(lambda: cluster.descriptors() <= descriptors + 4, 10,
               f"{descriptors} descriptors again, not {cluster.descriptors()}")
    grown = consort.rss - memory
    assert context.slowdown > 1 or grown < 4 * MIB, f"grew by {grown / MIB:.1f} MiB"
    for kind in KINDS:
        relay.run(clients[kind], way=CLOSE)
    assert cluster.sql("SELECT 3") == [(b"3",)]
    return (f"{wanted} connections, {len(points)} places, {after:.0f} timed out, "
            f"grew by {grown / MIB:.1f} MiB")
