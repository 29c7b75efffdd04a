"""Tasks over memory storage, whose calls never suspend for long."""

from __future__ import annotations

import asyncio

from durable.storage.memory import ManualClock


async def settle() -> None:
    """Let every task go on until it waits for the clock or an event."""
    for _ in range(50):
        await asyncio.sleep(0)


async def elapse(clock: ManualClock, seconds: float, step: float = 0.01) -> None:
    """Let `seconds` pass in small steps, tasks keeping up with them."""
    for _ in range(round(seconds / step)):
        clock.advance(step)
        await settle()
