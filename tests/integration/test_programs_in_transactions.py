"""A procedure that begins by ending the transaction, called inside one: as on a plain server, the
same on all servers, whatever crashes between the transaction's end and the program."""

import re
import struct
import threading
import time

from support.case import case
from support.process import wait_until
from support.programs import Programs
from support.racing import blocked, send
from support.wire import ServerError, code_of

# name -> body of a procedure p(n INT, OUT o INT), what is to be defined before
BODIES = {
    "commit": ("COMMIT; INSERT INTO t VALUES (n, 1);",),
    "begin": ("START TRANSACTION; INSERT INTO t VALUES (n, 1); COMMIT; SET o = n;",),
    "rollback": ("ROLLBACK; START TRANSACTION; INSERT INTO t VALUES (n, 1); COMMIT;",),
    "declares": ("DECLARE a INT DEFAULT 5; DECLARE b DATETIME DEFAULT NOW(); SET o = a, @seen = 1; "
                 "COMMIT; INSERT INTO t VALUES (n, a); SET o = @seen;",),
    "truncate": ("TRUNCATE TABLE t; START TRANSACTION; INSERT INTO t VALUES (n, 1); COMMIT;",),
    "ddl": ("CREATE OR REPLACE TABLE made (id INT PRIMARY KEY); INSERT INTO made VALUES (n); "
            "DROP TABLE made;",),
    "ddl_fails": ("DROP TABLE nowhere; SET o = 1;",),
    "nested": ("CALL q(n, 'a'); INSERT INTO t VALUES (n + 1, 1); COMMIT;",
               "CREATE OR REPLACE PROCEDURE q(m INT, s VARCHAR(9)) BEGIN START TRANSACTION; "
               "INSERT INTO t VALUES (m, LENGTH(s)); COMMIT; END"),
    "fails_later": ("START TRANSACTION; INSERT INTO t VALUES (n, 1); COMMIT; "
                    "SIGNAL SQLSTATE '45000';",),
    "results": ("COMMIT; SELECT id, v FROM t ORDER BY id;",),
    "handles": ("DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; SET o = -1; END; "
                "START TRANSACTION; INSERT INTO t VALUES (n, 1), (n + 1, 1); COMMIT; SET o = n;",),
    "handles_failure": ("DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; "
                        "INSERT INTO t VALUES (n, 7); END; "
                        "START TRANSACTION; INSERT INTO t VALUES (n, 1), (n, 1); COMMIT;",),
    "handles_below": ("CALL q(5); INSERT INTO t VALUES (n, 1);", "CREATE OR REPLACE PROCEDURE q(m INT) BEGIN "
                      "DECLARE CONTINUE HANDLER FOR 1062 SET @seen = m; ROLLBACK; "
                      "INSERT IGNORE INTO t VALUES (m, 1); INSERT INTO t VALUES (m, 1); END"),
    "handler_behind": ("COMMIT; BEGIN DECLARE EXIT HANDLER FOR 1062 SET o = -1; "
                       "INSERT INTO t VALUES (n, 1), (n, 2); END;",),
}
BODIES = [(name, body, list(before)) for name, (body, *before) in BODIES.items()]


def setup(context):
    return Programs(context)


@case(seconds=40, each=BODIES)
def as_on_a_plain_server(_context, programs, body, before):
    """Whether the transaction has changed rows, only read, or not begun anything; what is there
    before, amid and behind the program is there on a plain server, too."""
    programs.define(body, before)
    with programs.pair() as both:
        for at, first in enumerate(["INSERT INTO t VALUES ({}, 9)", "SELECT COUNT(*) FROM t",
                                    "DO 1", "CREATE OR REPLACE TEMPORARY TABLE mine (id INT)",
                                    "INSERT INTO mine VALUES (1)"]):
            both.query("BEGIN")
            both.query(first.format(100 + at))
            both.query(f"CALL p({10 * at}, @o)")
            both.query("SHOW WARNINGS")
            both.query("SELECT @@in_transaction, @o")
            both.query(f"INSERT INTO t VALUES ({200 + at}, 9)")
            both.query("ROLLBACK")
        both.query("SELECT * FROM t ORDER BY id")
    programs.same_rows("t")
    assert programs.consort.metric("consort_programs_lost_total") == 0


WITHOUT = {
    "ends": "TRUNCATE TABLE t; INSERT INTO t VALUES (n, 1); ROLLBACK;",
    "begins": "START TRANSACTION; INSERT INTO t VALUES (n, 1); COMMIT;",
    "handles": "DECLARE EXIT HANDLER FOR SQLEXCEPTION ROLLBACK; START TRANSACTION; "
               "INSERT INTO t VALUES (n, 1); COMMIT;",
    "reads": "COMMIT; SELECT id, v FROM t ORDER BY id;",
    "switches": "COMMIT; SET autocommit = 1; INSERT INTO t VALUES (n, 1); SET o = 1;",
}


@case(seconds=40, each=[(name, body) for name, body in WITHOUT.items()])
def without_autocommit(_context, programs, body):
    """The same with autocommit=0, where what a program has read in may stay open behind it."""
    programs.define(body)
    with programs.pair() as both:
        both.query("SET autocommit = 0")
        for n in (1, 2, 3):
            if not ("HANDLER" in body and n == 2):
                both.query(f"CALL p({n}, @o)")
                both.query("SELECT @@in_transaction, @@autocommit, @o")
                both.query("COMMIT")
            if "HANDLER" not in body:
                both.query(f"INSERT INTO t VALUES ({10 + n}, 1)")
                both.query(f"CALL p({20 + n}, @o)")
            both.query(f"INSERT INTO t VALUES ({30 + n}, 1)")
            both.query("ROLLBACK")
            both.query("SELECT * FROM t ORDER BY id")
            both.query("COMMIT")
    programs.same_rows("t")


FORMS = [("prepare", ["PREPARE s FROM 'CALL p(?, @o)'", "SET @n = 1", "BEGIN",
                      "INSERT INTO t VALUES (9, 9)", "EXECUTE s USING @n", "ROLLBACK"]),
         ("immediate", ["BEGIN", "INSERT INTO t VALUES (9, 9)",
                        "EXECUTE IMMEDIATE 'CALL p(1, @o)'", "ROLLBACK"]),
         ("block", ["BEGIN", "INSERT INTO t VALUES (9, 9)",
                    "BEGIN NOT ATOMIC COMMIT; INSERT INTO t VALUES (1, 1); END", "ROLLBACK"]),
         ("savepoint", ["BEGIN", "INSERT INTO t VALUES (9, 9)", "SAVEPOINT a",
                        "INSERT INTO t VALUES (8, 9)", "ROLLBACK TO a", "CALL p(1, @o)",
                        "ROLLBACK TO a", "ROLLBACK"]),
         ("variables", ["SET @n = 4", "BEGIN", "INSERT INTO t VALUES (9, 9)", "CALL p(@n, @o)",
                        "SELECT @o, @n"]),
         ("chain", ["BEGIN", "INSERT INTO t VALUES (9, 9)", "COMMIT AND CHAIN", "CALL p(1, @o)",
                    "SELECT @@in_transaction"]),
         ("twice", ["BEGIN", "CALL p(1, @o)", "BEGIN", "INSERT INTO t VALUES (9, 9)",
                    "CALL p(2, @o)", "CALL p(2, @o)", "ROLLBACK"])]


@case(seconds=20, each=FORMS)
def in_all_forms(_context, programs, statements):
    programs.define("START TRANSACTION; INSERT INTO t VALUES (n, 1); COMMIT; SET o = n;")
    with programs.pair() as both:
        for statement in statements:
            both.query(statement)
    programs.same_rows("t")


@case(seconds=20)
def prepared(_context, programs):
    """COM_STMT_EXECUTE with parameters."""
    programs.define("COMMIT; INSERT INTO t VALUES (n, 1); SELECT id FROM t ORDER BY id; SET o = n;")
    with programs.pair() as both:
        ids = both.prepare("CALL p(?, ?)")
        for n in (1, 2, 2):
            both.query("BEGIN")
            both.query(f"INSERT INTO t VALUES ({10 * n}, 1)")
            both.execute(ids, rest=struct.pack("<BBHHii", 0, 1, 3, 3, n, 0))
            both.query("ROLLBACK")
    programs.same_rows("t")


@case(seconds=20, each=[("plain", ""), ("handles", "DECLARE EXIT HANDLER FOR SQLEXCEPTION "
                                                   "INSERT INTO t VALUES (77, 77);")])
def what_a_server_refuses_ends_nothing(_context, programs, handler):
    """A CALL that does not come as far as its first statement leaves the transaction open."""
    programs.define(f"{handler} COMMIT; INSERT INTO t VALUES (n, 1);")
    with programs.pair() as both:
        both.query("BEGIN")
        both.query("INSERT INTO t VALUES (1, 1)")
        for call in ("CALL p(1)", "CALL p('a', @o)", "CALL p(1, 2)", "CALL nowhere(1)",
                     "CALL p(9999999999, @o)"):
            # Which row it counts, the server leaves from whatever came before.
            both.query(call, hide=lambda packet: re.sub(rb" at row \d+", b"", packet))
            both.query("SELECT @@in_transaction")
        both.query("ROLLBACK")
        both.query("SELECT * FROM t")
    programs.same_rows("t")


@case(seconds=20)
def under_lock_tables(_context, programs):
    """One that does not begin a transaction, which would end LOCK TABLES, runs under one's own
    WRITE locks; whoever waits for the tables goes on waiting."""
    programs.define("TRUNCATE TABLE t; INSERT INTO t VALUES (n, 1); COMMIT; SET o = n;")
    programs.sql("CREATE OR REPLACE PROCEDURE begins() BEGIN COMMIT; START TRANSACTION; COMMIT; END",
                 "CREATE OR REPLACE TABLE u (id INT PRIMARY KEY)")
    with programs.pair() as both, programs.connect() as other:
        both.query("LOCK TABLES t WRITE")
        both.query("CALL p(1, @o)")
        both.query("SELECT * FROM t")
        send(other, "INSERT INTO t VALUES (50, 50)")
        both.query("CALL p(2, @o)")
        both.query("FLUSH TABLES")
        assert blocked(other, 0.3)
        assert code_of(lambda: both.through.query("CALL begins()")) == 1399
        both.query("UNLOCK TABLES")
        both.query("CALL p(3, @o)")
        other.read_reply()
    with programs.connect() as client, programs.connect() as other:
        client.query("LOCK TABLES t READ")
        assert code_of(lambda: client.query("CALL p(4, @o)")) == 1399
        client.query("LOCK TABLES t WRITE")
        other.query("LOCK TABLES u WRITE")
        assert code_of(lambda: client.query("CALL p(5, @o)")) == 1205
        other.query("UNLOCK TABLES")
        client.query("CALL p(6, @o)")
        client.query("UNLOCK TABLES")
    programs.assert_identical()


@case(seconds=20)
def what_is_not_certain_is_refused(_context, programs):
    """The transaction goes on, and the error says what to do."""
    programs.define("INSERT INTO t VALUES (n, 1); COMMIT;")
    programs.sql("CREATE OR REPLACE PROCEDURE q() BEGIN SELECT 1; COMMIT; END",
                 "CREATE OR REPLACE PROCEDURE r(n INT) COMMIT")
    with programs.connect() as client:
        client.query("BEGIN")
        client.query("INSERT INTO t VALUES (1, 1)")
        for call in ("CALL p(2, @o)", "CALL q()", "CALL r((SELECT MAX(id) FROM t))"):
            try:
                client.query_all(call)
                raise AssertionError("it ran")
            except ServerError as error:
                assert error.code == 1399 and "COMMIT or ROLLBACK before" in error.message, error
        client.query("ROLLBACK")
        assert client.value("SELECT COUNT(*) FROM t") == "0"
    programs.assert_identical()


@case(seconds=20)
def a_lost_conflict_is_told_and_nothing_runs(_context, programs):
    programs.define("COMMIT; UPDATE t SET v = 100 WHERE id = n;")
    programs.sql("INSERT INTO t VALUES (1, 0)")
    with programs.connect() as client, programs.connect() as other:
        client.query("BEGIN")
        client.query("INSERT INTO t VALUES (5, 5)")
        other.query("INSERT INTO t VALUES (5, 6)")
        assert code_of(lambda: client.query("CALL p(1, @o)")) in (1213, 1062)
        client.query("ROLLBACK")
        programs.settle()
        assert client.value("SELECT GROUP_CONCAT(v ORDER BY id) FROM t") == "0,6"
    programs.assert_identical()


@case(seconds=30)
def a_changed_procedure_runs_once(_context, programs):
    """DDL makes another of it all the time, of which one changes rows before it commits: never are
    they changed twice by one CALL."""
    programs.sql("CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, v INT)",
                 "INSERT INTO t VALUES (0, 0)")
    done = threading.Event()
    bodies = ["COMMIT; UPDATE t SET v = v + 1 WHERE id = 0;",
              "UPDATE t SET v = v + 1 WHERE id = 0; COMMIT;"]

    def change():
        with programs.connect() as client:
            turn = 0
            while not done.is_set():
                client.query(f"CREATE OR REPLACE PROCEDURE p() BEGIN {bodies[turn % 2]} END")
                turn += 1
                time.sleep(0.02)

    programs.sql(f"CREATE OR REPLACE PROCEDURE p() BEGIN {bodies[0]} END")
    changer = threading.Thread(target=change)
    changer.start()
    counted = 0
    with programs.connect() as client:
        for _ in range(200):
            client.query("BEGIN")
            code = code_of(lambda: client.query("CALL p()"))
            counted += code == 0
            client.query("ROLLBACK")
    done.set()
    changer.join()
    programs.assert_identical()
    told = programs.servers[0].query("SELECT v FROM test.t")[0][0]
    assert counted > 0 and told == counted, (told, counted)


@case(seconds=60)
def consort_is_killed_amid(_context, programs):
    """What the transaction had done is there, as it is on a server that has begun the program."""
    programs.define_slow(first="COMMIT;")
    client = programs.connect()
    client.query("BEGIN")
    client.query("INSERT INTO t VALUES (5000, 0)")
    send(client, "CALL p(500, @o)")
    wait_until(lambda: programs.rows_somewhere() > 10, 20, lambda: "it runs")
    programs.consort.kill()
    programs.consort.start()
    programs.all_online()
    programs.write(100_000)
    programs.assert_identical()
    assert 10 < programs.rows_somewhere() < 500
    assert programs.servers[0].query("SELECT 1 FROM test.t WHERE id = 5000")


@case(seconds=60)
def its_session_is_killed(context, programs):
    """At any moment from the transaction's commit on: all of it is there or nothing, and the
    program never without it."""
    programs.define("COMMIT; INSERT INTO t VALUES (n + 1, 1); SET o = n;")
    with programs.connect() as killer:
        for turn in range(context.pick(15, 200)):
            client = programs.connect()
            number = client.value("SELECT CONNECTION_ID()")
            client.query("BEGIN")
            client.query(f"INSERT INTO t VALUES ({10 * turn}, 1)")
            client.query(f"INSERT INTO t VALUES ({10 * turn + 5}, 1)")
            send(client, f"CALL p({10 * turn}, @o)")
            time.sleep(context.random.uniform(0, 0.02))
            if turn % 3 == 0:
                client.close()
            else:
                code_of(lambda: killer.query(f"KILL {number}"))
    programs.write(100_000)
    programs.assert_identical()
    rows = {row[0] for row in programs.servers[0].query("SELECT id FROM test.t WHERE id < 90000")}
    for row in rows:
        begin = row - row % 10
        assert {begin, begin + 5} <= rows, (row, sorted(rows))


@case(seconds=120)
def whoever_is_killed(context, programs):
    """Consort and servers, at any moment: what a client was told has happened is everywhere, a
    transaction is there as a whole, the program's rows never without it, and all servers alike."""
    programs.define("COMMIT; INSERT INTO t VALUES (n + 1, 1); "
                    "CREATE OR REPLACE TABLE made (id INT PRIMARY KEY); "
                    "START TRANSACTION; INSERT INTO t VALUES (n + 2, 2); COMMIT; SET o = n;")
    numbers = iter(range(10, 1_000_000, 10))

    def call(until, done, failed):
        try:
            with programs.connect() as client:
                while not until.is_set():
                    number = next(numbers)
                    client.query("BEGIN")
                    client.query(f"INSERT INTO t VALUES ({number}, 1)")
                    client.query(f"INSERT INTO t VALUES ({number + 5}, 1)")
                    try:
                        client.query(f"CALL p({number}, @o)")
                        done.append(number)
                    except ServerError as error:
                        if error.code == 1213:
                            failed.append(number)
                        raise
        except (OSError, ServerError):
            pass

    for _ in range(context.pick(4, 40)):
        until, done, failed = threading.Event(), [], []
        callers = [threading.Thread(target=call, args=(until, done, failed)) for _ in range(2)]
        for caller in callers:
            caller.start()
        time.sleep(context.random.uniform(0.05, 0.6))
        victim = context.random.choice([programs.consort, *programs.servers])
        victim.kill()
        victim.start()
        until.set()
        for caller in callers:
            caller.join()
        programs.all_online()
        programs.write(next(numbers) + 8)
        programs.assert_identical()
        rows = {row[0] for row in programs.servers[0].query("SELECT id FROM test.t")}
        lost = [number for number in done if not {number, number + 1, number + 2, number + 5} <= rows]
        assert not lost, lost
        torn = [row for row in rows if row % 10 != 8
                and not {row - row % 10, row - row % 10 + 5} <= rows]
        assert not torn, torn
        early = [row for row in rows if row % 10 == 2 and row - 1 not in rows]
        assert not early, early
        undone = [number for number in failed if number in rows]
        assert not undone, undone
