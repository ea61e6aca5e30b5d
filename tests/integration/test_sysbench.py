"""Debian's sysbench through Consort: no error but counted 1213, identical servers at the end."""

import os
import re
import subprocess

from support.case import Skip, case
from support.cluster import Cluster
from support.private_server import APP_PASSWORD, APP_USER

SYSBENCH = "/usr/bin/sysbench"
THREADS = 16


def setup(context):
    if not os.access(SYSBENCH, os.X_OK):
        raise Skip("sysbench is not installed")
    cluster = Cluster(context, settings={"read_affinity": True})
    cluster.sql("CREATE DATABASE sbtest")
    return cluster


def sysbench(cluster, script, command, *options):
    """Runs it and returns its output; any failure is an error."""
    arguments = [SYSBENCH, script, "--db-driver=mysql", "--mysql-host=127.0.0.1",
                 f"--mysql-port={cluster.consort.port}", f"--mysql-user={APP_USER}",
                 f"--mysql-password={APP_PASSWORD}", "--mysql-db=sbtest",
                 "--mysql-ignore-errors=1213", f"--threads={THREADS}", *options, command]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    print(" ".join(arguments), done.stdout, sep="\n", flush=True)
    assert done.returncode == 0, f"sysbench {script} {command}:\n{done.stdout[-3000:]}"
    assert "FATAL" not in done.stdout, done.stdout[-3000:]
    return done.stdout


def number(output, label):
    match = re.search(label + r":\s+(\d+)", output)
    assert match, f"no '{label}' in\n{output}"
    return int(match.group(1))


@case(seconds=90, soak_seconds=1200, each=[(name, name) for name in (
    "oltp_read_write", "oltp_write_only", "oltp_insert", "oltp_point_select", "bulk_insert")])
def workload(context, cluster, script):
    """prepare, run, compare, cleanup."""
    # A bulk insert of a second is hundreds of thousands of rows to compare.
    seconds = context.pick(1 if script == "bulk_insert" else 4, 60)
    # bulk_insert has a table per thread and fills it itself.
    sizes = [] if script == "bulk_insert" else ["--tables=3",
                                               f"--table-size={context.pick(2000, 100_000)}"]
    sysbench(cluster, script, "prepare", *sizes)
    output = sysbench(cluster, script, "run", f"--time={seconds}", *sizes)
    assert number(output, "reconnects") == 0, output
    transactions = number(output, "transactions") if "transactions:" in output else 0
    queries = number(output, "total") if "total:" in output else 0
    ignored = number(output, "ignored errors")
    assert transactions > 50 or queries > 50, output
    told = cluster.assert_identical(60)
    sysbench(cluster, script, "cleanup", *sizes)
    return f"{transactions} transactions in {seconds} s, {ignored} times 1213, {told}"


@case(seconds=20)
def reads_stay_where_they_were(_context, cluster):
    """A session's reads keep to one server while it is not busier than others; sessions spread."""
    places = set()
    clients = [cluster.connect() for _ in range(6)]
    for client in clients:
        seen = {client.value("SELECT @@server_id") for _ in range(20)}
        assert len(seen) == 1, seen
        places |= seen
    for client in clients:
        client.close()
    assert len(places) == len(cluster.servers), places
