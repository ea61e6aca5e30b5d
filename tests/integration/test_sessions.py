"""What a session keeps while its statements move between servers, and what servers may refuse."""

import time

from support import wire
from support.case import case
from support.cluster import Cluster
from support.process import wait_until


def setup(context):
    return Cluster(context)


def assert_never_suspected(cluster):
    log = cluster.consort.log_text()
    assert "suspect" not in log, [line for line in log.splitlines() if "suspect" in line][:3]
    assert set(cluster.consort.backend_states().values()) == {"online"}


@case(seconds=30)
def prepared_statements_keep_their_database(_context, cluster):
    """A statement means the tables of the database in which it was prepared, wherever it runs."""
    cluster.sql("CREATE DATABASE one", "CREATE DATABASE two",
                "CREATE TABLE one.t (v INT PRIMARY KEY)", "INSERT INTO one.t VALUES (1)",
                "CREATE TABLE two.t (v INT PRIMARY KEY)", "INSERT INTO two.t VALUES (2)")
    texts = [f"SELECT /* consort: backend={server.name} */ v FROM t" for server in cluster.servers]
    with cluster.connect("one") as client, cluster.connect("two") as other:
        ours = [client.prepare(text) for text in texts]
        theirs = [other.prepare(text) for text in texts]
        for schema, number in (("two", 2), ("one", 1), ("two", 2)):
            client.init_db(schema)
            for our, their, text in zip(ours, theirs, texts):
                assert client.execute(our).rows == [(1,)]
                assert other.execute(their).rows == [(2,)]
                assert client.value(text) == str(number)
                assert client.value(text.replace("v FROM t", "DATABASE()")) == schema
    cluster.sql("DROP DATABASE one", "DROP DATABASE two")


@case(seconds=30)
def prepared_statements_keep_what_their_text_meant(_context, cluster):
    """A text is read with the sql_mode and character set in which it was prepared, wherever it runs;
    the session keeps those that it has now."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 1)")
    text = "SELECT 'a' || \"b\", \"b\", LENGTH('\\n'), CHAR_LENGTH('ä')"
    text += f" FROM {table} WHERE id = 1"
    now = "SELECT CONCAT(@@sql_mode, ' ', @@collation_connection)"
    clients, taken = [cluster.connect() for _ in range(6)], []
    for client in clients:
        first = client.prepare(text)  # the session has no home yet
        client.query("SET NAMES latin1")
        client.query("SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'")
        client.query("SET sql_mode = CONCAT(@@sql_mode, ',ONLY_FULL_GROUP_BY')")
        second = client.prepare(text.replace('"b"', "'b'"))
        mode = client.value(now)
        assert "ONLY_FULL_GROUP_BY" in mode and mode.endswith(" latin1_swedish_ci"), mode
        client.query(f"SELECT GET_LOCK('{len(taken)}', 0)")  # all runs at its home now
        taken.append(client)
        for _ in range(2):
            assert client.execute(first).rows == [(0, b"b", 1, 1)]
            assert client.value(now) == mode
        client.query("SET NAMES utf8mb4")
        client.query("SET sql_mode = ''")
        for sql in ("DO 1", "BEGIN", f"INSERT INTO {table} VALUES (2, 2)"):
            client.query(sql)
            for _ in range(4):
                assert client.execute(second).rows == [(b"ab", b"b", 2, 2)]
                assert client.value(now) == " utf8mb4_general_ci"
        client.query("ROLLBACK")
    for client in clients:
        client.quit()


@case(seconds=30)
def collations_of_the_connection(_context, cluster):
    """SET NAMES .. COLLATE means the same on every server, and ends with the next SET NAMES."""
    places = [f"/* consort: backend={server.name} */" for server in cluster.servers]
    with cluster.connect() as client:
        for statements, collation, equal in (
                (("SET NAMES utf8mb4 COLLATE utf8mb4_bin",), "utf8mb4_bin", "0"),
                (("SET NAMES latin1",), "latin1_swedish_ci", "1"),
                (("SET collation_connection = utf8mb4_bin",), "utf8mb4_bin", "0"),
                (("SET NAMES latin1",), "latin1_swedish_ci", "1"),
                (("SET NAMES utf8mb4", "SET collation_connection = latin1_bin"), "latin1_bin", "0"),
                (("SET character_set_connection = utf8mb4",), "utf8mb4_general_ci", "1")):
            for statement in statements:
                client.query(statement)
            for place in places:
                seen = client.query(f"SELECT {place} @@collation_connection, 'a' = 'A'").rows
                assert seen == [(collation.encode(), equal.encode())], (statements, place, seen)


@case(seconds=30)
def settings_of_one_statement(_context, cluster):
    """SET STATEMENT .. FOR: the next statement runs without, wherever it runs."""
    places = [f"/* consort: backend={server.name} */" for server in cluster.servers]
    with cluster.connect() as client:
        client.query("SET STATEMENT sql_mode = 'ANSI_QUOTES', group_concat_max_len = 7 FOR SELECT 1")
        for place in places:
            row = client.query(f"SELECT {place} @@sql_mode, @@group_concat_max_len").rows[0]
            assert b"STRICT" in row[0] and row[1] == b"1048576", row
            assert client.value(f"SELECT {place} \"text\"") == "text"


@case(seconds=30)
def variables_set_without_a_scope(_context, cluster):
    """SET @@x: a server does not report it. It goes along all the same, and is nobody else's."""
    places = [f"/* consort: backend={server.name} */" for server in cluster.servers]
    table = cluster.table("id INT PRIMARY KEY")
    ask = "SELECT {} @@sql_mode, @@group_concat_max_len, @@autocommit"
    for _ in range(3):
        with cluster.connect() as client:
            fresh = client.query(ask.format("")).rows
            client.query("SET @@sql_mode = 'ANSI_QUOTES', @@`group_concat_max_len` = 9")
            statement = client.prepare("SET @@autocommit = ?")
            client.execute(statement, (0,))
            for place in places:
                assert client.query(ask.format(place)).rows == [(b"ANSI_QUOTES", b"9", b"0")]
            client.query(f"INSERT INTO {table} VALUES (1)")
            client.query("ROLLBACK")
            assert client.query(f"SELECT COUNT(*) FROM {table}").rows == [(b"0",)]
        with cluster.connect() as other:
            for place in places:
                assert other.query(ask.format(place)).rows == fresh
    with cluster.connect() as client:
        client.query("SET @@tx_isolation = 'SERIALIZABLE'")  # for the next transaction
        assert client.value("SELECT @@session.tx_isolation") == "REPEATABLE-READ"


@case(seconds=30)
def serializable_reads_wait_for_nobody(_context, cluster):
    """Outside a transaction no read takes locks, also while functions exist that might write."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 1)", "CREATE FUNCTION one() RETURNS INT DETERMINISTIC RETURN 1")
    with cluster.connect() as writer, cluster.connect() as reader:
        writer.query("BEGIN")
        writer.query(f"UPDATE {table} SET v = 2")
        for setting in ("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"):
            reader.query(setting)
            for server in cluster.servers:
                place = f"/* consort: backend={server.name} */"
                began = time.monotonic()
                assert reader.value(f"SELECT {place} v + one() - one() FROM {table}") == "1"
                assert time.monotonic() - began < 5
        assert reader.value("SELECT @@tx_isolation") == "SERIALIZABLE"
        writer.query("ROLLBACK")
    cluster.sql("DROP FUNCTION one")


@case(seconds=30)
def settings_of_the_next_transaction_end_with_it(_context, cluster):
    """Though its branch is committed by another connection."""
    table = cluster.table("id INT PRIMARY KEY")
    levels = "SELECT trx_isolation_level FROM information_schema.innodb_trx"
    (client,) = cluster.on_homes(1)
    client.query("BEGIN")
    home = cluster.servers[int(client.value("SELECT @@server_id")) - 1]
    client.query("ROLLBACK")
    for number, (setting, level) in enumerate((
            ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "READ COMMITTED"),
            ("SET @@tx_isolation = 'SERIALIZABLE'", "SERIALIZABLE"))):
        client.query(setting)
        for row, expected in ((2 * number, level), (2 * number + 1, "REPEATABLE READ")):
            client.query("BEGIN")
            client.query(f"INSERT INTO {table} VALUES ({row})")
            time.sleep(0.15)  # the server renews the view when nobody has read it for 100 ms
            assert home.query(levels) == ((expected,),), (row, home.query(levels))
            client.query("COMMIT")
    client.quit()


@case(seconds=30)
def results_without_a_character_set(_context, cluster):
    """SET character_set_results = NULL, as a widespread driver does at once: reads and DDL."""
    with cluster.connect() as client:
        client.query("SET character_set_results = NULL")
        for server in cluster.servers:
            place = f"/* consort: backend={server.name} */"
            assert client.value(f"SELECT {place} @@character_set_results") is None
        client.query("CREATE TABLE nothing (id INT PRIMARY KEY)")
        client.query("DROP TABLE nothing")
    cluster.assert_identical()
    assert set(cluster.consort.backend_states().values()) == {"online"}


@case(seconds=30)
def a_database_chosen_after_a_failed_read(_context, cluster):
    """COM_INIT_DB behind a read that failed elsewhere is the whole session's."""
    cluster.sql("CREATE DATABASE other", "CREATE TABLE other.chosen (v INT PRIMARY KEY)",
                "CREATE TABLE chosen (v INT PRIMARY KEY)", "INSERT INTO chosen VALUES (1)")
    for server in cluster.servers:
        cluster.settle()  # the last round's row is gone on every home
        with cluster.connect() as client:
            client.query("UPDATE chosen SET v = v WHERE v = 1")  # the home
            try:
                client.query(f"SELECT /* consort: backend={server.name} */ nosuch FROM chosen")
                raise AssertionError("there is no such column")
            except wire.ServerError as error:
                assert error.code == 1054, error
            client.init_db("other")
            assert client.query("DELETE FROM chosen").affected == 0
            assert client.query("INSERT INTO chosen VALUES (7)").affected == 1
            assert client.query("DELETE FROM chosen").affected == 1
    assert cluster.sql("SELECT v FROM test.chosen") == [(b"1",)]
    cluster.sql("DROP DATABASE other", "DROP TABLE chosen")


@case(seconds=30)
def wide_characters_in_literals(_context, cluster):
    """Branches and DDL of a session whose literals are ucs2: their names are Consort's own."""
    table = cluster.table("id INT PRIMARY KEY, s VARCHAR(10)")
    with cluster.connect() as client:
        client.query("SET NAMES utf8mb4, character_set_connection = ucs2")
        client.query(f"INSERT INTO {table} VALUES (1, 'one')")
        client.query("BEGIN")
        client.query(f"UPDATE {table} SET s = 'two'")
        client.query("COMMIT")
        client.query(f"ALTER TABLE {table} ADD COLUMN t VARCHAR(10) DEFAULT 'x'")
        assert client.value("SELECT @@collation_connection") == "ucs2_general_ci"
        assert client.query(f"SELECT * FROM {table}").rows == [(b"1", b"two", b"x")]
    cluster.sql(f"DROP TABLE {table}")
    cluster.assert_identical()


@case(seconds=30)
def prepared_statements_do_not_pile_up(_context, cluster):
    """Preparing one statement again and again leaves one on the server."""
    before = sum(int(server.query("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")[0][1])
                 for server in cluster.servers)
    with cluster.connect() as client:
        for _ in range(200):
            statement = client.prepare("SELECT ? + 1")
            assert client.execute(statement, (4,)).rows[0][0] in (5, b"5")
            client.close_statement(statement)
        after = sum(int(server.query("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")[0][1])
                    for server in cluster.servers)
    assert after - before < 10, f"{after - before} more prepared statements"


@case(seconds=30)
def a_procedure_that_commits(_context, cluster):
    """Its COMMIT fails inside the client's transaction, which goes on."""
    table = cluster.table("id INT PRIMARY KEY")
    cluster.sql(f"CREATE PROCEDURE commits() BEGIN INSERT INTO {table} VALUES (2); COMMIT; END")
    with cluster.connect() as client:
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} VALUES (1)")
        try:
            client.query("CALL commits()")
            raise AssertionError("COMMIT inside a branch")
        except wire.ServerError as error:
            assert error.code == 1399, error
        client.query(f"INSERT INTO {table} VALUES (3)")
        client.query("COMMIT")
    ids = cluster.sql(f"SELECT /* consort: read=strong */ id FROM {table}")
    assert ids in ([(b"1",), (b"2",), (b"3",)], [(b"1",), (b"3",)]), ids
    cluster.assert_identical()
    cluster.sql("DROP PROCEDURE commits")


@case(seconds=30)
def insert_ids_are_right_or_the_connection_ends(_context, cluster):
    """The home's connection is killed between an INSERT and LAST_INSERT_ID()."""
    table = cluster.table("id INT AUTO_INCREMENT PRIMARY KEY, v INT")
    with cluster.connect() as client:
        client.query(f"INSERT INTO {table} (v) VALUES (1)")
        assert client.value("SELECT LAST_INSERT_ID()") != "0"
        server, _, thread = client.query(
            "SELECT @@server_id, @@in_transaction, VARIABLE_VALUE  -- at home; its own number"
            "\nFROM information_schema.SESSION_VARIABLES"
            " WHERE VARIABLE_NAME = 'PSEUDO_THREAD_ID'").rows[0]
        home, thread = int(server) - 1, int(thread)
        cluster.servers[home].query(f"KILL {thread}")
        time.sleep(0.2)
        assert client.value(f"SELECT v FROM {table}") == "1"
        try:
            said = client.value("SELECT LAST_INSERT_ID()")
            raise AssertionError(f"LAST_INSERT_ID() is {said}")
        except wire.ServerError as error:
            assert error.code == 1053, error


@case(seconds=30)
def warnings_are_the_sessions_own(_context, cluster):
    """Neither those of an earlier session on the same connection nor of what Consort sent."""
    table = cluster.table("id INT PRIMARY KEY")
    for _ in range(10):
        with cluster.connect() as earlier:
            assert earlier.value("SELECT 1 / 0") is None  # a warning
        with cluster.connect() as earlier:
            earlier.query(f"INSERT IGNORE INTO {table} VALUES (1), (1)")  # another
        for question in ("SHOW WARNINGS", "SHOW COUNT(*) WARNINGS", "SELECT @@warning_count"):
            with cluster.connect() as client:
                rows = client.query(question).rows
                assert not rows or rows[0][0] == b"0", (question, rows)
    with cluster.connect() as client:
        client.query("BEGIN")
        client.query("SAVEPOINT a")
        assert client.query("SHOW WARNINGS").rows == []
        client.query(f"INSERT IGNORE INTO {table} VALUES (1)")
        assert client.query("SHOW WARNINGS").rows[0][1] == b"1062"
        client.query("ROLLBACK")


@case(seconds=30)
def servers_close_idle_connections(_context, cluster):
    """All idle connections end at once, as by wait_timeout: no server is taken for sick."""
    clients = [cluster.connect() for _ in range(12)]
    for client in clients:
        client.query("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'test'")
        client.query("SELECT @@in_transaction")  # at home, which stays
    ended = 0
    for server in cluster.servers:
        for (thread,) in server.query("SELECT ID FROM information_schema.PROCESSLIST"
                                      " WHERE USER = 'app' AND COMMAND = 'Sleep'"):
            server.query(f"KILL {thread}")
            ended += 1
    assert ended >= len(clients)
    for client in clients:
        assert client.value("SELECT 1") == "1"
        client.query("BEGIN")
        assert client.value("SELECT 1 FROM mysql.db LIMIT 1") in ("1", None)
        client.query("ROLLBACK")
        client.quit()
    assert_never_suspected(cluster)


@case(seconds=60)
def a_full_server_is_no_sick_server(_context, cluster):
    """An account over a limit of the servers hears the server's reason; the servers stay online."""
    cluster.sql("CREATE USER few@'%' IDENTIFIED BY 'few' WITH MAX_CONNECTIONS_PER_HOUR 1",
                "GRANT ALL ON test.* TO few@'%'")
    table = cluster.table("id INT PRIMARY KEY")
    cluster.settle()
    wait_until(lambda: can_log_in(cluster, "few"), 10, "the account is known")
    with cluster.consort.wire("test", user="few", password="few") as first:
        first.query("BEGIN")
        first.query(f"INSERT INTO {table} VALUES (1)")
        second = [cluster.consort.wire(None, user="few", password="few") for _ in range(3)]
        codes = []
        for client in second:
            try:
                client.query("BEGIN")
                client.query(f"SELECT * FROM test.{table} FOR UPDATE")
                codes.append(0)
            except wire.ServerError as error:
                codes.append(error.code)
        assert 1226 in codes or 1040 in codes, codes
        first.query("ROLLBACK")
        for client in second:
            client.close()
    assert_never_suspected(cluster)
    cluster.sql("DROP USER few@'%'")


def can_log_in(cluster, user):
    try:
        cluster.consort.wire(None, user=user, password=user).quit()
        return True
    except wire.ServerError:
        return False
