"""LosingRelay: stands between Consort and one server and loses the connection on which a certain
text is sent: before the server has it, or when the server has answered it."""

import select
import socket
import threading

BEFORE, AFTER = "before", "after"


class Trap:
    """What a cluster's relays wait for. The first one that sees `text` takes it."""

    def __init__(self):
        self._lock = threading.Lock()
        self._text = self._when = None
        self._meanwhile = None
        self.sprung = threading.Event()
        self.relay = None  # that took it

    def set(self, text, when, meanwhile=None):
        """`meanwhile`: called with the relay before the connection is lost."""
        with self._lock:
            self._text, self._when, self._meanwhile = text.encode(), when, meanwhile
            self.sprung.clear()
            self.relay = None

    def take(self, data, relay):
        """When to lose the connection on which Consort sends `data`; None: not now."""
        with self._lock:
            if self._text is None or self._text not in data:
                return None
            self._text = None
            self.relay = relay
            return self._when

    def lose(self):
        if self._meanwhile is not None:
            self._meanwhile(self.relay)
        self.sprung.set()


class LosingRelay:
    def __init__(self, server, trap):
        self.server, self.trap = server, trap
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._listening.close()

    def _serve(self):
        while True:
            try:
                consort = self._listening.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._relay, args=(consort,), daemon=True).start()

    def _relay(self, consort):
        try:
            with consort, socket.create_connection(("127.0.0.1", self.server.port)) as server:
                for end in (consort, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pass_on(consort, server)
        except OSError:
            pass

    def _pass_on(self, consort, server):
        while True:
            for end in select.select([consort, server], [], [])[0]:
                data = end.recv(1 << 16)
                if not data:
                    return
                if end is server:
                    consort.sendall(data)
                    continue
                when = self.trap.take(data, self)
                if when != BEFORE:
                    server.sendall(data)
                if when == AFTER:
                    server.recv(1 << 16)
                if when:
                    self.trap.lose()
                    return
