"""Wire: a small client of the MySQL protocol that shows every field and can also misbehave.

PyMySQL hides status flags, warnings counts and packet numbers and knows no binary protocol; the
tests compare exactly these. One object is one connection; blocking, with a time limit per read.
"""

import hashlib
import socket
import ssl
import struct
from dataclasses import dataclass, field

from . import auth_plugins
from .compressed import CompressedSocket

# Capability flags.
LONG_PASSWORD, FOUND_ROWS, LONG_FLAG, CONNECT_WITH_DB = 1, 2, 4, 8
COMPRESS, ZSTD_COMPRESSION = 0x20, 1 << 26
LOCAL_FILES, PROTOCOL_41, INTERACTIVE, SSL = 0x80, 0x200, 0x400, 0x800
TRANSACTIONS, SECURE_CONNECTION = 0x2000, 0x8000
MULTI_STATEMENTS, MULTI_RESULTS, PS_MULTI_RESULTS = 0x10000, 0x20000, 0x40000
PLUGIN_AUTH, CONNECT_ATTRS, SESSION_TRACK, DEPRECATE_EOF = 0x80000, 0x100000, 0x800000, 0x1000000
QUERY_ATTRIBUTES = 1 << 27  # MySQL's
# MariaDB's own, in a word of their own: only without LONG_PASSWORD.
PROGRESS, STMT_BULK, EXTENDED_METADATA, CACHE_METADATA = 1, 4, 8, 16
DEFAULT_CAPABILITIES = (LONG_PASSWORD | LONG_FLAG | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION
                        | MULTI_RESULTS | PS_MULTI_RESULTS | PLUGIN_AUTH)

# Commands.
COM_QUIT, COM_INIT_DB, COM_QUERY, COM_FIELD_LIST = 1, 2, 3, 4
COM_STATISTICS, COM_PROCESS_INFO, COM_PROCESS_KILL, COM_PING, COM_CHANGE_USER = 9, 10, 12, 14, 17
COM_STMT_PREPARE, COM_STMT_EXECUTE, COM_STMT_SEND_LONG_DATA = 22, 23, 24
COM_STMT_CLOSE, COM_STMT_RESET, COM_SET_OPTION, COM_STMT_FETCH = 25, 26, 27, 28
COM_RESET_CONNECTION, COM_STMT_BULK_EXECUTE = 31, 0xFA

# Server status flags.
STATUS_IN_TRANS, STATUS_AUTOCOMMIT, STATUS_MORE_RESULTS = 1, 2, 8
STATUS_IN_TRANS_READONLY = 0x2000

CHUNK_MAX = 0xFFFFFF

# As an argument of an execution: its value came before, as long data.
LONG_DATA = object()


class ServerError(Exception):
    """An ERR packet."""

    def __init__(self, code, state, message):
        super().__init__(f"ERROR {code} ({state}): {message}")
        self.code, self.state, self.message = code, state, message


class Closed(Exception):
    """The other side ended the connection."""


def code_of(call):
    """0, the code of the ERR packet that `call` got, or "closed"."""
    try:
        call()
        return 0
    except ServerError as error:
        return error.code
    except Closed:
        return "closed"


class SequenceError(Exception):
    """A packet came with an unexpected number."""


@dataclass
class Column:
    """What a column definition packet says."""

    schema: str
    table: str
    name: str
    charset: int
    length: int
    type: int
    flags: int
    decimals: int


@dataclass
class Reply:
    """One result: either an OK (columns is None) or rows."""

    affected: int = 0
    insert_id: int = 0
    status: int = 0
    warnings: int = 0
    info: str = ""
    columns: list | None = None
    rows: list = field(default_factory=list)

    @property
    def in_transaction(self):
        return bool(self.status & STATUS_IN_TRANS)

    @property
    def autocommit(self):
        return bool(self.status & STATUS_AUTOCOMMIT)


@dataclass
class Statement:
    """A prepared statement as COM_STMT_PREPARE described it."""

    id: int
    columns: int
    params: int
    warnings: int
    described: list | None = None  # its columns, as told last
    told: int = 0  # how often an execution has told them


def native_scramble(password, nonce):
    """The answer of mysql_native_password to a 20-byte challenge."""
    if not password:
        return b""
    stage1 = hashlib.sha1(password.encode()).digest()
    stage2 = hashlib.sha1(stage1).digest()
    mask = hashlib.sha1(nonce[:20] + stage2).digest()
    return bytes(a ^ b for a, b in zip(stage1, mask))


def lenenc(number):
    """A length-encoded integer."""
    if number < 251:
        return bytes([number])
    if number < 1 << 16:
        return b"\xfc" + struct.pack("<H", number)
    if number < 1 << 24:
        return b"\xfd" + struct.pack("<I", number)[:3]
    return b"\xfe" + struct.pack("<Q", number)


def lenenc_string(data):
    return lenenc(len(data)) + data


class Cursor:
    """Reads fields from one payload."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, count):
        piece = bytes(self.data[self.at:self.at + count])
        assert len(piece) == count, "the packet ends inside a field"
        self.at += count
        return piece

    def integer(self, size):
        return int.from_bytes(self.take(size), "little")

    def lenenc(self):
        first = self.integer(1)
        if first < 251:
            return first
        if first == 251:
            return None
        return self.integer({252: 2, 253: 3, 254: 8}[first])

    def string(self):
        size = self.lenenc()
        return None if size is None else self.take(size)

    def until_zero(self):
        end = self.data.index(b"\0", self.at)
        piece = bytes(self.data[self.at:end])
        self.at = end + 1
        return piece

    def rest(self):
        return self.take(len(self.data) - self.at)

    @property
    def left(self):
        return len(self.data) - self.at


class Wire:
    """One connection. Methods raise ServerError for ERR packets, Closed when the peer leaves."""

    def __init__(self, port, host="127.0.0.1", timeout=30.0, receive_buffer=None, tls=None,
                 unix=None, source=None, compress=None, before=b""):
        """`tls`: an ssl.SSLContext; login() then goes through it. `unix`: a socket's path, in the
        place of host and port. `source`: the own address. `compress`: "zlib" or "zstd", from the
        login on. `before`: bytes that are sent before anything else, such as a PROXY header."""
        family = socket.AF_UNIX if unix else socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(unix or (host, port))
        if not unix:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if before:
            self.socket.sendall(before)
        self._host, self._tls, self._compress = host, tls, compress
        self.zstd_level = 3
        self._buffer = bytearray()
        self._start = 0
        self.sequence = 0
        self.capabilities = DEFAULT_CAPABILITIES
        self.greeting = None
        self.extended = self.server_extended = 0
        self.server_version = self.nonce = self.plugin = None
        self.attributes = {}  # of every query and execution, with QUERY_ATTRIBUTES
        self.asked = []  # plugins, at the last login
        self.connection_id = self.server_capabilities = self.greeting_status = 0

    # ---- bytes and packets -------------------------------------------------------------------

    def _fill(self, size):
        while len(self._buffer) - self._start < size:
            if self._start > 1 << 16:
                del self._buffer[:self._start]
                self._start = 0
            try:
                piece = self.socket.recv(1 << 18)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
                piece = b""
            if not piece:
                raise Closed("the connection was closed")
            self._buffer += piece

    def peek_sequence(self):
        """The number of the packet that comes next."""
        self._fill(4)
        return self._buffer[self._start + 3]

    def read_packet(self):
        """One logical packet (joined from its chunks); checks the packet numbers."""
        parts = []
        while True:
            self._fill(4)
            at = self._start
            size = self._buffer[at] | self._buffer[at + 1] << 8 | self._buffer[at + 2] << 16
            number = self._buffer[at + 3]
            if number != self.sequence:
                raise SequenceError(f"packet {number} where {self.sequence} was due")
            self.sequence = (number + 1) & 0xFF
            self._fill(4 + size)
            parts.append(bytes(self._buffer[self._start + 4:self._start + 4 + size]))
            self._start += 4 + size
            if self._start == len(self._buffer):
                self._buffer.clear()
                self._start = 0
            if size < CHUNK_MAX:
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def send_raw(self, data):
        """Bytes exactly as given."""
        try:
            self.socket.sendall(data)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
            raise Closed("the connection was closed") from None

    def ssl_request(self):
        """The packet that asks for TLS: the head of a login."""
        capabilities = self.capabilities | SSL
        return struct.pack("<IIB23x", capabilities, 1 << 30, 45)

    def start_tls(self, context):
        """Everything after this goes through TLS."""
        self.send_packet(self.ssl_request())
        assert self._start == len(self._buffer), "bytes where TLS was due"
        self.socket = context.wrap_socket(self.socket, server_hostname=self._host)

    def frame(self, payload, sequence=None):
        """The payload with its packet headers, cut at 16 MiB."""
        if sequence is not None:
            self.sequence = sequence
        out = []
        at = 0
        while True:
            chunk = payload[at:at + CHUNK_MAX]
            out.append(struct.pack("<I", len(chunk))[:3] + bytes([self.sequence]) + chunk)
            self.sequence = (self.sequence + 1) & 0xFF
            at += len(chunk)
            if len(chunk) < CHUNK_MAX:
                return b"".join(out)

    def send_packet(self, payload, sequence=None):
        self.send_raw(self.frame(payload, sequence))

    def command(self, command, payload=b""):
        """Starts a new command: its packet has number 0."""
        if isinstance(self.socket, CompressedSocket):
            self.socket.begin_command()
        if command == COM_QUERY and self._has_attributes:
            nulls, types, values = _bound([(name.encode(), value)
                                           for name, value in self.attributes.items()])
            block = nulls + b"\1" + types + values if self.attributes else b""
            payload = lenenc(len(self.attributes)) + b"\1" + block + payload
        self.send_packet(bytes([command]) + payload, sequence=0)

    @property
    def _has_attributes(self):
        return bool(self.capabilities & QUERY_ATTRIBUTES)

    def close(self):
        self.socket.close()

    def quit(self):
        """COM_QUIT, then the end."""
        try:
            self.command(COM_QUIT)
        except Closed:
            pass
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- login -------------------------------------------------------------------------------

    def read_greeting(self):
        """The server's first packet; ServerError when it refuses at once."""
        packet = self.read_packet()
        self._raise_if_error(packet)
        self.greeting = packet
        cursor = Cursor(packet)
        version = cursor.integer(1)
        assert version == 10, f"handshake version {version}"
        self.server_version = cursor.until_zero().decode()
        self.connection_id = cursor.integer(4)
        nonce = cursor.take(8)
        cursor.take(1)
        self.server_capabilities = cursor.integer(2)
        self.greeting_collation = cursor.integer(1)
        self.greeting_status = cursor.integer(2)
        self.server_capabilities |= cursor.integer(2) << 16
        nonce_size = cursor.integer(1)
        cursor.take(6)
        self.server_extended = cursor.integer(4)
        nonce += cursor.take(max(13, nonce_size - 8))[:12]
        self.nonce = nonce
        self.plugin = cursor.until_zero().decode() if cursor.left else "mysql_native_password"
        return self

    def login(self, user, password, database=None, capabilities=0, plugin=None, collation=45,
              extended=0):
        """The whole handshake. `plugin` pretends to be another one, to provoke an auth switch.
        `extended`: MariaDB's own capabilities."""
        if self.greeting is None:
            self.read_greeting()
        self.capabilities = (DEFAULT_CAPABILITIES | capabilities) & (
            self.server_capabilities | 0xFF000000 | PLUGIN_AUTH)
        if database is not None:
            self.capabilities |= CONNECT_WITH_DB
        if self._compress is not None:
            wanted = COMPRESS if self._compress == "zlib" else ZSTD_COMPRESSION
            assert self.server_capabilities & wanted, f"{self._compress} is not offered"
            self.capabilities |= wanted
        if self._tls is not None:
            self.capabilities |= SSL
            self.start_tls(self._tls)
        answer = native_scramble(password, self.nonce) if plugin is None else b""
        if extended:
            self.capabilities &= ~LONG_PASSWORD
        self.extended = extended & self.server_extended
        payload = struct.pack("<IIB19xI", self.capabilities, 1 << 30, collation, self.extended)
        payload += user.encode() + b"\0" + bytes([len(answer)]) + answer
        if database is not None:
            payload += database.encode() + b"\0"
        payload += (plugin or "mysql_native_password").encode() + b"\0"
        if self._compress == "zstd":
            payload += bytes([self.zstd_level])
        self.send_packet(payload)
        self._finish_login(password)
        if self._compress is not None:
            self.socket = CompressedSocket(self.socket, self._compress)
        return self

    def _finish_login(self, password):
        """Answers whatever plugin is asked for; `asked` remembers which."""
        self.asked = []
        packet = self.read_packet()
        while packet[0] == 0xFE:
            cursor = Cursor(packet, 1)
            plugin, data = cursor.until_zero().decode(), cursor.rest()
            self.asked.append(plugin)
            packet = self.answer_plugin(plugin, data, password)
        self._raise_if_error(packet)
        assert packet[0] == 0, f"a login ends with OK or ERR, not {packet[:1].hex()}"
        return self._ok(packet)

    def answer_plugin(self, plugin, data, password):
        """The packet behind the plugin's dialogue."""
        clear = password.encode() + b"\0"
        if plugin == "mysql_native_password":
            self.send_packet(native_scramble(password, data[:20]))
        elif plugin == "client_ed25519":
            assert len(data) == 32, data
            self.send_packet(auth_plugins.ed25519_answer(password, data))
        elif plugin == "mysql_clear_password":
            assert self._is_safe, "the password in the clear"
            self.send_packet(clear)
        elif plugin == "sha256_password":  # MySQL asks so, now and then, for who does not exist
            if password and not self._is_safe:
                self._send_encrypted(password, data[:20], b"\1")
            else:
                self.send_packet(clear)
        else:
            assert plugin == "caching_sha2_password", f"asked for {plugin}"
            self.send_packet(auth_plugins.sha2_answer(password, data[:20]) if password else b"\0")
            packet = self.read_packet()
            if packet[0] != 1:
                return packet
            self.asked.append({3: "fast", 4: "full"}[packet[1]])
            if packet[1] == 4 and self._is_safe:
                self.send_packet(clear)
            elif packet[1] == 4:
                self._send_encrypted(password, data[:20], b"\2")
        return self.read_packet()

    @property
    def _is_safe(self):
        """Nobody else can read what is sent."""
        return self._tls or self.socket.family == socket.AF_UNIX

    def _send_encrypted(self, password, nonce, question):
        """The password for the other side's public key, which `question` asks for."""
        self.send_packet(question)
        key = self.read_packet()
        assert key[:1] == b"\1", f"a public key was due, not {key[:20]}"
        self.send_packet(auth_plugins.sha2_encrypted(password, nonce, key[1:]))

    # ---- replies -----------------------------------------------------------------------------

    @staticmethod
    def _raise_if_error(packet):
        if packet[0] != 0xFF:
            return
        code = int.from_bytes(packet[1:3], "little")
        if packet[3:4] == b"#":
            raise ServerError(code, packet[4:9].decode(), packet[9:].decode("utf-8", "replace"))
        raise ServerError(code, "", packet[3:].decode("utf-8", "replace"))

    def _ok(self, packet):
        cursor = Cursor(packet, 1)
        reply = Reply(affected=cursor.lenenc(), insert_id=cursor.lenenc())
        reply.status = cursor.integer(2)
        reply.warnings = cursor.integer(2)
        reply.info = (cursor.string() or b"").decode("utf-8", "replace") if cursor.left else ""
        return reply

    def read_ok(self):
        packet = self.read_packet()
        self._raise_if_error(packet)
        assert packet[0] == 0, f"OK was due, not {packet[:20].hex()}"
        return self._ok(packet)

    def _is_end(self, packet):
        return packet[0] == 0xFE and len(packet) < (CHUNK_MAX if self._no_eof else 9)

    @property
    def _no_eof(self):
        return bool(self.capabilities & DEPRECATE_EOF)

    def _take_end(self, packet, reply):
        if self._no_eof:
            end = self._ok(packet)
            reply.warnings, reply.status = end.warnings, end.status
        else:
            reply.warnings, reply.status = struct.unpack_from("<HH", packet, 1)

    def _column(self, packet):
        cursor = Cursor(packet)
        cursor.string()
        schema, table = cursor.string(), cursor.string()
        cursor.string()
        name = cursor.string()
        cursor.string()
        if self.extended & EXTENDED_METADATA:
            cursor.string()
        cursor.lenenc()
        return Column(schema.decode(), table.decode(), name.decode("utf-8", "replace"),
                      cursor.integer(2), cursor.integer(4), cursor.integer(1), cursor.integer(2),
                      cursor.integer(1))

    def read_reply(self, on_row=None, binary=False, statement=None):
        """One OK or result set. on_row(bytes) takes raw rows instead of collecting them.
        `statement`: that was executed; its columns count as described where they are not told."""
        packet = self.read_packet()
        self._raise_if_error(packet)
        if packet[0] == 0:
            return self._ok(packet)
        assert packet[0] != 0xFB, "LOCAL INFILE was asked for"
        cursor = Cursor(packet)
        count = cursor.lenenc()
        if self.extended & CACHE_METADATA and not cursor.integer(1):
            columns = statement.described
            assert len(columns) == count, (columns, count)
        else:
            columns = [self._column(self.read_packet()) for _ in range(count)]
            if statement is not None:
                statement.described, statement.told = columns, statement.told + 1
        assert cursor.left == 0, packet
        reply = Reply(columns=columns)
        if not self._no_eof:
            end = self.read_packet()
            assert self._is_end(end), "the columns' EOF is missing"
        while True:
            packet = self.read_packet()
            self._raise_if_error(packet)
            if self._is_end(packet):
                self._take_end(packet, reply)
                return reply
            if on_row is not None:
                on_row(packet)
            else:
                reply.rows.append(self._binary_row(packet, columns) if binary
                                  else self._text_row(packet, count))

    @staticmethod
    def _text_row(packet, count):
        cursor = Cursor(packet)
        return tuple(cursor.string() for _ in range(count))

    @staticmethod
    def _binary_row(packet, columns):
        count = len(columns)
        nulls = packet[1:1 + (count + 9) // 8]
        cursor = Cursor(packet, 1 + len(nulls))
        row = []
        for index, column in enumerate(columns):
            if nulls[(index + 2) // 8] >> ((index + 2) % 8) & 1:
                row.append(None)
            else:
                row.append(_binary_value(cursor, column))
        return tuple(row)

    def read_all_replies(self):
        """Every result of a statement that has several."""
        replies = [self.read_reply()]
        while replies[-1].status & STATUS_MORE_RESULTS:
            replies.append(self.read_reply())
        return replies

    # ---- commands ----------------------------------------------------------------------------

    def query(self, sql, on_row=None):
        """COM_QUERY with one result."""
        self.command(COM_QUERY, sql if isinstance(sql, bytes) else sql.encode())
        return self.read_reply(on_row)

    def load(self, sql, pieces):
        """LOAD DATA LOCAL: `pieces` become the packets of the file. Asserts that it was asked for."""
        self.begin_load(sql)
        for piece in pieces:
            self.send_packet(piece)
        self.send_packet(b"")
        return self.read_reply()

    def begin_load(self, sql):
        """Up to the server's question for the file, whose name it returns."""
        self.command(COM_QUERY, sql.encode())
        packet = self.read_packet()
        self._raise_if_error(packet)
        assert packet[0] == 0xFB, f"LOCAL INFILE was due, not {packet[:20].hex()}"
        return packet[1:].decode()

    def query_all(self, sql):
        """COM_QUERY with all its results."""
        self.command(COM_QUERY, sql.encode())
        return self.read_all_replies()

    def error_of(self, sql):
        """What the statement fails with: number and SQLSTATE."""
        try:
            self.query(sql)
        except ServerError as failed:
            return failed.code, failed.state
        raise AssertionError(f"no error: {sql}")

    def value(self, sql):
        """The first column of the first row, as text."""
        rows = self.query(sql).rows
        if not rows or rows[0][0] is None:
            return None
        return rows[0][0].decode()

    def ping(self):
        self.command(COM_PING)
        return self.read_ok()

    def process_kill(self, connection_id):
        self.command(COM_PROCESS_KILL, struct.pack("<I", connection_id))
        return self.read_ok()

    def init_db(self, name):
        self.command(COM_INIT_DB, name.encode())
        return self.read_ok()

    def reset_connection(self):
        self.command(COM_RESET_CONNECTION)
        return self.read_ok()

    def change_user(self, user, password, database=""):
        """COM_CHANGE_USER; the server usually asks again with a fresh challenge."""
        answer = native_scramble(password, self.nonce)
        payload = user.encode() + b"\0" + bytes([len(answer)]) + answer + database.encode() + b"\0"
        payload += struct.pack("<H", 45) + b"mysql_native_password\0"
        self.command(COM_CHANGE_USER, payload)
        return self._finish_login(password)

    def prepare(self, sql):
        """COM_STMT_PREPARE."""
        self.command(COM_STMT_PREPARE, sql.encode())
        packet = self.read_packet()
        self._raise_if_error(packet)
        number, columns, params, warnings = struct.unpack_from("<IHHxH", packet, 1)
        described = []
        for count in (params, columns):
            described = [self._column(self.read_packet()) for _ in range(count)]
            if count and not self._no_eof:
                assert self._is_end(self.read_packet())
        return Statement(number, columns, params, warnings, described)

    def execute(self, statement, args=(), on_row=None):
        """COM_STMT_EXECUTE with int, float, str, bytes, LONG_DATA or None arguments."""
        self.send_execute(statement, args)
        return self.read_reply(on_row, binary=True, statement=statement)

    def send_execute(self, statement, args=(), types_sent_before=False):
        """`types_sent_before`: as client libraries do from the second execution on."""
        named = self._has_attributes  # then a parameter's type has its name behind it
        bound = [(b"" if named else None, arg) for arg in args[:statement.params]]
        if named:
            bound += [(name.encode(), value) for name, value in self.attributes.items()]
        payload = struct.pack("<IBI", statement.id, 8 if named else 0, 1)
        payload += lenenc(len(bound)) if named else b""
        if bound:
            nulls, types, values = _bound(bound)
            payload += nulls + (b"\0" if types_sent_before else b"\1" + types) + values
        self.command(COM_STMT_EXECUTE, payload)

    def send_long_data(self, statement, index, data):
        self.command(COM_STMT_SEND_LONG_DATA, struct.pack("<IH", statement.id, index) + data)

    def close_statement(self, statement):
        """COM_STMT_CLOSE has no answer."""
        self.command(COM_STMT_CLOSE, struct.pack("<I", statement.id))

    def reset_statement(self, statement):
        self.command(COM_STMT_RESET, struct.pack("<I", statement.id))
        return self.read_ok()


def _bound(named):
    """NULL bitmap, types and values of pairs of a name, or None without, and a value."""
    nulls = bytearray((len(named) + 7) // 8)
    types, values = b"", b""
    for index, (name, arg) in enumerate(named):
        if arg is None:
            nulls[index // 8] |= 1 << index % 8
            types += b"\x06\0"
        elif arg is LONG_DATA:
            types += b"\xfc\0"
        elif isinstance(arg, int):
            types += b"\x08\0"
            values += struct.pack("<q", arg)
        elif isinstance(arg, float):
            types += b"\x05\0"
            values += struct.pack("<d", arg)
        else:
            types += b"\xfd\0"
            values += lenenc_string(arg.encode() if isinstance(arg, str) else arg)
        types += b"" if name is None else lenenc_string(name)
    return bytes(nulls), types, values


_INTEGER_BYTES = {1: 1, 2: 2, 13: 2, 3: 4, 9: 4, 8: 8}


def _binary_value(cursor, column):
    if column.type in _INTEGER_BYTES:
        signed = not column.flags & 32
        return int.from_bytes(cursor.take(_INTEGER_BYTES[column.type]), "little", signed=signed)
    if column.type == 4:
        return struct.unpack("<f", cursor.take(4))[0]
    if column.type == 5:
        return struct.unpack("<d", cursor.take(8))[0]
    # Dates and times have a one-byte length, the rest a length-encoded string: the same bytes here.
    return cursor.string()


def connect(port, user, password, database=None, **options):
    """A logged-in Wire."""
    login = {key: options.pop(key) for key in ("capabilities", "plugin", "collation", "extended")
             if key in options}
    wire = Wire(port, **options)
    try:
        return wire.login(user, password, database, **login)
    except BaseException:
        wire.close()
        raise
