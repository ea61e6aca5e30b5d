"""A schema's default collation: all servers create with the one that it has now, and a session knows
the one that it found when it entered the schema, whichever connection it has."""

from support.case import case
from support.cluster import Cluster

LATIN1, UTF8 = "latin1_swedish_ci", "utf8mb3_general_ci"


def setup(context):
    return Cluster(context)


def collations_of_tables(cluster, schema):
    """Per server, by name."""
    cluster.settle()
    found = []
    for number in range(len(cluster.servers)):
        with cluster.direct(number) as client:
            rows = client.query("SELECT TABLE_NAME, TABLE_COLLATION FROM information_schema.TABLES "
                                f"WHERE TABLE_SCHEMA = '{schema}' ORDER BY 1").rows
            found.append({name.decode(): collation.decode() for name, collation in rows})
    return found


CHANGES = [("altered", ["ALTER DATABASE {} CHARACTER SET utf8mb3"]),
           ("made_anew", ["DROP DATABASE {}", "CREATE DATABASE {} CHARACTER SET utf8mb3"])]


@case(seconds=60, each=[(f"{name}_{state}", statements, state == "pinned")
                        for name, statements in CHANGES for state in ("free", "pinned")])
def tables_behind_a_change(_context, cluster, statements, pinned):
    """Servers and sessions that were in the schema before create what a new session creates."""
    schema = f"d{statements[0].split()[0].lower()}{int(pinned)}"
    cluster.sql(f"CREATE DATABASE {schema} CHARACTER SET latin1")
    clients = [cluster.connect(schema) for _ in range(4)]
    for number, client in enumerate(clients):  # homes and lanes have been in the schema
        client.query(f"CREATE TABLE before_{number} (c TEXT)")
        if pinned:
            client.query("CREATE TEMPORARY TABLE mine (i INT)")
    with cluster.connect() as other:
        for statement in statements:
            other.query(statement.format(schema))
    cluster.settle()
    for number, client in enumerate(clients):
        client.query(f"CREATE TABLE after_{number} (c TEXT)")
        client.query(f"CREATE PROCEDURE p_{number}() SELECT 1")
        assert client.value("SELECT DATABASE()") == schema
    with cluster.connect(schema) as client:
        client.query("CREATE TABLE after_all (c TEXT)")
    for found in collations_of_tables(cluster, schema):
        after = {name: value for name, value in found.items() if name.startswith("after")}
        assert len(after) == 5 and set(after.values()) == {UTF8}, found
    for number in range(len(cluster.servers)):
        with cluster.direct(number) as client:
            rows = client.query("SELECT DISTINCT DATABASE_COLLATION FROM "
                                "information_schema.ROUTINES WHERE ROUTINE_SCHEMA = "
                                f"'{schema}'").rows
            assert rows == [(UTF8.encode(),)], rows
    for client in clients:
        client.quit()
    cluster.assert_identical()


@case(seconds=60)
def its_own_schema_is_dropped(_context, cluster):
    """By another session: it goes on with other schemas, and may create it again."""
    cluster.sql("CREATE DATABASE gone CHARACTER SET latin1")
    with cluster.connect("gone") as client:
        client.query("CREATE TABLE t (c TEXT)")
        cluster.sql("DROP DATABASE gone")
        client.query("CREATE TABLE test.of_gone (i INT)")
        client.query("DROP TABLE test.of_gone")
        client.query("CREATE DATABASE gone CHARACTER SET utf8mb3")
        client.query("CREATE TABLE gone.t (c TEXT)")
        assert client.value("SELECT COUNT(*) FROM gone.t") == "0"
    for found in collations_of_tables(cluster, "gone"):
        assert found == {"t": UTF8}, found


@case(seconds=60)
def connections_of_others(_context, cluster):
    """Those that the pool gives away may have been in the schema before, or were reset there."""
    cluster.sql("CREATE DATABASE pooled CHARACTER SET latin1")
    for _ in range(6):  # connections stay behind
        with cluster.connect("pooled") as client:
            client.query("SET @x = 1")
            client.query("BEGIN")
            client.query("SELECT @x")
    cluster.sql("ALTER DATABASE pooled CHARACTER SET utf8mb3")
    for _ in range(6):
        with cluster.connect("pooled") as client:
            assert client.value("SELECT @@collation_database") == UTF8
            client.query("BEGIN")
            assert client.value("SELECT @@collation_database") == UTF8
            client.query("SET @x = 1")


def seen(client):
    """On the server that answers a read, then at home."""
    read = client.value("SELECT @@collation_database")
    client.query("BEGIN")
    home = client.value("SELECT @@collation_database")
    client.query("ROLLBACK")
    assert home == read, (home, read)
    return home


@case(seconds=60)
def what_a_session_sets(_context, cluster):
    """It moves with the session, until that enters a schema; after a reset it is the server's."""
    cluster.sql("CREATE DATABASE wide CHARACTER SET utf8mb3")
    for make in (lambda: cluster.direct(0, "wide"), lambda: cluster.connect("wide")):
        with make() as client:
            assert seen(client) == UTF8
            client.query("SET collation_database = 'utf8mb4_bin'")
            assert seen(client) == "utf8mb4_bin"
            client.query("SET character_set_database = 'latin2'")
            assert seen(client) == "latin2_general_ci"
            client.query("USE wide")
            assert seen(client) == UTF8
            client.reset_connection()
            assert client.value("SELECT DATABASE()") == "wide"
            assert seen(client) == LATIN1  # the server's, although the schema has another
            client.query("SET CHARACTER SET latin1")
            assert client.value("SELECT @@collation_connection") == LATIN1
            client.query("USE wide")
            assert seen(client) == UTF8
