"""Every message comes three times and out of order, and nobody could tell from the outcomes."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

import durable as df
from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.model.entities import EntityId
from durable.runtime.options import RuntimeOptions
from tests.chaos.thrice import thrice
from tests.memory_hub import MemoryHub

SEEDS = range(25)
EACH = 3
KINDS = ("chain", "fan", "family", "turns", "answered", "transfer")
SETTLING = 120.0

Outcomes = dict[str, Any]


def register(hub: MemoryHub, keys: dict[str, set[str]]) -> None:
    """Programs whose outcomes do not depend on who comes first. `keys` gets the idempotency keys
    of the effects of each instance."""

    async def effect(value: int) -> int:
        context = df.activity_context()
        keys.setdefault(context.instance_id, set()).add(context.idempotency_key)
        await hub.clock.sleep(value % 3)
        return value + 1

    @hub.activity
    async def step(value: int) -> int:
        return await effect(value)

    @hub.queued_activity
    async def hop(value: int) -> int:
        return await effect(value)

    @hub.orchestrator
    async def chain(context: Context) -> Any:
        value = context.get_input(int)
        for _ in range(2):
            value = await context.call_activity(step, value)
            value = await context.call_activity(hop, value)
            await context.create_timer(timedelta(seconds=7))
        return value

    @hub.orchestrator
    async def fan(context: Context) -> Any:
        first = context.get_input(int)
        calls = [context.call_activity(hop, first + number) for number in range(8)]
        return await context.when_all(calls)

    @hub.orchestrator
    async def family(context: Context) -> Any:
        calls = [context.call_sub_orchestrator(chain, number) for number in range(2)]
        return await context.when_all(calls)

    @hub.orchestrator
    async def turns(context: Context) -> Any:
        left, total = context.get_input()
        if not left:
            return total
        total = await context.call_activity(hop, total)
        context.signal_entity(EntityId("purse", "turns"), "add", 1)
        context.continue_as_new([left - 1, total])
        return None

    @hub.orchestrator
    async def answered(context: Context) -> Any:
        answers = [await context.wait_for_external_event("answer", int) for _ in range(3)]
        return [sum(answers), await context.call_activity(step, 1)]

    @hub.orchestrator
    async def transfer(context: Context) -> Any:
        ends = [EntityId("purse", "a"), EntityId("purse", "b")]
        async with context.lock_entities(ends):
            await context.call_entity(ends[0], "add", -context.get_input(int))
            await context.call_activity(hop, 1)
            await context.call_entity(ends[1], "add", context.get_input(int))
        return "moved"

    @hub.entity
    async def purse(context: EntityContext) -> None:
        context.set_state(context.get_state(int, 0) + context.get_input(int))


async def live(seed: int | None) -> Outcomes:
    """Outputs, how many effects each instance had, and states of entities; without a seed each
    message comes once and in order."""
    hub = MemoryHub(RuntimeOptions(max_activities=4, max_orchestrations=4), workers=3)
    keys: dict[str, set[str]] = {}
    register(hub, keys)
    if seed is not None:
        hub.use(thrice(hub.storage, seed))
        hub.queues = hub.storage.queues
    ids = [f"{kind}-{number}" for kind in KINDS for number in range(EACH)]
    async with hub:
        for instance_id in ids:
            kind, _, number = instance_id.partition("-")
            given: Any = [3, 0] if kind == "turns" else int(number)
            await hub.outside.start_new(kind, instance_id, given)
            for answer in range(3 if kind == "answered" else 0):
                await hub.outside.raise_event(instance_id, "answer", answer)
        outcomes = {i: (await hub.wait(i, timedelta(hours=1))).output for i in ids}
        await hub.run(SETTLING)
        await hub.until(lambda: _is_quiet(hub))
        heads = [await hub.hub.instances.head(instance_id) for instance_id in ids]
        assert not any(head.holdings for head in heads if head is not None)
        assert await hub.keys(hub.hub.names.index) == []
        async for entity in hub.outside.list_entities():
            assert entity.locked_by is None, entity
            outcomes[str(entity.entity_id)] = entity.state
        if seed is not None:
            assert hub.queues.sent > len(ids)
    effects = Counter({name.partition(":")[0]: len(each) for name, each in keys.items()})
    return {"outcomes": outcomes, "effects": sorted(effects.values())}


async def _is_quiet(hub: MemoryHub) -> bool:
    return not await hub.messages()


@pytest.fixture(scope="module")
def clean() -> Outcomes:
    return asyncio.run(live(None))


async def test_the_clean_run_is_what_the_programs_say(clean: Outcomes) -> None:
    outcomes = clean["outcomes"]
    assert outcomes["chain-1"] == "5"
    assert outcomes["fan-0"] == "[1,2,3,4,5,6,7,8]"
    assert outcomes["family-2"] == "[4,5]"
    assert outcomes["turns-0"] == "3"
    assert outcomes["answered-0"] == "[3,2]"
    assert outcomes["@purse@a"] == "-3"
    assert outcomes["@purse@b"] == "3"
    assert outcomes["@purse@turns"] == "9"


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_message_three_times_and_shuffled_changes_nothing(
    seed: int, clean: Outcomes
) -> None:
    assert await live(seed) == clean
