"""Pair: a cluster and a plain server with the same settings beside it, for tests that play the same
script on both."""

import os
import re

from . import wire
from .cluster import Cluster
from .private_server import APP_PASSWORD, APP_USER, PrivateServer
from .script import compare
from .server_kinds import with_mysql


class Pair(Cluster):
    """`fill` comes before every script, `end` behind it."""

    def __init__(self, context, fill=(), end=()):
        super().__init__(context)
        self.fill, self.end = list(fill), list(end)
        # Consort gives its sessions innodb_snapshot_isolation=ON, where there is that; the same here.
        self.plain = PrivateServer(os.path.join(self.directory, "plain"), 9, context.template,
                                   {} if with_mysql() else {"innodb_snapshot_isolation": "ON"})
        self.plain.start()

    def close(self, keep=False):
        self.plain.kill()
        self.plain.drop_large_data()
        super().close(keep)

    def connect_plain(self, database="test", **options):
        """As connect(), to the plain server."""
        return wire.connect(self.plain.port, APP_USER, APP_PASSWORD, database, **options)

    def compare(self, script, capabilities=0, may_lack=False):
        """A fresh table, the script, and what is left."""
        with self.connect(capabilities=capabilities) as through, \
                self.connect_plain(capabilities=capabilities) as plain:
            compare(_for_brand(self.fill + script + self.end), through, plain, may_lack)


def _for_brand(script):
    """MySQL has no CREATE OR REPLACE TABLE, and other names for some variables."""
    if not with_mysql():
        return script
    steps = []
    for step in script:
        if isinstance(step, str):
            made = re.match(r"CREATE OR REPLACE TABLE (\w+)", step)
            if made is not None:
                steps.append(f"DROP TABLE IF EXISTS {made[1]}")
            step = re.sub(r"@@tx_(isolation|read_only)", r"@@transaction_\1",
                          step.replace("CREATE OR REPLACE TABLE", "CREATE TABLE"))
        steps.append(step)
    return steps
