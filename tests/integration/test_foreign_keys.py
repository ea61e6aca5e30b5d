"""Parents and children on different homes: no orphan, no difference, whoever comes first.

Lanes apply child rows without looking at their parents, so nothing but certification keeps a
child from coming to a backend where its parent is being deleted in an open transaction.
"""

from support import wire
from support.case import case
from support.cluster import Cluster
from support.racing import DEADLOCK, begin_on_different_homes
from support.server_kinds import mariadb_only

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


@case(seconds=60, each=[("cascade", "ON DELETE CASCADE ON UPDATE CASCADE"), ("set_null", "ON DELETE SET NULL")])
def query_cache(_context, cluster, action):
    """What a cascade has changed no server answers from its query cache, neither the home, where another
    connection commits than the one that has written, nor the others."""
    mariadb_only("query cache")
    cluster.sql("SET GLOBAL query_cache_size = 1048576", "SET GLOBAL query_cache_type = ON")
    parent, child = make_family(cluster, action)
    grandchild = cluster.table("id INT PRIMARY KEY, cid INT, FOREIGN KEY (cid) REFERENCES "
                               f"{child}(id) {action}")
    reads = [f"SELECT * FROM {table} ORDER BY id" for table in (parent, child, grandchild)]
    readers = [cluster.direct(number) for number in range(len(cluster.servers))]

    def on_all():
        cluster.settle()
        return [[reader.query(sql).rows for sql in reads] for reader in readers]

    with cluster.connect() as client:
        client.query(f"INSERT INTO {parent} VALUES (1, 0), (2, 0), (3, 0), (4, 0)")
        client.query(f"INSERT INTO {child} VALUES (1, 1), (2, 2), (3, 3), (4, 4)")
        client.query(f"INSERT INTO {grandchild} VALUES (1, 1), (2, 2), (3, 3), (4, 4)")
        for sql in (f"DELETE FROM {parent} WHERE id = 1", f"DELETE FROM {child} WHERE id = 2",
                    f"UPDATE {grandchild} SET cid = NULL WHERE id = 3", f"DELETE FROM {parent} WHERE id > 2"):
            assert on_all() == on_all()
            before = []
            for reader in readers:
                hits = int(reader.query("SHOW STATUS LIKE 'Qcache_hits'").rows[0][1])
                before.append([reader.query(sql).rows for sql in reads])
                # The cache answers; others may ask it, too.
                assert int(reader.query("SHOW STATUS LIKE 'Qcache_hits'").rows[0][1]) >= hits + len(reads)
            client.query(sql)
            now = on_all()
            assert now != before, sql
            truth = [client.query(read.replace("SELECT", "SELECT SQL_NO_CACHE")).rows for read in reads]
            assert now == [truth] * len(readers), (sql, now, truth)
    for reader in readers:
        reader.quit()
    cluster.sql("SET GLOBAL query_cache_type = OFF")
