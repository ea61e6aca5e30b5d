"""The tables every sequence finds, and how they become the same on both sides again."""

ROWS_MAX = 9

_DEFINITIONS = [
    "DROP DATABASE IF EXISTS r", "DROP DATABASE IF EXISTS r2",
    "CREATE DATABASE r", "CREATE DATABASE r2",
    "CREATE TABLE r.a (id INT PRIMARY KEY, v INT, s VARCHAR(20), UNIQUE KEY by_text (s))"
    " DEFAULT CHARSET utf8mb4",
    "CREATE TABLE r.b (id INT AUTO_INCREMENT PRIMARY KEY, n INT NOT NULL DEFAULT 7, d DECIMAL(10,2),"
    " t DATETIME NULL, e ENUM('x','y'), KEY (n)) DEFAULT CHARSET utf8mb4",
    "CREATE TABLE r.c (id INT PRIMARY KEY, a_id INT, FOREIGN KEY (a_id) REFERENCES r.a (id))",
    "CREATE TABLE r.w (k BIGINT PRIMARY KEY, j JSON, bl BLOB, f DOUBLE, ts TIMESTAMP NULL, y YEAR,"
    " bi BIT(8), CHECK (k < 1000)) DEFAULT CHARSET utf8mb4",
    "CREATE TABLE r2.a (id INT PRIMARY KEY, v INT, s VARCHAR(20)) DEFAULT CHARSET latin1",
    "CREATE VIEW r.va AS SELECT id, v FROM r.a WHERE id < 100",
    "CREATE PROCEDURE r.p_rows(n INT) BEGIN SELECT n AS n; SELECT id, v FROM r.a WHERE id <= n"
    " ORDER BY id; END",
    "CREATE PROCEDURE r.p_out(n INT, OUT total INT) SELECT COUNT(*) INTO total FROM r.a WHERE id < n",
    "CREATE PROCEDURE r.p_write(n INT, t VARCHAR(20)) BEGIN INSERT INTO r.b (n) VALUES (n);"
    " UPDATE r.a SET s = t WHERE id = n; END",
    "CREATE PROCEDURE r.p_fail() BEGIN INSERT INTO r.b (n) VALUES (66);"
    " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'p_fail'; END",
]

_FUNCTIONS = [
    "CREATE FUNCTION r.f_double(n INT) RETURNS INT DETERMINISTIC NO SQL RETURN n * 2",
    "CREATE FUNCTION r.f_count() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM r.a)",
    "CREATE TRIGGER r.on_b BEFORE INSERT ON r.b FOR EACH ROW SET NEW.d = COALESCE(NEW.d, NEW.n)",
]

_ROWS = [
    "BEGIN",
    "DELETE FROM r.c", "DELETE FROM r.a", "DELETE FROM r.b", "DELETE FROM r.w", "DELETE FROM r2.a",
    "INSERT INTO r.a VALUES (1, 10, 'one'), (2, 20, 'two'), (3, NULL, NULL), (5, 50, 'ä5'),"
    " (7, -7, 'A7'), (9, 0, '9')",
    "INSERT INTO r.c VALUES (1, 1), (4, NULL)",
    "INSERT INTO r.w VALUES (1, '{\"a\": 1}', X'00FF', 1.25, '2020-01-01 00:00:00', 2020, b'101')",
    "INSERT INTO r2.a VALUES (1, 100, 'r2')",
]

SCRATCH = "DROP TABLE IF EXISTS r.d1, r.d2, r.d3, r2.d1, r2.d2, r2.d3"


def define(clients, stored_functions):
    """Everything anew, AUTO_INCREMENT counters too. `clients`: wire.Wires without a database."""
    _run(clients, _DEFINITIONS + (_FUNCTIONS if stored_functions else []))
    refill(clients, 0, False)


def refill(clients, number, scratch):
    """The rows that sequence `number` begins with. A row above all that came before brings the
    AUTO_INCREMENT counters of all servers to the same place. `scratch`: drops what a sequence may
    have created, too."""
    first = 1600 * number + 1
    _run(clients, ([SCRATCH] if scratch else []) + _ROWS + [
        f"INSERT INTO r.b VALUES ({first}, 1, 1.5, '2020-01-01 10:00:00', 'x'),"
        f" ({first + 1}, 2, NULL, NULL, 'y')", "COMMIT"])


def _run(clients, statements):
    """All statements at once, on all sides at once."""
    for client in clients:
        client.send_raw(b"".join(client.frame(b"\x03" + sql.encode(), 0) for sql in statements))
    for client in clients:
        for _ in statements:
            client.sequence = 1
            client.read_reply()
