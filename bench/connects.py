"""Connections per second: connect, SELECT 1, close, with and without TLS."""

import os

from contenders import ROOT
from sysbench_run import in_turn, measure, median, ratio

SCRIPT = os.path.join(ROOT, "bench/connect.lua")
THREADS = 16
# sysbench takes a client's certificate under these names from the folder that it runs in.
TLS_FILES = {"client-key.pem": "client.key", "client-cert.pem": "client.pem", "cacert.pem": "ca.pem"}


def tls_folder(directory, certificates):
    """A folder where sysbench finds what TLS needs."""
    folder = os.path.join(directory, "sysbench-tls")
    os.makedirs(folder, exist_ok=True)
    for name, source in TLS_FILES.items():
        os.symlink(certificates.file(source), os.path.join(folder, name))
    return folder


def measure_connects(bench, say):
    """{(transport, target): [Result]}"""
    options, results = bench.options, {}
    targets = {"direct": (bench.servers[0].port, None),
               "haproxy": (bench.haproxy.port, bench.haproxy.process.pid),
               "consort": (bench.consort.port, bench.consort.process.pid)}
    folder = tls_folder(bench.directory, bench.certificates)
    for number in range(options.rounds):
        for transport, flags in (("plain", ()), ("TLS", ("--mysql-ssl=on",))):
            for target, (port, pid) in in_turn(list(targets.items()), number):
                result = measure(port, SCRIPT, THREADS, options.seconds, pid, bench.servers, flags,
                                 folder=folder)
                results.setdefault((transport, target), []).append(result)
                say(f"  round {number + 1}  connect, SELECT 1, close, {transport}, {target}:"
                    f" {result.rate:.0f}/s")
    return results


def connect_order(key):
    transport, target = key
    return ("plain", "TLS").index(transport), ("direct", "haproxy", "consort").index(target)


def connect_rows(results):
    """Markdown rows, medians and the ratio to HAProxy."""
    rows = []
    for transport, target in sorted(results, key=connect_order):
        found, base = results[transport, target], results[transport, "haproxy"]
        one = median(found)
        rows.append([transport, target, f"{one.rate:.0f}", f"{one.p50:.2f}", f"{one.p99:.2f}",
                     "" if one.cpu_us is None else f"{one.cpu_us:.0f}", f"{one.servers_us:.0f}",
                     f"{ratio(found, base, 'rate'):.2f}"])
    return rows
