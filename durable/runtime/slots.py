"""How much may run at once in this process."""

from __future__ import annotations

import asyncio


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

    def give(self) -> None:
        """Give a place back."""
        self.used -= 1
        self.changed.set()
