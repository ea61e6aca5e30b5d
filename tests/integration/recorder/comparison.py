"""What two replies must have in common: every byte, but for what is listed here and why."""

import re

from support import wire

# name -> why the replies differ there. A reply that differs only so ends its sequence without
# counting as a difference: the two sides may stand differently afterwards.
EXCUSES = {
    "refused": "Consort refuses the statement with an error that says so (1235, 1238)",
    "found_rows": "FOUND_ROWS() counts what ran last on the home, not a read elsewhere, unless that"
                  " read had SQL_CALC_FOUND_ROWS; before any SELECT it is undefined",
    "row_count": "ROW_COUNT() inside a larger statement may count one of Consort's own statements;"
                 " SELECT ROW_COUNT() alone is right",
    "kept_warnings": "warnings of an earlier statement that those in between have kept: which do is"
                     " known for the server only in part",
    "prepared_elsewhere": "a statement that was prepared in another database makes a server tell of a"
                          " change of the database and back",
    "unscoped_set": "SET @@x: a server does not tell a client with session tracking of it, Consort"
                    " does",
    "snapshot_warning": "WITH CONSISTENT SNAPSHOT below REPEATABLE READ has a warning on a server",
    "read_only_prepare": "in a READ ONLY transaction a write is refused when it is executed, not"
                         " already when it is prepared, until the transaction is on a server",
    "status_flags": "with autocommit=0 a statement that failed may have begun"
                    " a transaction; READ ONLY of SET TRANSACTION and of chained ones is not"
                    " shown before their first statement; an EOF packet never says that the session's"
                    " state has changed",
    "prepared_control": "BEGIN, COMMIT and the like by EXECUTE, where its text cannot be known in"
                        " time: runs inside a branch (1399)",
    "begun_by_failure": "with autocommit=0 a statement that failed may have begun a transaction, amid"
                        " which SET TRANSACTION, or @@tx_isolation, fails (1568); @@in_transaction tells of it",
    "long_data": "where a parameter was a number, date or time before, a server takes an address of its"
                 " memory, or the value of before, for long data; Consort takes the data",
    "one_shot_program": "what SET TRANSACTION said of the next transaction is used up by a CALL, EXECUTE,"
                        " function, view or WITH, also by one that opens no table, and by SET GLOBAL",
    "waits": "neither side answers in time, and the recorder goes away: a server ends the statement that"
             " waited when it can, and commits it; through Consort it is rolled back",
    "purge": "a lock wait that ends in 1205 on one side only, not on fresh tables: what an earlier sequence"
             " has deleted stands in the pages until the server purges it, and a lock on the gap"
             " beside it ends there",
    "estimate": "Cardinality of SHOW INDEX and rows of EXPLAIN: estimates, which count what ANALYZE"
                " TABLE of an earlier sequence found of rows that were deleted and not yet purged",
    "serializable_snapshot": "a read at SERIALIZABLE behind WITH CONSISTENT SNAPSHOT: a server refuses"
                             " rows that are newer than its beginning (1020), Consort locks and shows"
                             " them",
    "serializable_program": "at SERIALIZABLE with autocommit=1 a procedure's reads, and those of PROCEDURE"
                            " ANALYSE, lock as in a transaction, as they are part of one",
    "unset_variable": "a @variable that has no value has another length in its column's definition where"
                      " a statement that failed has named it; Consort forgets that",
    "record_changed": "what a server calls a changed record (1020) is a deadlock (1213), which clients"
                      " know: either way the transaction is over",
}

_SETS_NEXT_TRANSACTION = re.compile(
    r"set\s+(transaction\b|.*@@(tx|transaction)_(isolation|read_only)\b)", re.I)
_EXCUSED_TEXTS = {"snapshot_warning": re.compile("consistent snapshot", re.I),
                  "found_rows": re.compile(r"found_rows\(\)", re.I),
                  "row_count": re.compile(r"row_count\b", re.I),
                  "kept_warnings": re.compile(r"show (warnings|errors|count)|(warning|error)_count"
                                              r"|get diagnostics", re.I)}

_REFUSAL_CODES = (1235, 1238)

# Where the sequences' GET DIAGNOSTICS puts what it finds.
_ASKED_DIAGNOSTICS = re.compile(r"select (@n|@m, @e)$", re.I)
_RUNS = r"\b(call|execute)\b|f_double|f_count"
# va is a view, which a sequence makes one of no table.
_USES_UP_NEXT = re.compile(_RUNS + r"|^set (global|@@global)\b|^with\b|\bva\b", re.I)
_RUNS_IN_A_BRANCH = re.compile(_RUNS + "|procedure analyse", re.I)
_NEXT_ACCESS = re.compile(r"set transaction read (only|write)|set (@@)?(tx|transaction)_read_only :?=", re.I)


_ROUTINE_ROW = re.compile(rb"(for column (?:``\.``\.`\w*`|'\w+') at row )\d+")


def same(step, plain, consort):
    """Are the replies equal?"""
    if plain == consort:
        return True
    if step.kind == "statistics":
        return len(plain) == len(consort)  # uptime and counters of one server
    if step.kind == "prepare":
        return list(map(_without_id, plain)) == list(map(_without_id, consort))
    if len(plain) == len(consort):
        plain, consort = list(map(_normalised, plain)), list(map(_normalised, consort))
        if plain == consort:
            return True
    if step.kind == "change_user":
        # How often the password is asked for is free.
        return list(map(_without_schema_change, plain[-1:])) == consort[-1:]
    return False


NO_ANSWER = "no answer within"


def timed_out(packets):
    """The reply did not come, or not to its end, before the player lost patience."""
    return any(isinstance(packet, str) and packet.startswith(NO_ANSWER) for packet in packets)


def unanswered(packets):
    """A text in place of a packet: the reply was cut short."""
    return any(isinstance(packet, str) for packet in packets)


def excuse(step, plain, consort, earlier=()):
    """The key of EXCUSES that covers the difference, or None. `earlier`: the steps before."""
    as_told = _without_id if step.kind == "prepare" else _normalised
    if len(plain) == len(consort) and (
            [_without_some_flags(as_told(packet)) for packet in plain]
            == [_without_some_flags(as_told(packet)) for packet in consort]):
        return "status_flags"
    for name, pattern in _EXCUSED_TEXTS.items():
        if pattern.search(step.text):
            return name
    if "@" in step.text and (list(map(_without_unset_length, plain))
                             == list(map(_without_unset_length, consort))):
        return "unset_variable"
    if "@@in_transaction" in step.text and not _autocommits(consort):
        return "begun_by_failure"
    if "@@" in step.text and (list(map(_without_changes, plain))
                              == list(map(_without_changes, consort))):
        return "unscoped_set"
    if any(one.kind == "execute" for one in (step, *earlier)) and (
            list(map(_without_schema_change, plain)) == list(map(_without_schema_change, consort))):
        return "prepared_elsewhere"
    if _is_error(plain[0], 1792) != _is_error(consort[0], 1792) and _used_up_by_program(earlier):
        return "one_shot_program"
    if step.text.startswith(("SHOW INDEX", "EXPLAIN")) and (
            list(map(_without_estimate, plain)) == list(map(_without_estimate, consort))):
        return "estimate"
    if _ASKED_DIAGNOSTICS.match(step.text) and any(
            one.text.startswith("GET DIAGNOSTICS") for one in earlier):
        return "kept_warnings"
    if _is_error(plain[-1], 1020) and _is_error(consort[-1], 1213) and plain[:-1] == consort[:-1]:
        return "record_changed"
    if _is_error(consort[-1], 1205) and _RUNS_IN_A_BRANCH.search(step.text) and any(
            "SERIALIZABLE" in one.text.upper() for one in earlier):
        return "serializable_program"
    if _is_error(plain[-1], 1020) and any(
            re.search("consistent snapshot", one.text, re.I) for one in earlier):
        return "serializable_snapshot"
    if step.text.startswith("PREPARE") or step.kind == "prepare":
        if plain[0][:3] == b"\xff" + (1792).to_bytes(2, "little"):
            return "read_only_prepare"
    if len(consort) == 1 and isinstance(consort[0], bytes) and consort[0][:1] == b"\xff":
        code = int.from_bytes(consort[0][1:3], "little")
        text = consort[0][9:]
        if code == 1568 and _SETS_NEXT_TRANSACTION.match(step.text):
            return "begun_by_failure"
        if code in _REFUSAL_CODES and (b"Consort" in text or b"directly" in text
                                       or b"SET GLOBAL" in text):
            return "refused"
        if code == 1399 and step.text.startswith(("EXECUTE", "BEGIN NOT")):
            return "prepared_control"
    return None


def waits_on_one_side(plain, consort):
    """Has exactly one of the replies ended because of a lock?"""
    return _is_error(plain[-1], 1205) != _is_error(consort[-1], 1205)


def _is_error(packet, code):
    return isinstance(packet, bytes) and packet[:3] == b"\xff" + code.to_bytes(2, "little")


def _without_estimate(packet):
    """A row of SHOW INDEX or EXPLAIN without the column that guesses; any other packet as it is."""
    fields = []
    try:
        cursor = wire.Cursor(packet)
        while cursor.left:
            fields.append(cursor.string())
    except (AssertionError, KeyError, TypeError):
        return packet
    at = {14: 6, 10: 8}.get(len(fields))  # Cardinality, rows
    return packet if at is None else fields[:at] + fields[at + 1:]


def _used_up_by_program(earlier):
    """Has a CALL, EXECUTE, function or view come after the last SET TRANSACTION READ ..?"""
    program = False
    for step in reversed(earlier):
        if _NEXT_ACCESS.match(step.text):
            return program
        program = program or step.kind == "execute" or bool(_USES_UP_NEXT.search(step.text))
    return False


def _normalised(packet):
    """Without what a server does not promise: the order in which an OK packet names the session's
    changed variables, and the row number of an error in a routine's arguments, which is that of
    whatever ran before."""
    if not isinstance(packet, bytes):
        return packet
    packet = _ROUTINE_ROW.sub(rb"\1", packet)  # an error, or a row that tells of one
    if packet[:1] in (b"\0", b"\xfe") and len(packet) > 12:
        try:
            return _with_sorted_changes(packet)
        except (AssertionError, IndexError, KeyError):
            pass
    return packet


def _with_sorted_changes(packet):
    cursor = wire.Cursor(packet, 1)
    cursor.lenenc()
    cursor.lenenc()
    cursor.take(4)
    cursor.string()
    head = packet[:cursor.at]
    changes = wire.Cursor(cursor.string())
    entries = []
    while changes.left:
        kind = changes.take(1)
        entries.append(kind + changes.string())
    assert not cursor.left
    return head + b"".join(sorted(entries))


def _without_schema_change(packet):
    # A server tells a client with session tracking the database it has just asked for; Consort does
    # not repeat it. With the error of a statement prepared elsewhere it comes behind the next OK.
    if isinstance(packet, bytes) and packet[:3] == b"\0\0\0" and len(packet) >= 7:
        status = int.from_bytes(packet[3:5], "little") & ~0x4000
        try:
            entries = [entry for entry in _changes(packet) if entry[:1] != b"\1"]
        except (AssertionError, IndexError, KeyError):
            entries = []
        return packet[:3] + status.to_bytes(2, "little") + packet[5:7] + b"".join(sorted(entries))
    return packet


def _without_changes(packet):
    if isinstance(packet, bytes) and packet[:3] == b"\0\0\0" and len(packet) >= 7:
        status = int.from_bytes(packet[3:5], "little") & ~0x4000
        return packet[:3] + status.to_bytes(2, "little") + packet[5:7]
    return packet


def _without_unset_length(packet):
    """Of the definition of a column that is a @variable without a value: binary, a LONG BLOB."""
    if not isinstance(packet, bytes):
        return packet
    return packet.replace(b"\x0c\x3f\0\xff\xff\xff\0\xfb", b"\x0c\x3f\0\0\0\0\x01\xfb")


def _changes(packet):
    """The session changes that an OK packet tells of, each with its type in front."""
    cursor = wire.Cursor(packet, 1)
    cursor.lenenc()
    cursor.lenenc()
    cursor.take(4)
    if not cursor.left:
        return []
    cursor.string()
    if not cursor.left:
        return []
    changes, entries = wire.Cursor(cursor.string()), []
    while changes.left:
        kind = changes.take(1)
        entries.append(kind + changes.string())
    return entries


def _autocommits(packets):
    """Does the EOF packet or OK packet in its place, the last, say autocommit?"""
    last = packets[-1] if packets else ""
    if not isinstance(last, bytes) or last[:1] != b"\xfe" or len(last) < 5:
        return True
    return bool(last[3] & 2)


def _without_some_flags(packet):
    if not isinstance(packet, bytes) or len(packet) < 5:
        return packet
    at = {(0xFE, 5): 3, (0xFE, 7): 3}.get((packet[0], len(packet)))
    if packet[:3] in (b"\0\0\0", b"\xfe\0\0") and len(packet) >= 7:
        at = 3  # an OK, perhaps with changes of the session
    if at is None:
        return packet
    status = int.from_bytes(packet[at:at + 2], "little") & ~0x6001
    return packet[:at] + status.to_bytes(2, "little") + packet[at + 2:]


def _without_id(packet):
    # A thread of the server goes on counting with its next connection; Consort begins with 1.
    if isinstance(packet, bytes) and packet[:1] == b"\0" and len(packet) == 12:
        return packet[5:]
    return packet


def describe(packets, capabilities, step):
    """The reply for people: one line per packet, with the bytes where the meaning is not plain."""
    lines = []
    deprecate_eof = bool(capabilities & wire.DEPRECATE_EOF)
    for number, packet in enumerate(packets, 1):
        lines.append(f"  {number}: " + (packet if isinstance(packet, str)
                                        else _describe(packet, deprecate_eof, step)))
    return "\n".join(lines) or "  (no reply)"


def _describe(packet, deprecate_eof, step):
    text = re.sub(rb"[^\x20-\x7e]", b".", packet).decode()
    raw = f"{packet[:120].hex()} |{text[:200]}|"
    try:
        if packet[:1] == b"\xff":
            return f"ERR {int.from_bytes(packet[1:3], 'little')} {text[3:]}"
        if packet[:1] == b"\xfe" and len(packet) == 5 and not deprecate_eof:
            return (f"EOF warnings={int.from_bytes(packet[1:3], 'little')}"
                    f" status={int.from_bytes(packet[3:5], 'little'):#06x}")
        ends = packet[:1] == b"\xfe" and deprecate_eof
        if ends or packet[:1] == b"\0" and step.kind != "prepare" and len(packet) >= 7:
            cursor = wire.Cursor(packet, 1)
            affected, insert_id = cursor.lenenc(), cursor.lenenc()
            status, warnings = cursor.integer(2), cursor.integer(2)
            return (f"{'EOF-OK' if ends else 'OK'} affected={affected} insert_id={insert_id}"
                    f" status={status:#06x} warnings={warnings} rest={packet[cursor.at:]!r}")
    except (AssertionError, IndexError, KeyError):
        pass
    return raw
