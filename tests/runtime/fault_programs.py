"""What runs in the world with faults, and what has to come out."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.errors import TaskFailedError
from durable.model.entities import EntityId
from tests.memory_hub import MemoryHub

KINDS = ("main", "eternal", "large")
NEWER_KINDS = ("accounts", "rewound", "main")
"""Entities with locks, and failures that are rewound."""

SCHEDULED = ("accounts", "rewound")
"""Some of these begin later than they are started."""

INPUTS: dict[str, Callable[[random.Random, int], Any]] = {
    "main": lambda rnd, number: number,
    "eternal": lambda rnd, number: [2, []],
    "large": lambda rnd, number: "ab" * rnd.choice((10, 20_000, 400_000)),
    "accounts": lambda rnd, number: number,
    "rewound": lambda rnd, number: number,
}

EVENTS: dict[str, Callable[[int], Any]] = {
    "main": lambda number: number,
    "eternal": lambda number: number,
    "large": lambda number: "z" * 40_000,
    "accounts": lambda number: number,
    "rewound": lambda number: number,
}

SHARED = EntityId("ledger", "shared")


def register(hub: MemoryHub, rnd: random.Random, runs: dict[int, int]) -> None:
    """The programs: a chain with a fan-out, a child, a timer and events; generations fed by
    events; long payloads everywhere; and a child."""

    @hub.activity
    async def work(value: int) -> int:
        runs[value] = runs.get(value, 0) + 1
        await hub.clock.sleep(rnd.choice((0, 0, 0.1, 3, 25)))
        return value

    @hub.activity
    async def reverse(value: str) -> str:
        return value[::-1]

    @hub.orchestrator
    async def echo(context: Context) -> Any:
        return context.get_input(str)

    @hub.orchestrator
    async def child(context: Context) -> Any:
        return await context.call_activity(work, context.get_input(int))

    @hub.orchestrator
    async def large(context: Context) -> Any:
        text = context.get_input(str)
        reversed_ = await context.call_activity(reverse, text)
        event = await context.wait_for_external_event("e", str)
        context.set_custom_status(event)
        echoed = await context.call_sub_orchestrator(echo, reversed_)
        return [echoed == text[::-1], len(event)]

    @hub.orchestrator
    async def main(context: Context) -> Any:
        first = context.get_input(int) * 1000
        out = [await context.call_activity(work, first + step) for step in range(3)]
        out += await context.when_all(
            [context.call_activity(work, first + 10 + i) for i in range(4)]
        )
        out.append(await context.call_sub_orchestrator(child, first + 20))
        await context.create_timer(timedelta(seconds=30))
        out.append(await context.wait_for_external_event("e", int))
        out.append(await context.wait_for_external_event("e", int))
        return out

    @hub.orchestrator
    async def eternal(context: Context) -> Any:
        left, got = context.get_input()
        if left == 0:
            return got
        event = await context.wait_for_external_event("e", int)
        await context.call_activity(work, 5)
        context.continue_as_new([left - 1, [*got, event]])
        return None


def register_newer(hub: MemoryHub, rnd: random.Random, runs: dict[int, int]) -> None:
    """Programs on entities, each of whose operations leaves a mark of its own; and one whose
    activities fail the first time, so that it has to be rewound, and its child too."""

    @hub.entity
    async def ledger(context: EntityContext) -> Any:
        marks = context.get_state(dict, dict)
        mark = context.get_input(str)
        await hub.clock.sleep(rnd.choice((0, 0, 0, 0.2, 4)))
        context.set_state({**marks, mark: marks.get(mark, 0) + 1})
        if context.operation_name == "pass on":
            context.signal_entity(SHARED, "add", f"passed {mark}")
        return len(marks)

    @hub.activity
    async def flaky(value: int) -> int:
        runs[value] = runs.get(value, 0) + 1
        await hub.clock.sleep(rnd.choice((0, 0.1, 3)))
        if runs[value] == 1:
            raise ValueError("the first time")
        return value

    @hub.orchestrator
    async def accounts(context: Context) -> Any:
        own = EntityId("ledger", context.instance_id)
        marks = [context.new_uuid() for _ in range(6)]
        context.signal_entity(SHARED, "add", marks[0])
        context.signal_entity(own, "pass on", marks[1])
        await context.call_entity(own, "add", marks[2])
        async with context.lock_entities([SHARED, own]):
            await context.call_entity(SHARED, "add", marks[3])
            await context.create_timer(timedelta(seconds=rnd.choice((1, 1, 10))))
            await context.call_entity(own, "add", marks[4])
        later = context.current_utc_datetime + timedelta(seconds=20)
        context.signal_entity(SHARED, "add", marks[5], signal_time=later)
        return [*marks, f"passed {marks[1]}"]

    @hub.orchestrator
    async def part(context: Context) -> Any:
        return await context.call_activity(flaky, context.get_input(int))

    @hub.orchestrator
    async def rewound(context: Context) -> Any:
        first = 1_000_000 + context.get_input(int) * 1000
        one = await context.call_activity(flaky, first)
        try:
            two = await context.call_sub_orchestrator(part, first + 1)
        except TaskFailedError:
            await context.call_activity(work_of(hub), first + 9)
            raise
        rest = [context.call_activity(flaky, first + 2 + i) for i in range(3)]
        return [one, two, *await context.when_all(rest)]


def work_of(hub: MemoryHub) -> Callable[..., Any]:
    """The activity that never fails."""
    return hub.registry.activities["work"].function


def expected_output(name: str, number: int) -> Any:
    """With the two events of main and eternal sorted."""
    first = number * 1000
    return {
        "main": [first, first + 1, first + 2, *range(first + 10, first + 14), first + 20, 0, 1],
        "eternal": [0, 1],
        "large": [True, 40_000],
        "child": 7,
        "rewound": [1_000_000 + first + i for i in range(5)],
    }[name]
