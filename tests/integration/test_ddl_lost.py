"""A connection, a server or Consort is lost amid a client's DDL: it is executed everywhere or
nowhere, and nowhere without a right to it."""

import time

from support.case import Skip, case
from support.losing_relay import AFTER, BEFORE
from support.process import wait_until
from support.racing import send
from support.relayed_cluster import RelayedCluster
from support.server_kinds import mariadb_only
from support.wire import code_of

WHEN = [(BEFORE, BEFORE), (AFTER, AFTER)]
CREATED = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME = 'made'"


class Relayed(RelayedCluster):
    """`low` may only read."""

    def __init__(self, context):
        super().__init__(context)
        self.sql("CREATE USER low@'%' IDENTIFIED BY 'low'", "GRANT SELECT ON test.* TO low@'%'")

    def as_low(self):
        return self.consort.wire("test", user="low", password="low")

    def made(self):
        """Has each server the table?"""
        self.all_online()
        self.settle()
        told = {server.query(CREATED)[0][0] for server in self.servers}
        assert len(told) == 1, "some servers have the table, others do not"
        return told.pop() == 1

    def all_online(self):
        wait_until(lambda: set(self.consort.backend_states().values()) == {"online"}, 30,
                   lambda: f"all online: {self.consort.get('/backends')}")

    def drop(self):
        self.sql("DROP TABLE IF EXISTS made")


def setup(context):
    return Relayed(context)


@case(seconds=30, each=WHEN)
def the_connection_is_lost(_context, cluster, when):
    """The server is asked what became of it; if nothing, the session executes it again."""
    with cluster.as_low() as low:
        cluster.trap.set("CREATE TABLE made", when)
        assert code_of(lambda: low.query("CREATE TABLE made (id INT PRIMARY KEY)")) == 1142
    assert cluster.trap.sprung.is_set() and not cluster.made()
    with cluster.connect() as client:
        cluster.trap.set("CREATE TABLE made", when)
        told = code_of(lambda: client.query("CREATE TABLE made (id INT PRIMARY KEY)"))
        assert told == 0 if when == BEFORE else told, told  # it cannot know what the server said
    assert cluster.trap.sprung.is_set() and cluster.made()
    cluster.drop()


@case(seconds=30, each=WHEN)
def of_a_query_of_literals(_context, cluster, when):
    """It gives a table the lengths of CREATE TABLE .. SELECT, and is a transaction in the binlog."""
    mariadb_only("CREATE TABLE .. SELECT behind Consort")
    with cluster.connect() as client:
        for rows in (0, 1):
            sql = f"CREATE OR REPLACE TABLE made SELECT 1e0 AS a, 5 AS b FROM (SELECT 1) AS t LIMIT {rows}"
            cluster.trap.set("CREATE OR REPLACE TABLE `made`", when)
            told = code_of(lambda sql=sql: client.query(sql))
            assert cluster.trap.sprung.is_set(), sql
            made = cluster.made()
            assert made or told, (sql, told)
            if not told:
                assert [column.length for column in client.query("SELECT a FROM made").columns] == [3]
                assert len(client.query("SELECT * FROM made").rows) == rows
            client = cluster.connect() if told else client
            cluster.drop()


@case(seconds=30, each=WHEN)
def about_an_event(_context, cluster, when):
    """The binlog spells it otherwise, with its definer."""
    mariadb_only("events behind Consort")
    event = "CREATE EVENT made ON SCHEDULE EVERY 1 DAY DO DO 1"

    def made():
        cluster.all_online()
        cluster.settle()
        told = {server.query("SELECT COUNT(*), MIN(definer), MIN(starts) FROM mysql.event")[0]
                for server in cluster.servers}
        assert len(told) == 1, told
        return told.pop()[:2]

    with cluster.as_low() as low:
        cluster.trap.set("CREATE EVENT made", when)
        assert code_of(lambda: low.query(event)) == 1044
    assert cluster.trap.sprung.is_set() and made() == (0, None)
    with cluster.connect() as client:
        cluster.trap.set("CREATE EVENT made", when)
        told = code_of(lambda: client.query(event))
        assert told == 0 if when == BEFORE else told, told
    assert cluster.trap.sprung.is_set() and made() == (1, "app@%")
    cluster.sql("DROP EVENT made")


@case(seconds=30, each=WHEN)
def the_session_ends_with_it(_context, cluster, when):
    """A session that is bound to its home cannot execute it again."""
    for connect, has_right in ((cluster.as_low, False), (cluster.connect, True)):
        with connect() as client:
            client.query("SET @mine = 1, foreign_key_checks = 0")  # which the binlog shows beside the statement
            cluster.trap.set("CREATE TABLE made", when)
            assert code_of(lambda c=client: c.query("CREATE TABLE made (id INT PRIMARY KEY)")) == 1053
        assert cluster.trap.sprung.is_set()
        assert cluster.made() == (has_right and when == AFTER), (has_right, when)
        cluster.drop()
    cluster.assert_identical()


@case(seconds=60, each=WHEN)
def the_home_crashes(_context, cluster, when):
    """kill -9 of the home, amid the DDL of a session that another server may go on with, and of one
    that ends with it."""
    for connect, pinned, right in ((cluster.as_low, False, False), (cluster.connect, False, True),
                                   (cluster.as_low, True, False), (cluster.connect, True, True)):
        with connect() as client:
            if pinned:
                client.query("SET @mine = 1")
            cluster.trap.set("CREATE TABLE made", when, lambda relay: relay.server.kill())
            told = code_of(lambda c=client: c.query("CREATE TABLE made (id INT PRIMARY KEY)"))
        assert told == (1053 if pinned else 0 if right else 1142), (told, pinned, right)
        cluster.trap.relay.server.start()
        assert cluster.made() == (right and (when == AFTER or not pinned)), (right, pinned)
        cluster.drop()
    cluster.assert_identical()


@case(seconds=60, each=WHEN)
def consort_crashes(_context, cluster, when):
    """No session is left that could tell, or execute it."""
    for connect, has_right in ((cluster.as_low, False), (cluster.connect, True)):
        client = connect()
        cluster.trap.set("CREATE TABLE made", when, lambda _relay: cluster.consort.kill())
        send(client, "CREATE TABLE made (id INT PRIMARY KEY)")
        assert cluster.trap.sprung.wait(10)
        client.close()
        cluster.consort.start()
        assert cluster.made() == (has_right and when == AFTER), (has_right, when)
        cluster.drop()
    cluster.assert_identical()


@case(seconds=90, each=WHEN)
def the_home_stays_away(context, cluster, when):
    """It is void. A home that executed it nevertheless has what nobody else has: it is out."""
    if not context.soak:
        raise Skip("takes 15 s")
    with cluster.connect() as client:
        client.query("SET @mine = 1")
        cluster.trap.set("CREATE TABLE made", when, lambda relay: relay.server.kill())
        assert code_of(lambda: client.query("CREATE TABLE made (id INT PRIMARY KEY)")) == 1053
    table = "CREATE TABLE behind (id INT PRIMARY KEY)"
    with cluster.connect() as client:
        began = time.monotonic()
        client.query(table)
        assert 5 < time.monotonic() - began < 20
    home = cluster.trap.relay.server
    home.start()
    others = [server for server in cluster.servers if server is not home]
    assert not any(server.query(CREATED)[0][0] for server in others)
    if when == AFTER:
        wait_until(lambda: "executed a statement that nobody else has" in cluster.consort.log_text(),
                   30, "the home is out")
    else:
        assert not cluster.made()
        cluster.sql("DROP TABLE behind")
        cluster.assert_identical()
