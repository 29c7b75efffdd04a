"""Schedules on the memory hub, where months take seconds."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from durable.errors import (
    InvalidRequestError,
    ScheduleExistsError,
    ScheduleNotFoundError,
    Throttled,
    UnknownFunctionError,
)
from durable.model.entities import EntityId
from durable.scheduling import ScheduleStatus
from durable.scheduling.spec import ENTITY
from tests.scheduling.helpers import Scheduling

SECOND, MINUTE, HOUR, DAY = (timedelta(**{u: 1}) for u in ("seconds", "minutes", "hours", "days"))


async def test_every_day_by_the_clocks_of_a_zone_for_months() -> None:
    async with Scheduling() as hub:
        create = hub.schedules.create(
            "report", "report", {"of": "sales"}, cron="30 9 * * *", time_zone="Europe/Berlin"
        )
        created = await hub.during(create)
        assert created.next_run_at == datetime(2026, 1, 1, 8, 30, tzinfo=UTC)
        await hub.sleep_until(datetime(2026, 4, 1, tzinfo=UTC))
        runs = await hub.ran()
        assert len(runs) == 90
        assert runs[0].instance_id == "report-20260101T083000Z"
        assert {run.instance_id[-7:] for run in runs[:87]} == {"083000Z"}
        assert {run.instance_id[-7:] for run in runs[87:]} == {"073000Z"}
        for run in runs:
            late = run.created_time.replace(tzinfo=None) - datetime.strptime(
                run.instance_id, "report-%Y%m%dT%H%M%SZ"
            )
            assert timedelta(0) <= late < SECOND
        assert (runs[0].output or "").startswith('[{"of":"sales"}')
        found = await hub.schedules.get("report")
        assert found is not None
        assert found.runs == 90
        assert found.last_instance_id == runs[-1].instance_id


async def test_every_second() -> None:
    async with Scheduling() as hub:
        await hub.during(hub.schedules.create("s", "report", interval=SECOND))
        await hub.run(300)
        times = await hub.planned()
        assert len(times) == len(set(times)) == 300
        for run in await hub.ran():
            assert run.runtime_status.is_terminal


async def test_an_interval_counts_from_its_start_until_its_end() -> None:
    async with Scheduling() as hub:
        start = hub.clock.now() + 3 * HOUR
        spec: dict[str, Any] = {"interval": 90 * MINUTE, "start_at": start}
        await hub.during(
            hub.schedules.create("i", "report", end_at=start + timedelta(hours=4), **spec)
        )
        await hub.run(DAY.total_seconds())
        times = [run.created_time.strftime("%H:%M") for run in await hub.ran()]
        assert times == ["03:00", "04:30", "06:00"]
        found = await hub.schedules.get("i")
        assert found is not None
        assert found.status is ScheduleStatus.COMPLETED
        assert found.next_run_at is None
        # a later end lets it go on, in its step
        await hub.during(hub.schedules.update("i", end_at=start + timedelta(days=3)))
        now = hub.clock.now()
        found = await hub.schedules.get("i")
        assert found is not None
        assert found.next_run_at is not None
        assert now < found.next_run_at <= now + 90 * MINUTE
        assert (found.next_run_at - start) % (90 * MINUTE) == timedelta(0)


async def test_the_first_run_may_be_at_once() -> None:
    async with Scheduling() as hub:
        past, future = hub.clock.now() - DAY, hub.clock.now() + DAY
        for name, start in (("none", None), ("past", past), ("future", future)):
            await hub.during(
                hub.schedules.create(
                    name, "report", interval=HOUR, start_at=start, start_immediately_if_late=True
                )
            )
        await hub.run(10)
        assert [run.instance_id.partition("-")[0] for run in await hub.ran()] == ["none", "past"]
        await hub.run(HOUR.total_seconds())
        assert len(await hub.planned("past")) == 2
        assert await hub.planned("future") == []


async def test_pause_resume_update_and_delete() -> None:
    async with Scheduling() as hub:
        first = await hub.during(hub.schedules.create("p", "report", 1, cron="0 * * * *"))
        await hub.sleep_until(datetime(2026, 1, 1, 2, 30, tzinfo=UTC))
        paused = await hub.during(hub.schedules.pause("p"))
        assert (paused.status, paused.next_run_at) == (ScheduleStatus.PAUSED, None)
        assert (await hub.during(hub.schedules.pause("p"))).token != first.token
        await hub.sleep_until(datetime(2026, 1, 1, 5, 30, tzinfo=UTC))
        resumed = await hub.during(hub.schedules.resume("p"))
        assert resumed.next_run_at == datetime(2026, 1, 1, 6, tzinfo=UTC)
        await hub.sleep_until(datetime(2026, 1, 1, 6, 30, tzinfo=UTC))
        changed = await hub.during(hub.schedules.update("p", interval=10 * MINUTE, input=2))
        assert changed.spec.cron is None
        await hub.sleep_until(datetime(2026, 1, 1, 7, 5, tzinfo=UTC))
        await hub.during(hub.schedules.delete("p"))
        assert await hub.schedules.get("p") is None
        # signals of each plan before come to nothing
        await hub.run(3 * HOUR.total_seconds())
        runs = await hub.ran()
        times = [run.created_time.strftime("%H:%M") for run in runs]
        assert times == ["01:00", "02:00", "06:00", "06:40", "06:50", "07:00"]
        assert [(run.output or "")[1] for run in runs] == list("111222")
        entity = await hub.client.read_entity_state(EntityId(ENTITY, "p"))
        assert entity is not None
        assert not entity.exists


async def test_a_schedule_of_the_same_id_anew_is_another() -> None:
    async with Scheduling() as hub:
        await hub.during(hub.schedules.create("a", "report", cron="0 0 * * *"))
        with pytest.raises(ScheduleExistsError, match="'a' exists"):
            await hub.during(hub.schedules.create("a", "report", cron="0 0 * * *"))
        await hub.during(hub.schedules.delete("a"))
        await hub.during(hub.schedules.create("a", "report", cron="0 12 * * *"))
        await hub.run(2 * DAY.total_seconds())
        assert await hub.planned() == ["20260101T120000Z", "20260102T120000Z"]
        replaced = hub.schedules.create("a", "report", cron="0 6 * * *", if_exists="replace")
        assert (await hub.during(replaced)).runs == 2
        await hub.run(DAY.total_seconds())
        assert (await hub.planned())[2:] == ["20260103T060000Z"]


@pytest.mark.parametrize("paused", [False, True])
async def test_changes_at_once_are_all_made(paused: bool) -> None:
    async with Scheduling() as hub:
        await hub.during(hub.schedules.create("x", "report", cron="0 * * * *"))
        if paused:
            await hub.during(hub.schedules.pause("x"))
        updates = (
            hub.schedules.update("x", input=1),
            hub.schedules.update("x", cron="1 * * * *"),
            hub.schedules.update("x", overlap="skip"),
            hub.schedules.update("x", version="2"),
        )

        async def all_of_them() -> None:
            await asyncio.gather(*updates)

        await hub.during(all_of_them())
        found = await hub.schedules.get("x")
        assert found is not None
        spec = found.spec
        assert (spec.input, spec.cron, spec.overlap, spec.version) == (1, "1 * * * *", "skip", "2")
        assert (found.next_run_at is None) == paused


async def test_two_that_create_one_schedule_at_once() -> None:
    async with Scheduling() as hub:
        calls = [hub.schedules.create("x", "report", n, cron="0 * * * *") for n in (1, 2)]

        async def outcome(call: Any) -> Any:
            try:
                return (await call).spec.input
            except ScheduleExistsError:
                return "refused"

        async def both() -> list[Any]:
            return await asyncio.gather(*(outcome(call) for call in calls))

        outcomes = await hub.during(both())
        found = await hub.schedules.get("x")
        assert found is not None
        assert sorted(map(str, outcomes)) == sorted([str(found.spec.input), "refused"])


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("skip", ["10:00", "14:00", "15:00"]),
        ("once", ["10:00", "13:00", "14:00", "15:00"]),
        ("all", ["10:00", "12:00", "13:00", "14:00", "15:00"]),
    ],
)
async def test_workers_are_away_for_hours(policy: Any, expected: list[str]) -> None:
    async with Scheduling() as hub:
        await hub.during(
            hub.schedules.create(
                "w",
                "report",
                cron="0 * * * *",
                start_at=hub.clock.now() + timedelta(hours=9.5),
                catch_up=policy,
                catch_up_limit=2,
            )
        )
        await hub.run(10.1 * 3600)
        await hub.kill(hub.runtimes[0])
        hub.clock.advance_to(datetime(2026, 1, 1, 13, 20, tzinfo=UTC))
        await hub.add_runtime()
        await hub.sleep_until(datetime(2026, 1, 1, 15, 30, tzinfo=UTC))
        assert [f"{time[9:11]}:{time[11:13]}" for time in await hub.planned()] == expected


@pytest.mark.parametrize("call", range(0, 26, 2))
async def test_a_kill_anywhere_in_a_run_loses_and_repeats_nothing(call: int) -> None:
    async with Scheduling() as hub:
        await hub.during(hub.schedules.create("k", "report", cron="* * * * *", catch_up="all"))
        await hub.sleep_until(datetime(2026, 1, 1, 0, 4, 59, tzinfo=UTC))
        await hub.add_runtime()
        left = call

        async def die(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                hub.crash()

        hub.tamper(hub.runtimes[0], before=die)
        await hub.sleep_until(datetime(2026, 1, 1, 0, 10, 30, tzinfo=UTC))
        expected = [f"20260101T00{minute:02}00Z" for minute in range(1, 11)]
        assert await hub.planned() == expected
        found = await hub.schedules.get("k")
        assert found is not None
        assert found.runs == 10


@pytest.mark.parametrize(("overlap", "expected"), [("allow", 6), ("skip", 2)])
async def test_a_run_that_takes_longer_than_the_schedule(overlap: Any, expected: int) -> None:
    async with Scheduling() as hub:
        await hub.during(hub.schedules.create("o", "slow", interval=10 * SECOND, overlap=overlap))
        await hub.run(69)
        times = [int(time[-3:-1]) + 60 * int(time[-5:-3]) for time in await hub.planned()]
        assert times == ([10, 20, 30, 40, 50, 60] if overlap == "allow" else [10, 40])
        assert len(times) == expected


async def test_runs_of_one_instance_id_replace_each_other() -> None:
    async with Scheduling() as hub:
        await hub.during(
            hub.schedules.create("o", "report", interval=10 * SECOND, instance_id="the-report")
        )
        await hub.run(35)
        runs = await hub.ran()
        assert [run.instance_id for run in runs] == ["the-report"]
        found = await hub.schedules.get("o")
        assert found is not None
        assert found.runs == 3


async def test_trouble_is_shown_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Scheduling() as hub:
        await hub.during(hub.schedules.create("t", "report", cron="* * * * *", overlap="skip"))
        await hub.run(70)
        real = hub.client.get_status

        async def busy(*arguments: Any, **options: Any) -> Any:
            raise Throttled("the service is busy today")

        monkeypatch.setattr(hub.client, "get_status", busy)
        await hub.run(120)
        found = await hub.schedules.get("t")
        assert found is not None
        assert found.trouble == "the service is busy today"
        assert found.runs == 1
        monkeypatch.setattr(hub.client, "get_status", real)
        await hub.run(120)
        found = await hub.schedules.get("t")
        assert found is not None
        assert found.trouble is None
        assert found.runs >= 2


async def test_schedules_are_listed() -> None:
    async with Scheduling() as hub:
        for name in ("b", "a1", "a2", "ä ö"):
            await hub.during(hub.schedules.create(name, "report", cron="0 * * * *"))
        early = hub.clock.now()
        await hub.run(10)
        await hub.during(hub.schedules.create("a3", "report", cron="0 * * * *"))
        await hub.during(hub.schedules.pause("a2"))

        async def ids(**options: Any) -> list[str]:
            return [each.schedule_id async for each in hub.schedules.list(**options)]

        assert sorted(await ids()) == ["a1", "a2", "a3", "b", "ä ö"]
        assert await ids(prefix="a") == ["a1", "a2", "a3"]
        assert await ids(status=ScheduleStatus.PAUSED) == ["a2"]
        assert await ids(created_from=early + SECOND) == ["a3"]
        assert await ids(prefix="a", created_to=early.replace(tzinfo=None)) == ["a1", "a2"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "either a cron expression or an interval"),
        ({"cron": "* * * * *", "interval": MINUTE}, "either a cron expression or an interval"),
        ({"cron": "61 * * * *"}, "cron expression '61 .*no minute"),
        ({"cron": "@daily"}, "six fields"),
        ({"cron": "0 0 31 2 *"}, "no day fits"),
        ({"cron": "* * * * *", "time_zone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"interval": timedelta(milliseconds=999)}, "at least one second"),
        ({"interval": 60}, "timedelta of at least one second"),
        ({"interval": HOUR, "start_at": "tomorrow"}, "expected a datetime"),
        (
            {
                "interval": HOUR,
                "start_at": datetime(2026, 1, 2),
                "end_at": datetime(2026, 1, 1, tzinfo=UTC),
            },
            "end_at .* is before start_at",
        ),
        ({"interval": HOUR, "catch_up": "some"}, "catch_up is one of"),
        ({"interval": HOUR, "overlap": "no"}, "overlap is one of"),
        ({"interval": HOUR, "catch_up_limit": 0}, "catch_up_limit"),
        ({"interval": HOUR, "instance_id": "@x"}, "reserved"),
        ({"interval": HOUR, "every": 1}, "no option every"),
    ],
)
async def test_what_is_no_schedule_is_refused(options: dict[str, Any], says: str) -> None:
    async with Scheduling() as hub:
        with pytest.raises(InvalidRequestError, match=says):
            await hub.schedules.create("x", "report", **options)
        assert [e async for e in hub.client.list_entities(include_empty=True)] == []


async def test_other_bad_requests() -> None:
    async with Scheduling() as hub:
        schedules = hub.schedules
        for bad in ("", "@x", "x" * 181, "a/b", 7):
            with pytest.raises(InvalidRequestError):
                await schedules.create(bad, "report", interval=HOUR)  # type: ignore[arg-type]
        with pytest.raises(UnknownFunctionError, match="no orchestrator is named 'reprot'"):
            await schedules.create("x", "reprot", interval=HOUR)
        for call in (schedules.pause, schedules.resume, schedules.delete, schedules.update):
            with pytest.raises(ScheduleNotFoundError, match="no schedule 'x'"):
                await call("x")
        assert await schedules.get("x") is None
        await hub.during(schedules.create("x", "report", interval=HOUR))
        before = await schedules.get("x")
        for changes in ({"cron": "61 * * * *"}, {"every": 1}, {"orchestrator": "reprot"}):
            with pytest.raises(InvalidRequestError):
                await schedules.update("x", **changes)
        assert await schedules.get("x") == before


async def test_without_a_worker_the_request_is_kept() -> None:
    async with Scheduling() as hub:
        await hub.stop(hub.runtimes[0])
        create = hub.schedules.create("late", "report", interval=HOUR)
        with pytest.raises(TimeoutError, match="create of schedule 'late'"):
            await hub.during(create)
        await hub.add_runtime()
        await hub.run(60)
        found = await hub.schedules.get("late")
        assert found is not None
        assert found.status is ScheduleStatus.ACTIVE
