"""What is counted as work: of orchestrations, activities, entities, events and timers."""

from __future__ import annotations

from datetime import timedelta

from durable import DurableOrchestrationContext
from durable.model.usage import Usage
from durable.runtime.options import RuntimeOptions
from tests.cost.hub import MeteredHub
from tests.cost.workloads import (
    calling,
    chaining,
    having_children,
    metered_hub,
    napping,
    raising,
    signaling,
    took,
    waiting_for_an_hour,
    work_of,
)

Context = DurableOrchestrationContext


async def test_the_turns_of_a_chain() -> None:
    work = await work_of(chaining("inline", 3))
    assert _done(work) == {"started": 1, "ended": 1, "turns": 4, "inline_activities": 3}


async def test_activities_that_went_through_a_queue() -> None:
    work = await work_of(chaining("queued", 3))
    assert _done(work) == {"started": 1, "ended": 1, "turns": 4, "queued_activities": 3}
    assert work.messages == work.receives == 3
    # all of them because a setting says so
    always = await work_of(chaining("inline", 3), RuntimeOptions(always_queue=True))
    assert _done(always) == _done(work)


async def test_sub_orchestrations_count_as_orchestrations() -> None:
    work = await work_of(having_children(2))
    assert (work.started, work.ended) == (3, 3)


async def test_events_and_timers() -> None:
    work = await work_of(raising(2))
    assert (work.events, work.timers, work.ended) == (2, 0, 1)
    work = await work_of(napping(2, 3600))
    assert (work.events, work.timers, work.ended) == (0, 2, 1)


async def test_what_a_new_generation_begins_with_counts_once() -> None:
    hub = MeteredHub()

    @hub.orchestrator
    async def again(context: Context) -> int:
        left: int = context.get_input()
        if left == 2:
            await context.create_timer(timedelta(seconds=60))
        await context.wait_for_external_event("go")
        if left:
            context.continue_as_new(left - 1)
        return left

    async with hub:
        await hub.client.start_new("again", "one", 2)
        for _ in range(3):
            await hub.client.raise_event("one", "go")
            await hub.rest()
        assert await hub.finish("one") == 0
        work = hub.read().work
    assert (work.events, work.timers, work.started, work.ended) == (3, 1, 1, 1)


async def test_entities() -> None:
    work = await work_of(calling(2))
    assert (work.entity_requests, work.started, work.ended) == (2, 1, 1)
    work = await work_of(signaling(2))
    assert _done(work) == {"entity_requests": 2, "turns": 2}


async def test_a_waiting_instance_takes_nothing() -> None:
    async with metered_hub() as hub:
        assert (await waiting_for_an_hour(hub)).work == Usage()


async def test_upkeep_is_apart() -> None:
    counted = await took(napping(1, 3600))
    assert counted.upkeep.queries > 0
    assert _done(counted.upkeep) == {}


async def test_a_receive_of_nothing_is_upkeep() -> None:
    async with metered_hub() as hub:
        queue = hub.hub.names.control_queue("one")
        assert not await hub.storage.queues.receive(queue, limit=1, lease=1.0)
        counted = hub.read()
    assert (counted.upkeep.empty_receives, counted.work.empty_receives) == (1, 0)


async def test_what_a_sweep_comes_upon_is_work() -> None:
    async with metered_hub() as hub:
        await hub.client.start_new("chain", "one", ["queued", 3])
        await hub.idle()
        # whoever receives the items is dead, and a sweep finds them lost
        for runtime in list(hub.runtimes):
            await hub.kill(runtime)
        await hub.add_runtime()
        hub.sweeping = True
        assert await hub.finish("one") == 3
        counted = hub.read()
    assert counted.work.queued_activities == 3
    assert _done(counted.upkeep) == {}


def _done(usage: Usage) -> dict[str, int]:
    names = ("started", "ended", "turns", "inline_activities", "queued_activities")
    others = ("entity_requests", "events", "timers")
    return {n: count for n, count in usage.to_dict().items() if n in {*names, *others}}
