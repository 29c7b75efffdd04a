"""Counts up what a process does, in several threads at once and without a lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context

from durable.model.usage import Metered, Usage

_in_upkeep: ContextVar[bool] = ContextVar("in_upkeep", default=False)


class Tally(defaultdict[str, int]):
    """Counts by the names of `Usage`'s fields. One thread adds to it, any may copy it."""

    def __init__(self) -> None:
        super().__init__(int)


class Part:
    """The counts of one thread."""

    def __init__(self) -> None:
        self.work = Tally()
        self.upkeep = Tally()

    @property
    def current(self) -> Tally:
        """Where what is done now belongs."""
        return self.upkeep if _in_upkeep.get() else self.work


class Meter:
    """All counts of a process, in parts that are one thread's each."""

    def __init__(self) -> None:
        self._parts: list[Part] = []

    def part(self) -> Part:
        """A new part, for the thread that asks."""
        part = Part()
        self._parts.append(part)
        return part

    def read(self) -> Metered:
        """The counts up to now; from any thread."""
        total = Metered()
        for part in tuple(self._parts):
            # a copy of a dict of plain ints is one step for the interpreter
            total += Metered(Usage(**dict(part.work)), Usage(**dict(part.upkeep)))
        return total


@contextmanager
def upkeep() -> Iterator[None]:
    """What is done inside, and in tasks that begin there, counts as upkeep."""
    token = _in_upkeep.set(True)
    try:
        yield
    finally:
        _in_upkeep.reset(token)


def as_work() -> Context:
    """A copy of the current context in which nothing counts as upkeep: for work that upkeep comes
    upon."""
    context = copy_context()
    context.run(_in_upkeep.set, False)
    return context
