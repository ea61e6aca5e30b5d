"""kill -9 at random moments: nothing hangs, nothing promised is lost, the servers stay equal."""

import os
import shutil
import time

from support import bank, wire
from support.case import case
from support.cluster import Cluster
from support.process import wait_until

SETTLE_SECONDS = 30


class Bank(Cluster):
    """A cluster with the bank's tables; outcomes of all tests add up."""

    def __init__(self, context):
        super().__init__(context)
        bank.create_tables(self)
        self.loads = 0

    def load(self, context, sessions=8, processes=2):
        self.loads += 1
        return bank.BankLoad(self, sessions=sessions, processes=processes,
                             seed=f"{context.seed}/{self.loads}",
                             first_number=100 * self.loads).start()


def setup(context):
    return Bank(context)


def no_branch_left(cluster):
    """XA RECOVER is empty on every server, soon after a crash."""
    wait_until(lambda: not any(server.prepared_branches() for server in cluster.servers),
               SETTLE_SECONDS,
               lambda: "no branch hangs: " + str({server.name: server.prepared_branches()
                                                  for server in cluster.servers}))


def all_online(cluster, seconds=30):
    wait_until(lambda: set(cluster.consort.backend_states().values()) == {"online"}, seconds,
               lambda: f"all backends online: {cluster.consort.get('/backends')}")


def flags_of_open_segments(consort):
    """How Consort has opened the commit log's segments: {name: open(2) flags}."""
    process, found = f"/proc/{consort.process.pid}", {}
    for number in os.listdir(f"{process}/fd"):
        path = os.readlink(f"{process}/fd/{number}")
        if "/raft/open-" in path:
            with open(f"{process}/fdinfo/{number}", encoding="ascii") as file:
                flags = next(line.split()[1] for line in file if line.startswith("flags:"))
            found[os.path.basename(path)] = int(flags, 8)
    return found


@case(seconds=30)
def log_is_written_through(_context, cluster):
    """kill -9 keeps the page cache, so it proves nothing about power: the log's file must be one
    whose writes return when they are on disk."""
    table = cluster.table("id INT PRIMARY KEY")
    cluster.sql(f"INSERT INTO {table} VALUES (1)")
    flags = flags_of_open_segments(cluster.consort)
    assert flags, "no segment is open"
    current = min(flags, key=lambda name: int(name.split("-")[1]))  # the later ones wait, empty
    assert flags[current] & os.O_DSYNC, f"{current} is open with {flags[current]:o}"


@case(seconds=90, soak_seconds=1800)
def consort_crashes(context, cluster):
    """Load, kill -9 of Consort, restart: no hanging branch, no lost promise, equal backends."""
    told = ""
    for _ in range(context.pick(3, 50)):
        load = cluster.load(context)
        time.sleep(context.random.uniform(0.3, 1.2))
        cluster.consort.kill()
        time.sleep(0.1)
        cluster.consort.start()
        outcome = load.stop()
        no_branch_left(cluster)
        cluster.assert_identical()
        told = bank.verify(cluster, [outcome])
    return told


@case(seconds=90, soak_seconds=1800, each=[("s1", 0), ("s2", 1), ("s3", 2)])
def backend_crashes(context, cluster, index):
    """The same for one backend, which restarts at once."""
    server = cluster.servers[index]
    told = ""
    for _ in range(context.pick(1, 20)):
        load = cluster.load(context)
        time.sleep(context.random.uniform(0.3, 0.8))
        server.kill()
        server.start()
        all_online(cluster)
        outcome = load.stop()
        assert not outcome["closed"], f"connections were lost: {outcome['closed'][:5]}"
        no_branch_left(cluster)
        cluster.assert_identical()
        told = bank.verify(cluster, [outcome])
    return told


@case(seconds=90, soak_seconds=1800)
def everything_crashes(context, cluster):
    """Consort and all backends at the same moment."""
    for _ in range(context.pick(1, 20)):
        load = cluster.load(context)
        time.sleep(context.random.uniform(0.3, 0.8))
        cluster.crash_everything()
        outcome = load.stop()
        no_branch_left(cluster)
        cluster.assert_identical()
        told = bank.verify(cluster, [outcome])
    return told


@case(seconds=90, soak_seconds=600)
def backend_catches_up_by_itself(context, cluster):
    """Away under load, out of rotation until it has caught up, then serving again."""
    server = cluster.servers[1]
    load = cluster.load(context)
    server.kill()
    time.sleep(context.pick(2, 30))
    with cluster.connect() as client:
        for _ in range(30):
            home = client.value("SELECT @@server_id")
            assert home != "2", "a read went to the dead server"
    server.start()
    began = time.monotonic()
    all_online(cluster, 60)
    caught_up = time.monotonic() - began
    served = set()
    with cluster.connect() as client:
        for _ in range(200):
            served.add(client.value("SELECT @@server_id"))
    outcome = load.stop()
    assert "2" in served, f"the returned server gets no reads: {served}"
    assert not outcome["closed"], f"connections were lost: {outcome['closed'][:5]}"
    cluster.assert_identical()
    return f"{bank.verify(cluster, [outcome])}; online {caught_up:.1f} s after its start"


@case(seconds=60, soak_seconds=300)
def consort_stops_and_starts_cleanly(context, cluster):
    """SIGTERM under load: it ends by itself; afterwards everything goes on."""
    load = cluster.load(context)
    time.sleep(0.5)
    cluster.consort.stop()
    cluster.consort.start()
    time.sleep(0.5)
    outcome = load.stop()
    no_branch_left(cluster)
    cluster.assert_identical()
    return bank.verify(cluster, [outcome])


@case(seconds=60, soak_seconds=900)
def relaxed_never_differs(context, cluster):
    """durability=relaxed: a crash may lose the last promises, but the backends stay equal and the
    balances follow from the ledger."""
    consort = cluster.consort
    consort.kill()
    consort.config["durability"] = "relaxed"
    consort.write_config()
    consort.start()
    lost = 0
    try:
        for _ in range(context.pick(2, 50)):
            load = cluster.load(context)
            time.sleep(context.random.uniform(0.3, 1.0))
            consort.kill()
            consort.start()
            outcome = load.stop()
            no_branch_left(cluster)
            cluster.assert_identical()
            kept = {row[0] for row in cluster.servers[0].query("SELECT id FROM test.ledger")}
            lost += len([ident for ident in outcome["acknowledged"] if ident not in kept])
            outcome["acknowledged"] = []
            bank.verify(cluster, [outcome])
    finally:
        consort.kill()
        del consort.config["durability"]
        consort.write_config()
        consort.start()
    return f"{lost} promises lost"


@case(seconds=60)
def starts_without_one_backend(_context, cluster):
    """Two of three are enough; the third comes later and catches up."""
    cluster.consort.stop()
    cluster.servers[2].kill()
    cluster.consort.start(backends=2)
    table = "begun_by_two"
    with cluster.connect() as client:
        client.query(f"CREATE TABLE {table} (id INT PRIMARY KEY)")
        client.query(f"INSERT INTO {table} VALUES (1), (2)")
    cluster.servers[2].start()
    all_online(cluster)
    cluster.assert_identical()
    assert cluster.servers[2].query(f"SELECT COUNT(*) FROM test.{table}")[0][0] == 2


@case(seconds=60)
def frozen_backend_leaves_rotation(_context, cluster):
    """A server that hangs (SIGSTOP) answers nothing and refuses nothing: reads go elsewhere."""
    server = cluster.servers[2]
    server.pause()
    try:
        wait_until(lambda: cluster.consort.backend_states()["s3"] != "online", 20,
                   "the frozen server leaves rotation")
        with cluster.connect() as client:
            began = time.monotonic()
            for _ in range(50):
                assert client.value("SELECT @@server_id") != "3"
            assert time.monotonic() - began < 5
    finally:
        server.resume()
    all_online(cluster)
    assert "s3: following its binlog where it was left" in cluster.consort.log_text()
    cluster.assert_identical()


@case(seconds=60)
def autocommit_statements_survive_a_backend(_context, cluster):
    """Reads and autocommit writes are run again elsewhere: the client notices nothing."""
    table = cluster.table("id INT PRIMARY KEY")
    wrong = []
    with cluster.connect() as client:
        for number in range(300):
            if number == 100:
                cluster.servers[0].kill()
            if number == 200:
                cluster.servers[0].start()
            try:
                client.query(f"INSERT INTO {table} VALUES ({number})")
                client.query(f"SELECT COUNT(*) FROM {table}")
            except wire.ServerError as error:
                wrong.append(str(error))
    assert not wrong, wrong[:5]
    all_online(cluster)
    cluster.assert_identical()


@case(seconds=60)
def a_copy_from_a_backend_whose_lane_began_more_often(_context, cluster):
    """consort.position comes with a copy, the number of its lane's connection too: that is of this
    very run, and no other Consort's."""
    table = cluster.table("id INT PRIMARY KEY")
    with cluster.servers[1].connect() as direct, direct.cursor() as cursor:
        cursor.execute("SET SESSION sql_log_bin = 0")
        cursor.execute("UPDATE consort.position SET owner = owner + 1000")
    with cluster.connect() as client:
        for number in range(10):
            client.query(f"INSERT INTO {table} VALUES ({number})")
    all_online(cluster)
    cluster.assert_identical()


@case(seconds=60)
def a_stranger_in_place_of_a_backend(_context, cluster):
    """A fresh server on a known port holds none of the data: it must never serve."""
    server = cluster.servers[2]
    server.kill()
    shutil.rmtree(server.data_dir)
    shutil.copytree(cluster.context.template, server.data_dir)
    os.unlink(os.path.join(server.data_dir, "complete"))
    server.start()
    with cluster.connect() as client:
        began = time.monotonic()
        while time.monotonic() - began < 4:
            assert client.value("SELECT @@server_id") != "3", "the stranger serves reads"
            client.query("UPDATE account SET balance = balance WHERE id = 1")
            time.sleep(0.05)
    stranger = next(one for one in cluster.consort.get("/backends")["backends"]
                    if one["name"] == "s3")
    assert stranger["state"] != "online" and stranger["reason"], stranger
    # The cluster is not whole any more: the last test of this file.
    cluster.servers.remove(server)
    server.kill()
    cluster.assert_identical()
    return stranger["reason"]
