"""Recording: both sides in step, and the shortest sequence that still differs."""

import time

from . import comparison
from .player import Player

SHRINK_TRIES_MAX = 200


class Difference(Exception):
    """A reply that is not the plain server's."""

    def __init__(self, steps, index, plain, consort, capabilities):
        super().__init__("a reply differs")
        self.steps, self.index = steps, index
        self.plain, self.consort, self.capabilities = plain, consort, capabilities

    def describe(self):
        step = self.steps[self.index]
        lines = [f"capabilities {self.capabilities:#x}"]
        lines += [f"{'->' if number == self.index else '  '} {one}"
                  for number, one in enumerate(self.steps[:self.index + 1])]
        lines += ["plain server:", comparison.describe(self.plain, self.capabilities, step),
                  "through Consort:", comparison.describe(self.consort, self.capabilities, step)]
        return "\n".join(lines)


class LongData:
    """Which executions a plain server spoils: comparison.EXCUSES["long_data"]."""

    def __init__(self):
        self._numbers = {}  # (client, label) -> parameters that were bound as other than text
        self._spoiled = set()

    def note(self, step):
        """Takes the next step; true: it executes with such a parameter."""
        key = step.client, step.label
        if step.kind in ("reset_connection", "change_user"):
            self._numbers.clear()
            self._spoiled.clear()
        elif step.kind == "prepare":
            self._numbers.pop(key, None)
            self._spoiled.discard(key)
        elif step.kind == "long_data" and step.number in self._numbers.get(key, ()):
            self._spoiled.add(key)
        elif step.kind == "execute":
            numbers = self._numbers.setdefault(key, set())
            numbers.update(at for at, one in enumerate(step.arguments) if not one.is_text)
            return key in self._spoiled
        return False


def play(ports, steps, capabilities, timeout=30, excused=None, settle=None):
    """Plays the steps on both sides; Difference at the first that differs. `ports`: plain,
    Consort. `excused`: counts by excuse, added to. `settle()`, where another client's turn comes,
    returns when what was committed is applied: inside a transaction that has begun nobody waits
    for it. Returns how many steps were played."""
    plain, consort = Player(ports[0], capabilities, timeout), Player(ports[1], capabilities, timeout)
    long_data = LongData()
    try:
        for index, step in enumerate(steps):
            if settle and index and step.client != steps[index - 1].client:
                settle()
            if step.kind == "align":
                plain.count_as(step.client, consort.ask_home(step.client))
                continue
            # A lock or a commit that one side keeps must not reach into the other's turn: one
            # after the other would be slower, and each has servers of its own.
            plain.send(step)
            consort.send(step)
            spoiled = long_data.note(step)
            expected, found = plain.receive(step), consort.receive(step)
            waits = comparison.timed_out(expected) and comparison.timed_out(found)
            spoiled = spoiled and not comparison.unanswered(expected)
            if not spoiled and not waits and comparison.same(step, expected, found):
                continue
            reason = "long_data" if spoiled else "waits" if waits else comparison.excuse(
                step, expected, found, steps[:index])
            if reason is None or comparison.unanswered(found) and not waits:
                raise Difference(steps, index, expected, found, capabilities)
            if excused is not None:
                excused[reason] = excused.get(reason, 0) + 1
            return index
        return len(steps)
    finally:
        plain.quit()
        consort.quit()
        plain.close()
        consort.close()


def comes_of_purge(difference, replay):
    """EXCUSES["purge"]. `replay`: as shrink()'s."""
    if not comparison.waits_on_one_side(difference.plain, difference.consort):
        return False
    try:
        replay(list(difference.steps[:difference.index + 1]))
    except Difference:
        return False
    return True


def shrink(difference, replay, seconds=60):
    """The shortest sequence found that still differs. `replay(steps)` plays on fresh tables and
    raises Difference."""
    best = difference
    fixed = {step for step in best.steps if step.kind == "align"}
    deadline = time.monotonic() + seconds
    size = max(1, len(best.steps[:best.index + 1]) // 2)
    tries = 0
    while size >= 1:
        steps = list(best.steps[:best.index + 1])
        at, shorter = 0, False
        while at < len(steps) - 1:  # the last is the one that differs
            if tries >= SHRINK_TRIES_MAX or time.monotonic() > deadline:
                return best
            tries += 1
            behind = min(at + size, len(steps) - 1)
            candidate = (steps[:at] + [step for step in steps[at:behind] if step in fixed]
                         + steps[behind:])
            if len(candidate) == len(steps):
                at += size
                continue
            try:
                replay(candidate)
                at += size
            except Difference as found:
                best, steps, shorter = found, list(found.steps[:found.index + 1]), True
        if size == 1 and not shorter:
            break
        size = max(1, size // 2) if size > 1 else (1 if shorter else 0)
    return best
