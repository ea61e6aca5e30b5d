"""Scripts: the same commands through Consort and on a plain server must give the same answers.

A step is a string (COM_QUERY) or a tuple: ("prepare", name, sql), ("execute", name, args),
("reset_statement", name), ("close", name), ("long_data", name, index, bytes), ("ping",),
("init_db", name), ("reset",), ("load", sql, packets of the file), ("change_user", user, password, database), ("all", sql) for
statements with several results. A string that begins with "~" is compared only by its outcome
(OK, rows or error), not by ids and contents that depend on the server.
"""

from . import wire
from .case import Skip

NOT_SUPPORTED = 1235

# Flags that a client acts upon; the others tell of speed or of tracking.
STATUS_MASK = 0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x100 | 0x200 | 0x1000 | 0x2000


class Player:
    """Plays a script on one connection and writes down what a client sees."""

    def __init__(self, client):
        self.client = client
        self.statements = {}

    def play(self, steps):
        return [self._step(step) for step in steps]

    def _step(self, step):
        loose = isinstance(step, str) and step.startswith("~")
        try:
            replies = self._perform(step[1:] if loose else step)
        except wire.ServerError as error:
            # 1243 names the statement's number, which is each server's own business.
            loose |= error.code == 1243
            return ("error", error.code, error.state, None if loose else error.message)
        except (wire.Closed, wire.SequenceError, TimeoutError, AssertionError) as error:
            return ("broken", repr(error))
        return tuple(self._loosely(reply) if loose else self._exactly(reply) for reply in replies)

    def _perform(self, step):
        client, known = self.client, self.statements
        if isinstance(step, str):
            return [client.query(step)]
        kind, *args = step
        if kind == "all":
            return client.query_all(args[0])
        if kind == "load":
            return [client.load(args[0], args[1])]
        if kind == "prepare":
            known[args[0]] = client.prepare(args[1])
            statement = known[args[0]]
            return [("prepared", statement.columns, statement.params, statement.warnings)]
        if kind in ("execute", "reset_statement", "close", "long_data") and args[0] not in known:
            return [("never prepared", args[0])]  # MySQL prepares no BEGIN, for one
        if kind == "execute":
            return [client.execute(known[args[0]], args[1] if len(args) > 1 else ())]
        if kind == "reset_statement":
            return [client.reset_statement(known[args[0]])]
        if kind == "close":
            client.close_statement(known.pop(args[0]))
            return []
        if kind == "long_data":
            client.send_long_data(known[args[0]], args[1], args[2])
            return []
        call = {"ping": client.ping, "init_db": client.init_db, "reset": client.reset_connection,
                "change_user": client.change_user}[kind]
        return [call(*args)]

    @staticmethod
    def _exactly(reply):
        if isinstance(reply, tuple):
            return reply
        columns = None if reply.columns is None else tuple(
            (one.schema, one.table, one.name, one.charset, one.length, one.type, one.flags,
             one.decimals) for one in reply.columns)
        return ("reply", reply.affected, reply.insert_id, flags(reply.status), reply.warnings,
                reply.info, columns, tuple(reply.rows))

    @staticmethod
    def _loosely(reply):
        return ("reply", reply.affected, flags(reply.status), reply.warnings,
                None if reply.columns is None else len(reply.columns))


def flags(status):
    """The status flags that matter, readable."""
    names = {0x1: "in_trans", 0x2: "autocommit", 0x8: "more_results", 0x10: "no_good_index",
             0x20: "no_index", 0x40: "cursor", 0x80: "last_row", 0x100: "db_dropped",
             0x200: "no_backslash", 0x1000: "out_params", 0x2000: "read_only"}
    return "+".join(name for bit, name in names.items() if status & STATUS_MASK & bit) or "none"


def compare(script, through, plain, may_lack=False):
    """Plays the script on both connections; AssertionError at the first different answer. With
    may_lack a clean "not supported" is a Skip: a gap that is known and stays visible."""
    left, right = Player(through).play(script), Player(plain).play(script)
    refusal = next((one for one in left if one[:2] == ("error", NOT_SUPPORTED)), None)
    if refusal and refusal not in right:
        if not may_lack:
            raise AssertionError(f"not supported, and no test says that this may be so: {refusal}")
        raise Skip(refusal[3])
    for number, (step, mine, theirs) in enumerate(zip(script, left, right)):
        assert mine == theirs, (f"step {number}, {step!r}:\n  through Consort {mine}\n"
                                f"  plain server    {theirs}\n  before it: {script[:number]}")
