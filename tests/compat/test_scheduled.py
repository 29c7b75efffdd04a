"""`durabletask.scheduled`."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

import durable as df
from durable.client.builtin import bind_client
from durable.compat.sync_client import SyncDurableFunctionsClient
from durable.compat.task_hub_client import AsyncTaskHubGrpcClient
from tests.compat.running import aliased, hub_of
from tests.compat.test_sync_client import in_a_thread

HOUR = timedelta(hours=1)


def functions() -> df.DFApp:
    app = df.DFApp()
    app.configure_scheduled_tasks()

    @app.orchestration_trigger(context_name="context")
    def report(context: Any) -> Any:
        return context.get_input()

    return app


async def test_schedules_through_the_blocking_client() -> None:
    with aliased():
        from durabletask.scheduled import (  # type: ignore[import-not-found]
            ScheduleCreationOptions,
            ScheduledTaskClient,
            ScheduleNotFoundError,
            ScheduleQuery,
            ScheduleStatus,
            ScheduleUpdateOptions,
        )
    async with hub_of(functions()) as hub:
        bind_client(hub.registry, hub.client)
        schedules = ScheduledTaskClient(SyncDurableFunctionsClient(hub.client))

        def work() -> None:
            schedule = schedules.create_schedule(
                ScheduleCreationOptions("hourly", "report", HOUR, orchestration_input={"a": 1})
            )
            found = schedule.describe()
            assert (found.status, found.interval) == (ScheduleStatus.ACTIVE, HOUR)
            assert found.orchestration_name == "report"
            assert found.orchestration_input == {"a": 1}
            schedule.pause()
            assert schedule.describe().status == "Paused"
            assert schedule.describe().next_run_at is None
            with pytest.raises(RuntimeError, match="'pause_schedule' cannot transition"):
                schedule.pause()
            schedule.resume()
            schedule.update(ScheduleUpdateOptions(interval=2 * HOUR))
            assert schedule.describe().interval == 2 * HOUR
            # created again it is updated in place
            schedules.create_schedule(ScheduleCreationOptions("hourly", "report", HOUR))
            listed = schedules.list_schedules(ScheduleQuery(schedule_id_prefix="h"))
            assert [each.interval for each in listed] == [HOUR]
            assert schedules.list_schedules(ScheduleQuery(status=ScheduleStatus.PAUSED)) == []
            schedule.delete()
            schedule.delete()
            assert schedules.get_schedule("hourly") is None
            with pytest.raises(ScheduleNotFoundError, match="'hourly' was not found"):
                schedule.describe()
            with pytest.raises(RuntimeError, match="Failed to 'update_schedule'"):
                schedule.update(ScheduleUpdateOptions(interval=HOUR))

        await in_a_thread(hub, work)


async def test_runs_start_and_end_and_the_async_client() -> None:
    with aliased():
        from durabletask.scheduled import AsyncScheduledTaskClient, ScheduleCreationOptions
    async with hub_of(functions()) as hub:
        bind_client(hub.registry, hub.client)
        schedules = AsyncScheduledTaskClient(AsyncTaskHubGrpcClient(hub.client))
        options = ScheduleCreationOptions(
            "s",
            "report",
            HOUR,
            end_at=hub.clock.now() + 2.5 * HOUR,
            start_immediately_if_late=True,
        )
        creating = asyncio.ensure_future(schedules.create_schedule(options))
        await hub.until(creating.done)
        assert (await schedules.get_schedule("s")).last_run_at is not None
        await hub.run(4 * 3600)
        assert len([each async for each in hub.client.list_instances()]) == 3
        assert await schedules.get_schedule("s") is None
        assert await schedules.list_schedules() == []


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (("", "report", HOUR), "schedule_id"),
        (("s", "", HOUR), "orchestration_name"),
        (("s", "report", timedelta(0)), "positive"),
        (("s", "report", timedelta(milliseconds=1)), "1 second"),
    ],
)
def test_bad_options(values: Any, says: str) -> None:
    from durable.compat.v2.scheduled import ScheduleCreationOptions

    with pytest.raises(ValueError, match=says):
        ScheduleCreationOptions(*values)


async def test_one_schedule_through_its_async_client() -> None:
    with aliased():
        from durabletask import scheduled  # type: ignore[import-not-found]
        from durabletask.scheduled.client import (  # type: ignore[import-not-found]
            AsyncScheduleClient,
        )
        from durabletask.scheduled.exceptions import (  # type: ignore[import-not-found]
            ScheduleError,
            ScheduleNotFoundError,
        )
    async with hub_of(functions()) as hub:
        bind_client(hub.registry, hub.client)
        schedule = AsyncScheduleClient(AsyncTaskHubGrpcClient(hub.client), "nightly")
        assert schedule.schedule_id == "nightly"

        async def done(work: Any) -> Any:
            working = asyncio.ensure_future(work)
            await hub.until(working.done)
            return working.result()

        with pytest.raises(ScheduleError) as missing:
            await done(schedule.describe())
        assert isinstance(missing.value, ScheduleNotFoundError)
        assert missing.value.schedule_id == "nightly"
        start = hub.clock.now() + HOUR
        options = scheduled.ScheduleCreationOptions(
            "nightly", "report", HOUR, [1], start_at=start.replace(tzinfo=None)
        )
        await done(schedule.create(options))
        created = await done(schedule.describe())
        assert isinstance(created, scheduled.ScheduleDescription)
        assert (created.schedule_id, created.orchestration_input) == ("nightly", [1])
        assert (created.start_at, created.next_run_at, created.last_run_at) == (start, start, None)
        assert created.execution_token
        await hub.run(HOUR.total_seconds() + 60)
        assert (await done(schedule.describe())).last_run_at == start
        await done(schedule.pause())
        with pytest.raises(RuntimeError, match="pause_schedule") as again:
            await done(schedule.pause())
        # what the operation failed by is in the message, as there
        assert "cannot transition from 'Paused' to 'Paused'" in str(again.value)
        await done(schedule.resume())
        await done(schedule.update(scheduled.ScheduleUpdateOptions(interval=2 * HOUR)))
        assert (await done(schedule.describe())).interval == 2 * HOUR
        await done(schedule.delete())
        with pytest.raises(ScheduleNotFoundError):
            await done(schedule.describe())
        with pytest.raises(ValueError, match="schedule_id"):
            AsyncScheduleClient(AsyncTaskHubGrpcClient(hub.client), "")


def test_errors_of_schedules_say_of_which() -> None:
    with aliased():
        from durabletask.scheduled import (
            ScheduleClientValidationError,
            ScheduleDescription,
            ScheduleError,
            ScheduleInvalidTransitionError,
            ScheduleStatus,
        )
    invalid = ScheduleClientValidationError("s", "too short")
    assert str(invalid) == "Validation failed for schedule 's': too short"
    moved = ScheduleInvalidTransitionError("s", ScheduleStatus.PAUSED, "Active", "resume_schedule")
    assert (moved.from_status, moved.to_status) == ("Paused", "Active")
    assert "operation 'resume_schedule' cannot transition from 'Paused' to" in str(moved)
    for error in (invalid, moved):
        assert isinstance(error, ScheduleError)
        assert error.schedule_id == "s"
    bare = ScheduleDescription("s")
    assert (bare.status, bare.execution_token) == (ScheduleStatus.UNINITIALIZED, "")
