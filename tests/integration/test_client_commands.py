"""Commands that are more than a packet and its answer: long data, KILL, LOAD DATA LOCAL."""

import hashlib
import threading
import time

from support import wire
from support.case import case
from support.cluster import Cluster
from support.process import wait_until
from support.wire import code_of

LIMIT_BYTES = 24 << 20


def setup(context):
    return Cluster(context, settings={"limits": {"packet_bytes_max": LIMIT_BYTES}})


# ---- COM_STMT_SEND_LONG_DATA ----------------------------------------------------------------


@case(seconds=60)
def long_data_is_large(_context, cluster):
    """Pieces above 16 MiB, up to the limit; above it an error that a reset ends."""
    table = cluster.table("id INT PRIMARY KEY, b LONGBLOB")
    piece = bytes(range(256)) * (LIMIT_BYTES // 256 - 1)
    with cluster.connect(timeout=60) as client:
        statement = client.prepare(f"INSERT INTO {table} VALUES (?, ?)")
        client.send_long_data(statement, 1, piece)
        client.send_long_data(statement, 1, b"end")
        assert client.execute(statement, (1, wire.LONG_DATA)).affected == 1
        client.send_long_data(statement, 1, piece)
        client.send_long_data(statement, 1, b"x" * 257)
        for _ in range(2):
            try:
                client.execute(statement, (2, wire.LONG_DATA))
                raise AssertionError("more than the limit")
            except wire.ServerError as error:
                assert error.code == 1105 and "longer than" in error.message, error
        client.reset_statement(statement)
        client.send_long_data(statement, 1, b"short")
        assert client.execute(statement, (2, wire.LONG_DATA)).affected == 1
    cluster.settle()
    rows = cluster.sql(f"SELECT id, LENGTH(b), MD5(b) FROM {table} ORDER BY id")
    assert rows == [(b"1", str(len(piece) + 3).encode(), hashlib.md5(piece + b"end").hexdigest().encode()),
                    (b"2", b"5", hashlib.md5(b"short").hexdigest().encode())], rows
    cluster.assert_identical()


@case(seconds=30)
def long_data_after_a_number(_context, cluster):
    """MariaDB takes an address of its own memory for long data where the same statement had a number
    before. Statements of one text share one on a backend, so that may be another client's."""
    table = cluster.table("id INT PRIMARY KEY, b LONGBLOB")
    insert = f"INSERT INTO {table} VALUES (?, ?)"
    with cluster.connect() as client, cluster.connect() as other:
        numbers = client.prepare(insert)
        data = client.prepare(insert)
        client.execute(numbers, (1, 7))
        client.send_long_data(data, 1, b"after a number")
        client.execute(data, (2, wire.LONG_DATA))
        client.execute(numbers, (3, 1.5))
        client.execute(numbers, (4, "text"))  # a plain server has forgotten the number here
        client.send_long_data(numbers, 1, b"after text")
        client.execute(numbers, (5, wire.LONG_DATA))
        # Reads go to any backend: each has seen a number when this begins.
        for reader in (client, other):
            echo = reader.prepare("SELECT ? AS v")
            for value in range(9):
                assert reader.execute(echo, (value,)).rows == [(value,)]
            reader.execute(echo, ("text",))
            for piece in (b"one", b"two", b"three", b"four"):
                reader.send_long_data(echo, 0, piece)
                assert reader.execute(echo, (wire.LONG_DATA,)).rows == [(piece,)], piece
    cluster.settle()
    rows = cluster.sql(f"SELECT b FROM {table} ORDER BY id")
    assert rows == [(b"7",), (b"after a number",), (b"1.5",), (b"text",), (b"after text",)], rows
    cluster.assert_identical()


@case(seconds=60)
def long_data_survives_the_home(_context, cluster):
    """The backend that was to execute is gone: another one gets the data."""
    table = cluster.table("id INT PRIMARY KEY, b LONGBLOB")
    with cluster.connect(timeout=60) as client:
        statement = client.prepare(f"INSERT INTO {table} VALUES (?, ?)")
        client.execute(statement, (1, "a"))
        client.query("BEGIN")
        home = int(client.value("SELECT @@server_id")) - 1
        client.query("ROLLBACK")
        client.send_long_data(statement, 1, b"from the client, once")
        cluster.servers[home].kill()
        assert client.execute(statement, (2, wire.LONG_DATA)).affected == 1
        cluster.servers[home].start()
        assert client.value(f"SELECT b FROM {table} WHERE id = 2") == "from the client, once"
    cluster.assert_identical()


@case(seconds=30)
def long_data_is_nobody_elses(_context, cluster):
    """Sessions share backend connections and what these have prepared: never data, nor errors."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB")
    sql = f"INSERT INTO {table} (b) VALUES (?)"
    for number in range(12):
        with cluster.connect() as client:
            statement = client.prepare(sql)
            client.send_long_data(statement, number % 2, b"long")  # wrong ones, too
            if number % 3 == 0:
                try:
                    client.execute(statement, (wire.LONG_DATA,))
                except wire.ServerError as error:
                    assert error.code == 1210, error
        with cluster.connect() as client:
            assert client.execute(client.prepare(sql), ("own",)).affected == 1
    cluster.settle()
    values = cluster.sql(f"SELECT b, COUNT(*) FROM {table} GROUP BY b ORDER BY b")
    assert values == [(b"long", b"2"), (b"own", b"12")], values
    cluster.assert_identical()


# ---- CONNECTION_ID(), KILL ------------------------------------------------------------------


@case(seconds=30)
def connection_id_is_the_handshakes(_context, cluster):
    """Wherever the statement runs, and whatever it does with the number."""
    table = cluster.table("id INT PRIMARY KEY, c BIGINT")
    clients = [cluster.connect() for _ in range(6)]
    assert len({client.connection_id for client in clients}) == len(clients)
    for number, client in enumerate(clients):
        own = str(client.connection_id)
        assert client.value("SELECT CONNECTION_ID()") == own
        reply = client.query("SELECT Connection_Id( ), CONNECTION_ID() AS me, CONNECTION_ID() + 1")
        assert [column.name for column in reply.columns] == ["Connection_Id( )", "me",
                                                             "CONNECTION_ID() + 1"]
        assert reply.rows == [(own.encode(), own.encode(), str(client.connection_id + 1).encode())]
        assert client.value("SELECT 'is me' FROM DUAL WHERE CONNECTION_ID() = " + own) == "is me"
        statement = client.prepare("SELECT CONNECTION_ID(), ?")
        assert client.execute(statement, ("x",)).rows[0][0] == client.connection_id
        client.query(f"INSERT INTO {table} VALUES ({number}, CONNECTION_ID())")
        client.query("BEGIN")
        assert client.value("SELECT CONNECTION_ID()") == own
        client.query("ROLLBACK")
        assert client.value(f"SELECT c FROM {table} WHERE id = {number}") == own
    for client in clients:
        client.close()
    cluster.assert_identical()


@case(seconds=60)
def kill_query(_context, cluster):
    """Whatever runs: 1317 for it alone; the transaction and the session go on."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0), (2, 0)")
    with cluster.two_homes() as (holder, victim), cluster.connect() as killer:
        order = f"KILL QUERY {victim.connection_id}"
        assert killer.query(order).affected == 0  # it runs nothing
        assert victim.value("SELECT 1") == "1"
        for begin, sql in ((None, "SELECT SLEEP(60)"), (None, f"UPDATE {table} SET v = SLEEP(60)"),
                           ("BEGIN", "SELECT SLEEP(60)"),
                           ("BEGIN", f"UPDATE {table} SET v = SLEEP(60) WHERE id = 1")):
            if begin:
                victim.query(begin)
                victim.query(f"UPDATE {table} SET v = v + 1 WHERE id = 2")
            victim.command(wire.COM_QUERY, sql.encode())
            time.sleep(0.3)
            began = time.monotonic()
            killer.query(order)
            assert code_of(victim.read_reply) == 1317, sql
            assert time.monotonic() - began < 10
            if begin:
                victim.query("COMMIT")
            assert victim.value(f"SELECT COUNT(*) FROM {table}") == "2", sql
        holder.query(f"UPDATE {table} SET v = v + 10 WHERE id = 1")
    cluster.settle()
    assert cluster.sql(f"SELECT v FROM {table} ORDER BY id") == [(b"10",), (b"2",)]
    cluster.assert_identical()


@case(seconds=60)
def kill_connection(_context, cluster):
    """The connection is gone without a word, and so is its transaction."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)")
    with cluster.connect() as killer:
        for sql in (None, "SELECT SLEEP(60)", f"SELECT SLEEP(60) FROM {table} FOR UPDATE"):
            # Else the lane of the victim's home, with the killer's last UPDATE, may want the row, and
            # end the transaction before we do.
            cluster.settle()
            victim = cluster.connect()
            victim.query("BEGIN")
            victim.query(f"UPDATE {table} SET v = 99 WHERE id = 1")
            if sql:
                victim.command(wire.COM_QUERY, sql.encode())
                time.sleep(0.2)
            if sql and "FROM" in sql:
                killer.process_kill(victim.connection_id)
            else:
                killer.query(f"KILL {victim.connection_id}")
            assert code_of(victim.read_packet) == "closed", sql
            wait_until(lambda: code_of(lambda: killer.query(f"KILL {victim.connection_id}")) == 1094,
                       5, "the number is free")
            killer.query(f"UPDATE {table} SET v = v + 1 WHERE id = 1")  # no lock is left
            victim.close()
        own = cluster.connect()
        assert code_of(lambda: own.query(f"KILL {own.connection_id}")) == 1927
        assert code_of(own.read_packet) == "closed"
    cluster.settle()
    assert cluster.sql(f"SELECT v FROM {table}") == [(b"3",)]
    for server in cluster.servers:
        sleeping = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(60)%'"
        wait_until(lambda: int(server.watch(sleeping)[0][0]) <= 1, 10, "nothing sleeps on")
    cluster.assert_identical()


def on_one_server(server, *statements):
    connection = server.connect()
    with connection.cursor() as cursor:
        for statement in ("SET sql_log_bin = 0", *statements):
            cursor.execute(statement)
    connection.close()


@case(seconds=60)
def kill_has_the_servers_rights(_context, cluster):
    """One's own user's sessions; others' with CONNECTION ADMIN or SUPER, by a role, too."""
    cluster.sql("CREATE USER low@'%' IDENTIFIED BY 'low'")
    for server in cluster.servers:
        on_one_server(server, "CREATE ROLE killers", "GRANT CONNECTION ADMIN ON *.* TO killers",
                      "GRANT killers TO low@'%'")

    def low():
        return cluster.consort.wire(None, user="low", password="low")

    wait_until(lambda: code_of(lambda: low().close()) == 0, 10, "the account is known")
    with low() as killer, low() as own, cluster.connect() as other:
        killer.query(f"KILL {own.connection_id}")
        assert code_of(own.read_packet) == "closed"
        for order in (f"KILL QUERY {other.connection_id}", f"KILL {other.connection_id}"):
            assert code_of(lambda: killer.query(order)) == 1095, order
        assert code_of(lambda: killer.process_kill(other.connection_id)) == 1095
        assert other.value("SELECT 1") == "1"
        killer.query("SET ROLE killers")
        killer.query(f"KILL {other.connection_id}")
        assert code_of(other.read_packet) == "closed"
    for server in cluster.servers:
        on_one_server(server, "DROP ROLE killers")
    cluster.sql("GRANT SUPER ON *.* TO low@'%'")
    with low() as killer, cluster.connect() as other:
        killer.query(f"KILL {other.connection_id}")
        assert code_of(other.read_packet) == "closed"
    cluster.sql("DROP USER low@'%'")


@case(seconds=60)
def kill_hurts_nobody_else(context, cluster):
    """Victims and others share the backend connections; only victims hear of it."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} SELECT seq, 0 FROM seq_1_to_20")
    cluster.settle()
    deadline = time.monotonic() + context.pick(8, 60)
    hurt, done, killed, lock = [], [0], [0], threading.Lock()

    def work(row):
        while time.monotonic() < deadline and not hurt:
            update = f"UPDATE {table} SET v = v + 1 WHERE id = {row}"
            with cluster.connect() as client:
                for counts, *script in ((0, f"SELECT v FROM {table} WHERE id = {row}"), (1, update),
                                        (1, "BEGIN", update, "COMMIT")):
                    # A new session may meet its forerunner's commit: 1213, as ever.
                    code = next(filter(None, (code_of(lambda: client.query(sql))
                                              for sql in script)), 0)
                    if code not in (0, 1213):
                        hurt.append((script, code))
                    with lock:
                        done[0] += counts if code == 0 else 0

    def be_victim(row):
        allowed = (0, 1213, 1317, "closed")
        with cluster.connect() as killer:
            while time.monotonic() < deadline and not hurt:
                with cluster.connect() as client:
                    for number in range(4):
                        sql = f"UPDATE {table} SET v = v + 1 WHERE id = {row}" if number % 2 else \
                            f"SELECT v, SLEEP(0.002) FROM {table}"
                        client.command(wire.COM_QUERY, sql.encode())
                        what = "CONNECTION" if context.random.random() < 0.2 else "QUERY"
                        killer.query(f"KILL {what} {client.connection_id}")
                        code = code_of(client.read_reply)
                        killed[0] += code != 0
                        if code not in allowed:
                            hurt.append((sql, code))
                        if what == "CONNECTION":
                            break

    threads = [threading.Thread(target=work, args=(row,)) for row in range(1, 5)]
    threads += [threading.Thread(target=be_victim, args=(row,)) for row in range(5, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not hurt, hurt[:3]
    assert done[0] > 10 and killed[0] > 10, (done, killed)
    cluster.settle()
    counted = cluster.sql(f"SELECT SUM(v) FROM {table} WHERE id < 5")
    assert counted == [(str(done[0]).encode(),)], (counted, done)
    cluster.assert_identical()


# ---- LOAD DATA LOCAL ------------------------------------------------------------------------

LINE = b"x" * 1000 + b"\n"


def file_table(cluster):
    return cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(1000)")


def load_sql(table):
    return f"LOAD DATA LOCAL INFILE 'f' INTO TABLE {table} (t)"


def sender(cluster, **options):
    return cluster.connect(capabilities=wire.LOCAL_FILES, timeout=100, **options)


@case(seconds=120)
def a_large_file_passes_through(context, cluster):
    """Packets of any size, also above 16 MiB; Consort keeps only a few of them."""
    table = file_table(cluster)
    small, rows = LINE * 60, 0
    with sender(cluster) as client:
        client.begin_load(load_sql(table))
        before = cluster.consort.rss
        for _ in range(context.pick(200, 5000)):
            client.send_packet(small)
            rows += 60
        grown = cluster.consort.rss - before
        lines, rest = divmod(wire.CHUNK_MAX, len(LINE))
        full = LINE * lines + b"y" * (rest - 1) + b"\n"
        client.send_packet(full + LINE)  # two packets of the wire
        client.send_packet(full)  # one, and an empty one behind it that does not end the file
        client.send_packet(b"")
        rows += 2 * lines + 3
        assert client.read_reply().affected == rows
    if context.slowdown == 1:
        assert grown < 8 << 20, grown
    cluster.settle(100)
    assert cluster.sql(f"SELECT COUNT(*) FROM {table}") == [(str(rows).encode(),)]
    cluster.assert_identical(100)


@case(seconds=60)
def a_slow_home_slows_the_client(context, cluster):
    """A server that reads nothing: the client is held back, Consort's memory stays."""
    table = file_table(cluster)
    with sender(cluster) as client:
        client.query("BEGIN")
        home = cluster.servers[int(client.value("SELECT @@server_id")) - 1]
        client.begin_load(load_sql(table))
        before = cluster.consort.rss
        home.pause()
        client.socket.settimeout(1)
        sent = 0
        try:
            while sent < 200 << 20:
                client.socket.sendall(client.frame(LINE * 60))
                sent += 60 * len(LINE)
            raise AssertionError("200 MB were taken")
        except TimeoutError:
            pass
        grown = cluster.consort.rss - before
        home.resume()
        client.close()  # in the middle of a packet
    if context.slowdown == 1:
        assert grown < 16 << 20, grown
    wait_until(lambda: set(cluster.consort.backend_states().values()) == {"online"}, 30, "online")
    cluster.sql(f"ALTER TABLE {table} COMMENT = 'no lock is left'")
    assert cluster.sql(f"SELECT COUNT(*) FROM {table}") == [(b"0",)]
    cluster.assert_identical()


@case(seconds=90, each=[("autocommit", False), ("transaction", True)])
def the_home_is_lost_amid_a_file(_context, cluster, in_transaction):
    """1213 at the file's end, nothing of it anywhere; the next try succeeds."""
    table = file_table(cluster)
    with sender(cluster) as client:
        client.query("BEGIN")
        home = cluster.servers[int(client.value("SELECT @@server_id")) - 1]
        if not in_transaction:
            client.query("ROLLBACK")
        client.begin_load(load_sql(table))
        for _ in range(20):
            client.send_packet(LINE * 60)
        home.kill()
        for _ in range(20):
            client.send_packet(LINE * 60)
            time.sleep(0.02)
        client.send_packet(b"")
        assert code_of(client.read_reply) == 1213
        assert not client.ping().in_transaction
        assert client.value(f"SELECT COUNT(*) FROM {table}") == "0"
        assert client.load(load_sql(table), [LINE * 60]).affected == 60
        home.start()
        wait_until(lambda: set(cluster.consort.backend_states().values()) == {"online"}, 30, "online")
    cluster.settle()
    assert cluster.sql(f"SELECT COUNT(*) FROM {table}") == [(b"60",)]
    cluster.assert_identical()


@case(seconds=60)
def a_file_that_does_not_end(_context, cluster):
    """The client leaves, sends nonsense or is killed amid its file: no row, no branch, no lock."""
    table = file_table(cluster)
    for ending in ("leaves", "out of order", "killed", "query killed"):
        with sender(cluster) as client, cluster.connect() as killer:
            client.begin_load(load_sql(table))
            client.send_packet(LINE * 60)
            if ending == "out of order":
                client.send_packet(LINE, sequence=99)
                client.sequence = 100
                assert code_of(client.read_packet) in (0, "closed")
            elif ending == "killed":
                killer.query(f"KILL {client.connection_id}")
                assert code_of(client.read_packet) == "closed"
            elif ending == "query killed":
                killer.query(f"KILL QUERY {client.connection_id}")
                time.sleep(0.3)
                client.send_packet(LINE * 60)
                client.send_packet(b"")
                code = code_of(client.read_reply)
                # 1467 where the server was interrupted while it took a number for AUTO_INCREMENT.
                assert code in (1317, 1467), code
                assert client.value("SELECT 1") == "1"
    cluster.sql(f"ALTER TABLE {table} COMMENT = 'no lock is left'")
    assert cluster.sql(f"SELECT COUNT(*) FROM {table}") == [(b"0",)]
    cluster.assert_identical()


@case(seconds=60)
def a_file_stops_no_lane(_context, cluster):
    """Its rows stand in the way of a commit from elsewhere, and its client does not go on."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)")
    with sender(cluster) as stalled:
        stalled.query("BEGIN")
        home = stalled.value("SELECT @@server_id")
        stalled.query(f"UPDATE {table} SET v = 5 WHERE id = 1")
        stalled.begin_load(f"LOAD DATA LOCAL INFILE 'f' INTO TABLE {table}")
        stalled.send_packet(b"2\t2\n")
        clients = cluster.on_homes()
        for number, client in enumerate(clients):
            if str(number + 1) != home:
                client.query(f"UPDATE {table} SET v = v + 1 WHERE id = 1")
                break
        cluster.settle(20)
        for client in clients:
            client.close()
        stalled.send_packet(b"")
        assert code_of(stalled.read_reply) == 1213
    cluster.settle()
    assert cluster.sql(f"SELECT * FROM {table}") == [(b"1", b"1")]
    cluster.assert_identical()


@case(seconds=60)
def files_conflict_like_other_writes(_context, cluster):
    """The first committer wins, as for any other write."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    sql = f"LOAD DATA LOCAL INFILE 'f' INTO TABLE {table}"
    with sender(cluster) as one, sender(cluster) as two:
        for client, value in ((one, 1), (two, 2)):
            client.begin_load(sql)
            client.send_packet(f"1\t{value}\n".encode())
        codes = []
        for client in (one, two):
            client.send_packet(b"")
            codes.append(code_of(client.read_reply))
        assert codes[0] == 0 and codes[1] in (1213, 1062), codes
    cluster.settle()
    assert cluster.sql(f"SELECT * FROM {table}") == [(b"1", b"1")]
    cluster.assert_identical()
