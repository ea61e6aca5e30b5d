"""CuttingRelay: stands between a client and Consort and lets a counted number of the client's bytes
through; then the connection ends in one of several ways. What a client does, whatever it is made
of, can so be cut at each byte."""

import select
import socket
import struct
import threading

# The ways to end: closed, reset, half-closed (Consort may still answer), or silent for ever.
CLOSE, RESET, SHUT, SILENT = "close", "reset", "shut", "silent"
WAYS = (CLOSE, RESET, SHUT, SILENT)


class CuttingRelay:
    """One client at a time. `kept` are connections to Consort that stay open, silent."""

    def __init__(self, port):
        self.port = port
        self.limit, self.way = None, CLOSE
        self.passed = 0  # bytes of the last client's that went through
        self.kept = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.listen_port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._idle = threading.Event()
        self._idle.set()

    def run(self, client, limit=None, way=CLOSE):
        """Calls client(port); at most `limit` of its bytes pass. How many did; what the client says
        of its end is of no interest."""
        self.limit, self.way, self.passed = limit, way, 0
        self._idle.clear()
        try:
            client(self.listen_port)
        except Exception:  # pylint: disable=broad-except
            if limit is None:
                raise
        if not self._idle.wait(20):
            raise AssertionError(f"the relay still works, {limit} bytes, {way}")
        return self.passed

    def release(self):
        """Closes what was kept."""
        for connection in self.kept:
            connection.close()
        self.kept.clear()

    def close(self):
        self.release()
        self._listening.close()

    def _serve(self):
        while True:
            try:
                client = self._listening.accept()[0]
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._relay(client, server)
            except OSError:
                pass
            client.close()
            if self.way == SILENT and self._cut():
                self.kept.append(server)
            else:
                server.close()
            self._idle.set()

    def _cut(self):
        return self.limit is not None and self.passed >= self.limit

    def _relay(self, client, server):
        while not self._cut():
            for end in select.select([client, server], [], [])[0]:
                data = end.recv(1 << 16)
                if not data:
                    return
                if end is server:
                    client.sendall(data)
                    continue
                if self.limit is not None:
                    data = data[:self.limit - self.passed]
                server.sendall(data)
                self.passed += len(data)
        if self.way == RESET:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif self.way == SHUT:
            server.shutdown(socket.SHUT_WR)
            server.settimeout(10)
            while server.recv(1 << 16):
                pass
