"""DDL, users and grants through Consort reach every server in one order."""

import os
import threading
import time

from support import wire
from support.case import Skip, case
from support.cluster import Cluster
from support.process import wait_until
from support.racing import finish, send
from support.server_kinds import by_brand, mariadb_only, with_mysql


# All that a server knows of its accounts themselves.
ACCOUNTS = by_brand("SELECT User, Host, JSON_REMOVE(Priv, '$.version_id') FROM mysql.global_priv",
                    "SELECT User, Host, plugin, LENGTH(authentication_string), account_locked,"
                    " password_expired, Create_user_priv, User_attributes FROM mysql.user")


def setup(context):
    return Cluster(context)


def new_role(name):
    """Statements that make a role which the tests' user may grant."""
    return by_brand((f"CREATE ROLE {name} WITH ADMIN app",), (f"CREATE ROLE {name}",))


@case(seconds=30)
def tables(_context, cluster):
    """CREATE, ALTER, RENAME, TRUNCATE, DROP."""
    cluster.sql("CREATE TABLE d (id INT PRIMARY KEY, v INT)", "INSERT INTO d VALUES (1, 1), (2, 2)",
                "ALTER TABLE d ADD COLUMN w VARCHAR(20) DEFAULT 'x', ADD UNIQUE KEY (v)",
                "INSERT INTO d VALUES (3, 3, 'y')", "CREATE INDEX by_w ON d (w)",
                "RENAME TABLE d TO e")
    cluster.assert_identical()
    for server in cluster.servers:
        assert len(server.query("SELECT * FROM test.e")) == 3
    cluster.sql("TRUNCATE TABLE e", "INSERT INTO e VALUES (9, 9, 'z')")
    cluster.assert_identical()
    cluster.sql("CREATE TABLE f (id INT)", "DROP TABLES e, f")
    for server in cluster.servers:
        assert not server.query("SHOW TABLES FROM test LIKE 'e'")


@case(seconds=30)
def other_objects(_context, cluster):
    """Databases, views, procedures, functions, triggers: the same on all, definers kept."""
    cluster.sql("CREATE DATABASE objects", "CREATE TABLE objects.t (id INT PRIMARY KEY, v INT)",
                "CREATE TABLE objects.log (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
                "CREATE VIEW objects.w AS SELECT v FROM objects.t",
                "CREATE TRIGGER objects.r AFTER INSERT ON objects.t FOR EACH ROW"
                " INSERT INTO objects.log (v) VALUES (NEW.v)",
                "CREATE FUNCTION objects.f(a INT) RETURNS INT DETERMINISTIC RETURN a + 1",
                "CREATE PROCEDURE objects.p() INSERT INTO objects.t VALUES (2, 20)",
                "INSERT INTO objects.t VALUES (1, 10)", "CALL objects.p()")
    cluster.assert_identical()
    for server in cluster.servers:
        assert server.query("SELECT COUNT(*) FROM objects.log")[0][0] == 2
        assert server.query("SELECT objects.f(1)")[0][0] == 2
        definers = {row[0] for row in server.query(
            "SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'objects' UNION "
            "SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'objects' UNION "
            "SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'objects'")}
        assert definers == {"app@%"}, definers
    cluster.sql("DROP DATABASE objects")
    cluster.assert_identical()


@case(seconds=30)
def settings_of_the_session(_context, cluster):
    """What a session runs with, by default or by its login, is what every server runs DDL with:
    the lanes have an sql_mode and a character set of their own."""
    with cluster.connect(collation=8) as client:  # latin1
        client.query("CREATE PROCEDURE modes() SELECT @@sql_mode")
        client.query("CREATE TABLE named (id INT PRIMARY KEY) COMMENT 'gr\xfcn'".encode("latin1"))
        client.query("SET sql_mode = 'ANSI_QUOTES', collation_connection = latin1_bin")
        client.query("CREATE PROCEDURE quoted() SELECT 1 AS \"one\"")
    cluster.settle()
    for table, what in (("ROUTINES", "ROUTINE_NAME, SQL_MODE, CHARACTER_SET_CLIENT,"
                         " COLLATION_CONNECTION, ROUTINE_DEFINITION"),
                        ("TABLES", "TABLE_NAME, TABLE_COMMENT")):
        column = "ROUTINE_SCHEMA" if table == "ROUTINES" else "TABLE_SCHEMA"
        seen = [server.query(f"SELECT {what} FROM information_schema.{table}"
                             f" WHERE {column} = 'test' ORDER BY 1") for server in cluster.servers]
        assert seen[0] == seen[1] == seen[2], seen
        if table == "ROUTINES":
            assert "STRICT_TRANS_TABLES" in seen[0][0][1] and seen[0][0][2] == "latin1", seen[0]
            assert seen[0][1][1] == "ANSI_QUOTES" and seen[0][1][3] == "latin1_bin", seen[0]
        else:
            assert ("named", "grün") in seen[0], seen[0]
    cluster.sql("DROP PROCEDURE modes", "DROP PROCEDURE quoted", "DROP TABLE named")


@case(seconds=30, each=[(name, setting) for name, setting in (
    ("join_size", "max_join_size = 1"), ("memory", "max_session_mem_used = 8192"),
    ("safe_updates", "sql_safe_updates = 1, sql_select_limit = 0"))])
def limits_of_the_sessions_statements(_context, cluster, setting):
    """They are not for what Consort itself executes on the session's connection."""
    if "mem_used" in setting:
        mariadb_only("limit of a session's memory in this form")
    with cluster.connect() as client:
        client.query("CREATE TABLE limited (id INT PRIMARY KEY)")
        client.query("SET " + setting)
        for sql in ("ALTER TABLE limited COMMENT = 'x'", "DROP TABLE limited"):
            try:
                client.query(sql)
            except wire.ServerError as error:  # a server may answer so, too
                assert error.code == 1290 and "mem_used" in setting, (sql, error)
                cluster.sql("DROP TABLE IF EXISTS limited")
                break
    cluster.assert_identical()


@case(seconds=30)
def errors_of_statements_about_several_tables(_context, cluster):
    """They run on the other servers only when a part of them may have had its effect."""
    cluster.sql("CREATE TABLE p (id INT PRIMARY KEY)",
                "CREATE TABLE c (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES p (id))",
                "CREATE TABLE alone (id INT PRIMARY KEY)")
    with cluster.connect() as client:
        for sql, code in (
                ("CREATE OR REPLACE VIEW IF NOT EXISTS w AS SELECT * FROM p", by_brand(1221, 1064)),
                ("CREATE VIEW w AS SELECT p.nosuch FROM p JOIN c USING (id)", 1054),
                ("CREATE TABLE d (id INT, FOREIGN KEY (id) REFERENCES p (nosuch))", by_brand(1005, 3734)),
                ("ALTER TABLE alone ADD FOREIGN KEY (nosuch) REFERENCES p (id)", 1072),
                ("RENAME TABLE alone TO other, p TO c", 1050),
                ("DROP TABLE alone, p", by_brand(1451, 3730)),
                ("DROP TABLE nosuch, c", 1051)):
            try:
                client.query(sql)
                raise AssertionError(sql)
            except wire.ServerError as error:
                assert error.code == code, (sql, error)
    cluster.assert_identical()
    assert set(cluster.consort.backend_states().values()) == {"online"}
    for server in cluster.servers:
        names = {name for (name,) in server.query("SHOW TABLES FROM test")}
        kept = by_brand({"p"}, {"p", "alone", "c"})  # on MySQL all of a statement is done, or nothing
        assert names & {"p", "alone", "other", "c", "d", "w"} == kept, names
    cluster.sql("DROP TABLE " + by_brand("p", "c, p, alone"))


PARTLY = {
    "table_and_view": (1965, "DROP TABLE half1, half_view, half2"),
    "view_and_table": (1965, "DROP TABLE half_view, half1"),
    "sequence_and_table": (4090, "DROP SEQUENCE half_sequence, half1"),
    "view_and_nothing": (4092, "DROP VIEW half_view, half1"),
    "table_and_nothing": (1051, "DROP TABLE half1, nosuch, half2"),
    "created_and_there": (1396, "CREATE USER half3@'%', half1@'%'"),
    "created_without_plugin": (1524, "CREATE USER half3@'%', half4@'%' IDENTIFIED VIA nosuch"),
    "created_without_hash": (1372, "CREATE USER half3@'%', half4@'%' IDENTIFIED BY PASSWORD 'short'"),
    "dropped_and_nobody": (1396, "DROP USER half1@'%', nobody@'%'"),
    "renamed_and_nobody": (1396, "RENAME USER half1@'%' TO half3@'%', nobody@'%' TO half4@'%'"),
    "altered_and_nobody": (1396, "ALTER USER half1@'%' IDENTIFIED BY 'a', nobody@'%' IDENTIFIED BY 'a'"),
    "role_and_public": (1959, "CREATE ROLE half_role2, public"),
    "granted_to_nobody": (1133, "GRANT SELECT ON test.* TO half2@'%', nobody@'%'"),
    "granted_to_itself": (1961, "GRANT half_role TO half2@'%', half_role"),
    "revoked_without_role": (1962, "REVOKE half_role FROM half2@'%', half1@'%'"),
    "revoked_without_grant": (1147, "REVOKE SELECT ON test.half1 FROM half1@'%', half2@'%'"),
    "revoked_without_execute": (1403, "REVOKE EXECUTE ON PROCEDURE test.half FROM half1@'%', half2@'%'"),
}


def definitions(server):
    """Of what those lists are about: its tables, views and accounts."""
    return [server.query(sql) for sql in (
        "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_NAME LIKE 'half%' ORDER BY 1",
        "SELECT Host, User, JSON_REMOVE(Priv, '$.version_id') FROM mysql.global_priv WHERE User LIKE 'half%' ORDER BY 1, 2",
        "SELECT * FROM mysql.roles_mapping WHERE User LIKE 'half%' ORDER BY 1, 2, 3",
        "SELECT Host, User, Db, Select_priv FROM mysql.db WHERE User LIKE 'half%' ORDER BY 1, 2, 3",
        "SELECT Host, User, Table_name, Table_priv FROM mysql.tables_priv WHERE User LIKE 'half%' ORDER BY 1, 2, 3",
        "SELECT Host, User, Routine_name, Proc_priv FROM mysql.procs_priv WHERE User LIKE 'half%' ORDER BY 1, 2, 3")]


@case(seconds=30)
def one_clock(_context, cluster):
    """DDL has one time on all servers, whatever was committed or set on the connection before."""
    with cluster.connect() as client:
        client.query("CREATE TABLE clock (id INT PRIMARY KEY)")
        client.query("INSERT INTO clock VALUES (1)")
        for number, sql in enumerate(("DO 0", "INSERT INTO clock (id) VALUES (2)", "SET rand_seed1 = 4",
                                      "SET timestamp = 1000.5", "INSERT INTO clock (id) VALUES (3)",
                                      "SET timestamp = DEFAULT", "SET insert_id = 9")):
            client.query(sql)
            for again in range(2):
                client.query(f"ALTER TABLE clock ADD t{number}{again} DATETIME(6) DEFAULT NOW(6)")
        own = client.query("SELECT UNIX_TIMESTAMP(t30), UNIX_TIMESTAMP(t41) FROM clock").rows
        assert own == [(b"1000.500000", b"1000.500000")] * 3, own
        first = client.value("SELECT SYSDATE(6)")
        assert client.value("SELECT NOW(6)") >= first  # its clock runs again
    cluster.assert_identical()


@case(seconds=30)
def clocks_of_others(_context, cluster):
    """Who gets a connection on which a client has stopped its clock has a clock that runs."""
    with cluster.connect() as client:
        client.query("CREATE TABLE IF NOT EXISTS clock2 (id INT PRIMARY KEY, t DATETIME(6) DEFAULT NOW(6))")
        for number in range(6):
            client.query(f"INSERT INTO clock2 (id) VALUES ({number})")
            client.query("SET timestamp = 1000")
            assert client.value("SELECT UNIX_TIMESTAMP(NOW())") == "1000"
            client.query(f"INSERT INTO clock2 (id) VALUES ({number} + 10)")
            client.query("SET timestamp = DEFAULT" if number % 2 else "DO 0")
            assert (client.value("SELECT UNIX_TIMESTAMP(NOW())") == "1000") == (number % 2 == 0)
            with cluster.connect() as other:
                assert other.value("SELECT UNIX_TIMESTAMP(NOW()) > 1000000") == "1"
    cluster.settle()
    for server in cluster.servers:
        assert server.query("SELECT COUNT(*) FROM test.clock2 WHERE t < '2000-01-01'") == ((9,),)
    cluster.assert_identical()


@case(seconds=30, each=[(name, *PARTLY[name]) for name in PARTLY])
def a_list_whose_end_fails(_context, cluster, code, statement):
    """What the home has done of it, all do."""
    mariadb_only("list of which a part is done: its definitions are atomic (test_mysql.py)")
    with cluster.connect() as client:
        for sql in ("DROP USER IF EXISTS half1@'%', half2@'%', half3@'%', half4@'%'", "DROP ROLE IF EXISTS half_role",
                    "DROP ROLE IF EXISTS half_role2", "DROP TABLE IF EXISTS half1, half2", "DROP VIEW IF EXISTS half_view",
                    "DROP SEQUENCE IF EXISTS half_sequence", "CREATE TABLE half1 (id INT PRIMARY KEY)",
                    "CREATE TABLE half2 (id INT PRIMARY KEY)", "CREATE VIEW half_view AS SELECT 1",
                    "CREATE SEQUENCE half_sequence", "CREATE OR REPLACE PROCEDURE half() SELECT 1",
                    "CREATE USER half1@'%', half2@'%'", "CREATE ROLE half_role WITH ADMIN app@'%'",
                    "GRANT SELECT ON test.half1 TO half1@'%'", "GRANT EXECUTE ON PROCEDURE test.half TO half1@'%'",
                    "GRANT half_role TO half1@'%'"):
            client.query(sql)
        cluster.settle()
        before = definitions(cluster.servers[0])
        assert client.error_of(statement)[0] == code
        client.query("CREATE TABLE IF NOT EXISTS half_end (a INT)")
    cluster.assert_identical()
    found = [definitions(server) for server in cluster.servers]
    assert found[0] != before
    assert found[1:] == [found[0]] * (len(found) - 1), found
    assert set(cluster.consort.backend_states().values()) == {"online"}


@case(seconds=30)
def an_interrupted_drop(_context, cluster):
    """What its home gives up while it waits for a lock happens nowhere."""
    cluster.sql("CREATE TABLE one (id INT)", "CREATE TABLE two (id INT)", "CREATE DATABASE many",
                "CREATE TABLE many.one (id INT)")
    with cluster.connect() as client:
        client.query("SET lock_wait_timeout = 1")
        with home_of(cluster, client).connect() as past_consort:
            holder = past_consort.cursor()
            holder.execute("BEGIN")
            holder.execute("SELECT 1 FROM test.two, many.one")
            for sql in ("DROP TABLE one, two", "DROP DATABASE many",
                        by_brand("CREATE OR REPLACE TABLE two (other INT)", "TRUNCATE TABLE two")):
                try:
                    client.query(sql)
                    raise AssertionError(sql)
                except wire.ServerError as error:
                    assert error.code == 1205, (sql, error)
        client.query("INSERT INTO one SELECT * FROM two")
        assert set(cluster.consort.backend_states().values()) == {"online"}
        cluster.assert_identical()
        for server in cluster.servers:
            assert server.query("SELECT COUNT(*) FROM many.one, test.two") == ((0,),)
        client.query("DROP TABLE one, two")
    cluster.sql("DROP DATABASE many")


@case(seconds=30)
def a_drop_that_fails_amid(_context, cluster):
    """What its home has done before the error is done everywhere: on MySQL nothing."""
    cluster.sql("CREATE DATABASE many", "CREATE TABLE many.one (id INT)")
    with cluster.connect() as client:
        home = home_of(cluster, client)
        stray = os.path.join(home.data_dir, "many", "stray")
        with open(stray, "w", encoding="ascii") as file:
            file.write("not a table's")
        try:
            client.query("DROP DATABASE many")
            raise AssertionError("dropped")
        except wire.ServerError as error:
            assert error.code == 1010, error
        client.query("CREATE TABLE after (id INT)")
    cluster.assert_identical()
    assert set(cluster.consort.backend_states().values()) == {"online"}
    for server in cluster.servers:
        assert server.query("SELECT TABLE_NAME FROM information_schema.TABLES"
                            " WHERE TABLE_SCHEMA = 'many'") == by_brand((), (("one",),))
    os.unlink(stray)
    if with_mysql():
        cluster.sql("DROP DATABASE many")
    else:
        home.query("DROP DATABASE many")
    cluster.sql("DROP TABLE after")


@case(seconds=30)
def errors_change_nothing(_context, cluster):
    """DDL that fails on the home runs nowhere; its own error reaches the client."""
    cluster.sql("CREATE TABLE once (a INT)", "CREATE TABLE orphan (a INT)",
                "INSERT INTO orphan VALUES (1)", "CREATE TABLE parent (a INT PRIMARY KEY)")
    parent = "FOREIGN KEY (a) REFERENCES"
    with cluster.connect() as client:
        for statement, code in (("CREATE TABLE once (a INT)", 1050), ("DROP TABLE nowhere", 1051),
                                ("ALTER TABLE once ADD COLUMN a INT", 1060),
                                ("CREATE TABLE bad (a NOTYPE)", by_brand(4161, 1064)),
                                (f"create  table bad (a INT, {parent} nowhere (a))",
                                 by_brand(1005, 1824)),
                                (f"ALTER TABLE once ADD {parent} nowhere (a)", by_brand(1005, 1824)),
                                (f"\n ALTER TABLE orphan ADD {parent} parent (a)", 1452),
                                ("DROP USER nobody_at_all", 1396)):
            try:
                client.query(statement)
                raise AssertionError(f"accepted: {statement}")
            except wire.ServerError as error:
                assert error.code == code, f"{statement}: {error}"
        reply = client.query("CREATE TABLE IF NOT EXISTS once (a INT)")
        assert reply.warnings == 1
        assert client.query("SHOW WARNINGS").rows[0][1] == b"1050"
    assert set(cluster.consort.backend_states().values()) == {"online"}
    cluster.assert_identical()


@case(seconds=30)
def settings_end_with_their_ddl(_context, cluster):
    """What a session has set is in force for its own DDL, on every server, and for nobody else's."""
    with cluster.two_homes() as (first, second):
        first.query("SET character_set_server = utf8mb4, collation_server = utf8mb4_unicode_ci")
        first.query("CREATE DATABASE with_settings")
        second.query("CREATE DATABASE without_them")
        second.query("CREATE TABLE without_them.t (v VARCHAR(20))")
        second.query("INSERT INTO without_them.t VALUES ('x')")
    cluster.settle()
    for server in cluster.servers:
        found = dict(server.query("SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM"
                                  " information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'with%'"))
        assert found == {
            "with_settings": "utf8mb4_unicode_ci",
            "without_them": server.query("SELECT @@GLOBAL.collation_server")[0][0]}, (
                server.name, found)
    assert set(cluster.consort.backend_states().values()) == {"online"}
    cluster.sql("DROP DATABASE with_settings", "DROP DATABASE without_them")


@case(seconds=30)
def any_collation_of_a_login(_context, cluster):
    """Drivers log in with one that is no character set's default: 224 is utf8mb4_unicode_ci."""
    for collation in (224, 46, 83, 192, 47):
        with cluster.connect(collation=collation) as client:
            client.query(f"CREATE OR REPLACE VIEW of_a_driver AS SELECT 'x' AS v, {collation} AS n")
    cluster.settle()
    assert set(cluster.consort.backend_states().values()) == {"online"}
    cluster.assert_identical()
    cluster.sql("DROP VIEW of_a_driver")


@case(seconds=30)
def a_failed_replacement(_context, cluster):
    """The server has dropped the old table by then: so it is gone everywhere."""
    mariadb_only("CREATE OR REPLACE TABLE")
    for statement, code in (("CREATE OR REPLACE TABLE replaced (a INT, a INT)", 1060),
                            ("/* x */ create or\nREPLACE TABLE replaced (a INT, FOREIGN KEY (a)"
                             " REFERENCES nowhere (x))", 1005)):
        cluster.sql("CREATE TABLE replaced (a INT PRIMARY KEY)")
        with cluster.connect() as client:
            try:
                client.query(statement)
                raise AssertionError(f"accepted: {statement}")
            except wire.ServerError as error:
                assert error.code == code, f"{statement}: {error}"
        cluster.assert_identical()
        for server in cluster.servers:
            assert not server.query("SHOW TABLES FROM test LIKE 'replaced'")
    assert set(cluster.consort.backend_states().values()) == {"online"}


@case(seconds=30)
def users(_context, cluster):
    """A new account works within seconds, on every server alike; so do changes and its end."""
    cluster.sql("CREATE USER fresh@'%' IDENTIFIED BY 'one'", "GRANT SELECT ON test.* TO fresh@'%'")

    def logs_in(password):
        try:
            cluster.consort.wire("test", user="fresh", password=password).quit()
            return True
        except wire.ServerError:
            return False

    began = time.monotonic()
    wait_until(lambda: logs_in("one"), 5, "the new user can log in")
    told = f"first login after {time.monotonic() - began:.2f} s"
    with cluster.consort.wire("test", user="fresh", password="one") as client:
        assert client.value("SELECT CURRENT_USER()") == "fresh@%"
        try:
            client.query("CREATE TABLE forbidden (a INT)")
            raise AssertionError("a user without rights created a table")
        except wire.ServerError as error:
            assert error.code == 1142, error
    for server in cluster.servers:
        assert server.query("SHOW GRANTS FOR fresh@'%'")[1][0].startswith("GRANT SELECT ON `test`")
    cluster.sql("ALTER USER fresh@'%' IDENTIFIED BY 'two'")
    wait_until(lambda: logs_in("two") and not logs_in("one"), 5, "the new password counts")
    cluster.sql("REVOKE SELECT ON test.* FROM fresh@'%'", "DROP USER fresh@'%'")
    wait_until(lambda: not logs_in("two"), 5, "the dropped user is refused")
    # Of two releases the accounts that they began with differ.
    hashes = {(server.kind.release,
               str(server.query(ACCOUNTS + " ORDER BY 1, 2")))
              for server in cluster.servers}
    assert len(hashes) == len({server.kind.release for server in cluster.servers}), hashes
    return told


@case(seconds=30)
def roles(_context, cluster):
    """Their administrator is a client: the other servers execute its grants all the same."""
    cluster.sql(*new_role("reader"), "GRANT SELECT ON test.* TO reader", *new_role("writer"),
                "CREATE USER holder@'%'", "GRANT reader TO holder@'%'", "GRANT writer TO holder@'%'",
                "REVOKE writer FROM holder@'%'", "GRANT reader TO writer",
                f"SET DEFAULT ROLE reader {by_brand('FOR', 'TO')} holder@'%'")
    cluster.settle()
    for server in cluster.servers:
        held = by_brand(
            "SELECT User, Role FROM mysql.roles_mapping WHERE User IN ('holder', 'writer')",
            "SELECT TO_USER, FROM_USER FROM mysql.role_edges WHERE TO_USER IN ('holder', 'writer')")
        assert sorted(server.query(held)) == [("holder", "reader"), ("writer", "reader")], server.name
    assert set(cluster.consort.backend_states().values()) == {"online"}
    cluster.sql("DROP ROLE writer", "DROP USER holder@'%'", "DROP ROLE reader")


@case(seconds=30)
def password_hash_is_not_logged(_context, cluster):
    """Passwords of statements do not show up in the log file or in /sessions."""
    secret = "do-not-write-me-down"
    cluster.sql(f"CREATE USER hidden@'%' IDENTIFIED BY '{secret}'", "DROP USER hidden@'%'")
    assert secret not in cluster.consort.log_text()
    assert secret not in str(cluster.consort.get("/sessions"))
    assert "consort-secret" not in str(cluster.consort.get("/config"))
    assert "consort-secret" not in cluster.consort.log_text()


@case(seconds=60, each=[("another_home", False), ("the_same_home", True)])
def waits_for_no_branch_behind_it(_context, cluster, same_home):
    """A branch that is certified behind DDL may hold a table lock that the DDL needs on its home."""
    changed, locked, barrier = (cluster.table("id INT PRIMARY KEY, v INT") for _ in range(3))
    cluster.sql(*(f"INSERT INTO {table} VALUES (1, 0)" for table in (changed, locked, barrier)))
    writer, other, _ = cluster.on_homes()
    definer = cluster.on_homes()[0] if same_home else other
    writer.query("BEGIN")
    writer.query(f"UPDATE {changed} SET v = 1 WHERE id = 1")
    writer.query(f"UPDATE {locked} SET v = 1 WHERE id = 99")  # no such row: the table is locked
    # Until it is told, the definer's home does not get to the statement.
    keeper = cluster.servers[0 if same_home else 1].connect("test")
    keeper.cursor().execute(f"LOCK TABLES {barrier if same_home else locked} READ")
    if same_home:
        other.query(f"UPDATE {barrier} SET v = 1 WHERE id = 1")
    before = cluster.consort.get("/status")["head"]
    send(definer, f"CREATE INDEX by_v ON {locked} (v)")
    wait_until(lambda: cluster.consort.get("/status")["head"] > before, 10,
               "the statement has its place in the log")
    writer.query("COMMIT")
    keeper.close()
    assert finish(definer) == "ok"
    told = cluster.assert_identical(20)
    for server in cluster.servers:
        assert server.query(f"SELECT v FROM test.{changed}") == ((1,),)
    return told


@case(seconds=60, soak_seconds=600)
def ddl_under_load(context, cluster):
    """ALTERs while transactions run on the same table: all end, no lost row, servers equal."""
    table = cluster.table("id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT NOT NULL")
    stop, done, wrong = threading.Event(), [], []

    def work():
        with cluster.connect() as client:
            while not stop.is_set():
                try:
                    client.query("BEGIN")
                    client.query(f"INSERT INTO {table} (v) VALUES (1)")
                    client.query("COMMIT")
                    done.append(1)
                except wire.ServerError as error:
                    # 1412: the definition changed since the transaction's snapshot.
                    if error.code not in (1213, 1412):
                        wrong.append(str(error))
                    client.query("ROLLBACK")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        with cluster.connect(timeout=60) as client:
            for number in range(context.pick(6, 100)):
                client.query(f"ALTER TABLE {table} ADD COLUMN c{number} INT DEFAULT {number}")
                time.sleep(0.05)
                client.query(f"ALTER TABLE {table} DROP COLUMN c{number}")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[:5]
    assert int(cluster.sql(f"SELECT /* consort: read=strong */ COUNT(*) FROM {table}")[0][0]) == len(
        done)
    cluster.assert_identical()
    return f"{len(done)} inserts meanwhile"


@case(seconds=60)
def a_handler_does_not_stop_ddl(_context, cluster):
    """Of an idle session: neither the DDL nor anybody's commits wait for its next statement, and
    that does not wait for them."""
    table, other = (cluster.table("id INT PRIMARY KEY, v INT") for _ in range(2))
    with cluster.connect(timeout=20) as holder, cluster.connect(timeout=20) as client:
        client.query(f"INSERT INTO {table} VALUES (1, 1), (2, 2)")
        for number in range(3):
            holder.query(f"INSERT INTO {other} VALUES ({number}, 0)")
            holder.query(f"HANDLER {table} OPEN AS h")
            assert holder.query("HANDLER h READ FIRST").rows[0][0] == b"1"
            client.query(f"ALTER TABLE {table} ADD COLUMN c{number} INT")
            client.query(f"UPDATE {other} SET v = 1 WHERE id = {number}")
            assert holder.query("HANDLER h READ NEXT").rows  # its server may have no column more yet
            holder.query("HANDLER h CLOSE")
    cluster.assert_identical()


@case(seconds=60, soak_seconds=600)
def auto_increment_never_collides(context, cluster):
    """Inserts from all homes: no 1062, no 1213 for mere inserts, all ids different."""
    table = cluster.table("id BIGINT AUTO_INCREMENT PRIMARY KEY, who INT NOT NULL")
    each, ids, wrong = context.pick(100, 5000), [], []

    def work(who):
        with cluster.connect() as client:
            for _ in range(each):
                try:
                    ids.append(client.query(f"INSERT INTO {table} (who) VALUES ({who})").insert_id)
                except wire.ServerError as error:
                    wrong.append(str(error))

    threads = [threading.Thread(target=work, args=(who,)) for who in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, f"{len(wrong)} errors: {wrong[:3]}"
    assert len(set(ids)) == len(ids) == 9 * each
    cluster.assert_identical()


@case(seconds=30)
def other_engines_are_refused(_context, cluster):
    """A write to a table that cannot be certified is an error, never a difference."""
    try:
        cluster.sql("CREATE TABLE flat (a INT) ENGINE=MyISAM", "INSERT INTO flat VALUES (1)")
        raise AssertionError("a MyISAM write was accepted")
    except wire.ServerError as error:
        assert error.code != 1213, error
    counts = {server.query("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema ="
                           " 'test' AND table_name = 'flat'")[0][0] for server in cluster.servers}
    assert len(counts) == 1, counts
    cluster.sql("DROP TABLE IF EXISTS flat")
    cluster.assert_identical()


@case(seconds=30)
def like_another_table(_context, cluster):
    """CREATE TABLE .. LIKE of a partitioned table, and of one of another engine, which becomes InnoDB's."""
    cluster.sql("CREATE TABLE parts (a INT) PARTITION BY HASH (a) PARTITIONS 2")
    with cluster.connect() as client:
        client.query("CREATE TABLE parts2 LIKE parts")
        if with_mysql():  # whose own tables are InnoDB's
            client.query("CREATE TABLE of_aria (LIKE parts)")
        else:
            made = client.query("CREATE TABLE of_aria (LIKE mysql.time_zone)")
            assert made.warnings == 1, made
            assert client.query("SHOW WARNINGS").rows[0][1] == b"1266"
        assert "NO_ENGINE_SUBSTITUTION" in client.value("SELECT @@sql_mode")
        try:
            client.query("CREATE TABLE flat (a INT) ENGINE=MyISAM")
            raise AssertionError("a MyISAM table was accepted")
        except wire.ServerError as error:
            assert error.code in by_brand((1290,), (3161,)), error
    cluster.assert_identical()
    for server in cluster.servers:
        text = server.query("SHOW CREATE TABLE test.parts2")[0][1]
        assert "ENGINE=InnoDB" in text and "PARTITIONS 2" in text, text
        assert "ENGINE=InnoDB" in server.query("SHOW CREATE TABLE test.of_aria")[0][1]
    cluster.sql("DROP TABLE parts, parts2, of_aria")


@case(seconds=30)
def analyze_and_optimize(_context, cluster):
    """Table maintenance works and leaves the servers equal."""
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 1)", f"ANALYZE TABLE {table}",
                f"OPTIMIZE TABLE {table}")
    cluster.assert_identical()


@case(seconds=60)
def create_table_select(_context, cluster):
    """CREATE TABLE .. SELECT gives the same rows everywhere. More of it: test_create_select.py."""
    if with_mysql():
        raise Skip("refused before MySQL servers: test_mysql.refused_for_now")
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 1), (2, 2)",
                f"CREATE TABLE copied (PRIMARY KEY (id)) SELECT * FROM {table}")
    for server in cluster.servers:
        assert server.query("SELECT COUNT(*) FROM test.copied")[0][0] == 2
    cluster.assert_identical()


@case(seconds=30)
def whoever_runs_it(_context, cluster):
    """Statements about accounts that mean the session's own: on every server it is that account."""
    cluster.sql("CREATE USER own IDENTIFIED BY 'old'", *new_role("held"),
                "GRANT held TO own", "GRANT CREATE USER ON *.* TO own WITH GRANT OPTION")
    if with_mysql():
        cluster.sql("GRANT ROLE_ADMIN ON *.* TO own")
    wait_until(lambda: can_login(cluster, "own", "old"), 10, "the account")
    with cluster.connect(None, user="own", password="old") as client:
        client.query(by_brand("SET DEFAULT ROLE held",
                              "ALTER USER CURRENT_USER() DEFAULT ROLE held"))
        client.query("CREATE ROLE made")
        client.query("GRANT made TO CURRENT_USER()")
        if with_mysql():  # which prepares no SET PASSWORD
            client.query("SET PASSWORD = 'new'")
        else:
            statement = client.prepare("SET PASSWORD = PASSWORD('new')")
            client.execute(statement)
    cluster.settle()
    for server in cluster.servers:
        assert server.query(by_brand(
            "SELECT default_role FROM mysql.user WHERE User = 'own'",
            "SELECT DEFAULT_ROLE_USER FROM mysql.default_roles WHERE User = 'own'")) == (("held",),)
        assert server.query(by_brand(
            "SELECT User, Role, Admin_option FROM mysql.roles_mapping WHERE User = 'own' ORDER BY 2",
            "SELECT TO_USER, FROM_USER, WITH_ADMIN_OPTION FROM mysql.role_edges WHERE TO_USER = 'own'"
            " ORDER BY 2")) == (("own", "held", "N"), ("own", "made", by_brand("Y", "N")))
        wire.connect(server.port, "own", "new").quit()
    cluster.sql("DROP ROLE held, made", "DROP USER own")


@case(seconds=20)
def accounts_that_cannot_be_replaced(_context, cluster):
    """Where the new one cannot be made, the old one may be gone: on all servers or on none."""
    cluster.sql("CREATE USER gone, stays IDENTIFIED BY 'x'")
    for sql in (*by_brand(("CREATE OR REPLACE USER gone IDENTIFIED WITH no_such_plugin",), ()),
                "CREATE USER stays IDENTIFIED WITH no_such_plugin"):
        try:
            cluster.sql(sql)
            raise AssertionError(f"{sql} was executed")
        except wire.ServerError as error:
            print(sql, error)
        cluster.settle()
        accounts = [server.query(ACCOUNTS + " WHERE User IN ('gone', 'stays') ORDER BY 1")
                    for server in cluster.servers]
        print(accounts[0], flush=True)
        assert accounts[0] == accounts[1] == accounts[2], (sql, accounts)
    cluster.sql("DROP USER IF EXISTS gone, stays")


@case(seconds=20)
def replacing_needs_rights(_context, cluster):
    """Who may not replace a table or an account replaces it nowhere."""
    mariadb_only("CREATE OR REPLACE of a table or an account")
    table = cluster.table("id INT PRIMARY KEY, v INT")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 1)", "CREATE USER meek IDENTIFIED BY 'x'",
                f"GRANT SELECT ON test.{table} TO meek", "CREATE USER kept IDENTIFIED BY 'x'")
    with cluster.connect(None, user="meek", password="x") as client:
        for sql in (f"CREATE OR REPLACE TABLE test.{table} (id INT)",
                    "CREATE OR REPLACE USER kept IDENTIFIED BY 'y'", "CREATE OR REPLACE ROLE kept_role"):
            try:
                client.query(sql)
                raise AssertionError(f"{sql} was executed")
            except wire.ServerError as error:
                print(sql, error, flush=True)
            cluster.settle()
    for server in cluster.servers:
        assert server.query(f"SELECT * FROM test.{table}") == ((1, 1),)
    cluster.assert_identical()
    cluster.sql("DROP USER meek, kept")


@case(seconds=20)
def system_tables_stay_as_they_are(_context, cluster):
    """Their rows are each server's own: who changes them is told so, and nothing has happened."""
    with cluster.connect() as client:
        client.query("USE mysql")
        for sql in ("INSERT INTO mysql.time_zone (Use_leap_seconds) VALUES ('N')",
                    "DELETE FROM db", by_brand("UPDATE mysql.global_priv SET Priv='{}'",
                                               "UPDATE mysql.user SET account_locked = 'Y'")):
            try:
                client.query(sql)
                raise AssertionError(f"{sql} was executed")
            except wire.ServerError as error:
                assert error.code == 1235, error
            try:
                client.prepare(sql)
                raise AssertionError(f"{sql} was prepared")
            except wire.ServerError as error:
                assert error.code == 1235, error
        assert client.value("SELECT 1") == "1"
    for server in cluster.servers:
        assert server.query("SELECT COUNT(*) FROM mysql.time_zone") == ((0,),)
        assert server.query("SELECT COUNT(*) > 0 FROM " + by_brand(
            "mysql.global_priv WHERE Priv <> '{}'", "mysql.user WHERE account_locked = 'N'")) == ((1,),)


def home_of(cluster, client):
    client.query("BEGIN")
    number = int(client.value("SELECT @@server_id"))
    client.query("ROLLBACK")
    return next(server for server in cluster.servers if server.server_id == number)


def can_login(cluster, user, password):
    try:
        cluster.connect(None, user=user, password=password).quit()
        return True
    except wire.ServerError:
        return False


@case(seconds=30)
def parameters_in_ddl(_context, cluster):
    """A default has a parameter's value on every server, never an expression that is another value
    later."""
    mariadb_only("parameters in definitions")
    with cluster.connect() as client:
        client.query("SET @a = 5")
        client.query("PREPARE s FROM 'CREATE TABLE with_default (a INT DEFAULT ?, b CHAR(3) DEFAULT ?)'")
        client.query("EXECUTE s USING @a, 'x'")
        client.query("DROP TABLE with_default")
        client.query("EXECUTE IMMEDIATE 'CREATE TABLE with_default (a INT DEFAULT ?, b CHAR(3) DEFAULT"
                     " ''x'')' USING @a")
        client.query("DROP TABLE with_default")
        client.query("EXECUTE s USING 5, 'x'")
        alter = "EXECUTE IMMEDIATE 'ALTER TABLE with_default ADD c INT DEFAULT ?' USING @a"
        assert client.error_of(alter)[0] == 1235
        client.query("EXECUTE IMMEDIATE CONCAT('ALTER TABLE with_default ADD c INT DEFAULT ', @a + 1)")
        client.query("SET @a = NULL")
        client.query("INSERT INTO with_default () VALUES ()")
        assert client.query("SELECT * FROM with_default").rows == [(b"5", b"x", b"6")]
        assert "@" not in client.query("SHOW CREATE TABLE with_default").rows[0][1].decode()
        cluster.assert_identical()
        client.query("DROP TABLE with_default")
