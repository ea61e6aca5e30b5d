"""Programs: twins with a table t and a procedure p that commits by itself."""

import time

from .process import wait_until
from .twins import Twins
from .wire import code_of


class Programs(Twins):
    """Twins with a table t and a procedure p(n INT, OUT o INT)."""

    def define(self, body, before=()):
        with self.pair() as both:
            for client in (both.through, both.plain):
                for old in ("TABLE IF EXISTS made", "TABLE IF EXISTS child",
                            "TABLE IF EXISTS t", "PROCEDURE IF EXISTS p"):
                    client.query(f"DROP {old}")
            both.query("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
            for statement in before:
                both.query(statement)
            both.query(f"CREATE PROCEDURE p(n INT, OUT o INT) BEGIN {body} END")
        self.settle()

    def define_slow(self, pause="DO SLEEP(0.02)", first=""):
        """A procedure that commits for some seconds, a row each time."""
        self.define(f"DECLARE i INT DEFAULT 0; {first} WHILE i < n DO START TRANSACTION; "
                    f"INSERT INTO t VALUES (i, @@server_id); COMMIT; {pause}; "
                    "SET i = i + 1; END WHILE;")

    def write(self, number):
        """A row, from whoever takes it; what was committed before may be on its way yet."""
        with self.connect() as client:
            for _ in range(100):
                if code_of(lambda: client.query(f"INSERT INTO t VALUES ({number}, 0)")) == 0:
                    return
                time.sleep(0.05)
        raise AssertionError(f"row {number} cannot be written")

    def rows_somewhere(self):
        return max(server.query("SELECT COUNT(*) FROM test.t")[0][0] for server in self.servers)

    def all_online(self):
        wait_until(lambda: set(self.consort.backend_states().values()) == {"online"}, 60,
                   lambda: f"all online: {self.consort.get('/backends')}")
