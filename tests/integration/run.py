#!/usr/bin/python3
"""Runs the integration tests: each test file in a process of its own, with its own servers.

tests/run calls it; by hand:
  tests/integration/run.py --consort build-test/proxy/consort --filter 'bank|sysbench'
"""

import argparse
import functools
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from support.private_server import make_template, tail  # noqa: E402

# A test file that hangs beyond its test's own limit is killed after this many seconds more.
GRACE_SECONDS = 30


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--consort", default="build/proxy/consort", help="the binary under test")
    parser.add_argument("--work-dir", default=None, help="where servers and logs live")
    parser.add_argument("--soak", action="store_true", help="the full form of every test")
    parser.add_argument("--filter", default="", help="regular expression on file.test")
    parser.add_argument("--jobs", type=int, default=1, help="test files at once")
    parser.add_argument("--seed", type=int, default=None, help="of every random choice")
    parser.add_argument("--slowdown", type=float, default=1.0, help="factor on all time limits")
    parser.add_argument("--report", help="write the outcomes to this file as JSON lines")
    parser.add_argument("--list", action="store_true", help="print the tests' names")
    return parser.parse_args()


def test_modules(name_filter):
    """Test files, those first that take longest."""
    slow_first = ["test_bank", "test_crash", "test_sysbench"]
    names = sorted(name[:-3] for name in os.listdir(HERE)
                   if name.startswith("test_") and name.endswith(".py"))
    names.sort(key=lambda name: slow_first.index(name) if name in slow_first else len(slow_first))
    return [name for name in names if any(re.search(name_filter, f"{name}.{case}")
                                          for case in case_names(name))]


@functools.lru_cache(maxsize=None)
def case_names(module):
    """The tests a file declares. Only its first import declares them."""
    import importlib
    from support.case import take_declared
    take_declared()
    importlib.import_module(module)
    return [one.name for one in take_declared()]


class ModuleRun:
    """One running test file: its process, its log and the outcomes so far."""

    def __init__(self, name, options, template, work_dir):
        self.name = name
        self.work_dir = os.path.join(work_dir, name)
        shutil.rmtree(self.work_dir, ignore_errors=True)
        os.makedirs(self.work_dir)
        self.log_path = os.path.join(work_dir, name + ".log")
        context = {"consort": os.path.abspath(options.consort), "work_dir": self.work_dir,
                   "template": template, "soak": options.soak, "slowdown": options.slowdown,
                   "seed": options.seed}
        read_fd, write_fd = os.pipe()
        code = ("import sys; sys.path.insert(0, sys.argv.pop(1)); "
                "from support.module_process import main; main(sys.argv[1:])")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["/usr/bin/python3", "-c", code, HERE, name, str(write_fd), options.filter,
                 json.dumps(context)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[write_fd],
                start_new_session=True)
        os.close(write_fd)
        self.pipe = os.fdopen(read_fd, "rb", buffering=0)
        self.pending = b""
        self.current, self.deadline = None, time.monotonic() + 120
        self.failed = False

    def read_events(self):
        """Events that arrived; None at the end of the process."""
        data = self.pipe.read(65536)
        if not data:
            return None
        *lines, self.pending = (self.pending + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self):
        self.pipe.close()
        self.process.wait()
        self.kill()  # whatever is left of its group
        if not self.failed:
            shutil.rmtree(self.work_dir, ignore_errors=True)


class Progress:
    """Counts outcomes and prints one line for each."""

    def __init__(self, report_path):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.failures = []
        self._report = open(report_path, "w", encoding="utf-8") if report_path else None

    def outcome(self, name, outcome, seconds, detail):
        self.counts[outcome] += 1
        mark = {"passed": "ok    ", "failed": "FAILED", "skipped": "skip  "}[outcome]
        note = f"  ({detail.strip()})" if detail and outcome != "failed" else ""
        print(f"  {mark} {name}  {seconds:.1f} s{note}", flush=True)
        if outcome == "failed":
            self.failures.append(name)
            print("\n".join("         " + line for line in detail.splitlines()[-80:]), flush=True)
        if self._report:
            self._report.write(json.dumps({"name": name, "outcome": outcome, "seconds": seconds,
                                           "detail": detail}) + "\n")
            self._report.flush()


def handle_event(run, event, progress):
    if "begin" in event:
        run.current = event["begin"]
        run.deadline = time.monotonic() + event["limit"] + GRACE_SECONDS
        return
    run.current, run.deadline = None, time.monotonic() + 120
    run.failed |= event["outcome"] == "failed"
    progress.outcome(f"{run.name}.{event['end']}", event["outcome"], event["seconds"],
                     event["detail"])


def finish(run, progress):
    """The process of a test file has ended: was it in the middle of a test?"""
    code = run.process.wait()
    if run.current is not None or code != 0:
        run.failed = True
        progress.outcome(f"{run.name}.{run.current or '(outside a test)'}", "failed", 0.0,
                         f"the test process ended with {code}\n{tail(run.log_path, 40)}")
    run.close()


def main():
    options = parse_arguments()
    if options.list:
        for module in test_modules(options.filter):
            for name in case_names(module):
                print(f"{module}.{name}")
        return 0
    waiting = test_modules(options.filter)
    if not waiting:
        return 0
    if not os.access(options.consort, os.X_OK):
        print(f"integration: no program {options.consort}", file=sys.stderr)
        return 2
    options.seed = int(time.time()) % 1000000 if options.seed is None else options.seed
    work_dir = os.path.abspath(options.work_dir or
                               os.path.join(os.path.dirname(options.consort), "..", "integration"))
    print(f"integration: {len(waiting)} files, seed {options.seed}, logs in {work_dir}", flush=True)
    template = make_template(work_dir)
    progress = Progress(options.report)
    selector = selectors.DefaultSelector()
    running = set()
    try:
        while waiting or running:
            while waiting and len(running) < options.jobs:
                run = ModuleRun(waiting.pop(0), options, template, work_dir)
                running.add(run)
                selector.register(run.pipe, selectors.EVENT_READ, run)
            for key, _ in selector.select(timeout=1):
                run = key.data
                events = run.read_events()
                for event in events or []:
                    handle_event(run, event, progress)
                if events is None:
                    selector.unregister(run.pipe)
                    running.discard(run)
                    finish(run, progress)
            for run in running:
                if time.monotonic() > run.deadline:
                    run.kill()
    finally:
        for run in running:
            run.kill()
    counts = progress.counts
    print(f"integration: {counts['passed']} passed, {counts['failed']} failed, "
          f"{counts['skipped']} skipped", flush=True)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
