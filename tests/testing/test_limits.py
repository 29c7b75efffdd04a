"""Limits of activities, where time is skipped."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import durable as df
from durable.testing import TestHub
from tests.runtime import heavy

app = df.DFApp()
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
RETRY = df.RetryPolicy(first_retry_interval=timedelta(minutes=10), max_number_of_attempts=2)


@app.activity_trigger(input_name="value", timeout=HOUR)
async def waits(value: int) -> str:
    try:
        await df.activity_context().cancelled()
    finally:
        await asyncio.sleep(0)
    raise AssertionError("it was interrupted")


@app.activity_trigger(input_name="value", heartbeat_timeout=HOUR)
async def says(value: int) -> int:
    return value


total = app.activity_trigger(input_name="value", process=True, activity="total")(heavy.total)


@app.orchestration_trigger(context_name="context")
async def job(context: df.DurableOrchestrationContext) -> object:
    name, value = context.get_input()
    try:
        return await context.call_activity(name, value, retry=RETRY)
    except df.ActivityFailedError as error:
        return [error.details.error_type, context.current_utc_datetime.isoformat()]


async def test_an_hour_is_over_at_once() -> None:
    async with TestHub(app) as hub:
        error, ended = await hub.run(job, ["waits", 1])
        assert error == "durable.errors.ActivityTimeoutError"
        assert ended == (START + 2 * HOUR + timedelta(minutes=10)).isoformat()
        assert len(hub.calls("waits")) == 2


async def test_an_activity_takes_the_hubs_time() -> None:
    async with TestHub(app) as hub:

        async def slow(value: int) -> int:
            for step in range(8):
                df.activity_context().heartbeat(step)
                await hub.advance(HOUR / 2)
            await hub.advance(HOUR if len(hub.calls("says")) == 1 else 0)
            return df.activity_context().heartbeat_details(int) or 0

        hub.replace("says", slow)
        assert await hub.run(job, ["says", 1]) == 7
        took = [call.time - START for call in hub.calls("says")]
        assert took == [timedelta(0), HOUR * 4.5 + timedelta(minutes=10)]


async def test_a_crash_leaves_what_was_said() -> None:
    async with TestHub(app) as hub:

        async def dies(value: int) -> int:
            context = df.activity_context()
            if context.heartbeat_details() is None:
                context.heartbeat(41)
                await hub.advance(1)
                hub.crash()
            return (context.heartbeat_details(int) or 0) + value

        hub.replace("says", dies)
        assert await hub.run(job, ["says", 1]) == 42


async def test_a_process_is_one_here_too_unless_it_is_replaced() -> None:
    async with TestHub(app) as hub:
        assert (await hub.run(job, ["total", {"first": 1, "last": 4}]))[0] == 10
        assert [call.input for call in hub.calls("total")] == [{"first": 1, "last": 4}]
        hub.replace("total", "nothing")
        assert await hub.run(job, ["total", {"first": 1, "last": 4}]) == "nothing"
        assert hub.now == START


async def test_who_waits_to_be_told_is_told() -> None:
    async with TestHub(app) as hub:
        told: list[bool] = []

        async def listens(value: object) -> None:
            await df.activity_context().cancelled()
            told.append(df.activity_context().is_cancelled)

        hub.replace("total", listens)
        instance_id = await hub.start(job, ["total", 1])
        await hub.client.terminate(instance_id, "enough")
        await hub.settle()
        assert (await hub.status(instance_id)).runtime_status == "Terminated"
        assert told == [True]
