"""When the next calls of an activity with a rate may begin here."""

from __future__ import annotations

import asyncio
import logging
import math
from bisect import insort
from collections.abc import Callable
from datetime import datetime, timedelta

from durable.errors import StorageError
from durable.hub.hub import Hub
from durable.hub.permits import PermitRows
from durable.model.limits import RateLimit
from durable.runtime.claims import Spawn
from durable.runtime.permits import Waiter

logger = logging.getLogger("durable.runtime")

AT_ONCE = 0.25
"""For how many seconds' calls a process reserves times at once."""

LEAD = 0.5
"""Seconds before the last of them when it reserves more, so that a slow answer costs no time."""

HORIZON = timedelta(seconds=5)
"""How far ahead times are reserved; until a later one, calls are put back."""

MOST_AT_ONCE = 32
AGAIN = 1.0


class Pacer:
    """The times of one activity, as one process reserves them from the hub's row."""

    def __init__(
        self, hub: Hub, spawn: Spawn, key: str, rate: RateLimit, changed: Callable[[], None]
    ) -> None:
        """`changed` is called whenever there may be more room."""
        self._clock = hub.storage.clock
        self._rows = PermitRows(hub.storage, hub.names)
        self._spawn, self._key, self._rate, self._tell = spawn, key, rate, changed
        self._chunk = min(MOST_AT_ONCE, max(1, math.ceil(AT_ONCE / rate.interval.total_seconds())))
        self._waiting: list[Waiter] = []
        self._paced = 0
        """Calls that know their time, and wait for it."""
        self._last: datetime | None = None
        self._away_until = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def room(self) -> int:
        """How many more calls to take in: those of the times that are reserved ahead."""
        if self._clock.monotonic() < self._away_until:
            return 0
        return max(0, 3 * self._chunk - len(self._waiting) - self._paced)

    async def take(self, priority: int) -> float | None:
        """Wait for the time of a call: None once it is there. Else it is too far away, and the
        call is to be tried again after so many seconds."""
        waiter = Waiter.of(priority)
        insort(self._waiting, waiter)
        if self._task is None:
            self._task = self._spawn(self._reserve())
        try:
            return await waiter.came
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def close(self) -> None:
        """Let nobody wait any more."""
        self._put_back(0.0)

    async def _reserve(self) -> None:
        try:
            while self._waiting:
                now = self._clock.now()
                lead = 0.0 if self._last is None else (self._last - now).total_seconds() - LEAD
                if lead > 0:
                    await self._clock.sleep(lead)
                    continue
                count = min(len(self._waiting), self._chunk)
                times, left = await self._rows.reserve(self._key, count, self._rate, HORIZON)
                if not times:
                    self._away_until = self._clock.monotonic() + left.total_seconds()
                    self._put_back(left.total_seconds())
                for at in times:
                    self._last = at
                    if self._waiting:
                        self._paced += 1
                        self._spawn(self._begin(self._waiting.pop(0), at))
        except StorageError as error:
            logger.warning("pace %s: %s; again in %g s", self._key, error, AGAIN)
            self._put_back(AGAIN)
        finally:
            self._task = None

    async def _begin(self, waiter: Waiter, at: datetime) -> None:
        try:
            await self._clock.sleep(max(0.0, (at - self._clock.now()).total_seconds()))
        finally:
            self._paced -= 1
            if not waiter.came.done():
                waiter.came.set_result(None)
            self._tell()

    def _put_back(self, seconds: float) -> None:
        for waiter in self._waiting:
            waiter.came.set_result(seconds)
        self._waiting.clear()
        self._tell()
