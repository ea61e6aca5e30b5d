"""SHOW PROCESSLIST through Consort: its clients' sessions, in the server's own form."""

import re
import struct
import threading
import time

from support import wire
from support.case import case
from support.cluster import APP_PASSWORD, APP_USER, Cluster


def setup(context):
    return Cluster(context)


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
    cluster.sql("CREATE USER lone@'%' IDENTIFIED BY 'pw'", "GRANT SELECT ON test.* TO lone@'%'")
    for names in (None, "utf8mb3", "latin1"):
        for sql in ("SHOW PROCESSLIST", "show full  processlist ;"):
            definitions, rows = [], []
            for port in (cluster.servers[0].port, cluster.consort.port):
                client = wire.connect(port, "lone", "pw", "test")
                if names:
                    client.query(f"SET NAMES {names}")
                columns, found = packets(client, sql)
                definitions.append(found[:columns + 1])
                client.query("SELECT 1")
                rows.append(listed(client, sql)[int(client.value("SELECT CONNECTION_ID()"))])
                client.quit()
            assert columns == 9
            assert definitions[0] == definitions[1], (names, sql, definitions)
            for user, host, schema, command, _, state, info in rows:
                assert host.startswith("127.0.0.1:"), rows
                assert (user, schema, command, state, info) == (
                    "lone", "test", "Query", "starting", sql.rstrip(" ;")), rows
    cluster.sql("DROP USER lone@'%'")


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
        assert (user, schema, command, state) == ("app", "test", "Query", "Executing")
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
            assert (len(rows) == 1) == (port == cluster.consort.port), rows
            assert own in listed(client, sql)
            client.quit()
        plain, through = replies
        assert plain[0] == through[0] and plain[1] == through[1] and plain[3] == through[3], replies
        # The host has the connection's port, State is Consort's own.
        host = re.compile(rb"127\.0\.0\.1:\d{5}")
        assert host.sub(b"h", plain[2]) == host.sub(b"h", through[2]), replies
    other.quit()
    cluster.sql("DROP USER lone@'%'")
