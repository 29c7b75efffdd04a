"""Processes that are objects: they die, stop and lose sight of queues without a signal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from durable.ports import Clock

Hook = Callable[[str, tuple[Any, ...]], Awaitable[None]]
"""Called with the name and the arguments of a storage call; may wait or raise."""


class Process:
    """Whether it lives, and what befalls its calls to storage."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.alive = True
        self.resumes = 0.0
        """Until this monotonic time nothing of it reaches storage."""
        self.away: dict[str, float] = {}
        """The queues that it leaves to others, each until a monotonic time."""
        self.before: Hook | None = None
        self.after: Hook | None = None

    def look_away(self, queue: str, seconds: float) -> None:
        """As a pump of ours does."""
        self.away[queue] = self.clock.monotonic() + seconds


class Mortal:
    """A connection that ends with its process: what a dead one still tries has no effect."""

    def __init__(self, inner: object, process: Process) -> None:
        self._inner = inner
        self._process = process

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)

        async def mortal(*args: Any, **options: Any) -> Any:
            process = self._process
            if process.alive and process.resumes > process.clock.monotonic():
                await process.clock.sleep(process.resumes - process.clock.monotonic())
            if process.alive and process.before is not None:
                await process.before(name, args)
            if not process.alive:
                raise asyncio.CancelledError
            result = await call(*args, **options)
            if process.after is not None:
                await process.after(name, args)
            return result

        # the next use finds it without asking here
        self.__dict__[name] = mortal
        return mortal
