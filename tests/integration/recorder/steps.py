"""One thing a client does: what a sequence is made of.

A step names no ids of its own: a prepared statement goes by the label of the step that prepared it,
so that a sequence keeps its meaning when steps are taken out of it.
"""

import struct
from dataclasses import dataclass

from support import wire


@dataclass(frozen=True)
class Step:
    """`kind`: query, prepare, execute, reset_statement, close_statement, long_data, init_db, ping,
    statistics, reset_connection, change_user, field_list, set_option, raw, align: the plain
    server is to count AUTO_INCREMENT as the backend that is the session's home."""

    client: int  # which of the sequence's connections
    kind: str
    text: str = ""
    label: int = -1  # of the prepared statement; -1: an id that no statement has
    arguments: tuple = ()  # Parameter, of execute
    number: int = 0

    def __str__(self):
        parts = [f"client {self.client}: {self.kind}"]
        if self.label >= 0:
            parts.append(f"#{self.label}")
        if self.kind in ("set_option", "long_data"):
            parts.append(str(self.number))
        if self.text:
            parts.append(self.text)
        if self.arguments:
            parts.append("(" + ", ".join(map(str, self.arguments)) + ")")
        return " ".join(parts)

    @property
    def has_reply(self):
        return self.kind not in ("close_statement", "long_data")


@dataclass(frozen=True)
class Parameter:
    """A value of COM_STMT_EXECUTE as the wire has it; data None is NULL."""

    type: int
    data: bytes | None
    unsigned: bool = False

    @property
    def is_text(self):
        """As the server sorts types; NULL is one of them."""
        return self.type in (6, 15) or self.type >= 245 and self.type != 246

    def __str__(self):
        sign = " unsigned" if self.unsigned else ""
        return f"type {self.type}{sign} " + ("NULL" if self.data is None else self.data.hex())


def execute_payload(statement_id, arguments, cursor=0, parameters=None):
    """COM_STMT_EXECUTE without its command byte. `parameters`: how many the server expects, when
    it has told; with too few arguments the rest is NULL, surplus ones are left out."""
    payload = struct.pack("<IBI", statement_id, cursor, 1)
    if parameters is not None:
        missing = parameters - len(arguments)
        arguments = arguments[:parameters] + (Parameter(6, None),) * missing
    if not arguments:
        return payload
    nulls = bytearray((len(arguments) + 7) // 8)
    types, values = b"", b""
    for index, argument in enumerate(arguments):
        types += bytes([argument.type, 0x80 if argument.unsigned else 0])
        if argument.data is None:
            nulls[index // 8] |= 1 << index % 8
        else:
            values += argument.data
    return payload + bytes(nulls) + b"\1" + types + values


def text_parameter(data, kind=0xFD):
    return Parameter(kind, wire.lenenc_string(data))
