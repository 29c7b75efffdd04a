"""One of the workers that take the same work sweeps, and another when it stops."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import Throttled
from durable.hub.hub import Hub
from durable.model.filters import WorkItemFilters
from durable.ports import Merge
from durable.runtime.sweep_lease import LIFETIME, PARTITION, SweepLease
from durable.runtime.sweeper import AHEAD, QUIET
from durable.runtime.taking import Taking
from tests.memory_hub import SWEEP, MemoryHub


def lease_of(hub: MemoryHub, filters: WorkItemFilters | None = None) -> SweepLease:
    return SweepLease(Hub(hub.storage, "Test"), Taking(hub.registry, filters))


def sleeper(hub: MemoryHub) -> None:
    @hub.orchestrator
    async def sleeps(context: Context) -> Any:
        await context.create_timer(timedelta(seconds=context.get_input(int)))


async def rows(hub: MemoryHub) -> list[str]:
    keys = await hub.keys(hub.hub.names.hub_table)
    return [key for key in keys if key.startswith(f"{PARTITION} ")]


async def test_one_has_it_and_keeps_it() -> None:
    async with MemoryHub() as hub:
        first, second = lease_of(hub), lease_of(hub)
        for _ in range(20):
            assert await first.acquire()
            assert not await second.acquire()
            hub.clock.advance(SWEEP.total_seconds())


async def test_who_is_let_go_of_is_followed_at_once_and_leaves_nothing() -> None:
    async with MemoryHub() as hub:
        first, second = lease_of(hub), lease_of(hub)
        assert await first.acquire()
        await second.release()
        assert not await second.acquire()
        await first.release()
        assert await second.acquire()
        assert not await first.acquire()
        await second.release()
        assert await rows(hub) == []


async def test_who_dies_is_followed_before_a_timer_is_late() -> None:
    async with MemoryHub() as hub:
        first, second = lease_of(hub), lease_of(hub)
        assert await first.acquire()
        since = hub.clock.now()
        while not await second.acquire():
            hub.clock.advance(SWEEP.total_seconds())
        assert LIFETIME <= hub.clock.now() - since < AHEAD - SWEEP
        # who was slow, not dead, learns of it
        assert not await first.acquire()
        assert await second.acquire()


async def test_of_several_that_follow_at_once_one_wins() -> None:
    async with MemoryHub() as hub:
        first, second, third = lease_of(hub), lease_of(hub), lease_of(hub)
        assert await first.acquire()
        hub.clock.advance(LIFETIME.total_seconds() + 1)
        runtime = hub.runtimes[0]

        async def third_is_faster(name: str, args: tuple[Any, ...]) -> None:
            if name == "transact":
                assert await third.acquire()

        hub.tamper(runtime, before=third_is_faster)
        second = SweepLease(runtime.hub, Taking(hub.registry))
        assert not await second.acquire()


async def test_a_write_whose_answer_is_lost_is_recognised() -> None:
    async with MemoryHub() as hub:
        runtime = hub.runtimes[0]
        lost = [True, False, True]

        async def answer_lost(name: str, args: tuple[Any, ...]) -> None:
            if name == "transact" and lost and lost.pop(0):
                raise Throttled("no answer")

        hub.tamper(runtime, after=answer_lost)
        first, second = SweepLease(runtime.hub, Taking(hub.registry)), lease_of(hub)
        for expected in (None, True, None, True):
            if expected is None:
                with pytest.raises(Throttled):
                    await first.acquire()
            else:
                assert await first.acquire()
            assert not await second.acquire()


async def test_workers_that_take_other_work_sweep_for_themselves() -> None:
    hub = MemoryHub()
    sleeper(hub)
    async with hub:
        assert await lease_of(hub).acquire()
        some = WorkItemFilters(orchestrations=["sleeps"])
        assert await lease_of(hub, some).acquire()
        assert not await lease_of(hub, WorkItemFilters(orchestrations=["sleeps"])).acquire()
        assert len(await rows(hub)) == 2


async def test_a_row_of_a_newer_version_keeps_nobody_from_sweeping() -> None:
    async with MemoryHub() as hub:
        first, second = lease_of(hub), lease_of(hub)
        assert await first.acquire()
        [row] = await rows(hub)
        newer = Merge(row.partition(" ")[2], {"v": 99})
        await hub.tables.transact(hub.hub.names.hub_table, PARTITION, [newer])
        assert await second.acquire()


async def test_a_far_timer_is_rung_for_once_however_often_is_swept() -> None:
    hub = MemoryHub()
    hub.sweeping = False
    sleeper(hub)
    async with hub:
        await hub.client.start_new("sleeps", "s", 1000)
        await hub.run(1000 - AHEAD.total_seconds() + 1)
        for _ in range(5):
            await hub.runtimes[0].sweep()
            assert await hub.messages() == 1
        # what it was rung by is lost
        queue = hub.hub.names.control_queues[0]
        hub.clock.advance(AHEAD.total_seconds())
        for message in await hub.queues.receive(queue, limit=32, lease=1):
            await hub.queues.delete(queue, message.receipt)
        await hub.runtimes[0].sweep()
        assert await hub.messages() == 0
        hub.clock.advance(QUIET.total_seconds())
        await hub.runtimes[0].sweep()
        await hub.wait("s")
