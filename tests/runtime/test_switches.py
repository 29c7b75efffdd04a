"""What is faster can be switched off, and comes out the same."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.hub.messages import WorkItem
from durable.model.events import TaskCompleted, TaskScheduled
from durable.ports import Insert
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import adder, head_of, nothing_left, status_of


def programs(hub: MemoryHub) -> None:
    adder(hub)

    @hub.orchestrator
    async def child(context: Context) -> Any:
        return await context.call_activity("add_queued", context.get_input(int))

    @hub.orchestrator
    async def job(context: Context) -> Any:
        queued = [context.call_activity("add_queued", number) for number in range(8)]
        inline = [context.call_activity("add", number) for number in range(8)]
        values = await context.when_all([*queued, *inline])
        values.append(await context.call_sub_orchestrator(child, 10))
        values += [await context.wait_for_external_event("go") for _ in range(3)]
        return values


@pytest.mark.parametrize("queue", [False, True])
@pytest.mark.parametrize(
    ("direct", "grouped", "packed", "cache"),
    list(itertools.product((True, False), (True, False), (1, 50), (0, 1000))),
)
async def test_all_of_it_on_and_off(
    direct: bool, grouped: bool, packed: int, cache: int, queue: bool
) -> None:
    options = RuntimeOptions(
        always_queue=queue, direct=direct, grouped=grouped, packed=packed, cache=cache, spread=2
    )
    hub = MemoryHub(options, workers=2)
    programs(hub)
    async with hub:
        for instance_id in await hub.client.start_many("job", [None] * 3):
            for name in ("a", "b", "c"):
                await hub.client.raise_event(instance_id, "go", name)
            values = json.loads((await hub.wait(instance_id)).output or "")
            assert values == [*range(1, 9), *range(1, 9), 11, "a", "b", "c"]
        await nothing_left(hub)


async def test_without_direct_completion_results_go_through_the_inbox() -> None:
    rows: dict[bool, int] = {}
    for direct in (True, False):
        hub = MemoryHub(RuntimeOptions(direct=direct))
        adder(hub)
        stored: list[str] = []

        @hub.orchestrator
        async def two(context: Context) -> Any:
            return [await context.call_activity("add_queued", number) for number in range(2)]

        async def counts(name: str, args: tuple[Any, ...], stored: list[str] = stored) -> None:
            if name == "transact":
                stored += [op.key for op in args[2] if isinstance(op, Insert) and "|b|" in op.key]

        async with hub:
            hub.tamper(hub.runtimes[0], before=counts)
            await hub.client.start_new("two", "t")
            assert (await hub.wait("t")).output == "[1,2]"
        rows[direct] = len(stored)
    assert rows == {True: 0, False: 2}


@pytest.mark.parametrize(("grouped", "turns"), [(True, 2), (False, 7)])
async def test_without_grouping_each_arrival_has_a_turn(grouped: bool, turns: int) -> None:
    hub = MemoryHub(RuntimeOptions(grouped=grouped), workers=0)
    programs(hub)

    @hub.orchestrator
    async def listens(context: Context) -> Any:
        return [await context.wait_for_external_event("go") for _ in range(6)]

    async with hub:
        await hub.outside.start_new("listens", "l")
        runtime = await hub.add_runtime()
        await hub.run(10)
        assert (await head_of(hub, "l")).sequence == 1
        hub.pause(runtime, 5)
        for number in range(6):
            await hub.outside.raise_event("l", "go", number)
        assert (await hub.wait("l")).output == "[0,1,2,3,4,5]"
        assert (await head_of(hub, "l")).sequence == turns
        await nothing_left(hub)


async def test_without_grouping_what_came_together_is_taken_together() -> None:
    """Results in one row of the inbox, and timers that are due at once."""
    hub = MemoryHub(RuntimeOptions(0, always_queue=True, grouped=False))
    adder(hub)

    @hub.orchestrator
    async def wide(context: Context) -> Any:
        values = await context.when_all([context.call_activity("add_queued", n) for n in range(3)])
        await context.when_all([context.create_timer(timedelta(seconds=5)) for _ in range(3)])
        return values

    async with hub:
        [runtime] = hub.runtimes
        await hub.client.start_new("wide", "w")
        await hub.run(1)
        head = await head_of(hub, "w")
        [stored] = await hub.hub.instances.history(head)
        calls = [e for e in stored.turn.events if isinstance(e, TaskScheduled)]
        items = [WorkItem.of(call, head, stored.turn) for call in calls]
        done = [(item, TaskCompleted(item.task_id, str(item.task_id + 1))) for item in items]
        await runtime.hand_in(*done)
        assert (await hub.wait("w", timedelta(minutes=1))).output == "[1,2,3]"
        assert (await head_of(hub, "w")).sequence == 3


async def test_results_that_overlap_are_all_kept() -> None:
    """Processes that run copies of a batch may store different parts of it together."""
    hub = MemoryHub(RuntimeOptions(0, always_queue=True))
    adder(hub)

    @hub.orchestrator
    async def wide(context: Context) -> Any:
        return await context.when_all([context.call_activity("add_queued", n) for n in range(3)])

    async with hub:
        [runtime] = hub.runtimes
        await hub.client.start_new("wide", "w")
        await hub.run(1)
        head = await head_of(hub, "w")
        [stored] = await hub.hub.instances.history(head)
        calls = [e for e in stored.turn.events if isinstance(e, TaskScheduled)]
        items = [WorkItem.of(call, head, stored.turn) for call in calls]
        done = [(item, TaskCompleted(item.task_id, str(item.task_id + 1))) for item in items]
        await runtime.hand_in(done[0], done[1])
        await runtime.hand_in(done[0], done[2])
        assert (await hub.wait("w", timedelta(minutes=1))).output == "[1,2,3]"
        assert (await status_of(hub, "w")).failure is None
