"""Races: two sessions on different homes do something at the same moment."""

import time

from . import wire

DEADLOCK, DUPLICATE = 1213, 1062


def begin_on_different_homes(first, second):
    """Opens a transaction on both, on different servers."""
    for attempt in range(150):
        time.sleep(0.02 if attempt > 10 else 0)
        homes = []
        for client in (first, second):
            client.query("BEGIN")
            homes.append(client.value("SELECT @@server_id"))
        if homes[0] != homes[1]:
            return homes
        # Give only one up: then a fair choice of homes cannot pair them again for ever.
        for client in (second, first):
            client.query("ROLLBACK")
        second.query("SELECT 1")
    raise AssertionError(f"two sessions always get the same home, {homes[0]}")


def finish(client):
    """The answer to a command that was sent before: "ok" or the error's code."""
    try:
        client.read_reply()
        return "ok"
    except wire.ServerError as error:
        return error.code


def send(client, sql):
    client.command(wire.COM_QUERY, sql.encode())


def blocked(client, seconds=0.3):
    """No answer has come yet."""
    client.socket.settimeout(seconds)
    try:
        client.peek_sequence()
        return False
    except TimeoutError:
        return True
    finally:
        client.socket.settimeout(30)


def race(pairs):
    """Sends all statements before it reads any answer; the outcomes in order."""
    for client, sql in pairs:
        send(client, sql)
    return [finish(client) for client, _ in pairs]
