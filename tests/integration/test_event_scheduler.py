"""Consort runs the events that are stored on its servers, each once in the whole cluster, when a
server would. A plain server beside them runs the same events by itself."""

import datetime
import time

from support.case import case
from support.pair import Pair
from support.process import wait_until
from support.wire import code_of

STATE = ("SELECT name, status, last_executed, created, modified FROM mysql.event"
         " WHERE db = 'test' ORDER BY name")
RUNS = ("CREATE TABLE runs (id INT AUTO_INCREMENT PRIMARY KEY, who VARCHAR(80), place VARCHAR(80),"
        " at DATETIME(6), note VARCHAR(200))")


def setup(context):
    cluster = Pair(context)
    cluster.sql(RUNS)
    return cluster


def switch(cluster, state):
    cluster.sql(f"SET GLOBAL event_scheduler = {state}")


def scheduler(cluster):
    """What the admin port says of it."""
    return cluster.consort.get("/status")["events"]


def create(cluster, *events, noting="'x'", before=()):
    """Events whose runs leave a row."""
    with cluster.connect() as client:
        for sql in before:
            client.query(sql)
        for event in events:
            client.query(f"CREATE EVENT {event} DO INSERT INTO runs (who, place, at, note) VALUES"
                         f" (CURRENT_USER(), DATABASE(), NOW(6), {noting})")


def runs(cluster, note=None):
    """Of all events; the rows of one server, which is every server's."""
    cluster.settle()
    sql = "SELECT who, place, at, note FROM test.runs"
    sql += f" WHERE note = '{note}'" if note else ""
    return cluster.servers[0].query(sql + " ORDER BY id")


def clean_up(cluster):
    switch(cluster, "OFF")
    wait_until(lambda: scheduler(cluster)["scheduler"] == "OFF"
               and not scheduler(cluster)["under_way"], 40, cluster.evidence)
    for (name, *_) in cluster.servers[0].query(STATE):
        cluster.sql(f"DROP EVENT IF EXISTS {name}")
    cluster.assert_identical()
    for server in cluster.servers:
        assert not server.query("SELECT * FROM mysql.proc WHERE name LIKE 'consort event%'")
        assert not server.query("SELECT 1 FROM mysql.procs_priv"
                                " WHERE Routine_name LIKE 'consort event%'")
    cluster.sql("TRUNCATE TABLE runs")


def same_state(cluster):
    """What is kept of the events, the same on every server. Runs go on while it is read."""
    for _ in range(100):
        cluster.settle()
        seen = [server.query(STATE) for server in cluster.servers]
        if seen[0] == seen[1] == seen[2]:
            return {row[0]: row[1:] for row in seen[0]}
        time.sleep(0.05)
    raise AssertionError(f"they differ for long: {seen}")


def assert_no_twins(rows):
    """Of an event of every second: at most one run was so late that it fell into the next one's."""
    seconds = [row[2].replace(microsecond=0) for row in rows]
    assert len(seconds) - len(set(seconds)) <= 1, seconds


@case(seconds=90)
def once_in_the_cluster(_context, cluster):
    """What recurs runs once at each of its moments, as its definer, with its settings; what is to
    run once is gone behind it, or stays, disabled. Consort's is the scheduler that clients see."""
    create(cluster, "every ON SCHEDULE EVERY 1 SECOND", noting="'every'")
    with cluster.connect() as client:
        assert client.value("SELECT @@event_scheduler") == "OFF"
        client.query("SET GLOBAL event_scheduler = 1")
        assert client.value("SELECT @@event_scheduler") == "ON"
        assert client.value("SELECT @@global.event_scheduler") == "ON"
        assert client.query("SHOW GLOBAL VARIABLES LIKE 'event_scheduler'").rows[0][1] == b"ON"
        wait_until(lambda: scheduler(cluster)["scheduler"] == "ON", 5, cluster.evidence)
        listed = [row for row in client.query("SHOW PROCESSLIST").rows
                  if row[1] == b"event_scheduler"]
        assert [(row[2], row[3], row[4], row[7]) for row in listed] \
            == [(b"localhost", None, b"Daemon", None)], listed
        assert listed[0][6] in (b"Waiting for next activation", b"Waiting on empty queue"), listed
        assert client.value("SELECT COUNT(*) FROM information_schema.PROCESSLIST"
                            " WHERE USER = 'event_scheduler' AND COMMAND = 'Daemon'") == "1"
    create(cluster, "once ON SCHEDULE AT CURRENT_TIMESTAMP", noting="'once'")
    create(cluster, "kept ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 SECOND"
           " ON COMPLETION PRESERVE", noting="CONCAT(\"kept \", @@sql_mode, @@time_zone)",
           before=["SET time_zone = '+03:00', sql_mode = 'NO_ZERO_DATE'"])
    create(cluster, "ends ON SCHEDULE EVERY 1 SECOND STARTS CURRENT_TIMESTAMP"
           " ENDS CURRENT_TIMESTAMP + INTERVAL 2 SECOND", noting="'ends'")
    assert {server.query("SELECT @@event_scheduler")[0][0] for server in cluster.servers} == {"OFF"}
    wait_until(lambda: len(runs(cluster, "every")) >= 4 and "ends" not in same_state(cluster), 40,
               lambda: f"they run: {runs(cluster)}, {same_state(cluster)}\n{cluster.evidence()}")
    assert scheduler(cluster)["done"] >= 5 and scheduler(cluster)["failed"] == 0
    assert cluster.consort.metric('consort_event_runs_total{result="done"}') >= 5
    switch(cluster, "OFF")
    with cluster.connect() as client:
        assert client.value("SELECT @@event_scheduler") == "OFF"
        assert b"event_scheduler" not in {row[1] for row in client.query("SHOW PROCESSLIST").rows}
    rows = runs(cluster)
    assert {row[:2] for row in rows} == {("app@%", "test")}, rows
    assert_no_twins(row for row in rows if row[3] == "every")
    assert [row[3] for row in rows].count("once") == 1, rows
    assert [row[3] for row in rows].count("kept NO_ZERO_DATE+03:00") == 1, rows
    assert 2 <= [row[3] for row in rows].count("ends") <= 3, rows
    state = same_state(cluster)
    assert set(state) == {"every", "kept"}, state
    assert state["kept"][0] == "DISABLED" and state["kept"][1], state
    assert state["every"][0] == "ENABLED" and state["every"][1], state
    time.sleep(1.2)
    count = len(runs(cluster))
    time.sleep(1.5)
    assert len(runs(cluster)) == count
    clean_up(cluster)


@case(seconds=90)
def with_its_definers_rights(_context, cluster):
    """Not more than those, and no EXECUTE is needed. What fails is in the log."""
    cluster.sql("CREATE TABLE secret (a INT PRIMARY KEY)",
                "CREATE USER low@'%' IDENTIFIED BY 'low'", "GRANT EVENT ON test.* TO low@'%'",
                "GRANT SELECT, INSERT ON test.runs TO low@'%'")
    with cluster.consort.wire("test", user="low", password="low") as client:
        client.query("CREATE EVENT mine ON SCHEDULE AT CURRENT_TIMESTAMP DO BEGIN"
                     " SELECT COUNT(*) FROM runs;"
                     " INSERT INTO runs (who, note) VALUES (CURRENT_USER(), 'mine'); END")
        client.query("CREATE EVENT theft ON SCHEDULE AT CURRENT_TIMESTAMP ON COMPLETION PRESERVE DO"
                     " INSERT INTO secret VALUES (1)")
        client.query("CREATE EVENT commits ON SCHEDULE AT CURRENT_TIMESTAMP DO BEGIN"
                     " INSERT INTO runs (note) VALUES ('commits'); COMMIT; DROP TABLE secret; END")
        client.query("CREATE EVENT sleeps ON SCHEDULE AT CURRENT_TIMESTAMP DO DO SLEEP(1000)")
        switch(cluster, "ON")

        def sleeping():
            return [row for row in client.query("SHOW PROCESSLIST").rows if row[7] == b"DO SLEEP(1000)"]

        wait_until(lambda: sleeping() and sleeping()[0][6] == b"User sleep", 40, cluster.evidence)
        run = sleeping()[0]
        assert run[1:5] == (b"low", b"localhost", b"test", b"Connect"), run
        client.query(f"KILL QUERY {int(run[0])}")
    wait_until(lambda: set(same_state(cluster)) == {"theft"}, 40, cluster.evidence)
    assert {(row[0], row[3]) for row in runs(cluster)} == {("low@%", "mine"), (None, "commits")}, \
        runs(cluster)
    log = cluster.consort.log_text()
    assert "[low@%].[test.theft] INSERT command denied" in log, log[-3000:]
    assert "[low@%].[test.commits] DROP command denied" in log, log[-3000:]
    assert "[low@%].[test.sleeps] Query execution was interrupted" in log, log[-3000:]
    switch(cluster, "OFF")
    cluster.sql("DROP EVENT theft", "REVOKE EVENT ON test.* FROM low@'%'",
                "CREATE DEFINER = low@'%' EVENT lost ON SCHEDULE AT CURRENT_TIMESTAMP DO"
                " INSERT INTO runs (note) VALUES ('lost')",
                "CREATE DEFINER = nobody@nowhere EVENT nobody ON SCHEDULE AT CURRENT_TIMESTAMP DO"
                " INSERT INTO runs (note) VALUES ('nobody')", "SET GLOBAL event_scheduler = ON")
    wait_until(lambda: not same_state(cluster), 40, cluster.evidence)
    assert len(runs(cluster)) == 2 and not cluster.sql("SELECT * FROM secret")
    assert "[low@%].[test.lost] execution failed, user no longer has EVENT" in cluster.consort.log_text()
    clean_up(cluster)
    cluster.sql("DROP USER low@'%'", "DROP TABLE secret")


@case(seconds=120)
def when_a_server_would(_context, cluster):
    """Intervals of all units, time zones, a clock that was put back, ENDS and AT: the plain server,
    which runs the same events by itself, says when."""
    base = datetime.datetime.utcnow().replace(microsecond=0) + datetime.timedelta(seconds=8)
    zone = ("SET sql_log_bin = 0", "REPLACE INTO mysql.time_zone VALUES (77, 'N')",
            "REPLACE INTO mysql.time_zone_name VALUES ('Test/Zone', 77)",
            "REPLACE INTO mysql.time_zone_transition_type VALUES (77, 0, 3600, 0, 'TST'),"
            " (77, 1, 7200, 1, 'TSST')",
            "REPLACE INTO mysql.time_zone_transition VALUES"
            " (77, UNIX_TIMESTAMP() - 86400 * 200, 1), (77, UNIX_TIMESTAMP() - 86400 * 30, 0)")
    for server in [*cluster.servers, cluster.plain]:
        with server.connect() as connection, connection.cursor() as cursor:
            for sql in zone:
                cursor.execute(sql)

    def before(months=0, **time_of):
        """A moment of which `base` is a repetition."""
        number = base.year * 12 + base.month - 1 - months
        day = min(base.day, 28 if months else 31)
        return base.replace(year=number // 12, month=number % 12 + 1, day=day) \
            - datetime.timedelta(**time_of)

    def in_zone(moment, hours):
        return moment + datetime.timedelta(hours=hours)

    utc, late = "+00:00", base + datetime.timedelta(seconds=2)
    schedules = {
        "second": (utc, f"EVERY 2 SECOND STARTS '{before(seconds=2000)}'"),
        "minute": (utc, f"EVERY 7 MINUTE STARTS '{before(minutes=77)}'"),
        "minutesecond": (utc, f"EVERY '1:30' MINUTE_SECOND STARTS '{before(seconds=900)}'"),
        "hour": (utc, f"EVERY 5 HOUR STARTS '{before(hours=500)}'"),
        "hourminute": (utc, f"EVERY '1:10' HOUR_MINUTE STARTS '{before(minutes=700)}'"),
        "day": (utc, f"EVERY 3 DAY STARTS '{before(days=300)}'"),
        "dayhour": (utc, f"EVERY '2 3' DAY_HOUR STARTS '{before(hours=510)}'"),
        "week": (utc, f"EVERY 2 WEEK STARTS '{before(days=140)}'"),
        "month": (utc, f"EVERY 1 MONTH STARTS '{before(months=25)}'"),
        "quarter": (utc, f"EVERY 1 QUARTER STARTS '{before(months=9)}'"),
        "yearmonth": (utc, f"EVERY '1-2' YEAR_MONTH STARTS '{before(months=28)}'"),
        "year": (utc, f"EVERY 1 YEAR STARTS '{before(months=24)}'"),
        "notyet": (utc, f"EVERY 2 MONTH STARTS '{before(months=25)}'"),
        "east": ("+05:30", f"EVERY 1 DAY STARTS '{in_zone(before(days=4), 5.5)}'"),
        "winter": ("Test/Zone", f"EVERY 1 DAY STARTS '{in_zone(before(days=60), 1)}'"),
        "summer": ("Test/Zone", f"EVERY 1 DAY STARTS '{in_zone(before(days=60), 2)}'"),
        "zonemonth": ("Test/Zone", f"EVERY 1 MONTH STARTS '{in_zone(before(months=3), 1)}'"),
        "ends": (utc, f"EVERY 2 SECOND STARTS '{base}' ENDS '{late}'"),
        "endskept": (utc, f"EVERY 2 SECOND STARTS '{base}' ENDS '{late}' ON COMPLETION PRESERVE"),
        "at": (utc, f"AT '{base}'"),
        "atkept": (utc, f"AT '{late}' ON COMPLETION PRESERVE"),
    }
    cluster.plain.query(RUNS, database="test")
    with cluster.connect() as through, cluster.connect_plain() as plain:
        for client in (through, plain):
            for name, (time_zone, schedule) in schedules.items():
                client.query(f"SET time_zone = '{time_zone}'")
                client.query(f"CREATE EVENT {name} ON SCHEDULE {schedule} DO INSERT INTO runs"
                             f" (at, note) VALUES (CONVERT_TZ(NOW(), @@time_zone, '+00:00'),"
                             f" '{name}')")
    switch(cluster, "ON")
    cluster.plain.query("SET GLOBAL event_scheduler = ON")
    end = base + datetime.timedelta(seconds=6)
    time.sleep(max(0.0, (end - datetime.datetime.utcnow()).total_seconds()))
    switch(cluster, "OFF")
    cluster.plain.query("SET GLOBAL event_scheduler = OFF")
    wait_until(lambda: not scheduler(cluster)["under_way"]
               and scheduler(cluster)["scheduler"] == "OFF", 40, cluster.evidence)

    def moments(rows):
        seen = {}
        for _who, _place, moment, name in rows:
            seen.setdefault(name, []).append((moment - base).total_seconds())
        return seen

    ours = moments(runs(cluster))
    theirs = moments(cluster.plain.query("SELECT who, place, at, note FROM test.runs ORDER BY id"))
    due = {name: [moment for moment in at if 0 <= moment <= 3] for name, at in theirs.items()}
    # At the end of a month `base` is no repetition of the five that count months.
    assert len(due) >= (19 if base.day <= 28 else 14), theirs
    assert len(due["second"]) == 2 and "summer" not in due, theirs
    for name, at in due.items():
        mine = [moment for moment in ours.get(name, []) if moment >= 0][:len(at)]
        assert len(mine) == len(at), (name, at, ours)
        assert all(0 <= one - other <= 2 for one, other in zip(mine, at)), (name, at, mine)
    assert set(ours) == set(theirs), (ours, theirs)
    kept = "SELECT name, status, last_executed IS NULL FROM mysql.event WHERE db = 'test'" \
        " ORDER BY name"
    cluster.settle()
    for server in cluster.servers:
        assert server.query(kept) == cluster.plain.query(kept), server.query(kept)
    for (name, *_) in cluster.plain.query(kept):
        cluster.plain.query(f"DROP EVENT test.{name}")
    cluster.plain.query("DROP TABLE test.runs")
    clean_up(cluster)


@case(seconds=120)
def amid_an_event(_context, cluster):
    """Its home is killed while it runs: it runs again elsewhere, from its beginning. Consort is
    killed while it runs: it is not run again, and the log says so. What waits its turn does run."""
    slow = "BEGIN INSERT INTO runs (note) VALUES ('slow'); DO SLEEP(2); END"

    def program(server):
        return server.running and server.query("SELECT 1 FROM mysql.proc WHERE name LIKE 'consort %'")

    switch(cluster, "ON")
    cluster.sql(f"CREATE EVENT slow ON SCHEDULE AT CURRENT_TIMESTAMP DO {slow}")
    wait_until(lambda: any(program(server) for server in cluster.servers), 40, cluster.evidence)
    home = next(server for server in cluster.servers if program(server))
    assert all(server.query("SELECT last_executed IS NOT NULL FROM mysql.event") == ((1,),)
               for server in cluster.servers)  # marked before it began
    time.sleep(0.5)
    home.kill()
    others = [server for server in cluster.servers if server is not home]
    wait_until(lambda: all(server.query("SELECT COUNT(*) FROM test.runs") == ((1,),)
                           and not server.query("SELECT 1 FROM mysql.event")
                           for server in others), 30, cluster.evidence)
    home.start()
    wait_until(lambda: set(cluster.consort.backend_states().values()) == {"online"}, 30,
               cluster.evidence)
    assert len(runs(cluster, "slow")) == 1
    wait_until(lambda: not program(home), 10, "what is left of the run is gone")

    cluster.sql(f"CREATE EVENT cut ON SCHEDULE AT CURRENT_TIMESTAMP ON COMPLETION PRESERVE DO {slow}",
                "CREATE EVENT waits ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 3 SECOND DO"
                " INSERT INTO runs (note) VALUES ('waits')")
    wait_until(lambda: any(program(server) for server in cluster.servers), 40, cluster.evidence)
    time.sleep(0.3)
    cluster.consort.kill()
    time.sleep(3)
    cluster.consort.start()
    wait_until(lambda: len(runs(cluster, "waits")) == 1, 40, cluster.evidence)
    wait_until(lambda: not any(program(server) for server in cluster.servers), 10, cluster.evidence)
    assert len(runs(cluster, "slow")) == 1  # the branch was never prepared: rolled back
    assert "was under way when Consort ended" in cluster.consort.log_text()
    assert same_state(cluster)["cut"][0] == "DISABLED"
    assert scheduler(cluster)["lost"] >= 1
    clean_up(cluster)


@case(seconds=90)
def it_goes_on(_context, cluster):
    """Beside clients that change the same rows; and behind a restart of Consort, which waits for what
    is under way."""
    hot = cluster.table("id INT PRIMARY KEY, n INT")
    cluster.sql(f"INSERT INTO {hot} VALUES (1, 0)",
                f"CREATE EVENT counts ON SCHEDULE EVERY 1 SECOND DO UPDATE {hot} SET n = n + 1",
                "CREATE EVENT slow ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 SECOND DO BEGIN"
                " INSERT INTO runs (note) VALUES ('slow'); DO SLEEP(2); END")
    create(cluster, "every ON SCHEDULE EVERY 1 SECOND", noting="'every'")
    switch(cluster, "ON")
    with cluster.connect() as client:
        for _ in range(20):
            while code_of(lambda: client.query(f"UPDATE {hot} SET n = n + 1000 WHERE id = 1")):
                pass  # 1213: an event was first
            time.sleep(0.05)
    wait_until(lambda: any(server.query("SELECT 1 FROM mysql.proc WHERE name LIKE 'consort e%'")
                           for server in cluster.servers), 10, cluster.evidence)
    cluster.consort.config["shutdown_grace_ms"] = 15000
    cluster.consort.write_config()
    assert cluster.consort.admin("/config/reload", "POST")[0] == 200
    cluster.consort.stop()
    cluster.consort.start()
    count = len(runs(cluster, "every"))
    wait_until(lambda: len(runs(cluster, "every")) >= count + 1, 40, cluster.evidence)
    assert len(runs(cluster, "slow")) == 1
    with cluster.connect() as client:
        assert client.value("SELECT @@event_scheduler") == "ON"
    switch(cluster, "OFF")
    assert_no_twins(runs(cluster, "every"))
    assert int(cluster.sql(f"SELECT n DIV 1000 FROM {hot}")[0][0]) == 20
    clean_up(cluster)


@case(seconds=90)
def whose_body_commits_by_itself(_context, cluster):
    """Transactions, DDL, and what it calls: everywhere, in one order, as its definer; what it leaves
    open is rolled back, what it had committed before an error stays. Writers go on beside it."""
    hot = cluster.table("id INT PRIMARY KEY, n INT")
    cluster.sql(f"INSERT INTO {hot} VALUES (1, 0)",
                "CREATE PROCEDURE steps(what VARCHAR(20)) BEGIN START TRANSACTION;"
                " INSERT INTO runs (who, place, note) VALUES (CURRENT_USER(), DATABASE(), what);"
                " COMMIT; END",
                "CREATE EVENT daily ON SCHEDULE AT CURRENT_TIMESTAMP DO"
                " CREATE TABLE daily (id INT PRIMARY KEY AUTO_INCREMENT, at DATETIME DEFAULT NOW())",
                "CREATE EVENT all_of_it ON SCHEDULE AT CURRENT_TIMESTAMP DO BEGIN"
                " CREATE TABLE made (a INT PRIMARY KEY) AS SELECT 5 AS a;"
                " CREATE VIEW seen AS SELECT a FROM made; START TRANSACTION;"
                " INSERT INTO runs (note) SELECT CONCAT('made ', a) FROM seen; COMMIT;"
                " CALL steps('called'); ALTER TABLE made ADD KEY (a); START TRANSACTION;"
                " INSERT INTO runs (note) VALUES ('left open'); END",
                "CREATE EVENT fails ON SCHEDULE AT CURRENT_TIMESTAMP DO BEGIN"
                " CALL steps('before'); SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no more'; END",
                "CREATE EVENT text ON SCHEDULE AT CURRENT_TIMESTAMP DO"
                " EXECUTE IMMEDIATE 'CREATE TABLE by_text (a INT)'",
                "CREATE EVENT every ON SCHEDULE EVERY 1 SECOND DO BEGIN START TRANSACTION;"
                f" UPDATE {hot} SET n = n + 1; COMMIT; CALL steps('every'); END")
    switch(cluster, "ON")
    with cluster.connect() as client:
        for _ in range(20):
            while code_of(lambda: client.query(f"UPDATE {hot} SET n = n + 1000 WHERE id = 1")):
                pass  # 1213: an event was first
            time.sleep(0.1)
    wait_until(lambda: set(same_state(cluster)) == {"every"} and len(runs(cluster, "every")) >= 3,
               40, cluster.evidence)
    switch(cluster, "OFF")
    wait_until(lambda: not scheduler(cluster)["under_way"], 20, cluster.evidence)
    notes = sorted(row[3] for row in runs(cluster) if row[3] != "every")
    assert notes == ["before", "called", "made 5"], notes
    assert runs(cluster, "called")[0][:2] == ("app@%", "test")
    assert "[app@%].[test.fails] no more" in cluster.consort.log_text()
    cluster.assert_identical()
    for server in cluster.servers:
        assert server.query("SELECT a FROM test.seen") == ((5,),)
        assert server.query("SELECT COUNT(*) FROM test.daily") == ((0,),)
        assert server.query("SELECT definer FROM information_schema.VIEWS"
                            " WHERE table_name = 'seen'") == (("app@%",),)
    n = int(cluster.sql(f"SELECT n FROM {hot}")[0][0])
    assert n // 1000 == 20 and n % 1000 == len(runs(cluster, "every")), n
    cluster.sql("DROP VIEW seen", "DROP TABLE made, daily, by_text", "DROP PROCEDURE steps")
    clean_up(cluster)


@case(seconds=120)
def amid_an_event_that_commits(_context, cluster):
    """Whoever is killed, what it had committed is everywhere, once, and it is not made again. KILL
    of a client ends it."""
    slow = ("BEGIN DECLARE i INT DEFAULT 0; WHILE i < 60 DO START TRANSACTION;"
            " INSERT INTO runs (note) VALUES (CONCAT('step ', i)); COMMIT; DO SLEEP(0.05);"
            " SET i = i + 1; END WHILE; END")

    def home():
        return next((server for server in cluster.servers
                     if server.query("SELECT COUNT(*) FROM test.runs")[0][0] > 4), None)

    switch(cluster, "ON")
    for turn, way in enumerate(("home", "Consort", "KILL")):
        cluster.sql("TRUNCATE TABLE runs",
                    f"CREATE EVENT e{turn} ON SCHEDULE AT CURRENT_TIMESTAMP ON COMPLETION PRESERVE"
                    f" DO {slow}")
        wait_until(lambda: home() is not None, 40, cluster.evidence)
        if way == "KILL":
            with cluster.connect() as client:
                listed = [row for row in client.query("SHOW PROCESSLIST").rows
                          if row[4] == b"Connect" and row[7] and b"DECLARE i" in row[7]]
                client.query(f"KILL {int(listed[0][0])}")
        else:
            victim = cluster.consort if way == "Consort" else home()
            victim.kill()
            victim.start()
        wait_until(lambda: set(cluster.consort.backend_states().values()) == {"online"}, 60,
                   cluster.evidence)
        wait_until(lambda: not scheduler(cluster)["under_way"], 40, cluster.evidence)
        cluster.assert_identical()
        steps = [row[3] for row in runs(cluster)]
        assert 4 < len(steps) < 60 and steps == [f"step {i}" for i in range(len(steps))], (way, steps)
        time.sleep(1.5)
        assert len(runs(cluster)) == len(steps)
        assert same_state(cluster)[f"e{turn}"][0] == "DISABLED"
    log = cluster.consort.log_text()
    assert "what it had committed stays" in log and "Query execution was interrupted" in log
    clean_up(cluster)
