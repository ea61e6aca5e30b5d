"""SHOW PROCESSLIST, information_schema.PROCESSLIST and KILL through Consort: its clients' sessions, in
the server's own form."""

import re
import struct
import threading
import time

from support import wire
from support.case import case
from support.cluster import APP_PASSWORD, APP_USER, Cluster


def setup(context):
    return Cluster(context, server_settings={"skip_name_resolve": "OFF"})


def packets(client, sql):
    """The packets of a result set, up to its last."""
    client.command(wire.COM_QUERY, sql.encode())
    found = [client.read_packet()]
    assert found[0][0] not in (0, 0xFF), found[0]
    columns = found[0][0]
    while True:
        found.append(client.read_packet())
        if found[-1][0] == 0xFE and len(found[-1]) < 9 + 64 and len(found) > columns + 1:
            if len(found) > columns + 2 or not old_eof(found[columns + 1]):
                return columns, found


def old_eof(packet):
    return packet[0] == 0xFE and len(packet) == 5


@case(seconds=60)
def threads_connected(_context, cluster):
    """SHOW STATUS LIKE 'Threads_connected' is described as by a server and counts Consort's sessions."""
    for names in ("utf8mb4", "latin1"):
        for sql in ("SHOW STATUS LIKE 'Threads_connected'",
                    "show global status like 'threads_connected';"):
            found = []
            for port in (cluster.servers[0].port, cluster.consort.port):
                client = wire.connect(port, APP_USER, APP_PASSWORD, "test")
                client.query(f"SET NAMES {names}")
                columns, answer = packets(client, sql)
                found.append(answer[:columns + 1] + answer[-1:])
                client.quit()
            assert found[0] == found[1], (names, sql, found)
    with cluster.connect() as client:
        alone = counted(client, 1)
        with cluster.connect(), cluster.connect():
            assert counted(client, alone + 2) == alone + 2
        assert counted(client, alone) == alone
        statement = client.prepare("/* c */ SHOW STATUS LIKE 'Threads_connected'")
        assert int(client.execute(statement).rows[0][1]) == alone


def counted(client, expected):
    """The number, as soon as it is `expected`, or after two seconds; earlier sessions may just be ending."""
    late = time.monotonic() + 2
    while True:
        rows = client.query("SHOW STATUS LIKE 'Threads_connected'").rows
        assert rows[0][0] == b"Threads_connected" and len(rows) == 1, rows
        if int(rows[0][1]) == expected or time.monotonic() > late:
            return int(rows[0][1])
        time.sleep(0.05)


def listed(client, sql="SHOW PROCESSLIST"):
    """Rows by id: user, host, db, command, time, state, info."""
    return {int(row[0]): tuple(None if cell is None else cell.decode() for cell in row[1:8])
            for row in client.query(sql).rows}


@case(seconds=60)
def as_the_server_describes_it(_context, cluster):
    """Every column definition equals a plain server's, byte for byte, with FULL and without, for
    several character sets; so does the form of the asking session's own row."""
    cluster.sql("CREATE USER plain@'%' IDENTIFIED BY 'pw'", "GRANT SELECT ON test.* TO plain@'%'")
    for names in (None, "utf8mb3", "latin1"):
        for sql in ("SHOW PROCESSLIST", "show full  processlist ;"):
            definitions, rows, hosts = [], [], []
            for port in (cluster.servers[0].port, cluster.consort.port):
                client = wire.connect(port, "plain", "pw", "test")
                if names:
                    client.query(f"SET NAMES {names}")
                columns, found = packets(client, sql)
                definitions.append(found[:columns + 1])
                client.query("SELECT 1")
                own = int(client.value("SELECT CONNECTION_ID()"))
                rows.append(listed(client, sql)[own])
                hosts.append(rows[-1][1].split(":")[0])
                hosts.append(client.value("SELECT SUBSTRING_INDEX(USER(), '@', -1)"))
                hosts.append(client.value("SELECT SUBSTRING_INDEX(HOST, ':', 1) FROM"
                                          f" information_schema.PROCESSLIST WHERE ID={own}"))
                client.quit()
            assert columns == 9
            assert definitions[0] == definitions[1], (names, sql, definitions)
            assert hosts == ["localhost"] * 6, hosts  # both resolve names
            for user, host, schema, command, _, state, info in rows:
                assert re.fullmatch(r"localhost:\d+", host), rows
                assert (user, schema, command, state, info) == (
                    "plain", "test", "Query", "starting", sql.rstrip(" ;")), rows
    cluster.sql("DROP USER plain@'%'")


@case(seconds=60)
def who_may_see_whom(_context, cluster):
    """One's own user's sessions of all workers; with PROCESS all; the ids are those of
    KILL; nobody sees Consort's own connections."""
    cluster.sql("CREATE USER one@'%' IDENTIFIED BY 'pw'", "CREATE USER sees@'%' IDENTIFIED BY 'pw'",
                "GRANT PROCESS ON *.* TO sees@'%'")

    def connect(user):
        return cluster.connect(None, user=user, password="pw")
    ones = [connect("one") for _ in range(6)]
    ids = {int(client.value("SELECT CONNECTION_ID()")) for client in ones}
    seen = listed(ones[0])
    assert set(seen) == ids and {row[0] for row in seen.values()} == {"one"}, seen
    assert sorted(row[3] for row in seen.values()) == ["Query"] + ["Sleep"] * 5, seen
    sees = connect("sees")
    everybody = listed(sees)
    assert ids < set(everybody), everybody
    assert "consort" not in {row[0] for row in everybody.values()}, everybody
    victim = min(ids - {int(ones[0].value("SELECT CONNECTION_ID()"))})
    ones[0].query(f"KILL {victim}")
    assert set(listed(ones[0])) == ids - {victim}
    # In a transaction, which goes on.
    ones[0].query("BEGIN")
    assert ones[0].value("SELECT 1") == "1" and len(listed(ones[0])) == 5
    ones[0].query("COMMIT")
    for client in ones + [sees]:
        client.close()
    cluster.sql("DROP USER one@'%', sees@'%'")


@case(seconds=60)
def what_they_do(_context, cluster):
    """Statement, database and time of others; without FULL a hundred bytes; sessions that have not
    logged in yet; prepared statements."""
    half = wire.Wire(cluster.consort.port, timeout=10).read_greeting()
    with cluster.connect() as watcher, cluster.connect() as worker:
        number = int(worker.value("SELECT CONNECTION_ID()"))
        sql = f"SELECT SLEEP(2.2), '{'y' * 200}'"
        thread = threading.Thread(target=lambda: worker.query(sql))
        thread.start()
        time.sleep(1.5)
        user, _, schema, command, seconds, state, info = listed(watcher)[number]
        assert (user, schema, command, state) == ("app", "test", "Query", "User sleep")
        assert int(seconds) == 1 and info == sql[:100], (seconds, info)
        assert listed(watcher, "SHOW FULL PROCESSLIST")[number][6] == sql
        strangers = [row for row in listed(watcher).values() if row[0] == "unauthenticated user"]
        assert [row[3] for row in strangers] == ["Connect"], strangers
        thread.join()
        assert listed(watcher)[number][3:4] == ("Sleep",)
        assert listed(watcher)[number][6] is None
    half.close()


@case(seconds=60)
def prepared_or_with_comments(_context, cluster):
    """The same list, the columns and the asking session's own row as a plain server has them."""
    cluster.sql("CREATE USER lone@'%' IDENTIFIED BY 'pw'", "GRANT SELECT ON test.* TO lone@'%'")
    other = cluster.connect(None, user="lone", password="pw")
    for sql in ("SHOW PROCESSLIST", "/* a */ SHOW /*!50000 FULL */ PROCESSLIST -- b"):
        replies = []
        for port in (cluster.servers[0].port, cluster.consort.port):
            client = wire.connect(port, "lone", "pw", "test")
            statement = client.prepare(sql)
            client.command(wire.COM_STMT_EXECUTE, struct.pack("<IBI", statement.id, 0, 1))
            found = [client.read_packet()]
            while found[-1][0] != 0xFE or len(found) < 12:
                found.append(client.read_packet())
            own = int(client.value("SELECT CONNECTION_ID()"))
            rows = {int.from_bytes(row[3:11], "little"): row for row in found[11:-1]}
            replies.append((statement.columns, found[:11], rows.pop(own)[11:], found[-1]))
            # The server may show a connection of Consort's beside it.
            assert len(rows) == 1 or port != cluster.consort.port, rows
            assert own in listed(client, sql)
            client.quit()
        plain, through = replies
        assert plain[0] == through[0] and plain[1] == through[1] and plain[3] == through[3], replies
        # The host has the connection's port, State is Consort's own.
        host = re.compile(rb"localhost:\d{5}")
        assert host.sub(b"h", plain[2]) == host.sub(b"h", through[2]), replies
    other.quit()
    cluster.sql("DROP USER lone@'%'")


# ---- information_schema.PROCESSLIST ---------------------------------------------------------------

COLUMNS = ("ID,USER,HOST,DB,COMMAND,TIME,STATE,INFO,TIME_MS,STAGE,MAX_STAGE,PROGRESS,MEMORY_USED,"
           "MAX_MEMORY_USED,EXAMINED_ROWS,QUERY_ID,INFO_BINARY,TID")
NOT_NULL, NO_DEFAULT = 1, 4096


def described(column):
    """What a client sees of a column but its table. The server's INFO has a length of its own."""
    length = 0 if column.name == "INFO" else column.length
    return (column.name, column.charset, length, column.type,
            column.flags & ~(NOT_NULL | NO_DEFAULT), column.decimals)


@case(seconds=60)
def the_table_is_described_as_the_servers(_context, cluster):
    """Names, types, lengths and character sets of all columns equal a plain server's, in both
    protocols and in a table made of them; they may only be NULL where its own may not."""
    for names in ("utf8mb4", "latin1"):
        for sql in (f"SELECT {COLUMNS} FROM information_schema.PROCESSLIST",
                    "SELECT * FROM `INFORMATION_SCHEMA`.processlist AS p"):
            found = []
            for port in (cluster.servers[0].port, cluster.consort.port):
                client = wire.connect(port, APP_USER, APP_PASSWORD, "test")
                client.query(f"SET NAMES {names}")
                found.append([described(column) for column in client.query(sql).columns])
                client.quit()
            assert found[0] == found[1], (names, sql, found)
    tables = []
    for number, port in enumerate((cluster.servers[0].port, cluster.consort.port)):
        client = wire.connect(port, APP_USER, APP_PASSWORD, "test")
        client.query("USE information_schema")
        made = "TEMPORARY TABLE" if number == 0 else "TABLE"
        client.query(f"CREATE {made} test.plist SELECT * FROM ProcessList LIMIT 0")
        text = client.query("SHOW CREATE TABLE test.plist").rows[0][1].decode()
        tables.append(re.findall(r"^  (`.*?)(?: NOT NULL)?(?: DEFAULT .*?)?,?$", text, re.M))
        client.query("DROP TABLE test.plist")
        client.quit()
    assert tables[0] == tables[1] and len(tables[0]) >= 18, tables


@case(seconds=60)
def the_table_has_consorts_sessions(_context, cluster):
    """In joins, subqueries, with and without an alias, prepared in every way, in an INSERT: the same
    ids that CONNECTION_ID() and SHOW PROCESSLIST say."""
    table = cluster.table("id BIGINT PRIMARY KEY, info LONGTEXT")
    with cluster.connect() as client, cluster.connect():
        own = int(client.value("SELECT CONNECTION_ID()"))

        def ids(reply):
            return {int(row[0]) for row in reply.rows}
        expected = set(listed(client))
        assert own in expected and len(expected) >= 2
        sql = "SELECT id FROM information_schema.processlist"
        assert ids(client.query(sql)) == expected
        assert ids(client.query("SELECT information_schema.PROCESSLIST.ID, PROCESSLIST.`user`"
                                " FROM INFORMATION_SCHEMA.PROCESSLIST")) == expected
        assert ids(client.query("SELECT a.id FROM information_schema.processlist a JOIN"
                                " information_schema.processlist AS b USING (id)")) == expected
        statement = client.prepare(sql + " WHERE id >= ? ORDER BY id")
        for _ in range(2):
            assert ids(client.execute(statement, [0])) == expected
        assert ids(client.execute(statement, [own])) == {i for i in expected if i >= own}
        client.query(f"PREPARE s FROM '{sql} WHERE id = ?'")
        client.query(f"SET @own = {own}")
        assert ids(client.query("EXECUTE s USING @own")) == {own}
        assert ids(client.query(f"EXECUTE IMMEDIATE '{sql}'")) == expected
        client.query("USE information_schema")
        assert ids(client.query("SELECT id FROM processlist")) == expected
        client.query("USE test")
        client.query(f"INSERT INTO {table} SELECT id, info FROM information_schema.processlist")
        assert ids(client.query(f"SELECT id FROM {table}")) == expected
        client.query("BEGIN")
        client.query(f"DELETE FROM {table} WHERE id NOT IN"
                     " (SELECT id FROM information_schema.processlist WHERE id = @own)")
        assert ids(client.query(f"SELECT id FROM {table}")) == {own}
        assert int(client.value("SELECT COUNT(*) FROM information_schema.processlist")) == len(expected)
        client.query("ROLLBACK")
        state = "SELECT state, info, command FROM information_schema.processlist WHERE id = @own"
        rows = client.query(state).rows
        assert rows == [(b"Filling schema table", state.encode(), b"Query")], rows
    cluster.assert_identical()


@case(seconds=60)
def the_table_of_those_who_may(_context, cluster):
    """Without PROCESS one's own user's sessions; any bytes in the statements of others."""
    cluster.sql("CREATE USER one@'%' IDENTIFIED BY 'pw'")
    with cluster.connect(None, user="one", password="pw") as one, cluster.connect() as client:
        sql = "SELECT DISTINCT user FROM information_schema.processlist"
        assert one.query(sql).rows == [(b"one",)]
        assert len(client.query(sql).rows) >= 2
        text = "SELECT SLEEP(1), 'a\\'\"\\\\ \u00fc\u20ac\n', \"\U0001f600\" -- '"
        one.query("SET NAMES utf8mb4")
        client.query("SET NAMES utf8mb4")
        thread = threading.Thread(target=lambda: one.query(text))
        thread.start()
        time.sleep(0.4)
        found = client.query("SELECT info, info_binary FROM information_schema.processlist"
                             " WHERE user = 'one'").rows
        assert found == [(text.replace("\U0001f600", "?").encode(), text.encode())], found
        thread.join()
    cluster.sql("DROP USER one@'%'")


@case(seconds=60)
def the_servers_know_the_state(_context, cluster):
    """What runs at whatever backend has the state that its server says, in the table and in the list."""
    def state_is(watcher, number, state):
        late = time.monotonic() + 5
        sql = f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {number} AND state = '{state}'"
        while watcher.value(sql) != "1":
            assert time.monotonic() < late, (state, listed(watcher).get(number))
            time.sleep(0.02)
        assert listed(watcher)[number][5] == state

    with cluster.connect() as watcher, cluster.connect() as holder:
        sleepers = cluster.on_homes(3)
        numbers = [int(client.value("SELECT CONNECTION_ID()")) for client in sleepers]
        threads = [threading.Thread(target=answer, args=(client, "DO SLEEP(60)")) for client in sleepers]
        for thread in threads:
            thread.start()
        for number, thread in zip(numbers, threads):
            state_is(watcher, number, "User sleep")
            watcher.query(f"KILL QUERY {number}")
            thread.join()
        holder.query("DO GET_LOCK('plist', 5)")
        thread = threading.Thread(target=answer, args=(sleepers[0], "DO GET_LOCK('plist', 60)"))
        thread.start()
        state_is(watcher, numbers[0], "User lock")
        holder.query("DO RELEASE_LOCK('plist')")
        thread.join()
        for client in sleepers:
            client.close()


# ---- KILL -----------------------------------------------------------------------------------------

def answer(client, sql):
    """What a statement is answered: its error, or the affected rows."""
    try:
        return client.query(sql).affected
    except wire.ServerError as error:
        return error.code, error.state, error.message


@case(seconds=60)
def kill_says_what_a_server_says(_context, cluster):
    """Every form of KILL that hits nobody has the plain server's answer."""
    forms = ["KILL 999999", "KILL QUERY 999999", "KILL HARD CONNECTION 999999", "KILL SOFT QUERY 999999",
             "KILL NULL", "KILL 'abc'", "KILL -1", "KILL 999998+1", "KILL 999998.6", "KILL 0xF423F",
             "KILL @nothing", "KILL @number", "KILL abc", "KILL (SELECT 999999)", "KILL test.f()",
             "KILL (SELECT id FROM information_schema.processlist LIMIT 1)", "KILL count(*)",
             "KILL row(1,2)", "KILL", "KILL QUERY", "KILL 5 6", "KILL USER", "KILL ID 5", "KILL QUERY ID USER 'foo'",
             "KILL QUERY ID 999999", "KILL QUERY ID (SELECT 999999)", "KILL 18446744073709551615",
             "KILL USER nobody", "KILL QUERY USER nobody@'%'", "KILL USER 'no body'@localhost",
             "EXECUTE killer USING @number", "EXECUTE killer USING 999999", "EXECUTE killer USING NULL",
             "EXECUTE query_killer USING @number", "EXECUTE user_killer",
             "EXECUTE IMMEDIATE 'KILL 999999'", "EXECUTE IMMEDIATE 'KILL ?' USING 999999"]
    cluster.sql("CREATE FUNCTION test.f() RETURNS INT DETERMINISTIC NO SQL RETURN 5")
    answers = []
    for port in (cluster.servers[0].port, cluster.consort.port):
        client = wire.connect(port, APP_USER, APP_PASSWORD, "test")
        for sql in ("SET @number = 999999", "PREPARE killer FROM 'KILL ?'",
                    "PREPARE query_killer FROM 'KILL QUERY ID ?'",
                    "PREPARE user_killer FROM 'KILL USER nobody'"):
            client.query(sql)
        found = [answer(client, sql) for sql in forms]
        statement = client.prepare("KILL ?")
        for value in (999999, "999998", None, "abc", 999998.6):
            try:
                found.append(client.execute(statement, [value]).affected)
            except wire.ServerError as error:
                found.append((error.code, error.message))
        answers.append(found)
        client.quit()
    differ = [form for form in zip(forms + ["prepared"] * 5, *answers) if form[1] != form[2]]
    assert not differ, differ
    cluster.sql("DROP FUNCTION test.f")


@case(seconds=60)
def kill_hits_what_it_names(_context, cluster):
    """By an expression, a query's number, a user; with the rights that a server wants."""
    cluster.sql("CREATE USER bob@'%' IDENTIFIED BY 'pw'", "CREATE USER amy@'%' IDENTIFIED BY 'pw'")

    def connect(user):
        return cluster.connect(None, user=user, password="pw")

    def gone(client):
        try:
            client.value("SELECT 1")
            return False
        except (wire.ServerError, wire.Closed, OSError):
            return True

    def in_background(client, outcomes):
        def run():
            outcomes.append(answer(client, "SELECT SLEEP(5)"))
        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(0.3)
        return thread
    with cluster.connect() as root, connect("amy") as amy:
        bob, bob2 = connect("bob"), connect("bob")
        number = int(bob.value("SELECT CONNECTION_ID()"))
        assert bob.value("SELECT @@pseudo_thread_id") == str(number)
        assert bob.query("EXECUTE IMMEDIATE 'SELECT CONNECTION_ID(), @@pseudo_thread_id'").rows == [
            (str(number).encode(),) * 2]
        bob.query("PREPARE s FROM 'SELECT CONNECTION_ID()'")
        assert bob.value("EXECUTE s") == str(number)
        outcomes = []
        thread = in_background(bob, outcomes)
        query = int(bob2.value(f"SELECT query_id FROM information_schema.processlist WHERE id={number}"))
        assert answer(amy, f"KILL QUERY ID {query}")[0] == 1979
        assert answer(amy, f"KILL {number}+0")[0] == 1095
        assert answer(amy, "KILL USER bob") == (1095, "HY000", "Operation KILL USER failed for bob@%")
        assert answer(bob2, f"KILL QUERY ID {query + 1}")[0] == 1957
        assert answer(bob2, f"KILL QUERY ID {query}") == 0
        thread.join()
        thread = in_background(bob, outcomes)
        assert answer(bob2, f"KILL QUERY ID {query}")[0] == 1957
        assert answer(root, "KILL QUERY USER bob@'%'") == 2
        thread.join()
        assert [outcome[0] for outcome in outcomes] == [1317, 1317]
        root.query(f"SET @id = {number}")
        assert answer(root, "KILL @id") == 0
        assert gone(bob) and not gone(bob2)
        bob = connect("bob")
        assert answer(root, "KILL USER bob@'10.1.1.1'") == 0 and not gone(bob)
        statement = root.prepare("KILL ?")
        root.execute(statement, [int(bob.value("SELECT CONNECTION_ID()"))])
        assert gone(bob)
        bob = connect("bob")
        assert answer(bob, "KILL USER CURRENT_USER") == 2
        assert gone(bob) and gone(bob2) and not gone(amy)
    cluster.sql("DROP USER bob@'%', amy@'%'")
