"""How much may run at once in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from durable.ports import Clock


class Slots:
    """A number of places; `changed` is set whenever one becomes free."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self.changed = asyncio.Event()

    @property
    def free(self) -> int:
        """Places left; never negative."""
        return max(0, self.size - self.used)

    def try_take(self) -> bool:
        """Take a place if there is one."""
        if self.used >= self.size:
            return False
        self.used += 1
        return True

    async def take(self) -> None:
        """Wait for a place and take it."""
        while not self.try_take():
            self.changed.clear()
            await self.changed.wait()

    async def take_within(self, seconds: float, clock: Clock) -> bool:
        """Wait up to `seconds` for a place and take it, if there was one."""
        if self.try_take():
            return True
        taking = asyncio.ensure_future(self.take())
        await first(taking, clock.sleep(seconds))
        return not taking.cancelled()

    def give(self) -> None:
        """Give a place back."""
        self.used -= 1
        self.changed.set()


async def first(*waits: Awaitable[Any]) -> None:
    """Until the first is done; the others are cancelled, and have ended."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
