"""What runs in the world with faults, and what has to come out."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from durable.engine.context import DurableOrchestrationContext as Context
from tests.memory_hub import MemoryHub

KINDS = ("main", "eternal", "large")

INPUTS: dict[str, Callable[[random.Random, int], Any]] = {
    "main": lambda rnd, number: number,
    "eternal": lambda rnd, number: [2, []],
    "large": lambda rnd, number: "ab" * rnd.choice((10, 20_000, 400_000)),
}

EVENTS: dict[str, Callable[[int], Any]] = {
    "main": lambda number: number,
    "eternal": lambda number: number,
    "large": lambda number: "z" * 40_000,
}


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


def expected_output(name: str, number: int) -> Any:
    """With the two events of main and eternal sorted."""
    first = number * 1000
    return {
        "main": [first, first + 1, first + 2, *range(first + 10, first + 14), first + 20, 0, 1],
        "eternal": [0, 1],
        "large": [True, 40_000],
        "child": 7,
    }[name]
