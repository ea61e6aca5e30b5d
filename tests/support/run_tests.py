#!/usr/bin/python3
"""Builds and runs every test, counts each test case. tests/run calls it after the packages."""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCTEST_SUMMARY = re.compile(rb"\[doctest\] test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed")
ANSI = re.compile(rb"\x1b\[[0-9;]*m")
SKIPPED = 77  # the exit code of a test that cannot run here
TAIL_LINES = 60
# Tests declare time limits for an idle machine and a plain build.
PATIENCE = 4
SOAK_ENVIRONMENT = {"CONSORT_SOAK": "1", "SIM_SEEDS": "50000", "ROUNDS": "3000"}


class Variant:
    """A way to build: its directory, meson options, environment, how much slower it runs, and how
    many test files with servers of their own run at once."""

    def __init__(self, directory, options, environment, slowdown, clusters):
        self.directory = os.path.join(ROOT, directory)
        self.options, self.slowdown, self.clusters = options, slowdown, clusters
        self.environment = {**os.environ, **environment}


# Building is a large part of the time. Several sources compiled as one take half of it: a name in an
# unnamed namespace is unique in its library. A class's hidden parts come from a header's view then,
# which gcc warns of. -O1 and line numbers without variables take 40% less.
TOGETHER = ["--buildtype=debugoptimized", "-Dunity=on", "-Dunity_size=8", "-Doptimization=1",
            "-Dcpp_args=-g1 -Wno-subobject-linkage"]
PLAIN = Variant("build-test", TOGETHER, {}, 1.0, 2)
# Under sanitizers gcc warns of moves that never happen; the plain build keeps warnings as errors.
SANITIZE = Variant(
    "build-sanitize", [*TOGETHER, "-Db_sanitize=address,undefined", "-Db_lundef=false",
                       "-Dwerror=false"],
    {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1",
     "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}, 3.0, 1)
THREAD = Variant(
    "build-thread", [*TOGETHER, "-Db_sanitize=thread", "-Db_lundef=false", "-Dwerror=false"],
    # die_after_fork: a test forks a process that opens a log and dies as if killed.
    {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:die_after_fork=0:suppressions="
                     + os.path.join(ROOT, "tests/support/tsan.supp")}, 5.0, 1)


class Totals:
    """Counts of test cases; prints one line per program."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self._lock = threading.Lock()

    def add(self, name, passed, failed, skipped, seconds, note=""):
        with self._lock:
            self.passed += passed
            self.failed += failed
            self.skipped += skipped
            mark = "FAILED" if failed else "skip  " if skipped and not passed else "ok    "
            cases = f", {passed + failed} cases" if passed + failed > 1 else ""
            print(f"  {mark} {name}  {seconds:.1f} s{cases}{note}", flush=True)
            if failed:
                self.failures.append(name)

    def count(self, name, outcome):
        """One case that was printed already."""
        with self._lock:
            setattr(self, outcome, getattr(self, outcome) + 1)
            if outcome == "failed":
                self.failures.append(name)

    def show(self, text):
        with self._lock:
            print(text, flush=True)

    def last_line(self):
        return f"{self.passed} passed, {self.failed} failed"


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tests/run")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--sanitize", action="store_const", dest="variant", const=SANITIZE)
    kind.add_argument("--thread", action="store_const", dest="variant", const=THREAD)
    parser.add_argument("--soak", action="store_true")
    parser.add_argument("--filter", default="")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1000000)
    parser.add_argument("--list", action="store_true")
    parser.set_defaults(variant=PLAIN)
    return parser.parse_args()


def stage(title):
    print(f"\n== {title}", flush=True)


# ---- build --------------------------------------------------------------------------------------


def build(variant, jobs):
    """Configures and compiles everything; the log stays in the build directory."""
    stage(f"build ({os.path.basename(variant.directory)})")
    if not os.path.exists(os.path.join(variant.directory, "build.ninja")):
        setup = subprocess.run(["meson", "setup", variant.directory, *variant.options], cwd=ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if setup.returncode != 0:
            print(setup.stdout.decode("utf-8", "replace")[-6000:])
            return False
    return compile_all(variant.directory, jobs)


def compile_all(directory, jobs):
    began = shown = time.monotonic()
    lines = []
    with open(os.path.join(directory, "compile.log"), "wb") as log, subprocess.Popen(
            ["ninja", "-C", directory, f"-j{jobs}"], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT) as ninja:
        for line in ninja.stdout:
            log.write(line)
            lines.append(line)
            if line.startswith(b"[") and time.monotonic() - shown > 10:
                shown = time.monotonic()
                print("  " + line.split(b" ", 1)[0].decode(), flush=True)
    if ninja.returncode != 0:
        print(b"".join(lines[-TAIL_LINES:]).decode("utf-8", "replace"))
        return False
    print(f"  built in {time.monotonic() - began:.0f} s", flush=True)
    return True


# ---- tests that meson knows ---------------------------------------------------------------------


def meson_tests(directory):
    listing = subprocess.run(["meson", "introspect", "--tests", directory], cwd=ROOT,
                             stdout=subprocess.PIPE, check=True)
    return json.loads(listing.stdout)


def run_meson_test(test, variant, options, totals):
    """Runs one program; its doctest cases count one by one, anything else counts as one."""
    logs = os.path.join(variant.directory, "test-logs")
    os.makedirs(logs, exist_ok=True)
    log_path = os.path.join(logs, test["name"].replace("/", "_") + ".log")
    environment = {**variant.environment, **test["env"], **(SOAK_ENVIRONMENT if options.soak else {})}
    limit = test["timeout"] * PATIENCE * variant.slowdown * (60 if options.soak else 1)
    began = time.monotonic()
    with open(log_path, "wb") as log:
        try:
            code = subprocess.run(command(test, options), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  env=environment, cwd=test["workdir"] or variant.directory,
                                  timeout=limit or None, check=False).returncode
            ending = f"ended with {code}"
        except subprocess.TimeoutExpired:
            code, ending = -1, f"not done after {limit:.0f} s"
    with open(log_path, "rb") as log:
        output = ANSI.sub(b"", log.read())
    passed, failed, skipped = count_cases(output, code)
    totals.add(test["name"], passed, failed, skipped, time.monotonic() - began)
    if failed:
        tail = output.decode("utf-8", "replace").splitlines()[-TAIL_LINES:]
        totals.show("\n".join([f"         {ending}; the whole output: {log_path}"]
                              + ["         " + line for line in tail]))


def command(test, options):
    """The test's command; a soak gives fuzzers a hundred times their runs."""
    if not options.soak:
        return test["cmd"]
    return [re.sub(r"^--runs=(\d+)$", r"--runs=\g<1>00", word) for word in test["cmd"]]


def count_cases(output, code):
    """(passed, failed, skipped) of one program."""
    if code == SKIPPED:
        return 0, 0, 1
    summary = DOCTEST_SUMMARY.search(output)
    if summary is None:
        return (1, 0, 0) if code == 0 else (0, 1, 0)
    passed, failed = int(summary.group(2)), int(summary.group(3))
    if code != 0 and failed == 0:
        failed = 1  # it died after its summary, or a sanitizer spoke
    return passed, failed, 0


def run_meson_tests(tests, variant, options, totals):
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda test: run_meson_test(test, variant, options, totals),
                      [test for test in tests if test["is_parallel"]]))
    for test in tests:
        if not test["is_parallel"]:
            run_meson_test(test, variant, options, totals)


def in_suite(test, name):
    return any(suite.endswith(":" + name) for suite in test["suite"])


def matching(tests, options):
    return [test for test in tests if re.search(options.filter, test["name"])]


# ---- tests in Python, on real servers -----------------------------------------------------------


def run_integration(variant, options, totals):
    report = os.path.join(variant.directory, "integration-report.jsonl")
    command = ["/usr/bin/python3", os.path.join(ROOT, "tests/integration/run.py"),
               "--consort", os.path.join(variant.directory, "proxy/consort"),
               "--work-dir", os.path.join(variant.directory, "integration"),
               "--filter", options.filter, "--seed", str(options.seed), "--report", report,
               "--slowdown", str(variant.slowdown),
               "--jobs", str(variant.clusters)] + (["--soak"] if options.soak else [])
    if os.path.exists(report):
        os.unlink(report)
    code = subprocess.run(command, env=variant.environment, check=False).returncode
    outcomes = []
    if os.path.exists(report):
        with open(report, encoding="utf-8") as file:
            outcomes = [json.loads(line) for line in file]
    for outcome in outcomes:
        totals.count(outcome["name"], outcome["outcome"])
    if code != 0 and not any(outcome["outcome"] == "failed" for outcome in outcomes):
        totals.add("integration", 0, 1, 0, 0.0, f" (the runner ended with {code})")


def run_with_servers(checks, variant, options, totals):
    """Programs and Python files that start servers. They wait more than they work: the programs run
    one after another beside the files."""
    if variant.clusters == 1:
        run_meson_tests(checks, variant, options, totals)
        run_integration(variant, options, totals)
        return
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        beside = pool.submit(run_in_turn, checks, variant, options, totals)
        run_integration(variant, options, totals)
        beside.result()


def run_in_turn(tests, variant, options, totals):
    for test in tests:
        run_meson_test(test, variant, options, totals)


def list_tests(variant):
    for test in meson_tests(variant.directory):
        print(test["name"])
    subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "tests/integration/run.py"), "--list"],
                   check=False)


def main():
    options = parse_arguments()
    variant = options.variant
    began = time.monotonic()
    totals = Totals()
    if not build(variant, options.jobs):
        totals.failed += 1
        totals.failures.append("build")
    elif options.list:
        list_tests(variant)
        return 0
    else:
        tests = matching(meson_tests(variant.directory), options)
        stage("house, unit, simulation, fuzz")
        run_meson_tests([test for test in tests if not in_suite(test, "integration")], variant,
                        options, totals)
        stage("integration (real servers)")
        run_with_servers([test for test in tests if in_suite(test, "integration")], variant,
                         options, totals)
    stage(f"done in {time.monotonic() - began:.0f} s, seed {options.seed}")
    for name in totals.failures:
        print(f"  failed: {name}")
    if totals.skipped:
        print(f"  skipped: {totals.skipped}")
    print(totals.last_line(), flush=True)
    return 1 if totals.failed else 0


if __name__ == "__main__":
    sys.exit(main())
