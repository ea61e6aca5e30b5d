"""Twins: a client of Consort and one of a plain server, always asked the same; their replies must be
equal packet by packet."""

import struct

from . import wire
from .pair import Pair


class Twins(Pair):
    """A client of each at a time, and a table for each case."""

    def pair(self, capabilities=0, **options):
        return Both(self.connect(capabilities=capabilities, **options),
                    self.connect_plain(capabilities=capabilities, **options))

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
        self.assert_identical()  # on all servers, so that it is no matter who answers a new session
        with self.pair() as both:
            both.query(f"SELECT * FROM {table}")


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


def any_order(packet):
    """A server names the variables that changed in no order."""
    tracked = len(packet) > 5 and packet[0] == 0 and packet[4] & 0x40
    return packet[:5] + bytes(sorted(packet[5:])) if tracked else packet
