#!/usr/bin/python3
"""Plays many random sequences to a plain server and through Consort and goes on behind a
difference: prints each, made as short as it gets. test_recorder.py stops at the first.

  tests/integration/record.py --consort build-test/proxy/consort --first 1 --count 100000
  tests/integration/record.py --first 803499 --count 1      # one of them again
  CONSORT_SERVERS=9.7 CONSORT_SERVER_DIR=build-servers tests/integration/record.py    # with MySQL
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import test_recorder  # noqa: E402
from recorder.comparison import unanswered  # noqa: E402
from recorder.recording import Difference, comes_of_purge, play, shrink  # noqa: E402
from recorder.statements import FEATURES, Generator  # noqa: E402
from support import wire  # noqa: E402
from support.case import Context  # noqa: E402
from support.private_server import make_template, tail  # noqa: E402
from support.process import cpu_seconds  # noqa: E402

SHRINK_SECONDS = 30


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--consort", default="build-test/proxy/consort", help="the binary under test")
    parser.add_argument("--work-dir", default="record", help="where servers and logs live")
    parser.add_argument("--first", type=int, default=1, help="the first sequence's seed")
    parser.add_argument("--count", type=int, default=1000, help="how many sequences")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--clients", type=int, default=1, choices=(1, 2), help="1, or 2 in turns")
    parser.add_argument("--features", default="", help="switches of FEATURES, by commas: "
                        + ", ".join(FEATURES))
    parser.add_argument("--shipped", action="store_true",
                        help="Consort as it is shipped: read_consistency session, read_affinity")
    parser.add_argument("--timeout", type=float, default=15, help="seconds until a reply is a hang")
    parser.add_argument("--identical-every", type=int, default=500,
                        help="compare all servers' data after so many sequences; 0: at the end")
    options = parser.parse_args()
    if options.shipped and options.clients == 2:
        parser.error("--shipped: one client does not see at once what another has committed")
    return options


class Run:
    """The sequences of one call, and what came of them."""

    def __init__(self, options, recorder):
        self.options, self.recorder = options, recorder
        self.features = dict.fromkeys(filter(None, options.features.split(",")), True)
        self.excused, self.steps, self.sequences, self.differences = {}, 0, 0, 0
        self.settle = recorder.settle if options.clients == 2 else None

    def define(self):
        """Again where the transaction of a client that has just gone is in the way."""
        for last in (False, False, False, True):
            try:
                self.recorder.define(self.features.get("stored_functions", False))
                return
            except wire.ServerError as error:
                if last or error.code not in (1205, 1213):
                    raise

    def one(self, seed):
        generator = Generator(random.Random(seed), self.features)
        capabilities = generator.capabilities()
        steps = generator.sequence(self.options.clients)
        self.sequences += 1
        try:
            self.steps += play(self.recorder.ports, steps, capabilities,
                               timeout=self.options.timeout, excused=self.excused,
                               settle=self.settle)
        except Difference as difference:
            if not self.plain_has_crashed(seed, difference):
                self.look_at(seed, difference)
            self.define()
            return
        except TimeoutError:
            print(f"==== seed {seed}: a login hangs\n{self.recorder.evidence()}", flush=True)
            print(self.recorder.cluster.consort.get("/sessions"), flush=True)
            raise
        self.recorder.refill(any(" d" in step.text for step in steps))

    def plain_has_crashed(self, seed, difference):
        """The sequence was too much for the plain server itself, which is started again: there is
        nothing to compare with."""
        plain = self.recorder.plain
        try:
            if not unanswered(difference.plain):
                return False
            plain.process.wait(5)
        except subprocess.TimeoutExpired:
            return False
        print(f"==== seed {seed}: the plain server has crashed\n{tail(plain.error_log)}", flush=True)
        plain.kill()  # what is left of it
        plain.start()
        self.excused["plain_crashed"] = self.excused.get("plain_crashed", 0) + 1
        return True

    def look_at(self, seed, difference):
        def replay(candidate):
            self.define()
            play(self.recorder.ports, candidate, difference.capabilities,
                 timeout=self.options.timeout, settle=self.settle)

        if comes_of_purge(difference, replay):
            self.excused["purge"] = self.excused.get("purge", 0) + 1
            return
        self.differences += 1
        print(f"==== seed {seed}, {time.strftime('%H:%M:%S')}", flush=True)
        try:
            difference = shrink(difference, replay, SHRINK_SECONDS)
        finally:  # also when the tables cannot be made anew
            print(difference.describe(), flush=True)

    def all(self):
        began = time.monotonic()
        self.define()
        for seed in range(self.options.first, self.options.first + self.options.count):
            if time.monotonic() - began > self.options.seconds:
                break
            self.one(seed)
            every = self.options.identical_every
            if every and self.sequences % every == 0:
                self.check_servers(seed)
                self.report(began)
        self.check_servers(seed)
        self.report(began)
        return self.differences

    def check_servers(self, seed):
        try:
            self.recorder.cluster.assert_identical()
        except (AssertionError, TimeoutError):
            print(f"==== up to seed {seed}: servers differ\n{self.recorder.evidence()}", flush=True)
            raise

    def report(self, began):
        seconds = time.monotonic() - began
        print(f"-- {self.sequences} sequences, {self.steps} steps in {seconds:.0f} s"
              f" ({self.sequences / seconds:.1f} sequences/s), {self.differences} differ,"
              f" excused {self.excused}; CPU seconds {self.cpu()}", flush=True)

    def cpu(self):
        """Who is busy."""
        cluster, plain = self.recorder.cluster, self.recorder.plain
        servers = sum(cpu_seconds(server.process.pid) for server in cluster.servers)
        return (f"here {time.process_time():.1f}, Consort {cluster.consort.cpu:.1f},"
                f" servers {servers:.1f}, plain {cpu_seconds(plain.process.pid):.1f}")


def main():
    options = parse_arguments()
    work_dir = os.path.abspath(options.work_dir)
    os.makedirs(work_dir, exist_ok=True)
    own_dir = os.path.join(work_dir, f"record-{os.getpid()}")
    os.makedirs(own_dir)
    context = Context(os.path.abspath(options.consort), own_dir, make_template(work_dir))
    recorder = test_recorder.Recorder(context, options.shipped)
    try:
        recorder.one_home(options.clients == 2)
        return 1 if Run(options, recorder).all() else 0
    finally:
        recorder.close()
        shutil.rmtree(own_dir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
