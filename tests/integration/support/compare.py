"""Are the servers identical? By position, definitions, checksums and every row."""

import hashlib
import re

from . import wire
from .private_server import ROOT_PASSWORD
from .process import wait_until
from .server_kinds import mixes_brands

# The proxy's own schema: one row per backend that tells the position.
CONTROL_SCHEMA = "consort"
SYSTEM_SCHEMAS = ("mysql", "information_schema", "performance_schema", "sys", CONTROL_SCHEMA)


class Different(AssertionError):
    """Two servers hold different data."""


def wait_settled(servers, seconds=30):
    """Waits until all positions are equal, stay so, and no branch is prepared anywhere."""

    seen = {}

    def settled():
        state = [(server.name, position(server), prepared_count(server)) for server in servers]
        before, seen["state"] = seen.get("state"), state
        return (before == state and len({seqno for _, seqno, _ in state}) == 1
                and all(count == 0 for _, _, count in state))

    wait_until(settled, seconds,
               lambda: "equal positions and no prepared branch: "
               + ", ".join(f"{name} at {seqno} with {count} branches"
                           for name, seqno, count in seen.get("state", [])), every=0.03)


def position(server):
    """The seqno up to which this server has committed everything; None before the first start."""
    try:
        return server.watch(f"SELECT seqno FROM {CONTROL_SCHEMA}.`position`")[0][0]
    except wire.ServerError as error:
        if error.code in (1049, 1146):
            return None
        raise


def prepared_count(server):
    """Branches that wait for their end there."""
    return len(server.watch("XA RECOVER"))


def user_tables(server):
    """(schema, table, type) of everything that is not the system's."""
    marks = ",".join(["%s"] * len(SYSTEM_SCHEMAS))
    return server.query("SELECT table_schema, table_name, table_type FROM information_schema.tables"
                        f" WHERE table_schema NOT IN ({marks}) ORDER BY 1, 2", SYSTEM_SCHEMAS)


def _definition(server, schema, table, kind):
    if mixes_brands():  # each spells a definition in its own way
        return server.query(
            "SELECT column_name, is_nullable, character_set_name, collation_name, column_key"
            " FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
            " ORDER BY ordinal_position", (schema, table))
    what = "SEQUENCE" if kind == "SEQUENCE" else "TABLE"
    row = server.query(f"SHOW CREATE {what} `{schema}`.`{table}`")[0]
    text = row[1]
    # AUTO_INCREMENT counts per server; everything else must be equal.
    if kind == "BASE TABLE":
        # Partitions say ") ENGINE = InnoDB".
        words = text.rsplit("\n) ENGINE=", 1)
        tail = " ".join(word for word in words[1].split(" ")
                        if not word.startswith("AUTO_INCREMENT="))
        # MariaDB 11 shows the two words of a column in the other order.
        text = re.sub(r" INVISIBLE( DEFAULT [^,\s]+)", r"\1 INVISIBLE", words[0]) + ") ENGINE=" + tail
    return text


def _rows_digest(server, schema, table, kind):
    """Number of rows and an order-free digest of all of them, byte by byte."""
    state = [0, 0]
    if kind in ("VIEW", "SEQUENCE"):
        # A view's rows are those of tables, and reading it may call what writes. Numbers of a
        # sequence are reserved by each server for itself (decision 0034).
        return tuple(state)

    def add(packet):
        digest = hashlib.blake2b(packet, digest_size=16).digest()
        state[0] += 1
        state[1] = (state[1] + int.from_bytes(digest, "little")) % (1 << 128)

    # Collation 63 is "binary": the rows come as they are stored.
    with wire.connect(server.port, "root", ROOT_PASSWORD, collation=63, timeout=120) as client:
        client.query(f"SELECT * FROM `{schema}`.`{table}`", add)
    return tuple(state)


def _checksum(server, schema, table):
    return server.query(f"CHECKSUM TABLE `{schema}`.`{table}`")[0][1]


def _sample(server, schema, table):
    return set(map(repr, server.query(f"SELECT * FROM `{schema}`.`{table}`")))


def assert_identical(servers, seconds=30):
    """Settles, then compares all servers with the first. Returns the number of tables and rows."""
    wait_settled(servers, seconds)
    first, *others = servers
    tables = user_tables(first)
    rows_total = 0
    for other in others:
        if user_tables(other) != tables:
            raise Different(f"tables: {first.name} {tables}\n{other.name} {user_tables(other)}")
    for schema, table, kind in tables:
        name = f"{schema}.{table}"
        definition = _definition(first, schema, table, kind)
        digest = _rows_digest(first, schema, table, kind)
        checksum = _checksum(first, schema, table) if kind == "BASE TABLE" else None
        rows_total += digest[0]
        for other in others:
            if _definition(other, schema, table, kind) != definition:
                raise Different(f"{name} is defined differently:\n{definition}\n"
                                f"{_definition(other, schema, table, kind)}")
            if _rows_digest(other, schema, table, kind) != digest:
                raise Different(_difference(first, other, schema, table))
            # MariaDB 10.11 counts stored generated columns in, 11.8 does not.
            if (kind == "BASE TABLE" and other.kind.release == first.kind.release
                    and _checksum(other, schema, table) != checksum):
                raise Different(f"{name}: CHECKSUM TABLE differs on {first.name}, {other.name}")
    return f"{len(tables)} tables, {rows_total} rows equal on {len(servers)} servers"


def _difference(first, other, schema, table):
    mine, theirs = _sample(first, schema, table), _sample(other, schema, table)
    only_mine, only_theirs = sorted(mine - theirs)[:5], sorted(theirs - mine)[:5]
    return (f"{schema}.{table} differs: {len(mine - theirs)} rows only on {first.name} "
            f"{only_mine}, {len(theirs - mine)} only on {other.name} {only_theirs}")
