#!/usr/bin/python3
"""Measures Consort, HAProxy, direct connections and Galera in interleaved rounds. See bench/run."""

import argparse
import datetime
import os
import platform
import shutil
import socket
import tempfile
import time

from connects import connect_rows, measure_connects
from contenders import ROOT, Consort, HAProxy, galera_nodes, plain_servers, set_flush
from crowd import SERVER_CONNECTIONS, STATEMENTS_PER_SECOND, measure_crowds
from sysbench_run import ROWS, TABLES, in_turn, measure, median, ratio, sysbench
from support import wire
from support.certificates import Certificates
from support.private_server import APP_PASSWORD, APP_USER, make_template
from support.process import rss_bytes

PARTS = ("idle", "crowd", "connects", "reads", "commits")
READ_THREADS = (1, 16, 64)
READS = {"prepared": (), "text": ("--db-ps-mode=disable",)}
COMMITS = "oltp_update_index"
# Name, sysbench script, threads. The last: 18 statements, 4 of them writes.
COMMIT_WORKLOADS = (("update by key", COMMITS, 8), ("update by key", COMMITS, 32),
                    ("read/write transaction", "oltp_read_write", 16))
IDLE_CLIENTS = 1000
IDLE_QUERY = "SELECT c FROM sbtest.sbtest1 WHERE id = 1"


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/run")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--write", metavar="FILE")
    parser.add_argument("--consort", default=os.path.join(ROOT, "build-release/proxy/consort"))
    options = parser.parse_args()
    options.seconds = options.seconds or (3 if options.quick else 8)
    options.rounds = options.rounds or (1 if options.quick else 5)
    return options


def say(text):
    print(text, flush=True)


class Bench:
    """Everything that runs: three servers, three Galera nodes, two HAProxies, Consort."""

    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        template = make_template(directory)
        say("starting three servers and Consort ...")
        self.certificates = Certificates(os.path.join(directory, "certificates"))
        file = self.certificates.file
        self.servers = plain_servers(directory, template, {
            "ssl_cert": file("proxy.pem"), "ssl_key": file("proxy.key"), "ssl_ca": file("ca.pem")})
        self.consort = Consort(options.consort, os.path.join(directory, "consort"), self.servers,
                               {"log": {"level": "warning"}, "tls": {
                                   "certificate": file("proxy.pem"), "key": file("proxy.key"),
                                   "ca": file("ca.pem")}})
        self.consort.start()
        say("filling the tables through Consort ...")
        with wire.connect(self.consort.port, APP_USER, APP_PASSWORD) as client:
            client.query("CREATE DATABASE sbtest")
        sysbench(self.consort.port, COMMITS, "prepare", threads=TABLES)
        self.haproxy = HAProxy(os.path.join(directory, "haproxy"), self.servers)
        self.nodes, self.galera_proxy = [], None
        self.durability = "durable"

    def add_galera(self, template):
        say("starting three Galera nodes ...")
        self.nodes = galera_nodes(self.directory, template)
        with wire.connect(self.nodes[0].port, APP_USER, APP_PASSWORD) as client:
            client.query("CREATE DATABASE sbtest")
        sysbench(self.nodes[0].port, COMMITS, "prepare", threads=TABLES)
        self.galera_proxy = HAProxy(os.path.join(self.directory, "haproxy-galera"), self.nodes)

    def set_durability(self, value):
        """Consort reads it at start only."""
        if value != self.durability:
            self.consort.stop()
            self.consort.config["durability"] = self.durability = value
            self.consort.write_config()
            self.consort.start()

    def close(self):
        for one in (self.consort, self.haproxy, self.galera_proxy, *self.servers, *self.nodes):
            if one is not None:
                one.kill()


# ---- reads --------------------------------------------------------------------------------------


def measure_reads(bench):
    """{(kind, threads, target): [Result]}, twice as many rounds of half the time: a machine's speed
    drifts within seconds, and the shorter the turns, the likelier all targets saw the same one."""
    options, results = bench.options, {}
    seconds = max(options.seconds // 2, 1)
    threads_list = (16,) if options.quick else READ_THREADS
    targets = {"direct": (bench.servers[0].port, None),
               "haproxy": (bench.haproxy.port, bench.haproxy.process.pid),
               "consort": (bench.consort.port, bench.consort.process.pid)}
    for number in range(options.rounds * 2):
        for kind, flags in READS.items():
            for threads in threads_list:
                for target, (port, pid) in in_turn(list(targets.items()), number):
                    result = measure(port, "oltp_point_select", threads, seconds, pid,
                                     bench.servers, flags)
                    results.setdefault((kind, threads, target), []).append(result)
                    say(f"  round {number + 1}  point select, {kind}, {threads} threads,"
                        f" {target}: {result.rate:.0f}/s")
    return results


def read_order(key):
    kind, threads, target = key
    return list(READS).index(kind), threads, ("direct", "haproxy", "consort").index(target)


def read_rows(results):
    """Markdown rows, medians and ratios to HAProxy."""
    rows = []
    for kind, threads, target in sorted(results, key=read_order):
        found, base = results[kind, threads, target], results[kind, threads, "haproxy"]
        one = median(found)
        rows.append([f"point select, {kind}", threads, target, f"{one.rate:.0f}", f"{one.p50:.2f}",
                     f"{one.p95:.2f}", f"{one.p99:.2f}", cpu_text(one.cpu_us),
                     f"{ratio(found, base, 'rate'):.2f}",
                     "" if one.cpu_us is None else f"{ratio(found, base, 'cpu_us'):.2f}"])
    return rows


def cpu_text(value):
    return "" if value is None else f"{value:.1f}"


# ---- commits ------------------------------------------------------------------------------------

# Name, durability of Consort (None: Galera), innodb_flush_log_at_trx_commit, compared with.
COMMIT_TARGETS = (
    ("Galera, flush=2", None, 2, "Galera, flush=2"),
    ("Consort relaxed, flush=2", "relaxed", 2, "Galera, flush=2"),
    ("Galera, flush=1", None, 1, "Galera, flush=1"),
    ("Consort durable, flush=2", "durable", 2, "Galera, flush=1"),
    ("Consort durable, flush=1", "durable", 1, "Galera, flush=1"),
)


def measure_commits(bench):
    """{(workload, threads, target): [Result]}"""
    options, results = bench.options, {}
    for number in range(options.rounds):
        for name, durability, flush, _ in in_turn(COMMIT_TARGETS, number):
            servers = bench.nodes if durability is None else bench.servers
            set_flush(servers, flush)
            if durability is not None:
                bench.set_durability(durability)
            proxy = bench.galera_proxy if durability is None else bench.consort
            for workload, script, threads in COMMIT_WORKLOADS:
                result = measure(proxy.port, script, threads, options.seconds, proxy.process.pid,
                                 servers)
                results.setdefault((workload, threads, name), []).append(result)
                say(f"  round {number + 1}  {workload}, {threads} threads, {name}:"
                    f" {result.rate:.0f}/s, {result.conflicts} conflicts")
    return results


def commit_rows(results):
    rows = []
    for workload, _, threads in COMMIT_WORKLOADS:
        for name, _, _, base_name in COMMIT_TARGETS:
            found, base = results[workload, threads, name], results[workload, threads, base_name]
            one = median(found)
            rows.append([workload, threads, name, f"{one.rate:.0f}", f"{one.p50:.2f}",
                         f"{one.p95:.2f}", f"{one.p99:.2f}", cpu_text(one.cpu_us),
                         f"{one.servers_us:.0f}", f"{one.conflicts:.0f}",
                         f"{ratio(found, base, 'rate'):.2f}"])
    return rows


# ---- idle clients -------------------------------------------------------------------------------


def measure_idle(bench):
    """KiB of resident memory for each client that is logged in, has read once and is idle since."""
    bench.consort.stop()
    bench.consort.start()  # memory freed by earlier work would hide what a client costs
    rows = []
    for name, port, pid in (("haproxy", bench.haproxy.port, bench.haproxy.process.pid),
                            ("consort", bench.consort.port, bench.consort.process.pid)):
        with wire.connect(port, APP_USER, APP_PASSWORD) as client:
            client.query(IDLE_QUERY)  # the first of all sets things up that all share
        before = rss_bytes(pid)
        clients = [wire.connect(port, APP_USER, APP_PASSWORD) for _ in range(IDLE_CLIENTS)]
        for client in clients:
            client.query(IDLE_QUERY)
        time.sleep(0.5)
        each = (rss_bytes(pid) - before) / IDLE_CLIENTS / 1024
        for client in clients:
            client.quit()
        say(f"  {IDLE_CLIENTS} idle clients, {name}: {each:.1f} KiB each")
        rows.append([f"{IDLE_CLIENTS} idle clients", name, f"{each:.1f}"])
    return rows


# ---- the report ---------------------------------------------------------------------------------


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def report(parts, options):
    """The markdown text."""
    text = ["# Performance", "",
            f"Measured {datetime.date.today().isoformat()} by `bench/run`: {options.rounds} interleaved"
            f" rounds of {options.seconds} s each (reads: twice as many of half the time), medians."
            f" {os.cpu_count()} cores ({cpu_model()}), everything on one machine and on loopback, so client, proxy and"
            f" servers share the cores. sysbench {TABLES} tables of {ROWS} rows, uniform keys."
            " Repeat it: `bench/run --write docs/performance.md`.", ""]
    if "reads" in parts:
        text += ["## Reads", "",
                 "HAProxy in TCP mode and Consort spread over the same three servers; direct goes to"
                 " one. CPU: user and system time of the proxy for each query.", "",
                 table(["workload", "threads", "through", "queries/s", "p50 ms", "p95 ms", "p99 ms",
                        "proxy CPU us", "rate / HAProxy", "CPU / HAProxy"],
                       read_rows(parts["reads"])), ""]
    if "commits" in parts:
        text += ["## Commits", "",
                 "Three Galera nodes behind HAProxy, written on all nodes, against Consort over three"
                 " plain servers, with the same `innodb_flush_log_at_trx_commit` or, for Consort's"
                 " `durable`, with its commit log as the durable copy (flush=2). Galera runs without"
                 " a binary log. The ratio is to Galera with the same promise. Server CPU: all three"
                 " together, for each commit.", "",
                 table(["workload", "threads", "system", "commits/s", "p50 ms", "p95 ms", "p99 ms",
                        "proxy CPU us", "server CPU us", "1213", "rate / Galera"],
                       commit_rows(parts["commits"])), ""]
    if "connects" in parts:
        text += ["## Connections", "",
                 "Connect, `SELECT 1`, close, by 16 threads, each as fast as it can. With TLS (no"
                 " resumption) HAProxy passes the servers' TLS through; Consort ends it and has plain"
                 " connections behind.", "",
                 table(["transport", "through", "connections/s", "p50 ms", "p99 ms", "proxy CPU us",
                        "server CPU us", "rate / HAProxy"], connect_rows(parts["connects"])), ""]
    if "crowd" in parts:
        text += ["## Crowds", "",
                 f"Clients that are idle but for {STATEMENTS_PER_SECOND} statements per second of all"
                 " together, one in ten a write, over at most"
                 f" {SERVER_CONNECTIONS} connections of theirs to the three servers. Latencies from"
                 " when a statement was due; one Python process is the client. Connections on the"
                 " servers: Consort's own and the look at them included.", "",
                 table(["clients", "connections on the servers", "statements/s", "p50 ms", "p95 ms",
                        "p99 ms", "errors", "KiB each", "Consort MiB in all"], parts["crowd"]), ""]
    if "idle" in parts:
        text += ["## Idle clients", "",
                 table(["", "through", "KiB each"], parts["idle"]), ""]
    return "\n".join(text)


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="ascii") as file:
            return next(line.split(":", 1)[1].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        return platform.machine()


def main():
    options = parse_arguments()
    directory = tempfile.mkdtemp(prefix="consort-bench-")
    os.chmod(directory, 0o755)  # the Galera nodes run as another user
    wanted = (options.only,) if options.only else PARTS
    bench, parts = None, {}
    try:
        bench = Bench(options, directory)
        if "commits" in wanted:
            bench.add_galera(make_template(directory))
        # Idle first: later, freed memory of the other runs would hide what a client costs.
        if "idle" in wanted:
            parts["idle"] = measure_idle(bench)
        if "crowd" in wanted:
            parts["crowd"] = measure_crowds(bench, say)
        if "connects" in wanted:
            parts["connects"] = measure_connects(bench, say)
        if "reads" in wanted:
            parts["reads"] = measure_reads(bench)
        if "commits" in wanted:
            parts["commits"] = measure_commits(bench)
    finally:
        if bench is not None:
            bench.close()
        shutil.rmtree(directory, ignore_errors=True)
    text = report(parts, options)
    say("\n" + text)
    if options.write:
        with open(options.write, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    socket.setdefaulttimeout(60)
    main()
