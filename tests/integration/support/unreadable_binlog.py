"""UnreadableBinlogs: a cluster whose servers cannot send row events that hold a certain text, as they
cannot send events of more than 1 GiB: a reader that comes to one gets error 1236, each time anew."""

import select
import socket
import threading

from .cluster import Cluster

COM_BINLOG_DUMP = 0x12
ROW_EVENTS = range(23, 26)  # of MariaDB: rows written, updated, deleted
EVENT_TYPE = 5  # where it stands in a packet, behind the OK byte and the time
ERROR = (b"\xff" + (1236).to_bytes(2, "little") + b"#HY000log event entry exceeded max_allowed_packet; "
         b"Increase max_allowed_packet on master")


class UnreadableBinlogs(Cluster):
    """`told`: how often a reader was told so."""

    def __init__(self, context, text):
        super().__init__(context, start=False)
        self.text, self.told = text.encode(), 0
        self._listening = []
        for server, backend in zip(self.servers, self.consort.config["backends"]):
            listening = socket.create_server(("127.0.0.1", 0), backlog=128)
            self._listening.append(listening)
            backend["port"] = listening.getsockname()[1]
            threading.Thread(target=self._serve, args=(listening, server), daemon=True).start()
        self.consort.write_config()
        self.consort.start()

    def close(self, keep=False):
        super().close(keep)
        for listening in self._listening:
            listening.close()

    def _serve(self, listening, server):
        while True:
            try:
                consort = listening.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._relay, args=(consort, server), daemon=True).start()

    def _relay(self, consort, server):
        try:
            with consort, socket.create_connection(("127.0.0.1", server.port)) as backend:
                for end in (consort, backend):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._until_dump(consort, backend):
                    self._pass_events(consort, backend)
        except OSError:
            pass

    @staticmethod
    def _until_dump(consort, backend):
        """True: Consort has asked for the binlog."""
        while True:
            for end in select.select([consort, backend], [], [])[0]:
                data = end.recv(1 << 16)
                if not data:
                    return False
                (backend if end is consort else consort).sendall(data)
                if end is consort and data[3:5] == bytes([0, COM_BINLOG_DUMP]):
                    return True

    def _pass_events(self, consort, backend):
        unread = b""
        while True:
            if consort in select.select([consort, backend], [], [])[0]:
                return  # it has nothing to say any more but that it goes
            data = backend.recv(1 << 16)
            if not data:
                return
            unread += data
            while len(unread) >= 4 and len(unread) >= 4 + int.from_bytes(unread[:3], "little"):
                end = 4 + int.from_bytes(unread[:3], "little")
                packet, unread = unread[:end], unread[end:]
                if packet[4 + EVENT_TYPE] in ROW_EVENTS and self.text in packet:
                    self.told += 1
                    consort.sendall(len(ERROR).to_bytes(3, "little") + packet[3:4] + ERROR)
                    return
                consort.sendall(packet)
