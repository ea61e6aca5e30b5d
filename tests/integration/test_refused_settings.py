"""Variables of a session that a server does not take any more: what they need is gone since the session
set them. A plain server lets the session keep them."""

import os

from support.case import case
from support.cluster import Cluster
from support.process import wait_until


def setup(context):
    return Cluster(context)


def still_works(cluster, client, name):
    """DDL on all servers, reads that move, transactions on whichever home."""
    client.query(f"CREATE TABLE {name} (id INT PRIMARY KEY, v TEXT, FULLTEXT(v))")
    client.query(f"INSERT INTO {name} VALUES (1, 'one')")
    for _ in range(12):
        assert client.value(f"SELECT COUNT(*) FROM {name}") == "1"
        client.query("BEGIN")
        client.query(f"UPDATE {name} SET v = CONCAT(v, '+')")
        client.query("COMMIT")
    cluster.assert_identical()
    assert set(cluster.consort.backend_states().values()) == {"online"}
    client.query(f"DROP TABLE {name}")


@case(seconds=60)
def query_cache_type(_context, cluster):
    """1925: no session may use the query cache any more."""
    cluster.sql("SET GLOBAL query_cache_type = ON")
    with cluster.connect() as client:
        client.query("SET SESSION query_cache_type = ON, SESSION max_error_count = 7")
        cluster.sql("SET GLOBAL query_cache_type = OFF")
        still_works(cluster, client, "without_cache")
        assert client.value("SELECT @@max_error_count") == "7"


@case(seconds=60)
def stopword_table(_context, cluster):
    """1231: the table is gone."""
    cluster.sql("CREATE TABLE stop (value VARCHAR(30)) ENGINE=InnoDB")
    with cluster.connect() as client:
        client.query("SET SESSION innodb_ft_user_stopword_table = 'test/stop', SESSION max_error_count = 7")
        still_works(cluster, client, "with_stop")
        cluster.sql("DROP TABLE stop")
        still_works(cluster, client, "without_stop")
        assert client.value("SELECT @@max_error_count") == "7"


@case(seconds=60)
def temporary_directory(context, cluster):
    """1231: the other servers do not have the directory."""
    directory = os.path.join(context.work_dir, "tmpdir")
    os.makedirs(directory)
    with cluster.connect() as client:
        client.query(f"SET SESSION innodb_tmpdir = '{directory}', SESSION max_error_count = 7")
        os.rmdir(directory)
        still_works(cluster, client, "elsewhere")
        assert client.value("SELECT @@max_error_count") == "7"


@case(seconds=60)
def on_another_home(_context, cluster):
    """Whose home is lost makes DDL on another one, with a connection of its own."""
    cluster.sql("CREATE TABLE stop2 (value VARCHAR(30)) ENGINE=InnoDB")
    with cluster.connect() as client:
        client.query("SET SESSION innodb_ft_user_stopword_table = 'test/stop2', query_cache_type = OFF")
        client.query("BEGIN")
        home = int(client.value("SELECT @@server_id")) - 1
        client.query("ROLLBACK")
        cluster.sql("DROP TABLE stop2")
        cluster.servers[home].kill()
        client.query("CREATE TABLE beside (id INT PRIMARY KEY, v TEXT, FULLTEXT(v))")
        assert client.value("SELECT COUNT(*) FROM beside") == "0"
        cluster.servers[home].start()
        wait_until(lambda: set(cluster.consort.backend_states().values()) == {"online"}, 20,
                   lambda: f"all online: {cluster.consort.get('/backends')}")
        still_works(cluster, client, "again")
