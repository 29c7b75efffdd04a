"""What a run, or a pump, waits on while nothing has happened."""

from __future__ import annotations

import asyncio

from durable.ports import Clock


class Alert:
    """An event that one at a time waits for, for so long at most."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiter: asyncio.Future[None] | None = None
        self.is_set = False

    def set(self) -> None:
        """Something has happened."""
        self.is_set = True
        if self._waiter is not None:
            _go_on(self._waiter)

    def clear(self) -> None:
        """It has been seen to."""
        self.is_set = False

    async def within(self, seconds: float) -> bool:
        """Whether it is set by then."""
        if self.is_set or seconds <= 0:
            return self.is_set
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        sleeping.add_done_callback(lambda _: _go_on(waiter))
        try:
            await waiter
        finally:
            self._waiter = None
            sleeping.cancel()
        return self.is_set


def _go_on(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
