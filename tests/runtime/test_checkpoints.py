"""Grouped checkpoints: several steps are stored together, and a crash repeats what was not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import AmbiguousAnswer
from durable.model.events import EventRaised, TaskCompleted, TaskScheduled
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.runtime.activities import activity_context
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import (
    DiesAt,
    adder,
    chain,
    head_of,
    is_commit,
    nothing_left,
    status_of,
)

STEPS = 10


async def turns(hub: MemoryHub, instance_id: str) -> int:
    return (await head_of(hub, instance_id)).sequence


@pytest.mark.parametrize(("steps", "commits"), [(1, 11), (2, 6), (5, 3), (11, 1), (100, 1)])
async def test_so_many_steps_are_one_commit(steps: int, commits: int) -> None:
    hub = MemoryHub(RuntimeOptions(checkpoint_steps=steps))
    ran = chain(hub, STEPS)
    async with hub:
        await hub.client.start_new("job", "c")
        assert (await hub.wait("c")).output == str(STEPS)
        assert ran == list(range(STEPS))
        assert await turns(hub, "c") == commits
        events = [event for _, event in await hub.outside.get_history("c")]
        # history says what happened, as without
        assert sum(isinstance(event, TaskScheduled) for event in events) == STEPS
        assert sum(isinstance(event, TaskCompleted) for event in events) == STEPS
        await nothing_left(hub)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("commit", [1, 2, 3])
async def test_a_crash_repeats_the_steps_of_one_group(commit: int, when: str) -> None:
    hub = MemoryHub(RuntimeOptions(checkpoint_steps=5))
    hub.sweeping = False
    ran = chain(hub, STEPS)
    async with hub:
        hub.tamper(hub.runtimes[0], **{when: DiesAt(hub, commit)})
        await hub.client.start_new("job", "c")
        assert (await hub.wait("c")).output == str(STEPS)
        # the group that was not stored, and the step that ran on after it, at most
        before = ran[: len(ran) - STEPS]
        assert sorted(set(ran)) == list(range(STEPS))
        assert len(ran) <= STEPS + 5
        assert len(before) <= 5
        if when == "before":
            assert len(ran) > STEPS
        await nothing_left(hub)


async def test_a_step_that_is_repeated_has_the_same_idempotency_key() -> None:
    hub = MemoryHub(RuntimeOptions(checkpoint_steps=5))
    hub.sweeping = False
    keys: list[tuple[int, str]] = []

    @hub.activity
    async def pay(value: int) -> int:
        keys.append((value, activity_context().idempotency_key))
        if keys.count(keys[-1]) == 1 and value == 2:
            hub.crash()
        return value

    @hub.orchestrator
    async def shop(context: Context) -> Any:
        return [await context.call_activity("pay", number) for number in range(4)]

    async with hub:
        await hub.client.start_new("shop", "s")
        assert (await hub.wait("s")).output == "[0,1,2,3]"
        # what is in memory goes on until it touches storage
        assert [value for value, _ in keys] == [0, 1, 2, 3, 0, 1, 2, 3]
        assert len(set(keys)) == 4


@pytest.mark.parametrize("seconds", [1, 60])
async def test_a_slow_activity_is_stored_while_it_runs_and_runs_once(seconds: int) -> None:
    hub = MemoryHub(RuntimeOptions(checkpoint_steps=5))
    runs: list[str] = []

    @hub.activity
    async def quick(value: int) -> int:
        runs.append("quick")
        return value

    @hub.activity
    async def slow(value: int) -> int:
        runs.append("slow")
        await hub.clock.sleep(seconds)
        return value

    @hub.orchestrator
    async def mixed(context: Context) -> Any:
        values = [await context.call_activity("quick", 1), await context.call_activity("slow", 2)]
        return [*values, await context.call_activity("quick", 3)]

    async with hub:
        await hub.client.start_new("mixed", "m")
        await hub.until(lambda: "slow" in runs)
        await hub.run(0.5)
        # what came before it, and that it was called
        assert await turns(hub, "m") == 1
        head = await head_of(hub, "m")
        assert [holding.run for holding in head.holdings] == [(1,)]
        assert (await hub.wait("m")).output == "[1,2,3]"
        assert runs == ["quick", "slow", "quick"]
        await nothing_left(hub)


@pytest.mark.parametrize("applied", [False, True])
async def test_a_commit_without_an_answer(applied: bool) -> None:
    """One that was not stored takes what ran ahead of it along, and the steps run again."""
    hub = MemoryHub(RuntimeOptions(checkpoint_steps=5))
    cancelled: list[int] = []
    begun: list[int] = []

    @hub.activity
    async def slow(value: int) -> int:
        begun.append(value)
        try:
            await hub.clock.sleep(1)
        except asyncio.CancelledError:
            cancelled.append(value)
            raise
        return value

    @hub.orchestrator
    async def two(context: Context) -> Any:
        return [await context.call_activity("slow", number) for number in range(2)]

    lost: list[int] = []

    async def loses(name: str, args: tuple[Any, ...]) -> None:
        if is_commit(name, args) and not lost:
            lost.append(1)
            raise AmbiguousAnswer("lost")

    async with hub:
        hub.tamper(hub.runtimes[0], **{"after" if applied else "before": loses})
        await hub.client.start_new("two", "t")
        assert (await hub.wait("t")).output == "[0,1]"
        assert begun == ([0, 1] if applied else [0, 0, 1])
        assert cancelled == ([] if applied else [0])
        for runtime in hub.runtimes:
            assert runtime.activities.used == 0
        await nothing_left(hub)


async def test_an_event_is_taken_in_during_a_group() -> None:
    hub = MemoryHub(RuntimeOptions(checkpoint_steps=100))
    ran: list[int] = []

    @hub.activity
    async def step(value: int) -> int:
        ran.append(value)
        if value == 3:
            await hub.client.raise_event("w", "go", "on")
        return value

    @hub.orchestrator
    async def works(context: Context) -> Any:
        go = context.wait_for_external_event("go")
        for number in range(10):
            first = await context.when_any([context.call_activity("step", number), go])
            if first is go:
                return [number, go.result]
        return "none"

    async with hub:
        await hub.client.start_new("works", "w")
        number, said = json.loads((await hub.wait("w")).output or "")
        assert said == "on"
        # the group ended where the event came
        assert number <= 5
        assert ran == list(range(len(ran)))
        assert len(ran) <= 6
        history = [event for _, event in await hub.outside.get_history("w")]
        assert sum(isinstance(event, EventRaised) for event in history) == 1
        await nothing_left(hub)


async def test_terminated_during_a_group() -> None:
    hub = MemoryHub(RuntimeOptions(checkpoint_steps=100))
    ran: list[int] = []

    @hub.activity
    async def step(value: int) -> int:
        ran.append(value)
        if value == 3:
            await hub.client.terminate("w", "enough")
        return value

    @hub.orchestrator
    async def works(context: Context) -> Any:
        for number in range(50):
            await context.call_activity("step", number)

    async with hub:
        await hub.client.start_new("works", "w")
        status = await hub.wait("w")
        assert (status.runtime_status, status.output) == (Status.TERMINATED, '"enough"')
        await hub.run(60)
        assert ran == list(range(len(ran)))
        assert len(ran) <= 6
        await nothing_left(hub)


@pytest.mark.parametrize("wide", [5, 50])
@pytest.mark.parametrize("queued", [False, True])
async def test_fan_outs_in_a_group(wide: int, queued: bool) -> None:
    """As many as there is room for run ahead; a queued activity ends the group."""
    hub = MemoryHub(RuntimeOptions(checkpoint_steps=5, max_activities=20))
    ran = adder(hub)

    @hub.orchestrator
    async def fans(context: Context) -> Any:
        total = 0
        name = "add_queued" if queued else "add"
        for _ in range(3):
            total += sum(
                await context.when_all([context.call_activity(name, n) for n in range(wide)])
            )
        return total

    async with hub:
        await hub.client.start_new("fans", "f")
        assert (await hub.wait("f")).output == str(3 * sum(range(1, wide + 1)))
        assert sorted(ran) == sorted([*range(wide)] * 3)
        if wide <= 20 and not queued:
            assert await turns(hub, "f") == 1
        for runtime in hub.runtimes:
            assert (runtime.activities.used, runtime.turns.used) == (0, 0)
        await nothing_left(hub)


async def test_what_is_more_than_a_step_waits_for_its_commit() -> None:
    """Timers, events to others and sub-orchestrations leave only with their commit."""
    hub = MemoryHub(RuntimeOptions(checkpoint_steps=5))
    ran = chain(hub, STEPS)

    @hub.orchestrator
    async def parent(context: Context) -> Any:
        value = await context.call_activity("add", 100)
        child = context.call_sub_orchestrator("job")
        return [value, await child, await context.call_activity("add", 200)]

    commits: list[int] = []

    async def counts(name: str, args: tuple[Any, ...]) -> None:
        if is_commit(name, args):
            commits.append(len(ran))

    async with hub:
        hub.tamper(hub.runtimes[0], after=counts)
        await hub.client.start_new("parent", "p")
        assert (await hub.wait("p")).output == "[101,10,201]"
        # the child began once its parent's first steps were stored
        assert commits[0] == 1
        assert (await status_of(hub, "p")).runtime_status == Status.COMPLETED
        await nothing_left(hub)
