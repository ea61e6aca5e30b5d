"""Cluster: three private servers with Consort in front: the fixture of most tests."""

import contextlib
import os
import threading
import time

from . import wire
from .compare import assert_identical, wait_settled
from .consort import Consort
from .private_server import APP_PASSWORD, APP_USER, PrivateServer, tail

_count = 0


class Cluster:
    """Servers s1..sN and one Consort. Everything below context.work_dir."""

    def __init__(self, context, servers=3, settings=None, server_settings=None, start=True,
                 data_dir=None):
        global _count
        _count += 1
        self.context = context
        self.directory = os.path.join(context.work_dir, f"cluster{_count}")
        self.servers = [PrivateServer(os.path.join(self.directory, f"s{number}"), number,
                                      context.template, server_settings)
                        for number in range(1, servers + 1)]
        for server in self.servers:
            server.launch()
        for server in self.servers:
            server.wait_ready()
        # Most tests want to see what a session carries along when its reads change servers.
        self.consort = Consort(context.consort, self.directory, self.servers,
                               {"read_affinity": False, **(settings or {})}, data_dir)
        self._names = 0
        if start:
            self.consort.start()

    def close(self, keep=False):
        """Stops everything. Proves on the way that Consort ends cleanly, unless it crashed."""
        try:
            if self.consort.running:
                self.consort.stop()
        finally:
            self.consort.kill()
            for server in self.servers:
                server.kill()
                server.drop_large_data()

    def crash_everything(self):
        """kill -9 of Consort and all servers at the same moment; then all run again."""
        for one in (self.consort, *self.servers):
            one.kill()
        for server in self.servers:
            server.launch()
        for server in self.servers:
            server.wait_ready()
        self.consort.start()

    def check(self):
        """After every test: Consort is alive and did not complain about itself."""
        if self.consort.process is not None and not self.consort.running:
            raise AssertionError(f"consort ended with {self.consort.process.returncode}\n"
                                 + tail(self.consort.log_path))

    def evidence(self):
        """What a failure message should show."""
        return f"--- {self.consort.log_path}\n{tail(self.consort.log_path, 25)}"

    # ---- clients -----------------------------------------------------------------------------

    def connect(self, database="test", **options):
        """A protocol client through Consort."""
        return self.consort.wire(database, **options)

    def direct(self, number, database="test"):
        """A protocol client straight to server `number` (0-based), as the application's user."""
        return wire.connect(self.servers[number].port, APP_USER, APP_PASSWORD, database)

    def sql(self, *statements, database="test"):
        """Runs statements through Consort; the rows of the last one. What they changed is on all
        servers at the end: another session could read an older state otherwise."""
        with self.connect(database) as client:
            for statement in statements:
                rows = client.query(statement).rows
        if not all(statement.startswith("SELECT") for statement in statements):
            self.settle()
        return rows

    def table(self, definition, name=None):
        """Creates a fresh table through Consort, e.g. table('id INT PRIMARY KEY, v INT')."""
        self._names += 1
        name = name or f"t{self._names}"
        self.sql(f"DROP TABLE IF EXISTS {name}", f"CREATE TABLE {name} ({definition})")
        return name

    def on_homes(self, count=None, database="test"):
        """Clients whose transactions run on different homes: one for each backend.

        The home shows as @@server_id inside a transaction.
        """
        wanted = count or len(self.servers)
        found, spare = {}, []
        deadline = time.monotonic() + 10
        while len(found) < wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"sessions get only the homes {sorted(found)}")
            client = self.connect(database)
            client.query("BEGIN")
            home = client.value("SELECT @@server_id")
            client.query("ROLLBACK")
            if home in found:
                spare.append(client)  # kept until the end, so that it is counted where it is
            else:
                found[home] = client
        for client in spare:
            client.quit()
        return [found[home] for home in sorted(found)]

    @contextlib.contextmanager
    def two_homes(self):
        """Two clients with different homes."""
        clients = self.on_homes(2)
        try:
            yield clients
        finally:
            for client in clients:
                client.close()

    # ---- the end -----------------------------------------------------------------------------

    def settle(self, seconds=30):
        wait_settled(self.servers, seconds)

    def assert_identical(self, seconds=30):
        return assert_identical(self.servers, seconds)


def together(*calls):
    """Runs the calls in threads at the same moment; their results or exceptions, in order."""
    barrier = threading.Barrier(len(calls))
    results = [None] * len(calls)

    def run(index, call):
        barrier.wait()
        try:
            results[index] = call()
        except Exception as error:  # pylint: disable=broad-except
            results[index] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
