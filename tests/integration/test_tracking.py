"""What a server tells unasked: session tracking as the client sets it, reports of progress. The same
packets as from a plain server, but for their order within an OK packet."""

import os
import subprocess

from support import wire
from support.case import case
from support.private_server import APP_PASSWORD, APP_USER
from support.twins import Twins, any_order

TRACKING = [("eof", wire.SESSION_TRACK), ("no_eof", wire.SESSION_TRACK | wire.DEPRECATE_EOF)]
RESET_CONNECTION = b"\x1f"


def setup(context):
    return Twins(context)


def play(twins, flags, steps):
    with twins.pair(flags) as both:
        for step in steps:
            both.ask(step if isinstance(step, bytes) else b"\x03" + step.encode(), any_order)


@case(seconds=30, each=TRACKING)
def variables_of_the_clients_choice(_context, twins, flags):
    """session_track_system_variables and session_track_schema: names, expressions, errors."""
    play(twins, flags, [
        "SELECT @@session_track_system_variables, @@session.session_track_schema s",
        "SET session_track_system_variables='sql_mode, TIME_ZONE'",
        "SELECT @@session_track_system_variables",
        "SET sql_mode='ANSI', time_zone='+02:00', autocommit=1",
        "SET session_track_system_variables=CONCAT(@@session_track_system_variables, ',autocommit')",
        "SELECT @@session_track_system_variables, @@session.session_track_schema s",
        "SET autocommit=0", "SET sql_mode=''", "SET autocommit=1",
        "SET session_track_system_variables='*'",
        "SET max_join_size=77", "SET NAMES latin1 COLLATE latin1_bin", "SET @a=1", "USE test",
        "SET @@session.session_track_system_variables="
        "'session_track_system_variables,session_track_schema'",
        "SET session_track_schema=0", "USE mysql", b"\x02test", "SELECT @@session_track_schema",
        "SET session_track_schema=1-1", "USE mysql", "SET session_track_schema=DEFAULT", "USE test",
        "SET session_track_system_variables=''", "SET autocommit=1",
        "SELECT @@session_track_system_variables='' AS none",
        "SET session_track_system_variables=NULL", "SET session_track_system_variables='nosuch'",
        "SET session_track_system_variables=7", "SET session_track_schema=2", "SET autocommit=1",
        "SET autocommit=0, session_track_system_variables='autocommit,sql_mode', sql_mode='ANSI'",
        "SET autocommit=1, session_track_system_variables='autocommit'",
        "SET session_track_system_variables=DEFAULT", "SET autocommit=1, sql_mode=DEFAULT",
        # as MariaDB's Java client begins
        "set autocommit=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES'),"
        " session_track_schema=1, session_track_system_variables = IF(@@session_track_system_variables"
        " = '*', '*', CONCAT(@@session_track_system_variables,',tx_isolation'))",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        RESET_CONNECTION, "SELECT @@session_track_system_variables", "SET autocommit=1",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    ])


@case(seconds=60, each=TRACKING)
def the_global_values(_context, twins, flags):
    """SET GLOBAL session_track_system_variables and session_track_schema: of sessions that begin, or
    reset themselves, later; who was there before keeps the old ones. Consort's own connections
    tell it of everything all the same."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 1)")
    look = ["SELECT @@session_track_system_variables, @@session_track_schema",
            "SELECT @@global.session_track_system_variables, @@global.session_track_schema",
            "SET sql_mode='ANSI', time_zone='+02:00'", "USE mysql", "USE test", "SET autocommit=0",
            f"UPDATE {table} SET v=v+1", "COMMIT", "SET autocommit=1, time_zone=DEFAULT, sql_mode=DEFAULT"]
    with twins.pair(flags) as before, twins.pair(flags) as admin:
        for value in ("'*'", "''", "'sql_mode'", "NULL", "7", "'nosuch'", "'time_zone,nosuch'",
                      "CONCAT(@@session_track_system_variables,',sql_mode')", "sql_mode",
                      "@@session.session_track_system_variables", "DEFAULT"):
            admin.ask(b"\x03" + f"SET GLOBAL session_track_system_variables={value}".encode(),
                      any_order)
            if value in ("'*'", "''"):  # '*' tells more than can be alike
                continue
            play(twins, flags, look)
        admin.query("SET @@global.session_track_system_variables='sql_mode', sort_buffer_size=65536")
        admin.query("SET GLOBAL session_track_schema=OFF")
        for value in ("2", "NULL", "'x'"):
            admin.query(f"SET GLOBAL session_track_schema={value}")
        play(twins, flags, look)
        for steps in (look, [RESET_CONNECTION], look,
                      ["SET session_track_system_variables=DEFAULT, session_track_schema=1"], look):
            for step in steps:
                before.ask(step if isinstance(step, bytes) else b"\x03" + step.encode(), any_order)
        for name in ("session_track_system_variables", "session_track_schema"):
            admin.query(f"SET GLOBAL {name}=DEFAULT")
    twins.same_rows(table)


@case(seconds=30, each=TRACKING)
def changes_of_the_session(_context, twins, flags):
    """session_track_state_change."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 1)")
    play(twins, flags, [
        "SELECT @@session_track_state_change", "SET @a=1", "SET session_track_state_change=1",
        "SELECT 1", "SET @a=1", "USE test", b"\x02test", "BEGIN", f"UPDATE {table} SET v=2",
        "COMMIT", f"UPDATE {table} SET v=3", f"SELECT * FROM {table}", "SET autocommit=1",
        "CREATE TEMPORARY TABLE tmp (a INT)", "INSERT INTO tmp VALUES (1)", "SELECT * FROM tmp",
        "DROP TEMPORARY TABLE tmp", "PREPARE s FROM 'SELECT 1'", "EXECUTE s", "DEALLOCATE PREPARE s",
        "SELECT @b:=1", "SET NAMES latin1", "SET SESSION TRANSACTION READ ONLY",
        "SET SESSION TRANSACTION READ WRITE", "DO 1", "SELECT LAST_INSERT_ID(4)",
        "SET session_track_state_change=DEFAULT", "SET @a=2", "SELECT @@session_track_state_change",
        "SET session_track_state_change=1", RESET_CONNECTION, "SET @a=3",
    ])
    twins.same_rows(table)


def transaction_steps(table, level):
    return [
        f"SET session_track_transaction_info='{level}'", "SELECT @@session_track_transaction_info",
        f"SELECT * FROM {table}", f"UPDATE {table} SET v=v+1", "SELECT 1",
        "BEGIN", "SELECT 1", "DO 1", f"SELECT * FROM {table}", "DO 1", f"UPDATE {table} SET v=v+1",
        "SAVEPOINT a", f"INSERT INTO {table} VALUES (2, 2)", "ROLLBACK TO a", "RELEASE SAVEPOINT a",
        "SHOW WARNINGS", "SET @a=1", "DO 1", "COMMIT", "SELECT 1",
        "START TRANSACTION READ ONLY", f"SELECT * FROM {table}", "DO 1", "COMMIT",
        "START TRANSACTION READ WRITE", f"DELETE FROM {table} WHERE id=9", "ROLLBACK",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT", "DO 1", f"SELECT * FROM {table}", "COMMIT",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", "DO 1", "ROLLBACK",
        "BEGIN", f"UPDATE {table} SET v=v+1", "COMMIT AND CHAIN", f"SELECT * FROM {table}",
        "ROLLBACK AND CHAIN", "ROLLBACK",
        "BEGIN", f"INSERT INTO {table} VALUES (3, 3)", "BEGIN", "DO 1",
        f"INSERT INTO {table} VALUES (1, 1)", "DO 1", "SELECT nothing", "DO 1", "COMMIT",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "DO 1", "BEGIN", f"SELECT * FROM {table}",
        "DO 1", "COMMIT",
        "SET TRANSACTION READ ONLY", "DO 1", f"SELECT * FROM {table}", "DO 1",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE", f"UPDATE {table} SET v=v+1", "DO 1",
        "SET @@tx_isolation='READ-UNCOMMITTED'", "BEGIN", "COMMIT AND CHAIN", "COMMIT",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "DO 1",
        "SET autocommit=0", "SELECT 1", "DO 1", f"SELECT * FROM {table}", "DO 1", "COMMIT",
        "DO 1", f"UPDATE {table} SET v=v+1", f"SELECT * FROM {table}", "DO 1", "COMMIT", "DO 1",
        f"UPDATE {table} SET v=v+1",
        "SET autocommit=1", "DO 1",
        "BEGIN", f"UPDATE {table} SET v=v+1", f"CREATE TABLE {table}_{level} (a INT)", "DO 1",
        "BEGIN", b"\x0e", f"UPDATE {table} SET v=v+1", b"\x02test", "DO 1",
        "SET session_track_transaction_info=OFF", "DO 1", "COMMIT", "BEGIN",
        f"SELECT * FROM {table}", f"SET session_track_transaction_info='{level}'",
        f"UPDATE {table} SET v=v+1", "DO 1", "COMMIT", "DO 1",
        RESET_CONNECTION, "BEGIN", "COMMIT",
    ]


@case(seconds=60, each=[(f"{level.lower()}_{name}", level, flags) for level in ("STATE", "CHARACTERISTICS")
                        for name, flags in TRACKING])
def the_transaction(_context, twins, level, flags):
    """session_track_transaction_info: of the client's transaction, never of the branch it runs in."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 1)")
    play(twins, flags, transaction_steps(table, level))
    with twins.connect() as client:
        client.query(f"DROP TABLE {table}_{level}")
    with twins.connect_plain() as client:
        client.query(f"DROP TABLE {table}_{level}")
    twins.same_rows(table)


@case(seconds=60, each=[(name, assignment) for name, assignment in (
    ("list", "session_track_system_variables=''"),
    ("some", "session_track_system_variables='autocommit'"),
    ("schema", "session_track_schema=0"),
    ("state", "session_track_state_change=1"),
    ("all", "session_track_system_variables='', session_track_schema=0, session_track_state_change=1,"
            " session_track_transaction_info='STATE'"))])
def programs_cannot_hide_writes(_context, twins, assignment):
    """Stored programs that set what Consort's own connection tells: whatever is written in their
    statement and behind it is committed everywhere, and undone everywhere."""
    table = twins.fresh("id INT PRIMARY KEY, v INT")
    plain = twins.fresh("id INT PRIMARY KEY, v INT", "(0, 0)")
    setting = f"SET SESSION {assignment}"
    steps = [
        f"INSERT INTO {table} VALUES (%d, 0)",                         # by its trigger
        f"CALL blinds_{table}(%d)",
        f"INSERT INTO {plain} VALUES (%d, blinding_{table}())",
        f"UPDATE {plain} SET v=v+%d+blinding_{table}() WHERE id=0",
        f"SELECT blinding_{table}()+%d",
        f"INSERT INTO {plain} VALUES (-%d, 0)",                        # behind them
    ]
    with twins.connect() as client, twins.connect() as fresh:
        client.query(f"CREATE TRIGGER {table}_blinds BEFORE INSERT ON {table} FOR EACH ROW {setting}")
        client.query(f"CREATE PROCEDURE blinds_{table}(n INT) BEGIN"
                     f" INSERT INTO {plain} VALUES (n, n); {setting}; END")
        client.query(f"CREATE FUNCTION blinding_{table}() RETURNS INT NO SQL BEGIN {setting};"
                     " RETURN 1; END")
        number, total, rows, blind_rows = 0, 0, {0}, set()
        for form in ("alone", "committed", "rolled back"):
            for step, sql in enumerate(steps):
                number += 1
                if form != "alone":
                    client.query("BEGIN")
                client.query(sql % number)
                if form != "alone":
                    client.query("COMMIT" if form == "committed" else "ROLLBACK")
                if form != "rolled back":
                    total += number + 1 if step == 3 else 0
                    blind_rows |= {number} if step == 0 else set()
                    rows |= {number} if step in (1, 2) else {-number} if step == 5 else set()
                if step == 4 and form == "alone":
                    client.reset_connection()
        twins.settle()  # a session of its own may read an older state
        assert int(fresh.value(f"SELECT v FROM {plain} WHERE id=0")) == total
        for name, expected in ((plain, rows), (table, blind_rows)):
            found = {int(row[0]) for row in fresh.query(f"SELECT id FROM {name}").rows}
            assert found == expected, (found - expected, expected - found)
        client.query(f"DROP PROCEDURE blinds_{table}")
        client.query(f"DROP FUNCTION blinding_{table}")
    twins.assert_identical()


@case(seconds=30)
def a_client_cannot_hide_its_autocommit(_context, twins):
    """What a SET assigns beside session_track_system_variables is known all the same."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 1)")
    with twins.pair(wire.SESSION_TRACK | wire.DEPRECATE_EOF) as both:
        for sql in ("SET autocommit=0, session_track_system_variables=''",
                    "SET session_track_system_variables='', autocommit=0"):
            for step in (sql, f"UPDATE {table} SET v=v+1", "ROLLBACK", f"SELECT * FROM {table}",
                         f"UPDATE {table} SET v=v+10", "COMMIT", f"SELECT * FROM {table}",
                         "SELECT @@autocommit, @@session_track_system_variables='' AS none",
                         "SET session_track_system_variables='', autocommit=1",
                         f"UPDATE {table} SET v=v+100", "ROLLBACK", f"SELECT * FROM {table}"):
                both.query(step, any_order)
    twins.same_rows(table)


@case(seconds=30)
def without_tracking(_context, twins):
    """Who did not ask for it at login is told nothing, whatever it sets."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 1)")
    play(twins, wire.DEPRECATE_EOF, [
        "SET session_track_system_variables='*', session_track_transaction_info='CHARACTERISTICS'",
        "SET session_track_state_change=1", "SET autocommit=1", "BEGIN", f"UPDATE {table} SET v=2",
        "COMMIT", "USE test", f"SELECT * FROM {table}"])
    twins.same_rows(table)


@case(seconds=30)
def it_travels(_context, twins):
    """What a session wants to be told holds on whatever connection its statement runs."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 1)")
    with twins.pair(wire.SESSION_TRACK | wire.DEPRECATE_EOF) as both:
        both.query("SET session_track_transaction_info='STATE', session_track_state_change=1")
        for _ in range(6):  # reads go to every backend
            both.ask(b"\x03SELECT @@session_track_transaction_info, @@session_track_state_change",
                     any_order)
            both.ask(b"\x03" + f"SELECT * FROM {table}".encode(), any_order)
        statement = both.prepare("SET session_track_schema=0")
        both.execute(statement)
        both.query("USE mysql")


@case(seconds=40)
def reports_of_progress(context, twins):
    """They come amid the reply, for who asked at login; the reply is what it would be without."""
    table = twins.fresh("id INT PRIMARY KEY, v INT")
    path = os.path.join(context.work_dir, "progress.csv")
    with open(path, "w", encoding="ascii") as file:
        file.write("".join(f"{number}\n" for number in range(26)))
    load = f"LOAD DATA INFILE '{path}' INTO TABLE {table} (id) SET v=SLEEP(0.05)"
    seen = []
    for connect in (twins.connect, twins.connect_plain):
        for extended in (wire.PROGRESS, 0):
            with connect(extended=extended) as client:
                client.query("SET progress_report_time=1")
                client.command(wire.COM_QUERY, load.encode())
                packets = []
                while not packets or packets[-1][:3] == b"\xff\xff\xff":
                    packets.append(client.read_packet())
                reports = [packet for packet in packets if packet[:1] == b"\xff"]
                assert bool(reports) == bool(extended), packets
                for report in reports:
                    assert report[3:6] in (b"\1\1\1", b"\1\1\2", b"\1\2\2"), report
                seen.append(packets[-1])
                client.query(f"DELETE FROM {table}")
    assert seen[0] == seen[1] == seen[2] == seen[3], seen
    twins.same_rows(table)


@case(seconds=40)
def the_servers_own_client(context, twins):
    """mariadb --progress-reports: DDL and LOAD DATA end as without."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 1)")
    done = subprocess.run(
        ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{twins.consort.port}", f"-u{APP_USER}",
         f"-p{APP_PASSWORD}", "-N", "--progress-reports", "--local-infile", "test", "-e",
         f"ALTER TABLE {table} ADD w INT, ALGORITHM=COPY; INSERT INTO {table} VALUES (2, 2, 2);"
         f" SELECT COUNT(*) FROM {table}; CHECK TABLE {table}"],
        capture_output=True, timeout=30, check=False, cwd=context.work_dir)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"2\n"), done.stdout
    twins.assert_identical()
