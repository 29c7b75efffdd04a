"""What limits cost in storage operations, beside those of a queued activity."""

from __future__ import annotations

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.model.functions import ActivityDefinition
from durable.model.limits import Limits, RateLimit
from durable.model.usage import Usage
from tests.cost.hub import MeteredHub

NO_LIMIT = RateLimit(1_000_000)


async def chained(limits: Limits | None, calls: int, key: str | None = None) -> Usage:
    """What a chain of calls took on one worker."""
    hub = MeteredHub()

    async def work(value: int) -> int:
        return value + 1

    hub.registry.add(ActivityDefinition("work", work, "value", True, limits=limits))

    @hub.orchestrator
    async def chain(context: Context) -> int:
        value = 0
        for _ in range(calls):
            value = await context.call_activity("work", value, key=key)
        return value

    async with hub:
        before = hub.read()
        await hub.client.start_new("chain", "one")
        assert await hub.finish("one") == calls
        return (hub.read() - before).work


async def mapped(limits: Limits | None, calls: int) -> Usage:
    """What calls that wait for each other took on one worker."""
    hub = MeteredHub()

    async def work(value: int) -> int:
        await hub.clock.sleep(0.5)
        return value

    hub.registry.add(ActivityDefinition("work", work, "value", True, limits=limits))

    @hub.orchestrator
    async def many(context: Context) -> int:
        return len(await context.map("work", range(calls)))

    async with hub:
        before = hub.read()
        await hub.client.start_new("many", "one")
        assert await hub.finish("one") == calls
        return (hub.read() - before).work


@pytest.mark.parametrize(
    ("limits", "key", "operations"),
    [
        (None, None, 4),
        (Limits(priority_enabled=True), None, 4),
        (Limits(key_concurrency=1), None, 4),
        (Limits(concurrency=3), None, 4),
        (Limits(key_concurrency=1), "a", 6),
        (Limits(concurrency=3, key_concurrency=1), "a", 6),
        (Limits(rate=NO_LIMIT), None, 6),
    ],
)
async def test_a_call_after_another(
    limits: Limits | None, key: str | None, operations: int
) -> None:
    few, more = await chained(limits, 10, key), await chained(limits, 20, key)
    assert (more - few).operations == 10 * operations


async def test_calls_that_wait_for_each_other_hand_their_permits_on() -> None:
    few, more = await mapped(Limits(concurrency=2), 10), await mapped(Limits(concurrency=2), 20)
    plain_few, plain_more = await mapped(None, 10), await mapped(None, 20)
    extra = (more - few).operations - (plain_more - plain_few).operations
    # it is received with few others: no more than may run
    assert extra == 5
