"""What would be a message each, for several instances of a queue in one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

AT_ONCE = 2
"""Messages that are being sent at a time, while more instances come and share the next one."""

T = TypeVar("T")


@dataclass(slots=True)
class _Waiting(Generic[T]):
    """Instances whose message is about to be sent."""

    ids: list[str]
    sending: asyncio.Task[T] | None = None


class Gathering(Generic[T]):
    """Sends at once while little is under way, and for many together while more is."""

    def __init__(
        self,
        spawn: Callable[[Coroutine[Any, Any, T]], asyncio.Task[T]],
        send: Callable[[str, tuple[str, ...]], Awaitable[T]],
        most: int,
        unwanted: Callable[[T], None] = lambda _: None,
    ) -> None:
        """`send` takes a queue and up to `most` instances; `unwanted` is told what it answered
        once for each who has gone meanwhile."""
        self._spawn = spawn
        self._send = send
        self._most = most
        self._unwanted = unwanted
        self._waiting: dict[str, _Waiting[T]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def add(self, queue: str, instance_id: str) -> T:
        """What sending answered, for this instance and maybe for others."""
        waiting = self._waiting.get(queue)
        if waiting is None or len(waiting.ids) >= self._most:
            waiting = self._waiting[queue] = _Waiting([])
            waiting.sending = self._spawn(self._next(queue, waiting))
        waiting.ids.append(instance_id)
        sending = waiting.sending
        assert sending is not None
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            sending.add_done_callback(self._not_wanted)
            raise

    async def _next(self, queue: str, waiting: _Waiting[T]) -> T:
        async with self._room:
            if self._waiting.get(queue) is waiting:
                del self._waiting[queue]
            return await self._send(queue, tuple(waiting.ids))

    def _not_wanted(self, sending: asyncio.Task[T]) -> None:
        if not sending.cancelled() and sending.exception() is None:
            self._unwanted(sending.result())
