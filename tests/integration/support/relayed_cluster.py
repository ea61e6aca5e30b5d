"""RelayedCluster: a cluster with a relay between Consort and each server, which loses what it is told
to lose (losing_relay.Trap)."""

from .cluster import Cluster
from .losing_relay import LosingRelay, Trap


class RelayedCluster(Cluster):
    def __init__(self, context):
        super().__init__(context, start=False)
        self.trap = Trap()
        self.relays = [LosingRelay(server, self.trap) for server in self.servers]
        for backend, relay in zip(self.consort.config["backends"], self.relays):
            backend["port"] = relay.port
        self.consort.write_config()
        self.consort.start()

    def close(self, keep=False):
        super().close(keep)
        for relay in self.relays:
            relay.close()
