"""Many clients over few connections to the servers: who waits, for how long, and what travels."""

import contextlib
import threading
import time

import pymysql

from support import wire
from support.case import case
from support.cluster import Cluster, together
from support.process import wait_until

CONNECTIONS_MAX = 8  # to one backend


def setup(context):
    return Cluster(context, servers=2, settings={
        "workers": 1,
        "pool": {"connections_max": CONNECTIONS_MAX, "connections_min": 2, "wait_ms_max": 800,
                 "idle_timeout_s": 1, "lifetime_s": 3}})


def open_connections(server):
    """Of the application's account."""
    return int(server.watch("SELECT COUNT(*) FROM information_schema.PROCESSLIST"
                            " WHERE USER = 'app'")[0][0])


def backend_infos(cluster):
    return cluster.consort.get("/backends")["backends"]


def hold_all(cluster, table):
    """Clients in transactions that hold every connection to every backend."""
    holders = []
    for _ in range(2 * CONNECTIONS_MAX):
        client = cluster.connect()
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} (v) VALUES (0)")
        holders.append(client)
    infos = backend_infos(cluster)
    assert all(one["connections_leased"] == CONNECTIONS_MAX for one in infos), infos
    return holders


def end_all(clients):
    for client in clients:
        client.query("ROLLBACK")
        client.quit()


@case(seconds=60)
def many_clients_write_over_few_connections(_context, cluster):
    """Each keeps its LAST_INSERT_ID(), ROW_COUNT() and settings, whichever connection it gets."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, v INT")
    clients = [cluster.connect() for _ in range(40)]
    for number, client in enumerate(clients):
        if number % 3 == 0:
            client.query(f"SET max_statement_time={10 + number}")
    ids = {}
    for _ in range(2):
        for client in clients:
            reply = client.query(f"INSERT INTO {table} (v) VALUES (1)")
            ids[client] = str(reply.insert_id)
        for client in clients:
            assert client.value("SELECT ROW_COUNT()") == "1"
            assert client.value("SELECT LAST_INSERT_ID()") == ids[client]
    assert len(set(ids.values())) == len(clients)
    for number, client in enumerate(clients):
        expected = 10 + number if number % 3 == 0 else 0
        # FOR UPDATE: at home, where the connection has been another session's.
        value = client.value(f"SELECT @@max_statement_time FROM {table} LIMIT 1 FOR UPDATE")
        assert float(value) == expected, (number, value)
    for server in cluster.servers:
        assert open_connections(server) <= CONNECTIONS_MAX, open_connections(server)
    with cluster.connect() as fresh:  # no other's
        assert fresh.value("SELECT ROW_COUNT()") == "0"
        assert fresh.value("SELECT LAST_INSERT_ID()") == "0"
    for client in clients:
        client.quit()


@case(seconds=30)
def an_explicit_number_is_no_insert_id(_context, cluster):
    """A row that brings its own number does not change LAST_INSERT_ID(), though the OK names it."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, v INT")
    client = cluster.connect()
    drawn = client.query(f"INSERT INTO {table} (v) VALUES (1)").insert_id
    client.query(f"INSERT INTO {table} VALUES (5000, 1)")
    others = [cluster.connect() for _ in range(2 * CONNECTIONS_MAX + 8)]
    for other in others:
        other.query(f"UPDATE {table} SET v = v + 1 WHERE id = -1")
    client.query(f"UPDATE {table} SET v = LAST_INSERT_ID() WHERE id = 5000")
    assert client.value(f"SELECT v FROM {table} WHERE id = 5000 FOR UPDATE") == str(drawn)
    for other in [*others, client]:
        other.quit()


@case(seconds=30)
def a_full_pool_makes_wait_and_then_refuses(_context, cluster):
    """Who waits for too long gets 1040 and goes on; GET /backends and the metrics show it."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, v INT")
    waiter = cluster.connect()
    holders = hold_all(cluster, table)
    before = cluster.consort.metrics()
    seen = []

    def watch():
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline and not seen:
            seen.extend(one for one in backend_infos(cluster) if one["sessions_waiting"] == 1)

    def wait():
        began = time.monotonic()
        try:
            waiter.query(f"UPDATE {table} SET v = 1")
            return None
        except wire.ServerError as error:
            return error, time.monotonic() - began

    outcome, _ = together(wait, watch)
    error, seconds = outcome
    assert (error.code, error.state) == (1040, "HY000"), error
    assert "backend 's" in error.message and " ms" in error.message, error.message
    assert 0.7 < seconds < 2, seconds
    assert seen and seen[0]["connections_max"] == CONNECTIONS_MAX, seen
    after = cluster.consort.metrics()

    def grown(name):
        return sum(value - before[key] for key, value in after.items() if key.startswith(name))

    assert grown("consort_pool_wait_timeouts_total") == 1
    assert grown("consort_pool_wait_duration_seconds_count") >= 1
    end_all(holders)
    waiter.query(f"UPDATE {table} SET v = 1")  # its connection was never in danger
    waiter.quit()


@case(seconds=30)
def a_freed_connection_goes_to_who_waits(_context, cluster):
    """At once, in the order in which they came."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, v INT")
    clients = [cluster.connect() for _ in range(6)]
    holders = hold_all(cluster, table)
    served = []

    def write(client):
        client.query(f"INSERT INTO {table} (v) VALUES (2)")
        served.append(time.monotonic())

    threads = [threading.Thread(target=write, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    wait_until(lambda: sum(one["sessions_waiting"] for one in backend_infos(cluster)) == 6, 5,
               "all six wait")
    assert not served
    freed = time.monotonic()
    for holder in holders:
        holder.query("ROLLBACK")
    for thread in threads:
        thread.join()
    assert max(served) - freed < 0.5, max(served) - freed
    for client in [*clients, *holders]:
        client.quit()


@case(seconds=30)
def idle_sessions_hold_nothing_that_others_need(_context, cluster):
    """Reads and writes of many sessions at once, each with a home: none waits for another for ever."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} (v) VALUES (1)")
    timeouts = cluster.consort.metric("consort_pool_wait_timeouts_total")

    def work(_number):
        with cluster.connect() as client:
            for turn in range(12):
                if turn % 3 == 0:
                    client.query(f"INSERT INTO {table} (v) VALUES (1)")
                elif turn % 3 == 1:
                    client.query(f"SELECT COUNT(*) FROM {table}")
                else:
                    client.query("BEGIN")
                    client.query(f"SELECT 1 FROM {table} LIMIT 1")
                    client.query("COMMIT")

    failures = [one for one in together(*[lambda n=n: work(n) for n in range(48)]) if one]
    assert not failures, failures[0]
    assert cluster.consort.metric("consort_pool_wait_timeouts_total") == timeouts
    cluster.assert_identical()


@case(seconds=60)
def user_variables_travel(_context, cluster):
    """Each session finds its own on whichever connection it gets, and never another's."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20)")
    clients = [cluster.connect() for _ in range(30)]
    for number, client in enumerate(clients):
        if number % 2 == 0:
            client.query(f"SET @mine = 'of {number}', @count = 0")
    for _ in range(3):
        for number, client in enumerate(clients):
            client.query(f"INSERT INTO {table} (v) VALUES (COALESCE(@mine, 'nobody'))")
            client.query("SET @count = @count + 1") if number % 2 == 0 else None
    for number, client in enumerate(clients):
        expected = (f"of {number}", "3") if number % 2 == 0 else (None, None)
        assert (client.value("SELECT @mine"), client.value("SELECT @count")) == expected, number
    for infos in backend_infos(cluster):
        assert infos["connections_leased"] <= CONNECTIONS_MAX, infos
    for number, client in enumerate(clients):
        client.quit()
    rows = cluster.sql(f"SELECT v, COUNT(*) FROM {table} GROUP BY v")
    assert {row[0].decode(): row[1] for row in rows} == {
        "nobody": b"45", **{f"of {number}": b"3" for number in range(0, 30, 2)}}, rows


@case(seconds=30)
def what_binds_a_session_stays_its_own(_context, cluster):
    """Temporary tables and user locks keep their connection while everybody wants one, and whoever
    gets it afterwards finds nothing of them."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, v INT")
    own = cluster.table("v INT PRIMARY KEY")  # plain; who has a temporary one sees that
    cluster.sql(f"INSERT INTO {own} VALUES (99)")
    locker = cluster.connect()
    locker.query(f"INSERT INTO {table} (v) VALUES (1)")
    drawn = locker.value("SELECT LAST_INSERT_ID()")
    assert locker.value(f"SELECT GET_LOCK('{own}', 1)") == "1"
    keepers = [cluster.connect() for _ in range(4)]
    for number, keeper in enumerate(keepers):
        keeper.query(f"CREATE TEMPORARY TABLE {own} (v INT)")
        keeper.query(f"INSERT INTO {own} VALUES ({number})")
    others = [cluster.connect() for _ in range(3 * CONNECTIONS_MAX)]
    for other in others:
        other.query(f"INSERT INTO {table} (v) VALUES (2)")
        assert other.value(f"SELECT IS_FREE_LOCK('{own}')") == "0"
        assert other.value(f"SELECT v FROM {own} FOR UPDATE") == "99"  # at home, and the plain one
    for number, keeper in enumerate(keepers):
        assert keeper.value(f"SELECT v FROM {own}") == str(number)
    assert locker.value("SELECT LAST_INSERT_ID()") == drawn
    assert locker.value(f"SELECT RELEASE_LOCK('{own}')") == "1"
    for keeper in keepers:
        keeper.query(f"DROP TEMPORARY TABLE {own}")
    for other in others:
        other.query(f"UPDATE {table} SET v = v + 1 WHERE id = -1")
        assert other.value(f"SELECT IS_FREE_LOCK('{own}')") == "1"
        assert other.value(f"SELECT v FROM {own} FOR UPDATE") == "99"  # at home, and the plain one
    for client in [locker, *keepers, *others]:
        client.quit()
    cluster.assert_identical()


@case(seconds=30)
def warnings_are_kept_for_a_second(_context, cluster):
    """SHOW WARNINGS right after the statement finds them, though everybody wants the connection."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    other = cluster.connect()
    holders = hold_all(cluster, cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, v INT"))
    holder = holders.pop()
    holder.query("ROLLBACK")
    holder.query(f"INSERT IGNORE INTO {table} VALUES (1, 1), (1, 2)")
    thread = threading.Thread(target=try_update, args=(other, table))
    thread.start()
    time.sleep(0.1)
    assert holder.query("SHOW WARNINGS").rows[0][1] == b"1062"
    end_all(holders)
    thread.join()
    holder.quit()
    other.quit()


def try_update(client, table):
    try:
        client.query(f"UPDATE {table} SET v = 3")
    except wire.ServerError as error:
        assert error.code == 1040, error


@case(seconds=30)
def a_minimum_is_kept_and_old_connections_go(_context, cluster):
    """Without clients connections_min are left, and a lifetime ends those, too."""

    def threads():
        return {row[0] for server in cluster.servers for row in server.watch(
            "SELECT CONCAT(@@server_id, ':', ID) FROM information_schema.PROCESSLIST"
            " WHERE USER = 'app'")}

    wait_until(lambda: len(threads()) == 4, 10, "two connections to each server are kept")
    first = threads()
    wait_until(lambda: not first & threads(), 10, "they have been replaced")
    wait_until(lambda: len(threads()) == 4, 10, "by as many")


@case(seconds=60)
def what_the_servers_count_as_aborted(_context, cluster):
    """Aborted_clients: who was killed or silent for too long, with a connection of its own; not what the
    pool closes by itself, nor clients that go."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)")

    def aborted():
        return sum(int(server.watch("SHOW GLOBAL STATUS LIKE 'Aborted_clients'")[0][1])
                   for server in cluster.servers)
    time.sleep(1.5)  # what earlier clients have left
    before = aborted()
    for number in range(4 * CONNECTIONS_MAX):  # more than may be open: some make place for others
        with cluster.connect() as client:
            client.query(f"INSERT INTO {table} VALUES ({number + 2}, 0)")
    wait_until(lambda: sum(open_connections(server) for server in cluster.servers) <= 4, 15,
               "the pool has closed what is idle")
    time.sleep(3.5)  # and what is old
    assert aborted() == before, (before, aborted())
    with cluster.connect() as killer, cluster.connect() as victim:
        number = victim.value("SELECT CONNECTION_ID()")
        victim.query(f"UPDATE {table} SET v = 1 WHERE id = 1")
        killer.query(f"KILL {number}")
        wait_until(lambda: aborted() == before + 1, 5, lambda: f"KILL counts {before} {aborted()}")
    with cluster.connect() as victim:
        victim.query(f"UPDATE {table} SET v = 2 WHERE id = 1")
        assert victim.error_of("KILL CONNECTION_ID()")[0] == 1927
        wait_until(lambda: aborted() == before + 2, 5, lambda: f"one's own {before} {aborted()}")
    with cluster.connect() as silent:
        silent.query("SET wait_timeout = 1")
        silent.query(f"UPDATE {table} SET v = 3 WHERE id = 1")
        wait_until(lambda: aborted() == before + 3, 5, lambda: f"wait_timeout {before} {aborted()}")
    cluster.assert_identical()


@case(seconds=60)
def a_server_that_takes_fewer_bounds_the_pool(context, _cluster):
    """With the servers as they are shipped Consort's own bound is far above theirs: sessions wait
    for each other, and none is turned away by a server. Its idle connections make room."""
    few = Cluster(context, servers=2, server_settings={"max_connections": "30"},
                  settings={"workers": 1, "pool": {"connections_max": 1000, "wait_ms_max": 20000}})
    try:
        infos = backend_infos(few)
        assert [one["connections_max"] for one in infos] == [15, 15], infos
        table = few.table("id INT AUTO_INCREMENT PRIMARY KEY, v INT")
        failed = []

        def work(_number):
            try:
                client = few.connect()
                for _ in range(5):
                    client.query("BEGIN")
                    client.query(f"INSERT INTO {table} (v) VALUES (1)")
                    client.query("DO SLEEP(0.02)")
                    client.query("COMMIT")
                client.quit()
            except wire.ServerError as error:
                failed.append(error)

        together(*[lambda number=number: work(number) for number in range(60)])
        assert not failed, failed[:3]
        infos = backend_infos(few)
        assert all(one["connections_leased"] + one["connections_idle"] <= 15 for one in infos), infos
        # Somebody else takes what the servers have left; a connection of other capabilities is
        # none of those that are idle.
        others = []
        for server in few.servers:
            with contextlib.suppress(pymysql.OperationalError):
                while True:
                    others.append(server.connect())
        client = few.connect(capabilities=wire.DEFAULT_CAPABILITIES | wire.DEPRECATE_EOF)
        client.query(f"INSERT INTO {table} (v) VALUES (2)")
        for other in others:
            other.close()
    finally:
        few.close()
