"""Ending, starting again and changing settings without hurting who is at work."""

import os
import signal
import socket
import subprocess
import threading
import time

from support import wire
from support.case import case
from support.cluster import Cluster
from support.process import spawn, wait_until


GRACE_MS = 15000


def setup(context):
    return Cluster(context, servers=2, settings={
        "listen": {"socket": "sql.sock"}, "shutdown_grace_ms": GRACE_MS})


def closed_without_a_word(client):
    """The server's own way: the connection ends, no packet before."""
    try:
        client.read_packet()
        return False
    except wire.Closed:
        return True


def refused(connect):
    """Nobody listens."""
    try:
        connect().close()
        return False
    except (wire.Closed, wire.ServerError):
        return False  # one worker's socket was still open
    except OSError:
        return True


def ended(cluster):
    return cluster.consort.process.poll() is not None


def forget_process(cluster):
    """It has ended by itself."""
    assert cluster.consort.process.wait(10) == 0
    cluster.consort.process = None


@case(seconds=30)
def sigterm_lets_transactions_end(_context, cluster):
    """Idle clients are closed at once, a transaction may commit, nobody new comes in."""
    table = cluster.table("id INT PRIMARY KEY")
    idle, busy, other = (cluster.connect() for _ in range(3))
    busy.query("BEGIN")
    busy.query(f"INSERT INTO {table} VALUES (1)")
    other.query("BEGIN")
    cluster.consort.process.send_signal(signal.SIGTERM)
    assert closed_without_a_word(idle)
    wait_until(lambda: refused(cluster.connect), 5, "no more clients are taken")
    socket_path = os.path.join(cluster.directory, "sql.sock")
    wait_until(lambda: refused(lambda: wire.Wire(0, unix=socket_path)), 5, "nor locally")
    status, health = cluster.consort.admin("/health")
    assert (status, health["serving"]) == (503, False), health
    busy.query(f"INSERT INTO {table} VALUES (2)")
    assert not ended(cluster)
    busy.query("COMMIT")
    assert closed_without_a_word(busy)
    other.query("ROLLBACK")
    assert closed_without_a_word(other)
    forget_process(cluster)
    cluster.consort.start()
    assert cluster.sql(f"SELECT id FROM {table} ORDER BY id") == [(b"1",), (b"2",)]


@case(seconds=30)
def the_grace_has_an_end(_context, cluster):
    """A transaction that nobody ends is cut off with 1053; at a second SIGTERM at once."""
    for signals, grace_ms, least, most in ((1, 700, 0.7, 10), (2, GRACE_MS, 0, 10)):
        cluster.consort.config["shutdown_grace_ms"] = grace_ms
        cluster.consort.write_config()
        assert cluster.consort.admin("/config/reload", "POST", b"")[0] == 200
        table = cluster.table("id INT PRIMARY KEY")
        client = cluster.connect()
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} VALUES (1)")
        began = time.monotonic()
        for _ in range(signals):
            cluster.consort.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        try:
            client.sequence = 0
            packet = client.read_packet()
            assert packet[0] == 0xFF and int.from_bytes(packet[1:3], "little") == 1053, packet
        except wire.Closed as error:
            raise AssertionError("closed without a reason") from error
        assert least <= time.monotonic() - began < most, time.monotonic() - began
        forget_process(cluster)
        cluster.consort.start()
        assert cluster.sql(f"SELECT id FROM {table}") == []


class Knocker:
    """Connects and logs in again and again; counts what fails."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.logins, self.failures, self.longest = 0, [], 0.0
        self._ends = False
        self._thread = threading.Thread(target=self._knock)
        self._thread.start()

    def _knock(self):
        while not self._ends:
            began = time.monotonic()
            try:
                self.cluster.connect(timeout=20).quit()
                self.logins += 1
            except (OSError, wire.Closed, wire.ServerError) as error:
                self.failures.append(repr(error))
            self.longest = max(self.longest, time.monotonic() - began)

    def stop(self):
        self._ends = True
        self._thread.join()


@case(seconds=60)
def a_successor_takes_over_without_a_refused_client(_context, cluster):
    """SIGUSR2: who comes meanwhile waits, a transaction ends before, the process keeps its number."""
    table = cluster.table("id INT PRIMARY KEY")
    pid = cluster.consort.process.pid
    epoch = cluster.consort.get("/status")["epoch"]
    knockers = [Knocker(cluster) for _ in range(4)]
    try:
        client = cluster.connect()
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} VALUES (1)")
        os.kill(pid, signal.SIGUSR2)
        time.sleep(0.3)
        client.query("COMMIT")
        assert closed_without_a_word(client)
        cluster.consort.wait_ready()
        wait_until(lambda: cluster.consort.get("/status")["epoch"] == epoch + 1, 10,
                   "the successor runs")
        before = sum(knocker.logins for knocker in knockers)
        wait_until(lambda: sum(knocker.logins for knocker in knockers) > before + 8, 10,
                   "it takes clients")
    finally:
        for knocker in knockers:
            knocker.stop()
    # A connection that was accepted and not yet logged in is closed, as an idle one is.
    refused = [one for knocker in knockers for one in knocker.failures if "Refused" in one]
    assert not refused, refused
    failed = [one for knocker in knockers for one in knocker.failures]
    assert len(failed) <= 2 * len(knockers), failed
    assert cluster.consort.process.poll() is None
    assert cluster.sql(f"SELECT id FROM {table}") == [(b"1",)]
    with wire.Wire(0, unix=os.path.join(cluster.directory, "sql.sock")) as local:
        local.login("app", "app-secret")
    cluster.sql(f"INSERT INTO {table} VALUES (2)")


@case(seconds=30)
def a_successor_that_cannot_start_takes_nothing_over(_context, cluster):
    """A broken configuration: the old process serves on."""
    good = dict(cluster.consort.config)
    cluster.consort.config["workers"] = "many"
    cluster.consort.write_config()
    cluster.consort.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: "no successor takes over" in cluster.consort.log_text(), 10, "it says so")
    cluster.consort.config = good
    cluster.consort.write_config()
    assert cluster.sql("SELECT 1") == [(b"1",)]


@case(seconds=30)
def sockets_of_a_supervisor_are_used(_context, cluster):
    """LISTEN_FDS: clients wait in the sockets of whoever starts Consort, before and after it."""
    cluster.consort.stop()
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(2)]
    for one in sockets:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", cluster.consort.port))
        one.listen(64)
    early = [wire.Wire(cluster.consort.port, timeout=20) for _ in range(8)]

    def start():
        # The descriptors are put at 3 and 4, LISTEN_PID is the child's own number.
        command = ('export LISTEN_PID=$$ LISTEN_FDS=2; exec "$0" --config "$1" '
                   f"3<&{sockets[0].fileno()} 4<&{sockets[1].fileno()}")
        with open(cluster.consort.log_path, "ab") as log:
            cluster.consort.process = spawn(
                ["/bin/sh", "-c", command, cluster.consort.binary, cluster.consort.config_path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cluster.directory,
                pass_fds=[one.fileno() for one in sockets])

    start()
    for client in early:
        client.login("app", "app-secret")
        assert client.value("SELECT 1") == "1"
    cluster.consort.process.send_signal(signal.SIGTERM)
    forget_process(cluster)
    late = [wire.Wire(cluster.consort.port, timeout=20) for _ in range(4)]  # not refused
    start()
    for client in late:
        client.login("app", "app-secret")
        assert client.value("SELECT 1") == "1"
        client.quit()
    for one in sockets:
        one.close()
    cluster.consort.wait_ready()


@case(seconds=30)
def reload_takes_over_what_it_can(_context, cluster):
    """SIGHUP and POST /config/reload: limits, weights, pool and log level at once; a wrong file
    changes nothing."""
    consort = cluster.consort
    consort.config.setdefault("limits", {})["connections_max"] = 3
    consort.config["pool"] = {"connections_max": 6}
    consort.config["backends"][1]["weight"] = 7
    consort.config["log"] = {"level": "debug"}
    consort.config["workers"] = 3
    consort.write_config()
    status, answer = consort.admin("/config/reload", "POST", b"")
    assert status == 200, answer
    assert sorted(answer["changed"]) == ["$.backends[1].weight", "$.limits.connections_max",
                                         "$.log.level", "$.pool.connections_max"], answer
    assert answer["needs_restart"] == ["$.workers"], answer
    shown = consort.get("/config")
    assert (shown["limits"]["connections_max"], shown["pool"]["connections_max"]) == (3, 6)
    wait_until(lambda: consort.get("/backends")["backends"][1]["weight"] == 7, 5, "the new weight")
    assert consort.get("/backends")["backends"][0]["connections_max"] == 6
    clients = [cluster.connect() for _ in range(4)]  # one more than three for an administrator
    try:
        cluster.connect()
        raise AssertionError("five clients where three are allowed, and one more")
    except wire.ServerError as error:
        assert error.code == 1040, error
    for client in clients:
        client.quit()

    consort.config["pool"] = {"connections_max": 0}
    consort.config["limits"]["connections_max"] = 50
    consort.write_config()
    status, answer = consort.admin("/config/reload", "POST", b"")
    assert status == 422, answer
    assert answer["error"]["path"] == "$.pool.connections_max", answer
    assert consort.get("/config")["limits"]["connections_max"] == 3

    consort.config["pool"] = {"connections_max": 9}
    consort.write_config()
    consort.process.send_signal(signal.SIGHUP)
    wait_until(lambda: consort.get("/config")["limits"]["connections_max"] == 50, 5, "SIGHUP")
    assert consort.get("/config")["pool"]["connections_max"] == 9


@case(seconds=30)
def draining_a_backend_moves_idle_sessions(_context, cluster):
    """sessions_home falls to 0 without a statement; LAST_INSERT_ID() moves along."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY")
    clients = cluster.on_homes(2)
    ids = [client.query(f"INSERT INTO {table} VALUES ()").insert_id for client in clients]
    cluster.settle()

    def drain(state):
        status, answer = cluster.consort.admin("/backends/s1/state", "PUT", {"state": state})
        assert status == 200, answer

    drain("draining")
    wait_until(lambda: cluster.consort.get("/backends")["backends"][0]["sessions_home"] == 0, 5,
               "the idle session has left")
    for client, number in zip(clients, ids):
        client.query("BEGIN")
        assert client.value("SELECT @@server_id") == "2"
        assert client.value("SELECT LAST_INSERT_ID()") == str(number)
        client.query("ROLLBACK")
        client.quit()
    drain("online")
    wait_until(lambda: cluster.consort.backend_states()["s1"] == "online", 10, "online again")
