"""SET GLOBAL init_connect through Consort: at the beginning of each client's session, and of nobody
else's. Each step is played on a plain server, too."""

import re

from support import wire
from support.case import case
from support.pair import Pair
from support.process import wait_until


def setup(context):
    pair = Pair(context)
    for sql in ("CREATE USER plain@'%' IDENTIFIED BY 'pw'", "GRANT ALL ON test.* TO plain@'%'",
                "CREATE TABLE seen (id INT AUTO_INCREMENT PRIMARY KEY, who VARCHAR(99))"):
        pair.sql(sql)
        with pair.connect_plain() as client:
            client.query(sql)
    return pair


def outcome(call):
    """What came of it, for comparing."""
    try:
        reply = call()
    except wire.ServerError as error:
        message = error.message.replace("'localhost'", "'127.0.0.1'")
        return error.code, error.state, re.sub(r"connection \d+", "connection N", message)
    except wire.Closed:
        return "closed"
    return reply.rows if reply.columns is not None else (reply.affected, reply.status, reply.warnings)


def both(pair):
    """How an administrator and a client log in, at the plain server and at Consort."""
    for port in (pair.plain.port, pair.consort.port):
        yield (lambda port=port: wire.connect(port, "app", "app-secret", "test"),
               lambda database="test", port=port: wire.connect(port, "plain", "pw", database))


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def compare(pair, play):
    expected, found = [play(*ways) for ways in both(pair)]
    differ = [one for one in zip(expected, found) if one[0] != one[1]]
    assert len(expected) == len(found) and not differ, differ[:5]
    return found


ASK = "SELECT @a, @b, @@autocommit, @@sql_mode, DATABASE(), @@in_transaction, @@character_set_client"


@case(seconds=120)
def what_it_leaves_is_the_sessions(_context, pair):
    """Variables, transactions, temporary tables, rows; several statements, results nobody sees; errors end
    the connection at its first command."""
    texts = ["SET @a=1; SET @b='x', autocommit=0", "SET @a=1;", "SELECT 1; SELECT 2; SET @a=2",
             "SET @a=1; ; SET @a=3", "SET @a=1; SET @b=nosuch; SET @a=5", "garbage", "  ", "/* c */",
             "BEGIN; INSERT INTO seen (who) VALUES ('never committed')", "SET sql_mode='ANSI_QUOTES'",
             "SET sql_mode='ANSI_QUOTES'; SET @a = (SELECT MAX(id) IS NULL FROM \"seen\")",
             "SELECT 1 FROM nosuch", "SET @a=1, SESSION nosuch=3", "SET NAMES latin1", "USE mysql",
             "SET @a=CAST('abc' AS INT)", "CREATE TEMPORARY TABLE tmp AS SELECT 5 AS x",
             "LOAD DATA LOCAL INFILE '/etc/hosts' INTO TABLE seen (who)", "KILL QUERY CONNECTION_ID()",
             "CREATE TABLE made (a INT PRIMARY KEY); DROP TABLE made; SET @a=1",
             "PREPARE p FROM 'SELECT 7'", "SELECT GET_LOCK('init', 0) INTO @a", "SET @b='\xe4\u20ac'",
             "INSERT INTO seen (who) VALUES (CURRENT_USER())", "CALL nosuch()",
             "BEGIN NOT ATOMIC SET @a=1; SET @b=2; END", "SELECT REPEAT('x', 100000) FROM seq_1_to_50"]

    def play(administer, connect):
        seen = []
        with administer() as admin:
            for text in texts:
                seen.append((text, outcome(lambda: admin.query(
                    "SET GLOBAL init_connect = " + quoted(text)))))
                for database in ("test", None):
                    with connect(database) as client:
                        for sql in (ASK, "SHOW WARNINGS", "SELECT * FROM tmp", "EXECUTE p", "ROLLBACK"):
                            seen.append((text, sql, outcome(lambda: client.query(sql))))
                            if seen[-1][-1] == "closed":
                                break
            seen.append(outcome(lambda: admin.query("SET GLOBAL init_connect = DEFAULT")))
            seen.append(outcome(lambda: admin.query("SELECT who, COUNT(*) FROM seen GROUP BY who")))
        return seen

    found = compare(pair, play)
    aborted = {one[0] for one in found if isinstance(one[-1], tuple) and one[-1][0] == 1184}
    assert len(aborted) > 5, aborted
    pair.assert_identical()
    log = open(pair.consort.log_path, encoding="utf-8").read()
    assert "user: 'plain' host: 'localhost' (init_connect command failed)" in log
    assert "Table 'test.nosuch' doesn't exist" in log


@case(seconds=60)
def for_whom_and_when(_context, pair):
    """Once for each login, not for COM_RESET_CONNECTION and COM_CHANGE_USER, not for administrators."""
    for sql in ("CREATE USER super@'%' IDENTIFIED BY 'pw'", "GRANT SUPER ON *.* TO super@'%'",
                "CREATE USER able@'%' IDENTIFIED BY 'pw'", "GRANT CONNECTION ADMIN ON *.* TO able@'%'",
                "CREATE USER old@'%' IDENTIFIED BY 'pw'", "ALTER USER old@'%' PASSWORD EXPIRE"):
        pair.sql(sql)
        with pair.connect_plain() as client:
            client.query(sql)

    def play(administer, connect, port):
        seen = []

        def ask(client, sql):
            seen.append((sql, outcome(lambda: client.query(sql))))
        with administer() as admin:
            ask(admin, "SET GLOBAL init_connect = 'SET @a = IFNULL(@a, 0) + 1'")
            for user in ("super", "able", "old", "plain"):
                with wire.connect(port, user, "pw") as client:
                    ask(client, "SELECT @a")
                    ask(client, "SET PASSWORD = PASSWORD('pw')")
                    ask(client, "SELECT @a")
            with connect() as client:
                client.reset_connection()
                ask(client, "SELECT @a")
                seen.append(outcome(lambda: client.change_user("super", "pw", "test")))
                ask(client, "SELECT @a")
                seen.append(outcome(lambda: client.change_user("plain", "pw", "test")))
                ask(client, "SELECT @a")
            ask(admin, "SET GLOBAL init_connect = ''")
            with connect() as client:
                ask(client, "SELECT @a")
        return seen

    expected = play(*list(both(pair))[0], pair.plain.port)
    found = play(*list(both(pair))[1], pair.consort.port)
    differ = [one for one in zip(expected, found) if one[0] != one[1]]
    assert not differ, differ
    for sql in ("DROP USER super@'%', able@'%', old@'%'",):
        pair.sql(sql)
        with pair.connect_plain() as client:
            client.query(sql)


@case(seconds=60)
def its_value(_context, pair):
    """What may be set by whom, and what the variable is said to be; strings of any character."""
    def play(administer, connect):
        seen = []
        with administer() as admin, connect() as client:
            for value in ("'SET @a=1'", "1", "NULL", "TRUE", "CONCAT('SET @a=', 1 + 1)", "x", "@nosuch",
                          "@number", "'SET @b=''\u00e4\u20ac'''", "CONCAT(@@init_connect, '; SET @c=1')",
                          "CONCAT(@@global.init_connect, '; SET @d=1')", "@@sql_mode", "''",
                          "DEFAULT", "'SET @a=7'"):
                for sql in ("SET @number = 5", "SET GLOBAL init_connect = " + value,
                            "SELECT @@init_connect, @@global.init_connect",
                            "SHOW VARIABLES LIKE 'init_connect'", "SHOW GLOBAL VARIABLES LIKE 'init_c%'",
                            "SHOW VARIABLES WHERE Variable_name = 'init_connect'"):
                    seen.append((value, sql, outcome(lambda: admin.query(sql))))
            for sql in ("SET init_connect = 'x'", "SET SESSION init_connect = 'x'",
                        "SELECT @@session.init_connect", "SET @@global.init_connect = @@init_connect",
                        "SET @saved = @@global.init_connect", "SELECT @saved",
                        "SET GLOBAL init_connect = @saved", "SELECT @@init_connect"):
                seen.append((sql, outcome(lambda: admin.query(sql))))
            for sql in ("SELECT @@init_connect", "SET GLOBAL init_connect = ''",
                        "SET GLOBAL init_connect = 5"):
                seen.append((sql, outcome(lambda: client.query(sql))))
            seen.append(outcome(lambda: admin.query("SET GLOBAL init_connect = DEFAULT")))
        return seen

    compare(pair, play)


@case(seconds=90)
def it_never_runs_on_a_server_by_itself(_context, pair):
    """One row for each login, however many connections Consort has made; kept over restarts."""
    with pair.connect() as admin:
        admin.query("CREATE TABLE logins (id INT AUTO_INCREMENT PRIMARY KEY)")
        admin.query("SET GLOBAL init_connect = 'INSERT INTO test.logins () VALUES ()'")
        for _ in range(4):
            clients = [pair.connect(user="plain", password="pw") for _ in range(6)]
            for client in clients:
                client.query("BEGIN")
                client.query("SELECT COUNT(*) FROM logins")
                client.query("UPDATE seen SET who='x' WHERE id=-1")
            for client in clients:
                client.query("COMMIT")
                client.quit()
        pair.settle()
        assert admin.value("SELECT COUNT(*) FROM logins") == "24"
    for server in pair.servers:
        assert server.query("SELECT @@global.init_connect")[0][0] == ""
    pair.servers[1].kill()
    pair.servers[1].start()
    pair.consort.kill()
    pair.consort.start()
    with pair.connect(user="plain", password="pw") as client:
        client.query("DO 1")
    with pair.connect() as admin:
        wait_until(lambda: admin.value("SELECT COUNT(*) FROM logins") == "25", 10, "it ran once more")
        assert admin.value("SELECT @@init_connect") == "INSERT INTO test.logins () VALUES ()"
        admin.query("SET GLOBAL init_connect = DEFAULT")
        admin.query("DROP TABLE logins")
    pair.assert_identical()


@case(seconds=60)
def a_server_that_has_one_itself(_context, pair):
    """It would run on the connections that Consort makes there: the server does not serve."""
    with pair.connect() as admin:
        pair.servers[2].stop()
        pair.servers[2].settings["init_connect"] = "'SET @a=1'"
        pair.servers[2].start()
        log = pair.consort.log_path
        wait_until(lambda: "init_connect is set" in open(log, encoding="utf-8").read(), 20,
                   "Consort refuses the server")
        assert admin.value("SELECT @a") is None
        pair.servers[2].query("SET GLOBAL init_connect=''")
        pair.settle()
    pair.assert_identical()
