"""How a test file declares its tests.

    def setup(context): ...            # the fixture of this file; has close(), check()
    @case(seconds=30)                  # a test: gets the context and the fixture
    def a_name(context, fixture): ...

A fixture is made again after a failed test, so that one failure does not cause the next.
"""

from dataclasses import dataclass
from random import Random


class Skip(Exception):
    """Raised by a test that cannot run here; says why."""


@dataclass
class Case:
    """One test."""

    name: str
    function: object
    seconds: float
    soak_seconds: float
    args: tuple = ()


@dataclass
class Context:
    """What a run was asked for."""

    consort: str
    work_dir: str
    template: str
    soak: bool = False
    slowdown: float = 1.0
    seed: int = 0
    random: Random | None = None  # seeded anew for every test

    def pick(self, short, full):
        """`short` in tests/run, `full` in tests/run --soak."""
        return full if self.soak else short


_declared = []


def case(seconds=60, soak_seconds=None, each=None):
    """Declares a test with its time limits. `each`: a list of (name, argument...) tuples, one test
    per tuple."""

    def declare(function):
        limit = soak_seconds or max(seconds, 600)
        for args in each or [()]:
            name = function.__name__ + (f"[{args[0]}]" if args else "")
            _declared.append(Case(name, function, seconds, limit, tuple(args[1:])))
        return function

    return declare


def take_declared():
    """The tests declared since the last call, in order."""
    found, _declared[:] = list(_declared), []
    return found
