"""Logins: every authentication plugin and every rule about accounts, as the server itself has them."""

import json
import os
import signal
import subprocess
import time

from support import wire
from support.case import case
from support.certificates import Certificates
from support.cluster import Cluster
from support.private_server import APP_PASSWORD, APP_USER
from support.process import wait_until

CAN_HANDLE_EXPIRED = 1 << 22
BLOCK_SECONDS = 2

# What a MySQL 8 server stored for "foobar".
SHA2_PASSWORD = "foobar"
SHA2_STORED = bytes.fromhex(
    "24412430303524031A69251C34295C4B35167C7F1E5A7B63091349503974624D34504B5A424679354856336868686F52"
    "485A736E4A733368786E427575516C73446469496537").decode()

ACCOUNTS = (
    "CREATE USER ed IDENTIFIED VIA ed25519 USING PASSWORD('pw')",
    "CREATE USER ed_first IDENTIFIED VIA ed25519 USING PASSWORD('pw') "
    "OR mysql_native_password USING PASSWORD('pn')",
    "CREATE USER native_first IDENTIFIED VIA mysql_native_password USING PASSWORD('pn') "
    "OR ed25519 USING PASSWORD('pw')",
    "CREATE USER ed_alone IDENTIFIED VIA ed25519 USING PASSWORD('pw')",
    "CREATE USER expired IDENTIFIED BY 'pw' PASSWORD EXPIRE",
    "CREATE USER locked IDENTIFIED BY 'pw' ACCOUNT LOCK",
    "CREATE USER locked_expired IDENTIFIED BY 'pw' PASSWORD EXPIRE ACCOUNT LOCK",
    "CREATE USER invalid IDENTIFIED VIA mysql_native_password USING 'invalid'",
    "CREATE USER socket_only IDENTIFIED VIA unix_socket",
    "CREATE USER nothing",
    "CREATE ROLE a_role WITH ADMIN app",
    # Who is who shows in the password and in CURRENT_USER().
    "CREATE USER h@'%' IDENTIFIED BY 'any'",
    "CREATE USER h@'127.%' IDENTIFIED BY 'net'",
    "CREATE USER h@'127.0.0._' IDENTIFIED BY 'ones'",
    "CREATE USER h2@'127.%' IDENTIFIED BY 'net'",
    "CREATE USER h2@'127.0.0.0/255.255.255.0' IDENTIFIED BY 'mask'",
    "CREATE USER h3@'127.0.0.1' IDENTIFIED BY 'ip'",
    "CREATE USER h3@'127.0.0._' IDENTIFIED BY 'ones'",
    "CREATE USER h4@'10.%' IDENTIFIED BY 'elsewhere'",
    "CREATE USER ''@'%' IDENTIFIED BY 'anonymous'",
    "CREATE USER Cased IDENTIFIED BY 'pw'",
)


class Guarded(Cluster):
    """Consort with a certificate and a file of passwords, before servers that know ed25519."""

    def __init__(self, context):
        os.makedirs(context.work_dir, exist_ok=True)
        self.certificates = Certificates(os.path.join(context.work_dir, "certificates"))
        file = self.certificates.file
        self.credentials = os.path.join(context.work_dir, "credentials.json")
        self.write_credentials({"ed": "pw", "ed_first": "pw", "native_first": "pw"})
        self.socket = os.path.join(context.work_dir, "sock")
        super().__init__(
            context, servers=2, server_settings={"plugin_load_add": "auth_ed25519"},
            settings={"tls": {"certificate": file("proxy.pem"), "key": file("proxy.key")},
                      "accounts": {"credentials_file": self.credentials},
                      "listen": {"socket": self.socket},
                      "limits": {"failed_logins_max": 3, "failed_logins_block_s": BLOCK_SECONDS}})
        try:
            self.sql(*ACCOUNTS)
            for server in self.servers:
                self.add_sha2_account(server)
            self.await_account("sha2", SHA2_PASSWORD, tls=self.certificates.client())
        except BaseException:
            self.close()
            raise

    def add_sha2_account(self, server):
        """MariaDB 10.11 has no such plugin; it passes over a method it does not know."""
        connection = server.connect()
        with connection.cursor() as cursor:
            cursor.execute("SET sql_log_bin=0")
            cursor.execute(f"CREATE USER sha2 IDENTIFIED BY '{SHA2_PASSWORD}'")
            cursor.execute(
                "UPDATE mysql.global_priv SET Priv=JSON_SET(Priv, '$.auth_or', JSON_ARRAY("
                "JSON_OBJECT('plugin','caching_sha2_password','authentication_string',%s), "
                "JSON_OBJECT())) WHERE User='sha2'", (SHA2_STORED,))
            cursor.execute("FLUSH PRIVILEGES")
        connection.close()

    def write_credentials(self, passwords, mode=0o600):
        with open(self.credentials, "w", encoding="utf-8") as file:
            json.dump(passwords, file)
        os.chmod(self.credentials, mode)

    def await_account(self, user, password, **options):
        """Until Consort has read of it."""

        def is_there():
            try:
                self.consort.wire(None, user, password, **options).quit()
                return True
            except wire.ServerError:
                return False

        wait_until(is_there, 15, f"the login of {user}")


def setup(context):
    return Guarded(context)


def outcome(port, user, password, database=None, statement="SELECT CURRENT_USER()", **options):
    """What a login and one statement come to, and the plugins asked for."""
    asked = []
    try:
        client = wire.Wire(port)
        with client:
            login = {key: options[key] for key in ("capabilities", "plugin") if key in options}
            try:
                client.login(user, password, database, **login)
            finally:
                asked = client.asked
            return asked, client.value(statement)
    except wire.ServerError as error:
        return asked, (error.code, error.state, error.message)


def assert_same(cluster, user, password, **options):
    """Through Consort as at a server; returns what it is."""
    there = outcome(cluster.servers[0].port, user, password, **options)
    here = outcome(cluster.consort.port, user, password, **options)
    # With skip_name_resolve a server says the address where Consort says localhost.
    text = repr(here).replace("'localhost'", "'127.0.0.1'")
    assert text == repr(there), f"{user}/{password}: {here} instead of {there}"
    return there[1]


def mariadb(cluster, user, password, *options, sql="SELECT CURRENT_USER()", port=None):
    return subprocess.run(
        ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{port or cluster.consort.port}",
         f"-u{user}", f"-p{password}", "-N", *options, "-e", sql],
        capture_output=True, timeout=20, check=False)


# ---- as a server ----------------------------------------------------------------------------------


@case(seconds=60)
def accounts_as_on_a_server(_context, cluster):
    """The same verdict, text and dialogue for every kind of account and password."""
    for user in ("ed", "ed_first", "native_first", "locked", "locked_expired", "expired", "invalid",
                 "socket_only", "nothing", APP_USER):
        for password in ("pw", "wrong", ""):
            assert_same(cluster, user, password)
        assert_same(cluster, user, "pw", plugin="caching_sha2_password")
    assert assert_same(cluster, "ed", "pw") == "ed@%"
    assert assert_same(cluster, "ed_first", "pn") == "ed_first@%"
    assert assert_same(cluster, "native_first", "pw") == "native_first@%"
    assert assert_same(cluster, "locked", "pw")[0] == 4151
    assert assert_same(cluster, "socket_only", "pw")[0] == 1698
    assert assert_same(cluster, "expired", "pw")[0] == 1820


@case(seconds=60)
def hosts_users_and_nobody(_context, cluster):
    """Which account one gets: the most specific host, named before anonymous, exact case."""
    wanted = {("h", "any"): None, ("h", "net"): None, ("h", "ones"): "h@127.0.0._",
              ("h2", "net"): None, ("h2", "mask"): "h2@127.0.0.0/255.255.255.0",
              ("h3", "ones"): None, ("h3", "ip"): "h3@127.0.0.1",
              ("h4", "elsewhere"): None, ("h4", "anonymous"): "@%",
              ("somebody", "anonymous"): "@%", ("a_role", "anonymous"): "@%",
              ("", "anonymous"): "@%", ("Cased", "pw"): "Cased@%", ("cased", "pw"): None}
    for (user, password), account in wanted.items():
        # Nobody's dialogue is that of some account, in both: only the end is compared.
        there = outcome(cluster.servers[0].port, user, password)[1]
        here = outcome(cluster.consort.port, user, password)[1]
        assert repr(here).replace("'localhost'", "'127.0.0.1'") == repr(there), (user, here, there)
        assert there == account if account else there[0] == 1045, (user, password, there)


@case(seconds=30)
def expired_passwords(_context, cluster):
    """Servers that refuse them: 1862, but not for a client that can handle it."""
    for server in cluster.servers:
        server.query("SET GLOBAL disconnect_on_expired_password=ON")
    # Accounts that were read before may arrive behind those read now, and count until the next time.
    told = []
    wait_until(lambda: told.append(outcome(cluster.consort.port, "expired", "pw")[1][0])
               or told[-3:] == [1862] * 3, 15, "1862", every=0.5)
    assert assert_same(cluster, "expired", "pw")[0] == 1862
    assert assert_same(cluster, "expired", "wrong")[0] == 1045
    assert assert_same(cluster, "locked_expired", "pw")[0] == 4151
    able = {"capabilities": CAN_HANDLE_EXPIRED}
    assert assert_same(cluster, "expired", "pw", **able)[0] == 1820
    for server in cluster.servers:
        server.query("SET GLOBAL disconnect_on_expired_password=OFF")
    wait_until(lambda: outcome(cluster.consort.port, "expired", "pw")[1][0] == 1820, 15, "1820")


@case(seconds=40)
def an_expired_password_is_changed(_context, cluster):
    """By its own user, or an account that may, on all servers; then its user may all again."""
    cluster.sql("CREATE USER renews IDENTIFIED BY 'old' PASSWORD EXPIRE",
                "CREATE USER other IDENTIFIED BY 'pw'")
    cluster.await_account("renews", "old")
    assert outcome(cluster.consort.port, "renews", "old")[1][0] == 1820
    for sql in ("DROP TABLE test.t", "SELECT 1", "SET PASSWORD FOR other@'%' = PASSWORD('new')",
                "GRANT USAGE ON *.* TO renews", "CREATE USER nobody_more",
                "ALTER USER CURRENT_USER IDENTIFIED BY 'new'"):
        here = outcome(cluster.consort.port, "renews", "old", statement=sql)[1]
        there = outcome(cluster.servers[0].port, "renews", "old", statement=sql)[1]
        assert here == there, (sql, here, there)
    for old, new, sql in (
            ("old", "mine", "SET PASSWORD = PASSWORD('mine')"),
            ("mine", "mine2", "SET PASSWORD FOR CURRENT_USER() = PASSWORD('mine2')"),
            ("mine2", "old", "SET PASSWORD FOR renews@'%' = PASSWORD('old')")):
        with cluster.connect(None, user="renews", password=old) as client:
            client.query(sql)
            assert client.value("SELECT CURRENT_USER()") == "renews@%"
            assert client.value("SELECT 1 FROM consort.`position`") == "1"
        cluster.settle()
        for server in cluster.servers:
            assert outcome(server.port, "renews", new)[1] == "renews@%", sql
        cluster.sql("ALTER USER renews PASSWORD EXPIRE")
        wait_until(lambda: outcome(cluster.consort.port, "renews", new)[1][0] == 1820, 10, "expired")
    cluster.sql("ALTER USER renews IDENTIFIED BY 'new'")
    wait_until(lambda: outcome(cluster.consort.port, "renews", "new")[1] == "renews@%", 10,
               "the new password")
    assert assert_same(cluster, "renews", "old")[0] == 1045


# ---- plugins --------------------------------------------------------------------------------------


@case(seconds=40)
def the_mariadb_client_with_any_plugin(_context, cluster):
    """The client's default plugin never matters, as with clients whose default is MySQL 8's."""
    for plugin in ("mysql_native_password", "caching_sha2_password", "client_ed25519",
                   "mysql_clear_password", "dialog"):
        for user, password in ((APP_USER, APP_PASSWORD), ("ed", "pw"), ("ed_first", "pn")):
            for how in ("--skip-ssl", "--ssl"):
                done = mariadb(cluster, user, password, "--default-auth=" + plugin, how)
                assert done.stdout.decode() == f"{user}@%\n", (plugin, user, how, done)
        done = mariadb(cluster, APP_USER, "wrong", "--default-auth=" + plugin)
        assert b"ERROR 1045 (28000)" in done.stderr, (plugin, done)


@case(seconds=40)
def ed25519_serves_reads_and_writes(_context, cluster):
    """On all servers, by the configured password."""
    table = cluster.table("id INT PRIMARY KEY")
    cluster.sql("GRANT ALL ON test.* TO ed")
    with cluster.consort.wire("test", "ed", "pw") as client:
        assert client.asked == ["client_ed25519"]
        for number in range(3):
            client.query(f"INSERT INTO {table} VALUES ({number})")
        assert client.value(f"SELECT COUNT(*) FROM {table}") == "3"


@case(seconds=40)
def ed25519_without_a_password(_context, cluster):
    """Client and log say what is missing; SIGHUP reads the file again; no password is shown."""
    assert outcome(cluster.servers[0].port, "ed_alone", "pw")[1] == "ed_alone@%"
    code, state, message = outcome(cluster.consort.port, "ed_alone", "pw")[1]
    assert (code, state) == (1045, "28000") and "has no password for this account" in message
    assert outcome(cluster.consort.port, "ed_alone", "wrong")[1][2].endswith("(using password: YES)")
    log = cluster.consort.log_text()
    assert "login as 'ed_alone'@'%' from 127.0.0.1" in log and "accounts.credentials_file" in log

    def reload(passwords, mode, says):
        cluster.write_credentials(passwords, mode)
        before = len(cluster.consort.log_text())
        cluster.consort.process.send_signal(signal.SIGHUP)
        wait_until(lambda: says in cluster.consort.log_text()[before:], 10, f"the log: {says}")

    known = {"ed": "pw", "ed_first": "pw", "native_first": "pw"}
    reload({**known, "ed_alone": "tell-nobody"}, 0o644, "others may read it")
    assert "no password" in outcome(cluster.consort.port, "ed_alone", "pw")[1][2]
    reload({**known, "ed_alone": "tell-nobody"}, 0o600, "4 passwords were read again")
    assert "outdated password" in outcome(cluster.consort.port, "ed_alone", "pw")[1][2]
    reload({**known, "ed_alone@%": "pw", "ed_alone": "tell-nobody"}, 0o600,
           "5 passwords were read again")
    assert outcome(cluster.consort.port, "ed_alone", "pw")[1] == "ed_alone@%"
    reload(known, 0o600, "3 passwords were read again")
    assert "no password" in outcome(cluster.consort.port, "ed_alone", "pw")[1][2]
    shown = cluster.consort.log_text() + json.dumps(cluster.consort.get("/config"))
    assert "tell-nobody" not in shown and cluster.credentials in shown


@case(seconds=60)
def caching_sha2_password(_context, cluster):
    """In full by TLS, by RSA and through the Unix socket, then fast; a restart forgets."""
    tls = cluster.certificates.client()

    def login(password=SHA2_PASSWORD, **options):
        client = wire.Wire(cluster.consort.port, **options)
        with client:
            client.login("sha2", password, None, plugin="caching_sha2_password")
            return client.asked, client.value("SELECT CURRENT_USER()")

    def restart():
        cluster.consort.stop()
        cluster.consort.start()

    restart()
    assert login(tls=tls) == (["caching_sha2_password", "full"], "sha2@%")
    assert login(tls=tls) == (["caching_sha2_password", "fast"], "sha2@%")
    assert login() == (["caching_sha2_password", "fast"], "sha2@%")
    restart()
    assert login(unix=cluster.socket) == (["caching_sha2_password", "full"], "sha2@%")
    restart()
    done = mariadb(cluster, "sha2", SHA2_PASSWORD, "--skip-ssl")  # by RSA
    assert done.stdout == b"sha2@%\n", done
    assert login() == (["caching_sha2_password", "fast"], "sha2@%")
    for options in ((), ("--ssl",)):
        wrong = mariadb(cluster, "sha2", "wrong", *options)
        assert b"ERROR 1045 (28000)" in wrong.stderr, wrong
        assert mariadb(cluster, "sha2", SHA2_PASSWORD, *options).stdout == b"sha2@%\n"


@case(seconds=60)
def change_user_to_every_plugin(_context, cluster):
    """COM_CHANGE_USER switches as a login does, again and again, with and without TLS."""
    for options in ({}, {"tls": cluster.certificates.client()}):
        with cluster.consort.wire("test", **options) as client:
            for _ in range(2):
                client.change_user("ed", "pw")
                assert client.asked == ["client_ed25519"]
                assert client.value("SELECT CURRENT_USER()") == "ed@%"
                client.change_user("sha2", SHA2_PASSWORD)
                assert client.asked[0] == "caching_sha2_password"
                assert client.value("SELECT CURRENT_USER()") == "sha2@%"
                client.change_user("native_first", "pw")
                assert client.asked == ["client_ed25519"]
                assert client.value("SELECT CURRENT_USER()") == "native_first@%"
                client.change_user(APP_USER, APP_PASSWORD, "test")
                assert client.value("SELECT CURRENT_USER()") == f"{APP_USER}@%"
            for port in (cluster.servers[0].port, cluster.consort.port):
                with wire.connect(port, APP_USER, APP_PASSWORD) as other:
                    try:
                        other.change_user("ed", "wrong")
                        raise AssertionError("let in")
                    except wire.ServerError as error:
                        assert (error.code, error.state) == (1045, "28000"), error


@case(seconds=40)
def the_password_itself_through_tls_only(_context, cluster):
    """accounts.clear_password: ed25519 without a file."""
    cluster.consort.stop()
    cluster.consort.config["accounts"]["clear_password"] = True
    cluster.consort.write_config()
    cluster.consort.start()
    try:
        with cluster.consort.wire(None, "ed_alone", "pw",
                                  tls=cluster.certificates.client()) as client:
            assert client.asked == ["mysql_clear_password"]
            assert client.value("SELECT CURRENT_USER()") == "ed_alone@%"
        asked, error = outcome(cluster.consort.port, "ed_alone", "pw")
        assert asked == ["client_ed25519"] and "no password" in error[2], (asked, error)
        done = mariadb(cluster, "ed_alone", "wrong", "--ssl")
        assert b"ERROR 1045 (28000)" in done.stderr, done
        assert mariadb(cluster, "ed_alone", "pw", "--ssl").stdout == b"ed_alone@%\n"
    finally:
        cluster.consort.stop()
        cluster.consort.config["accounts"]["clear_password"] = False
        cluster.consort.write_config()
        cluster.consort.start()


# ---- changes and guesses --------------------------------------------------------------------------


@case(seconds=60)
def changes_reach_the_login(_context, cluster):
    """CREATE, ALTER and DROP USER through Consort: whoever logs in when they are answered meets them."""
    with cluster.connect() as admin:

        def login(password):
            return outcome(cluster.consort.port, "changing", password)[1]

        def after(sql, password):
            admin.query(sql)
            return login(password)

        for turn in range(5):
            one, two = f"one{turn}", f"two{turn}"
            assert after(f"CREATE USER changing IDENTIFIED BY '{one}'", one) == "changing@%"
            assert after(f"ALTER USER changing IDENTIFIED BY '{two}'", one)[0] == 1045
            assert login(two) == "changing@%"
            assert after("ALTER USER changing ACCOUNT LOCK", two)[0] == 4151
            third = two
            if turn == 0:  # slow, in Python
                third = "four"
                assert after("ALTER USER changing IDENTIFIED VIA ed25519 USING PASSWORD('three') OR "
                             "mysql_native_password USING PASSWORD('four') ACCOUNT UNLOCK",
                             third) == "changing@%"
            else:
                assert after("ALTER USER changing ACCOUNT UNLOCK", third) == "changing@%"
            assert after(f"CREATE USER changing@'127.%' IDENTIFIED BY 'other{turn}'",
                         third)[0] == 1045  # a more specific host counts first
            assert login(f"other{turn}") == "changing@127.%"
            admin.query("DROP USER changing, changing@'127.%'")
        assert login(two)[0] == 1045


@case(seconds=60)
def changed_rights_reach_new_sessions(_context, cluster):
    """A server looks at global rights at login: no new session gets a connection from before."""
    with cluster.connect() as admin:

        def look(statement="SELECT COUNT(*) > 0 FROM mysql.global_priv"):
            return outcome(cluster.consort.port, "looking", "pw", statement=statement)[1]

        admin.query("CREATE USER looking IDENTIFIED BY 'pw'")
        for _ in range(3):
            assert look()[0] == 1142
            admin.query("GRANT SELECT ON *.* TO looking")
            assert look() == "1"
            admin.query("REVOKE SELECT ON *.* FROM looking")
        assert look()[0] == 1142
        # Another account of this name, while connections of the old one are idle.
        with wire.connect(cluster.consort.port, "looking", "pw") as old:
            assert old.value("SELECT CURRENT_USER()") == "looking@%"
            admin.query("DROP USER looking")
            admin.query("CREATE USER looking@'127.0.0.1' IDENTIFIED BY 'pw'")
            assert look("SELECT CURRENT_USER()") == "looking@127.0.0.1"
        assert look("SELECT CURRENT_USER()") == "looking@127.0.0.1"
        admin.query("DROP USER looking@'127.0.0.1'")


@case(seconds=60)
def who_guesses_is_blocked(_context, cluster):
    """1129 after three failures in a row from one address, for a while; others go on."""

    def login(password, address="127.0.0.2"):
        """The mariadb client cannot choose its own address: a bare socket does."""
        client = wire.Wire(cluster.consort.port, source=address)
        with client:
            client.login(APP_USER, password)
            return client.value("SELECT 1")

    def code(password, **options):
        try:
            return login(password, **options)
        except wire.ServerError as error:
            return error.code

    refused = 'consort_connections_refused_total{reason="address_blocked"}'
    before = cluster.consort.metrics().get(refused, 0)
    for _ in range(2):  # a success forgets
        assert [code("wrong"), code("wrong"), code(APP_PASSWORD)] == [1045, 1045, "1"]
    assert [code("wrong") for _ in range(3)] == [1045] * 3
    assert code(APP_PASSWORD) == 1129
    assert code(APP_PASSWORD, address="127.0.0.3") == "1"
    assert cluster.consort.metrics()[refused] == before + 1
    assert "no more connections from 127.0.0.2 for a while" in cluster.consort.log_text()
    wait_until(lambda: code(APP_PASSWORD) == "1", BLOCK_SECONDS + 5, "the end of the block")
    # Nobody on the same machine is blocked, as on a server.
    assert [code("wrong", address="127.0.0.1") for _ in range(5)] == [1045] * 5
    assert code(APP_PASSWORD, address="127.0.0.1") == "1"
