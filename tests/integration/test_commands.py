"""Commands packet by packet: the same bytes to a plain server and through Consort, the same bytes
back, packet numbers and flags included."""

import os
import struct

from support import wire
from support.case import case
from support.cluster import Cluster
from support.private_server import APP_PASSWORD, APP_USER, PrivateServer

CURSOR = 1


class Twins(Cluster):
    """The cluster, and a plain server with the same settings beside it."""

    def __init__(self, context):
        super().__init__(context)
        self.plain = PrivateServer(os.path.join(self.directory, "plain"), 9, context.template,
                                   {"innodb_snapshot_isolation": "ON"})
        self.plain.start()

    def close(self, keep=False):
        self.plain.kill()
        super().close(keep)

    def pair(self, capabilities=0, **options):
        return Both(self.connect(capabilities=capabilities, **options),
                    wire.connect(self.plain.port, APP_USER, APP_PASSWORD, "test",
                                 capabilities=capabilities, **options))

    def fresh(self, definition, rows=""):
        """A new table on both sides; its name."""
        self._names += 1
        name = f"t{self._names}"
        with self.pair() as both:
            both.query(f"CREATE TABLE {name} ({definition})")
            if rows:
                both.query(f"INSERT INTO {name} VALUES {rows}")
        self.settle()
        return name

    def same_rows(self, table):
        with self.pair() as both:
            both.query(f"SELECT * FROM {table}")
        self.assert_identical()


class Both:
    """One client of each, always asked the same."""

    def __init__(self, through, plain):
        self.through, self.plain = through, plain
        self.ids = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.through.close()
        self.plain.close()

    def ask(self, payload, hide=None, answers=True):
        """Sends a command, and a ping to see where its reply ends. `hide` makes equal what may
        differ. The reply: a list of (packet number, payload)."""
        replies = []
        for client in (self.through, self.plain):
            client.sequence = 0
            own = payload(client) if callable(payload) else payload
            client.send_raw(client.frame(own, 0) + b"\x01\0\0\0\x0e")
            packets = []
            while True:
                client.sequence = client.peek_sequence()
                number, packet = client.sequence, client.read_packet()
                if (number == 1 and packet[:3] == b"\0\0\0" and (packets or not answers)
                        and not packet[3] & wire.STATUS_MORE_RESULTS):
                    packets.append(("ping", packet))
                    break
                packets.append((number, hide(packet) if hide else packet))
            replies.append(packets)
        through, plain = replies
        assert through == plain, (f"{payload!r}:\n  through Consort {show(through)}\n"
                                  f"  plain server    {show(plain)}")
        return plain[:-1]

    def query(self, sql, hide=None):
        return self.ask(b"\x03" + sql.encode(), hide)

    def prepare(self, sql):
        """The statement, which has an id on either side."""
        one, other = self.through.prepare(sql), self.plain.prepare(sql)
        assert (one.columns, one.params, one.warnings) == (other.columns, other.params,
                                                           other.warnings)
        return {self.through: one.id, self.plain: other.id}

    def on(self, command, ids, rest=b"", **options):
        """A command about a prepared statement. Errors name its number."""
        def hide(packet):
            for number in ids.values():
                packet = packet.replace(b"(%d)" % number, b"(?)")
            return packet
        return self.ask(lambda client: struct.pack("<BI", command, ids[client]) + rest,
                        hide, **options)

    def execute(self, ids, flags=0, rest=b""):
        return self.on(wire.COM_STMT_EXECUTE, ids, struct.pack("<BI", flags, 1) + rest)

    def fetch(self, ids, rows):
        return self.on(wire.COM_STMT_FETCH, ids, struct.pack("<I", rows))


def show(packets):
    return " ".join(f"{number}:{packet[:120]!r}" for number, packet in packets)


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
