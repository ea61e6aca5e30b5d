"""ALTER TABLE that writes rows: the servers execute it each for itself, and have the same rows then."""

import os

from support import wire
from support.case import case
from support.cluster import Cluster


def setup(context):
    cluster = Cluster(context)
    cluster.clients = cluster.on_homes()
    return cluster


def table(cluster, name, definition, rows=12):
    """With rows that came from all homes in turn, so each server has them in an order of its own."""
    cluster.sql(f"CREATE TABLE {name} ({definition})")
    for number in range(rows):
        cluster.clients[number % 3].query(f"INSERT INTO {name} (v) VALUES ({number % 7})")
    cluster.settle()


def refused(client, sql, words):
    try:
        client.query(sql)
    except wire.ServerError as error:
        assert error.code == 1235 and words in error.message, error
        return
    raise AssertionError(sql)


@case(seconds=30, each=[
    ("now", "ADD d DATETIME(6) DEFAULT NOW(6), ADD t TIMESTAMP(6), ADD e DATETIME DEFAULT (NOW() + INTERVAL 1 DAY)"),
    ("versions", "ADD SYSTEM VERSIONING"),
    ("constant", "ADD a INT NOT NULL, ADD b VARCHAR(9) DEFAULT 'UUID()', ADD c INT DEFAULT (v * 2)")])
def values_of_new_columns(_context, cluster, alteration):
    table(cluster, "filled", "v INT")
    cluster.clients[1].query(f"ALTER TABLE filled {alteration}")
    cluster.settle()
    columns = "*" if "VERSIONING" not in alteration else "v, ROW_START"
    seen = [sorted(server.query(f"SELECT {columns} FROM test.filled"), key=str) for server in cluster.servers]
    assert len(seen[0]) == 12 and seen[0] == seen[1] == seen[2], seen
    cluster.sql("DROP TABLE filled")


@case(seconds=30, each=[("primary_key", "k INT PRIMARY KEY DEFAULT (RAND() * 1000000000)"),
                        ("unique_key", "k CHAR(36) NOT NULL UNIQUE DEFAULT (UUID())")])
def numbers_in_the_order_of_a_key(_context, cluster, key):
    """By one, as one server would count, though each server counts for itself."""
    table(cluster, "numbered", f"v INT, {key}", rows=30)
    with cluster.connect() as client:
        client.query("ALTER TABLE numbered ADD id INT AUTO_INCREMENT UNIQUE")
        cluster.assert_identical()
        numbers = client.query("SELECT MIN(id), MAX(id), COUNT(DISTINCT id) FROM numbered").rows
        assert numbers == [(b"1", b"30", b"30")], numbers
        client.query("INSERT INTO numbered (v) VALUES (1)")
        client.query("INSERT INTO numbered (v) VALUES (1)")
        last, newest = [int(row[0]) for row in client.query(
            "SELECT id FROM numbered ORDER BY id DESC LIMIT 2").rows][::-1]
        step = int(client.value("SELECT @@auto_increment_increment"))
        assert last > 30 and newest == last + step, (last, newest, step)
    cluster.sql("DROP TABLE numbered")


@case(seconds=30)
def directories_of_one_server(_context, cluster):
    """As with NO_DIR_IN_CREATE: two servers on one machine would meet in them."""
    directory = os.path.join(cluster.directory, "elsewhere")
    os.makedirs(directory)
    os.chmod(directory, 0o777)
    option = f"DATA DIRECTORY='{directory}'"
    with cluster.connect() as client:
        client.query("SET sql_mode='NO_ENGINE_SUBSTITUTION'")
        for sql in (f"CREATE TABLE placed (a INT) {option}",
                    f"CREATE TABLE parts (a INT) PARTITION BY HASH (a) (PARTITION p {option})",
                    f"ALTER TABLE parts ADD PARTITION (PARTITION q {option})",
                    f"CREATE TABLE chosen {option} SELECT 1 AS a"):
            client.query(sql)
            warnings = [row[1] for row in client.query("SHOW WARNINGS").rows]
            assert b"1618" in warnings, (sql, warnings)
        assert client.value("SELECT @@sql_mode") == "NO_ENGINE_SUBSTITUTION"
        client.query("SET sql_mode=DEFAULT")
        try:
            client.query(f"CREATE TABLE strict (a INT) {option}")
            raise AssertionError("a warning is an error in strict mode")
        except wire.ServerError as error:
            assert error.code == 1618, error
        client.query("INSERT INTO placed VALUES (1)")
        refused(client, "ALTER TABLE placed DISCARD TABLESPACE", "one server's")
        refused(client, "EXECUTE IMMEDIATE 'ALTER TABLE placed IMPORT TABLESPACE'", "one server's")
    cluster.assert_identical()
    assert set(cluster.consort.backend_states().values()) == {"online"}
    assert not [name for _, _, files in os.walk(directory) for name in files]
    cluster.sql("DROP TABLE placed, parts, chosen")


@case(seconds=30)
def partitions_are_no_engine(_context, cluster):
    """Where backends create InnoDB tables only, the server takes "partition" for another engine."""
    cluster.sql("CREATE TABLE parts (a INT PRIMARY KEY, b INT, KEY i (b)) PARTITION BY HASH (a) PARTITIONS 3",
                "INSERT INTO parts VALUES (1, 1), (2, 2), (3, 3)")
    with cluster.connect() as client:
        for sql in ("DROP INDEX i ON parts", "CREATE INDEX i ON parts (b)", "ALTER TABLE parts ENGINE=InnoDB",
                    "CREATE TABLE copied LIKE parts"):
            client.query(sql)
            assert client.query("SHOW WARNINGS").rows == [], sql
        client.query("CREATE INDEX IF NOT EXISTS i ON parts (b)")
        assert [row[1] for row in client.query("SHOW WARNINGS").rows] == [b"1061"]
        settings = client.query("SELECT @@sql_notes, @@sql_mode, @@global.sql_mode").rows[0]
        assert settings[0] == b"1" and settings[1] == settings[2], settings
        assert client.error_of("ALTER TABLE parts ENGINE=MyISAM")[0] == 1290
        assert client.value("SELECT COUNT(*) FROM parts PARTITION (p1)") == "1"
    cluster.assert_identical()
    assert set(cluster.consort.backend_states().values()) == {"online"}
    cluster.sql("DROP TABLE parts, copied")


@case(seconds=30)
def rows_in_no_order(_context, cluster):
    """Values of the servers' own are refused where there are any; an empty table is altered."""
    table(cluster, "heap", "v INT, n INT UNIQUE, t TEXT, KEY (v)")
    cluster.sql("CREATE TABLE nothing (v INT)", "CREATE VIEW looks AS SELECT * FROM heap")
    with cluster.connect() as client:
        for value in ("(UUID())", "(RAND())", "(@@server_id)", "CURRENT_USER", "(@x)", "(CONNECTION_ID())",
                      "SYSDATE()"):
            refused(client, f"ALTER TABLE heap ADD u VARCHAR(99) DEFAULT {value}", "default")
        refused(client, "EXECUTE IMMEDIATE 'ALTER TABLE heap ADD u INT DEFAULT (RAND())'", "default")
        client.query("ALTER TABLE nothing ADD id INT AUTO_INCREMENT PRIMARY KEY, ADD u CHAR(36) DEFAULT (UUID())")
        client.query("ALTER TABLE IF EXISTS absent ADD id INT AUTO_INCREMENT PRIMARY KEY")
        for sql, code in (("ALTER TABLE absent ADD id INT AUTO_INCREMENT PRIMARY KEY", 1146),
                          ("ALTER TABLE looks ADD u INT DEFAULT (RAND())", 1235),
                          ("ALTER TABLE nothing ADD id INT AUTO_INCREMENT", 1060)):
            try:
                client.query(sql)
                raise AssertionError(sql)
            except wire.ServerError as error:
                assert error.code == code, (sql, error)
        client.query("ALTER TABLE heap MODIFY t TEXT DEFAULT (UUID()), ALTER v SET DEFAULT (RAND())")
        client.query("INSERT INTO heap () VALUES ()")
        # What the refusals advise.
        client.query("ALTER TABLE heap ADD id INT")
        client.query("UPDATE heap SET id = (@n := IFNULL(@n, 0) + 1)")
        client.query("ALTER TABLE heap ADD PRIMARY KEY (id)")
        client.query("ALTER TABLE heap MODIFY id INT AUTO_INCREMENT")
        client.query("ALTER IGNORE TABLE heap ADD UNIQUE (v)")
    cluster.assert_identical()
    assert set(cluster.consort.backend_states().values()) == {"online"}
    cluster.sql("DROP VIEW looks", "DROP TABLE heap, nothing")
