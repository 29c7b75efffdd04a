"""The storage service's time, estimated from the Date headers of its answers.

The header is the service's time cut to whole seconds, taken at some moment between sending the
request and receiving the answer. With `offset` = service time - monotonic time that gives

    date - received  <=  offset  <  date + 1 s - sent

The clock goes by the best lower bound so far, so it is never ahead of the service; requests
answered just after a second began bring it within their own latency. An idle process sees few of
those by chance, and asks for them: `keep_sharp`.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

from durable.errors import StorageError

# The two clocks may run apart by this much for each second; bounds widen with age.
DRIFT = 200e-6
RESOLUTION = 1.0
CLOSE = 0.05
ASKED_IN_A_ROW = 8
"""Where answers take longer than `CLOSE`, no more of them would help."""
SHARP_SECONDS = 120.0
"""In which the bounds drift apart by about `CLOSE`."""


@lru_cache(maxsize=256)
def parse_date(header: str) -> datetime:
    """The time of a Date header, in UTC; ValueError or OverflowError for anything else.

    The answers of a second all have the same, and reading it costs as much as sending a request.
    """
    date = parsedate_to_datetime(header)
    return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)


class ServiceClock:
    """A `durable.ports.Clock`. May be shared by storages of several threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._lower: float | None = None
        self._upper = 0.0
        self._bounds_at = 0.0
        self._latest = 0.0

    @property
    def observed(self) -> bool:
        """Whether an answer was observed, without which `now` fails."""
        return self._lower is not None

    def observe(self, date: datetime, *, sent: float, received: float) -> None:
        """Learn from one answer; `sent` and `received` are of the monotonic clock."""
        stamp = date.timestamp()
        lower, upper = stamp - received, stamp + RESOLUTION - sent
        with self._lock:
            if self._lower is not None:
                # An answer that comes after a later one is as old as it is.
                late = DRIFT * max(0.0, self._bounds_at - received)
                lower, upper = lower - late, upper + late
                widened = DRIFT * max(0.0, received - self._bounds_at)
                best_lower = max(lower, self._lower - widened)
                best_upper = min(upper, self._upper + widened)
                # Otherwise the service's clock was set, or this machine slept: start afresh.
                if best_lower <= best_upper:
                    lower, upper = best_lower, best_upper
            self._lower, self._upper = lower, upper
            self._bounds_at = max(received, self._bounds_at)

    def observe_header(self, header: str | None, *, sent: float, received: float) -> None:
        """The same for the text of a Date header; anything else is ignored."""
        try:
            date = parse_date(header or "")
        except (ValueError, OverflowError):
            return
        self.observe(date, sent=sent, received=received)

    def now(self) -> datetime:
        """The service's time or a little before it; never less than an earlier answer.

        Raises RuntimeError before the first answer was observed.
        """
        with self._lock:
            if self._lower is None:
                raise RuntimeError("the service's time is unknown until it has answered once")
            current = self._monotonic()
            widened = DRIFT * max(0.0, current - self._bounds_at)
            self._latest = max(self._latest, current + self._lower - widened)
            return datetime.fromtimestamp(self._latest, UTC)

    @property
    def width(self) -> float:
        """How far `now` may be behind the service, in seconds; infinite before the first answer."""
        with self._lock:
            if self._lower is None:
                return math.inf
            age = max(0.0, self._monotonic() - self._bounds_at)
            return self._upper - self._lower + 2 * DRIFT * age

    def next_second(self) -> float:
        """Seconds until the service's next second begins, by the middle of what is known: an
        answer given then halves `width`."""
        with self._lock:
            middle = self._monotonic() + ((self._lower or 0.0) + self._upper) / 2
        return 1.0 - middle % 1.0

    def monotonic(self) -> float:
        """Seconds that pass evenly in this process."""
        return self._monotonic()

    async def sleep(self, seconds: float) -> None:
        """Suspend for `seconds` of this process's time."""
        await asyncio.sleep(max(0.0, seconds))


async def keep_sharp(clock: ServiceClock, ask: Callable[[], Awaitable[object]]) -> None:
    """Until cancelled, `ask` the service something now and then, where its second may turn, so
    that timers fire close to their time. Storage errors are ignored."""
    while True:
        for _ in range(ASKED_IN_A_ROW):
            if clock.width <= CLOSE:
                break
            await clock.sleep(clock.next_second())
            with suppress(StorageError):
                await ask()
        await clock.sleep(SHARP_SECONDS)
