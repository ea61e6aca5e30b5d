"""Where clients come in: IPv4, IPv6 and a Unix socket, all at once."""

import os
import socket
import stat
import subprocess

from support import wire
from support.case import case
from support.certificates import Certificates
from support.cluster import Cluster
from support.private_server import APP_PASSWORD, APP_USER
from support.process import wait_until


class Everywhere(Cluster):
    """Consort on [::], which takes IPv4 too, and on a Unix socket; two workers share each."""

    def __init__(self, context):
        self.path = os.path.join(context.work_dir, "sock")
        self.certificates = Certificates(os.path.join(context.work_dir, "certificates"))
        file = self.certificates.file
        super().__init__(context, servers=2, settings={
            "workers": 2,
            "listen": {"sql": {"address": "::"}, "admin": {"address": "::1"},
                       "metrics": {"address": "127.0.0.1"}, "socket": self.path},
            "tls": {"certificate": file("proxy.pem"), "key": file("proxy.key")}}, start=False)
        self.consort.admin_host = "[::1]"
        self.consort.start()

    def login(self, user=APP_USER, password=APP_PASSWORD, database="test", **options):
        return wire.connect(self.consort.port, user, password, database, **options)


def setup(context):
    return Everywhere(context)


@case(seconds=30)
def every_way_in(_context, cluster):
    """The same database; GET /sessions says where each comes from."""
    table = cluster.table("id INT PRIMARY KEY, v LONGTEXT")
    ways = ({"host": "127.0.0.1"}, {"host": "::1"}, {"unix": cluster.path},
            {"unix": cluster.path, "tls": cluster.certificates.client()})
    clients = [cluster.login(**way) for way in ways]
    for number, client in enumerate(clients):
        client.query(f"INSERT INTO {table} VALUES ({number}, '{'x' * 1000000}')")
        assert int(client.value(f"SELECT SUM(LENGTH(v)) FROM {table}")) == (number + 1) * 1000000
    came_from = sorted(one["client_address"].rsplit(":", 1)[0] for one in
                       cluster.consort.get("/sessions")["sessions"])
    assert came_from == sorted(["::ffff:127.0.0.1", "::1", "localhost", "localhost"]), came_from
    for client in clients:
        client.quit()


@case(seconds=30)
def the_mariadb_client(_context, cluster):
    """-S and -h ::1."""
    for where in (["-S", cluster.path], ["-h", "::1", f"-P{cluster.consort.port}"]):
        done = subprocess.run(["mariadb", "--no-defaults", *where, f"-u{APP_USER}",
                               f"-p{APP_PASSWORD}", "-N", "-e", "SELECT 6 * 7"],
                              capture_output=True, timeout=20, check=False)
        assert done.stdout == b"42\n", done


@case(seconds=30)
def accounts_by_where_one_comes_from(_context, cluster):
    """A Unix socket is localhost, as on a server, and no IP address; ::1 is localhost too."""
    cluster.sql("CREATE USER near@localhost IDENTIFIED BY 'pw'",
                "CREATE USER four@'127.0.0.1' IDENTIFIED BY 'pw'",
                "CREATE USER six@'::1' IDENTIFIED BY 'pw'")
    table = {("near", "unix"): True, ("near", "4"): True, ("near", "6"): True,
             ("four", "unix"): False, ("four", "4"): True, ("four", "6"): False,
             ("six", "unix"): False, ("six", "4"): False, ("six", "6"): True}
    ways = {"unix": {"unix": cluster.path}, "4": {"host": "127.0.0.1"}, "6": {"host": "::1"}}
    for (user, way), enters in table.items():
        try:
            cluster.login(user, "pw", None, **ways[way]).close()
            assert enters, f"{user} was let in by {way}"
        except wire.ServerError as error:
            assert not enters and error.code == 1045, f"{user} by {way}: {error}"


@case(seconds=40)
def many_at_once(_context, cluster):
    """Both workers take from the one socket, and none is left waiting."""
    clients = [cluster.login(unix=cluster.path) for _ in range(200)]
    for client in clients:
        assert client.value("SELECT 1") == "1"
    workers = {one["id"].split("-")[0] for one in
               cluster.consort.get("/sessions?limit=1000")["sessions"]}
    for client in clients:
        client.close()
    wait_until(lambda: cluster.consort.get("/status")["sessions"] == 0, 10, "all are gone")
    return f"workers {sorted(workers)}"


@case(seconds=60)
def the_file_in_the_way(_context, cluster):
    """What a crash left is replaced; what lives, or is no socket, is not touched."""
    assert stat.S_IMODE(os.stat(cluster.path).st_mode) == 0o777
    config = cluster.consort.config_path
    second = os.path.join(cluster.directory, "second.json")
    with open(config, encoding="utf-8") as file:
        text = file.read()
    with open(second, "w", encoding="utf-8") as file:
        file.write(text.replace(cluster.consort.data_dir, cluster.consort.data_dir + "2"))
    cluster.consort.kill()
    assert os.path.exists(cluster.path)
    cluster.consort.start()
    assert cluster.login(unix=cluster.path).value("SELECT 1") == "1"
    cluster.consort.stop()
    assert not os.path.exists(cluster.path), "a clean end removes it"

    def refused_because(words):
        cluster.consort.launch()
        code = cluster.consort.process.wait(30)
        cluster.consort.process = None
        assert code != 0 and words in cluster.consort.log_text(), cluster.consort.log_text()[-2000:]

    with open(cluster.path, "w", encoding="ascii") as file:
        file.write("precious")
    refused_because("a file that is no socket is in its place")
    with open(cluster.path, encoding="ascii") as file:
        assert file.read() == "precious"
    os.unlink(cluster.path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(cluster.path)
        other.listen(5)
        refused_because("another process listens there")
    os.unlink(cluster.path)
    cluster.consort.start()
