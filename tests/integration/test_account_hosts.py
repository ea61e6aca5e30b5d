"""Accounts whose host is a name, where servers run with skip_name_resolve and forget them."""

from support import wire
from support.case import case
from support.cluster import Cluster
from support.process import wait_until

NAMED = "'named'@'web1'"


def setup(context):
    return Cluster(context)


def refused(client, sql, code=1235):
    """The statement gets that error."""
    try:
        client.query(sql)
    except wire.ServerError as error:
        assert error.code == code, f"{sql}: {error}"
        return error.message
    raise AssertionError(f"accepted: {sql}")


def all_serve(cluster):
    """No server was taken out: writes reach each of them."""
    cluster.sql("INSERT INTO alive VALUES (NULL)")
    assert set(cluster.consort.backend_states().values()) == {"online"}, \
        cluster.consort.backend_states()


def rows_of(server):
    """What a server's tables have of the account."""
    return [server.query(f"SELECT User, Host FROM mysql.{table} WHERE User='named'")
            for table in ("global_priv", "db", "tables_priv", "roles_mapping")]


def make_past_consort(cluster):
    """On all servers, of which one is started anew then: it has forgotten it."""
    for number in range(len(cluster.servers)):
        with cluster.direct(number) as client:  # who administers the role
            client.query(f"CREATE USER {NAMED} IDENTIFIED BY 'x'")
            client.query(f"GRANT SELECT ON test.* TO {NAMED}")
            client.query(f"GRANT held TO {NAMED}")
    restart(cluster, 1)


def restart(cluster, number):
    """The server forgets accounts whose host is a name."""
    server = cluster.servers[number]
    server.stop()
    server.start()
    cluster.consort.wait_ready()


@case(seconds=60)
def about_an_account_that_some_have_forgotten(_context, cluster):
    """No statement about it costs a server."""
    cluster.sql("CREATE TABLE alive (id INT AUTO_INCREMENT PRIMARY KEY)", "CREATE USER plain@'%'",
                "CREATE ROLE held WITH ADMIN app@'%'")
    make_past_consort(cluster)
    with cluster.connect() as client:
        for sql in (f"ALTER USER {NAMED} ACCOUNT LOCK", f"GRANT INSERT ON test.* TO {NAMED}",
                    f"GRANT SELECT ON *.* TO plain@'%', {NAMED}", f"GRANT held TO {NAMED}",
                    f"REVOKE held FROM {NAMED}", f"REVOKE ALL, GRANT OPTION FROM {NAMED}",
                    f"SET PASSWORD FOR {NAMED} = PASSWORD('y')",
                    f"SET DEFAULT ROLE held FOR {NAMED}", f"CREATE OR REPLACE USER {NAMED}",
                    f"CREATE USER IF NOT EXISTS {NAMED}", f"RENAME USER {NAMED} TO other@'%'",
                    "RENAME USER plain@'%' TO plain@web1", "CREATE USER fresh@web1",
                    f"CREATE ROLE r WITH ADMIN {NAMED}", f"GRANT PROXY ON plain@'%' TO {NAMED}"):
            message = refused(client, sql)
            assert "skip_name_resolve" in message and "web1" in message, message
            refused(client, f"EXECUTE IMMEDIATE \"{sql}\"")
            try:
                client.prepare(sql)
                raise AssertionError(f"prepared: {sql}")
            except wire.ServerError as error:
                assert error.code == 1235, error
        refused(client, f"BEGIN NOT ATOMIC ALTER USER {NAMED} ACCOUNT LOCK; END", 1399)
        client.query(f"CREATE PROCEDURE locks() ALTER USER {NAMED} ACCOUNT LOCK")
        refused(client, "CALL locks()", 1399)
        client.query("DROP PROCEDURE locks")
        # Others than those are taken.
        client.query("CREATE USER near@localhost, far@'10.0.0.%', six@'::1', any@'%.example.com'")
        client.query("DROP USER near@localhost, far@'10.0.0.%', six@'::1', any@'%.example.com'")
    all_serve(cluster)
    cluster.sql(f"DROP USER plain@'%', {NAMED}", "DROP ROLE held", "DROP TABLE alive")


@case(seconds=60)
def dropping_it(_context, cluster):
    """DROP USER does the same whether a server has forgotten the account or not."""
    cluster.sql("CREATE TABLE alive (id INT AUTO_INCREMENT PRIMARY KEY)",
                "CREATE ROLE held WITH ADMIN app@'%'")
    make_past_consort(cluster)
    for server in cluster.servers:
        assert rows_of(server)[0], "the account is there"
    with cluster.connect() as client:
        refused(client, f"DROP USER nobody@'%', {NAMED}", 1396)
    cluster.settle()
    for server in cluster.servers:
        assert not any(rows_of(server)), rows_of(server)
    with cluster.connect() as client:
        client.query(f"DROP USER IF EXISTS {NAMED}")
        refused(client, f"DROP USER {NAMED}", 1396)
    all_serve(cluster)
    cluster.sql("DROP ROLE held", "DROP TABLE alive")


@case(seconds=90)
def one_server_of_three(context, _cluster):
    """It is enough that one of them forgets; where none does the accounts are as any."""
    cluster = Cluster(context, server_settings={"skip_name_resolve": "OFF"})
    try:
        cluster.sql("CREATE TABLE alive (id INT AUTO_INCREMENT PRIMARY KEY)",
                    f"CREATE USER {NAMED}", f"GRANT SELECT ON test.* TO {NAMED}",
                    f"CREATE PROCEDURE locks() ALTER USER {NAMED} ACCOUNT LOCK")
        restart(cluster, 2)
        cluster.sql(f"ALTER USER {NAMED} ACCOUNT UNLOCK", "CALL locks()")
        all_serve(cluster)
        cluster.servers[2].settings["skip_name_resolve"] = "ON"
        restart(cluster, 2)
        with cluster.connect() as client:
            refused(client, f"GRANT INSERT ON test.* TO {NAMED}")
            refused(client, "CALL locks()", 1399)
        all_serve(cluster)
        cluster.servers[2].settings["skip_name_resolve"] = "OFF"
        restart(cluster, 2)

        def taken():
            try:
                cluster.sql(f"GRANT INSERT ON test.* TO {NAMED}")
                return True
            except wire.ServerError:
                return False

        wait_until(taken, 20, "the account is as any again")
        all_serve(cluster)
    finally:
        cluster.close()
