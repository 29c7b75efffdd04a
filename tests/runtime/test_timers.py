"""Durable timers near and far, with doorbells that are lost or come early."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.hub.messages import Doorbell
from durable.model.entities import EntityId
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.retention import Retention
from durable.ports import Insert
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import head_of, nothing_left, rows_of, status_of

DAY = 86_400


def sleeper(hub: MemoryHub) -> None:
    @hub.orchestrator
    async def sleeps(context: Context) -> Any:
        await context.create_timer(timedelta(seconds=context.get_input(int)))
        return context.current_utc_datetime


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


@pytest.mark.parametrize("days", [6, 7, 8, 400])
async def test_a_far_timer_needs_no_message_until_it_is_due(days: int) -> None:
    hub = MemoryHub()
    sleeper(hub)
    async with hub:
        begun = hub.clock.now()
        await hub.client.start_new("sleeps", "s", days * DAY)
        await hub.run(DAY)
        # a queue keeps a message hidden for seven days at most, and here none is
        assert await drop_messages(hub) == 0
        await hub.run(days * DAY - DAY - 10)
        # lost once more, right before it is due
        assert await drop_messages(hub) > 0
        await hub.wait("s", timedelta(seconds=120))
        assert 0 <= (hub.clock.now() - begun).total_seconds() - days * DAY < 15
        await nothing_left(hub)


@pytest.mark.parametrize("days", [6, 7, 8, 400])
async def test_an_event_is_waited_for_as_long_as_it_takes(days: int) -> None:
    hub = MemoryHub()

    @hub.orchestrator
    async def patient(context: Context) -> Any:
        timeout = timedelta(days=context.get_input(int))
        late = await context.wait_for_external_event("late", int)
        try:
            await context.wait_for_external_event("never", timeout=timeout)
        except TimeoutError:
            return late

    async with hub:
        await hub.client.start_new("patient", "p", days)
        await hub.run(days * DAY)
        assert await hub.messages() == 0
        # another process, which has to read what was stored long ago
        await hub.kill(hub.runtimes[0])
        await hub.add_runtime()
        await hub.outside.raise_event("p", "late", 1)
        await hub.idle()
        asked = hub.clock.now()
        assert (await hub.wait("p")).output == "1"
        assert 0 <= (hub.clock.now() - asked).total_seconds() - days * DAY < 15
        await nothing_left(hub)


@pytest.mark.parametrize("days", [6, 7, 8, 400])
async def test_a_start_may_be_for_as_late_as_one_likes(days: int) -> None:
    hub = MemoryHub()
    sleeper(hub)
    async with hub:
        begun = hub.clock.now()
        await hub.client.start_new("sleeps", "s", 0, start_at=timedelta(days=days))
        await hub.run(DAY)
        assert await drop_messages(hub) == 0
        assert (await status_of(hub, "s")).runtime_status == Status.PENDING
        assert (await hub.wait("s")).runtime_status == Status.COMPLETED
        assert 0 <= (hub.clock.now() - begun).total_seconds() - days * DAY < 15
        await nothing_left(hub)


@pytest.mark.parametrize("days", [6, 7, 8, 400])
async def test_what_has_ended_is_kept_for_as_long_as_was_asked(days: int) -> None:
    hub = MemoryHub(RuntimeOptions(retention=Retention(completed=timedelta(days=days))))
    sleeper(hub)
    async with hub:
        await hub.client.start_new("sleeps", "s", 0)
        await hub.wait("s")
        await hub.run(days * DAY - 600)
        assert (await status_of(hub, "s")).runtime_status == Status.COMPLETED
        await hub.run(1_200)
        assert await hub.outside.get_status("s") is None
        assert await rows_of(hub, "s") == []


async def test_a_signal_for_an_entity_may_be_far_ahead() -> None:
    hub = MemoryHub()
    done: list[str] = []

    @hub.entity
    def diary(context: EntityContext) -> Any:
        done.append(context.get_input(str))
        context.set_state(done)

    async with hub:
        begun = hub.clock.now()
        for days in (400, 8, 6, 7):
            due = begun + timedelta(days=days)
            await hub.client.signal_entity(
                EntityId("diary", "d"), "note", str(days), signal_time=due
            )
        for days in (6, 7, 8, 400):
            await hub.run((begun + timedelta(days=days) - hub.clock.now()).total_seconds() - 90)
            before = list(done)
            assert str(days) not in before
            await drop_messages(hub)
            await hub.run(120)
            assert done == [*before, str(days)]


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


@pytest.mark.parametrize("dies", [True, False])
async def test_a_far_timer_that_is_set_after_its_instance_has_ended_leaves_no_row(
    dies: bool,
) -> None:
    """Its row is written late: by who takes over from the dead, or by who was slow."""
    hub = MemoryHub(workers=2)
    hub.sweeping = False

    @hub.orchestrator
    async def impatient(context: Context) -> Any:
        return await context.wait_for_external_event("go", timeout=timedelta(days=400))

    async with hub:
        first = hub.runtimes[0]
        struck: list[str] = []

        async def others_are_faster(name: str, args: tuple[Any, ...]) -> None:
            if name == "transact" and args[1].startswith("timer") and not struck:
                struck.append(name)
                assert first.on_look_away is not None
                first.on_look_away(hub.hub.names.control_queue("i"), hub.clock.monotonic() + 60)
                await hub.outside.raise_event("i", "go", 7)
                while not (await head_of(hub, "i")).is_terminal:
                    await hub.clock.sleep(0.5)
                if dies:
                    hub.crash()

        hub.tamper(first, before=others_are_faster)
        await hub.client.start_new("impatient", "i")
        assert (await hub.wait("i", timedelta(minutes=2))).output == "7"
        await nothing_left(hub)
        assert struck
        assert await hub.keys(hub.hub.names.index) == []
