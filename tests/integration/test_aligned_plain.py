"""ALTER TABLE that numbers the rows of a table without a key that orders them (decision 0046), as a plain server does
it: the same answers, numbers and definitions."""

from support.case import case
from support.pair import Pair

FILL = ["DROP TABLE IF EXISTS heap", "DROP TABLE IF EXISTS other",
        "CREATE TABLE heap (n INT, t VARCHAR(20) DEFAULT 'x', g INT AS (n + 1) VIRTUAL, u INT UNIQUE) COMMENT 'c'",
        "INSERT INTO heap (n, t) VALUES (3, 'c'), (1, 'a'), (2, 'b'), (1, 'A'), (3, 'C')",
        "INSERT INTO heap (n, u) VALUES (7, 70), (6, 60)"]


def setup(context):
    return Pair(context, FILL, ["DROP TABLE IF EXISTS heap", "DROP TABLE IF EXISTS other"])


LOOK = ["SELECT * FROM heap", "SHOW CREATE TABLE heap"]


@case(seconds=60, each=[
    ("first", ["ALTER TABLE heap ADD id INT AUTO_INCREMENT PRIMARY KEY FIRST"]),
    ("after", ["ALTER TABLE heap ADD id INT NOT NULL AUTO_INCREMENT AFTER n, ADD KEY (id, n), DROP u"]),
    ("serial", ["ALTER TABLE heap ADD COLUMN id SERIAL COMMENT 'number'"]),
    ("from", ["ALTER TABLE heap ADD id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, AUTO_INCREMENT = 100"]),
    ("modified", ["ALTER TABLE heap MODIFY t VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_thai_520_w2, "
                  "ADD id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, ADD KEY t_id (t, id)"]),
    ("made_so", ["ALTER TABLE heap ADD id INT NOT NULL", "ALTER TABLE heap MODIFY id INT AUTO_INCREMENT, ADD KEY (id)"]),
    ("copy", ["ALTER TABLE heap ADD id INT AUTO_INCREMENT PRIMARY KEY, ALGORITHM=COPY"]),
    ("ordered", ["ALTER TABLE heap ORDER BY t", "ALTER TABLE heap ADD id INT AUTO_INCREMENT PRIMARY KEY"]),
    ("wrong", ["ALTER TABLE heap ADD id INT AUTO_INCREMENT", "ALTER TABLE heap ADD id INT AUTO_INCREMENT KEY, ADD t INT",
               "ALTER TABLE heap ADD id VARCHAR(9) AUTO_INCREMENT KEY"]),
    ("prepared", ["PREPARE s FROM 'ALTER TABLE heap ADD id INT AUTO_INCREMENT PRIMARY KEY'", "EXECUTE s", "EXECUTE s",
                  "DEALLOCATE PREPARE s"]),
    ("binary", [("prepare", "s", "ALTER TABLE heap ADD id INT AUTO_INCREMENT PRIMARY KEY"), ("execute", "s"),
                ("close", "s")]),
    ("locked", ["LOCK TABLES heap WRITE", "ALTER TABLE heap ADD id INT AUTO_INCREMENT PRIMARY KEY",
                "INSERT INTO heap (n, id) VALUES (8, 50)", "UNLOCK TABLES"]),
    ("amid_a_transaction", ["BEGIN", "INSERT INTO heap (n) VALUES (9)",
                            "ALTER TABLE heap ADD id INT AUTO_INCREMENT PRIMARY KEY", "ROLLBACK"]),
    ("renamed", ["ALTER TABLE heap ADD id INT AUTO_INCREMENT PRIMARY KEY, RENAME TO other",
                 "SELECT * FROM other", "SHOW CREATE TABLE other", "ALTER TABLE other RENAME TO heap"])])
def numbers(_context, pair, script):
    pair.compare(script + LOOK)
    pair.assert_identical()


@case(seconds=60)
def thinned_out(_context, pair):
    pair.compare(["ALTER IGNORE TABLE heap ADD UNIQUE (n)", "SELECT n, t FROM heap ORDER BY n", "SHOW CREATE TABLE heap"])
    pair.assert_identical()


@case(seconds=60)
def foreign_keys(_context, pair):
    pair.compare(["ALTER TABLE heap ADD KEY (n)",
                  "CREATE TABLE other (n INT, CONSTRAINT k FOREIGN KEY (n) REFERENCES heap (n) ON DELETE CASCADE)",
                  "INSERT INTO other VALUES (1), (3)", "ALTER TABLE heap ADD id INT AUTO_INCREMENT PRIMARY KEY", *LOOK,
                  "SELECT * FROM other", "ALTER TABLE other ADD id INT AUTO_INCREMENT PRIMARY KEY",
                  "SELECT * FROM other", "SHOW CREATE TABLE other", "DELETE FROM heap WHERE n = 1",
                  "SELECT * FROM other", "DROP TABLE other"])
    pair.assert_identical()
