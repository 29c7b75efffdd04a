"""Storage that delivers every message three times, in any order."""

from __future__ import annotations

import random
from typing import Any

from durable.ports import Queues, Receipt, Storage

COPIES = 3
SHUFFLE = (0.0, 0.0, 1.0, 3.0)
LATE = (0.0, 1.0, 5.0, 20.0, 45.0)
"""Seconds that a copy may be late: up to longer than a guard's lease."""


class _Thrice:
    """The first copy is the sender's to hold: a guard has its lease, and whatever is to be seen at
    once comes in another order. The other copies are anybody's."""

    def __init__(self, inner: Queues, rnd: random.Random) -> None:
        self._inner = inner
        self._random = rnd
        self.sent = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def send(self, queue: str, body: bytes, *, delay: float = 0.0) -> Receipt:
        """See `durable.ports.Queues.send`."""
        self.sent += 1
        shuffled = delay or self._random.choice(SHUFFLE)
        receipt = await self._inner.send(queue, body, delay=shuffled)
        for _ in range(COPIES - 1):
            await self._inner.send(queue, body, delay=self._random.choice(LATE))
        return receipt


def thrice(storage: Storage, seed: int) -> Storage:
    """The same storage, but for what its queues do."""
    queues: Any = _Thrice(storage.queues, random.Random(seed))
    return Storage(storage.tables, queues, storage.clock, storage.describe)
