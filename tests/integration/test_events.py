"""Events are stored on every server alike; a plain server beside them says what a client must see.
So are the time and the definer of other DDL."""

import os
import subprocess

from support import wire
from support.case import case
from support.pair import Pair
from support.private_server import APP_PASSWORD, APP_USER
from support.process import wait_until

# All that a server keeps of an event but the server's own number.
STORED = ("SELECT db, name, body, definer, execute_at, interval_value, interval_field, created,"
          " modified, last_executed, starts, ends, status, on_completion, sql_mode, comment,"
          " time_zone, character_set_client, collation_connection, db_collation, body_utf8"
          " FROM mysql.event ORDER BY db, name")
SHOWN = ("SELECT EVENT_SCHEMA, EVENT_NAME, DEFINER, TIME_ZONE, EVENT_DEFINITION, EVENT_TYPE,"
         " EXECUTE_AT, INTERVAL_VALUE, INTERVAL_FIELD, SQL_MODE, STARTS, ENDS, STATUS,"
         " ON_COMPLETION, LAST_EXECUTED, EVENT_COMMENT, CHARACTER_SET_CLIENT, COLLATION_CONNECTION,"
         " DATABASE_COLLATION FROM information_schema.EVENTS ORDER BY 1, 2")


def setup(context):
    return Pair(context)


def stored(cluster):
    """What every server keeps, which must be the same."""
    cluster.settle()
    seen = [server.query(STORED) for server in cluster.servers]
    assert seen[0] == seen[1] == seen[2], seen
    return {row[1]: row for row in seen[0]}


@case(seconds=30)
def as_on_one_server(_context, cluster):
    """Statements about events, their warnings and errors, and what is shown of them."""
    cluster.compare([
        "CREATE DATABASE other",
        "CREATE EVENT e ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2030-01-01 00:00:00'"
        " ENDS '2031-01-01' ON COMPLETION PRESERVE COMMENT 'c' DO INSERT INTO nosuch VALUES (1)",
        "SHOW WARNINGS",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        "CREATE EVENT IF NOT EXISTS e ON SCHEDULE EVERY 1 DAY DO SELECT 1", "SHOW WARNINGS",
        "CREATE OR REPLACE EVENT e ON SCHEDULE EVERY 2 MONTH STARTS '2030-01-31 10:00:00' DO"
        " BEGIN DELETE FROM a; DELETE FROM b; END",
        SHOWN, "SHOW CREATE EVENT e",
        "ALTER EVENT e DISABLE ON SLAVE", "ALTER EVENT e COMMENT 'd' DO SELECT 2",
        "ALTER EVENT e RENAME TO f", "ALTER EVENT f RENAME TO other.f", "ALTER EVENT f ENABLE",
        SHOWN, "SHOW CREATE EVENT other.f", "SHOW CREATE EVENT e", "~SHOW EVENTS FROM other",
        "SHOW EVENTS LIKE 'nosuch'",
        "CREATE EVENT past ON SCHEDULE AT '2001-01-01' DO SELECT 1", "SHOW WARNINGS",
        "CREATE EVENT past ON SCHEDULE AT '2001-01-01' ON COMPLETION PRESERVE DO SELECT 1",
        "SHOW WARNINGS", SHOWN,
        "CREATE EVENT bad ON SCHEDULE EVERY 0 DAY DO SELECT 1",
        "CREATE EVENT bad ON SCHEDULE EVERY 1 DAY ENDS '2001-01-01' DO SELECT 1",
        "CREATE EVENT bad ON SCHEDULE AT 'x' DO SELECT 1",
        "CREATE EVENT nosuch.e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        "CREATE EVENT bad ON SCHEDULE EVERY 1 DAY DO CREATE EVENT c ON SCHEDULE EVERY 1 DAY DO DO 1",
        "DROP EVENT IF EXISTS nosuch", "SHOW WARNINGS", "DROP EVENT nosuch", "DROP EVENT past",
        "SHOW VARIABLES LIKE 'event_scheduler'", "SELECT @@event_scheduler, @@global.event_scheduler",
        "SET GLOBAL event_scheduler = OFF", "SET event_scheduler = OFF",
        "SET GLOBAL event_scheduler = DISABLED", "SET GLOBAL event_scheduler = 2",
        "SET GLOBAL event_scheduler = 'x'", "SET GLOBAL event_scheduler = NULL",
        "SET GLOBAL event_scheduler = ''", "SET GLOBAL event_scheduler = -1",
        "SET GLOBAL event_scheduler = 'off'", "SET GLOBAL event_scheduler = DEFAULT",
        "SELECT @@session.event_scheduler",
        ("prepare", "p", "CREATE EVENT p ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' DO SELECT 1"),
        ("execute", "p"), ("execute", "p"), ("close", "p"),
        "PREPARE s FROM 'DROP EVENT p'", "EXECUTE s", "EXECUTE s", "DEALLOCATE PREPARE s", SHOWN,
        "DROP DATABASE other", SHOWN,
    ])
    assert not stored(cluster)


@case(seconds=30)
def the_same_everywhere(_context, cluster):
    """What an event has from its session and from the moment: times, definer, modes, character
    sets, time zone. Also where the client has stopped its clock, and lets it run again."""
    with cluster.connect(collation=8) as client:  # latin1
        client.query("SET sql_mode = 'ANSI_QUOTES', time_zone = '+05:30',"
                     " collation_connection = latin1_bin")
        client.query("CREATE EVENT odd ON SCHEDULE EVERY 1 DAY DO SELECT \"gr\xfcn\"".encode("latin1"))
        client.query("SET timestamp = 1900000000.5")
        client.query("CREATE EVENT later ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 HOUR DO DO 1")
        client.query("SET timestamp = DEFAULT")
        client.query("CREATE EVENT soon ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 HOUR DO DO 1")
        assert client.value("SELECT ABS(UNIX_TIMESTAMP() - UNIX_TIMESTAMP(SYSDATE())) < 5") == "1"
    cluster.sql("CREATE USER definer@localhost",
                "CREATE DEFINER = definer@localhost EVENT others ON SCHEDULE EVERY 1 DAY DO DO 1",
                "CREATE DEFINER = CURRENT_USER() EVENT own ON SCHEDULE EVERY 1 DAY DO DO 1",
                "CREATE DEFINER = CURRENT_USER PROCEDURE own() DO 1",
                "ALTER DEFINER = CURRENT_USER EVENT others DISABLE")
    events = stored(cluster)
    assert set(events) == {"odd", "later", "soon", "others", "own"}, events
    assert {row[3] for row in events.values()} == {"app@%"}, events
    assert "ANSI_QUOTES" in events["odd"][14] and events["odd"][16] == "+05:30", events["odd"]
    assert events["odd"][17:19] == ("latin1", "latin1_bin"), events["odd"]
    assert str(events["later"][4]) == "2030-03-17 18:46:40", events["later"]
    routines = [server.query("SELECT definer, created, modified FROM mysql.proc WHERE name = 'own'")
                for server in cluster.servers]
    assert routines[0] == routines[1] == routines[2] and routines[0][0][0] == "app@%", routines
    accounts = [server.query("SELECT Priv FROM mysql.global_priv WHERE User = 'definer'")
                for server in cluster.servers]
    assert accounts[0] == accounts[1] == accounts[2], accounts
    cluster.sql(*(f"DROP EVENT {name}" for name in events), "DROP PROCEDURE own",
                "DROP USER definer@localhost")


@case(seconds=30)
def columns_filled_with_the_time(_context, cluster):
    """ALTER TABLE gives the rows that are there the time of the statement: one for all servers."""
    table = cluster.table("id INT PRIMARY KEY")
    cluster.sql(f"INSERT INTO {table} VALUES (1), (2)",
                f"ALTER TABLE {table} ADD a DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),"
                " ADD b TIMESTAMP DEFAULT NOW()")
    cluster.assert_identical()
    with cluster.connect() as client:
        assert client.value(f"SELECT ABS(TIMESTAMPDIFF(SECOND, MAX(a), SYSDATE())) < 20"
                            f" FROM {table}") == "1"
        client.query("SET timestamp = 5")
        client.query(f"ALTER TABLE {table} ADD c DATETIME DEFAULT NOW()")
        assert client.value("SELECT @@timestamp") == "5.000000"
        client.query("SET timestamp = 0")
        client.query(f"ALTER TABLE {table} ADD d DATETIME(6) DEFAULT NOW(6)")
        assert client.value(f"SELECT ABS(TIMESTAMPDIFF(SECOND, MAX(d), SYSDATE())) < 20"
                            f" FROM {table}") == "1"
    cluster.assert_identical()
    cluster.sql(f"DROP TABLE {table}")


@case(seconds=30)
def privileges(_context, cluster):
    """Who may, the server says; nobody becomes more by it."""
    setting_up = ["CREATE USER low@'%' IDENTIFIED BY 'low'", "GRANT SELECT ON test.* TO low@'%'",
                  "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' DO DO 1"]
    cluster.compare(setting_up)
    cluster.settle()
    refused = ["CREATE EVENT mine ON SCHEDULE EVERY 1 DAY DO DO 1", "DROP EVENT e",
               "ALTER EVENT e DISABLE", "SHOW CREATE EVENT e", "SHOW EVENTS", SHOWN,
               "SET GLOBAL event_scheduler = OFF"]

    def play(statements):
        told = []
        for client in (cluster.consort.wire("test", user="low", password="low"),
                       wire.connect(cluster.plain.port, "low", "low", "test")):
            told.append([])
            for sql in statements:
                try:
                    told[-1].append(client.query(sql).rows)
                except wire.ServerError as error:
                    told[-1].append((error.code, error.message))
            client.quit()
        assert told[0] == told[1], told
        return told[0]

    assert play(refused)[0][0] == 1044
    cluster.compare(["GRANT EVENT ON test.* TO low@'%'"])
    cluster.settle()
    play(["CREATE DEFINER = app@'%' EVENT mine ON SCHEDULE EVERY 1 DAY DO DO 1",
          "ALTER EVENT e DISABLE COMMENT 'x'", "SHOW CREATE EVENT e"])
    assert stored(cluster)["e"][3] == "low@%"  # whoever alters one becomes its definer
    cluster.compare(["DROP USER low@'%'", "DROP EVENT e"])


@case(seconds=30)
def schedulers_of_servers(_context, cluster):
    """Servers whose own scheduler is on are not taken: each would run what Consort runs."""
    away = cluster.servers[2]
    away.kill()
    with cluster.connect() as client:
        client.query("CREATE EVENT missed ON SCHEDULE EVERY 1 DAY DO DO 1")
    cluster.consort.kill()
    away.settings["event_scheduler"] = "ON"
    away.start()
    cluster.consort.start(backends=2)
    wait_until(lambda: cluster.consort.backend_states()["s3"] not in ("online", "unknown")
               and "event_scheduler is ON" in cluster.consort.log_text(), 30, "s3 is refused")
    away.query("SET GLOBAL event_scheduler = OFF")
    wait_until(lambda: set(cluster.consort.backend_states().values()) == {"online"}, 30,
               "s3 is back")
    assert set(stored(cluster)) == {"missed"}
    del away.settings["event_scheduler"]
    cluster.sql("DROP EVENT missed")


@case(seconds=30)
def dumped_and_loaded(_context, cluster):
    """mariadb-dump --events through Consort, and back."""
    account = ["--no-defaults", "-h127.0.0.1", f"-P{cluster.consort.port}", f"-u{APP_USER}"]
    environment = {**os.environ, "MYSQL_PWD": APP_PASSWORD}

    def dump():
        return subprocess.run(["mariadb-dump", *account, "--events", "--skip-dump-date", "dumped"],
                              env=environment, check=True, capture_output=True).stdout

    cluster.sql("CREATE DATABASE dumped", "SET time_zone = '+02:00', sql_mode = 'ANSI'",
                "CREATE EVENT dumped.a ON SCHEDULE EVERY 1 WEEK STARTS '2030-01-01' DISABLE DO"
                " BEGIN INSERT INTO \"t\" VALUES (1); DELETE FROM t; END",
                "CREATE DEFINER = nobody@nowhere EVENT dumped.b ON SCHEDULE AT '2030-01-01' DO DO 1")
    before, text = stored(cluster), dump()
    assert text.count(b" EVENT ") >= 2, text
    cluster.sql("DROP DATABASE dumped", "CREATE DATABASE dumped")
    assert not stored(cluster)
    subprocess.run(["mariadb", *account, "dumped"], input=text, env=environment, check=True)
    after = stored(cluster)
    own_times = (7, 8)  # created, modified
    for name, row in before.items():
        assert [value for at, value in enumerate(row) if at not in own_times] \
            == [value for at, value in enumerate(after[name]) if at not in own_times], (row, after)
    assert dump() == text
    cluster.sql("DROP DATABASE dumped")


@case(seconds=30)
def scheduled_by_a_variable(_context, cluster):
    """A schedule is computed where the statement runs, and a @variable is one session's: refused. Its
    value, and a variable in the body, are taken."""
    with cluster.connect() as client:
        client.query("SET @at = '2035-01-02 03:04:05', @n = 3")
        for sql in ("CREATE EVENT by_variable ON SCHEDULE AT @at DO SELECT 1",
                    "CREATE EVENT by_variable ON SCHEDULE EVERY @n HOUR DO SELECT 1"):
            assert client.error_of(sql)[0] == 1235, sql
        client.query("EXECUTE IMMEDIATE CONCAT('CREATE EVENT by_variable ON SCHEDULE AT ', QUOTE(@at),"
                     " ' DO SET @n = 1')")
        assert client.error_of("ALTER EVENT by_variable ON SCHEDULE EVERY @n DAY")[0] == 1235
        cluster.settle()
        for server in cluster.servers:
            rows = server.query("SELECT EXECUTE_AT FROM information_schema.EVENTS"
                                " WHERE EVENT_NAME='by_variable'")
            assert [str(row[0]) for row in rows] == ["2035-01-02 03:04:05"], rows
        client.query("DROP EVENT by_variable")
    cluster.assert_identical()
