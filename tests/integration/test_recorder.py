"""Random statements through Consort and to a plain server: every reply is the same."""

import os
import random
import shutil
import tempfile
import time

from recorder import comparison, tables
from recorder.recording import Difference, comes_of_purge, play, shrink
from recorder.sequences import SEQUENCES, steps_of
from recorder.statements import Generator
from support import wire
from support.case import case
from support.cluster import Cluster
from support.private_server import APP_PASSWORD, APP_USER, PrivateServer
from support.server_kinds import by_brand

# Strong, so that a connection sees what another one has just committed, as on one server. A
# session's reads go to all servers in turn.
SETTINGS = {"read_consistency": "strong"}
# As people have it who configure nothing.
SHIPPED = {"read_consistency": "session", "read_affinity": True}
# Who waits for another client's lock hears so: that reply is compared, too.
# Statistics that are counted in the background would differ in SHOW INDEX.
BOTH = {"innodb_lock_wait_timeout": "1", "innodb_stats_auto_recalc": "OFF"}
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Recorder:
    """Consort's cluster and a plain server with the settings its clients would see."""

    def __init__(self, context, shipped=False):
        self.context = context
        self._shipped = shipped
        # Most of a sequence's time would be the disk's, for every commit's log entry.
        self._memory = tempfile.mkdtemp(prefix="recorder-", dir=MEMORY) if MEMORY else None
        self.cluster = Cluster(context, settings=SHIPPED if shipped else SETTINGS,
                               server_settings=BOTH, data_dir=self._memory)
        self.plain = PrivateServer(os.path.join(context.work_dir, "plain"), 9, context.template,
                                   {**BOTH, "auto_increment_increment": "16",
                                    **by_brand({"innodb_snapshot_isolation": "ON"}, {})})
        self.plain.start()
        self._sequences = 0
        self._keepers = []
        self._online = self.cluster.servers

    @property
    def ports(self):
        return self.plain.port, self.cluster.consort.port

    def define(self, stored_functions):
        """Fresh tables on both sides."""
        self._sequences = 0
        self._reconnect()
        tables.define(self._keepers, stored_functions)
        self._read_everywhere()
        # Something else may begin one meanwhile: the end of an earlier client, a lane.
        plainly = any(self._reads_begin_nothing() for _ in range(5))
        assert plainly != stored_functions, (
            "reads run in transactions exactly where stored functions exist")

    def refill(self, scratch):
        """The rows anew; `scratch`: drops what a sequence may have created, too."""
        self._sequences += 1
        if self._shipped:
            self._read_everywhere()  # else what a client committed last is in conflict with this
        tables.refill(self._keepers, self._sequences, scratch)
        if self._shipped:
            self._read_everywhere()

    def _read_everywhere(self):
        """Then every session finds on every server what was written before."""
        for server in self._online:
            self._keepers[1].query(
                f"SELECT /* consort: backend={server.name} read=strong */ id FROM r.c LIMIT 0")

    def _reads_begin_nothing(self):
        begun = self._transactions_begun()
        self._read_everywhere()
        return self._transactions_begun() == begun

    def _transactions_begun(self):
        return sum(int(server.query("SHOW GLOBAL STATUS LIKE 'Com_begin'")[0][1])
                   for server in self.cluster.servers)

    def _reconnect(self):
        for keeper in self._keepers:
            keeper.close()
        self._keepers = [wire.connect(port, APP_USER, APP_PASSWORD, timeout=30)
                         for port in self.ports]
        # Else a row with a number of its own would move the plain server's counter to a number of
        # this session's; Consort's other servers have none.
        self._keepers[0].query("SET auto_increment_increment = 1")

    def settle(self):
        """Returns when the home of one_home(True) has applied what was committed."""
        self._keepers[1].query("SELECT id FROM r.c LIMIT 0")

    def one_home(self, wanted):
        """Whether all transactions shall run on the first server, as two connections that meet in
        a lock must."""
        for server in self.cluster.servers[1:]:
            status, body = self.cluster.consort.admin(
                f"/backends/{server.name}/state", "PUT",
                {"state": "draining" if wanted else "online"})
            assert status == 200, body
        self._online = self.cluster.servers[:1] if wanted else self.cluster.servers

    def check(self):
        self.cluster.check()

    def evidence(self):
        return self.cluster.evidence()

    def close(self, keep=False):
        for keeper in self._keepers:
            keeper.close()
        try:
            self.cluster.close(keep)
        finally:
            self.plain.kill()
            if self._memory:
                shutil.rmtree(self._memory, ignore_errors=True)


def setup(context):
    return Recorder(context)


def record(context, recorder, count, seconds, features=None, clients=1):
    """Plays `count` sequences, or as many as `seconds` allow; every seed stands by itself."""
    features = features or {}
    recorder.define(features.get("stored_functions", False))
    # Fixed in tests/run: a regression test. --soak looks for what nobody has seen yet.
    first = context.pick(1, context.random.randrange(1 << 30))
    excused, played, done = {}, 0, 0
    deadline = time.monotonic() + seconds
    for seed in range(first, first + count):
        if time.monotonic() > deadline:
            break
        generator = Generator(random.Random(seed), features)
        capabilities, steps = generator.capabilities(), generator.sequence(clients)
        try:
            played += play(recorder.ports, steps, capabilities, excused=excused,
                           settle=recorder.settle if clients == 2 else None)
        except Difference as difference:
            def replay(candidate):
                recorder.define(features.get("stored_functions", False))
                play(recorder.ports, candidate, capabilities,
                     settle=recorder.settle if clients == 2 else None)

            if not comes_of_purge(difference, replay):
                smallest = shrink(difference, replay)
                raise AssertionError(f"seed {seed}, features {features}\n{smallest.describe()}"
                                     ) from None
            excused["purge"] = excused.get("purge", 0) + 1
        done += 1
        recorder.refill(any(" d" in step.text for step in steps))
    assert set(excused) <= set(comparison.EXCUSES)
    return f"{done} sequences, {played} statements, seed {first}, excused {excused}"


@case(seconds=60)
def what_once_differed(_context, recorder):
    """With and without the EOF packets of old clients."""
    recorder.define(False)
    for name, sequence in SEQUENCES.items():
        for capabilities in (0, wire.DEPRECATE_EOF):
            excused = {}
            try:
                play(recorder.ports, steps_of(sequence), capabilities, excused=excused)
            except Difference as difference:
                raise AssertionError(f"{name}\n{difference.describe()}") from None
            assert not excused, f"{name}: {excused}"
            recorder.refill(True)
    recorder.cluster.assert_identical()


@case(seconds=60, soak_seconds=7200)
def replies_are_a_plain_servers(context, recorder):
    """One connection; reads go to any server."""
    return record(context, recorder, context.pick(120, 100_000), context.pick(40, 5400))


@case(seconds=60, soak_seconds=3600)
def two_connections_take_turns(context, recorder):
    """And see each other's commits and locks."""
    recorder.one_home(True)
    try:
        return record(context, recorder, context.pick(40, 20_000), context.pick(40, 2700), clients=2)
    finally:
        recorder.one_home(False)


@case(seconds=60, soak_seconds=7200)
def replies_beside_stored_functions(context, recorder):
    """While one exists reads run in read-only transactions; a trigger fires. REQUIRES: the last
    case, since Consort remembers it."""
    return record(context, recorder, context.pick(40, 50_000), context.pick(40, 2700),
                  {"stored_functions": True})
