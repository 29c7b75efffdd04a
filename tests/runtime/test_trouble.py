"""Instances that cannot go on say so, and go on once they can."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.model.failure import PROCESS_DIED
from durable.model.functions import ActivityDefinition, OrchestratorDefinition, Registry
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.runtime.guards import Guard
from durable.runtime.hold import Hold
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import adder, another_app, head_of, nothing_left, status_of


def registry_of(*functions: Any) -> Registry:
    registry = Registry()
    for function in functions:
        registry.add(OrchestratorDefinition(function.__name__, function))
    return registry


async def is_stuck(hub: MemoryHub, instance_id: str) -> bool:
    return (await status_of(hub, instance_id)).runtime_status == Status.STUCK


# ---- code that does not fit ----


async def test_code_that_does_not_fit_is_stuck_until_it_fits_again() -> None:
    hub = MemoryHub()
    adder(hub)

    @hub.orchestrator
    async def job(context: Context) -> Any:
        value = await context.call_activity("add", 1)
        return value + await context.wait_for_external_event("go")

    right = job

    async def changed(context: Context) -> Any:
        await context.call_activity("another")

    async with hub:
        await hub.client.start_new("job", "j")
        await hub.idle()
        hub.registry.orchestrators["job"] = OrchestratorDefinition("job", changed)
        await hub.kill(hub.runtimes[0])
        await hub.add_runtime()
        await hub.outside.raise_event("j", "go", 5)
        await hub.until(lambda: is_stuck(hub, "j"))
        status = await status_of(hub, "j")
        assert status.failure is not None
        assert status.failure.error_type == "durable.errors.NonDeterminismError"
        assert "history has activity 'add' (task 0), the code has activity 'another'" in str(
            status.failure
        )
        assert f"{__file__}:{changed.__code__.co_firstlineno + 1}" in str(status.failure)
        listed = [s async for s in hub.outside.list_instances(runtime_status=[Status.STUCK])]
        assert [s.instance_id for s in listed] == ["j"]
        await hub.run(120)
        assert await is_stuck(hub, "j")
        hub.registry.orchestrators["job"] = OrchestratorDefinition("job", right)
        # nobody rings: the audit tries it again
        assert (await hub.wait("j")).output == "7"
        assert (await status_of(hub, "j")).failure is None
        await nothing_left(hub)


async def test_a_stuck_instance_can_be_terminated() -> None:
    hub = MemoryHub(RuntimeOptions(max_attempts=2))

    @hub.orchestrator
    async def deadly(context: Context) -> Any:
        hub.crash()

    async with hub:
        await hub.client.start_new("deadly", "d")
        await hub.until(lambda: is_stuck(hub, "d"))
        hub.registry.orchestrators["deadly"] = OrchestratorDefinition("deadly", lambda context: 1)
        await hub.outside.terminate("d", "no hope")
        await hub.outside.resume("d")
        assert (await hub.wait("d")).runtime_status.is_terminal


# ---- code that ends its process ----


async def test_deaths_between_which_it_gets_on_bar_nothing() -> None:
    hub = MemoryHub(RuntimeOptions(max_attempts=3))
    begun: Counter[int] = Counter()

    @hub.activity
    async def fragile(value: int) -> int:
        begun[value] += 1
        if begun[value] < 3:
            hub.crash()
        return value + 1

    @hub.orchestrator
    async def job(context: Context) -> Any:
        value = 0
        for _ in range(8):
            value = await context.call_activity("fragile", value)
        return value

    async with hub:
        hub.sweeping = False
        await hub.client.start_new("job", "j")
        assert (await hub.wait("j")).output == "8"
        assert set(begun.values()) == {3}
        assert (await head_of(hub, "j")).deaths == 0


async def test_code_that_ends_its_process_is_barred_until_someone_resumes_it() -> None:
    hub = MemoryHub(RuntimeOptions(max_attempts=3))
    deaths: list[int] = []
    mended: list[int] = []

    @hub.orchestrator
    async def deadly(context: Context) -> Any:
        if not mended:
            deaths.append(1)
            hub.crash()
        return "survived"

    @hub.orchestrator
    async def innocent(context: Context) -> Any:
        return await context.wait_for_external_event("go")

    async with hub:
        await hub.client.start_new("innocent", "i")
        hub.sweeping = False
        await hub.client.start_new("deadly", "d")
        await hub.until(lambda: is_stuck(hub, "d"))
        assert len(deaths) == 3
        hub.sweeping = True
        failure = (await status_of(hub, "d")).failure
        assert failure is not None
        assert failure.error_type == PROCESS_DIED
        assert "3 processes in a row died" in failure.message
        # not by an audit, nor by an event
        await hub.outside.raise_event("d", "anything")
        await hub.run(900)
        assert len(deaths) == 3
        mended.append(1)
        await hub.run(300)
        assert await is_stuck(hub, "d")
        await hub.outside.resume("d")
        assert (await hub.wait("d")).output == '"survived"'
        await hub.outside.raise_event("i", "go", 1)
        assert (await hub.wait("i")).output == "1"
        await nothing_left(hub)


@pytest.mark.parametrize("queued", [True, False])
async def test_an_activity_that_ends_its_process_is_shown_and_can_be_retried(queued: bool) -> None:
    hub = MemoryHub(RuntimeOptions(max_attempts=3))
    begun: list[int] = []
    mended: list[int] = []

    async def fatal(value: int) -> int:
        begun.append(value)
        if not mended:
            hub.crash()
        return value * 2

    hub.registry.add(ActivityDefinition("fatal", fatal, "value", queued=queued))

    @hub.orchestrator
    async def job(context: Context) -> Any:
        return await context.call_activity("fatal", 4)

    async with hub:
        await hub.client.start_new("job", "j")
        await hub.until(lambda: is_stuck(hub, "j"))
        assert 3 <= len(begun) <= 6
        failure = (await status_of(hub, "j")).failure
        assert failure is not None
        assert failure.error_type == PROCESS_DIED
        before = len(begun)
        await hub.run(600)
        assert len(begun) == before
        mended.append(1)
        for letter in await hub.hub.dead_letters():
            assert "'fatal' was begun 3 times and never ended" in letter.reason
            await hub.hub.retry_dead_letter(letter)
        if not queued:
            await hub.outside.resume("j")
        assert (await hub.wait("j")).output == "8"
        assert await hub.hub.dead_letters() == []
        await nothing_left(hub)


# ---- workers that lack something ----


async def test_a_worker_without_the_orchestrator_leaves_it_to_one_that_has_it() -> None:
    hub = MemoryHub(workers=0)
    hub.sweeping = False

    @hub.orchestrator
    async def rare(context: Context) -> Any:
        return "served"

    async with hub:
        lacking = await hub.add_runtime(another_app())
        await hub.outside.start_new("rare", "r")
        received: list[float] = []
        handle = lacking.messages.handle_control

        async def noting(*args: Any) -> None:
            received.append(hub.clock.monotonic())
            await handle(*args)

        lacking.messages.handle_control = noting  # type: ignore[method-assign, assignment]
        await hub.run(600)
        gaps = [round(after - before, 1) for before, after in pairwise(received)]
        # each time it is passed on at once, and left alone for a moment, before the delay doubles
        assert gaps[:16] == [1, 2, 1, 2, 2, 2, 4, 2, 8, 2, 16, 2, 32, 2, 64, 2]
        assert set(gaps[16:]) == {120, 2}
        assert (await status_of(hub, "r")).runtime_status == Status.PENDING
        assert await hub.messages() <= 2
        await hub.add_runtime()
        await hub.stop(lacking)
        assert (await hub.wait("r")).output == '"served"'
        await nothing_left(hub)


async def test_a_worker_without_the_activity_leaves_it_to_one_that_has_it() -> None:
    hub = MemoryHub(workers=0)
    ran = adder(hub)

    @hub.orchestrator
    async def job(context: Context) -> Any:
        return await context.call_activity("add_queued", 1)

    async with hub:
        orchestrators = Registry()
        orchestrators.orchestrators = hub.registry.orchestrators
        # two activities may share a queue by choice; this worker has only the other one
        other = await hub.add_runtime(orchestrators)
        await hub.outside.start_new("job", "j")
        await hub.run(5)
        queue = hub.hub.names.work_queue("add_queued")
        for message in await hub.queues.receive(queue, limit=32, lease=20):
            await other.messages.handle_work(queue, message, hub.clock.monotonic())
        assert ran == []
        assert await hub.queues.length(queue) == 1
        await hub.add_runtime()
        assert (await hub.wait("j")).output == "2"
        await nothing_left(hub)


async def test_what_a_lacking_worker_takes_over_is_inherited() -> None:
    hub = MemoryHub(workers=0)
    hub.sweeping = False
    ran: list[int] = []

    @hub.activity
    async def slow(value: int) -> int:
        await hub.clock.sleep(5)
        ran.append(value)
        return value

    @hub.orchestrator
    async def job(context: Context) -> Any:
        return await context.call_activity(slow, 3)

    async with hub:
        first = await hub.add_runtime()
        await hub.outside.start_new("job", "j")
        await hub.run(1)
        # the activity was committed to run in the first process, which dies
        await hub.kill(first)
        lacking = await hub.add_runtime(another_app())
        await hub.run(60)
        assert ran == []
        await hub.stop(lacking)
        await hub.add_runtime()
        assert (await hub.wait("j")).output == "3"
        await nothing_left(hub)


async def test_the_messages_that_one_process_leaves_count_one_death() -> None:
    hub = MemoryHub()

    @hub.orchestrator
    async def waits(context: Context) -> Any:
        return await context.wait_for_external_event("go")

    async with hub:
        await hub.client.start_new("waits", "w")
        await hub.idle()
        queue = hub.hub.names.control_queue("w")

        async def taken_over(message: str) -> Hold:
            receipt = await hub.storage.queues.send(queue, b"{}", delay=20)
            now = hub.clock.monotonic()
            guard = Guard(hub.clock, queue, receipt, now, follows=((message, 1),))
            hold = Hold(hub.runtimes[0], "w", guard, None, died=True)
            await hold.fence()
            return hold

        first = await taken_over("a")
        for other in "bcd":
            await taken_over(other)
        head = await head_of(hub, "w")
        assert head.deaths == 1
        assert head.losses_of({first.guard.key[0]}) == 1
        assert head.losses_of({"b", "c", "d"}) == 0
        # whoever counted it has died too
        await hub.run(20)
        await taken_over(first.guard.key[0])
        assert (await head_of(hub, "w")).deaths == 2
        await hub.client.raise_event("w", "go", 1)
        await hub.wait("w")
        assert (await head_of(hub, "w")).deaths == 0
