from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.errors import (
    ActivityFailedError,
    InstanceFinishedError,
    InstanceNotFoundError,
    InvalidRequestError,
)
from durable.hub.rows import PURGING
from durable.model.entities import EntityId
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.retry import RetryPolicy
from durable.runtime.activities import activity_context
from tests.memory_hub import MemoryHub


class Bench:
    """Activities that fail until they are mended, and what ran under which idempotency key."""

    def __init__(self, hub: MemoryHub) -> None:
        self.broken: set[str] = set()
        self.ran: list[str] = []
        self.keys: dict[str, set[str]] = {}

        @hub.activity
        def step(value: str) -> str:
            self.ran.append(value)
            self.keys.setdefault(value, set()).add(activity_context().idempotency_key)
            if value in self.broken:
                raise ValueError(f"{value} is broken")
            return value.upper()

    def mend(self) -> None:
        self.broken.clear()
        self.ran.clear()


async def fail_and_rewind(hub: MemoryHub, bench: Bench, name: str) -> str | None:
    await hub.client.start_new(name, "p")
    assert (await hub.wait("p")).runtime_status == Status.FAILED
    await hub.run(5)
    bench.mend()
    await hub.client.rewind("p", "it is mended")
    status = await hub.wait("p")
    assert status.runtime_status == Status.COMPLETED, status
    assert status.failure is None
    return status.output


async def test_only_the_failed_step_of_a_chain_runs_again_under_its_key() -> None:
    hub = MemoryHub()
    bench = Bench(hub)
    bench.broken = {"b"}

    @hub.orchestrator
    async def chain(context: Context) -> Any:
        return [await context.call_activity("step", each) for each in "abc"]

    async with hub:
        assert await fail_and_rewind(hub, bench, "chain") == '["A","B","C"]'
        assert bench.ran == ["b", "c"]
        assert len(bench.keys["b"]) == 1


@pytest.mark.parametrize("fail_fast", [True, False])
async def test_of_a_fan_out_only_what_failed_runs_again(fail_fast: bool) -> None:
    hub = MemoryHub()
    bench = Bench(hub)
    bench.broken = {"b", "d"}

    @hub.orchestrator
    async def fan(context: Context) -> Any:
        tasks = [context.call_activity("step", each) for each in "abcde"]
        return await (context.task_all(tasks) if fail_fast else context.when_all(tasks))

    async with hub:
        assert await fail_and_rewind(hub, bench, "fan") == '["A","B","C","D","E"]'
        assert {"b", "d"} <= set(bench.ran)
        if not fail_fast:
            assert sorted(bench.ran) == ["b", "d"]
        assert all(len(keys) == 1 for keys in bench.keys.values())


async def test_a_retry_goes_on_and_what_it_saved_before_stays() -> None:
    hub = MemoryHub()
    bench = Bench(hub)
    bench.broken = {"b", "c"}
    policy = RetryPolicy(first_retry_interval=timedelta(seconds=5), max_number_of_attempts=3)

    @hub.orchestrator
    async def fan(context: Context) -> Any:
        tasks = [context.call_activity("step", each, retry=policy) for each in "abcd"]
        return await context.when_all(tasks)

    async with hub:
        await hub.client.start_new("fan", "p")
        await hub.run(3)
        bench.broken = {"b"}
        assert (await hub.wait("p")).runtime_status == Status.FAILED
        assert bench.ran.count("c") == 2
        bench.mend()
        await hub.client.rewind("p")
        assert (await hub.wait("p")).output == '["A","B","C","D"]'
        assert bench.ran == ["b"]


async def test_compensation_does_not_count_and_its_numbers_are_not_used_again() -> None:
    hub = MemoryHub()
    bench = Bench(hub)
    bench.broken = {"reserve"}

    @hub.orchestrator
    async def order(context: Context) -> Any:
        done = [await context.call_activity("step", "charge")]
        try:
            done.append(await context.call_activity("step", "reserve"))
        except ActivityFailedError:
            await context.call_activity("step", "refund")
            raise
        done.append(await context.call_activity("step", "ship"))
        return done

    async with hub:
        assert await fail_and_rewind(hub, bench, "order") == '["CHARGE","RESERVE","SHIP"]'
        assert bench.ran == ["reserve", "ship"]
        assert not bench.keys["ship"] & bench.keys["refund"]


async def test_a_failure_that_was_handled_stays_handled() -> None:
    hub = MemoryHub()
    bench = Bench(hub)
    bench.broken = {"first", "last"}

    @hub.orchestrator
    async def program(context: Context) -> Any:
        try:
            one = await context.call_activity("step", "first")
        except ActivityFailedError:
            one = await context.call_activity("step", "instead")
        return [one, await context.call_activity("step", "last")]

    async with hub:
        assert await fail_and_rewind(hub, bench, "program") == '["INSTEAD","LAST"]'
        assert bench.ran == ["last"]


async def test_it_reaches_through_sub_orchestrations() -> None:
    hub = MemoryHub()
    bench = Bench(hub)
    bench.broken = {"y"}

    @hub.orchestrator
    async def inner(context: Context) -> Any:
        return [await context.call_activity("step", each) for each in context.get_input()]

    @hub.orchestrator
    async def middle(context: Context) -> Any:
        return await context.call_sub_orchestrator(inner, context.get_input())

    @hub.orchestrator
    async def outer(context: Context) -> Any:
        return await context.when_all(
            [context.call_sub_orchestrator(middle, part) for part in ("ab", "xyz", "c")]
        )

    async with hub:
        output = await fail_and_rewind(hub, bench, "outer")
        assert output == '[["A","B"],["X","Y","Z"],["C"]]'
        assert bench.ran == ["y", "z"]
        statuses = {s.runtime_status async for s in hub.client.list_instances()}
        assert statuses == {Status.COMPLETED}


async def test_an_error_of_the_code_itself_is_rewound_after_a_fix() -> None:
    hub = MemoryHub()
    bench = Bench(hub)
    fixed = False

    @hub.orchestrator
    async def program(context: Context) -> Any:
        first = await context.call_activity("step", "a")
        if not fixed:
            raise KeyError("a bug")
        return [first, await context.call_activity("step", "b")]

    async with hub:
        await hub.client.start_new("program", "p")
        assert (await hub.wait("p")).runtime_status == Status.FAILED
        await hub.run(5)
        await hub.client.rewind("p")
        assert (await hub.wait("p")).runtime_status == Status.FAILED
        await hub.run(5)
        fixed = True
        await hub.client.rewind("p")
        assert (await hub.wait("p")).output == '["A","B"]'
        assert bench.ran == ["a", "b"]


async def test_it_can_be_rewound_again_and_again_each_time_a_little_further() -> None:
    hub = MemoryHub()
    bench = Bench(hub)
    bench.broken = {"a", "b", "c"}

    @hub.orchestrator
    async def program(context: Context) -> Any:
        got = []
        for each in "abc":
            try:
                got.append(await context.call_activity("step", each))
            except ActivityFailedError:
                await context.call_activity("step", f"clean-{each}")
                raise
        return got

    async with hub:
        await hub.client.start_new("program", "p")
        for each in "abc":
            assert (await hub.wait("p")).runtime_status == Status.FAILED
            await hub.run(5)
            # a cold process each time
            await hub.kill(hub.runtimes[0])
            await hub.add_runtime()
            hub.client._ringer = hub.runtimes[0].ringer
            bench.broken.discard(each)
            bench.ran.clear()
            await hub.client.rewind("p", each)
        assert (await hub.wait("p")).output == '["A","B","C"]'
        assert bench.ran == ["c"]


async def test_timers_events_and_entities_that_were_open_are_open_again() -> None:
    hub = MemoryHub()
    bench = Bench(hub)
    bench.broken = {"b"}
    counter = EntityId("counter", "x")

    @hub.entity
    def counter_(context: EntityContext) -> Any:
        return context.entity_key

    hub.registry.entities["counter"] = hub.registry.entities.pop("counter_")

    @hub.orchestrator
    async def program(context: Context) -> Any:
        timer = context.create_timer(timedelta(days=2))
        event = context.wait_for_external_event("go")
        bad = context.call_activity("step", "b")
        call = context.call_entity(counter, "get")
        await bad
        await timer
        return [await event, await call]

    async with hub:
        await hub.client.start_new("program", "p")
        assert (await hub.wait("p")).runtime_status == Status.FAILED
        await hub.run(60)
        bench.mend()
        await hub.client.rewind("p")
        await hub.run(10)
        await hub.client.raise_event("p", "go", 7)
        started = hub.clock.now()
        assert (await hub.wait("p")).output == '[7,"x"]'
        assert hub.clock.now() - started > timedelta(days=1)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.3])
async def test_a_kill_in_the_middle_of_a_rewind_is_made_good(seconds: float) -> None:
    hub = MemoryHub()
    bench = Bench(hub)
    bench.broken = {"b"}

    @hub.orchestrator
    async def chain(context: Context) -> Any:
        return [await context.call_activity("step", each) for each in "abc"]

    async with hub:
        await hub.client.start_new("chain", "p")
        await hub.wait("p")
        await hub.run(5)
        bench.mend()
        await hub.client.rewind("p")
        await hub.run(seconds)
        await hub.kill(hub.runtimes[0])
        await hub.add_runtime()
        assert (await hub.wait("p", timedelta(seconds=60))).output == '["A","B","C"]'


async def test_who_rewinds_what_has_not_failed_is_told_so() -> None:
    hub = MemoryHub()

    @hub.orchestrator
    async def waits(context: Context) -> Any:
        await context.wait_for_external_event("go")

    async with hub:
        with pytest.raises(InstanceNotFoundError):
            await hub.client.rewind("p")
        await hub.client.start_new("waits", "p")
        await hub.run(1)
        with pytest.raises(InvalidRequestError, match="Running"):
            await hub.client.rewind("p")
        await hub.client.raise_event("p", "go")
        await hub.wait("p")
        with pytest.raises(InstanceFinishedError, match="Completed"):
            await hub.client.rewind("p")
        head = await hub.hub.instances.head("p")
        assert head is not None
        await hub.hub.instances.update(replace(head, status=PURGING))
        with pytest.raises(InstanceNotFoundError):
            await hub.client.rewind("p")
