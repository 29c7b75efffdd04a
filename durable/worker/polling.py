"""When to look at a queue again: at once while there is something, ever less often when idle."""

from __future__ import annotations

import asyncio
import heapq
import math

from durable.ports import Clock
from durable.runtime.alert import Alert

_BUCKET = 0.1
_TOLERANCE = 1e-5


async def wait(event: asyncio.Event, clock: Clock, seconds: float) -> bool:
    """Until `event` is set or `seconds` have passed; whether it is set."""
    if event.is_set():
        return True
    waiting = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(_slept(clock, seconds))}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return event.is_set()


async def _slept(clock: Clock, seconds: float) -> bool:
    await clock.sleep(seconds)
    return True


class Backoff:
    """Doubling delays from `first` to `most` seconds."""

    def __init__(self, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._next = first

    def reset(self) -> None:
        """Begin again with `first`."""
        self._next = self._first

    def delay(self) -> float:
        """The next delay."""
        delay = self._next
        self._next = min(delay * 2, self._most)
        return delay


class Wake:
    """Ends a queue's idle wait early: at once, or at moments known in advance."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = Alert(clock)
        self._now = False
        self._moments: list[int] = []

    def at_once(self) -> None:
        """Look now, or, when nobody waits, without waiting next time."""
        self._now = True
        self._changed.set()

    def after(self, seconds: float) -> None:
        """Look in `seconds`, to a tenth of a second."""
        if seconds <= 0:
            self.at_once()
            return
        moment = math.ceil((self._clock.monotonic() + seconds) / _BUCKET)
        if moment not in self._moments:
            heapq.heappush(self._moments, moment)
            self._changed.set()

    async def idle(self, seconds: float) -> bool:
        """Wait for `seconds`; True when `at_once` or a moment ended it."""
        end = self._clock.monotonic() + seconds
        while True:
            self._changed.clear()
            now = self._clock.monotonic()
            passed = self._passed(now)
            if self._now or passed:
                self._now = False
                return True
            if end - now < _TOLERANCE:
                return False
            until = min(end, self._moments[0] * _BUCKET) if self._moments else end
            await self._changed.within(until - now)

    def _passed(self, now: float) -> bool:
        passed = False
        while self._moments and self._moments[0] * _BUCKET - now < _TOLERANCE:
            heapq.heappop(self._moments)
            passed = True
        return passed
