"""Runs the tests of one file in this process and reports each as a JSON line on a given fd."""

import faulthandler
import importlib
import json
import os
import random
import re
import signal
import sys
import time
import traceback

from .case import Context, Skip, take_declared
from .process import die_with_parent


class TimeLimit(Exception):
    """A test did not end in time."""


def _on_alarm(_signal, _frame):
    faulthandler.dump_traceback(file=sys.stdout, all_threads=True)
    raise TimeLimit("the test's time limit passed")


class ModuleProcess:
    """One test file: its fixture and its tests, one after another."""

    def __init__(self, name, context, report):
        self.name, self.context, self._report = name, context, report
        take_declared()
        self.module = importlib.import_module(name)
        self.cases = take_declared()
        self.fixture = None

    def run(self, name_filter):
        for one in self.cases:
            if re.search(name_filter, f"{self.name}.{one.name}"):
                self._run_case(one)
        self._close_fixture()

    def _run_case(self, one):
        context = self.context
        limit = (one.soak_seconds if context.soak else one.seconds) * context.slowdown
        began = time.monotonic()
        print(f"\n=== {self.name}.{one.name}", flush=True)
        self._report({"begin": one.name, "limit": limit})
        context.random = random.Random(f"{context.seed}/{self.name}/{one.name}")
        outcome, detail = "passed", ""
        signal.signal(signal.SIGALRM, _on_alarm)
        signal.setitimer(signal.ITIMER_REAL, limit)
        try:
            self._open_fixture()
            detail = one.function(context, self.fixture, *one.args) or ""
            if hasattr(self.fixture, "check"):
                self.fixture.check()
        except Skip as reason:
            outcome, detail = "skipped", str(reason)
        except BaseException as error:  # pylint: disable=broad-except
            outcome = "failed"
            traceback.print_exception(error, file=sys.stdout)
            detail = self._describe(error)
            print(detail, flush=True)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if outcome == "failed":
            self._close_fixture(keep=True)
        self._report({"end": one.name, "outcome": outcome, "detail": detail,
                      "seconds": round(time.monotonic() - began, 2)})

    def _describe(self, error):
        """Where and what, short; the whole traceback stands in the log."""
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.line}"
                  for frame in frames if "integration" in frame.filename][-4:]
        text = "\n".join([*places, f"{type(error).__name__}: {error}"])
        if hasattr(self.fixture, "evidence"):
            text += "\n" + self.fixture.evidence()
        return "\n".join(line[:400] for line in text.splitlines())

    def _open_fixture(self):
        if self.fixture is None and hasattr(self.module, "setup"):
            self.fixture = self.module.setup(self.context)

    def _close_fixture(self, keep=False):
        fixture, self.fixture = self.fixture, None
        if fixture is None:
            return
        try:
            fixture.close(keep=keep)
        except Exception:  # pylint: disable=broad-except
            traceback.print_exc()


def main(argv):
    """argv: module name, report fd, filter, context as JSON."""
    die_with_parent()
    name, report_fd, name_filter, settings = argv
    report_file = os.fdopen(int(report_fd), "w", encoding="utf-8")

    def report(event):
        report_file.write(json.dumps(event) + "\n")
        report_file.flush()

    ModuleProcess(name, Context(**json.loads(settings)), report).run(name_filter)
