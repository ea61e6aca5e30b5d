"""Commands packet by packet: the same bytes to a plain server and through Consort, the same bytes
back, packet numbers and flags included."""

import struct

from support import wire
from support.case import case
from support.libmariadb import Connection
from support.private_server import APP_PASSWORD, APP_USER
from support.twins import Twins, any_order, show

CURSOR = 1
BULK_TYPES, BULK_UNIT_RESULTS = 128, 64


def has_flag(packets, flag):
    """Some packet that ends rows has this status flag."""
    return any(packet[0] == 0xFE and len(packet) < 9 and int.from_bytes(packet[3:5], "little") & flag
               for _, packet in packets)


def setup(context):
    return Twins(context)


EOFS = [("eof", 0), ("no_eof", wire.DEPRECATE_EOF)]

# ---- several statements in one query ----------------------------------------------------------


@case(seconds=30, each=EOFS)
def several_statements(_context, twins, eof):
    """Each is run by itself; the replies are one reply."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 10), (2, 20), (3, 30)")
    with twins.pair(wire.MULTI_STATEMENTS | eof) as both:
        for sql in ("SELECT 1; SELECT 2; SELECT 3", "DO 1;", "DO 1; DO 2 ;", " ; ", "",
                    f"SELECT * FROM {table}; UPDATE {table} SET v = v + 1; SELECT * FROM {table}",
                    f"INSERT INTO {table} VALUES (4, 40);INSERT INTO {table} VALUES (4, 41);DO 1",
                    f"BEGIN; DELETE FROM {table} WHERE id = 4; SELECT * FROM {table}; COMMIT",
                    f"BEGIN; UPDATE {table} SET v = 0; ROLLBACK; SELECT * FROM {table}",
                    f"BEGIN; INSERT INTO {table} VALUES (5, 50); SELEC 1; COMMIT", "ROLLBACK",
                    "SELECT 1; SELEC 2; SELECT 3", "SELEC 1; SELECT 2", "SELECT 1;;SELECT 2",
                    ";SELECT 2", "/* c */; SELECT 2", "SELECT 1; /* c */", "SELECT 1 ; -- c\n",
                    "SELECT ';'; SELECT '\\';'; SELECT \"a;b\" /* ; */; SELECT `;` FROM nowhere",
                    "SET sql_mode='NO_BACKSLASH_ESCAPES'; SELECT '\\'; SELECT 2; SET sql_mode=''",
                    "SET sql_mode='ANSI_QUOTES'; SELECT 1 AS \"a;b\"; SET sql_mode=DEFAULT",
                    f"SET @a = 5; SELECT @a; INSERT INTO {table} VALUES (@a, @a); SELECT @a + 1",
                    f"USE mysql; SELECT DATABASE(); USE test; SELECT COUNT(*) FROM {table}",
                    f"INSERT IGNORE INTO {table} VALUES (1, 1); SHOW WARNINGS; SELECT 1",
                    "SELECT 1 WHERE 0; SELECT FOUND_ROWS(); DO 7; SELECT ROW_COUNT()",
                    f"CREATE TABLE {table}m (a INT); INSERT INTO {table}m VALUES (1); DROP TABLE {table}m",
                    "SET autocommit=0; SET autocommit=1; SELECT @@autocommit",
                    "BEGIN NOT ATOMIC DECLARE x INT; SET x = 1; SELECT x; SELECT 2; END; SELECT 3",
                    f"SELECT * FROM {table} WHERE id IN (SELECT id FROM {table}); SELECT 1"):
            both.query(sql)
    twins.same_rows(table)


@case(seconds=30)
def the_ability_comes_and_goes(_context, twins):
    """COM_SET_OPTION; without the ability several statements are a syntax error."""
    for flags in (0, wire.MULTI_STATEMENTS, wire.DEPRECATE_EOF):
        with twins.pair(flags) as both:
            for option in (None, 0, 1, 0, 2, 1):
                if option is not None:
                    both.ask(struct.pack("<BH", wire.COM_SET_OPTION, option))
                both.query("DO 1; DO 2")
                both.query("SELECT 1; /* c */")
            both.ask(struct.pack("<BH", wire.COM_SET_OPTION, 0))
            both.ask(bytes([wire.COM_RESET_CONNECTION]))
            both.query("DO 1; DO 2")
            for client in (both.through, both.plain):
                client.change_user(APP_USER, APP_PASSWORD, "test")
            both.query("DO 1; DO 2")
            both.ask(b"\x16SELECT 1; SELECT 2")


@case(seconds=30)
def each_statement_is_a_commit(_context, twins):
    """What stands before the error stays, on every server; the numbers of packets run on."""
    table = twins.fresh("id INT PRIMARY KEY, v VARCHAR(20)")
    with twins.pair(wire.MULTI_STATEMENTS) as both:
        many = ";".join(f"INSERT INTO {table} VALUES ({i}, REPEAT('x', {i % 20}))"
                        for i in range(300))
        reply = both.query(many + f"; SELECT * FROM {table}; INSERT INTO {table} VALUES (7, '')"
                           f"; DELETE FROM {table}")
        assert len(reply) > 600 and reply[-1][1][:3] == b"\xff\x26\x04", reply[-1]
    twins.same_rows(table)


@case(seconds=30, each=EOFS)
def procedures_with_results(_context, twins, eof):
    """CALL with several result sets, alone and among others, as text and prepared."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 10), (2, 20)")
    with twins.pair(wire.MULTI_STATEMENTS) as both:
        both.query(f"CREATE PROCEDURE p_{table}(IN a INT, OUT b INT, INOUT c INT) BEGIN "
                   f"SELECT * FROM {table}; UPDATE {table} SET v = v + a; SELECT v FROM {table}; "
                   "SET b = a + 1; SET c = c * 2; END; DO 1")
    twins.settle()
    with twins.pair(wire.MULTI_STATEMENTS | eof) as both:
        both.query(f"SET @c = 4; CALL p_{table}(3, @b, @c); SELECT @b, @c")
        both.query(f"CALL p_{table}(3, @b, @c)")
        ids = both.prepare(f"CALL p_{table}(?, ?, ?)")
        values = b"\0\1" + b"\x03\0" * 3 + struct.pack("<iii", 5, 6, 7)
        reply = both.execute(ids, 0, values)
        assert has_flag(reply, 0x1000), show(reply)  # the row of OUT parameters
        both.query(f"BEGIN; CALL p_{table}(1, @b, @c); ROLLBACK; SELECT * FROM {table}")
    twins.same_rows(table)


@case(seconds=30)
def files_amid_several(_context, twins):
    """LOAD DATA LOCAL between other statements: the numbers of both sides run on."""
    table = twins.fresh("id INT PRIMARY KEY, v INT")
    load = f"LOAD DATA LOCAL INFILE 'f' INTO TABLE {table}"
    with twins.pair(wire.MULTI_STATEMENTS | wire.LOCAL_FILES) as both:
        replies = []
        for client in (both.through, both.plain):
            client.command(wire.COM_QUERY, f"SELECT 1; {load}; SELECT * FROM {table}".encode())
            got = [client.read_reply()]
            packet = client.read_packet()
            assert packet[0] == 0xFB, packet
            for piece in (b"1\t1\n", b"2\t2\n", b""):
                client.send_packet(piece)
            got += client.read_all_replies()
            replies.append((got, client.sequence))
        assert replies[0] == replies[1], replies
    twins.same_rows(table)


# ---- cursors ----------------------------------------------------------------------------------


@case(seconds=30, each=EOFS)
def cursors(_context, twins, eof):
    """Opened, read in pieces, closed by all that closes one; with and without a transaction."""
    table = twins.fresh("id INT PRIMARY KEY, v VARCHAR(20)", "(1,'a'),(2,'b'),(3,NULL),(4,'d')")
    with twins.pair(eof) as both:
        ids = both.prepare(f"SELECT * FROM {table} ORDER BY id")
        assert has_flag(both.execute(ids, CURSOR), 0x40)
        for rows in (2, 0, 1, 5, 1):
            both.fetch(ids, rows)
        both.execute(ids, CURSOR)
        both.on(wire.COM_STMT_RESET, ids)
        both.fetch(ids, 1)
        both.execute(ids, CURSOR)
        both.execute(ids)  # without one
        both.fetch(ids, 1)
        both.execute(ids, CURSOR)
        both.query(f"UPDATE {table} SET v = 'new' WHERE id = 2")
        both.fetch(ids, 2)
        both.query(f"SELECT COUNT(*) FROM {table}")
        both.fetch(ids, 1)
        both.on(wire.COM_STMT_CLOSE, ids, answers=False)
        both.fetch(ids, 1)
        empty = both.prepare(f"SELECT * FROM {table} WHERE id > ?")
        both.execute(empty, CURSOR, b"\0\1\x03\0" + struct.pack("<i", 99))
        both.fetch(empty, 1)
        both.execute(empty, CURSOR, b"\0\0" + struct.pack("<i", 2))  # types as before
        both.fetch(empty, 9)
        for flags in (2, 4, 8, 3):
            both.execute(ids := both.prepare(f"SELECT id FROM {table}"), flags)
            both.fetch(ids, 9)
        for sql in ("SHOW TABLES LIKE 't_'", "EXPLAIN SELECT 1", "DO 1", f"DELETE FROM {table} WHERE id = 9",
                    f"SELECT id FROM {table} FOR UPDATE", "SELECT SLEEP(0)", "SET @a = 1"):
            ids = both.prepare(sql)
            both.execute(ids, CURSOR)
            both.fetch(ids, 1)
            both.fetch(ids, 9)
    twins.same_rows(table)


@case(seconds=30)
def cursors_outlive_transactions(_context, twins):
    """COMMIT, ROLLBACK and other statements leave one open; COM_RESET_CONNECTION does not."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 1), (2, 2), (3, 3)")
    with twins.pair() as both:
        one, two = (both.prepare(f"SELECT * FROM {table}") for _ in range(2))
        for ending in ("COMMIT", "ROLLBACK"):
            both.query("BEGIN")
            both.query(f"UPDATE {table} SET v = v + 1 WHERE id = 1")
            both.execute(one, CURSOR)
            both.execute(two, CURSOR)
            both.fetch(one, 1)
            both.query(f"INSERT INTO {table} VALUES (9, 9)")
            both.query(ending)
            both.fetch(two, 2)
            both.query(f"DELETE FROM {table} WHERE id = 9")
            both.fetch(one, 5)
            both.fetch(two, 5)
        both.query("START TRANSACTION READ ONLY")
        both.execute(one, CURSOR)
        both.query("COMMIT")
        both.fetch(one, 1)
        sessions = twins.consort.get("/sessions")["sessions"]
        assert any("open_cursor" in one["pinned"] for one in sessions), sessions
        both.fetch(one, 9)
        sessions = twins.consort.get("/sessions")["sessions"]
        assert not any("open_cursor" in one["pinned"] for one in sessions), sessions
        both.execute(one, CURSOR)
        both.ask(bytes([wire.COM_RESET_CONNECTION]))
        both.fetch(one, 1)
    twins.same_rows(table)


@case(seconds=60)
def a_cursor_ends_with_its_home(_context, twins):
    """The rows are nowhere else: the session ends with 1053, as with everything that is pinned."""
    table = twins.fresh("id INT PRIMARY KEY", "(1), (2), (3)")
    with twins.connect() as client:
        statement = client.prepare(f"SELECT id FROM {table}")
        client.command(wire.COM_STMT_EXECUTE, struct.pack("<IBI", statement.id, CURSOR, 1))
        for _ in range(3):
            client.read_packet()
        home = int(client.value("SELECT @@server_id")) - 1
        twins.servers[home].kill()
        client.command(wire.COM_STMT_FETCH, struct.pack("<II", statement.id, 1))
        client.sequence = client.peek_sequence()
        try:
            raise AssertionError(client.read_ok())
        except wire.ServerError as error:
            assert error.code == 1053, error
        twins.servers[home].start()
    twins.assert_identical(60)


# ---- COM_STMT_BULK_EXECUTE --------------------------------------------------------------------


def bulk_row(*values):
    """Indicators and values: an int, bytes, None, "DEFAULT" or "IGNORE"."""
    row = b""
    for value in values:
        if isinstance(value, int):
            row += b"\0" + struct.pack("<i", value)
        elif isinstance(value, bytes):
            row += b"\0" + wire.lenenc_string(value)
        else:
            row += {None: b"\1", "DEFAULT": b"\2", "IGNORE": b"\3"}[value]
    return row


def bulk(both, ids, types, *rows, flags=None):
    """`types`: of the parameters, or nothing: as before."""
    flags = (BULK_TYPES if types else 0) if flags is None else flags
    return both.on(wire.COM_STMT_BULK_EXECUTE, ids, struct.pack("<H", flags) + types + b"".join(rows))


INT, TEXT = b"\x03\0", b"\xfd\0"


@case(seconds=30, each=EOFS)
def bulk_execution(_context, twins, eof):
    """Rows with indicators, types once, inside and outside of transactions, and what is wrong."""
    table = twins.fresh("id INT PRIMARY KEY, v VARCHAR(20) DEFAULT 'default'")
    with twins.pair(eof, extended=wire.STMT_BULK) as both:
        insert = both.prepare(f"INSERT INTO {table} VALUES (?, ?)")
        bulk(both, insert, INT + TEXT, bulk_row(1, b"a"), bulk_row(2, None), bulk_row(3, "DEFAULT"))
        bulk(both, insert, b"", bulk_row(4, b"d"))
        bulk(both, insert, b"", bulk_row(5, b"e"), bulk_row(1, b"duplicate"), bulk_row(6, b"f"))
        both.query(f"SELECT * FROM {table} ORDER BY id")
        both.query("BEGIN")
        bulk(both, insert, b"", bulk_row(7, b"g"), bulk_row(8, b"h"))
        update = both.prepare(f"UPDATE {table} SET v = ? WHERE id = ?")
        bulk(both, update, TEXT + INT, bulk_row(b"new", 7), bulk_row("IGNORE", 8))
        both.query("COMMIT")
        both.query("BEGIN")
        delete = both.prepare(f"DELETE FROM {table} WHERE id = ?")
        bulk(both, delete, INT, bulk_row(7), bulk_row(8), bulk_row(99))
        both.query("ROLLBACK")
        bulk(both, delete, b"", bulk_row(8))
        both.execute(insert, 0, b"\0\0" + struct.pack("<i", 20) + b"\1x")  # types of the bulk
        back = both.prepare(f"INSERT INTO {table} VALUES (?, ?) RETURNING id, v")
        bulk(both, back, INT + TEXT, bulk_row(30, b"x"), bulk_row(31, None))
        fresh = both.prepare(f"INSERT INTO {table} VALUES (?, ?)")
        bulk(both, fresh, b"", bulk_row(40, b"a"))  # of which types?
        bulk(both, fresh, INT + TEXT)  # no row
        bulk(both, fresh, INT, flags=BULK_TYPES)
        bulk(both, fresh, INT + TEXT, bulk_row(50, b"a"), flags=BULK_TYPES | BULK_UNIT_RESULTS)
        bulk(both, both.prepare("SELECT ?"), INT, bulk_row(1))
        bulk(both, both.prepare("DO 1"), b"", flags=BULK_TYPES)
        both.on(wire.COM_STMT_BULK_EXECUTE, dict.fromkeys(fresh, 12345), struct.pack("<H", 128))
        both.query(f"SELECT * FROM {table} ORDER BY id")
    with twins.pair(eof) as both:  # without the ability
        ids = both.prepare(f"INSERT INTO {table} VALUES (?, ?)")
        bulk(both, ids, INT + TEXT, bulk_row(60, b"a"))
    twins.same_rows(table)


@case(seconds=60)
def bulk_execution_is_run_again(_context, twins):
    """The home is lost: another one gets the rows, and the types that came long before."""
    table = twins.fresh("id INT PRIMARY KEY, v VARCHAR(20)")
    with twins.connect(extended=wire.STMT_BULK) as client:
        statement = client.prepare(f"INSERT INTO {table} VALUES (?, ?)")
        head = struct.pack("<I", statement.id)
        client.command(wire.COM_STMT_BULK_EXECUTE, head + b"\x80\0" + INT + TEXT + bulk_row(1, b"a"))
        client.read_ok()
        client.query("BEGIN")
        home = int(client.value("SELECT @@server_id")) - 1
        client.query("ROLLBACK")
        twins.servers[home].kill()
        rows = b"".join(bulk_row(i, b"x" * (i % 20)) for i in range(2, 500))
        client.command(wire.COM_STMT_BULK_EXECUTE, head + b"\0\0" + rows)
        assert client.read_ok().affected == 498
        twins.servers[home].start()
    twins.settle(60)
    assert twins.sql(f"SELECT COUNT(*) FROM {table}") == [(b"499",)]
    twins.assert_identical(60)


@case(seconds=30)
def prepare_and_execute_in_one_flush(_context, twins):
    """As MariaDB's clients do: the execution names "the statement prepared last"."""
    table = twins.fresh("id INT PRIMARY KEY")
    with twins.pair(extended=wire.STMT_BULK) as both:
        replies = []
        for client in (both.through, both.plain):
            got = []
            for sql in (f"INSERT INTO {table} VALUES (1)", "SELEC", f"SELECT id FROM {table}"):
                client.send_raw(client.frame(b"\x16" + sql.encode(), 0)
                                + client.frame(b"\x17\xff\xff\xff\xff\0\1\0\0\0", 0)
                                + client.frame(b"\x0e", 0))
                while True:
                    client.sequence = number = client.peek_sequence()
                    packet = client.read_packet()
                    if packet[0] == 0 and len(packet) == 12:
                        packet = packet[:1] + b"...." + packet[5:]  # the statement's number
                    got.append((number, packet))
                    if packet[:3] == b"\0\0\0" and len(packet) == 7 and number == 1:
                        break
            replies.append(got)
        assert replies[0] == replies[1], f"{show(replies[0])}\n{show(replies[1])}"
    twins.same_rows(table)


# ---- what is no SQL ---------------------------------------------------------------------------


@case(seconds=30, each=EOFS)
def other_commands(_context, twins, eof):
    """The same answers, errors included; what concerns one server alone is refused."""
    table = twins.fresh("id INT PRIMARY KEY, v INT")
    with twins.pair(eof) as both:
        for payload in (b"\x04" + table.encode() + b"\0", b"\x04" + table.encode() + b"\0v%",
                        b"\x04nowhere\0", b"\x04\0", b"\x02mysql", b"\x02nowhere", b"\x02test",
                        b"\x00", b"\x05x", b"\x06x", b"\x0b", b"\x0d", b"\x0f", b"\x10", b"\x13", b"\x14",
                        b"\x1d", b"\x1e", b"\x1f", b"\x20", b"\x28", b"\xfa", b"\xfb", b"\xfc", b"\xfd",
                        b"\xfe", b"\xff", b"\x07\x04", b"\x07\x01", b"\x1a\x09\0\0\0", b"\x17\x09\0\0\0\0\1\0\0\0",
                        b"\x1c\x09\0\0\0\1\0\0\0"):
            both.ask(payload)
        both.query("BEGIN")
        both.query(f"INSERT INTO {table} VALUES (1, 1)")
        both.ask(b"\x07\x04")  # commits, as FLUSH does
        both.query("ROLLBACK")
        both.query("BEGIN")
        both.query(f"INSERT INTO {table} VALUES (2, 2)")
        both.ask(b"\x04" + table.encode() + b"\0")
        both.query("COMMIT")
    with twins.connect() as client:
        for payload in (b"\x08", b"\x12" + bytes(10), b"\x15" + bytes(20), b"\x07\x80"):
            client.command(payload[0], payload[1:])
            try:
                raise AssertionError((payload, client.read_ok()))
            except wire.ServerError as error:
                assert error.code == 1235 and "one server" in error.message, error
        client.command(wire.COM_STATISTICS)
        assert client.read_packet().startswith(b"Uptime: ")
        client.command(wire.COM_PROCESS_INFO)
        assert [one.name for one in client.read_reply().columns][:2] == ["Id", "User"]
        assert client.ping()
    twins.same_rows(table)


# ---- capabilities -----------------------------------------------------------------------------


@case(seconds=30, each=[("eof", wire.SESSION_TRACK), ("no_eof", wire.SESSION_TRACK | wire.DEPRECATE_EOF),
                        ("untracked", wire.DEPRECATE_EOF)])
def session_tracking(_context, twins, flags):
    """The client hears of what a server reports unasked: nothing less, and nothing of what only
    Consort asks the backends for."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 1)")
    with twins.pair(flags) as both:
        for step in ("SELECT 1", "USE mysql", "USE test", b"\x02mysql", b"\x02test",
                     "SET autocommit=0", "SET autocommit=0", "SET autocommit=1", "SET NAMES latin1",
                     "SET character_set_results=NULL", "SET character_set_client=utf8mb4",
                     "SET time_zone='+01:00'", "SET sql_mode='ANSI'", "SET sql_mode=DEFAULT",
                     "SET @a=1", "BEGIN", f"UPDATE {table} SET v=v+1", "COMMIT",
                     f"UPDATE {table} SET v=v+1", "SET max_statement_time=5, autocommit=1",
                     f"SELECT * FROM {table}", b"\x1f", "SELECT 1",
                     "SET STATEMENT max_statement_time=3 FOR SELECT 1",
                     "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
                     "SET @@session.time_zone='SYSTEM', @x=2", "CREATE DATABASE tracked", "USE tracked",
                     "DROP DATABASE tracked", "USE test", "SET autocommit=1, session_track_schema=1",
                     "SET session_track_state_change=0", "SET collation_connection=utf8mb4_bin"):
            both.ask(step if isinstance(step, bytes) else b"\x03" + step.encode(), any_order)
    twins.same_rows(table)


@case(seconds=30, each=EOFS)
def extended_metadata(_context, twins, eof):
    """MariaDB's additional words about a column's type, in text and binary replies."""
    table = twins.fresh("id INT PRIMARY KEY, j JSON, p POINT, i INET6, u UUID",
                        "(1, '[1]', POINT(1, 2), '::1', '123e4567-e89b-12d3-a456-426655440000')")
    with twins.pair(eof, extended=wire.EXTENDED_METADATA) as both:
        assert both.through.extended == both.plain.extended == wire.EXTENDED_METADATA
        both.query(f"SELECT * FROM {table}")
        both.query(f"UPDATE {table} SET id = id + 1")
        both.query("SELECT ROW_COUNT()")
        both.execute(both.prepare(f"SELECT * FROM {table}"))
        both.ask(b"\x04" + table.encode() + b"\0")
    twins.same_rows(table)


@case(seconds=30, each=EOFS)
def kept_metadata(_context, twins, eof):
    """MARIADB_CLIENT_CACHE_METADATA: the columns of an execution are told where they are new."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 10), (2, 20)")
    with twins.pair() as both:
        both.query(f"CREATE PROCEDURE p_{table}(IN a INT, OUT b INT) BEGIN "
                   f"SELECT * FROM {table}; SELECT v FROM {table}; SET b = a; END")
    twins.settle()
    with twins.pair(eof, extended=wire.CACHE_METADATA | wire.STMT_BULK) as both:
        assert both.through.extended == both.plain.extended
        assert both.query(f"SELECT * FROM {table}")[0][1] == b"\2\1"
        rows = both.prepare(f"SELECT * FROM {table} ORDER BY id")
        for _ in range(2):
            assert both.execute(rows)[0][1] == b"\2\0"
        both.query("BEGIN")
        both.execute(rows)  # at home
        both.query("COMMIT")
        for flags in (CURSOR, CURSOR, 0, 0):
            both.execute(rows, flags)
            both.fetch(rows, 5)
        both.on(wire.COM_STMT_RESET, rows)
        both.execute(rows)
        any_type = both.prepare("SELECT ? a, 'x' b")
        for value in (b"\3\0\5\0\0\0", b"\3\0\5\0\0\0", b"\xfd\0\1a", b"\xfd\0\1a", b"\3\0\5\0\0\0"):
            both.execute(any_type, 0, b"\0\1" + value)
        for sql in ("SHOW TABLES LIKE 't_'", f"EXPLAIN SELECT * FROM {table}", f"SHOW CREATE TABLE {table}",
                    "SHOW WARNINGS", f"CHECK TABLE {table}", "VALUES (1, 2)", "DO 1",
                    f"SELECT v FROM {table} WHERE EXP(id * 1000) > 0", "SELECT id FROM nowhere_else",
                    f"SELECT * FROM {table} FOR UPDATE", f"WITH x AS (SELECT v FROM {table}) SELECT * FROM x",
                    f"DELETE FROM {table} WHERE id > 100 RETURNING *"):
            if sql.endswith("nowhere_else"):
                both.ask(b"\x16" + sql.encode())
                continue
            ids = both.prepare(sql)
            for _ in range(3):
                both.execute(ids)
        for sql in (f"CALL p_{table}(?, ?)", f"BEGIN NOT ATOMIC SELECT 1; SELECT v FROM {table}; END"):
            ids = both.prepare(sql)
            values = b"\0\1" + (INT * 2) + struct.pack("<ii", 5, 6) if "?" in sql else b""
            for _ in range(2):
                reply = both.execute(ids, 0, values)
                assert reply[0][1][1:] == b"\1", show(reply)
        back = both.prepare(f"INSERT INTO {table} VALUES (?, ?) RETURNING id, v")
        for number in (10, 20):
            bulk(both, back, INT + INT, bulk_row(number, 1), bulk_row(number + 1, 2))
        both.execute(back, 0, b"\0\1" + INT + INT + struct.pack("<ii", 30, 1))
        bulk(both, back, INT + INT, bulk_row(31, 1), bulk_row(10, 2))
        both.query(f"PREPARE s FROM 'SELECT v FROM {table} WHERE id = 1'")
        for _ in range(2):
            assert both.query("EXECUTE s")[0][1] == b"\1\1"
        newest = both.prepare(f"SELECT v FROM {table} WHERE id = 1")
        for _ in range(2):
            both.execute(dict.fromkeys(newest, 0xFFFFFFFF))
        both.ask(b"\x1f")
        both.execute(rows)
        variable = both.prepare("SELECT @a")
        for value in ("1", "'x'", "'y'", "1"):
            both.query(f"SET @a = {value}")
            both.execute(variable)
            both.execute(variable)
        large = both.prepare("SELECT REPEAT('x', 17 << 20), 1, 2")
        for _ in range(2):
            both.execute(large)
        many = both.prepare("SELECT seq, REPEAT('x', seq % 50) FROM seq_1_to_2000")
        for _ in range(2):
            both.execute(many)
    twins.same_rows(table)


@case(seconds=30, each=EOFS)
def other_columns_than_before(_context, twins, eof):
    """The first execution behind an ALTER says that there are other columns, wherever it runs."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 10)")
    with twins.pair(eof) as both:
        ids = both.prepare(f"SELECT * FROM {table}")
        for change in (None, "ADD w INT", "MODIFY w VARCHAR(9)", "DROP w"):
            if change is not None:
                both.query(f"ALTER TABLE {table} {change}")
                twins.settle()
            for number in range(4):
                other = change in ("ADD w INT", "DROP w") and number == 0
                assert has_flag(both.execute(ids), 0x400) == other, (change, number)
            both.query("BEGIN")
            both.execute(ids)
            both.query("COMMIT")
    twins.same_rows(table)


@case(seconds=30)
def kept_metadata_of_several_servers(_context, twins):
    """A column's type changes, and other connections prepare the same text: the client reads right."""
    table = twins.fresh("id INT PRIMARY KEY, v INT", "(1, 65)")
    with twins.connect(extended=wire.CACHE_METADATA) as client, twins.connect() as other:
        at = [client.prepare(f"/* consort: backend=s{number} */ SELECT v FROM {table}") for number in (1, 2, 3)]
        anywhere = client.prepare(f"SELECT v FROM {table}")
        for kind, expected in (("INT", 65), ("VARCHAR(9)", b"65"), ("VARCHAR(9)", b"65"), ("BIGINT", 65)):
            other.query(f"ALTER TABLE {table} MODIFY v {kind}")
            twins.settle()
            for _ in range(2):
                for statement in (*at, anywhere):
                    assert client.execute(statement).rows == [(expected,)], (kind, statement)
            client.query("BEGIN")
            for statement in (*at, anywhere):
                assert client.execute(statement).rows == [(expected,)], (kind, statement)
            client.query("ROLLBACK")
            assert kind != "INT" or not any(one.told for one in (*at, anywhere))
        assert all(one.told == 2 for one in (*at, anywhere)), (at, anywhere)
        # As it was when it was prepared, but another server tells it first.
        fresh = client.prepare(f"SELECT v, id FROM {table}")
        other.query(f"ALTER TABLE {table} MODIFY v VARCHAR(20)")
        twins.settle()
        client.query("BEGIN")
        assert client.execute(fresh).rows == [(b"65", 1)]
        client.query("COMMIT")
        assert client.execute(fresh).rows == [(b"65", 1)] and fresh.told == 1
    twins.assert_identical()


@case(seconds=30)
def the_c_client_library(_context, twins):
    """MariaDB's own library finds what it looks for: arrays, pipelines, cursors, several results."""
    table = twins.fresh("id INT PRIMARY KEY, v VARCHAR(20)")
    seen = []
    for port in (twins.consort.port, twins.plain.port):
        client = Connection(port, APP_USER, APP_PASSWORD, "test")
        got = [client.insert_array(f"INSERT INTO {table} VALUES (?, ?)", [1, 2, 3], [b"a", None, b"ccc"]),
               client.numbers_by_cursor(f"SELECT id FROM {table} ORDER BY id", 4),
               client.query_all(f"UPDATE {table} SET v = 'x'; SELECT 1; BEGIN; COMMIT")]
        client.close()
        seen.append(got)
    assert seen[0] == seen[1] == [[3, 3], [1, 2, 3, 4, 5, 6], [6, None, 0, 0]], seen
    twins.same_rows(table)
