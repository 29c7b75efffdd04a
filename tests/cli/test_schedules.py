"""Schedules from the command line. What changes one waits for a worker to do it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from durable.client.builtin import bind_client
from durable.scheduling import schedule_entity
from tests.cli.running import CommandLine, Done
from tests.memory_hub import MemoryHub

DAILY = ("create-schedule", "--id", "daily", "--function-name", "greeting", "--input", '"Ada"')


@pytest.fixture
def scheduling(memory: MemoryHub) -> MemoryHub:
    registry = memory.runtimes[0].registry
    registry.add(schedule_entity())
    bind_client(registry, memory.client)
    return memory


async def beside(memory: MemoryHub, command: Any) -> Done:
    """The command, while the worker works."""
    running = asyncio.ensure_future(command)
    while not running.done():
        await memory.run(1)
    done: Done = await running
    return done


async def test_a_schedule_from_its_creation_to_its_end(
    scheduling: MemoryHub, durable: CommandLine
) -> None:
    done = await beside(scheduling, durable(*DAILY, "--cron", "0 6 * * *"))
    assert done.stdout.startswith("Created daily; its next run is at 2026-01-01 06:00")
    schedule = await durable.json("get-schedule", "--id", "daily")
    assert (schedule["status"], schedule["cron"], schedule["input"]) == (
        "Active",
        "0 6 * * *",
        "Ada",
    )
    assert schedule["nextRunTime"].startswith("2026-01-01T06:00:00")
    await scheduling.run(7 * 3600)
    schedule = await durable.json("get-schedule", "--id", "daily")
    assert schedule["runs"] == 1
    status = await durable.json("get-runtime-status", "--id", schedule["lastInstanceId"])
    assert status["output"] == "hello Ada"

    await beside(scheduling, durable("pause-schedule", "--id", "daily"))
    listed = (await durable("get-schedules")).stdout
    assert "daily" in listed
    assert "Paused" in listed
    await beside(scheduling, durable("resume-schedule", "--id", "daily"))
    update = ("update-schedule", "--id", "daily", "--interval", "3600")
    await beside(scheduling, durable(*update))
    schedule = await durable.json("get-schedule", "--id", "daily")
    assert (schedule["status"], schedule["cron"], schedule["interval"]) == ("Active", None, 3600)
    said = (await durable("get-schedule", "--id", "daily")).stdout
    assert "every 1:00:00" in said

    await beside(scheduling, durable("delete-schedule", "--id", "daily"))
    assert (await durable.json("get-schedules"))["schedules"] == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((*DAILY,), "either a cron expression or an interval"),
        ((*DAILY, "--cron", "0 6 * *"), "field"),
        ((*DAILY, "--interval", "0.1"), "at least one second"),
        ((*DAILY, "--cron", "0 6 * * *", "--time-zone", "Mars/Base"), "Mars/Base"),
        (
            (*DAILY, "--interval", "60", "--start-at", "2027-01-01", "--end-at", "2026-01-01"),
            "before start_at",
        ),
        (("update-schedule", "--id", "daily"), "what to change"),
    ],
)
async def test_what_cannot_be_a_schedule(
    durable: CommandLine, given: tuple[str, ...], said: str
) -> None:
    assert said in await durable.refused(2, *given)
    assert durable.opened == 0


async def test_a_schedule_that_is_not_there(durable: CommandLine) -> None:
    for command in ("get-schedule", "pause-schedule", "delete-schedule"):
        assert "there is no schedule 'x'" in await durable.refused(1, command, "--id", "x")


async def test_without_a_worker_the_request_is_kept(
    scheduling: MemoryHub, durable: CommandLine
) -> None:
    await scheduling.stop(scheduling.runtimes[0])
    command = asyncio.ensure_future(
        durable.refused(1, *DAILY, "--interval", "60", "--timeout", "5")
    )
    while not command.done():
        await scheduling.run(1)
    assert "no worker has carried it out within 5 s" in await command
