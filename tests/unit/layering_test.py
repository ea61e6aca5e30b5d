#!/usr/bin/python3
"""Reads every #include of the house and fails on an edge that architecture.md does not allow.

Usage: layering_test.py ROOT CASE      CASE: edges, uv, base, paths, catches
"""

import os
import re
import sys

ROOMS = ("protocol", "router", "healthcheck", "certifier")
# Folder -> folders whose headers it may include.
ALLOWED = {
    "base": {"base"},
    **{room: {"base", room} for room in ROOMS},
    "proxy": {"base", "proxy", *ROOMS},
}
# The production folders; tests and benchmarks may look anywhere but not be looked at.
HOUSE = tuple(ALLOWED)
SOURCES = (".h", ".cpp", ".cc", ".re", ".hpp")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
EVENT_LOOP = re.compile(r"^(uv\.h|uv/.*|raft\.h|raft/.*|raft.*\.h)$")
STANDARD = re.compile(r"^[a-z_0-9]+$")
SYSTEM_SOCKETS = re.compile(r"^(sys/socket|netinet/.*|arpa/.*|netdb|sys/epoll|poll)(\.h)?$")
NO_IO = ("base", "protocol", "router", "certifier")


def includes(text):
    """(line number, '"' or '<', path) of every #include."""
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def sources(root):
    """(path relative to root, text) of every production source."""
    for folder in HOUSE:
        for directory, _, files in os.walk(os.path.join(root, folder)):
            for name in sorted(files):
                if name.endswith(SOURCES):
                    path = os.path.join(directory, name)
                    with open(path, encoding="utf-8") as file:
                        yield os.path.relpath(path, root), file.read()


def wrong_edges(path, text, _root):
    """Includes of a folder that this folder must not know."""
    folder = path.split("/")[0]
    for number, _, target in includes(text):
        wanted = target.split("/")[0]
        if "/" in target and (wanted in ALLOWED or wanted in ("tests", "bench")):
            if wanted not in ALLOWED[folder]:
                yield f"{path}:{number}: {folder}/ must not include {target}"


def wrong_event_loop(path, text, _root):
    """libuv and libraft belong to proxy/uv/ alone."""
    if path.startswith("proxy/uv/"):
        return
    for number, _, target in includes(text):
        if EVENT_LOOP.match(target):
            yield f"{path}:{number}: only proxy/uv/ may include {target}"


def wrong_ground(path, text, _root):
    """base/ stands on the standard library alone; the pure rooms open no sockets."""
    folder = path.split("/")[0]
    for number, kind, target in includes(text):
        if folder == "base" and kind == "<" and not STANDARD.match(target):
            yield f"{path}:{number}: base/ uses only the standard library, not <{target}>"
        if folder in NO_IO and SYSTEM_SOCKETS.match(target):
            yield f"{path}:{number}: {folder}/ does no I/O, it must not include <{target}>"


def wrong_paths(path, text, root):
    """Our own headers are named from the root, so that an edge can be read off the line."""
    for number, kind, target in includes(text):
        if kind == '"' and not os.path.exists(os.path.join(root, target)):
            if not target.endswith(".inc"):
                yield f'{path}:{number}: "{target}" is no path from the root'


CHECKS = {"edges": wrong_edges, "uv": wrong_event_loop, "base": wrong_ground, "paths": wrong_paths}

# Each planted line must be caught by the check named.
PLANTED = [
    ("edges", "router/a.cpp", '#include "protocol/constants.h"'),
    ("edges", "base/a.h", '#include "router/statement.h"'),
    ("edges", "certifier/a.cpp", '#include "proxy/metrics.h"'),
    ("edges", "protocol/a.cpp", '  #  include "healthcheck/backend_state.h"'),
    ("edges", "proxy/a.cpp", '#include "tests/support/test.h"'),
    ("uv", "proxy/session/a.cpp", "#include <uv.h>"),
    ("uv", "certifier/a.cpp", "#include <raft.h>"),
    ("uv", "proxy/commit/a.cpp", "#include <raft/uv.h>"),
    ("base", "base/a.h", "#include <xxhash.h>"),
    ("base", "protocol/a.cpp", "#include <sys/socket.h>"),
    ("paths", "router/a.cpp", '#include "digest.h"'),
]


def main(root, case):
    if case == "catches":
        missed = [line for check, path, line in PLANTED if not list(CHECKS[check](path, line, root))]
        print("\n".join(f"not caught: {line}" for line in missed) or f"{len(PLANTED)} caught")
        return 1 if missed else 0
    found = [(path, text) for path, text in sources(root)]
    wrong = [problem for path, text in found for problem in CHECKS[case](path, text, root)]
    print("\n".join(wrong) or f"{len(found)} files, every include allowed")
    if not found:
        print(f"no sources below {root}")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2]))
