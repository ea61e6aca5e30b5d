"""Random sequences of what a client may do on one or two connections: the same ones for a seed.

Every choice comes from the generator's Random. What Consort refuses so far stands behind a switch
of FEATURES, so that whoever builds it turns the recorder on for it.
"""

import re
import struct

from support import wire

from .brands import as_said
from .steps import Parameter, Step, text_parameter
from .tables import ROWS_MAX

# Statements that are generated only when the switch is on.
FEATURES = {
    # AUTO_INCREMENT. Sometimes one side has left out a number after another sequence, which says
    # nothing about Consort, so that only a person should look at what this finds.
    "numbers": False,
    "stored_functions": False,  # makes reads take another way in Consort (decision 0006)
    "temporary_tables": False,
    "lock_tables": False,  # what they refuse meanwhile is told by names only (decision 0026)
    "multi_statements": False,
    "cursors": False,
    "create_select": False,
    "sequences": False,
    "set_option": False,
    "own_numbers": False,  # CONNECTION_ID() and the like: differ by nature
}

SQL_MODES = ["", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "STRICT_TRANS_TABLES",
             "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,"
             "NO_ENGINE_SUBSTITUTION", "TRADITIONAL", "ANSI", "PIPES_AS_CONCAT", "IGNORE_SPACE",
             "NO_ZERO_DATE,STRICT_ALL_TABLES", "ONLY_FULL_GROUP_BY", "NO_AUTO_VALUE_ON_ZERO",
             "HIGH_NOT_PRECEDENCE", "PAD_CHAR_TO_FULL_LENGTH", "ORACLE", "MYSQL40", "NOSUCHMODE",
             "NO_UNSIGNED_SUBTRACTION", "EMPTY_STRING_IS_NULL", "SIMULTANEOUS_ASSIGNMENT"]

# Session variables that travel with a session, with values, some of them wrong.
VARIABLES = {
    "group_concat_max_len": ["4", "20", "1024", "-1", "'x'"],
    "sort_buffer_size": ["1024", "262144", "1"],
    "lc_time_names": ["'de_DE'", "'en_US'", "'nowhere'", "5"],
    "lc_messages": ["'en_US'"],
    "div_precision_increment": ["0", "2", "4", "30", "31"],
    "sql_select_limit": ["1", "2", "DEFAULT", "18446744073709551615"],
    "foreign_key_checks": ["0", "1", "ON", "2"],
    "unique_checks": ["0", "1"],
    "sql_safe_updates": ["0", "1"],
    "innodb_lock_wait_timeout": ["1", "3", "DEFAULT"],
    "lock_wait_timeout": ["1", "86400"],
    "wait_timeout": ["28800", "100", "0"],
    "net_read_timeout": ["30", "60"],
    "sql_auto_is_null": ["0", "1"],
    "sql_quote_show_create": ["0", "1"],
    "sql_notes": ["0", "1"],
    "sql_warnings": ["0", "1"],
    "max_error_count": ["0", "1", "64"],
    "last_insert_id": ["5", "0", "77"],
    "insert_id": ["900"],
    "timestamp": ["1700000000", "1.5", "DEFAULT", "1700000000.123456"],
    "rand_seed1": ["17"],
    "rand_seed2": ["23"],
    "collation_connection": ["utf8mb4_bin", "latin1_swedish_ci", "'utf8mb4_unicode_ci'", "nosuch"],
    "character_set_results": ["NULL", "latin1", "utf8mb4", "binary"],
    "character_set_client": ["latin1", "utf8mb4", "utf16"],
    "default_storage_engine": ["InnoDB", "NoEngine"],
    "default_week_format": ["0", "3"],
    "max_sort_length": ["64", "1024"],
    "check_constraint_checks": ["0", "1"],
    "optimizer_switch": ["'index_merge=off'", "DEFAULT", "'nosuch=on'"],
    "join_cache_level": ["0", "2"],
    "tmp_table_size": ["1048576", "16777216"],
    "max_statement_time": ["0", "10", "DEFAULT"],
    "low_priority_updates": ["0", "1"],
    "old_mode": ["''", "'UTF8_IS_UTF8MB3'"],
    "sql_big_selects": ["0", "1"],
    "tx_isolation": ["'READ-COMMITTED'", "'REPEATABLE-READ'", "'SERIALIZABLE'", "'none'"],
    "tx_read_only": ["0", "ON"],
    "time_zone": ["'+05:30'", "'SYSTEM'", "'-11:00'", "'Mars/Base'", "NULL", "'+00:00'"],
    "sql_mode": [f"'{mode}'" for mode in SQL_MODES],
    "no_such_variable": ["1"],
    "version": ["'1'"],
    "port": ["1"],
    "max_connections": ["5"],
    "hostname": ["'x'"],
}

# Different on every server or in every moment.
_OWN = {"rand_seed1", "rand_seed2", "timestamp", "port", "hostname"}
READABLE = [name for name in VARIABLES if name not in _OWN]

TEXTS = ["''", "'x'", "'abc'", "'it''s'", "'a\\'b'", "'ä€'", "'0'", "'12abc'", "NULL", "'%'",
         "'A'", "_latin1 X'E4'", "'a b  '"]
NUMBERS = ["0", "1", "-1", "2", "7", "40", "127", "300", "99999999999", "1.5", "1e3", "NULL",
           "2147483647", "18446744073709551615"]
SAVEPOINTS = ["a", "b", "`c d`"]


# It ends open transactions of others, for which a plain server would let it wait.
_DDL = re.compile(r"(CREATE|ALTER|DROP|RENAME|TRUNCATE|GRANT|ANALYZE|OPTIMIZE)\b", re.I)
_GIVES_NUMBERS = re.compile(r"INTO b|p_write|p_fail|insert_id", re.I)


class Generator:
    """Sequences for one seed."""

    def __init__(self, random, features=None):
        self.random = random
        self.features = {**FEATURES, **(features or {})}
        self._label = 0

    # ---- small choices -----------------------------------------------------------------------

    def pick(self, *choices):
        return self.random.choice(choices)

    def chance(self, share):
        return self.random.random() < share

    def key(self):
        return str(self.random.randint(0, ROWS_MAX + 3))

    def number(self):
        return self.random.choice(NUMBERS)

    def text(self):
        return self.random.choice(TEXTS)

    def value(self):
        return self.text() if self.chance(0.5) else self.number()

    # ---- a sequence --------------------------------------------------------------------------

    def capabilities(self):
        flags = 0
        for flag, share in ((wire.DEPRECATE_EOF, 0.5), (wire.SESSION_TRACK, 0.4),
                            (wire.FOUND_ROWS, 0.2), (wire.INTERACTIVE, 0.1)):
            flags |= flag if self.chance(share) else 0
        if self.features["multi_statements"] and self.chance(0.5):
            flags |= wire.MULTI_STATEMENTS
        return flags

    def sequence(self, clients=1):
        """5..30 steps on one connection, or on two that take turns."""
        self._label = 0
        # Numbers that the servers give are the same only where both sides know the home: that
        # takes an "align" step, which not every sequence shall have.
        self._numbers = self.features["numbers"] and self.chance(0.5)
        steps = [Step(client, "align") for client in range(clients) if self._numbers]
        client = 0
        count = self.random.randint(5, 30)
        while len(steps) < count:
            if clients == 2 and self.chance(0.4):
                client = 1 - client
            for step in self._steps(client, clients):
                if clients == 2 and _DDL.match(step.text):
                    continue
                if self._numbers or not _GIVES_NUMBERS.search(step.text):
                    steps.append(step)
                if self._numbers and step.kind in ("reset_connection", "change_user"):
                    steps.append(Step(client, "align"))
        return steps

    def _steps(self, client, clients):
        makers = [(28, self._dml), (12, self._read), (10, self._setting), (9, self._question),
                  (10, self._transaction), (7, self._user_variable), (5, self._prepared_text),
                  (9, self._prepared_binary), (5, self._wrong), (3, self._show), (3, self._command),
                  (2, self._odd_text), (2, self._routine), (1, self._ddl), (1, self._handler),
                  (1, self._lock)]
        if clients == 2:
            makers[0] = (28, self._dml_without_waiting)
        total = sum(weight for weight, _ in makers)
        at = self.random.randrange(total)
        for weight, maker in makers:
            at -= weight
            if at < 0:
                made = maker()
                break
        if isinstance(made, str):
            made = [Step(0, "query", made)]
        moved = []
        for step in made:
            moved.append(Step(client, step.kind, as_said(step.text), step.label, step.arguments,
                              step.number))
        return moved

    # ---- rows --------------------------------------------------------------------------------

    def _dml(self):
        key, other = self.key(), self.key()
        return self.pick(
            f"INSERT INTO a VALUES ({key}, {self.number()}, {self.text()})",
            f"INSERT INTO a (id, s) VALUES ({key}, {self.text()})",
            f"INSERT IGNORE INTO a VALUES ({key}, {self.number()}, {self.text()}), (1, 1, 'one')",
            f"INSERT INTO a VALUES ({key}, 3, 'n{other}') ON DUPLICATE KEY UPDATE v = v + 1",
            f"INSERT INTO a VALUES ({key}, 3, {self.text()}) RETURNING id, v",
            f"INSERT INTO b (n, d) VALUES ({self.number()}, {self.value()})",
            f"INSERT INTO b (n) VALUES (1), (2), ({self.number()})",
            f"INSERT INTO b VALUES ({self.pick('0', 'NULL', 'DEFAULT', '5000')}, 4, 1.25, "
            f"{self.text()}, {self.pick(chr(39) + 'x' + chr(39), chr(39) + 'z' + chr(39))})",
            f"INSERT INTO b SET n = {self.number()}, t = {self.pick('NULL', '20200230', '20200229010203')}",
            "INSERT INTO b () VALUES ()",
            f"INSERT INTO b (n) SELECT v FROM a WHERE id < {key} ORDER BY id",
            f"INSERT INTO c VALUES ({key}, {other})",
            f"INSERT INTO w (k, j, f) VALUES ({key}, '{{\"a\": {other}}}', {self.number()})",
            f"INSERT INTO w (k, j) VALUES ({key}, 'no json')",
            f"REPLACE INTO a VALUES ({key}, {self.number()}, 'r{other}')",
            f"REPLACE INTO w (k, bl) VALUES ({key}, X'00FF{other.zfill(2)}')",
            f"UPDATE a SET v = {self.number()} WHERE id = {key}",
            f"UPDATE a SET v = v + 1, s = CONCAT(s, {self.text()}) WHERE id <= {key}",
            f"UPDATE a SET id = {other} WHERE id = {key}",
            f"UPDATE b SET n = n / {self.pick('0', '2', '3')} ORDER BY id LIMIT 2",
            f"UPDATE a JOIN c ON c.a_id = a.id SET a.v = c.id WHERE c.id = {key}",
            f"UPDATE w SET f = f * 1e300 * 1e300 WHERE k = {key}",
            f"DELETE FROM a WHERE id = {key}",
            f"DELETE FROM b WHERE n = {self.number()} ORDER BY id LIMIT 1",
            f"DELETE FROM c WHERE id = {key} RETURNING id",
            f"DELETE c FROM c JOIN a ON a.id = c.a_id WHERE a.v > {key}",
            "DELETE FROM c",
            f"INSERT INTO va (id, v) VALUES ({key}, {other})",
            f"UPDATE va SET v = 5 WHERE id = {key}",
            f"INSERT INTO r2.a VALUES ({key}, {other}, {self.text()})",
            f"INSERT INTO a VALUES ({key})",
            f"INSERT INTO a VALUES ({key}, 'x', LAST_INSERT_ID({other}))",
        )

    def _dml_without_waiting(self):
        """Rows of one connection's own where two take turns: a lock wait takes a second."""
        statement = self._dml()
        return statement if self.chance(0.4) else f"INSERT INTO b (n) VALUES ({self.number()})"

    def _read(self):
        key = self.key()
        return "SELECT " + self.pick(
            "* FROM a ORDER BY id", "id, s FROM a WHERE s LIKE 'a%' ORDER BY id",
            f"* FROM b WHERE id > {key} ORDER BY id LIMIT 3", "COUNT(*), SUM(n), MAX(d) FROM b",
            f"v / {self.number()} FROM a WHERE id = {key}", "* FROM w ORDER BY k",
            "j, JSON_EXTRACT(j, '$.a') FROM w ORDER BY k", "GROUP_CONCAT(s ORDER BY id) FROM a",
            "a.id, c.id FROM a LEFT JOIN c ON c.a_id = a.id ORDER BY 1, 2", "* FROM va ORDER BY id",
            f"id FROM a WHERE id = {key} FOR UPDATE", f"v FROM a WHERE id = {key} LOCK IN SHARE MODE",
            "SQL_CALC_FOUND_ROWS id FROM a ORDER BY id LIMIT 1", "1", "1 / 0", f"{self.value()}",
            "CAST('x' AS SIGNED)", "'a' + 1, '2b' * 2", "DATE('2020-02-30')", "UPPER('ä'), 'ä' = 'Ä'",
            "NULL", "DATABASE()", "USER(), CURRENT_USER()", "CURRENT_ROLE()", "1 FROM dual WHERE 0",
            "FROM_UNIXTIME(1600000000), UNIX_TIMESTAMP('2020-01-01 00:00:00')",
            "DATE_FORMAT('2020-05-01', '%M %W'), 10 / 3", "EXISTS (SELECT 1 FROM a)",
            "v, COUNT(*) FROM a GROUP BY v ORDER BY 1", "id FROM a UNION SELECT id FROM c ORDER BY 1",
            "id INTO @got FROM a ORDER BY id LIMIT 1", f"s INTO @got FROM a WHERE id = {key}",
            "charset(s), collation(s), charset('x') FROM a LIMIT 1", "BENCHMARK(2, 1 + 1)",
            "CHARSET(USER()), @@character_set_client, @@collation_connection",
            "RAND(3), PI()", "* FROM r2.a ORDER BY id", "SUM(v) OVER (ORDER BY id), id FROM a",
            "table_name FROM information_schema.tables WHERE table_schema = 'r' ORDER BY 1",
            "id, id FROM (SELECT 1 AS id) AS one", "* FROM a PROCEDURE ANALYSE(1)",
            "NOW() > '2000-01-01'", "id FROM b WHERE id IS NULL",
        )

    # ---- settings ----------------------------------------------------------------------------

    def _assignment(self):
        name = self.random.choice(list(VARIABLES))
        value = self.random.choice(VARIABLES[name])
        prefix = self.pick("", "", "SESSION ", "@@", "@@session.", "LOCAL ")
        return f"{prefix}{name} {self.pick('=', ':=')} {value}"

    def _setting(self):
        return self.pick(
            f"SET {self._assignment()}", f"SET {self._assignment()}",
            f"SET sql_mode = '{self.random.choice(SQL_MODES)}'",
            f"SET {self._assignment()}, @x = {self.value()}, {self._assignment()}",
            f"SET NAMES {self.pick('utf8mb4', 'latin1', 'binary', 'utf8', 'nosuch', 'DEFAULT', 'cp1251')}",
            f"SET NAMES utf8mb4 COLLATE {self.pick('utf8mb4_general_ci', 'latin1_bin', 'nosuch')}",
            f"SET CHARACTER SET {self.pick('latin1', 'utf8mb4', 'DEFAULT')}",
            f"USE {self.pick('r', 'r2', 'nosuch', '`r`', 'information_schema')}",
            f"SET autocommit = {self.pick('0', '1', 'ON', 'OFF', 'DEFAULT')}",
            f"SET {self.pick('', 'SESSION ')}TRANSACTION ISOLATION LEVEL "
            f"{self.pick('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE', 'READ UNCOMMITTED')}",
            f"SET {self.pick('', 'SESSION ')}TRANSACTION {self.pick('READ ONLY', 'READ WRITE')}",
            "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
            f"SET STATEMENT {self.pick('sql_mode', 'group_concat_max_len')} = "
            f"{self.pick('4', chr(39) + 'ANSI_QUOTES' + chr(39))} FOR "
            f"{self.pick('SELECT GROUP_CONCAT(s) FROM a', 'INSERT INTO b (n) VALUES (3)', 'SELECT 1')}",
            f"SELECT @@{self.random.choice(READABLE)}",
            f"SELECT @@session.{self.random.choice(READABLE)}, @@sql_mode, @@autocommit",
            f"SHOW VARIABLES LIKE '{self.random.choice(READABLE)}'",
            f"SET ROLE {self.pick('NONE', 'nosuch')}",
        )

    def _user_variable(self):
        name = self.pick("x", "y", "`q z`", "X", "got")
        return self.pick(
            f"SET @{name} = {self.value()}", f"SET @{name} := @x, @y = {self.number()}",
            f"SELECT @{name}, @y", f"SELECT @{name} := {self.number()}",
            f"SELECT @{name} := id FROM a ORDER BY id", f"SET @{name} = (SELECT MAX(id) FROM a)",
            f"UPDATE a SET v = (@{name} := {self.key()}) WHERE id = {self.key()}",
            f"SELECT COALESCE(@{name}, 'none'), @nosuch", f"SELECT id INTO @{name} FROM a WHERE id = 1",
            f"INSERT INTO b (n) VALUES (@{name})", f"SET @{name} = @@sql_mode",
            f"SELECT CHARSET(@{name}), COERCIBILITY(@{name})", f"DO @{name} := 5",
        )

    def _question(self):
        return self.pick(
            "SELECT LAST_INSERT_ID()", "SELECT ROW_COUNT()", "SELECT FOUND_ROWS()", "SHOW WARNINGS",
            "SHOW ERRORS", "SELECT @@warning_count", "SELECT @@error_count, @@warning_count",
            "SELECT @@identity", "SELECT @@last_insert_id", "SHOW COUNT(*) WARNINGS",
            "SHOW COUNT(*) ERRORS", f"SELECT LAST_INSERT_ID({self.number()})", "SHOW WARNINGS LIMIT 1",
            "SELECT LAST_INSERT_ID(), ROW_COUNT(), FOUND_ROWS()", "SELECT @@in_transaction",
            "GET DIAGNOSTICS @n = NUMBER", "SELECT @n",
            "GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT, @e = MYSQL_ERRNO", "SELECT @m, @e",
            "SELECT @@insert_id", "SELECT row_count() AS changed",
            "SELECT @@autocommit, @@tx_isolation", "SELECT @@tx_read_only", "DO ROW_COUNT()",
            "INSERT INTO b (n) VALUES (LAST_INSERT_ID())", "INSERT INTO b (n) VALUES (ROW_COUNT())",
            "SELECT 1 AS one, FOUND_ROWS()", 
            "INSERT INTO b (n) VALUES (FOUND_ROWS())",
        )

    def _transaction(self):
        point = self.random.choice(SAVEPOINTS)
        return self.pick(
            "BEGIN", "BEGIN WORK", "START TRANSACTION", "START TRANSACTION READ ONLY",
            "START TRANSACTION READ WRITE", "START TRANSACTION WITH CONSISTENT SNAPSHOT",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", "BEGIN", "START TRANSACTION",
            "COMMIT", "COMMIT", "COMMIT WORK", "COMMIT AND CHAIN", "COMMIT AND NO CHAIN NO RELEASE",
            "ROLLBACK", "ROLLBACK", "ROLLBACK AND CHAIN", "ROLLBACK WORK AND NO CHAIN",
            f"SAVEPOINT {point}", f"SAVEPOINT {point}", f"ROLLBACK TO SAVEPOINT {point}",
            f"ROLLBACK TO {point}", f"RELEASE SAVEPOINT {point}", "begin", "/* c */ COMMIT",
            "COMMIT RELEASE" if self.chance(0.2) else "COMMIT",
            "ROLLBACK RELEASE" if self.chance(0.2) else "ROLLBACK", "COMMIT;",
        )

    # ---- prepared statements -----------------------------------------------------------------

    def _inner(self):
        """A statement with its number of parameters."""
        return self.pick(
            ("SELECT ? + 1, ?", 2), ("SELECT * FROM a WHERE id = ?", 1),
            ("INSERT INTO b (n, d) VALUES (?, ?)", 2), ("UPDATE a SET v = ?, s = ? WHERE id = ?", 3),
            ("SELECT ?", 1), ("DELETE FROM a WHERE id = ?", 1), ("SELECT 1", 0), ("COMMIT", 0),
            ("BEGIN", 0), ("SET @x = ?", 1), ("SELECT @@sql_mode", 0), ("SET sql_mode = ?", 1),
            ("INSERT INTO w (k, bl, f, ts) VALUES (?, ?, ?, ?)", 4), 
            ("SELECT LAST_INSERT_ID()", 0), ("SELECT * FROM nosuch", 0), ("SELEC ?", 1),
            ("SELECT v / ? FROM a ORDER BY id", 1), ("INSERT INTO a VALUES (?, ?, ?)", 3),
            ("REPLACE INTO a VALUES (?, ?, ?)", 3), ("SELECT * FROM b ORDER BY id LIMIT ?", 1),
            ("CALL p_rows(?)", 1), ("CALL p_out(?, ?)", 2), ("USE r2", 0), ("SELECT \"s\" FROM a ORDER BY id", 0),
            ("SELECT s FROM a WHERE s = 'a\\'b'", 0), ("SET autocommit = 0", 0), ("DO ?", 1),
            ("SELECT * FROM w WHERE k = ? FOR UPDATE", 1), ("SAVEPOINT a", 0), ("ROLLBACK", 0),
            ("SELECT id INTO @got FROM a WHERE id = ?", 1), ("", 0), ("SET autocommit = 1", 0),
            ("INSERT INTO b (n) VALUES (?) RETURNING id", 1), ("SHOW TABLES", 0), ("START TRANSACTION", 0),
        )

    def _prepared_text(self):
        name = self.pick("p", "q", "`r s`")
        sql, count = self._inner()
        if sql == "SAVEPOINT a":  # known to differ likewise
            sql = "SELECT 7"
        literal = "'" + sql.replace("\\", "\\\\").replace("'", "''") + "'"
        if self.chance(0.1):
            count += 1
        using = " USING " + ", ".join(self.pick("@x", "@y", "@got", "7", "'t'", "NULL")
                                      for _ in range(count)) if count else ""
        return self.pick(
            f"PREPARE {name} FROM {literal}", f"PREPARE {name} FROM {literal}",
            f"EXECUTE {name}{using}", f"EXECUTE {name}", f"DEALLOCATE PREPARE {name}",
            f"EXECUTE IMMEDIATE {literal}{using}", f"DROP PREPARE {name}",
            [Step(0, "query", f"PREPARE {name} FROM {literal}"),
             Step(0, "query", f"EXECUTE {name}{using}")],
            [Step(0, "query", f"SET @sql = {literal}"), Step(0, "query", f"PREPARE {name} FROM @sql"),
             Step(0, "query", f"EXECUTE {name}")],
        )

    def _parameter(self):
        small = self.random.randint(-5, 40)
        return self.pick(
            Parameter(1, struct.pack("<b", small)), Parameter(2, struct.pack("<h", small)),
            Parameter(3, struct.pack("<i", small)), Parameter(8, struct.pack("<q", small)),
            Parameter(8, struct.pack("<Q", 2**64 - 1), True), Parameter(3, b"\xff" * 4, True),
            Parameter(4, struct.pack("<f", small / 4)), Parameter(5, struct.pack("<d", small / 3)),
            Parameter(6, None), text_parameter(b"text"), text_parameter(b"", 0xFE),
            text_parameter("ä".encode(), 0x0F), text_parameter(b"\0\xff\x27\\", 0xFC),
            text_parameter(b"12.345", 0xF6), text_parameter(b"7", 0x00), text_parameter(b"abc", 0xF9),
            Parameter(10, b"\4" + struct.pack("<HBB", 2020, 2, 29)), Parameter(10, b"\0"),
            Parameter(12, b"\7" + struct.pack("<HBBBBB", 2020, 2, 28, 23, 59, 1)),
            Parameter(7, b"\x0b" + struct.pack("<HBBBBBI", 2021, 12, 1, 1, 2, 3, 450000)),
            Parameter(11, b"\x08" + struct.pack("<BIBBB", 1, 2, 3, 4, 5)),
            Parameter(11, b"\x0c" + struct.pack("<BIBBBI", 0, 0, 3, 4, 5, 600000)), Parameter(11, b"\0"),
            Parameter(13, struct.pack("<h", 2001)), Parameter(9, struct.pack("<i", small)),
            text_parameter(b"\x05", 0x10), text_parameter(b'{"a": 1}', 0xF5),
        )

    def _prepared_binary(self):
        sql, count = self._inner()
        label = self._label
        if label == 0 or self.chance(0.45):
            self._label += 1
            steps = [Step(0, "prepare", sql, label)]
            for _ in range(self.random.randint(0, 3)):
                steps.append(self._execute(label, count))
            return steps
        old = self.random.randrange(label) if self.chance(0.9) else -1
        if self.chance(0.6):
            return [self._execute(old, self.random.randint(0, 3))]
        return [self.pick(Step(0, "reset_statement", label=old), Step(0, "close_statement", label=old),
                          Step(0, "long_data", self.pick("long", "", "ä"), old,
                               number=self.random.randint(0, 2)))]

    def _execute(self, label, count):
        cursor = 1 if self.features["cursors"] and self.chance(0.2) else 0
        return Step(0, "execute", label=label, number=cursor,
                    arguments=tuple(self._parameter() for _ in range(count)))

    # ---- the rest ----------------------------------------------------------------------------

    def _wrong(self):
        return self.pick(
            "SELEC 1", "SELECT * FROM nosuch", "SELECT nosuch FROM a", "INSERT INTO nosuch VALUES (1)",
            "SELECT * FROM nodb.t", "UPDATE a SET nosuch = 1", "SELECT nosuch()", "SELECT r.nosuch()",
            "INSERT INTO a (id, id) VALUES (1, 2)", "SELECT 'open", "SELECT /* open", "(SELECT 1",
            "DELETE FROM a WHERE", "SELECT 1 FROM a, a", "SELECT id FROM a JOIN c USING (nosuch)",
            "SELECT (SELECT id FROM a)", "SELECT 1 WHERE (1, 2) = 1", "INSERT INTO va VALUES (1)",
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'own', MYSQL_ERRNO = 4711", "RESIGNAL",
            "SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'note'", "SELECT SLEEP(-1)",
            "INSERT INTO a VALUES (1, 1, REPEAT('x', 300))", "SELECT 9223372036854775807 + 1",
            "SELECT CAST(-1 AS UNSIGNED), 1 - CAST(2 AS UNSIGNED)", "DROP TABLE nosuch",
            "CREATE TABLE a (id INT)", "ALTER TABLE a ADD COLUMN v INT", 
            "SELECT * FROM a WHERE id = 1 INTO @p, @q, @r, @s", "CALL nosuch()", "CALL p_out(1)",
            "KILL 4000000000", "KILL QUERY 4000000000", "KILL 'x'", "EXECUTE nosuch", "COMMIT 1",
            "SET @x = 1, nosuch = 2", "SET", "SELECT @@nosuch", "SET GLOBAL nosuch = 1", "BEGIN x",
            "SAVEPOINT", "SELECT JSON_VALID('{'), JSON_EXTRACT('{', '$')", "SELECT INET_ATON('x')",
            "SELECT EXTRACTVALUE('<a>', '/a')", "SELECT 1; ", "ROLLBACK TO nosuch", "RELEASE SAVEPOINT no",
            "SELECT COUNT(*) FROM a GROUP BY nosuch", "SELECT v FROM a HAVING SUM(v) > 1 ORDER BY x",
            "LOCK TABLES nosuch READ" if self.features["lock_tables"] else "SELECT x",
        )

    def _show(self):
        return self.pick(
            "SHOW TABLES", "SHOW TABLES LIKE 'a%'", "SHOW CREATE TABLE a", "SHOW COLUMNS FROM b",
            "SHOW FULL COLUMNS FROM w", "SHOW INDEX FROM c", "SHOW DATABASES LIKE 'r%'", "SHOW DATABASES",
            "DESC a",
            "EXPLAIN SELECT * FROM a WHERE id = 1", "SHOW CREATE VIEW va", "SHOW CREATE DATABASE r",
            "SHOW TABLES FROM nosuch", "SHOW GRANTS", "SHOW COLLATION LIKE 'utf8mb4_bin'",
            "SHOW CHARACTER SET LIKE 'latin1'", "SHOW CREATE PROCEDURE p_rows",
            "SHOW TRIGGERS LIKE 'nosuch'", "SHOW PROCEDURE STATUS LIKE 'nosuch'", "EXPLAIN DELETE FROM c",
            "SHOW TABLE STATUS LIKE 'nosuch'", "EXPLAIN INSERT INTO a VALUES (1, 1, 'x')", "SHOW PRIVILEGES",
            "SHOW OPEN TABLES LIKE 'nosuch'", "CHECKSUM TABLE a", "CHECK TABLE a", "SHOW nosuch",
            "ANALYZE SELECT 1", "SHOW STATUS LIKE 'nosuch'", "SHOW FULL TABLES", "DESCRIBE a v",
        )

    def _command(self):
        return [self.pick(
            Step(0, "ping"), Step(0, "ping"), Step(0, "statistics"), Step(0, "reset_connection"),
            Step(0, "reset_connection"), Step(0, "change_user", "r"), Step(0, "change_user", ""),
            Step(0, "init_db", "r"), Step(0, "init_db", "r2"), Step(0, "init_db", "nosuch"),
            Step(0, "init_db", ""), Step(0, "field_list", "a"), Step(0, "field_list", "nosuch"),
            Step(0, "raw", "", number=0x1D), Step(0, "raw", "", number=0xF0), Step(0, "raw", "", number=0),
            Step(0, "execute", label=-1), Step(0, "reset_statement", label=-1),
            Step(0, "prepare", "", 99),
            *([Step(0, "set_option", number=number) for number in (0, 1, 7)]
              if self.features["set_option"] else []),
        )]

    def _odd_text(self):
        return self.pick(
            "", " ", ";", "/* only */", "-- only", "# only", "/*! SELECT 1 */", "/*M! SELECT 2 */",
            "/*!50000 SELECT 3 */", "/*!99999 SELECT 4 */", "SELECT 1;", "SELECT 1 ; ", "(SELECT 1)",
            "((SELECT id FROM a ORDER BY id LIMIT 1))", "VALUES (1, 2), (3, 4)", "TABLE a",
            "WITH x AS (SELECT 1 AS n) SELECT n FROM x", "  SELECT  2 ", "\tselect\n3", "SELECT\0 1",
            "/* a */ /* b */ SELECT 4", "SELECT 'ä', X'41', b'1', 0x42, N'n'", "SELECT 1 -- end",
            "SELECT 1 /*! + 1 */ AS s", "SELECT \"quoted\"", "SELECT `id` FROM `a` ORDER BY 1",
            "DO 1", "DO 1 / 0", "SELECT 1 AS `a b`, 2 AS 'c', 3 \"d\"", "SELECT 'a' 'b'", "SELECT 1.5e400",
            "EXECUTE IMMEDIATE 'SELECT 1' ", "explain select 1", "SELECT ';', '/*', '--'", "SELECT --1",
            "SELECT 1 LIMIT 0", "select/**/1",
            "BEGIN NOT ATOMIC DECLARE x INT DEFAULT 1; INSERT INTO b (n) VALUES (x); END",
            "SELECT SQL_NO_CACHE 1", "SELECT HIGH_PRIORITY id FROM c",
            *(["SELECT 1; SELECT 2", "INSERT INTO b (n) VALUES (1); SELECT LAST_INSERT_ID()",
               "SELECT 1; SELEC 2; SELECT 3", "BEGIN; UPDATE a SET v = 1; COMMIT"]
              if self.features["multi_statements"] else []),
        )

    def _routine(self):
        return self.pick(
            f"CALL p_rows({self.key()})", f"CALL p_out({self.key()}, @out)", "SELECT @out",
            f"CALL p_write({self.key()}, {self.text()})", "CALL p_fail()", "CALL p_rows('x')",
            f"CALL p_write({self.number()}, 'w')",
            *([f"SELECT f_double({self.number()})", "SELECT f_count()", "SELECT id, f_double(v) FROM a"]
              if self.features["stored_functions"] else []),
        )

    def _ddl(self):
        return self.pick(
            "CREATE TABLE d1 (id INT PRIMARY KEY, x INT)", "CREATE TABLE IF NOT EXISTS d1 (id INT)",
            "DROP TABLE IF EXISTS d1", "DROP TABLE d1, d2", "ALTER TABLE d1 ADD COLUMN y INT DEFAULT 4",
            "RENAME TABLE d1 TO d2", "CREATE TABLE d2 LIKE a", "INSERT INTO d1 (id) VALUES (1), (2)",
            "TRUNCATE TABLE d1", "CREATE INDEX i ON d1 (x)", "DROP INDEX nosuch ON a", "ANALYZE TABLE c",
            "ALTER TABLE d1 DROP COLUMN nosuch", "CREATE OR REPLACE TABLE d1 (id BIGINT)",
            "CREATE DATABASE IF NOT EXISTS r2", "CREATE DATABASE r", "DROP DATABASE nosuch",
            "CREATE VIEW va AS SELECT 1", "DROP VIEW nosuch", "DROP TABLE IF EXISTS d1, d2",
            "CREATE TABLE d3 (id INT, FOREIGN KEY (id) REFERENCES nosuch (id))", "OPTIMIZE TABLE c",
            "CREATE TABLE d1 (id INT, id INT)", "FLUSH TABLES nosuch", "SELECT * FROM d1",
            "CREATE USER app@'%'", "DROP USER nosuch", "GRANT SELECT ON r.a TO nosuch",
            *(["CREATE TABLE d1 SELECT 1 AS n", "CREATE TABLE d2 AS SELECT * FROM a"]
              if self.features["create_select"] else []),
            *(["CREATE TEMPORARY TABLE tt (n INT)", "INSERT INTO tt VALUES (1)", "SELECT * FROM tt",
               "DROP TEMPORARY TABLE tt", "CREATE TEMPORARY TABLE a (n INT)"] * 2
              if self.features["temporary_tables"] else []),
            *(["CREATE SEQUENCE sq", "SELECT NEXTVAL(sq) > 0", "DROP SEQUENCE sq",
               "SELECT LASTVAL(sq) > 0", "SELECT NEXT VALUE FOR sq > PREVIOUS VALUE FOR sq",
               "SELECT SETVAL(sq, 1000000)", "ALTER SEQUENCE sq RESTART", "DO NEXTVAL(sq)",
               "INSERT INTO c (id) VALUES (IF(NEXTVAL(sq) > 0, 77, 78))"] * 2
              if self.features["sequences"] else []),
        )

    def _handler(self):
        return self.pick("HANDLER a OPEN", "HANDLER a READ FIRST", "HANDLER a READ NEXT LIMIT 2",
                         "HANDLER a CLOSE", "HANDLER a READ `PRIMARY` = (1)", "HANDLER nosuch OPEN")

    def _lock(self):
        return self.pick("SELECT GET_LOCK('l', 0)", "SELECT RELEASE_LOCK('l')", "DO GET_LOCK('m', 0)",
                         "SELECT IS_FREE_LOCK('l')", "SELECT RELEASE_ALL_LOCKS()", "UNLOCK TABLES",
                         "SELECT GET_LOCK(NULL, 0)",
                         *(["LOCK TABLES a READ", "LOCK TABLES a WRITE, b READ", "UNLOCK TABLES"]
                           if self.features["lock_tables"] else []))
