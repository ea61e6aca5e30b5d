"""Two homes change one row at once: one wins, the other is told to try again, no update is lost."""

import threading
import time

from support import wire
from support.case import case
from support.cluster import Cluster, together
from support.process import wait_until
from support.racing import DEADLOCK, begin_on_different_homes, finish, race, send
from support.server_kinds import numbers


def setup(context):
    return Cluster(context)


@case(seconds=60, soak_seconds=900)
def one_row_two_homes(context, cluster):
    """Rounds of: both update the row, both commit at the same moment."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0), (2, 0)")
    rounds = context.pick(200, 10_000)
    with cluster.two_homes() as (first, second):
        for number in range(rounds):
            begin_on_different_homes(first, second)
            # A commit of the round before that comes late to one of them is a conflict, too.
            while [int(client.value(f"SELECT v FROM {table} WHERE id = 1"))
                   for client in (first, second)] != [number, number]:
                for client in (first, second):
                    client.query("ROLLBACK")
                begin_on_different_homes(first, second)
            updates = race([(client, f"UPDATE {table} SET v = v + 1 WHERE id = 1")
                            for client in (first, second)])
            assert updates == ["ok", "ok"], f"round {number}: updates {updates}"
            outcome = race([(first, "COMMIT"), (second, "COMMIT")])
            assert sorted(outcome, key=str) == [DEADLOCK, "ok"], f"round {number}: {outcome}"
            winner = first if outcome[0] == "ok" else second
            value = int(winner.value(f"SELECT v FROM {table} WHERE id = 1"))
            assert value == number + 1, f"round {number}: the winner reads v = {value}"
        assert int(cluster.sql(f"SELECT /* consort: read=strong */ v FROM {table} WHERE id = 1")
                   [0][0]) == rounds
    cluster.assert_identical()
    return f"{rounds} rounds"


@case(seconds=60, soak_seconds=600)
def late_commit_loses(context, cluster):
    """The other has committed, and its commit is applied here, long before we commit."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)")
    rounds = context.pick(20, 500)
    with cluster.two_homes() as (first, second):
        for number in range(rounds):
            begin_on_different_homes(first, second)
            for client in (first, second):
                client.query(f"UPDATE {table} SET v = v + 1 WHERE id = 1")
            first.query("COMMIT")
            if number % 2:
                cluster.settle()  # the holder of the row was made to give way
            outcome = race([(second, "COMMIT")])
            assert outcome == [DEADLOCK], f"round {number}: {outcome}"
    assert int(cluster.sql(f"SELECT /* consort: read=strong */ v FROM {table}")[0][0]) == rounds
    cluster.assert_identical()


@case(seconds=60, soak_seconds=600)
def large_commits_wait_for_lanes(context, _cluster):
    """More keys on their way than certification can remember, while a server stands still now and
    then: nobody is told of a deadlock who has no rival."""
    cluster = Cluster(context, settings={"commit": {"index_keys_max": 8000}})
    try:
        tables = [cluster.table("id INT PRIMARY KEY, v INT") for _ in range(6)]
        rounds = context.pick(12, 300)
        failures = []

        def fill(table):
            with cluster.connect() as client:
                for number in range(rounds):
                    rows = ",".join(f"({number * 400 + i}, 0)" for i in range(400))
                    try:
                        client.query(f"INSERT INTO {table} VALUES {rows}")
                    except wire.ServerError as error:
                        failures.append(str(error))

        threads = [threading.Thread(target=fill, args=(table,)) for table in tables]
        for thread in threads:
            thread.start()
        slow = cluster.servers[0]
        waits = 0
        while any(thread.is_alive() for thread in threads):
            slow.pause()
            time.sleep(0.15)
            waits += cluster.consort.metric("consort_branches_behind_lanes") > 0
            slow.resume()
            time.sleep(0.1)
        assert not failures, failures[:3]
        cluster.assert_identical()
        assert waits, "nobody had to wait: the case proves nothing"
        return f"{6 * rounds} commits, waits seen {waits} times"
    finally:
        cluster.close()


@case(seconds=60, soak_seconds=600)
def no_lost_update(context, cluster):
    """Autocommit increments from everywhere: the sum is the number of OKs."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)")
    each = context.pick(150, 5000)
    done, wrong = [], []

    def work():
        with cluster.connect() as client:
            for _ in range(each):
                try:
                    client.query(f"UPDATE {table} SET v = v + 1 WHERE id = 1")
                    done.append(1)
                except wire.ServerError as error:
                    if error.code != DEADLOCK:
                        wrong.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:5]
    value = int(cluster.sql(f"SELECT /* consort: read=strong */ v FROM {table}")[0][0])
    assert value == len(done), f"{len(done)} increments acknowledged, the row says {value}"
    cluster.assert_identical()
    return f"{len(done)} of {6 * each} won"


@case(seconds=60, soak_seconds=600)
def one_primary_key(context, cluster):
    """Both insert the same key: one row, one winner."""
    table = cluster.table("id INT PRIMARY KEY, who INT NOT NULL")
    rounds = context.pick(50, 2000)
    with cluster.two_homes() as (first, second):
        for number in range(rounds):
            begin_on_different_homes(first, second)
            race([(client, f"INSERT INTO {table} VALUES ({number}, {who})")
                  for who, client in enumerate((first, second))])
            outcome = race([(first, "COMMIT"), (second, "COMMIT")])
            assert sorted(outcome, key=str) == [DEADLOCK, "ok"], f"round {number}: {outcome}"
    cluster.assert_identical()


@case(seconds=60, soak_seconds=600)
def update_against_delete(context, cluster):
    """One deletes the row, one changes it: never both."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    rounds = context.pick(40, 2000)
    contested = 0
    with cluster.two_homes() as (first, second):
        for number in range(rounds):
            cluster.settle()  # else the winner of the last round may be news to this home
            first.query(f"REPLACE INTO {table} VALUES (1, 0)")
            cluster.settle()
            begin_on_different_homes(first, second)
            deleted = first.query(f"DELETE FROM {table} WHERE id = 1").affected
            updated = second.query(f"UPDATE {table} SET v = 5 WHERE id = 1").affected
            outcome = race([(first, "COMMIT"), (second, "COMMIT")])
            # Equal positions may still be the old ones: a home that has not got the new row yet
            # changes nothing, and nothing conflicts with that.
            both = deleted == 1 and updated == 1
            contested += both
            expected = [DEADLOCK, "ok"] if both else ["ok", "ok"]
            assert sorted(outcome, key=str) == expected, f"round {number}: {outcome}"
    assert contested > rounds / 4, f"only {contested} of {rounds} rounds had two changes"
    cluster.assert_identical()


@case(seconds=60, soak_seconds=600)
def parent_against_child(context, cluster):
    """One deletes a parent row, one adds a child to it: never both."""
    parent = cluster.table("id INT PRIMARY KEY")
    child = cluster.table(f"id INT PRIMARY KEY, p INT NOT NULL, FOREIGN KEY (p) REFERENCES {parent}"
                          " (id)")
    rounds = context.pick(30, 1000)
    with cluster.two_homes() as (first, second):
        for number in range(rounds):
            first.query(f"INSERT INTO {parent} VALUES ({number})")
            cluster.settle()
            begin_on_different_homes(first, second)
            race([(first, f"DELETE FROM {parent} WHERE id = {number}"),
                  (second, f"INSERT INTO {child} VALUES ({number}, {number})")])
            outcome = race([(first, "COMMIT"), (second, "COMMIT")])
            assert sorted(outcome, key=str) == [DEADLOCK, "ok"], f"round {number}: {outcome}"
    orphans = cluster.sql(f"SELECT COUNT(*) FROM {child} WHERE p NOT IN (SELECT id FROM {parent})")
    assert orphans[0][0] == b"0"
    cluster.assert_identical()


@case(seconds=60, soak_seconds=600)
def cascade_against_child(context, cluster):
    """A cascading delete takes the children; a change of a child elsewhere conflicts with it."""
    parent = cluster.table("id INT PRIMARY KEY")
    child = cluster.table(f"id INT PRIMARY KEY, p INT, v INT NOT NULL, FOREIGN KEY (p) REFERENCES"
                          f" {parent} (id) ON DELETE CASCADE")
    rounds = context.pick(30, 1000)
    with cluster.two_homes() as (first, second):
        for number in range(rounds):
            first.query(f"INSERT INTO {parent} VALUES ({number})")
            first.query(f"INSERT INTO {child} VALUES ({number}, {number}, 0)")
            cluster.settle()
            begin_on_different_homes(first, second)
            race([(first, f"DELETE FROM {parent} WHERE id = {number}"),
                  (second, f"UPDATE {child} SET v = 1 WHERE id = {number}")])
            outcome = race([(first, "COMMIT"), (second, "COMMIT")])
            assert sorted(outcome, key=str) == [DEADLOCK, "ok"], f"round {number}: {outcome}"
    cluster.assert_identical()


@case(seconds=60, soak_seconds=600)
def table_without_keys(context, cluster):
    """No key at all: conflicts may be found too often there, but are never missed."""
    table = cluster.table("a INT NOT NULL, v INT NOT NULL")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0), (1, 0), (2, 0)")
    rounds = context.pick(30, 1000)
    with cluster.two_homes() as (first, second):
        for number in range(rounds):
            begin_on_different_homes(first, second)
            race([(client, f"UPDATE {table} SET v = v + 1 WHERE a = 1")
                  for client in (first, second)])
            outcome = race([(first, "COMMIT"), (second, "COMMIT")])
            assert sorted(outcome, key=str) == [DEADLOCK, "ok"], f"round {number}: {outcome}"
    assert {row[0] for row in cluster.sql(f"SELECT /* consort: read=strong */ v FROM {table}"
                                          " WHERE a = 1")} == {str(rounds).encode()}
    cluster.assert_identical()


@case(seconds=30, soak_seconds=600)
def different_rows_do_not_conflict(context, cluster):
    """Rows apart never meet: everybody wins."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0), (2, 0)")
    rounds = context.pick(50, 2000)
    with cluster.two_homes() as (first, second):
        # Otherwise REPEATABLE READ keeps gaps locked, which is the server's business, not ours.
        for client in (first, second):
            client.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        for number in range(rounds):
            begin_on_different_homes(first, second)
            race([(client, f"UPDATE {table} SET v = v + 1 WHERE id = {row}")
                  for row, client in ((1, first), (2, second))])
            outcome = race([(first, "COMMIT"), (second, "COMMIT")])
            assert outcome == ["ok", "ok"], f"round {number}: {outcome}"
    assert [row[0] for row in cluster.sql(f"SELECT /* consort: read=strong */ v FROM {table}")] == [
        str(rounds).encode()] * 2
    cluster.assert_identical()


@case(seconds=60, soak_seconds=600)
def autocommit_statements_run_again(context, cluster):
    """What is no transaction of several statements loses nothing: it waits, as on one server."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)")
    clients = cluster.on_homes()
    rounds = context.pick(100, 10_000)

    def add(client):
        for _ in range(rounds):
            client.query(f"UPDATE {table} SET v = v + 1 WHERE id = 1")

    results = together(*[lambda client=client: add(client) for client in clients])
    assert results == [None] * 3, results
    cluster.settle()
    assert clients[0].value(f"SELECT v FROM {table}") == str(3 * rounds)
    again = cluster.consort.metric("consort_autocommit_retries_total")
    assert again, "nobody ran again: the case proves nothing"
    for number in range(10):  # nor does a statement lose to DDL that it came after
        clients[0].query(f"CREATE TABLE fresh{number} (a INT)")
        for client in clients:
            try:
                client.query(f"INSERT INTO fresh{number} VALUES (1)")
            except wire.ServerError as error:
                assert error.code == 1146, error  # its server does not have the table yet
    cluster.assert_identical()
    return f"{again:.0f} times, of {3 * rounds}"


@case(seconds=30)
def types_are_bound_in_a_lost_transaction(_context, cluster):
    """A client sends the types of its parameters once, whatever it hears then: also 1213."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)")
    with cluster.two_homes() as (first, second):
        begin_on_different_homes(first, second)
        insert = second.prepare(f"INSERT INTO {table} VALUES (?, ?)")
        for client in (first, second):
            client.query(f"UPDATE {table} SET v = v + 1 WHERE id = 1")
        first.query("COMMIT")
        cluster.settle()  # the second's row was needed: its transaction is lost
        second.send_execute(insert, (2, 2))
        try:
            second.read_reply(binary=True)
            raise AssertionError("the lost transaction goes on")
        except wire.ServerError as error:
            assert error.code == 1213, error
        second.send_execute(insert, (3, 3), types_sent_before=True)
        second.read_reply(binary=True)
    assert [row[0] for row in cluster.sql(f"SELECT /* consort: read=strong */ id FROM {table}"
                                          " ORDER BY id")] == [b"1", b"3"]
    cluster.assert_identical()


@case(seconds=30)
def sessions_get_homes_in_turn(_context, cluster):
    """Two terminals have different homes, whichever worker serves them: a conflict can be shown."""
    wait_until(lambda: cluster.consort.get("/status")["sessions"] == 0, 10,
               lambda: "earlier sessions are gone")
    clients = [cluster.connect() for _ in range(2 * len(cluster.servers))]
    homes = []
    for client in clients:
        client.query("BEGIN")
        homes.append(client.value("SELECT @@server_id"))
    assert all(homes.count(home) == 2 for home in set(homes)), homes
    assert len(set(homes)) == len(cluster.servers), homes
    assert homes[0] != homes[1], homes
    for client in clients:
        client.quit()


@case(seconds=30)
def same_home_waits_as_on_one_server(_context, cluster):
    """On one home the row lock orders them: the second waits, and both may win."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 0)")
    clients = [cluster.connect() for _ in range(6)]
    homes = {}
    for client in clients:
        client.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        client.query("BEGIN")
        homes.setdefault(client.value("SELECT @@server_id"), []).append(client)
    first, second, *_ = max(homes.values(), key=len)
    first.query(f"UPDATE {table} SET v = v + 1 WHERE id = 1")
    send(second, f"UPDATE {table} SET v = v + 1 WHERE id = 1")
    assert race([(first, "COMMIT")]) == ["ok"]
    assert finish(second) == "ok"
    assert race([(second, "COMMIT")]) == ["ok"]
    assert int(cluster.sql(f"SELECT /* consort: read=strong */ v FROM {table}")[0][0]) == 2
    for client in clients:
        client.quit()
    cluster.assert_identical()


@case(seconds=60)
def a_session_meets_its_own_commits(context, cluster):
    """Autocommit writes that follow each other at once, and do not wait for the lanes, find what
    the session wrote before: also while branches are replayed that stand in a lane's way."""
    table = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    guard = cluster.table("id INT PRIMARY KEY, v INT NOT NULL")
    cluster.sql(f"INSERT INTO {guard} SELECT seq, 0 FROM {numbers(8)}")
    cluster.settle()
    deadline = time.monotonic() + context.pick(3, 60)
    wrong, rounds, lock = [], [0], threading.Lock()

    def until_done(client, sql):
        while True:
            try:
                return client.query(sql).affected
            except wire.ServerError as error:
                if error.code != 1213:
                    wrong.append((sql, error))
                    return 1

    def work(number):
        with cluster.connect() as client:
            while time.monotonic() < deadline and not wrong:
                steps = (f"INSERT INTO {table} VALUES ({number}, 0)",
                         f"UPDATE {table} SET v = v + 1 WHERE id = {number} AND v = 0",
                         f"UPDATE {table} SET v = v + 1 WHERE v = 1 AND id = {number}",
                         f"DELETE FROM {table} WHERE id = {number} AND v = 2")
                for sql in steps:
                    if (changed := until_done(client, sql)) != 1:
                        wrong.append((sql, changed))
                # A commit that also holds a row which others change: a lane may have to get by it.
                client.query("BEGIN")
                try:
                    client.query(f"SELECT v FROM {guard} WHERE id = {number % 8 + 1} FOR UPDATE")
                    client.query(f"INSERT INTO {table} VALUES ({number}, 7)")
                    client.query("COMMIT")
                except wire.ServerError as error:
                    if error.code != 1213:
                        wrong.append(("a transaction", error))
                    client.query("ROLLBACK")
                    continue
                if (changed := until_done(client, f"DELETE FROM {table} WHERE id = {number}")) != 1:
                    wrong.append(("the row of a transaction", changed))
                with lock:
                    rounds[0] += 1

    def disturb(number):
        with cluster.connect() as client:
            while time.monotonic() < deadline and not wrong:
                until_done(client, f"UPDATE {guard} SET v = v + 1 WHERE id = {number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 7)]
    threads += [threading.Thread(target=disturb, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]
    assert rounds[0] > 20, rounds
    metrics = cluster.consort.metrics()
    replays = sum(value for name, value in metrics.items()
                  if name.startswith("consort_lane_replays_total"))
    cluster.assert_identical()
    return f"{rounds[0]} rounds, {replays:.0f} replays"
