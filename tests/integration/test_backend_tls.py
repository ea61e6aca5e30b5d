"""TLS to the servers: every kind of connection goes through it, and who they are is checked."""

import os

from support import wire
from support.case import case
from support.certificates import Certificates
from support.cluster import Cluster
from support.private_server import APP_USER, SERVICE_USER
from support.process import wait_until


class SecuredServers(Cluster):
    """Servers with certificates and accounts that come in through TLS only, so that whatever works
    goes through it. Server 3's certificate names another host."""

    def __init__(self, context):
        made = Certificates(os.path.join(context.work_dir, "certificates"))
        made.make("server", "IP:127.0.0.1")
        made.make("elsewhere", "DNS:elsewhere.example")
        self.certificates = made
        file = made.file
        super().__init__(context, start=False, server_settings={
            "ssl_cert": file("server.pem"), "ssl_key": file("server.key"), "ssl_ca": file("ca.pem")},
            settings={
                "tls": {"certificate": file("proxy.pem"), "key": file("proxy.key"),
                        "ca": file("ca.pem")},
                "backend_tls": {"mode": "verify-identity", "ca": file("ca.pem"),
                                "certificate": file("client.pem"), "key": file("client.key")}})
        for server in self.servers:
            server.query(f"ALTER USER {SERVICE_USER}@'127.0.0.1' REQUIRE X509")
            server.query(f"ALTER USER {APP_USER}@'%' REQUIRE SSL")
        self.consort.client_tls = made.client()
        self.consort.config["backends"][1]["compression"] = True
        self.consort.write_config()
        self.consort.start()

    def restart(self, backend_tls, own=None, backends=3):
        """Consort again, with other settings; `own`: of single servers, by index."""
        if self.consort.running:
            self.consort.stop()
        self.consort.config["backend_tls"] = backend_tls
        for index, backend in enumerate(self.consort.config["backends"]):
            backend.pop("tls", None)
            if own and index in own:
                backend["tls"] = own[index]
        self.consort.write_config()
        self.consort.start(backends=backends)

    def reason(self, name):
        return next(one["reason"] for one in self.consort.get("/backends")["backends"]
                    if one["name"] == name)

    def stays_out(self, name, words):
        """That server does not come in, and its reason says why."""
        wait_until(lambda: words in self.reason(name), 10,
                   lambda: f"{name}: {words!r} in {self.reason(name)!r}")
        assert self.consort.backend_states()[name] == "offline", self.consort.backend_states()

    def works(self):
        """A write on each serving server, and reads."""
        table = self.table("id INT PRIMARY KEY, v INT")
        for number in range(6):
            with self.connect() as client:
                client.query(f"INSERT INTO {table} VALUES ({number}, 0)")
                client.query("BEGIN")
                client.query(f"UPDATE {table} SET v = v + 1 WHERE id = {number}")
                client.query("COMMIT")
                assert int(client.value(f"SELECT SUM(v) FROM {table}")) == number + 1
        return table


def setup(context):
    return SecuredServers(context)


@case(seconds=60)
def everything_goes_through_tls(_context, cluster):
    """Reads, transactions on every home, DDL, the binlog, recovery of a crashed server."""
    table = cluster.works()
    for number, client in enumerate(cluster.on_homes()):
        client.query(f"UPDATE {table} SET v = v + 10 WHERE id = {number}")
        client.query("BEGIN")
        home = client.value("SELECT @@server_id")
        for name, on in (("Ssl_cipher", True), ("Compression", home == "2")):
            value = client.query(f"SHOW SESSION STATUS LIKE '{name}'").rows[0][1]
            assert (value not in (b"", b"OFF")) == on, (home, name, value)
        client.close()
    cluster.servers[1].kill()
    with cluster.connect() as client:
        wait_until(lambda: cluster.consort.backend_states()["s2"] == "offline", 10, "s2 is out")
        for number in range(100, 120):
            client.query(f"INSERT INTO {table} VALUES ({number}, 1)")
    cluster.servers[1].start()
    wait_until(lambda: cluster.consort.backend_states()["s2"] == "online", 30, "s2 is back")
    cluster.assert_identical()
    opened = cluster.consort.metric("consort_pool_connections_opened_total")
    assert cluster.consort.metric("consort_pool_tls_connections_opened_total") == opened > 0
    for server in cluster.servers:
        with_tls = server.query("SHOW GLOBAL STATUS LIKE 'Ssl_finished_accepts'")[0][1]
        assert int(with_tls) >= 3, with_tls  # control, lane, binlog at least


@case(seconds=60)
def accounts_keep_their_demands_behind_consort(_context, cluster):
    """REQUIRE SSL and X509 work from end to end; what is too little is denied by Consort itself."""
    table = cluster.table("id INT PRIMARY KEY")
    for name, demand in (("with_ssl", "SSL"), ("with_x509", "X509")):
        cluster.sql(f"CREATE USER {name}@'%' IDENTIFIED BY 'pw' REQUIRE {demand}",
                    f"GRANT ALL ON test.* TO {name}@'%'")
    known = cluster.certificates.client(certificate="client")
    for number, (name, tls) in enumerate((("with_ssl", cluster.consort.client_tls),
                                          ("with_x509", known))):
        with cluster.connect(user=name, password="pw", tls=tls) as client:
            client.query(f"INSERT INTO {table} VALUES ({number})")
            assert client.value("SELECT CURRENT_USER()") == f"{name}@%"
    for name, tls in (("with_ssl", None), ("with_x509", cluster.consort.client_tls)):
        try:
            cluster.connect(user=name, password="pw", tls=tls).close()
            raise AssertionError(f"{name} was let in")
        except wire.ServerError as error:
            assert error.code == 1045, error


@case(seconds=90)
def a_certificate_that_names_another_host(_context, cluster):
    """verify-ca takes it, verify-identity does not, for that server alone."""
    file = cluster.certificates.file
    checks = {"mode": "verify-identity", "ca": file("ca.pem"), "certificate": file("client.pem"),
              "key": file("client.key")}
    server = cluster.servers[2]
    cluster.consort.stop()
    server.stop()
    server.settings.update(ssl_cert=file("elsewhere.pem"), ssl_key=file("elsewhere.key"))
    server.start()
    try:
        cluster.restart(checks, backends=2)
        cluster.stays_out("s3", "Validation of SSL server certificate failed")
        with cluster.connect() as client:
            assert client.value("SELECT 1") == "1"
        cluster.restart(checks, own={2: {**checks, "mode": "verify-ca"}})
        cluster.works()
        cluster.assert_identical()
    finally:
        cluster.consort.stop()
        server.stop()
        server.settings.update(ssl_cert=file("server.pem"), ssl_key=file("server.key"))
        server.start()
        cluster.restart(checks)


@case(seconds=90)
def a_foreign_authority(_context, cluster):
    """No connection to a server whose certificate is not of our CA, by either check."""
    file = cluster.certificates.file
    own = {"certificate": file("client.pem"), "key": file("client.key")}
    checks = {"mode": "verify-identity", "ca": file("ca.pem"), **own}
    try:
        for mode in ("verify-ca", "verify-identity"):
            cluster.restart(checks, own={1: {"mode": mode, "ca": file("foreign.pem"), **own}},
                            backends=2)
            cluster.stays_out("s2", "certificate")
        # Who does not look, goes on.
        cluster.restart(checks, own={1: {"mode": "required", **own}})
        cluster.works()
    finally:
        cluster.restart(checks)


@case(seconds=90)
def servers_without_tls(_context, cluster):
    """required refuses such a server, preferred takes it and speaks TLS with the others."""
    file = cluster.certificates.file
    own = {"certificate": file("client.pem"), "key": file("client.key")}
    checks = {"mode": "verify-identity", "ca": file("ca.pem"), **own}
    server = cluster.servers[0]
    cluster.consort.stop()
    server.query(f"ALTER USER {SERVICE_USER}@'127.0.0.1' REQUIRE NONE")
    server.query(f"ALTER USER {APP_USER}@'%' REQUIRE NONE")
    server.stop()
    kept = {key: server.settings.pop(key) for key in ("ssl_cert", "ssl_key", "ssl_ca")}
    server.start()
    try:
        for mode, ca in (("required", {}), ("verify-ca", {"ca": file("ca.pem")}),
                         ("verify-identity", {"ca": file("ca.pem")})):
            cluster.restart(checks, own={0: {"mode": mode, **ca, **own}}, backends=2)
            cluster.stays_out("s1", "not support it" if mode == "verify-identity"
                              else "the server offers no TLS")
        cluster.restart({"mode": "preferred", **own})
        cluster.works()
        secured = cluster.consort.metrics()
        assert secured['consort_pool_tls_connections_opened_total{backend="s1"}'] == 0
        assert sum(secured[f'consort_pool_tls_connections_opened_total{{backend="{name}"}}']
                   for name in ("s2", "s3")) > 0
    finally:
        cluster.consort.stop()
        server.stop()
        server.settings.update(kept)
        server.start()
        server.query(f"ALTER USER {SERVICE_USER}@'127.0.0.1' REQUIRE X509")
        server.query(f"ALTER USER {APP_USER}@'%' REQUIRE SSL")
        cluster.restart(checks)


@case(seconds=90)
def an_old_version_is_refused(_context, cluster):
    """version_min 1.3 does not speak with a server that knows 1.2 only."""
    file = cluster.certificates.file
    own = {"certificate": file("client.pem"), "key": file("client.key")}
    checks = {"mode": "verify-identity", "ca": file("ca.pem"), **own}
    server = cluster.servers[1]
    cluster.consort.stop()
    server.stop()
    server.settings["tls_version"] = "TLSv1.2"
    server.start()
    try:
        cluster.restart({**checks, "version_min": "1.3"}, backends=2)
        cluster.stays_out("s2", "version")
        cluster.restart(checks)
        cluster.works()
    finally:
        cluster.consort.stop()
        server.stop()
        del server.settings["tls_version"]
        server.start()
        cluster.restart(checks)
