"""Sequences that once differed, by what was wrong then. Each stands by itself, on one connection."""

import struct
from dataclasses import replace

from .brands import as_said
from .steps import Parameter, Step, text_parameter

# Some reads in a row: they go to several servers.
_ASK_ALL = ("SELECT FROM_UNIXTIME(1600000000), \"quoted\"",) * 4
_DATE = Parameter(10, b"\4" + struct.pack("<HBB", 2020, 2, 29))

SEQUENCES = {
    "a SESSION in front of another variable": (
        "SET SESSION join_cache_level = 0, @@time_zone = '+05:30'", *_ASK_ALL, "SELECT @@time_zone",
        "SET LOCAL sql_notes = 1, @x = 2, @@sql_mode = 'PIPES_AS_CONCAT', sort_buffer_size = 65536",
        "SELECT 1 || 2 FROM a ORDER BY id LIMIT 1", "SELECT @@sort_buffer_size"),
    "the next transaction's settings behind a SESSION": (
        "START TRANSACTION READ WRITE", "SET SESSION join_cache_level := 0, @x = 2, @@tx_read_only = 0",
        "SELECT @x", "ROLLBACK", "SET SESSION join_cache_level = 0, @@tx_read_only = 1",
        "INSERT INTO a VALUES (20, 1, 'r')", "INSERT INTO a VALUES (20, 1, 'r')", "COMMIT"),
    "READ WRITE in a READ ONLY session": (
        "SET SESSION TRANSACTION READ ONLY", "START TRANSACTION READ WRITE",
        "UPDATE a SET v = 1 WHERE id = 1", "COMMIT AND CHAIN", "UPDATE a SET v = 2 WHERE id = 1",
        "COMMIT", "UPDATE a SET v = 3 WHERE id = 1", "BEGIN", "UPDATE a SET v = 4 WHERE id = 1",
        "ROLLBACK", "SELECT v FROM a WHERE id = 1", "SELECT @@tx_read_only"),
    "PREPARE of a write in a READ ONLY session's READ WRITE transaction": (
        "SET SESSION TRANSACTION READ ONLY", "START TRANSACTION READ WRITE",
        "PREPARE p FROM 'UPDATE a SET v = 5 WHERE id = 1'", "EXECUTE p", "COMMIT",
        "START TRANSACTION READ WRITE", Step(0, "prepare", "DELETE FROM a WHERE id = 1", 0),
        Step(0, "execute", label=0), "ROLLBACK", "SELECT v FROM a WHERE id = 1"),
    "READ WRITE behind SET TRANSACTION READ ONLY": (
        "SET TRANSACTION READ ONLY", "START TRANSACTION READ WRITE",
        "UPDATE a SET v = 1 WHERE id = 1", "COMMIT", "UPDATE a SET v = 2 WHERE id = 1",
        "SET TRANSACTION READ ONLY", "BEGIN", "UPDATE a SET v = 3 WHERE id = 1", "COMMIT",
        "SET TRANSACTION READ ONLY", "BEGIN", "COMMIT", "BEGIN", "UPDATE a SET v = 4 WHERE id = 1",
        "COMMIT", "SET TRANSACTION READ ONLY", "COMMIT", "UPDATE a SET v = 5 WHERE id = 1",
        "SELECT v FROM a WHERE id = 1"),
    "a session that becomes READ ONLY amid a transaction": (
        "COMMIT AND CHAIN", "SET tx_read_only = ON", "UPDATE a SET v = 1 WHERE id = 1", "COMMIT",
        "COMMIT AND CHAIN", "UPDATE a SET v = 2 WHERE id = 1", "ROLLBACK",
        "SELECT v FROM a WHERE id = 1"),
    "what uses SET TRANSACTION up": (
        "SET TRANSACTION READ ONLY", "SELECT 1", "SET @x = 1", "SELECT table_name FROM"
        " information_schema.tables WHERE table_schema = 'r' ORDER BY 1",
        "UPDATE a SET v = 1 WHERE id = 1", "UPDATE a SET v = 2 WHERE id = 1", "SELECT v FROM a WHERE id = 1",
        "UPDATE a SET v = 3 WHERE id = 1", "SELECT v FROM a WHERE id = 1"),
    "what does not use SET TRANSACTION up": (
        "SET TRANSACTION READ ONLY", "SELECT /* open", "DELETE FROM c WHERE id = 3", "CALL nosuch()",
        "CALL p_rows('x')", "DELETE FROM a WHERE id = 7", "EXECUTE nosuch", "SELECT * FROM nosuch",
        "DELETE FROM a WHERE id = 7", "SELECT id FROM a WHERE id = 1 FOR UPDATE",
        "INSERT INTO a VALUES (10)", "UPDATE a SET v = 1 WHERE id = 1", "SELECT id FROM a WHERE id = 1",
        "UPDATE a SET v = 2 WHERE id = 1", "SELECT v FROM a WHERE id = 1"),
    "what cannot be read commits nothing": (
        "BEGIN", "UPDATE a SET v = 3 WHERE id = 1", "CREATE TABLE d1 (id INT,", "DROP TABLE",
        "CREATE TABLE d1 (s CHAR(1) CHARACTER SET nosuch)", "SELECT @@in_transaction", "ROLLBACK",
        "SELECT v FROM a WHERE id = 1", "BEGIN", "CREATE VIEW v1 AS SELECT @x",
        "UPDATE a SET v = 4 WHERE id = 1", "SELECT @@in_transaction", "ROLLBACK",
        "SELECT v FROM a WHERE id = 1", "BEGIN", "UPDATE a SET v = 5 WHERE id = 1",
        "CREATE TABLE d1 (id INT, id INT)", "SELECT @@in_transaction", "ROLLBACK",
        "SELECT v FROM a WHERE id = 1", "START TRANSACTION READ ONLY", "DROP TABLE d1,",
        "UPDATE a SET v = 6 WHERE id = 1", "COMMIT", "BEGIN", "UPDATE a SET v = 7 WHERE id = 1",
        "CREATE VIEW v1 AS SELECT * FROM nosuch", "ROLLBACK", "SELECT v FROM a WHERE id = 1"),
    "READ ONLY transactions": (
        "START TRANSACTION READ ONLY", "SELECT id FROM a ORDER BY id", "CALL p_rows(3)",
        "CALL p_write(1, 'x')", "SELECT id FROM a WHERE id = 1 FOR UPDATE", "SAVEPOINT a",
        "ROLLBACK TO a", "COMMIT AND CHAIN", "UPDATE a SET v = 1 WHERE id = 1", "ROLLBACK",
        "UPDATE a SET v = 2 WHERE id = 1", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        "SELECT v FROM a WHERE id = 1", "CALL p_rows(1)", "COMMIT", "UPDATE a SET v = 3 WHERE id = 1",
        "SET autocommit = 0", "SET SESSION TRANSACTION READ ONLY",
        "SELECT id INTO @got FROM a ORDER BY id LIMIT 1", "SELECT @@in_transaction",
        "UPDATE a SET v = 4 WHERE id = 1", "COMMIT", "SET SESSION TRANSACTION READ WRITE",
        "UPDATE a SET v = 5 WHERE id = 1", "COMMIT", "SELECT v FROM a WHERE id = 1"),
    "diagnostics of the transaction before": (
        "COMMIT AND CHAIN", "INSERT INTO a VALUES (2)", "BEGIN WORK",
        "GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT, @e = MYSQL_ERRNO", "SELECT @m, @e",
        "ROLLBACK", "SELECT 1 / 0", "SELECT USER()", "SHOW WARNINGS"),
    "DDL in information_schema": (
        "CALL p_rows(3)", "USE information_schema", "ALTER TABLE d1 ADD COLUMN y INT",
        "CREATE TABLE d2 LIKE a", "RENAME TABLE d1 TO d2"),
    "SET TRANSACTION READ WRITE in a READ ONLY session": (
        "SET SESSION TRANSACTION READ ONLY", "SET TRANSACTION READ WRITE", "BEGIN",
        "UPDATE a SET v = 1 WHERE id = 1", "COMMIT", "BEGIN", "UPDATE a SET v = 2 WHERE id = 1",
        "COMMIT", "SET @@tx_read_only = 0", "UPDATE a SET v = 3 WHERE id = 1",
        "UPDATE a SET v = 4 WHERE id = 1", "SELECT v FROM a WHERE id = 1"),
    "what SET autocommit leaves of a transaction": (
        "SET SESSION TRANSACTION READ ONLY", "START TRANSACTION READ WRITE", "SET autocommit = 0",
        "SET autocommit = DEFAULT", "UPDATE a SET v = 1 WHERE id = 1", "UPDATE a SET v = 2 WHERE id = 1",
        "SET SESSION TRANSACTION READ WRITE", "SET autocommit = 0", "START TRANSACTION READ ONLY",
        "SELECT v FROM a WHERE id = 1", "SET autocommit = 1", "UPDATE a SET v = 3 WHERE id = 1", "BEGIN",
        "UPDATE a SET v = 4 WHERE id = 1", "COMMIT", "UPDATE a SET v = 5 WHERE id = 1",
        "SELECT v FROM a WHERE id = 1"),
    "reads without a table and SET TRANSACTION": (
        "SET TRANSACTION READ ONLY", "SELECT id, id FROM (SELECT 1 AS id) AS one", "SELECT 1 FROM dual",
        "SELECT 1 FROM a, a", "UPDATE a SET v = 1 WHERE id = 1", "SELECT one.id FROM (SELECT id FROM a WHERE id = 1) AS one",
        "UPDATE a SET v = 2 WHERE id = 1", "SELECT v FROM a WHERE id = 1"),
    "what commits by itself and SET TRANSACTION": (
        "SET TRANSACTION READ ONLY", "FLUSH TABLES nosuch", "UPDATE a SET v = 1 WHERE id = 1",
        "SET TRANSACTION READ ONLY", "FLUSH NOSUCH", "UPDATE a SET v = 2 WHERE id = 1",
        "SET TRANSACTION READ ONLY", "DROP DATABASE nosuch", "UPDATE a SET v = 3 WHERE id = 1",
        "SET TRANSACTION READ ONLY", "CREATE USER app@'%'", "UPDATE a SET v = 4 WHERE id = 1",
        "SET TRANSACTION READ ONLY", "ANALYZE TABLE c", "UPDATE a SET v = 5 WHERE id = 1"),
    "DDL that names a table twice": (
        "BEGIN", "UPDATE a SET v = 8 WHERE id = 1", "DROP TABLE a, a", "SELECT @@in_transaction", "ROLLBACK",
        "SELECT v FROM a WHERE id = 1"),
    "DDL at SERIALIZABLE behind an open handler": (  # its fence failed, as rows had changed since
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "HANDLER a OPEN",
        "CREATE OR REPLACE TABLE d1 (id BIGINT)", "RENAME TABLE d3 TO d2", "HANDLER a READ FIRST",
        "RENAME TABLE d1 TO d2", "HANDLER a CLOSE", "DROP TABLE d2"),
    "DDL in a READ ONLY session": (  # stopped the lanes of all other servers
        "SET SESSION TRANSACTION READ ONLY", "DROP TABLE IF EXISTS d1, d2",
        "CREATE OR REPLACE TABLE d1 (id INT)", "CREATE TABLE d1 (id INT)", "SET TRANSACTION READ WRITE",
        "CREATE TABLE d1 (id INT)", "DROP TABLE d1", "SET SESSION TRANSACTION READ WRITE",
        "CREATE TABLE d1 (id INT)", "CREATE TABLE d2 (id INT)", "SET TRANSACTION READ ONLY",
        "DROP TABLE d1, d2", "SELECT * FROM d1", "DROP TABLE d1, d2", "SELECT * FROM d1"),
    "DDL under a sql_mode in which the lanes' own statements mean something else": (
        "SET sql_mode = 'EMPTY_STRING_IS_NULL'", "CREATE TABLE d1 (id INT)", "SET sql_mode = 'ORACLE'",
        "CREATE TABLE d2 (id INT)", "INSERT INTO d1 VALUES (1)", "DROP TABLE d1, d2",
        "SET old_mode = '', sql_mode = 'EMPTY_STRING_IS_NULL'", "SELECT '' IS NULL", "SELECT '' IS NULL",
        "SELECT '' IS NULL"),
    "DDL of a session with little time": (
        "SET SESSION max_statement_time = 0.001, wait_timeout = 100, lock_wait_timeout = 1",
        "CREATE OR REPLACE TABLE d1 (id INT)", "SET max_statement_time = 0, autocommit = 0",
        "DROP TABLE IF EXISTS d1, d2", "SELECT * FROM d1"),
    "diagnostics of a routine's arguments": (
        "SELECT RELEASE_ALL_LOCKS()", "CALL p_rows('x')",
        "GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT, @e = MYSQL_ERRNO", "SELECT @y, @y",
        "SELECT @m, @e"),
    "long data for a text": (
        Step(0, "prepare", "SELECT ?, ?", 0), Step(0, "long_data", "ab", 0, number=0),
        Step(0, "execute", label=0, arguments=(text_parameter(b"x"), _DATE)),
        Step(0, "execute", label=0, arguments=(text_parameter(b"x"), _DATE)),
        Step(0, "long_data", "cd", 0, number=0),
        Step(0, "execute", label=0, arguments=(text_parameter(b"x"), _DATE))),
}


def steps_of(sequence):
    steps = [Step(0, "query", one) if isinstance(one, str) else one for one in sequence]
    return [replace(step, text=as_said(step.text)) for step in steps]
