-- Statements that fail: every suite compares the error's number, SQLSTATE and text. One a line.
SELECT * FROM nowhere
SELECT nothing FROM item
SELEC 1
SELECT 1 FROM item WHERE
INSERT INTO item (id, name) VALUES (1, 'again')
INSERT INTO item (name) VALUES ('one')
INSERT INTO item (name) VALUES (NULL)
INSERT INTO item (name) VALUES ('0123456789012345678901234567890')
INSERT INTO item (name, qty) VALUES ('neg', -1)
INSERT INTO item (name, qty) VALUES ('big', 99999999999)
INSERT INTO item (name, qty) VALUES ('word', 'many')
INSERT INTO item (name) VALUES ('a', 'b')
INSERT INTO item SET qty = 3
INSERT INTO part VALUES (1, 4711)
DELETE FROM item WHERE id = 1
UPDATE item SET qty = 13 WHERE id = 1
UPDATE item SET id = 2 WHERE id = 1
INSERT INTO times (id, d) VALUES (9, '2023-02-30')
INSERT INTO times (id, d) VALUES (9, '0000-00-00')
INSERT INTO strings (id, js) VALUES (9, '{broken')
INSERT INTO strings (id, en) VALUES (9, 'nope')
INSERT INTO numbers (id, t) VALUES (9, 128)
SELECT 9223372036854775807 + 1
SELECT 1 + (SELECT 1 UNION SELECT 2)
SELECT id, COUNT(*) FROM item GROUP BY nothing
SELECT * FROM item, item
SELECT twice()
SELECT nofunction(1)
CALL noprocedure()
CALL in_out(1)
CALL fails_late()
SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'my own', MYSQL_ERRNO = 31234
SIGNAL SQLSTATE '02000'
USE nodatabase
CREATE TABLE item (id INT)
CREATE TABLE bad (id INT, id INT)
CREATE TABLE bad (id NOTYPE)
CREATE TABLE bad (v VARCHAR(70000) CHARACTER SET latin1)
CREATE TABLE bad (id INT, FOREIGN KEY (id) REFERENCES nowhere (id))
DROP TABLE nowhere
DROP TABLE item
ALTER TABLE item ADD COLUMN name INT
ALTER TABLE item DROP COLUMN nothing
ALTER TABLE nowhere ADD COLUMN a INT
CREATE INDEX uk_name ON item (name)
DROP INDEX nothing ON item
DROP VIEW nowhere
DROP VIEW item
DROP PROCEDURE noprocedure
CREATE PROCEDURE two_sets() SELECT 1
CREATE DATABASE information_schema
DROP DATABASE nodatabase
SET SESSION nosuchvariable = 1
SET SESSION sql_mode = 'NOMODE'
SET SESSION max_connections = 1
SET SESSION time_zone = 'Mars/Base'
SET NAMES nocharset
SELECT @@nosuchvariable
SHOW TABLES FROM nodatabase
SHOW CREATE TABLE nowhere
EXPLAIN SELECT * FROM nowhere
DESCRIBE nowhere
PREPARE p FROM 'SELEC 1'
EXECUTE nostatement
DEALLOCATE PREPARE nostatement
ROLLBACK TO SAVEPOINT nosavepoint
RELEASE SAVEPOINT nosavepoint
HANDLER nowhere OPEN
LOAD DATA INFILE '/nonexistent/file' INTO TABLE item
SELECT * FROM item INTO OUTFILE '/nonexistent/file'
SELECT name FROM item INTO @a, @b
SELECT JSON_EXTRACT('[1]', 'broken')
SELECT CAST('a' AS NOTYPE)
SELECT 'a' COLLATE nocollation
SELECT _utf8mb4'a' COLLATE latin1_bin
SELECT (SELECT 1, 2)
SELECT 1 UNION SELECT 1, 2
INSERT INTO item_view (id, nothing) VALUES (1, 2)
GRANT SELECT ON nodatabase.notable TO 'nobody'@'nowhere'
DROP USER 'nobody'@'nowhere'
KILL 4294967294
EXECUTE IMMEDIATE 'SELECT * FROM nowhere'
GET DIAGNOSTICS CONDITION 5 @a = MESSAGE_TEXT
SELECT SLEEP()
SELECT /*+ BKA() */ nothing
WITH c AS (SELECT 1) SELECT * FROM d
DELETE FROM item LIMIT -1
TRUNCATE TABLE item
TRUNCATE nowhere
RENAME TABLE nowhere TO elsewhere
OPTIMIZE TABLE nowhere
CHECK TABLE nowhere
FLUSH TABLES nowhere WITH READ LOCK
