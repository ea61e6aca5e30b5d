#!/usr/bin/python3
"""The suite of the two Python drivers that share an interface: dbapi.py pymysql|MySQLdb."""

import datetime
import decimal
import importlib
import os
import sys
import warnings
from contextlib import closing

from transcript import Target, attempt, lines_of, say

MIB = 1 << 20
driver = importlib.import_module(sys.argv[1])
cursors = importlib.import_module(sys.argv[1] + ".cursors")
PURE = sys.argv[1] == "pymysql"
if PURE:
    from pymysql.constants import CLIENT
else:
    from MySQLdb.constants import CLIENT


def connect(**options):
    settings = {"host": Target.host, "port": Target.port, "user": Target.user,
                "password": Target.password, "database": Target.database, "charset": "utf8mb4",
                "local_infile": True, **options}
    if PURE:
        settings.setdefault("max_allowed_packet", 64 * MIB)
    else:
        # Its default would be on; several statements in one query have a case of their own.
        settings.setdefault("client_flag", 0)
    return driver.connect(**{key: value for key, value in settings.items() if value is not None})


def digest(value):
    """Long values by their size and ends."""
    if isinstance(value, (bytes, str)) and len(value) > 2000:
        return f"{type(value).__name__}[{len(value)}] {value[:8]!r} {value[-8:]!r}"
    return value


def results(cursor, counting=False):
    """Every result of a cursor's statement: columns, rows, counts."""
    found = []
    while True:
        columns = cursor.description and [one[:6] for one in cursor.description]
        rows = [tuple(digest(value) for value in row) for row in cursor.fetchall()] \
            if columns else []
        # The numbers that AUTO_INCREMENT gives are not the same behind Consort.
        found.append((cursor.rowcount, None if counting else cursor.lastrowid, columns, rows))
        if not cursor.nextset():
            return found


def run(connection, sql, args=None, kind=None):
    with connection.cursor(kind) as cursor:
        cursor.execute(sql, args)
        found = results(cursor, "counted" in sql)
        return found[0] if len(found) == 1 else found


def play(connection, name):
    """One of the shared files, line by line."""
    stem = name.split(".")[0]
    for number, sql in enumerate(lines_of(name)):
        attempt(f"{stem} {number} {sql[:60]}", lambda sql=sql: run(connection, sql))
        if PURE and connection.open:
            warned = connection.show_warnings() if sql.startswith("INSERT") else ""
            say(f"{stem} {number} {sql[:60]} after", (connection.server_status, warned))


def types(connection):
    """Every column of every row, and what the driver makes of them on their way back."""
    for table in ("numbers", "strings", "times"):
        attempt(f"types {table}", lambda t=table: run(connection, f"SELECT * FROM {t} ORDER BY id"))
    values = [None, 0, -1, 2**63 - 1, -2**63, 2**64 - 1, 1.5, -0.0, 1e308, True,
              decimal.Decimal("12345678901234567890.000000001"), "", "Grüße 😀\0'\"\\\n\x1a", b"",
              bytes(range(256)), datetime.date(1000, 1, 1), datetime.date(9999, 12, 31),
              datetime.datetime(2024, 2, 29, 23, 59, 59, 999999), datetime.timedelta(hours=-838),
              datetime.timedelta(microseconds=1)]
    for number, value in enumerate(values):
        # PyMySQL would decode the bytes as text.
        sql = "SELECT HEX(%s) AS v" if isinstance(value, bytes) else "SELECT %s AS v"
        attempt(f"parameter {number}", lambda v=value, sql=sql: run(connection, sql, (v,)))
    run(connection, "CREATE TABLE kept (id INT PRIMARY KEY, v LONGBLOB)")
    with connection.cursor() as cursor:
        count = cursor.executemany("INSERT INTO kept VALUES (%s, %s)",
                                   [(n, v) for n, v in enumerate(values)])
        say("executemany", count)
    connection.commit()
    attempt("kept", lambda: run(connection, "SELECT id, v FROM kept ORDER BY id"))


def transactions(connection):
    def count():
        return run(connection, "SELECT COUNT(*) FROM moved")[3][0][0]

    run(connection, "CREATE TABLE moved (id INT PRIMARY KEY)")
    say("autocommit", connection.get_autocommit())
    run(connection, "INSERT INTO moved VALUES (1)")
    connection.rollback()
    say("rollback", count())
    connection.begin() if PURE else connection.query("BEGIN")
    run(connection, "INSERT INTO moved VALUES (1)")
    connection.commit()
    say("commit", count())
    run(connection, "INSERT INTO moved VALUES (2)")
    run(connection, "SAVEPOINT s")
    run(connection, "INSERT INTO moved VALUES (3)")
    attempt("duplicate", lambda: run(connection, "INSERT INTO moved VALUES (1)"))
    run(connection, "ROLLBACK TO s")
    connection.commit()
    say("savepoint", count())
    connection.autocommit(True)
    run(connection, "INSERT INTO moved VALUES (4)")
    connection.rollback()
    say("autocommit on", (count(), connection.get_autocommit()))
    with closing(connect()) as other:
        run(other, "DELETE FROM moved")
    # The end of a connection without COMMIT ends its transaction.
    other = connect()
    run(other, "DELETE FROM moved")
    other.close()
    say("never committed", count())


def procedures(connection):
    with connection.cursor() as cursor:
        cursor.callproc("in_out", (1, 2, "x"))
        say("callproc", results(cursor))
        cursor.execute("SELECT @_in_out_0, @_in_out_1, @_in_out_2")
        say("callproc out", cursor.fetchall())
    attempt("call", lambda: run(connection, "CALL two_sets()"))
    attempt("call fails", lambda: run(connection, "CALL fails_late()"))
    with connection.cursor() as cursor:
        cursor.execute("CALL two_sets()")  # its results stay unread
    attempt("after unread results", lambda: run(connection, "SELECT 'in order'"))


def several_statements():
    with closing(connect(client_flag=CLIENT.MULTI_STATEMENTS, autocommit=True)) as connection:
        attempt("multi select", lambda: run(connection, "SELECT 1; SELECT 2, 3; SELECT 'end'"))
        attempt("multi mixed", lambda: run(
            connection, "SET @a = 5; INSERT INTO moved VALUES (100), (101); SELECT @a;"
            " UPDATE moved SET id = id + 1 WHERE id = 101; SELECT COUNT(*) FROM moved"))
        attempt("multi fails", lambda: run(
            connection, "INSERT INTO moved VALUES (110); SELECT * FROM nowhere; SELECT 3"))
        attempt("multi after", lambda: run(connection, "SELECT id FROM moved ORDER BY id"))
    with closing(connect()) as connection:
        attempt("multi not asked for", lambda: run(connection, "SELECT 1; SELECT 2"))


def unbuffered(connection):
    """Rows that are read while the server still sends."""
    sql = "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_20000"
    with connection.cursor(cursors.SSCursor) as cursor:
        cursor.execute(sql)
        total = 0
        for row in cursor:
            total += row[0] + len(row[1])
        say("unbuffered", total)
    with connection.cursor(cursors.SSDictCursor) as cursor:
        cursor.execute(sql)
        say("left early", sorted(cursor.fetchone()))
    attempt("after it", lambda: run(connection, "SELECT 'in order'", kind=cursors.DictCursor))


def load_data(connection):
    path = os.path.join(Target.directory, "load.tsv")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{n}\tGrüße {n}\n" for n in range(5000))
        file.write("5000\\tonly one column\n")
    run(connection, "CREATE TABLE loaded (id INT PRIMARY KEY, v VARCHAR(50))")
    sql = f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE loaded CHARACTER SET utf8mb4"
    attempt("load data", lambda: run(connection, sql))
    attempt("load data again", lambda: run(connection, sql))
    connection.commit()
    attempt("loaded", lambda: run(connection, "SELECT COUNT(*), MAX(id), MAX(v) FROM loaded"))
    attempt("load nothing", lambda: run(connection, sql.replace("load.tsv", "absent.tsv").replace(
        Target.directory, "/nonexistent")))
    attempt("after load", lambda: run(connection, "SELECT 'in order'"))
    with closing(connect(local_infile=False)) as other:
        attempt("load not allowed", lambda: run(other, sql))


def large(connection):
    text = "x" * (17 * MIB)
    attempt("large result", lambda: run(connection, "SELECT REPEAT('x', 17 << 20)"))
    attempt("large parameter", lambda: run(connection, "SELECT LENGTH(%s), MD5(%s)", (text, "a")))
    if not PURE:
        return  # one driver's large row is enough
    run(connection, "CREATE TABLE large (id INT PRIMARY KEY, v LONGTEXT)")
    attempt("large row", lambda: run(connection, "INSERT INTO large VALUES (1, %s)", (text,)))
    connection.commit()
    attempt("large kept", lambda: run(connection, "SELECT id, v, LENGTH(v) FROM large"))


def secured():
    with closing(connect(ssl={"ca": Target.ca})) as connection:
        cipher = run(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")[3][0][1]
        say("tls", run(connection, "SELECT 'secret'"))
        if PURE:
            say("tls cipher", bool(connection._sock.cipher()))
        else:
            say("tls cipher", bool(cipher))


def session(connection):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO counted (name) VALUES ('driver')")
        number = cursor.lastrowid
        cursor.execute("SELECT COUNT(*), LAST_INSERT_ID() FROM counted WHERE id = %s", (number,))
        say("insert id", cursor.fetchall() == ((1, number),))
        connection.commit()
    say("server", (connection.get_server_info(), connection.get_proto_info(),
                   connection.character_set_name()))
    say("thread id", run(connection, "SELECT CONNECTION_ID()")[3][0][0] == connection.thread_id())
    connection.ping()
    connection.select_db("test")
    say("select_db", run(connection, "SELECT DATABASE()"))
    attempt("select_db absent", lambda: connection.select_db("nodatabase"))
    connection.select_db(Target.database)
    with closing(connect()) as victim:
        # MySQL no longer has the command for it.
        connection.kill(victim.thread_id()) if PURE and not Target.mysql else run(
            connection, f"KILL {victim.thread_id()}")
        attempt("killed", lambda: run(victim, "SELECT 1"))
    if not PURE:
        # No change_user in newer ones; stat() names counts that are each server's own.
        say("stat", connection.stat().split(":")[0])
        if hasattr(connection, "change_user"):
            attempt("change_user", lambda: connection.change_user("reader", "reader-secret",
                                                                  Target.database))
            attempt("changed", lambda: run(connection, "SELECT CURRENT_USER(), DATABASE()"))
            attempt("change back", lambda: connection.change_user(
                Target.user, Target.password, Target.database))


def logins():
    attempt("wrong password", lambda: connect(password="wrong"))
    attempt("no such user", lambda: connect(user="nobody"))
    attempt("no such database", lambda: connect(database="nodatabase"))
    attempt("not my database", lambda: connect(user="reader", password="reader-secret",
                                               database="mysql"))
    with closing(connect(user="reader", password="reader-secret", database=None)) as connection:
        for sql in (f"SELECT COUNT(*) FROM {Target.database}.item", "SELECT * FROM mysql.user",
                    f"DELETE FROM {Target.database}.item",
                    f"SELECT * FROM {Target.database}.nowhere",
                    f"CREATE TABLE {Target.database}.t (a INT)",
                    f"CALL {Target.database}.two_sets()",
                    f"USE {Target.database}", "USE mysql", "SHOW DATABASES", "SHOW GRANTS",
                    f"SELECT {Target.database}.twice(2)", "SET GLOBAL max_connections = 100",
                    "FLUSH TABLES", "KILL 1", "CREATE USER someone", "DROP DATABASE test",
                    f"SHOW TABLES FROM {Target.database}", "SELECT 1 INTO OUTFILE '/nonexistent/f'",
                    f"LOCK TABLES {Target.database}.item WRITE", "SHOW MASTER STATUS",
                    "SHOW ENGINE INNODB STATUS", "SELECT item.* FROM item"):
            attempt(f"reader {sql}", lambda sql=sql: run(connection, sql))
    for charset in ("latin1", "utf8", "cp1251"):
        with closing(connect(charset=charset)) as connection:
            attempt(f"charset {charset}", lambda: run(
                connection, "SELECT %s AS v, @@character_set_client, @@character_set_results,"
                " @@collation_connection", ("é" if charset != "cp1251" else "ж",)))
    with closing(connect(init_command="SET @first = 'set'", sql_mode="ANSI",
                         autocommit=True)) as connection:
        attempt("init_command", lambda: run(connection, "SELECT @first, @@sql_mode, @@autocommit"))
    if not PURE:
        with closing(connect(compress=True)) as connection:
            attempt("compressed", lambda: run(connection, "SELECT REPEAT('x', 100000)"))
            attempt("compression", lambda: run(connection,
                                               "SHOW SESSION STATUS LIKE 'Compression'"))


def main():
    warnings.simplefilter("ignore")
    connection = connect()
    play(connection, "schema.sql")
    connection.commit()
    attempt("types", lambda: types(connection))
    connection.autocommit(True)
    play(connection, "statements.sql")
    play(connection, "errors.sql")
    connection.close()
    for suite in (transactions, procedures, unbuffered, load_data, large, session):
        with closing(connect()) as connection:
            attempt(suite.__name__, lambda suite=suite: suite(connection))
    for suite in (several_statements, secured, logins):
        attempt(suite.__name__, suite)


if __name__ == "__main__":
    main()
