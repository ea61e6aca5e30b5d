"""A connection, a server or Consort is lost amid an ALTER TABLE whose rows are brought into one order first (decision
0046): no row is lost, and all servers have the same, with numbers or without."""

from support import wire
from support.case import case
from support.losing_relay import AFTER, BEFORE
from support.process import wait_until
from support.racing import send
from support.relayed_cluster import RelayedCluster

# Of the rows' branch on the home, of another server's lane, of the ALTER itself.
STEPS = ["DELETE FROM `test`.`heap`", "XA PREPARE", "XA ROLLBACK", "FOR DELETE FROM `test`.`heap`", "ALTER TABLE heap"]
WHEN = [(f"{when}, {step.split(' `')[0]}", step, when) for step in STEPS for when in (BEFORE, AFTER)]
ROWS = 60


class Relayed(RelayedCluster):
    def fill(self):
        self.sql("DROP TABLE IF EXISTS heap", "CREATE TABLE heap (n INT, t VARCHAR(20))")
        clients = self.on_homes()
        for number in range(ROWS):
            clients[number % 3].query(f"INSERT INTO heap VALUES ({number % 5}, '{number}')")
        for client in clients:
            client.close()
        self.settle()

    def numbered(self):
        """The servers have the same rows, none is lost. Have they numbers?"""
        wait_until(lambda: set(self.consort.backend_states().values()) == {"online"}, 40,
                   lambda: f"all online: {self.consort.get('/backends')}")
        self.assert_identical()
        numbered = {bool(server.query("SHOW COLUMNS FROM test.heap LIKE 'id'")) for server in self.servers}
        assert len(numbered) == 1, numbered
        columns = "t, id" if numbered == {True} else "t"
        told = [sorted(server.query(f"SELECT {columns} FROM test.heap")) for server in self.servers]
        assert told[0] == told[1] == told[2] and len(told[0]) == ROWS, told
        return numbered.pop()


def setup(context):
    return Relayed(context)


def alter(cluster):
    with cluster.connect() as client:
        client.query("ALTER TABLE heap ADD id INT AUTO_INCREMENT PRIMARY KEY")


def finish(cluster):
    """What did not happen is done now."""
    assert cluster.trap.sprung.is_set()
    if not cluster.numbered():
        alter(cluster)
        assert cluster.numbered()
    ids = [int(row[0]) for row in cluster.sql("SELECT id FROM heap ORDER BY id")]
    assert ids == list(range(1, ROWS + 1)), ids


@case(seconds=60, each=WHEN)
def a_connection(_context, cluster, step, when):
    cluster.fill()
    cluster.trap.set(step, when)
    try:
        alter(cluster)
        assert cluster.numbered()
    except (wire.ServerError, wire.Closed):
        assert step == "ALTER TABLE heap"
    finish(cluster)


@case(seconds=90, each=WHEN)
def a_server(_context, cluster, step, when):
    """kill -9."""
    cluster.fill()
    cluster.trap.set(step, when, lambda relay: relay.server.kill())
    try:
        alter(cluster)
    except (wire.ServerError, wire.Closed):
        pass
    assert cluster.trap.sprung.wait(10)
    cluster.trap.relay.server.start()
    finish(cluster)


@case(seconds=90, each=WHEN)
def consort(_context, cluster, step, when):
    """kill -9."""
    cluster.fill()
    client = cluster.connect()
    cluster.trap.set(step, when, lambda _relay: cluster.consort.kill())
    send(client, "ALTER TABLE heap ADD id INT AUTO_INCREMENT PRIMARY KEY")
    assert cluster.trap.sprung.wait(10)
    client.close()
    cluster.consort.start()
    finish(cluster)
