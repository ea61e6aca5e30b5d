"""Sequences: one number is never given twice, whichever server gives it, whatever breaks."""

import subprocess
import threading
import time

from support import wire
from support.case import case
from support.cluster import Cluster, together
from support.compare import wait_settled
from support.private_server import APP_PASSWORD, APP_USER, PrivateServer
from support.process import wait_until


class Sequences(Cluster):
    """A cluster, and a plain server for comparison whose AUTO_INCREMENT settings are s1's."""

    def __init__(self, context):
        super().__init__(context, settings={"workers": 2, "sequences": {"increment_max": 50},
                                            "auto_increment": {"increment": 16}})
        self.plain = PrivateServer(f"{self.directory}/plain", 9, context.template)
        self.plain.start()

    def close(self, keep=False):
        self.plain.kill()
        super().close(keep)

    def connect_plain(self):
        return wire.connect(self.plain.port, APP_USER, APP_PASSWORD, "test")

    def online(self, seconds=40):
        wait_until(lambda: set(self.consort.backend_states().values()) == {"online"}, seconds,
                   lambda: f"all backends online: {self.consort.get('/backends')}")


def setup(context):
    return Sequences(context)


def next_value(client, name):
    return int(client.value(f"SELECT NEXTVAL({name})"))


class Takers:
    """Sessions that take numbers, in every way there is, until they are stopped."""

    def __init__(self, cluster, name, table, sessions=6):
        self.cluster, self.name, self.table = cluster, name, table
        self.taken = []
        self.failures = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,))
                         for number in range(sessions)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        """All numbers that anybody has been told."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.taken

    def _run(self, number):
        client, turn = None, number
        while not self._stop.is_set():
            try:
                client = client or self.cluster.connect()
                turn += 1
                self._take(client, turn)
            except (wire.ServerError, OSError, EOFError) as failed:
                self.failures.append(failed)
                if client is not None:
                    client.close()
                client = None
                time.sleep(0.05)
        if client is not None:
            client.close()

    def _tell(self, values):
        with self._lock:
            self.taken += [int(value) for value in values]

    def _take(self, client, turn):
        if turn % 4 == 0:
            self._tell([client.value(f"SELECT NEXTVAL({self.name})")])
        elif turn % 4 == 1:
            row = client.query(f"SELECT NEXTVAL({self.name}), NEXT VALUE FOR {self.name}").rows[0]
            self._tell(row)
        elif turn % 4 == 2:
            client.query(f"INSERT INTO {self.table} (v) VALUES (1), (2)")
        else:
            client.query("BEGIN")
            self._tell([client.value(f"SELECT NEXTVAL({self.name})")])
            client.query("ROLLBACK" if turn % 8 == 3 else "COMMIT")


def assert_unique(cluster, takers, table):
    """No number twice, among those that were told and those in the table together."""
    told = takers.stop()
    in_table = [int(row[0]) for row in cluster.sql(f"SELECT id FROM {table}")]
    numbers = told + in_table
    twice = sorted({number for number in numbers if numbers.count(number) > 1}) \
        if len(set(numbers)) != len(numbers) else []
    assert not twice, f"{len(twice)} of {len(numbers)} numbers were given twice: {twice[:5]}"
    wrong = [failed for failed in takers.failures
             if isinstance(failed, wire.ServerError) and failed.code in (1062, 4084, 1235)]
    assert not wrong, wrong[:5]
    return len(numbers)


def fresh(cluster, name, options=""):
    """A sequence and a table whose column takes its numbers."""
    table = f"{name}_rows"
    cluster.sql(f"CREATE OR REPLACE SEQUENCE {name} {options}", f"DROP TABLE IF EXISTS {table}",
                f"CREATE TABLE {table} (id BIGINT PRIMARY KEY DEFAULT NEXTVAL({name}), v INT)")
    return table


@case(seconds=60)
def definitions_on_all_servers(_context, cluster):
    """CREATE, ALTER, RENAME and DROP reach all servers; what cannot be had is refused."""
    with cluster.connect() as client:
        client.query("CREATE SEQUENCE sq START WITH 100 INCREMENT BY 50 CACHE 20 COMMENT 'c'")
        shown = client.query("SHOW CREATE SEQUENCE sq").rows[0][1].decode()
        assert "start with 100 " in shown and "increment by 0 cache 20" in shown, shown
        client.query("ALTER SEQUENCE sq RESTART 5000 CACHE 30")
        assert next_value(client, "sq") >= 5000
        client.query("RENAME TABLE sq TO sq2")
        assert client.error_of("SELECT NEXTVAL(sq)") == (4091, "42S02")
        assert next_value(client, "sq2") > 5000
        for sql in ("CREATE SEQUENCE no INCREMENT BY 51", "CREATE SEQUENCE no INCREMENT BY -1",
                    "CREATE SEQUENCE no CYCLE", "ALTER SEQUENCE sq2 CYCLE",
                    "CREATE SEQUENCE no CACHE 20000", "CREATE SEQUENCE no MAXVALUE 1000",
                    "CREATE TEMPORARY SEQUENCE no", "CREATE TABLE no LIKE sq2",
                    "INSERT INTO sq2 VALUES (1,1,100,1,1,10,0,0)",
                    "ALTER TABLE sq2 SEQUENCE=0", "SET @a = SETVAL(sq2, 1)"):
            assert client.error_of(sql) == (1235, "42000"), sql
        assert client.error_of("CREATE SEQUENCE sq2") == (1050, "42S01")
        assert client.error_of("ALTER SEQUENCE missing RESTART") == (4091, "42S02")
        cluster.assert_identical()
        for server in cluster.servers:
            shown = server.query("SHOW CREATE SEQUENCE test.sq2")[0][1]
            assert "increment by 0 cache 30 nocycle" in shown, shown
            assert server.query("SELECT @@global.auto_increment_increment")[0][0] == 800
        client.query("DROP SEQUENCE sq2")
        assert client.error_of("SELECT NEXTVAL(sq2)") == (4091, "42S02")
        client.query("CREATE TABLE sq2 (a INT)")
        client.query("INSERT INTO sq2 VALUES (1)")
        client.query("DROP TABLE sq2")
    cluster.assert_identical()


@case(seconds=60)
def replies_are_a_plain_servers(_context, cluster):
    """Errors, NULLs and PREVIOUS VALUE; no two numbers are nearer than the INCREMENT asked for."""
    script = [
        "CREATE OR REPLACE SEQUENCE pq START WITH 7 INCREMENT BY 50", "SELECT LASTVAL(pq)",
        "SELECT NEXTVAL(pq) >= 7", "SELECT LASTVAL(pq) >= 7, PREVIOUS VALUE FOR pq = LASTVAL(pq)",
        "SELECT NEXTVAL(pq) - LASTVAL(pq) >= 0", "SELECT NEXTVAL(nosuch)", "SELECT LASTVAL(nosuch)",
        "SET @a = NEXTVAL(pq)", "DO NEXTVAL(pq)", "SELECT LASTVAL(pq) - @a >= 50",
        "START TRANSACTION READ ONLY", "SELECT NEXTVAL(pq)", "SELECT LASTVAL(pq) > 0", "ROLLBACK",
        "BEGIN", "SELECT NEXTVAL(pq) > 0", "SAVEPOINT a", "SELECT NEXTVAL(pq) > 0",
        "ROLLBACK TO a", "COMMIT",
        "SELECT SETVAL(pq, 900000)", "SELECT NEXTVAL(pq) > 900000", "SELECT SETVAL(pq, 5)",
        "SELECT NEXTVAL(pq) > 900000", "SELECT SETVAL(nosuch, 5)", "DO SETVAL(pq, 1000000, 0)",
        "SELECT NEXTVAL(pq) >= 1000000", "UPDATE pq SET start_value = 2", "DELETE FROM pq",
        "TRUNCATE pq", "PREPARE p FROM 'SELECT NEXTVAL(pq) > 0'", "EXECUTE p", "EXECUTE p",
        "DEALLOCATE PREPARE p",
        "CREATE OR REPLACE TABLE pt (id BIGINT DEFAULT NEXTVAL(pq) PRIMARY KEY, v INT)",
        "INSERT INTO pt (v) VALUES (1), (2)", "SELECT MAX(id) = LASTVAL(pq), COUNT(*) FROM pt",
        "INSERT INTO pt VALUES (NEXTVAL(pq), 3) RETURNING id > 0, v",
        "SELECT table_type FROM information_schema.tables WHERE table_name = 'pq'",
        "SET sql_mode = ORACLE", "SELECT pq.nextval > 0, pq.currval > 0 FROM dual",
        "SET sql_mode = DEFAULT", "DROP TABLE pt", "DROP SEQUENCE pq", "SELECT NEXTVAL(pq)",
        "DROP SEQUENCE pq", "DROP SEQUENCE IF EXISTS pq", "SHOW WARNINGS",
    ]
    with cluster.connect() as through, cluster.connect_plain() as plain:
        for sql in script:
            seen = []
            for client in (through, plain):
                try:
                    reply = client.query(sql)
                    seen.append((reply.rows, reply.affected, reply.warnings))
                except wire.ServerError as failed:
                    seen.append((failed.code, failed.state, failed.message))
            assert seen[0] == seen[1], f"{sql}: through Consort {seen[0]}, plain {seen[1]}"
        through.query("CREATE SEQUENCE pq")
        assert next_value(through, "pq")
        through.reset_connection()
        assert through.value("SELECT LASTVAL(pq)") is None
        cluster.settle()  # the other may read elsewhere
        with cluster.connect() as other:
            assert other.value("SELECT LASTVAL(pq)") is None
        statement = through.prepare("SELECT NEXTVAL(pq)")
        assert through.execute(statement).rows != through.execute(statement).rows
        through.query("DROP SEQUENCE pq")


@case(seconds=60, soak_seconds=300)
def numbers_of_all_homes(context, cluster):
    """Sessions on all homes take numbers at the same time: with CACHE, a small one, and without."""
    counts = []
    for number, options in enumerate(("CACHE 5", "NOCACHE INCREMENT BY 50", "")):
        table = fresh(cluster, f"many{number}", options)
        takers = Takers(cluster, f"many{number}", table)
        time.sleep(context.pick(1.0, 20))
        counts.append(assert_unique(cluster, takers, table))
        assert not takers.failures or counts[-1] > 20, takers.failures[:3]
    cluster.assert_identical()
    values = sorted(int(row[0]) for row in cluster.sql("SELECT id FROM many1_rows"))
    assert all(b - a >= 50 for a, b in zip(values, values[1:])), "nearer than the INCREMENT"
    return " ".join(map(str, counts)) + " numbers"


@case(seconds=60)
def setval_holds_everywhere(_context, cluster):
    """Behind SETVAL no server gives a smaller number, nor do ALTER .. RESTART's begin before it."""
    cluster.sql("CREATE OR REPLACE SEQUENCE sv")
    clients = cluster.on_homes()
    for client in clients:
        assert next_value(client, "sv") < 5000
    assert clients[0].value("SELECT SETVAL(sv, 5000)") == "5000"
    cluster.settle()
    assert all(next_value(client, "sv") > 5000 for client in clients)
    assert clients[1].value("SELECT SETVAL(sv, 4000)") is None
    assert clients[1].value("SELECT SETVAL(sv, 100000000, 0)") == "100000000"
    assert next_value(clients[1], "sv") >= 100000000
    cluster.settle()
    assert all(next_value(client, "sv") >= 100000000 for client in clients)
    clients[2].query("BEGIN")
    assert clients[2].error_of("SELECT SETVAL(sv, 200000000)") == (1235, "42000")
    clients[2].query("ROLLBACK")
    clients[2].query("ALTER SEQUENCE sv RESTART 42")
    cluster.settle()
    again = [next_value(client, "sv") for client in clients]
    assert all(42 <= value < 42 + 16 * 50 for value in again) and len(set(again)) == 3, again
    for client in clients:
        client.quit()
    cluster.assert_identical()


@case(seconds=60)
def ddl_while_numbers_are_taken(_context, cluster):
    """ALTER and RENAME of a sequence that all homes use, DROP and CREATE of the same name."""
    table = fresh(cluster, "busy", "CACHE 3")
    takers = Takers(cluster, "busy", table, sessions=4)
    with cluster.connect() as client:
        for cache in range(4, 10):
            client.query(f"ALTER SEQUENCE busy CACHE {cache}")
            time.sleep(0.03)
        client.query("RENAME TABLE busy TO busy2")
        client.query("RENAME TABLE busy2 TO busy")
        time.sleep(0.1)
    count = assert_unique(cluster, takers, table)
    table = fresh(cluster, "busy", "CACHE 3")
    takers = Takers(cluster, "busy", table, sessions=3)
    with cluster.connect() as client:
        for _ in range(3):
            client.query("DROP SEQUENCE busy")
            client.query("CREATE SEQUENCE busy CACHE 3 START WITH 1")
    takers.stop()
    cluster.assert_identical()
    return f"{count} numbers"


@case(seconds=120, soak_seconds=600)
def servers_are_killed(context, cluster):
    """kill -9 of each server amid it. A server that is restarted has lost the newest rows of its
    sequences, as a plain one has: it leaves numbers out, and gives none again."""
    counts = []
    for number, server in enumerate(cluster.servers):
        table = fresh(cluster, f"kill{number}", ("CACHE 4", "NOCACHE", "")[number])
        takers = Takers(cluster, f"kill{number}", table)
        for _ in range(context.pick(1, 4)):
            time.sleep(0.4)
            server.kill()
            time.sleep(0.1)
            server.start()
            cluster.online()
        time.sleep(0.2)
        counts.append(assert_unique(cluster, takers, table))
    cluster.assert_identical()
    return " ".join(map(str, counts)) + " numbers"


@case(seconds=120, soak_seconds=600)
def consort_is_killed(context, cluster):
    """kill -9 of Consort, alone and together with a server."""
    table = fresh(cluster, "consort_kill", "CACHE 4")
    takers = Takers(cluster, "consort_kill", table)
    for number in range(context.pick(2, 8)):
        time.sleep(0.4)
        cluster.consort.kill()
        if number % 2 == 1:
            cluster.servers[number % 3].kill()
            cluster.servers[number % 3].start()
        cluster.consort.start()
        cluster.online()
    time.sleep(0.2)
    count = assert_unique(cluster, takers, table)
    cluster.assert_identical()
    return f"{count} numbers"


@case(seconds=60)
def a_copy_takes_a_servers_place(_context, cluster):
    """s3 is lost, and begins anew from a copy of s1: it gives no number that the old s3 has given.
    The copy has the binlog of s1, in which the stream of s3 cannot go on where it was left."""
    cluster.sql("CREATE OR REPLACE SEQUENCE cp CACHE 4")
    clients = cluster.on_homes()
    given = [next_value(client, "cp") for client in clients for _ in range(9)]
    given += [next_value(clients[2], "cp") for _ in range(30)]  # s3 alone is far ahead
    for client in clients:
        client.quit()
    cluster.settle()
    lost, donor = cluster.servers[2], cluster.servers[0]
    lost.kill()
    with cluster.connect() as client:  # the copy's binlog is longer than the old one's
        client.query(f"CREATE TABLE cp_rows (v TEXT) AS SELECT '{'x' * 60000}' AS v")
    wait_settled(cluster.servers[:2])
    donor.stop()
    subprocess.run(["rm", "-rf", lost.data_dir], check=True)
    subprocess.run(["cp", "-a", donor.data_dir, lost.data_dir], check=True)
    for server in (donor, lost):
        server.start()
    cluster.online()
    for client in cluster.on_homes():
        given += [next_value(client, "cp") for _ in range(9)]
        client.quit()
    assert len(set(given)) == len(given), "a number was given twice"
    following = [line for line in cluster.consort.log_text().splitlines()
                 if "s3: following its binlog" in line]
    assert not following[-1].endswith("where it was left"), following
    cluster.assert_identical()


@case(seconds=60)
def dumped_and_restored(_context, cluster):
    """mariadb-dump through Consort, restored through it: no number that a row has is given again."""
    table = fresh(cluster, "dumped", "CACHE 4")
    clients = cluster.on_homes()
    for client in clients:
        for _ in range(5):
            client.query(f"INSERT INTO {table} (v) VALUES (1)")
        client.quit()
    cluster.settle()
    account = ["--no-defaults", "-h127.0.0.1", f"-P{cluster.consort.port}", f"-u{APP_USER}",
               f"-p{APP_PASSWORD}"]
    text = subprocess.run(["mariadb-dump", *account, "test", "dumped", table], check=True,
                          capture_output=True).stdout
    cluster.sql("DROP TABLE dumped_rows", "DROP SEQUENCE dumped")
    subprocess.run(["mariadb", *account, "test"], input=text, check=True)
    cluster.settle()

    def insert():
        with cluster.connect() as client:
            for _ in range(5):
                client.query(f"INSERT INTO {table} (v) VALUES (2)")

    done = together(*[insert] * 4)
    assert done == [None] * 4, done
    cluster.settle()
    assert int(cluster.sql(f"SELECT COUNT(*) FROM {table}")[0][0]) == 35
    cluster.assert_identical()


@case(seconds=60)
def sequences_that_were_there_before(_context, cluster):
    """One that was made on the servers themselves: INCREMENT 1 becomes 0 when the lane begins, and
    a server whose sequence would give numbers twice does not serve."""
    for server in cluster.servers:
        server.query("CREATE SEQUENCE test.older START WITH 10")
        server.query("FLUSH ENGINE LOGS")  # its row would be lost with the crash
    for server in cluster.servers:
        server.kill()
    for server in cluster.servers:
        server.start()
    cluster.online()
    clients = cluster.on_homes()
    values = [next_value(client, "older") for client in clients for _ in range(3)]
    assert len(set(values)) == 9, values
    for client in clients:
        client.quit()
    server = cluster.servers[1]
    server.query("CREATE SEQUENCE test.backwards INCREMENT BY -1")
    server.query("FLUSH ENGINE LOGS")
    server.kill()
    server.start()
    wait_until(lambda: "backwards" in str(cluster.consort.get("/backends")), 30,
               lambda: f"the reason: {cluster.consort.get('/backends')}")
    assert cluster.consort.backend_states()["s2"] != "online"
    server.query("DROP SEQUENCE test.backwards")
    cluster.online()
    cluster.assert_identical()
