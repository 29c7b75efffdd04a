"""The figures of a hub's workers: written, read, added up, and dropped in the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from durable.errors import AmbiguousAnswer
from durable.hub.usage import KEPT, UsageRows, WorkerUsage
from durable.model.usage import Metered, Prices, Usage
from durable.ports import Merge, Storage
from durable.runtime.metering import EVERY, IDLE, LOOK
from tests.cost.hub import MeteredHub
from tests.cost.workloads import chaining, metered_hub


def _rows(hub: MeteredHub) -> UsageRows:
    return UsageRows(hub.plain, hub.hub.names)


async def _writes(hub: MeteredHub, seconds: float) -> bool:
    """Whether the worker writes its figures when it is asked to, so much later."""
    before = hub.read()
    hub.clock.advance(seconds)
    await hub.reporters[hub.runtimes[0]].write_if_due()
    return hub.read() != before


async def test_figures_are_written_once_a_minute_at_most() -> None:
    async with metered_hub() as hub:
        await chaining("inline", 3)(hub)
        assert not await _writes(hub, EVERY - 1)
        assert await _rows(hub).read() == []
        assert await _writes(hub, 1)
        (row,) = await _rows(hub).read()
        assert (row.host, row.node) == ("worker", "here")
        assert row.until - row.since == timedelta(seconds=EVERY)
        assert row.usage.work == hub.read().work
        # nothing was done meanwhile: it says so less often
        assert not await _writes(hub, IDLE - 1)
        assert await _writes(hub, 1)
        # not again the look for rows of others, nor the insert
        (again,) = await _rows(hub).read()
        assert (again.worker, again.since, again.until) == (
            row.worker,
            row.since,
            row.until + timedelta(seconds=IDLE),
        )


async def test_a_turn_writes_them_where_nobody_sweeps() -> None:
    async with metered_hub() as hub:
        await chaining("inline", 1)(hub)
        hub.clock.advance(EVERY)
        await chaining("inline", 2)(hub)
        (row,) = await _rows(hub).read()
        assert row.usage.work.turns in (3, 4, 5)
        # once, not with each turn
        assert hub.read().upkeep.transactions == 2


async def test_writing_is_upkeep() -> None:
    async with metered_hub() as hub:
        before = hub.read()
        await hub.reporters[hub.runtimes[0]].write()
        first = hub.read() - before
        await hub.reporters[hub.runtimes[0]].write()
        assert first.work == Usage()
        assert (first.upkeep.operations, (hub.read() - before - first).upkeep.operations) == (3, 1)


async def test_what_several_workers_did_is_added_up() -> None:
    async with MeteredHub(workers=0) as hub:
        rows, now = _rows(hub), hub.clock.now()
        one = Metered(Usage(transactions=10, sends=5, ended=2, inline_activities=4), Usage(gets=7))
        other = Metered(Usage(sends=5, ended=2, queued_activities=6), Usage(empty_receives=9))
        hour = timedelta(hours=1)
        await rows.write(WorkerUsage("a", "functions", "x" * 500, now, now + hour, one))
        await rows.write(WorkerUsage("b", "worker", "y", now + hour, now + 2 * hour, other))
        stats = await hub.outside.get_stats()
    assert [each.worker for each in stats.workers] == ["a", "b"]
    assert [len(each.node) for each in stats.workers] == [200, 1]
    assert stats.total == one + other
    assert (stats.since, stats.until) == (now, now + 2 * hour)
    assert stats.operations_per_orchestration == 20 / 4
    assert stats.operations_per_activity == 20 / 10
    prices = Prices(queue=10_000, table=1_000)
    assert stats.cost(prices) == pytest.approx((10 + 9) * 1.0 + (10 + 7) * 0.1)
    assert stats.cost_of_million_orchestrations(prices) == pytest.approx(11.0 / 4 * 1_000_000)
    assert stats.cost_of_million_activities(prices) == pytest.approx(11.0 / 10 * 1_000_000)


async def test_without_workers_there_are_no_ratios() -> None:
    async with MeteredHub(workers=0) as hub:
        stats = await hub.outside.get_stats()
    assert (stats.workers, stats.total, stats.cost()) == ((), Metered(), 0.0)
    assert (stats.since, stats.until) == (None, None)
    assert stats.operations_per_orchestration is None
    assert stats.operations_per_activity is None
    assert stats.cost_of_million_orchestrations() is None
    assert stats.cost_of_million_activities() is None


async def test_rows_of_workers_long_silent_are_dropped() -> None:
    async with metered_hub() as hub:
        rows, reporter = _rows(hub), hub.reporters[hub.runtimes[0]]
        await reporter.write()
        now = hub.clock.now()
        for name, silent in (("old", KEPT + timedelta(hours=2)), ("young", KEPT / 2)):
            await rows.write(WorkerUsage(name, "worker", "", now, now - silent, Metered()))
        await rows.write(WorkerUsage("newer", "worker", "", now, now - 2 * KEPT, Metered()))
        await _merge(hub, "newer", {"v": 999})
        hub.clock.advance(LOOK - 1)
        await reporter.write()
        assert {"old", "young"} <= {each.worker for each in await rows.read()}
        hub.clock.advance(1)
        await reporter.write()
        left = {each.worker for each in await rows.read()}
        assert "young" in left
        assert not {"old", "newer"} & left
        # what a newer version wrote is neither read nor dropped
        assert "worker newer" in await hub.keys(hub.hub.names.hub_table)


async def test_a_dropped_row_comes_back_with_its_worker() -> None:
    async with metered_hub() as hub:
        reporter = hub.reporters[hub.runtimes[0]]
        await reporter.write()
        hub.clock.advance((KEPT + timedelta(hours=1)).total_seconds())
        await _rows(hub).drop_silent()
        assert await _rows(hub).read() == []
        await reporter.write()
        (row,) = await _rows(hub).read()
        assert row.until == hub.clock.now()


async def test_a_storage_that_does_not_answer_only_delays_them() -> None:
    hub = metered_hub()
    fails = True

    async def failing(call: str, arguments: tuple[Any, ...]) -> None:
        if fails and call == "transact" and arguments[1] == "worker":
            raise AmbiguousAnswer("no answer")

    async with hub:
        runtime = hub.runtimes[0]
        hub.tamper(runtime, before=failing)
        await hub.reporters[runtime].write()
        assert await _rows(hub).read() == []
        fails = False
        await hub.reporters[runtime].write()
        assert len(await _rows(hub).read()) == 1


async def test_they_go_with_the_hub() -> None:
    async with metered_hub() as hub:
        await hub.reporters[hub.runtimes[0]].write()
        await hub.hub.delete()
        await hub.hub.create(app=None)
        assert await _rows(hub).read() == []


async def _merge(hub: MeteredHub, key: str, values: dict[str, Any]) -> None:
    storage: Storage = replace(hub.plain)
    await storage.tables.transact(hub.hub.names.hub_table, "worker", [Merge(key, values)])
