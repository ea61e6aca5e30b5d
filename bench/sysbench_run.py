"""One run of sysbench and what it tells: rate, latency percentiles, CPU of the proxy in between."""

import re
import statistics
import subprocess
from dataclasses import dataclass

from contenders import ROOT  # noqa: F401  (sets the import path)
from support.private_server import APP_PASSWORD, APP_USER
from support.process import cpu_seconds

TABLES, ROWS = 4, 25_000
SYSBENCH = "/usr/bin/sysbench"
HISTOGRAM_LINE = re.compile(r"^\s*([\d.]+) \|[* ]*\s(\d+)\s*$", re.MULTILINE)


@dataclass
class Result:
    """What one run showed. Latencies in ms; cpu_us: of the proxy, for each query."""

    rate: float
    p50: float
    p95: float
    p99: float
    cpu_us: float | None
    servers_us: float
    conflicts: int


def sysbench(port, script, command, *options, threads=1, folder=None):
    arguments = [SYSBENCH, script, "--db-driver=mysql", "--mysql-host=127.0.0.1",
                 f"--mysql-port={port}", f"--mysql-user={APP_USER}",
                 f"--mysql-password={APP_PASSWORD}", "--mysql-db=sbtest",
                 "--mysql-ignore-errors=1213", f"--tables={TABLES}", f"--table-size={ROWS}",
                 # Ids from 1 to the table's size. Given out by the servers they would have gaps, as
                 # each master counts in steps, and most keys would find no row to read or change.
                 "--auto-inc=off",
                 "--rand-type=uniform", f"--threads={threads}", *options, command]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, cwd=folder)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}\n{done.stdout[-2000:]}")
    return done.stdout


def percentiles(output, shares):
    """From sysbench's histogram, in ms."""
    counts = [(float(value), int(count)) for value, count in HISTOGRAM_LINE.findall(output)]
    total = sum(count for _, count in counts)
    found, seen, wanted = [], 0, list(shares)
    for value, count in counts:
        seen += count
        while wanted and seen >= total * wanted[0]:
            found.append(value)
            wanted.pop(0)
    return found


def measure(port, script, threads, seconds, proxy_pid, servers, options=(), folder=None):
    """Runs it once. `servers`: their CPU is added up, too."""

    def server_cpu():
        return sum(cpu_seconds(server.process.pid) for server in servers)

    before, servers_before = proxy_pid and cpu_seconds(proxy_pid), server_cpu()
    output = sysbench(port, script, "run", f"--time={seconds}", "--histogram=on", *options,
                      threads=threads, folder=folder)
    used, servers_used = proxy_pid and cpu_seconds(proxy_pid) - before, server_cpu() - servers_before
    queries = int(re.search(r"transactions:\s+(\d+)", output).group(1))
    elapsed = float(re.search(r"total time:\s+([\d.]+)s", output).group(1))
    conflicts = int(re.search(r"ignored errors:\s+(\d+)", output).group(1))
    p50, p95, p99 = percentiles(output, (0.50, 0.95, 0.99))
    return Result(queries / elapsed, p50, p95, p99,
                  None if proxy_pid is None else used * 1e6 / max(1, queries),
                  servers_used * 1e6 / max(1, queries), conflicts)


def median(results):
    """Each figure's median over the rounds."""

    def middle(name):
        values = [getattr(result, name) for result in results]
        return None if values[0] is None else statistics.median(values)

    return Result(*(middle(name) for name in Result.__dataclass_fields__))


def ratio(results, base, name):
    """The median of the rounds' own ratios of one figure: what a round has in common, a busy or a
    slow machine, is in both of its results and does not count."""
    return statistics.median(getattr(one, name) / getattr(other, name)
                             for one, other in zip(results, base, strict=True))


def in_turn(contenders, number):
    """The list, begun at another place in each round: none always follows the same other one."""
    first = number % len(contenders)
    return contenders[first:] + contenders[:first]
