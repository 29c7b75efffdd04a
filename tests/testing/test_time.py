"""The clock skips for who waits, to what is due, and not otherwise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from durable.scheduling import ScheduleClient
from durable.testing import TestHub
from tests.testing.app import app, buy, family

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def hub() -> AsyncIterator[TestHub]:
    async with TestHub(app) as running:
        yield running


@pytest.mark.parametrize("seconds", [1, 59, 119, 121, 3600, 86_400 * 400])
async def test_a_timer_is_due_to_the_second(hub: TestHub, seconds: int) -> None:
    due = START + timedelta(seconds=seconds)
    assert await hub.run("sleep", seconds) == due.isoformat()
    assert hub.now == due


async def test_retries_wait_as_long_as_they_say(hub: TestHub) -> None:
    hub.replace("charge", ConnectionError("down"))
    instance_id = await hub.start("buy", {"item": "tea", "cents": 300})
    assert len(hub.calls("charge")) == 1
    hub.replace("charge", lambda order: {"number": order.item, "cents": order.cents})
    await hub.advance(HOUR / 6)
    assert [(call.attempt, call.time - START) for call in hub.calls("charge")] == [
        (1, timedelta(0)),
        (2, HOUR / 6),
    ]
    assert await hub.result(instance_id) == {"number": "tea", "cents": 300}
    assert hub.now == START + HOUR / 6 + timedelta(days=3)


async def test_the_longest_of_several_counts(hub: TestHub) -> None:
    assert await hub.run(family) == ["2026-01-01T05:00", "2026-01-01T02:00", "2026-01-01T09:00"]
    assert hub.now == START + 9 * HOUR


async def test_nothing_passes_while_nobody_waits(hub: TestHub) -> None:
    instance_id = await hub.start("monitor")
    for _ in range(100):
        await asyncio.sleep(0)
    assert hub.now == START
    assert (await hub.status(instance_id)).custom_status == 1


async def test_a_monitor_without_end_goes_as_far_as_is_asked(hub: TestHub) -> None:
    instance_id = await hub.start("monitor")
    await hub.advance(timedelta(hours=24, minutes=9))
    assert (await hub.status(instance_id)).custom_status == 24 * 6 + 1
    status = await hub.wait_for(instance_id, lambda it: it.custom_status == 200)
    assert status.runtime_status == "Running"
    assert hub.now == START + timedelta(minutes=1990)


async def test_other_instances_live_beside_the_one_that_is_waited_for(hub: TestHub) -> None:
    beside = await hub.start("monitor")
    await hub.run("sleep", 3600)
    assert (await hub.status(beside)).custom_status == 7


async def test_to_a_moment_and_not_back(hub: TestHub) -> None:
    await hub.skip_to(datetime(2026, 2, 28))
    assert hub.now == datetime(2026, 2, 28, tzinfo=UTC)
    with pytest.raises(ValueError, match="is over: it is 2026-02-28"):
        await hub.skip_to(START)


async def test_a_start_of_its_own() -> None:
    moment = datetime(2024, 2, 28, 23, tzinfo=UTC)
    async with TestHub(app, start_time=moment) as hub:
        assert await hub.run("sleep", 7200) == "2024-02-29T01:00:00+00:00"


async def test_a_start_at_a_later_time(hub: TestHub) -> None:
    instance_id = await hub.start("sleep", 60, start_at=timedelta(days=7))
    assert (await hub.status(instance_id)).runtime_status == "Pending"
    assert (await hub.result(instance_id))[:16] == "2026-01-08T00:01"


async def test_entities_count_now_and_later(hub: TestHub) -> None:
    await hub.signal_entity("counter", "one", "add", 3)
    await hub.signal_entity("counter", "one", "add_later", 10)
    assert await hub.entity_state("counter", "one") == 3
    assert await hub.run("count") == 10
    await hub.advance(timedelta(hours=29, minutes=59))
    assert await hub.entity_state("counter", "one") == 10
    await hub.advance(60)
    assert await hub.entity_state("Counter", "one", expected_type=int) == 20
    assert await hub.entity_state("counter", "other") is None


async def test_a_recurring_schedule(hub: TestHub) -> None:
    schedules = ScheduleClient(hub.client)
    await schedules.create("nightly", "sleep", 5, cron="0 3 * * *")
    await hub.advance(timedelta(days=10))
    described = await schedules.get("nightly")
    assert described is not None
    assert described.last_run_at == datetime(2026, 1, 10, 3, tzinfo=UTC)
    assert await hub.client.native_client.count_instances(name="sleep") == 10


async def test_the_clients_of_an_app_make_time_pass(hub: TestHub) -> None:
    instance_id = await hub.client.start_new("buy", client_input={"item": "tea", "cents": 1})
    answer = await hub.client.wait_for_completion_or_create_check_status_response(None, instance_id)
    assert answer.status_code == 202
    assert hub.now == START + timedelta(seconds=10)
    status = await hub.client.wait_for_completion(instance_id)
    assert status.output == '{"number": "r-tea", "cents": 1}'.replace(" ", "")


async def test_two_wait_at_once(hub: TestHub) -> None:
    first, second = await asyncio.gather(hub.run("sleep", 7200), hub.run("sleep", 3600))
    assert (first[:16], second[:16]) == ("2026-01-01T02:00", "2026-01-01T01:00")


async def test_a_wait_that_is_given_up_leaves_no_trace(hub: TestHub) -> None:
    waiting = asyncio.ensure_future(hub.run("sleep", 3600))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await hub.run("sleep", 60))[:16] <= "2026-01-01T01:01"


@pytest.mark.parametrize("way", ["rest", "rest_in_thread"])
async def test_the_clock_stands_still_while_user_code_takes_real_time(
    hub: TestHub, way: str
) -> None:
    beside = await hub.start("monitor")
    began = time.monotonic()
    assert await hub.run("tired", [way, 0.05]) == ["rested 0.05", START.isoformat()]
    assert time.monotonic() - began >= 0.05
    assert (await hub.status(beside)).custom_status == 1


async def test_a_receipt_of_the_type_that_the_orchestrator_says(hub: TestHub) -> None:
    receipt = await hub.run(buy, {"item": "tea", "cents": 300})
    assert (receipt.number, receipt.cents) == ("r-tea", 300)
