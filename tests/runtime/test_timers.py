"""Durable timers near and far, with doorbells that are lost or come early."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.hub.messages import Doorbell
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.ports import Insert
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import nothing_left, rows_of, status_of


def sleeper(hub: MemoryHub) -> None:
    @hub.orchestrator
    async def sleeps(context: Context) -> Any:
        await context.create_timer(timedelta(seconds=context.get_input(int)))
        return context.current_utc_datetime


DAY = 86_400


@pytest.mark.parametrize("seconds", [0, 1, 119, 121, DAY, 6 * DAY, 7 * DAY, 8 * DAY, 400 * DAY])
async def test_a_timer_fires_when_it_is_due(seconds: int) -> None:
    hub = MemoryHub()
    sleeper(hub)
    async with hub:
        begun = hub.clock.now()
        await hub.client.start_new("sleeps", "s", seconds)
        status = await hub.wait("s")
        late = (hub.clock.now() - begun).total_seconds() - seconds
        assert status.runtime_status == Status.COMPLETED
        assert 0 <= late < 2
        assert await hub.keys(hub.hub.names.index) == []
        await nothing_left(hub)


async def test_a_waiting_instance_costs_no_message_when_its_timer_is_far() -> None:
    hub = MemoryHub()
    sleeper(hub)
    async with hub:
        for number in range(5):
            await hub.client.start_new("sleeps", f"s{number}", 400 * DAY)
        await hub.run(300)
        assert await hub.messages() == 0
        assert len(await hub.keys(hub.hub.names.index)) == 5


async def drop_messages(hub: MemoryHub) -> int:
    """Lose all messages of the control queue, hidden ones too."""
    [queue] = hub.hub.names.control_queues
    lost = await hub.queues.length(queue)
    await hub.queues.delete_queue(queue)
    await hub.queues.create_queue(queue)
    return int(lost)


async def test_a_lost_doorbell_of_a_far_timer_is_sent_again() -> None:
    hub = MemoryHub()
    sleeper(hub)
    async with hub:
        begun = hub.clock.now()
        await hub.client.start_new("sleeps", "s", DAY)
        await hub.run(DAY - 5)
        assert await drop_messages(hub) > 0
        await hub.wait("s")
        assert (hub.clock.now() - begun).total_seconds() - DAY < 15


async def test_a_lost_doorbell_of_a_near_timer_is_found_by_the_audit() -> None:
    hub = MemoryHub()
    sleeper(hub)
    async with hub:
        await hub.client.start_new("sleeps", "s", 100)
        await hub.run(20)
        assert await drop_messages(hub) == 1
        await hub.wait("s", timedelta(seconds=300))


async def test_a_doorbell_that_comes_early_changes_nothing() -> None:
    hub = MemoryHub()
    hub.sweeping = False
    sleeper(hub)
    async with hub:
        begun = hub.clock.now()
        await hub.client.start_new("sleeps", "s", 100)
        await hub.run(20)
        rows = await rows_of(hub, "s")
        await hub.queues.send(hub.hub.names.control_queues[0], Doorbell("s").encode())
        await hub.run(20)
        assert await rows_of(hub, "s") == rows
        assert (await hub.wait("s")).runtime_status == Status.COMPLETED
        assert (hub.clock.now() - begun).total_seconds() >= 100


async def test_the_timers_own_doorbell_a_moment_early_is_set_again() -> None:
    hub = MemoryHub()
    hub.sweeping = False
    sleeper(hub)
    async with hub:
        await hub.client.start_new("sleeps", "s", 100)
        await hub.run(98)
        assert await drop_messages(hub) == 1
        # the clock of who sent it was ahead: it rings now, and no other is on its way
        await hub.queues.send(hub.hub.names.control_queues[0], Doorbell("s").encode())
        await hub.wait("s", timedelta(seconds=10))


async def test_a_cancelled_far_timer_leaves_no_row() -> None:
    hub = MemoryHub()

    @hub.orchestrator
    async def impatient(context: Context) -> Any:
        await context.wait_for_external_event("go", timeout=timedelta(days=3))
        await context.wait_for_external_event("end")

    async with hub:
        await hub.client.start_new("impatient", "i")
        await hub.idle()
        assert len(await hub.keys(hub.hub.names.index)) == 1
        await hub.client.raise_event("i", "go")
        await hub.idle()
        assert await hub.keys(hub.hub.names.index) == []
        assert (await status_of(hub, "i")).runtime_status == Status.RUNNING


async def test_the_row_of_a_timer_whose_instance_is_gone_is_swept() -> None:
    hub = MemoryHub()
    hub.sweeping = False
    sleeper(hub)
    async with hub:
        await hub.client.start_new("sleeps", "s", 1000)
        await hub.run(1)
        # its owner died before the row went
        [key] = await hub.keys(hub.hub.names.index)
        partition, _, row = key.partition(" ")
        kept = await hub.tables.get(hub.hub.names.index, partition, row)
        await hub.client.terminate("s")
        await hub.wait("s")
        await hub.tables.transact(hub.hub.names.index, partition, [Insert(row, kept.values)])
        await hub.run(1100)
        await hub.runtimes[0].sweep()
        assert await hub.keys(hub.hub.names.index) == []
