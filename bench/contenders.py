"""The contenders: plain servers, HAProxy in TCP mode, three Galera nodes, Consort."""

import os
import socket
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests/integration"))

from support.consort import Consort  # noqa: E402,F401
from support.private_server import PrivateServer, tail  # noqa: E402
from support.process import free_port, spawn, wait_until  # noqa: E402

HAPROXY = "/usr/sbin/haproxy"
GALERA = "/usr/lib/galera/libgalera_smm.so"

# The same for everybody; durability is set per run.
COMMON = {"innodb_buffer_pool_size": "512M", "innodb_log_file_size": "256M",
          "innodb_doublewrite": "ON", "max_connections": "1500", "back_log": "1500"}
PLAIN = {**COMMON, "innodb_snapshot_isolation": "ON"}


def plain_servers(directory, template, settings):
    """Three independent servers as Consort wants them."""
    servers = [PrivateServer(os.path.join(directory, f"s{number}"), number, template,
                             {**PLAIN, **settings})
               for number in (1, 2, 3)]
    for server in servers:
        server.launch()
    for server in servers:
        server.wait_ready()
    return servers


def galera_nodes(directory, template):
    """A running Galera cluster of three nodes on loopback."""
    ports = [free_port() for _ in range(3)]
    nodes = []
    for index in range(3):
        settings = {
            **COMMON,
            "wsrep_on": "ON", "wsrep_provider": GALERA, "wsrep_cluster_name": "bench",
            "wsrep_cluster_address": "gcomm://" + ",".join(f"127.0.0.1:{port}" for port in ports),
            "wsrep_node_address": "127.0.0.1", "wsrep_node_name": f"g{index + 1}",
            "wsrep_sst_method": "rsync",
            "wsrep_sst_receive_address": f"127.0.0.1:{free_port()}",
            "wsrep_provider_options": f"gmcast.listen_addr=tcp://127.0.0.1:{ports[index]};"
                                      f"ist.recv_addr=127.0.0.1:{free_port()}",
            "wsrep_slave_threads": "4", "innodb_autoinc_lock_mode": "2",
        }
        # Not as root: the state transfer's rsync gives root's rights up and could not write then.
        node = PrivateServer(os.path.join(directory, f"g{index + 1}"), 11 + index, template,
                             settings, user="mysql")
        # Galera needs no binary log; this is the faster way to run it.
        del node.settings["log_bin"]
        nodes.append(node)
        node.launch(["--wsrep-new-cluster"] if index == 0 else [])
        wait_until(lambda joined=node: wsrep_ready(joined), 90,
                   lambda joined=node: f"{joined.name} joins\n" + tail(joined.error_log))
    return nodes


def wsrep_ready(node):
    if not node.running:
        raise RuntimeError(f"a Galera node ended:\n{tail(node.error_log)}")
    try:
        return node.query("SHOW STATUS LIKE 'wsrep_ready'")[0][1] == "ON"
    except Exception:  # pylint: disable=broad-except
        return False


class HAProxy:
    """HAProxy in TCP mode, one connection per connection, spread round-robin."""

    def __init__(self, directory, servers):
        os.makedirs(directory, exist_ok=True)
        self.port = free_port()
        self.log_path = os.path.join(directory, "haproxy.log")
        config = os.path.join(directory, "haproxy.cfg")
        lines = ["global", "  maxconn 4000", f"  nbthread {os.cpu_count()}", "defaults",
                 "  mode tcp", "  timeout connect 5s", "  timeout client 1h", "  timeout server 1h",
                 "listen sql", f"  bind 127.0.0.1:{self.port}", "  balance roundrobin"]
        lines += [f"  server {server.name} 127.0.0.1:{server.port}" for server in servers]
        with open(config, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        with open(self.log_path, "wb") as log:
            self.process = spawn([HAPROXY, "-db", "-f", config], stdin=subprocess.DEVNULL,
                                 stdout=log, stderr=log)
        wait_until(self._listens, 10, lambda: "haproxy listens\n" + tail(self.log_path))

    def _listens(self):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        self.process.kill()
        self.process.wait()


def set_flush(servers, value):
    """innodb_flush_log_at_trx_commit on all of them."""
    for server in servers:
        server.query(f"SET GLOBAL innodb_flush_log_at_trx_commit = {value}")
