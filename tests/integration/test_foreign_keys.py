"""Parents and children on different homes: no orphan, no difference, whoever comes first.

Lanes apply child rows without looking at their parents, so nothing but certification keeps a
child from coming to a backend where its parent is being deleted in an open transaction.
"""

from support import wire
from support.case import case
from support.cluster import Cluster
from support.racing import DEADLOCK, begin_on_different_homes

FOREIGN_KEY_FAILS = (1451, 1452)
ACTIONS = [("restrict", ""), ("cascade", "ON DELETE CASCADE"), ("set_null", "ON DELETE SET NULL")]


def setup(context):
    return Cluster(context)


def make_family(cluster, action):
    parent = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    child = cluster.table(f"id INT PRIMARY KEY, pid INT, FOREIGN KEY (pid) REFERENCES {parent}(id) "
                          + action)
    return parent, child


def assert_no_orphans(cluster, parent, child):
    cluster.settle()
    for number in range(len(cluster.servers)):
        with cluster.direct(number) as server:
            orphans = server.value(f"SELECT COUNT(*) FROM {child} c LEFT JOIN {parent} p ON "
                                   "p.id = c.pid WHERE c.pid IS NOT NULL AND p.id IS NULL")
            assert int(orphans) == 0, f"server {number}: {orphans} orphans"
    cluster.assert_identical()


def outcome(client, sql):
    """ "ok" or the error's code."""
    try:
        client.query(sql)
        return "ok"
    except wire.ServerError as error:
        return error.code


def read_committed(*clients):
    """Without gap locks the server itself keeps less apart."""
    for client in clients:
        client.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")


@case(seconds=60, soak_seconds=600, each=ACTIONS)
def child_comes_while_parent_goes(context, cluster, action):
    """A parent is deleted in an open transaction; its child is committed and applied meanwhile."""
    parent, child = make_family(cluster, action)
    with cluster.two_homes() as (first, second):
        read_committed(first, second)
        for number in range(context.pick(5, 200)):
            first.query(f"INSERT INTO {parent} VALUES ({number}, 0)")
            cluster.settle()
            begin_on_different_homes(first, second)
            assert outcome(second, f"DELETE FROM {parent} WHERE id = {number}") == "ok"
            first.query(f"INSERT INTO {child} VALUES ({number}, {number})")
            first.query("COMMIT")
            cluster.settle()
            result = outcome(second, "COMMIT")
            assert result == DEADLOCK, f"round {number}: {result}"
    assert_no_orphans(cluster, parent, child)


@case(seconds=60, soak_seconds=600, each=ACTIONS)
def parent_goes_while_child_comes(context, cluster, action):
    """The other way round: the deletion is committed first."""
    parent, child = make_family(cluster, action)
    with cluster.two_homes() as (first, second):
        read_committed(first, second)
        for number in range(context.pick(5, 200)):
            first.query(f"INSERT INTO {parent} VALUES ({number}, 0)")
            cluster.settle()
            begin_on_different_homes(first, second)
            second.query(f"INSERT INTO {child} VALUES ({number}, {number})")
            first.query(f"DELETE FROM {parent} WHERE id = {number}")
            assert outcome(first, "COMMIT") == "ok"
            result = outcome(second, "COMMIT")
            assert result in (DEADLOCK, *FOREIGN_KEY_FAILS), f"round {number}: {result}"
    assert_no_orphans(cluster, parent, child)
