"""Many clients, most of them idle, over few connections to the servers: how long the active ones wait,
and what an idle one costs."""

import random
import resource
import selectors
import time

from support import wire
from support.private_server import APP_PASSWORD, APP_USER
from support.process import rss_bytes

CROWDS = (1000, 10_000)
SERVER_CONNECTIONS = 99  # 33 to each of three servers
STATEMENTS_PER_SECOND = 400  # one client in a thousand at a time; the rest is idle
WRITE_SHARE = 0.1
TABLE_ROWS = 25_000


def statement(draw):
    key = draw.randrange(TABLE_ROWS) + 1
    if draw.random() < WRITE_SHARE:
        return f"UPDATE sbtest.sbtest1 SET k = k + 1 WHERE id = {key}"
    return f"SELECT c FROM sbtest.sbtest1 WHERE id = {key}"


def act(clients, seconds, draw):
    """Lets random clients ask, at a fixed rate whatever the answers take, each one thing at a time.
    Latencies in ms from when a statement was due; the number of errors."""
    latencies, errors, busy = [], 0, {}
    idle = list(clients)
    waiting = selectors.DefaultSelector()
    begin = time.perf_counter()
    asked = 0
    while asked < seconds * STATEMENTS_PER_SECOND or busy:
        due = begin + asked / STATEMENTS_PER_SECOND
        now = time.perf_counter()
        if asked < seconds * STATEMENTS_PER_SECOND and now >= due and idle:
            at = draw.randrange(len(idle))
            idle[at], idle[-1] = idle[-1], idle[at]
            client = idle.pop()
            client.command(wire.COM_QUERY, statement(draw).encode())
            busy[client] = due
            waiting.register(client.socket, selectors.EVENT_READ, client)
            asked += 1
            continue
        for key, _ in waiting.select(max(0.0, min(due - now, 1.0)) if busy else max(0.0, due - now)):
            client = key.data
            try:
                client.read_reply()
            except wire.ServerError:
                errors += 1
            latencies.append((time.perf_counter() - busy.pop(client)) * 1000)
            waiting.unregister(client.socket)
            idle.append(client)
    return sorted(latencies), errors


def measure_crowds(bench, say):
    """Markdown rows."""
    rows = []
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = max(CROWDS) + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise RuntimeError(f"needs {wanted} file descriptors, {hard} are allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    consort = bench.consort
    consort.stop()
    consort.config["pool"] = {"connections_max": SERVER_CONNECTIONS // len(bench.servers)}
    consort.config["limits"] = {"connections_max": 2 * max(CROWDS)}
    consort.write_config()
    for size in CROWDS:
        consort.start()  # anew: memory freed by earlier work would hide what a client costs
        draw = random.Random(size)
        with wire.connect(consort.port, APP_USER, APP_PASSWORD) as client:
            client.query("SELECT c FROM sbtest.sbtest1 WHERE id = 1")
        before = rss_bytes(consort.process.pid)
        clients = []
        for _ in range(size):
            clients.append(wire.connect(consort.port, APP_USER, APP_PASSWORD))
            clients[-1].query(statement(draw))
        seconds = bench.options.seconds * 2
        latencies, errors = act(clients, seconds, draw)
        used = rss_bytes(consort.process.pid)
        on_servers = sum(len(server.query("SHOW PROCESSLIST")) for server in bench.servers)
        for client in clients:
            client.close()
        consort.stop()

        def share(part, found=latencies):
            return f"{found[min(len(found) - 1, int(len(found) * part))]:.2f}"
        rows.append([size, on_servers, f"{len(latencies) / seconds:.0f}", share(0.5), share(0.95),
                     share(0.99), errors, f"{(used - before) / size / 1024:.1f}",
                     f"{used / 1048576:.0f}"])
        say(f"  {size} clients: p99 {rows[-1][5]} ms, {rows[-1][7]} KiB for each,"
            f" {rows[-1][8]} MiB in all, {errors} errors")
    del consort.config["pool"], consort.config["limits"]
    consort.write_config()
    consort.start()
    return rows
