"""Player: one side of a recording. Sends a step and reads the packets of its reply as they come."""

import struct

from support import wire
from support.private_server import APP_PASSWORD, APP_USER

from .comparison import NO_ANSWER
from .steps import execute_payload

# An id that no statement has.
_NO_STATEMENT = 0x00FFFFFF

_OK, _EOF, _ERR, _LOCAL_INFILE = 0x00, 0xFE, 0xFF, 0xFB


class Player:
    """The connections of one sequence to one address."""

    def __init__(self, port, capabilities, timeout=30):
        self._port, self._capabilities, self._timeout = port, capabilities, timeout
        self._clients = {}
        self._statements = {}  # (client, label) -> (id, parameters)
        self._greetings = {}

    def quit(self):
        """Says goodbye on every connection; close() waits until the server has seen it."""
        for client in filter(None, self._clients.values()):
            try:
                client.command(wire.COM_QUIT)
            except (wire.Closed, OSError):
                pass

    def close(self):
        """REQUIRES: quit()."""
        for client in filter(None, self._clients.values()):
            try:
                while client.socket.recv(4096):
                    pass
            except (wire.Closed, OSError):
                pass
            client.close()
        self._clients.clear()
        self._statements.clear()

    def send(self, step):
        """REQUIRES: the reply to the step before, on the same connection, was read."""
        client = self._client(step.client)
        if client is None:
            return
        command, payload = self._command(step)
        try:
            client.command(command, payload)
        except (wire.Closed, OSError):
            pass  # the reading finds out

    def ask_home(self, number):
        """The session's home, as its @@server_id; 0 when it cannot be asked."""
        client = self._client(number)
        if client is None:
            return 0
        for sql in ("BEGIN", "SELECT @@server_id", "ROLLBACK"):
            reply = client.query(sql)
            home = int(reply.rows[0][0]) if reply.rows else 0
            result = home or (result if sql == "ROLLBACK" else 0)
        return result

    def count_as(self, number, home):
        """AUTO_INCREMENT as that backend would; leaves the session as ask_home() does."""
        client = self._client(number)
        if client is not None:
            for sql in ("BEGIN", f"SET auto_increment_offset = {home}", "SELECT @@server_id",
                        "ROLLBACK"):
                client.query(sql)

    def receive(self, step):
        """The packets of the reply, as payloads; what ended the reading, as text, if it was cut."""
        if not step.has_reply:
            return []
        client = self._clients.get(step.client)
        if client is None:
            return ["closed"]
        packets = []
        try:
            self._read(client, step, packets)
        except (wire.Closed, ConnectionError):
            self._drop(step.client)
            packets.append("closed")
        except TimeoutError:
            self._drop(step.client)
            packets.append(f"{NO_ANSWER} {self._timeout} s")
        except wire.SequenceError as error:
            self._drop(step.client)
            packets.append(str(error))
        return packets

    def _drop(self, number):
        self._clients[number].close()
        self._clients[number] = None

    def _client(self, number):
        if number not in self._clients:
            client = wire.Wire(self._port, timeout=self._timeout)
            self._clients[number] = client
            try:
                client.login(APP_USER, APP_PASSWORD, "r",
                             capabilities=self._capabilities)
            except wire.ServerError as error:
                raise AssertionError(f"login at port {self._port}: {error}") from None
        return self._clients[number]

    def _statement(self, step):
        return self._statements.get((step.client, step.label), (_NO_STATEMENT, None))

    def _command(self, step):
        text = step.text.encode("utf-8", "surrogateescape")
        if step.kind == "query":
            return wire.COM_QUERY, text
        if step.kind == "prepare":
            return wire.COM_STMT_PREPARE, text
        if step.kind == "execute":
            number, parameters = self._statement(step)
            return wire.COM_STMT_EXECUTE, execute_payload(number, step.arguments, step.number,
                                                          parameters)
        if step.kind == "reset_statement":
            return wire.COM_STMT_RESET, struct.pack("<I", self._statement(step)[0])
        if step.kind == "close_statement":
            number, _ = self._statements.pop((step.client, step.label), (_NO_STATEMENT, None))
            return wire.COM_STMT_CLOSE, struct.pack("<I", number)
        if step.kind == "long_data":
            return wire.COM_STMT_SEND_LONG_DATA, (
                struct.pack("<IH", self._statement(step)[0], step.number) + text)
        if step.kind == "init_db":
            return wire.COM_INIT_DB, text
        if step.kind == "field_list":
            return wire.COM_FIELD_LIST, text + b"\0"
        if step.kind == "set_option":
            return wire.COM_SET_OPTION, struct.pack("<H", step.number)
        if step.kind == "change_user":
            return wire.COM_CHANGE_USER, self._change_user(step)
        if step.kind == "raw":
            return step.number, text
        return {"ping": wire.COM_PING, "statistics": wire.COM_STATISTICS,
                "reset_connection": wire.COM_RESET_CONNECTION}[step.kind], b""

    def _change_user(self, step):
        client = self._clients[step.client]
        password = APP_PASSWORD if step.number == 0 else "wrong"
        answer = wire.native_scramble(password, client.nonce)
        return (APP_USER.encode() + b"\0" + bytes([len(answer)]) + answer + step.text.encode()
                + b"\0" + struct.pack("<H", 45) + b"mysql_native_password\0")

    # ---- replies -----------------------------------------------------------------------------

    def _read(self, client, step, packets):
        def next_packet():
            packets.append(client.read_packet())
            return packets[-1]

        if step.kind == "statistics":
            next_packet()
        elif step.kind == "prepare":
            self._read_prepared(client, step, next_packet)
        elif step.kind == "change_user":
            self._read_login(client, step, packets, next_packet)
        elif step.kind == "field_list":
            while next_packet()[0] not in (_EOF, _ERR):
                pass
        else:
            self._read_results(client, next_packet)
        if step.kind in ("reset_connection", "change_user") and packets[-1][0] == _OK:
            for key in [key for key in self._statements if key[0] == step.client]:
                del self._statements[key]

    def _read_prepared(self, client, step, next_packet):
        self._statements.pop((step.client, step.label), None)
        first = next_packet()
        if first[0] != _OK:
            return
        number, columns, parameters = struct.unpack_from("<IHH", first, 1)
        self._statements[step.client, step.label] = number, parameters
        for count in (parameters, columns):
            for _ in range(count):
                next_packet()
            if count and not client.capabilities & wire.DEPRECATE_EOF:
                next_packet()

    @staticmethod
    def _read_login(client, step, packets, next_packet):
        packet = next_packet()
        if packet[0] == _EOF:
            cursor = wire.Cursor(packet, 1)
            plugin, client.nonce = cursor.until_zero().decode(), cursor.rest()[:20]
            password = APP_PASSWORD if step.number == 0 else "wrong"
            packets.append(client.answer_plugin(plugin, client.nonce, password))

    @staticmethod
    def _read_results(client, next_packet):
        deprecate_eof = bool(client.capabilities & wire.DEPRECATE_EOF)
        more = True
        while more:
            packet = next_packet()
            if packet[0] == _ERR:
                return
            if packet[0] == _LOCAL_INFILE:
                client.send_packet(b"")
                packet = next_packet()
                if packet[0] == _ERR:
                    return
            if packet[0] != _OK:
                for _ in range(wire.Cursor(packet).lenenc()):
                    next_packet()
                if not deprecate_eof:
                    next_packet()
                packet = next_packet()
                while not (packet[0] == _EOF and len(packet) < (0xFFFFFF if deprecate_eof else 9)):
                    if packet[0] == _ERR:
                        return
                    packet = next_packet()
            more = bool(status_of(packet, deprecate_eof) & wire.STATUS_MORE_RESULTS)


def status_of(packet, deprecate_eof):
    """The status flags of an OK or EOF packet."""
    if packet[0] == _EOF and not deprecate_eof:
        return int.from_bytes(packet[3:5], "little")
    cursor = wire.Cursor(packet, 1)
    cursor.lenenc()
    cursor.lenenc()
    return cursor.integer(2)
