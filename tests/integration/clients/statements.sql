-- Statements of all kinds with what they leave behind. One a line, in this order, in one session.
INSERT INTO item (id, name, qty) VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3)
SELECT LAST_INSERT_ID(), ROW_COUNT()
SELECT * FROM item ORDER BY id
SELECT SQL_CALC_FOUND_ROWS id FROM item ORDER BY id LIMIT 1
SELECT FOUND_ROWS()
[mariadb] INSERT INTO item (id, name) VALUES (4, 'four') RETURNING id, name, qty
[mysql] INSERT INTO item (id, name) VALUES (4, 'four')
INSERT INTO item (id, name, qty) VALUES (4, 'four', 9) ON DUPLICATE KEY UPDATE qty = qty + 10
SELECT ROW_COUNT(), LAST_INSERT_ID()
INSERT IGNORE INTO item (id, name) VALUES (7, 'one'), (6, 'five')
SHOW WARNINGS
SELECT @@warning_count, @@error_count
REPLACE INTO item (id, name, qty) VALUES (5, 'fünf', 5)
UPDATE item SET qty = qty WHERE id = 1
UPDATE item SET qty = qty + 1 WHERE id < 3
UPDATE item SET qty = 2 WHERE id < 3
DELETE FROM item WHERE name = 'nobody'
[mariadb] DELETE FROM item WHERE id = 5 RETURNING name
[mysql] DELETE FROM item WHERE id = 5
INSERT INTO part SELECT id * 10, id FROM item WHERE id < 3
UPDATE item JOIN part ON part.item_id = item.id SET qty = qty + 100 WHERE part.id = 10
DELETE part FROM part JOIN item ON part.item_id = item.id WHERE item.id = 2
SELECT * FROM item_view ORDER BY id
SELECT i.name, p.id FROM item i LEFT JOIN part p ON p.item_id = i.id ORDER BY i.id
SELECT name, SUM(qty) OVER (ORDER BY id) AS running, ROW_NUMBER() OVER () FROM item ORDER BY id
WITH RECURSIVE n AS (SELECT 1 AS k UNION ALL SELECT k + 1 FROM n WHERE k < 5) SELECT k, k * k FROM n
SELECT twice(21), twice(NULL)
SELECT 1, 1.5, 1e10, 'text', NULL, TRUE, x'414243', DATE '2020-02-02', TIME '10:11:12', TIMESTAMP '2020-02-02 10:11:12.5', INTERVAL(3, 1, 5), -0.0
SELECT 'a' 'b' AS 'quoted name', "double", `name` FROM item WHERE id = 1
(SELECT 1) UNION (SELECT 2) ORDER BY 1 DESC
[mariadb] VALUES (1, 'a'), (2, 'b')
[mysql] VALUES ROW(1, 'a'), ROW(2, 'b')
SELECT JSON_OBJECT('k', JSON_ARRAY(1, 'ü', NULL)), JSON_VALUE('{"a": 1}', '$.a')
SELECT CONVERT('ü' USING latin1) AS l, HEX('ü'), CHAR_LENGTH('😀'), LENGTH('😀')
SELECT COUNT(*), MIN(id), MAX(name), GROUP_CONCAT(name ORDER BY id SEPARATOR '|'), AVG(qty) FROM item
SELECT * FROM item WHERE id = 4711
DO 1 + 1
DO SLEEP(0)
[mariadb] SELECT 1 / 0, CAST('12x' AS INT)
[mysql] SELECT 1 / 0, CAST('12x' AS SIGNED)
SHOW WARNINGS
SHOW COUNT(*) WARNINGS
[mysql] SELECT GET_LOCK('client lock', 1), IS_FREE_LOCK('client lock'), RELEASE_LOCK('client lock'), RELEASE_ALL_LOCKS()
SET @v = 5, @w = 'text'
SELECT @v, @w, @nothing, @v := @v + 1
SELECT id, name FROM item WHERE id = 1 INTO @a, @b
SELECT @a, @b
SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'
SELECT "name", 'back\slash' FROM item WHERE id = 1
SET SESSION sql_mode = DEFAULT
SET SESSION time_zone = '+05:00', lc_time_names = 'de_DE', group_concat_max_len = 2000, sql_select_limit = 2
SELECT FROM_UNIXTIME(0), MONTHNAME('2020-03-01'), @@time_zone, @@group_concat_max_len
SELECT id FROM item ORDER BY id
SET SESSION time_zone = DEFAULT, lc_time_names = DEFAULT, group_concat_max_len = DEFAULT, sql_select_limit = DEFAULT
[mariadb] SET STATEMENT max_statement_time = 5 FOR SELECT 1
[mysql] SELECT /*+ SET_VAR(max_execution_time = 5000) */ 1
SET timestamp = 1000000000.123456
SELECT UNIX_TIMESTAMP(), NOW(), NOW(6) > '2000-01-01'
SET timestamp = DEFAULT
[mariadb] SELECT @@autocommit, @@in_transaction, @@tx_isolation, @@sql_safe_updates, @@character_set_client, @@collation_connection
[mysql] SELECT @@autocommit, @@transaction_isolation, @@sql_safe_updates, @@character_set_client, @@collation_connection
SELECT DATABASE(), SUBSTRING_INDEX(USER(), '@', 1), CURRENT_USER(), CURRENT_ROLE(), SESSION_USER() = USER(), SCHEMA()
[mariadb] SELECT @@version LIKE '10.%', @@version_comment, @@max_allowed_packet, @@port > 0, @@hostname IS NULL, @@have_ssl IS NULL
[mysql] SELECT @@version LIKE '9.%', @@version_comment, @@max_allowed_packet, @@port > 0, @@hostname IS NULL
[mariadb] SELECT @@lower_case_table_names, @@license, @@protocol_version, @@system_time_zone IS NULL, @@wait_timeout, @@interactive_timeout, @@init_connect, @@net_buffer_length, @@tx_read_only
[mysql] SELECT @@lower_case_table_names, @@license, @@protocol_version, @@system_time_zone IS NULL, @@wait_timeout, @@interactive_timeout, @@init_connect, @@net_buffer_length, @@transaction_read_only
BEGIN
[mariadb] SELECT @@in_transaction
INSERT INTO item (id, name) VALUES (8, 'in transaction')
[mariadb] SELECT @@in_transaction, ROW_COUNT()
[mysql] SELECT ROW_COUNT()
SAVEPOINT a
UPDATE item SET qty = 50 WHERE name = 'in transaction'
SAVEPOINT b
DELETE FROM item WHERE name = 'in transaction'
ROLLBACK TO b
SELECT qty FROM item WHERE name = 'in transaction'
ROLLBACK TO SAVEPOINT a
RELEASE SAVEPOINT a
SELECT qty FROM item WHERE name = 'in transaction'
COMMIT
[mariadb] SELECT @@in_transaction
SET autocommit = 0
DELETE FROM item WHERE name = 'in transaction'
[mariadb] SELECT @@autocommit, @@in_transaction, COUNT(*) FROM item
[mysql] SELECT @@autocommit, COUNT(*) FROM item
ROLLBACK
SELECT COUNT(*) FROM item
SET autocommit = 1
START TRANSACTION READ ONLY
SELECT COUNT(*) FROM item
DELETE FROM item
COMMIT
START TRANSACTION WITH CONSISTENT SNAPSHOT
COMMIT AND CHAIN
[mariadb] SELECT @@in_transaction
ROLLBACK AND NO CHAIN NO RELEASE
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED
SET TRANSACTION READ ONLY
BEGIN WORK
[mariadb] SELECT @@tx_isolation, COUNT(*) FROM item
[mysql] SELECT @@transaction_isolation, COUNT(*) FROM item
INSERT INTO item (name) VALUES ('never')
ROLLBACK
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ
[mariadb] SELECT GET_LOCK('client lock', 1), IS_FREE_LOCK('client lock'), RELEASE_LOCK('client lock'), RELEASE_ALL_LOCKS()
[mariadb] SELECT @v, @w, @a, @b, LAST_INSERT_ID(), @@tx_isolation
[mysql] SELECT @v, @w, @a, @b, LAST_INSERT_ID(), @@transaction_isolation
CALL two_sets()
SET @io = 10
CALL in_out(5, @io, @out)
SELECT @io, @out
CALL add_item(9, 'by procedure')
CALL fails_late()
SHOW ERRORS
GET DIAGNOSTICS CONDITION 1 @n = MYSQL_ERRNO, @s = RETURNED_SQLSTATE, @t = MESSAGE_TEXT
SELECT @n, @s, @t
PREPARE p FROM 'SELECT ? + 1 AS sum, ? AS text'
SET @p1 = 41, @p2 = 'hi'
EXECUTE p USING @p1, @p2
[mariadb] EXECUTE p USING 1, 'direct'
DEALLOCATE PREPARE p
PREPARE q FROM 'INSERT INTO item (id, name, qty) VALUES (?, ?, ?)'
EXECUTE q USING 10, 'prepared', 7
DROP PREPARE q
[mariadb] EXECUTE IMMEDIATE 'SELECT ? * 2' USING 21
[mariadb] BEGIN NOT ATOMIC DECLARE n INT DEFAULT 2; SELECT n; SET n = n + 1; SELECT n; END
HANDLER item OPEN
HANDLER item READ FIRST
HANDLER item READ NEXT LIMIT 2
HANDLER item CLOSE
SHOW TABLES
SHOW FULL TABLES
SHOW COLUMNS FROM item
SHOW FULL COLUMNS FROM part
DESCRIBE times
SELECT INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NULLABLE FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'part' ORDER BY 1, 2
SHOW CREATE TABLE strings
SHOW CREATE VIEW item_view
SHOW CREATE PROCEDURE two_sets
SHOW CREATE FUNCTION twice
SHOW CREATE DATABASE test
SHOW VARIABLES LIKE 'sql_mode'
SHOW VARIABLES LIKE 'character_set_c%'
SHOW VARIABLES LIKE 'autocommit'
SHOW SESSION STATUS LIKE 'Compression'
SHOW CHARACTER SET LIKE 'latin1'
SHOW COLLATION LIKE 'utf8mb4_bin'
SHOW ENGINES
SELECT TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, DEFINER, SQL_MODE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()
SHOW TRIGGERS LIKE 'nowhere'
SHOW GRANTS
SHOW PRIVILEGES
SHOW OPEN TABLES LIKE 'nowhere'
SHOW FUNCTION STATUS WHERE Db = 'nowhere'
SHOW STORAGE ENGINES
SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME
SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'item' ORDER BY ORDINAL_POSITION
SELECT CONSTRAINT_NAME, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE()
EXPLAIN SELECT * FROM item WHERE id = 1
[mariadb] EXPLAIN EXTENDED SELECT name FROM item WHERE id = 1
[mysql] EXPLAIN FORMAT=TREE SELECT name FROM item WHERE id = 1
SHOW WARNINGS
EXPLAIN FORMAT=JSON SELECT * FROM item WHERE name = 'one'
EXPLAIN UPDATE item SET qty = 1 WHERE id = 1
ANALYZE TABLE part
CHECK TABLE part
CHECKSUM TABLE part
HELP 'no such topic'
ALTER TABLE part ADD COLUMN note TEXT
INSERT INTO part (id, note) VALUES (77, 'new column')
ALTER TABLE part DROP COLUMN note
CREATE TABLE copy LIKE part
INSERT INTO copy SELECT * FROM part
TRUNCATE TABLE copy
SELECT COUNT(*) FROM copy
RENAME TABLE copy TO kopie
DROP TABLE kopie
DROP TABLE IF EXISTS kopie
SHOW WARNINGS
CREATE TABLE IF NOT EXISTS item (x INT)
SHOW WARNINGS
CREATE OR REPLACE VIEW item_view AS SELECT id FROM item
SELECT UUID() = UUID(), RAND(1) = RAND(1), VERSION() = @@version, CONNECTION_ID() > 0
SELECT id FROM item WHERE id = 1 FOR UPDATE
SELECT id FROM item WHERE id = 1 LOCK IN SHARE MODE
SELECT id FROM item WHERE id = 1 FOR UPDATE SKIP LOCKED
SELECT /*! 1 + */ 1, /*M!100100 2 + */ 2 /* comment */ -- end
SELECT 1;
;
SELECT BENCHMARK(10, MD5('a')), FORMAT(12345.678, 2), INET_ATON('1.2.3.4'), MD5('a'), SHA2('a', 256)
SELECT name FROM item PROCEDURE ANALYSE()
SELECT REPEAT('x', 70000) = REPEAT('x', 70000) AS same, LENGTH(REPEAT('x', 100000)) AS length
INSERT INTO counted (name) VALUES ('a')
SELECT LAST_INSERT_ID() = MAX(id), LAST_INSERT_ID() > 0 FROM counted
INSERT INTO counted (name) VALUES ('b'), ('c')
SELECT LAST_INSERT_ID() = MIN(id) FROM counted WHERE name <> 'a'
SELECT COUNT(*) FROM counted WHERE id = LAST_INSERT_ID()
INSERT INTO counted VALUES (LAST_INSERT_ID(4711), 'd')
SELECT LAST_INSERT_ID()
[mariadb] CREATE ROLE client_role WITH ADMIN 'app'
[mysql] CREATE ROLE client_role
SET ROLE NONE
DROP ROLE client_role
CREATE USER 'client_user'@'localhost' IDENTIFIED BY 'pw'
GRANT SELECT ON test.* TO 'client_user'@'localhost'
SHOW GRANTS FOR 'client_user'@'localhost'
ALTER USER 'client_user'@'localhost' IDENTIFIED BY 'pw2'
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'client_user'@'localhost'
[mariadb] SET PASSWORD FOR 'client_user'@'localhost' = PASSWORD('pw3')
[mysql] SET PASSWORD FOR 'client_user'@'localhost' = 'pw3'
RENAME USER 'client_user'@'localhost' TO 'client_user2'@'localhost'
DROP USER 'client_user2'@'localhost'
FLUSH PRIVILEGES
FLUSH TABLES
SHOW PROCESSLIST WHERE
