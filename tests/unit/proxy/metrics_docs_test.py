#!/usr/bin/python3
"""Compares the metrics that the code exports with the table in docs/operations.md.

Usage: metrics_docs_test.py ROOT
"""

import glob
import os
import re
import sys

IN_CODE = re.compile(r'"((?:consort|process)_[a-z_]+)"')
IN_DOCS = re.compile(r"^\| `((?:consort|process)_[a-z_]+)` \|", re.MULTILINE)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    root = sys.argv[1]
    sources = glob.glob(os.path.join(root, "proxy", "*metrics*.cpp"))
    code = {name for path in sources for name in IN_CODE.findall(read(path))}
    docs = set(IN_DOCS.findall(read(os.path.join(root, "docs", "operations.md"))))
    for name in sorted(code - docs):
        print(f"{name}: exported, but not in docs/operations.md")
    for name in sorted(docs - code):
        print(f"{name}: in docs/operations.md, but not exported")
    if not code:
        print("no metric found in proxy/*metrics*.cpp")
    return 0 if code and code == docs else 1


if __name__ == "__main__":
    sys.exit(main())
