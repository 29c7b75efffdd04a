"""What is counted: each a small workload on a fresh hub, and what it took."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from durable import DurableOrchestrationContext
from durable.engine.entities import EntityContext
from durable.model.entities import EntityId
from durable.model.usage import Metered, Usage
from durable.runtime.options import RuntimeOptions
from durable.runtime.sweep_lease import SweepLease
from tests.cost.hub import MeteredHub

Context = DurableOrchestrationContext
COUNTER = EntityId("counter", "a")

Drive = Callable[[MeteredHub], Awaitable[None]]


def metered_hub(options: RuntimeOptions | None = None) -> MeteredHub:
    """With the functions of all workloads."""
    hub = MeteredHub(options)

    @hub.activity
    async def inline(value: int) -> int:
        return value + 1

    @hub.queued_activity
    async def queued(value: int) -> int:
        return value + 1

    @hub.entity
    async def counter(context: EntityContext) -> int:
        count: int = context.get_state(int, 0) + 1
        context.set_state(count)
        return count

    @hub.orchestrator
    async def chain(context: Context) -> int:
        name, steps = context.get_input()
        value: int = 0
        for _ in range(steps):
            value = await context.call_activity(name, value)
        return value

    @hub.orchestrator
    async def fan(context: Context) -> int:
        name, width = context.get_input()
        values = await context.task_all([context.call_activity(name, 0) for _ in range(width)])
        return sum(values)

    @hub.orchestrator
    async def calls(context: Context) -> int:
        value: int = 0
        for _ in range(context.get_input()):
            value = await context.call_entity(COUNTER, "add")
        return value

    @hub.orchestrator
    async def naps(context: Context) -> None:
        times, seconds = context.get_input()
        for _ in range(times):
            await context.create_timer(timedelta(seconds=seconds))

    @hub.orchestrator
    async def waits(context: Context) -> int:
        for _ in range(context.get_input()):
            await context.wait_for_external_event("go")
        received: int = context.get_input()
        return received

    @hub.orchestrator
    async def parent(context: Context) -> None:
        for _ in range(context.get_input()):
            await context.call_sub_orchestrator("chain", ["inline", 0])

    return hub


async def took(drive: Drive, options: RuntimeOptions | None = None) -> Metered:
    """The counts of a workload; creating the hub is not in them."""
    async with metered_hub(options) as hub:
        before = hub.read()
        await drive(hub)
        return hub.read() - before


async def work_of(drive: Drive, options: RuntimeOptions | None = None) -> Usage:
    """The same without upkeep."""
    return (await took(drive, options)).work


def running(name: str, given: Any, expected: Any, *, outside: bool = False) -> Drive:
    """One orchestration, started in its worker's process or from another one."""

    async def drive(hub: MeteredHub) -> None:
        client = hub.outside if outside else hub.client
        instance_id = await client.start_new(name, None, given)
        assert await hub.finish(instance_id) == expected

    return drive


def chaining(activity: str, steps: int) -> Drive:
    """A chain of so many steps."""
    return running("chain", [activity, steps], steps)


def fanning(activity: str, width: int) -> Drive:
    """So many activities at once."""
    return running("fan", [activity, width], width)


def napping(times: int, seconds: float) -> Drive:
    """Timers one after the other."""

    async def drive(hub: MeteredHub) -> None:
        hub.sweeping = True
        await running("naps", [times, seconds], None)(hub)

    return drive


def raising(events: int) -> Drive:
    """One orchestration that gets so many events from its worker's process, one at a time."""

    async def drive(hub: MeteredHub) -> None:
        instance_id = await hub.client.start_new("waits", None, events)
        await hub.rest()
        for _ in range(events):
            await hub.client.raise_event(instance_id, "go")
            await hub.rest()
        assert await hub.finish(instance_id) == events

    return drive


def calling(calls: int) -> Drive:
    """One orchestration that calls an entity so often."""
    return running("calls", calls, calls)


def signaling(signals: int) -> Drive:
    """Signals to an entity from its worker's process, one at a time."""

    async def drive(hub: MeteredHub) -> None:
        for _ in range(signals):
            await hub.client.signal_entity(COUNTER, "add")
            await hub.rest()

    return drive


def having_children(children: int) -> Drive:
    """Sub-orchestrations without steps, one after the other."""
    return running("parent", children, None)


async def looking(hub: MeteredHub) -> None:
    """One look at an instance's status."""
    assert await hub.outside.get_status("nobody") is None


async def waiting_for_an_hour(hub: MeteredHub) -> Metered:
    """What it takes that an instance waits while nobody sweeps."""
    await hub.client.start_new("waits", None, 1)
    await hub.rest()
    before = hub.read()
    await hub.run(3600)
    return hub.read() - before


async def sweeping(hub: MeteredHub) -> Usage:
    """One sweep of a hub where nothing is to be done, by the worker whose turn it is."""
    runtime = hub.runtimes[0]
    lease = SweepLease(runtime.hub, runtime.taking)
    assert await lease.acquire()
    await runtime.sweep()
    before = hub.read()
    assert await lease.acquire()
    await runtime.sweep()
    return (hub.read() - before).upkeep
