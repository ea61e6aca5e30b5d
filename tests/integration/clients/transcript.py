"""What the Python suites print: one line `case: result` for each thing they try."""

import os


class Target:
    """The server a suite talks to, from its environment (see test_clients.py)."""

    host = os.environ.get("CLIENT_HOST", "127.0.0.1")
    port = int(os.environ.get("CLIENT_PORT", "3306"))
    user = os.environ.get("CLIENT_USER", "")
    password = os.environ.get("CLIENT_PASSWORD", "")
    database = os.environ.get("CLIENT_DATABASE", "")
    ca = os.environ.get("CLIENT_CA", "")
    directory = os.environ.get("CLIENT_DIR", ".")
    sql = os.environ.get("CLIENT_SQL", os.path.dirname(os.path.abspath(__file__)))
    mysql = os.environ.get("CLIENT_BRAND") == "mysql"


def lines_of(name):
    """The statements of one of the shared .sql files."""
    with open(os.path.join(Target.sql, name), encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file if line.strip() and not line.startswith("-- ")]


def say(name, result):
    """One line; a line end within it is written as \\n."""
    text = result if isinstance(result, str) else repr(result)
    print(f"{name}: " + text.replace("\r", "\\r").replace("\n", "\\n"), flush=True)


def attempt(name, call):
    """Says what call() returns, or what it raises."""
    try:
        say(name, call())
    except Exception as error:  # pylint: disable=broad-except
        say(name, f"{type(error).__name__} {error.args!r}")
