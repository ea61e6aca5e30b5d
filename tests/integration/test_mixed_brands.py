"""MariaDB and MySQL servers side by side behind one Consort: rows of each brand's homes on the
servers of the other. Runs where both are named (tests/run --servers 9.7,system)."""

import contextlib
import time

from support import wire
from support.case import Skip, case
from support.cluster import Cluster
from support.process import wait_until
from support.racing import DEADLOCK
from support.server_kinds import mixes_brands


class MixedCluster(Cluster):
    """Three servers of both brands."""

    def __init__(self, context):
        if not mixes_brands():
            raise Skip("no mixture of brands: tests/run --servers 9.7,system")
        super().__init__(context)

    @contextlib.contextmanager
    def home_of(self, mysql):
        """A client in a transaction whose home is of that brand."""
        ours = {str(server.server_id) for server in self.servers if server.kind.is_mysql == mysql}
        spare = []
        deadline = time.monotonic() + 10
        try:
            while True:
                client = self.connect()
                spare.append(client)
                client.query("BEGIN")
                if client.value("SELECT @@server_id") in ours:
                    yield client
                    return
                client.query("ROLLBACK")
                assert time.monotonic() < deadline, "no session has such a home"
        finally:
            for client in spare:
                client.close()

    def all_online(self, seconds=30):
        wait_until(lambda: set(self.consort.backend_states().values()) == {"online"}, seconds,
                   lambda: f"all backends online: {self.consort.get('/backends')}")

    def same_everywhere(self, sql):
        """The rows of `sql` past Consort, which must be the same on all servers."""
        self.settle()
        self.all_online()
        found = {server.name: server.query(sql, database="test") for server in self.servers}
        assert len(set(map(repr, found.values()))) == 1, (sql, found)
        return next(iter(found.values()))


def setup(context):
    return MixedCluster(context)


BRANDS = [("mariadb_home", False), ("mysql_home", True)]


@case(seconds=60, each=[(name, mysql) for name, mysql in BRANDS])
def rows(_context, cluster, mysql):
    """Inserted, updated and deleted, with a primary key and without any."""
    for key in ("PRIMARY KEY (id)", "KEY (id)"):
        table = cluster.table(f"id INT NOT NULL, v INT, w VARCHAR(20), {key}")
        with cluster.home_of(mysql) as client:
            client.query(f"INSERT INTO {table} VALUES (1, 1, 'one'), (2, 2, 'zwei'), (3, 3, 'três')")
            client.query(f"UPDATE {table} SET v = v + 10 WHERE id < 3")
            client.query(f"DELETE FROM {table} WHERE id = 2")
            client.query("COMMIT")
        assert cluster.same_everywhere(f"SELECT * FROM {table} ORDER BY id") == (
            (1, 11, "one"), (3, 3, "três"))


@case(seconds=60, each=[(name, mysql) for name, mysql in BRANDS])
def cascades(_context, cluster, mysql):
    """Two levels of ON DELETE CASCADE, SET NULL and ON UPDATE CASCADE: once on every server."""
    top = cluster.table("id INT PRIMARY KEY, v INT")
    middle = cluster.table(f"id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES {top} (id)"
                           " ON DELETE CASCADE ON UPDATE CASCADE")
    cascaded = cluster.table(f"id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES {middle} (id)"
                             " ON DELETE CASCADE")
    nulled = cluster.table(f"id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES {middle} (id)"
                           " ON DELETE SET NULL")
    numbers = range(1, 7)
    cluster.sql(f"INSERT INTO {top} VALUES " + ",".join(f"({n}, 0)" for n in numbers),
                *(f"INSERT INTO {table} VALUES " + ",".join(f"({n}, {n})" for n in numbers)
                  for table in (middle, cascaded, nulled)))
    with cluster.home_of(mysql) as client:
        client.query(f"DELETE FROM {top} WHERE id = 1")
        client.query("COMMIT")
    cluster.settle()
    with cluster.home_of(mysql) as client:  # in one entry with rows of other tables
        client.query(f"INSERT INTO {top} VALUES (100, 0)")
        client.query(f"DELETE FROM {top} WHERE id IN (2, 3)")
        client.query(f"UPDATE {top} SET id = 40 WHERE id = 4")
        client.query(f"INSERT INTO {middle} VALUES (100, 100)")
        client.query("COMMIT")
    cluster.settle()
    with cluster.home_of(mysql) as client:  # what a cascade has taken comes back in the same entry
        client.query(f"DELETE FROM {top} WHERE id = 5")
        client.query(f"INSERT INTO {top} VALUES (5, 5)")
        client.query(f"INSERT INTO {middle} VALUES (5, 5)")
        client.query(f"INSERT INTO {cascaded} VALUES (5, 5)")
        client.query("COMMIT")
    assert cluster.same_everywhere(f"SELECT * FROM {top} ORDER BY id") == (
        (5, 5), (6, 0), (40, 0), (100, 0))
    assert cluster.same_everywhere(f"SELECT * FROM {middle} ORDER BY id") == (
        (4, 40), (5, 5), (6, 6), (100, 100))
    assert cluster.same_everywhere(f"SELECT * FROM {cascaded} ORDER BY id") == (
        (4, 4), (5, 5), (6, 6))
    assert cluster.same_everywhere(f"SELECT * FROM {nulled} ORDER BY id") == (
        (1, None), (2, None), (3, None), (4, 4), (5, None), (6, 6))


@case(seconds=60)
def cascades_of_both_at_once(_context, cluster):
    """Entries of homes of both brands that one batch may join."""
    top = cluster.table("id INT PRIMARY KEY")
    child = cluster.table(f"id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES {top} (id)"
                          " ON DELETE CASCADE")
    count = 40
    cluster.sql(f"INSERT INTO {top} VALUES " + ",".join(f"({n})" for n in range(count)),
                f"INSERT INTO {child} VALUES " + ",".join(f"({n}, {n})" for n in range(count)))
    with cluster.home_of(True) as first, cluster.home_of(False) as second:
        first.query("ROLLBACK")
        second.query("ROLLBACK")
        deleted = set()
        for number in range(0, count, 4):
            pairs = ((first, number), (second, number + 1))
            for client, row in pairs:
                client.query("BEGIN")
                client.query(f"DELETE FROM {top} WHERE id = {row}")
            for client, row in pairs:
                try:
                    client.query("COMMIT")
                    deleted.add(row)
                except wire.ServerError as error:  # locks of gaps may be in each other's way
                    assert error.code == DEADLOCK, error
        assert len(deleted) >= count // 4, deleted
    rest = tuple((n, n) for n in range(count) if n not in deleted)
    assert cluster.same_everywhere(f"SELECT * FROM {child} ORDER BY id") == rest


# ---- statements of one brand ------------------------------------------------------------------------

OF_MARIADB = {
    "sequence": "CREATE SEQUENCE one_brand",
    "create_or_replace": "CREATE OR REPLACE TABLE one_brand (id INT PRIMARY KEY)",
    "drop_if_exists": "ALTER TABLE {table} DROP COLUMN IF EXISTS nothing",
    "versioned": "ALTER TABLE {table} ADD SYSTEM VERSIONING",
    "uuid": "CREATE TABLE one_brand (u UUID PRIMARY KEY)",
    "inet6": "CREATE TABLE one_brand (id INT PRIMARY KEY, i INET6)",
    "compressed": "CREATE TABLE one_brand (id INT PRIMARY KEY, c VARCHAR(100) COMPRESSED)",
    "uca1400": "CREATE TABLE one_brand (c VARCHAR(9) COLLATE uca1400_ai_ci)",
    "schema_collation": "ALTER DATABASE test COLLATE uca1400_ai_ci",
    "page_checksum": "CREATE TABLE one_brand (id INT PRIMARY KEY) PAGE_CHECKSUM=1",
    "role_admin": "CREATE ROLE one_brand WITH ADMIN CURRENT_USER",
    "via": "CREATE USER one_brand IDENTIFIED VIA mysql_native_password",
    "hash": "CREATE USER one_brand IDENTIFIED BY PASSWORD"
            " '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19'",
    "not_atomic": "CREATE TABLE IF NOT EXISTS one_brand (id INT PRIMARY KEY, PERIOD FOR p (a, b))",
}
OF_MYSQL = {
    "0900": "CREATE TABLE one_brand (c VARCHAR(9) COLLATE utf8mb4_0900_ai_ci)",
    "schema_0900": "CREATE DATABASE one_brand COLLATE utf8mb4_0900_ai_ci",
    "key_of_expression": "CREATE TABLE one_brand (a INT, KEY ((a + 1)))",
    "srid": "CREATE TABLE one_brand (id INT PRIMARY KEY, p POINT SRID 4326)",
    "vector": "CREATE TABLE one_brand (id INT PRIMARY KEY, v VECTOR(3))",
    "json": "CREATE TABLE one_brand (id INT PRIMARY KEY, j JSON)",
    "json_added": "ALTER TABLE {table} ADD COLUMN j JSON",
    "with": "CREATE USER one_brand IDENTIFIED WITH caching_sha2_password BY 'pw'",
    "dual_password": "ALTER USER app IDENTIFIED BY 'app-secret' RETAIN CURRENT PASSWORD",
    "index_visibility": "ALTER TABLE {table} ALTER INDEX v INVISIBLE",
}


@case(seconds=60, each=[(f"{brand}_{name}", mysql, sql)
                        for brand, mysql, texts in (("mariadb", False, OF_MARIADB),
                                                    ("mysql", True, OF_MYSQL))
                        for name, sql in texts.items()])
def statements_of_one_brand(_context, cluster, mysql, sql):
    """They are refused, whatever the home, before any server has done them; none is lost."""
    table = cluster.table("id INT PRIMARY KEY, v INT, KEY v (v)")
    sql = sql.format(table=table)
    for home in (mysql, not mysql):
        with cluster.home_of(home) as client:
            client.query("ROLLBACK")
            code, text = client.error_of(sql)
            assert code, (home, sql)
            assert client.query(f"INSERT INTO {table} VALUES ({int(home)}, 0)").affected == 1, text
    assert cluster.same_everywhere(f"SELECT * FROM {table} ORDER BY id") == ((0, 0), (1, 0))
    assert cluster.same_everywhere("SHOW TABLES LIKE 'one_brand'") == ()


@case(seconds=60)
def statements_of_both_brands(_context, cluster):
    """What both understand is executed on all."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    for mysql in (False, True):
        with cluster.home_of(mysql) as client:
            client.query("ROLLBACK")
            client.query("SET sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES'")
            for sql in ('CREATE TABLE "both" ("id" INT PRIMARY KEY, c VARCHAR(10)) CHARSET utf8mb4',
                        "CREATE INDEX c ON both (c)".replace("both", '"both"'),
                        f"ALTER TABLE {table} ADD COLUMN w VARCHAR(9) CHARACTER SET latin1",
                        f"ALTER TABLE {table} DROP COLUMN w",
                        f'CREATE VIEW "both_v" AS SELECT * FROM {table}',
                        "CREATE USER both_u IDENTIFIED BY 'It''s a JSON'",
                        "GRANT SELECT ON test.* TO both_u", "DROP USER both_u",
                        "CREATE DATABASE both_d", "DROP DATABASE both_d",
                        'DROP VIEW "both_v"'):
                client.query(sql)
            cluster.settle()
            collations = cluster.same_everywhere(
                "SELECT table_collation FROM information_schema.tables WHERE table_name = 'both'")
            assert collations == (("utf8mb4_general_ci",),)
            client.query('DROP TABLE "both"')
    cluster.all_online()


@case(seconds=60)
def clients_of_mysql(_context, cluster):
    """They ask for a collation at login that MariaDB does not know."""
    table = cluster.table("id INT PRIMARY KEY, v VARCHAR(20)")
    for number in range(6):
        with cluster.connect(collation=255) as client:
            client.query(f"INSERT INTO {table} (id, v) VALUES ({number}, 'ü')")
            assert client.value(f"SELECT COUNT(*) FROM {table} WHERE v = 'ü'") == str(number + 1)
            client.query(f"ALTER TABLE {table} ADD COLUMN c{number} INT")
    cluster.same_everywhere(f"SELECT id, v FROM {table} ORDER BY id")


# ---- types -------------------------------------------------------------------------------------------

TYPES = {
    "integers": ("a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d BIGINT UNSIGNED",
                 ["(-128, 65535, -8388608, 18446744073709551615)", "(NULL, 0, 1, NULL)"]),
    "numbers": ("a DECIMAL(65,30), b DECIMAL(5,0), c FLOAT, d DOUBLE, e BIT(64), f BIT(1)",
                ["(-12345.678901234567890123456789012345, 99999, -1.5, -1e300, ~0, b'1')",
                 "(0, NULL, 0, NULL, b'101', b'0')"]),
    "times": ("a TIME(6), b DATETIME(6), c TIMESTAMP(3) NULL, d YEAR, e DATE, f TIME, g DATETIME,"
              " h TIMESTAMP NULL",
              ["('-838:59:59', '9999-12-31 23:59:59.999999', '2037-12-31 23:59:59.001', 2155,"
               " '1000-01-01', '12:00:00', '2000-01-01 00:00:00', '2000-01-01 00:00:01')",
               "(NULL, '1000-01-01', NULL, 1901, NULL, '-00:00:01', NULL, NULL)"]),
    "strings": ("a CHAR(10), b VARCHAR(300), c CHAR(10) CHARACTER SET latin1, d VARCHAR(20)"
                " CHARACTER SET utf8mb3, e CHAR(255), f BINARY(5), g VARBINARY(300)",
                ["('ü', REPEAT('ü', 300), 'é', 'é', REPEAT('ü', 255), x'0001', REPEAT('b', 300))",
                 "('', '', '', '', '', '', '')", "(NULL, NULL, NULL, NULL, NULL, NULL, NULL)"]),
    "blobs": ("a TINYTEXT, b TEXT, c MEDIUMTEXT, d LONGTEXT, e BLOB, f LONGBLOB",
              ["('ü', REPEAT('ü', 20000), 'm', REPEAT('long', 50000), x'00ff', '')",
               "(NULL, '', NULL, '', NULL, NULL)"]),
    "choices": ("a ENUM('x','ü'), b SET('p','q','r'), c ENUM('1','2') NOT NULL",
                ["('ü', 'p,r', '2')", "(NULL, '', '1')"]),
    "generated": ("a INT, b INT AS (a * 2) VIRTUAL, c INT AS (a + 1) STORED, KEY (b)",
                  ["(1, DEFAULT, DEFAULT)", "(NULL, DEFAULT, DEFAULT)"]),
    "geometry": ("a GEOMETRY, b POINT NOT NULL",
                 ["(ST_GeomFromText('LINESTRING(0 0, 1 1)'), POINT(1, 2))", "(NULL, POINT(3, 4))"]),
    "invisible": ("a INT INVISIBLE DEFAULT 7, b INT", ["(1)"]),
}


@case(seconds=60, each=[(name, name) for name in TYPES])
def types(_context, cluster, name):
    """From homes of both brands; inserted, updated and deleted, with a primary key and without."""
    columns, rows_ = TYPES[name]
    for key in ("PRIMARY KEY (k)", "KEY (k)"):
        table = cluster.table(f"k INT NOT NULL, {columns}, {key}")
        for mysql in (False, True):
            base = 10 * int(mysql)
            with cluster.home_of(mysql) as client:
                for number, row in enumerate(rows_ * 2):
                    client.query(f"INSERT INTO {table} VALUES ({base + number}, {row[1:]}")
                client.query("COMMIT")
            cluster.settle()
            cluster.all_online()
            # And of rows that the other brand's server has got.
            with cluster.home_of(not mysql) as client:
                client.query(f"UPDATE {table} SET k = k + 100 WHERE k = {base}")
                client.query(f"DELETE FROM {table} WHERE k = {base + 1}")
                client.query("COMMIT")
        cluster.same_everywhere(f"SELECT * FROM {table} ORDER BY k")
