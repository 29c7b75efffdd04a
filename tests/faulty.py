"""Storage that lies: requests fail before or after they took effect, and messages come twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from typing import Any

from durable.errors import AmbiguousAnswer
from durable.ports import Clock, Storage

_WRITES = {"transact", "send", "extend", "delete"}
_READS = {"get", "query", "receive", "has_visible", "length"}


class Faults:
    """How often what goes wrong; `on` switches all of it."""

    def __init__(self, seed: int, rate: float) -> None:
        self.random = random.Random(seed)
        self.rate = rate
        self.on = False
        self.counts: dict[str, int] = {}
        self.clock: Clock | None = None

    async def interleave(self) -> None:
        """Let others go first, now and then for longer than a lease."""
        if not self.on:
            return
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 5))):
            await asyncio.sleep(0)
        if self.strikes("pause") and self.clock is not None:
            await self.clock.sleep(self.random.choice((1, 8, 15, 30, 45)))

    def strikes(self, kind: str) -> bool:
        if not self.on or self.random.random() >= self.rate:
            return False
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return True


class _Faulty:
    def __init__(self, inner: Any, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if name not in _WRITES | _READS:
            return call

        async def faulty(*args: Any, **options: Any) -> Any:
            await self._faults.interleave()
            if self._faults.strikes(f"{name} before"):
                raise AmbiguousAnswer(f"{name}: lost on the way there")
            result = await _plain(call(*args, **options))
            if name in _WRITES and self._faults.strikes(f"{name} after"):
                raise AmbiguousAnswer(f"{name}: lost on the way back")
            if name == "send" and self._faults.strikes("duplicate"):
                await _plain(call(*args, **options))
            return result

        return faulty


async def _plain(call: Awaitable[Any]) -> Any:
    return await call


def faulty_storage(storage: Storage, faults: Faults) -> Storage:
    faults.clock = storage.clock
    return Storage(
        tables=_Faulty(storage.tables, faults),
        queues=_Faulty(storage.queues, faults),
        clock=storage.clock,
        describe=storage.describe,
    )
