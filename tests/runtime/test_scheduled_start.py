"""Instances that begin at a later time: near and far, steered before it, and with processes that
die between the writes of the start."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from durable.client import DurableOrchestrationClient
from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import InstanceExistsError, InvalidRequestError
from durable.hub.hub import Hub
from durable.hub.ringing import QueueRinger
from durable.model.events import ExecutionStarted, ExecutionTerminated
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.ports import Storage
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import head_of, nothing_left, rows_of, status_of

DAY = 86_400


def begins(hub: MemoryHub) -> list[str]:
    """Registers `job`, which answers the seconds from the start of time to its beginning, and
    what it was told; answers the ids that have begun."""
    begun: list[str] = []

    @hub.orchestrator
    async def job(context: Context) -> Any:
        begun.append(context.instance_id)
        told = await context.wait_for_external_event("told", timeout=timedelta(seconds=1))
        return [context.current_utc_datetime.isoformat(), told]

    @hub.orchestrator
    async def quick(context: Context) -> Any:
        begun.append(context.instance_id)
        return context.get_input()

    return begun


class Silent(QueueRinger):
    """As of a client that dies before it rings."""

    async def ring(self, instance_id: str) -> None:
        """Nothing."""


def seconds(hub: MemoryHub, origin: Any) -> float:
    return float((hub.clock.now() - origin).total_seconds())


@pytest.mark.parametrize("after", [0, 1, 119, 121, DAY, 8 * DAY, 400 * DAY])
@pytest.mark.parametrize("outside", [True, False])
async def test_it_begins_when_it_is_time(after: int, outside: bool) -> None:
    hub = MemoryHub()
    begun = begins(hub)
    async with hub:
        origin = hub.clock.now()
        client = hub.outside if outside else hub.client
        due = origin + timedelta(seconds=after)
        assert await client.start_new("quick", "q", "in", start_at=due) == "q"
        status = await status_of(hub, "q")
        assert status.scheduled_start_time == due
        if after > 5:
            assert status.runtime_status == Status.PENDING
            await hub.run(after - 4)
            assert begun == []
            assert (await status_of(hub, "q")).runtime_status == Status.PENDING
        await hub.idle()
        done = await hub.wait("q")
        assert (done.output, done.scheduled_start_time) == ('"in"', due)
        assert after <= seconds(hub, origin) < after + 2
        assert await hub.keys(hub.hub.names.index) == []
        await nothing_left(hub)


async def test_a_duration_counts_from_now_and_a_naive_time_is_utc() -> None:
    hub = MemoryHub()
    begins(hub)
    async with hub:
        now = hub.clock.now()
        await hub.client.start_new("quick", "a", start_at=timedelta(hours=1))
        await hub.client.start_new(
            "quick", "b", start_at=(now + timedelta(hours=2)).replace(tzinfo=None)
        )
        assert (await status_of(hub, "a")).scheduled_start_time == now + timedelta(hours=1)
        assert (await status_of(hub, "b")).scheduled_start_time == now + timedelta(hours=2)


@pytest.mark.parametrize("bad", [timedelta.max, "tomorrow", 5, datetime(1600, 1, 1)])
async def test_a_time_that_cannot_be_is_refused_before_anything_is_written(bad: Any) -> None:
    hub = MemoryHub()
    begins(hub)
    async with hub:
        with pytest.raises(InvalidRequestError, match="start_at"):
            await hub.client.start_new("quick", "q", start_at=bad)
        assert await hub.keys(hub.hub.names.instances) == []


async def test_a_time_that_has_passed_begins_at_once() -> None:
    hub = MemoryHub()
    begins(hub)
    async with hub:
        origin = hub.clock.now()
        await hub.client.start_new("quick", "q", start_at=timedelta(days=-1))
        await hub.idle()
        status = await hub.wait("q")
        assert seconds(hub, origin) < 1
        assert status.scheduled_start_time == origin - timedelta(days=1)


async def test_a_far_one_costs_a_row_and_no_message_and_no_audit() -> None:
    hub = MemoryHub()
    begins(hub)
    async with hub:
        for number in range(5):
            await hub.outside.start_new("quick", f"q{number}", start_at=timedelta(days=400))
        await hub.run(30)
        assert await hub.messages() == 0
        assert len(await hub.keys(hub.hub.names.index)) == 5
        rows, _ = await hub.hub.projection.page(settled=False)
        assert rows == []


# ---- before the time ----


@pytest.mark.parametrize("after", [100, DAY])
async def test_events_wait_for_it(after: int) -> None:
    hub = MemoryHub()
    begun = begins(hub)
    async with hub:
        await hub.outside.start_new("job", "j", start_at=timedelta(seconds=after))
        await hub.client.raise_event("j", "told", "early")
        await hub.run(50)
        assert begun == []
        assert (await status_of(hub, "j")).runtime_status == Status.PENDING
        begin, told = json.loads((await hub.wait("j")).output or "")
        due = (await status_of(hub, "j")).scheduled_start_time
        assert due is not None
        assert (told, begin >= due.isoformat()) == ("early", True)
        await nothing_left(hub)


async def test_an_event_that_is_seen_too_early_is_seen_again_at_the_start() -> None:
    hub = MemoryHub()
    hub.sweeping = False
    begins(hub)
    async with hub:
        await hub.outside.start_new("job", "j", start_at=timedelta(seconds=5))

        async def time_passes(name: str, args: tuple[Any, ...]) -> None:
            if name == "query" and args[0] == hub.hub.names.history:
                hub.tamper(hub.runtimes[0])
                hub.clock.advance(6)

        hub.tamper(hub.runtimes[0], before=time_passes)
        await hub.outside.raise_event("j", "told", "early")
        assert json.loads((await hub.wait("j")).output or "")[1] == "early"


@pytest.mark.parametrize("after", [100, DAY])
@pytest.mark.parametrize("events", [0, 3, 120])
async def test_terminated_before_its_code_has_begun(after: int, events: int) -> None:
    hub = MemoryHub()
    begun = begins(hub)
    async with hub:
        origin = hub.clock.now()
        await hub.outside.start_new("job", "j", start_at=timedelta(seconds=after))
        silent = DurableOrchestrationClient(hub.hub, ringer=Silent(hub.hub))
        for number in range(events):
            await silent.raise_event("j", "told", "x" * 20_000 if number == 1 else number)
        await hub.client.terminate("j", "no need")
        await hub.idle()
        status = await hub.wait("j", timedelta(seconds=5))
        assert (status.runtime_status, status.output) == (Status.TERMINATED, '"no need"')
        assert seconds(hub, origin) < 5
        history = [event for _, event in await hub.client.get_history("j")]
        assert isinstance(history[-1], ExecutionTerminated)
        assert not any(isinstance(event, ExecutionStarted) for event in history)
        await hub.run(30)
        assert await hub.keys(hub.hub.names.index) == []
        assert [key for key in await rows_of(hub, "j") if "|b|" in key] == []
        await hub.run(after)
        assert begun == []
        await nothing_left(hub)
        await hub.client.purge_instance_history("j")
        assert await rows_of(hub, "j") == []


async def test_a_worker_without_the_code_ends_it_too() -> None:
    hub = MemoryHub()
    begins(hub)
    async with hub:
        await hub.outside.start_new("unknown", "u", start_at=timedelta(hours=1))
        await hub.outside.terminate("u")
        assert (await hub.wait("u", timedelta(seconds=5))).runtime_status == Status.TERMINATED


async def test_suspended_before_its_time_it_begins_when_it_is_resumed() -> None:
    hub = MemoryHub()
    begun = begins(hub)
    async with hub:
        await hub.outside.start_new("job", "j", start_at=timedelta(seconds=90))
        await hub.client.suspend("j", "wait")
        await hub.client.raise_event("j", "told", "kept")
        await hub.run(200)
        assert (begun, (await status_of(hub, "j")).runtime_status) == ([], Status.SUSPENDED)
        for runtime in list(hub.runtimes):
            await hub.kill(runtime)
        await hub.add_runtime()
        await hub.outside.resume("j")
        assert json.loads((await hub.wait("j")).output or "")[1] == "kept"
        assert begun


async def test_resumed_before_its_time_it_begins_as_if_nothing_had_been() -> None:
    hub = MemoryHub()
    begins(hub)
    async with hub:
        origin = hub.clock.now()
        await hub.outside.start_new("quick", "q", start_at=timedelta(seconds=90))
        await hub.client.suspend("q")
        await hub.client.resume("q")
        await hub.wait("q")
        assert 90 <= seconds(hub, origin) < 92


async def test_it_is_an_unfinished_instance() -> None:
    hub = MemoryHub()
    begins(hub)
    async with hub:
        await hub.outside.start_new("quick", "q", start_at=timedelta(hours=1))
        with pytest.raises(InstanceExistsError, match="Pending"):
            await hub.client.start_new("quick", "q")
        assert await hub.client.start_new("quick", "q", if_exists="skip") == "q"
        assert (await hub.client.purge_instance_history("q")).instances_deleted == 0
        await hub.run(30)
        assert (await status_of(hub, "q")).runtime_status == Status.PENDING


async def test_a_refused_start_leaves_no_row_that_would_ring() -> None:
    hub = MemoryHub()
    begins(hub)
    async with hub:
        await hub.outside.start_new("job", "j")
        head = await head_of(hub, "j")
        # the look before the start saw nothing
        instances = hub.outside._hub.instances
        real, seen = instances.head, []

        async def blind(instance_id: str) -> Any:
            seen.append(instance_id)
            return None if len(seen) == 1 else await real(instance_id)

        instances.head = blind  # type: ignore[method-assign]
        with pytest.raises(InstanceExistsError):
            await hub.outside.start_new("quick", "j", start_at=timedelta(days=2))
        instances.head = real  # type: ignore[method-assign]
        assert await hub.keys(hub.hub.names.index) == []
        assert len(await hub.keys(hub.hub.names.instances)) == 1
        assert (await head_of(hub, "j")).incarnation == head.incarnation


async def test_in_place_of_a_finished_one_whose_rows_go_before_the_time() -> None:
    hub = MemoryHub()
    begins(hub)
    async with hub:
        await hub.client.start_new("quick", "q", "first")
        await hub.wait("q")
        await nothing_left(hub)
        old = (await head_of(hub, "q")).incarnation
        await hub.outside.start_new("quick", "q", "second", start_at=timedelta(days=3))
        await hub.run(5)
        assert [key for key in await rows_of(hub, "q") if key.startswith(old)] == []
        await nothing_left(hub)
        assert (await hub.wait("q")).output == '"second"'


async def test_restarted_it_begins_at_once() -> None:
    hub = MemoryHub()
    begins(hub)
    async with hub:
        await hub.client.start_new("quick", "q", "in", start_at=timedelta(seconds=60))
        await hub.wait("q")
        again = await hub.client.restart("q")
        origin = hub.clock.now()
        await hub.idle()
        status = await hub.wait(again)
        assert (status.output, status.scheduled_start_time) == ('"in"', None)
        assert seconds(hub, origin) < 1


async def test_who_waits_for_the_start_hears_of_it() -> None:
    hub = MemoryHub()
    begins(hub)
    async with hub:
        await hub.outside.start_new("job", "j", start_at=timedelta(seconds=40))
        waiting = asyncio.ensure_future(hub.outside.wait_for_start("j", 100))
        await hub.run(39)
        assert not waiting.done()
        await hub.run(2)
        assert (await waiting).runtime_status != Status.PENDING
        await hub.outside.start_new("job", "k", start_at=timedelta(seconds=500))
        late = asyncio.ensure_future(hub.outside.wait_for_start("k", timedelta(seconds=10)))
        await hub.run(12)
        with pytest.raises(TimeoutError, match="Pending"):
            await late


# ---- deaths between the writes ----


class Dying:
    """Tables and queues whose `after`-th write is the last that has an effect."""

    def __init__(self, inner: Any, left: list[int]) -> None:
        self._inner, self._left = inner, left

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)

        async def dying(*args: Any, **options: Any) -> Any:
            if name in ("transact", "send"):
                if not self._left[0]:
                    raise asyncio.CancelledError
                self._left[0] -= 1
            return await call(*args, **options)

        return dying


@pytest.mark.parametrize("after", [100, 1000])
@pytest.mark.parametrize("writes", range(5))
async def test_a_client_that_dies_between_the_writes(after: int, writes: int) -> None:
    hub = MemoryHub()
    begun = begins(hub)
    async with hub:
        origin, left = hub.clock.now(), [writes]
        storage = Storage(
            Dying(hub.tables, left), Dying(hub.queues, left), hub.clock, hub.storage.describe
        )
        client = DurableOrchestrationClient(Hub(storage, "Test"))
        start = client.start_new("quick", "q", "in", start_at=timedelta(seconds=after))
        died = await asyncio.gather(start, return_exceptions=True)
        head = await hub.hub.instances.head("q")
        # the row that lists it, what rings for it, and then the instance itself
        assert (head is not None) is (writes >= 3)
        assert isinstance(died[0], asyncio.CancelledError) is (writes < (4 if after > 120 else 3))
        if head is None:
            await hub.run(1200 + after)
            assert begun == []
            assert [s async for s in hub.outside.list_instances()] == []
        else:
            assert (await hub.wait("q")).output == '"in"'
            assert seconds(hub, origin) < after + 2
        await hub.run(60)
        assert await hub.keys(hub.hub.names.index) == []
        await nothing_left(hub)


@pytest.mark.parametrize("after", [100, 1000])
async def test_workers_that_die_before_its_time_and_at_it(after: int) -> None:
    hub = MemoryHub()
    begun = begins(hub)
    async with hub:
        await hub.client.start_new("quick", "q", "in", start_at=timedelta(seconds=after))
        await hub.kill(hub.runtimes[0])
        await hub.run(after / 2)
        first = await hub.add_runtime()
        deaths = []

        async def dies(name: str, args: tuple[Any, ...]) -> None:
            if name == "transact" and args[0] == hub.hub.names.history and begun:
                deaths.append(hub.clock.now())
                hub.crash()

        hub.tamper(first, before=dies)
        assert (await hub.wait("q")).output == '"in"'
        assert len(deaths) == 1
        await hub.run(60)
        assert await hub.keys(hub.hub.names.index) == []
        await nothing_left(hub)


async def test_a_lost_doorbell_is_found_by_the_audit() -> None:
    hub = MemoryHub()
    begins(hub)
    async with hub:
        await hub.outside.start_new("quick", "q", start_at=timedelta(seconds=100))
        [queue] = hub.hub.names.control_queues
        await hub.run(10)
        await hub.queues.delete_queue(queue)
        await hub.queues.create_queue(queue)
        await hub.wait("q", timedelta(seconds=150))
