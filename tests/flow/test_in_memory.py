"""Limited activities on storage in memory: on one worker with skipped time, and on two."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import azure.functions as func
import pytest

import durable as df
from durable.engine.context import DurableOrchestrationContext as Context
from durable.hub.permits import PERMITS
from durable.model.functions import ActivityDefinition
from durable.model.limits import Limits, RateLimit
from durable.ports import Where
from durable.testing import TestHub
from tests.memory_hub import MemoryHub


class Runs:
    """What ran when, as the world outside sees it."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.begun: list[Any] = []

    def begin(self, key: str, what: Any) -> None:
        self.begun.append(what)
        self.now[key] += 1
        self.most[key] = max(self.most[key], self.now[key])

    def end(self, key: str) -> None:
        self.now[key] -= 1


def limited(hub: MemoryHub, runs: Runs, limits: Limits, seconds: float = 1.0) -> None:
    """The activity `pay`, of [customer, number], and `pay_all`, which maps it over a list."""

    async def pay(value: list[Any]) -> Any:
        runs.begin(value[0], value[1])
        await hub.clock.sleep(seconds)
        runs.end(value[0])
        return value[1]

    hub.registry.add(ActivityDefinition("pay", pay, "value", True, limits=limits))

    @hub.orchestrator
    async def pay_all(context: Context) -> Any:
        key_of = (lambda item: str(item[0])) if limits.key_concurrency else None
        return await context.map("pay", context.get_input(list), key_of=key_of)


async def permits(hub: MemoryHub) -> list[str]:
    page = await hub.tables.query(hub.hub.names.index, [Where("PartitionKey", "eq", PERMITS)])
    return [row.key for row in page.rows]


async def test_concurrency_holds_over_two_workers() -> None:
    runs = Runs()
    hub = MemoryHub(workers=2)
    limited(hub, runs, Limits(concurrency=3))
    async with hub:
        items = [["a", n] for n in range(30)]
        before = hub.clock.now()
        await hub.client.start_new("pay_all", "one", items)
        status = await hub.wait("one")
        assert json.loads(status.output or "") == [*range(30)]
        assert runs.most == {"a": 3}
        assert hub.clock.now() - before < timedelta(seconds=20)
        assert len(runs.begun) == 30
        await hub.run(2)
        assert await permits(hub) == []
        assert await hub.messages() == 0


async def test_a_key_runs_one_by_one_and_others_beside_it() -> None:
    runs = Runs()
    hub = MemoryHub(workers=2)
    limited(hub, runs, Limits(key_concurrency=1))
    async with hub:
        items = [[name, n] for n, name in enumerate("aaaaabcdeab")]
        await hub.client.start_new("pay_all", "one", items)
        await hub.run(1.5)
        assert set(runs.most) == set("abcde")
        status = await hub.wait("one")
        assert json.loads(status.output or "") == [*range(11)]
        assert set(runs.most.values()) == {1}
        await hub.run(2)
        assert await permits(hub) == []


async def test_what_goes_on_after_its_timeout_keeps_its_permits() -> None:
    runs = Runs()
    hub = MemoryHub(workers=2)

    async def stubborn(number: int) -> None:
        runs.begin("a", number)
        try:
            await hub.clock.sleep(600)
        except asyncio.CancelledError:
            await hub.clock.sleep(30)
        runs.end("a")

    limits, timeout = Limits(concurrency=1, key_concurrency=1), timedelta(seconds=1)
    definition = ActivityDefinition(
        "stubborn", stubborn, "number", True, limits=limits, timeout=timeout
    )
    hub.registry.add(definition)

    @hub.orchestrator
    async def both(context: Context) -> Any:
        await context.map("stubborn", [1, 2], key_of=lambda _: "a")

    async with hub:
        await hub.client.start_new("both", "b")
        status = await hub.wait("b")
        assert status.failure is not None
        assert "ran over its timeout of 1 s" in status.failure.message
        assert sorted(runs.begun) == [1, 2]
        assert runs.most == {"a": 1}
        await hub.run(60)
        assert await permits(hub) == []


async def test_a_dead_holders_permits_come_free() -> None:
    runs = Runs()
    hub = MemoryHub(workers=2)
    limited(hub, runs, Limits(concurrency=1, key_concurrency=1), seconds=600)
    async with hub:
        await hub.client.start_new("pay_all", "one", [["a", 1]])
        await hub.until(lambda: runs.begun == [1])
        busy = next(r for r in hub.runtimes if r.activities.used)
        await hub.kill(busy)
        runs.now.clear()
        killed = hub.clock.now()
        await hub.until(lambda: runs.begun == [1, 1])
        assert hub.clock.now() - killed < timedelta(seconds=45)
        status = await hub.wait("one")
        assert status.output == "[1]"
        await hub.run(60)
        assert await permits(hub) == []


async def test_a_stopped_worker_hands_its_waiting_calls_back() -> None:
    runs = Runs()
    hub = MemoryHub(workers=2)
    limited(hub, runs, Limits(concurrency=1), seconds=3)
    async with hub:
        await hub.client.start_new("pay_all", "one", [["a", n] for n in range(6)])
        await hub.until(lambda: len(runs.begun) == 2)
        busy = next(r for r in hub.runtimes if r.activities.used)
        stopping = asyncio.ensure_future(hub.stop(busy, drain=30))
        await hub.until(stopping.done)
        status = await hub.wait("one")
        assert json.loads(status.output or "") == [*range(6)]
        assert runs.most == {"a": 1}


async def test_high_priority_overtakes_a_backlog() -> None:
    order: list[int] = []
    hub = MemoryHub(workers=2)

    async def work(value: int) -> int:
        order.append(value)
        await hub.clock.sleep(1)
        return value

    limits = Limits(concurrency=2, priority_enabled=True)
    hub.registry.add(ActivityDefinition("work", work, "value", True, limits=limits))

    @hub.orchestrator
    async def many(context: Context) -> Any:
        priority, values = context.get_input(list)
        return await context.map("work", values, priority=priority)

    async with hub:
        await hub.client.start_new("many", "low", [-1, [*range(5)]])
        await hub.client.start_new("many", "normal", [0, [*range(100, 200)]])
        await hub.until(lambda: len(order) == 10)
        await hub.client.start_new("many", "high", [1, [1000, 1001]])
        await hub.wait("high")
        assert max(order.index(1000), order.index(1001)) < 20
        await hub.wait("normal")
        await hub.wait("low")
        assert sorted(order) == [*range(5), *range(100, 200), 1000, 1001]


app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.activity_trigger(input_name="number", rate=df.RateLimit(20))
async def call_api(number: int) -> int:
    return number


@app.activity_trigger(input_name="number", rate=df.RateLimit(4, timedelta(hours=1), burst=2))
async def report(number: int) -> int:
    return number


@app.activity_trigger(input_name="number")
async def plain(number: int) -> int:
    return number


@app.orchestration_trigger(context_name="context")
async def calls(context: df.DurableOrchestrationContext) -> list[int]:
    activity, count, options = context.get_input(list)
    return await context.map(activity, range(count), **options)


def times(hub: TestHub, activity: str) -> list[datetime]:
    return [call.time for call in hub.calls(activity)]


async def test_a_rate_holds_on_the_hubs_clock() -> None:
    async with TestHub(app) as hub:
        assert await hub.run(calls, ["call_api", 250, {}]) == [*range(250)]
        began = times(hub, "call_api")
        in_ten = [at for at in began if at - began[0] < timedelta(seconds=10)]
        assert 180 <= len(in_ten) <= 201
        # no second has more than its 20
        assert all(b - a >= timedelta(seconds=1) for a, b in zip(began, began[21:], strict=False))


async def test_a_slow_rate_and_its_burst() -> None:
    async with TestHub(app) as hub:
        began = hub.now
        assert await hub.run(calls, ["report", 6, {}]) == [*range(6)]
        after = [round((at - began) / timedelta(minutes=15), 1) for at in times(hub, "report")]
        assert after[:2] == [0.0, 0.0]
        assert [round(each) for each in after[2:]] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "says"),
    [({"priority": 1}, "priority_enabled=True"), ({"key": "a"}, "key_concurrency=1")],
)
@pytest.mark.parametrize("activity", ["plain", "call_api"])
async def test_what_an_activity_does_not_offer(
    activity: str, options: dict[str, Any], says: str
) -> None:
    async with TestHub(app) as hub:
        with pytest.raises(Exception, match=says):
            await hub.run(calls, [activity, 1, options])


async def test_the_rate_is_kept_over_two_workers() -> None:
    hub = MemoryHub(workers=2)
    began: list[datetime] = []

    async def call(value: int) -> int:
        began.append(hub.clock.now())
        return value

    limits = Limits(rate=RateLimit(10))
    hub.registry.add(ActivityDefinition("call", call, "value", True, limits=limits))

    @hub.orchestrator
    async def many(context: Context) -> Any:
        return await context.map("call", range(100))

    async with hub:
        await hub.client.start_new("many", "one")
        await hub.wait("one")
        assert 9.5 <= (began[-1] - began[0]).total_seconds() <= 11
        assert all(b - a >= timedelta(seconds=0.9) for a, b in zip(began, began[10:], strict=False))
