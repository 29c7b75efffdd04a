"""Keeping leases: each in its own time, whatever the answers to others take."""

from __future__ import annotations

import asyncio
from typing import Any

from durable.runtime.guards import LEASE, Keeper
from durable.storage.memory import ManualClock, memory_storage
from tests.worker.settling import elapse, settle


async def test_a_renewal_without_an_answer_costs_no_other_lease_its_own() -> None:
    clock = ManualClock()
    storage = memory_storage(clock)
    queues: Any = storage.queues
    await queues.create_queue("slow")
    await queues.create_queue("quick")
    extend, hang = queues.extend, asyncio.Event()

    async def answers_late(queue: str, *arguments: Any, **options: Any) -> Any:
        if queue == "slow":
            await hang.wait()
        return await extend(queue, *arguments, **options)

    queues.extend = answers_late
    keeper = Keeper(storage, asyncio.ensure_future)
    await keeper.start()
    slow = await keeper.put("slow", b"x")
    quick = [await keeper.put("quick", b"x") for _ in range(100)]
    await elapse(clock, 2 * LEASE, step=0.5)
    assert all(guard.is_fresh for guard in quick)
    assert not slow.is_fresh
    assert await queues.receive("quick", limit=32, lease=1.0) == []

    hang.set()
    await settle()
    assert slow.lost or slow.is_fresh
    await keeper.close()
