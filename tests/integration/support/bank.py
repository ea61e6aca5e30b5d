"""Bank: many sessions move money between accounts and remember what they were promised.

Every transfer changes two balances and adds one row with a unique id to a ledger, so that the end
can be checked exactly: the promises against the ledger, the ledger against the balances.
"""

import collections
import multiprocessing
import os
import random
import threading
import time

from . import wire
from .private_server import APP_PASSWORD, APP_USER
from .process import die_with_parent

ACCOUNTS = 100
INITIAL = 1000
TOTAL = ACCOUNTS * INITIAL
DEADLOCK = 1213

Outcome = collections.namedtuple("Outcome", "acknowledged refused unknown errors reads longest_gap")


def create_tables(cluster):
    """Accounts and ledger, through Consort."""
    values = ",".join(f"({number},{INITIAL})" for number in range(1, ACCOUNTS + 1))
    cluster.sql("CREATE TABLE account (id INT PRIMARY KEY, balance BIGINT NOT NULL)",
                "CREATE TABLE ledger (id BIGINT PRIMARY KEY, payer INT NOT NULL, payee INT NOT NULL,"
                " amount INT NOT NULL, KEY (payer), KEY (payee))",
                f"INSERT INTO account VALUES {values}")


class _Session:
    """One client: transfers until told to stop. Lives in a thread of a worker process."""

    def __init__(self, number, port, stop, seed, results):
        self.number, self.port, self.stop = number, port, stop
        self.random = random.Random(seed)
        self.results = results
        self.count = 0
        self.client = None
        self.last_success = time.monotonic()

    def run(self):
        while not self.stop.is_set():
            if self.client is None and not self._connect():
                continue
            self._transfer()
        if self.client is not None:
            self.client.quit()

    def _connect(self):
        try:
            self.client = wire.connect(self.port, APP_USER, APP_PASSWORD, "test", timeout=40)
            return True
        except (OSError, wire.Closed):
            time.sleep(0.02)
        except wire.ServerError as error:
            self.results["errors"].append(f"login: {error}")
            time.sleep(0.2)
        return False

    def _transfer(self):
        # A number that no other session and no earlier transfer of this one uses.
        self.count += 1
        ident = self.number * 10_000_000 + self.count
        sent_commit = False
        client = self.client
        try:
            client.query("BEGIN")
            if self.count % 4 == 0:
                self._check_total(client)
            payer, payee = self.random.sample(range(1, ACCOUNTS + 1), 2)
            amount = self.random.randint(1, 20)
            client.query(f"UPDATE account SET balance = balance - {amount} WHERE id = {payer}")
            client.query(f"UPDATE account SET balance = balance + {amount} WHERE id = {payee}")
            client.query(f"INSERT INTO ledger VALUES ({ident},{payer},{payee},{amount})")
            if self.count % 16 == 5:
                self._check_total(client)
            sent_commit = True
            client.query("COMMIT")
            self.results["acknowledged"].append(ident)
            self._succeeded()
        except wire.ServerError as error:
            self._refused(ident, error, client)
        except (wire.Closed, ConnectionError) as error:
            # Only the loss of Consort itself may end a connection.
            self.results["unknown" if sent_commit else "lost"].append(ident)
            self.results["closed"].append((time.time(), repr(error)))
            self.client = None
            client.close()
        except TimeoutError:
            self.results["errors"].append(f"session {self.number}: no answer within 40 s")
            self.client = None
            client.close()

    def _refused(self, ident, error, client):
        self.results["refused"].append(ident)
        if error.code != DEADLOCK:
            self.results["errors"].append(f"{time.time():.3f} session {self.number}: {error}")
            try:
                client.query("ROLLBACK")
            except (wire.ServerError, wire.Closed, OSError):
                self.client = None
                client.close()

    def _check_total(self, client):
        total = int(client.value("SELECT SUM(balance) FROM account"))
        self.results["reads"] += 1
        if total != TOTAL:
            home = client.value("SELECT @@server_id")
            self.results["errors"].append(f"a transaction on server {home} saw {total}")

    def _succeeded(self):
        now = time.monotonic()
        self.results["longest_gap"] = max(self.results["longest_gap"], now - self.last_success)
        self.last_success = now


def _worker(numbers, port, stop, seed, pipe):
    die_with_parent()
    results = {"acknowledged": [], "refused": [], "unknown": [], "lost": [], "errors": [],
               "closed": [], "reads": 0, "longest_gap": 0.0}
    sessions = [_Session(number, port, stop, f"{seed}/{number}", results) for number in numbers]
    threads = [threading.Thread(target=session.run) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(results)
    pipe.close()


class BankLoad:
    """`sessions` clients in a few processes. start(), then stop() returns what happened."""

    def __init__(self, cluster, sessions=16, processes=4, seed="bank", first_number=1):
        self._fork = multiprocessing.get_context("fork")
        self._stop = self._fork.Event()
        self._workers = []
        numbers = list(range(first_number, first_number + sessions))
        for index in range(processes):
            receiver, sender = self._fork.Pipe(duplex=False)
            worker = self._fork.Process(
                target=_worker, daemon=True,
                args=(numbers[index::processes], cluster.consort.port, self._stop, seed, sender))
            self._workers.append((worker, receiver, sender))

    def start(self):
        for worker, _, sender in self._workers:
            worker.start()
            sender.close()
        return self

    def stop(self, seconds=60):
        """Ends the load and adds up what all sessions saw."""
        self._stop.set()
        merged = None
        for worker, receiver, _ in self._workers:
            if not receiver.poll(seconds):
                raise TimeoutError("a load process does not end: a session hangs")
            try:
                part = receiver.recv()
            except EOFError:
                raise RuntimeError("a load process died; see the log") from None
            worker.join()
            merged = part if merged is None else _add(merged, part)
        return merged


def _add(left, right):
    total = {key: left[key] + right[key] for key in left if key != "longest_gap"}
    total["longest_gap"] = max(left["longest_gap"], right["longest_gap"])
    return total


def verify(cluster, outcomes):
    """Every promise kept on every server; balances follow from the ledger. Raises AssertionError."""
    problems = [error for outcome in outcomes for error in outcome["errors"]]
    assert not problems, f"{len(problems)} errors, the first: " + "\n".join(problems[:8])
    for server in cluster.servers:
        ledger = {row[0]: row[1:] for row in server.query("SELECT * FROM test.ledger")}
        _check_promises(server, ledger, outcomes)
        _check_balances(server, ledger)
    done = sum(len(outcome["acknowledged"]) for outcome in outcomes)
    refused = sum(len(outcome["refused"]) for outcome in outcomes)
    reads = sum(outcome["reads"] for outcome in outcomes)
    gap = max(outcome["longest_gap"] for outcome in outcomes)
    return f"{done} transfers, {refused} refused, {reads} totals read, longest gap {gap:.1f} s"


def _check_promises(server, ledger, outcomes):
    for outcome in outcomes:
        missing = [ident for ident in outcome["acknowledged"] if ident not in ledger]
        assert not missing, (f"{server.name} lacks {len(missing)} acknowledged transfers: "
                             f"{missing[:10]}")
        for kind in ("refused", "lost"):
            surplus = [ident for ident in outcome[kind] if ident in ledger]
            assert not surplus, (f"{server.name} has {len(surplus)} transfers that were {kind}: "
                                 f"{surplus[:10]}")


def _check_balances(server, ledger):
    expected = {number: INITIAL for number in range(1, ACCOUNTS + 1)}
    for payer, payee, amount in ledger.values():
        expected[payer] -= amount
        expected[payee] += amount
    actual = dict(server.query("SELECT id, balance FROM test.account"))
    wrong = {number: (actual.get(number), expected[number]) for number in expected
             if actual.get(number) != expected[number]}
    assert not wrong, f"{server.name}: balances that the ledger does not explain: {wrong}"


def worker_count():
    """Load processes that fit this machine."""
    return max(2, min(4, os.cpu_count() or 2))
