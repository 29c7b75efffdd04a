"""The table of calls that docs/scale.md goes by, held to what the runtime calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from bench.scale import operations as table
from bench.scale.limits import Site
from durable.hub.messages import Doorbell
from durable.model.entities import EntityId
from durable.ports import Storage
from durable.runtime.options import RuntimeOptions
from durable.storage.memory import memory_storage
from tests.memory_hub import MemoryHub

ENTITY = EntityId("counter", "hot")


class Meter:
    """Counts units by site, and requests, of all calls that go through it."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.requests = 0
        self.units: Counter[Site] = Counter()

    def note(self, site: Site, units: int) -> None:
        self.requests += 1
        self.units[site] += units


class Tables:
    def __init__(self, inner: Any, meter: Meter) -> None:
        self._inner, self._meter = inner, meter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def transact(self, name: str, partition: str, ops: Any) -> Any:
        self._meter.note(_site(name, partition), len(ops))
        return await self._inner.transact(name, partition, ops)

    async def get(self, name: str, partition: str, key: str) -> Any:
        self._meter.note(_site(name, partition), 1)
        return await self._inner.get(name, partition, key)

    async def query(self, name: str, where: Any, **options: Any) -> Any:
        page = await self._inner.query(name, where, **options)
        partition = next(each.value for each in where if each.column == "PartitionKey")
        self._meter.note(_site(name, partition), max(1, len(page.rows)))
        return page


class Queues:
    def __init__(self, inner: Any, meter: Meter) -> None:
        self._inner, self._meter = inner, meter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def send(self, queue: str, body: bytes, *, delay: float = 0.0) -> Any:
        self._meter.note(_queue(queue), 1)
        return await self._inner.send(queue, body, delay=delay)

    async def delete(self, queue: str, receipt: Any) -> None:
        self._meter.note(_queue(queue), 1)
        await self._inner.delete(queue, receipt)


class CountingHub(MemoryHub):
    """Receives are made by its harness, which counts those that bring something here."""

    def __init__(self, cache: int) -> None:
        self.meter = Meter()
        self.base = memory_storage()
        super().__init__(RuntimeOptions(cache=cache), storage=self.base)
        self.use(
            Storage(
                tables=Tables(self.base.tables, self.meter),  # type: ignore[arg-type]
                queues=Queues(self.base.queues, self.meter),
                clock=self.base.clock,
            )
        )
        self.sweeping = False

    async def _receive(self, runtime: Any, queue: str, handle: Any, room: int) -> bool:
        async def counted(name: str, message: Any, asked: float) -> None:
            self.meter.note(_queue(name), 1)
            await handle(name, message, asked)

        return await super()._receive(runtime, queue, counted, room)


def _site(name: str, partition: str) -> Site:
    if name.endswith("HistoryDx"):
        return Site.ENTITY if "counter" in partition else Site.HISTORY
    if name.endswith("InstancesDx"):
        return Site.PROJECTION
    return Site.TIMERS


def _queue(name: str) -> Site:
    return Site.CONTROL if "-control-" in name else Site.WORK


@pytest.fixture(params=[1000])
async def hub(request: pytest.FixtureRequest) -> AsyncIterator[CountingHub]:
    hub = CountingHub(request.param)

    @hub.orchestrator
    async def inline(context: Any) -> None:
        for number in range(table.STEPS):
            await context.call_activity("nothing", number)

    @hub.orchestrator
    async def queued(context: Any) -> None:
        for number in range(table.STEPS):
            await context.call_activity("queued_nothing", number)

    @hub.orchestrator
    async def waits(context: Any) -> None:
        await context.wait_for_external_event("go")

    @hub.orchestrator
    async def sleeps(context: Any) -> None:
        await context.create_timer(timedelta(hours=1))

    @hub.activity
    async def nothing(value: int) -> None:
        return None

    @hub.queued_activity
    async def queued_nothing(value: int) -> None:
        return None

    @hub.entity
    def counter(context: Any) -> None:
        context.set_state((context.get_state() or 0) + 1)

    async with hub:
        hub.meter.clear()
        yield hub


COLD: Callable[..., Any] = pytest.mark.parametrize("hub", [0], indirect=True)


def holds(hub: CountingHub, workload: table.Workload) -> None:
    assert (+hub.meter.units, hub.meter.requests) == (workload.units(), workload.requests)
    hub.meter.clear()


async def test_inline_steps_started_in_a_worker(hub: CountingHub) -> None:
    await hub.client.start_new("inline")
    await hub.run(5)
    holds(hub, table.INLINE_HERE)


async def test_inline_steps_started_elsewhere(hub: CountingHub) -> None:
    await hub.outside.start_new("inline")
    await hub.run(5)
    holds(hub, table.INLINE)


async def test_queued_steps(hub: CountingHub) -> None:
    await hub.outside.start_new("queued")
    await hub.run(5)
    holds(hub, table.QUEUED)


@COLD
async def test_queued_steps_without_the_code_in_memory(hub: CountingHub) -> None:
    await hub.outside.start_new("queued")
    await hub.run(5)
    holds(hub, table.QUEUED_COLD)


@COLD
async def test_an_event(hub: CountingHub) -> None:
    instance_id = await hub.outside.start_new("waits")
    await hub.run(5)
    holds(hub, table.PARK)
    await hub.outside.raise_event(instance_id, "go")
    await hub.run(5)
    holds(hub, table.EVENT)


@COLD
async def test_a_far_timer_and_a_doorbell_too_many(hub: CountingHub) -> None:
    instance_id = await hub.outside.start_new("sleeps")
    await hub.run(5)
    holds(hub, table.PARK_TIMER)
    await hub.run(3580)
    hub.meter.clear()
    await hub.runtimes[0].sweep()
    # its queries that find nothing, and its look at the one instance that waits
    sweep, found = Counter(hub.meter.units), hub.meter.requests
    await hub.run(30)
    hub.meter.requests -= found - len(table.TIMER.parts[0].calls)
    hub.meter.units[Site.PROJECTION] -= sweep[Site.PROJECTION]
    hub.meter.units[Site.HISTORY] -= 1
    # three partitions of timers, and the claims
    hub.meter.units[Site.TIMERS] -= 4
    holds(hub, table.TIMER)
    queue = hub.hub.names.control_queue(instance_id)
    await hub.base.queues.send(queue, Doorbell(instance_id, audit=True).encode())
    await hub.run(5)
    holds(hub, table.SPARE)


async def test_signals_to_one_entity(hub: CountingHub) -> None:
    await hub.outside.signal_entity(ENTITY, "add")
    await hub.run(5)
    hub.meter.clear()
    for _ in range(table.ENTITY_BATCH):
        await hub.outside.signal_entity(ENTITY, "add")
    signalled = table.SIGNAL.parts[0]
    sent = table.total(signalled.calls * table.ENTITY_BATCH)
    assert hub.meter.units == sent
    await hub.run(5)
    turn = table.ENTITY_TURN.units()[Site.ENTITY]
    rings = table.ENTITY_BATCH * len(table.SIGNAL.parts[1].calls)
    assert hub.meter.units[Site.CONTROL] == sent[Site.CONTROL] + rings
    taken = hub.meter.units[Site.ENTITY] - sent[Site.ENTITY]
    # who rings after the turn has looks for nothing
    assert turn <= taken <= turn + 3 * table.ENTITY_BATCH
