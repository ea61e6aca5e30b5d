"""Memory does not grow with what has been committed."""

import contextlib
import threading

from support import wire
from support.case import Skip, case
from support.cluster import Cluster
from support.process import wait_until

MIB = 1 << 20
# Long texts, so that few of them tell: every DDL waits for the disk.
DDL_FOR_EVER = f"LOOP CREATE OR REPLACE VIEW v AS SELECT '{'x' * 16_000}'; END LOOP"
# Both at points where what has a bound by itself (queues, the part of the log that is not in a
# snapshot) has reached it.
GROUPS_BEFORE, GROUPS_AFTER = 6_000, 10_000
GROWTH_MAX = 24 * MIB


def setup(context):
    return Cluster(context)


@case(seconds=240)
def program_without_an_end(context, cluster):
    """DDL for ever in a program: nobody applies it before it is over, and it is not kept till then."""
    if context.slowdown > 1:
        raise Skip("memory is measured without sanitizers")
    consort = cluster.consort

    def call():
        with contextlib.suppress(wire.Closed, OSError):
            client.query(f"BEGIN NOT ATOMIC {DDL_FOR_EVER}; END")

    def rss_at(groups):
        wait_until(lambda: consort.metric("consort_program_groups_total") >= groups, 100,
                   f"{groups} groups of the program")
        return consort.rss

    client = cluster.connect(timeout=230)
    runner = threading.Thread(target=call)
    runner.start()
    before = rss_at(GROUPS_BEFORE)
    grown = rss_at(GROUPS_AFTER) - before
    # To end it in order means that all servers execute what it has done.
    consort.kill()
    for server in cluster.servers:
        server.kill()
    runner.join()
    assert grown < GROWTH_MAX, f"grew by {grown / MIB:.0f} MiB"
    return f"grew by {grown / MIB:.1f} MiB in {GROUPS_AFTER - GROUPS_BEFORE} groups"
