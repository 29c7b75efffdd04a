"""The reference implementation of `durable.ports`, with a clock that only moves when told.

Every call takes effect at once and without suspending, so that a run is repeatable; wrap the
adapters to add latency, loss or reordering. For one event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

from durable.ports import Storage
from durable.storage.memory_queues import MemoryQueues
from durable.storage.memory_tables import MemoryTables

__all__ = ["ManualClock", "MemoryQueues", "MemoryTables", "memory_storage"]

DEFAULT_START = datetime(2026, 1, 1, tzinfo=UTC)
_MICROSECONDS = 1_000_000


class ManualClock:
    """A `durable.ports.Clock` that stands still between calls of `advance`.

    Whoever sleeps wakes when the clock reaches the moment, in the order of the moments. A jump
    over several moments wakes all of them at its end: go from `next_wake` to `next_wake` to
    see each.
    """

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        self._start = start.astimezone(UTC)
        # Whole microseconds: a sum of float seconds could miss a moment by one.
        self._elapsed = 0
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(microseconds=self._elapsed)

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._elapsed / _MICROSECONDS

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was advanced by `seconds`; yield once when that is 0 or less."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        due = self._elapsed + max(1, round(seconds * _MICROSECONDS))
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due, next(self._order), woken))
        await woken

    def next_wake(self) -> datetime | None:
        """The earliest moment that somebody sleeps for, None when nobody does."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            return None
        return self._start + timedelta(microseconds=self._sleepers[0][0])

    def advance(self, seconds: float) -> None:
        """Move on by `seconds` (0 or more) and wake who is due."""
        if seconds < 0:
            raise ValueError("the clock cannot go back")
        self._move(self._elapsed + round(seconds * _MICROSECONDS))

    def advance_to(self, moment: datetime) -> None:
        """Move on to `moment`; nothing happens when it has passed."""
        target = (moment - self._start) // timedelta(microseconds=1)
        self._move(max(self._elapsed, target))

    def _move(self, elapsed: int) -> None:
        self._elapsed = elapsed
        while self._sleepers and self._sleepers[0][0] <= elapsed:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)


def memory_storage(clock: ManualClock | None = None) -> Storage:
    """An empty account in memory, on `clock` or on a clock of its own."""
    clock = clock or ManualClock()
    return Storage(tables=MemoryTables(clock), queues=MemoryQueues(clock), clock=clock)
