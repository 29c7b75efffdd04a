"""Limited activities on two worker processes under Azurite; one of them killed in the middle."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.azurite import Azurite
from tests.end_to_end.apps import App, write_app
from tests.end_to_end.hub_state import HubState
from tests.worker.running import worker

WARMING = 2
"""Seconds in which workers have the first of their work, and the last of the fan-out is sent."""
SECONDS = 10
PER_SECOND = 20
BACKLOG = 500

APP = """
import asyncio, os, time
from datetime import timedelta

import azure.functions as func
import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

def note(what, value):
    # one write to the end of a file is whole
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{time.time()} {os.getpid()} {what} {value}\\n")

@app.activity_trigger(input_name="number", rate=df.RateLimit(20))
def paced(number: int) -> int:
    note("begin", number)
    return number

@app.activity_trigger(input_name="payout", key_concurrency=1)
async def pay(payout: list) -> int:
    note("begin", payout[0])
    await asyncio.sleep(0.05)
    note("end", payout[0])
    return payout[1]

@app.activity_trigger(input_name="number", concurrency=2, priority_enabled=True)
async def urgent(number: int) -> int:
    note("begin", number)
    await asyncio.sleep(0.02)
    return number

@app.activity_trigger(input_name="number", concurrency=1, key_concurrency=1)
async def slow(number: int) -> int:
    note("begin", number)
    if not os.path.exists(os.environ["NOTES"] + ".free"):
        await asyncio.sleep(600)
    return number

@app.orchestration_trigger(context_name="context")
async def many(context: df.DurableOrchestrationContext):
    activity, items, options, keyed = context.get_input(list)
    key_of = (lambda item: item[0]) if keyed else None
    return await context.map(activity, items, key_of=key_of, **options)
"""


class Fleet:
    """Two workers of the app; either of them answers."""

    def __init__(self, apps: list[App], notes: Path) -> None:
        self.apps = apps
        self._notes = notes

    def notes(self) -> list[tuple[float, str, str, str]]:
        """What activities noted: time, process, what, and of what."""
        if not self._notes.exists():
            return []
        lines = [line.split() for line in self._notes.read_text().splitlines()]
        return [(float(at), process, what, value) for at, process, what, value in lines]

    async def start(self, instance_id: str, *given: object) -> None:
        """Map an activity over items: name, items, options, and whether an item has a key."""
        await self.apps[0].start("many", instance_id, json.dumps(given).encode())

    async def output(self, instance_id: str, seconds: float) -> Any:
        """What it completed with, from the worker that was not killed."""
        shown = await self.apps[-1].ended(instance_id, seconds)
        assert shown["runtimeStatus"] == "Completed", shown
        return shown["output"]

    async def until_noted(self, count: int) -> None:
        """Until activities have noted so much; other processes write it, so one has to look."""
        async with asyncio.timeout(30):
            while True:
                if len(self.notes()) >= count:
                    return
                await asyncio.sleep(0.05)


@asynccontextmanager
async def fleet(folder: Path, azurite: Azurite) -> AsyncIterator[Fleet]:
    hub = write_app(folder, APP)
    notes = folder / "notes"
    settings = {"AzureWebJobsStorage": azurite.connection_string, "NOTES": str(notes)}
    state = HubState(azurite.connection_string, hub)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        with worker(folder, **settings) as one, worker(folder, **settings) as other:
            apps = [
                App(each, await asyncio.to_thread(lambda: each.address), session, state)  # noqa: B023
                for each in (one, other)
            ]
            yield Fleet(apps, notes)


async def test_a_rate_holds_within_a_tenth(azurite: Azurite, tmp_path: Path) -> None:
    async with fleet(tmp_path, azurite) as workers:
        numbers = [*range(PER_SECOND * (WARMING + SECONDS + 2))]
        await workers.start("one", "paced", numbers, {}, False)
        assert await workers.output("one", 60) == numbers
        begun = sorted(at for at, *_ in workers.notes())
        first = begun[0] + WARMING
        in_time = [at for at in begun if 0 <= at - first < SECONDS]
        wanted = PER_SECOND * SECONDS
        assert 0.9 * wanted <= len(in_time) <= 1.1 * wanted
        assert len({process for _, process, *_ in workers.notes()}) == 2


async def test_a_key_never_runs_two(azurite: Azurite, tmp_path: Path) -> None:
    payouts = [[f"customer-{number % 7}", number] for number in range(140)]
    async with fleet(tmp_path, azurite) as workers:
        await workers.start("one", "pay", payouts, {}, True)
        assert await workers.output("one", 120) == [*range(140)]
        running: dict[str, int] = {}
        for _, _, what, customer in workers.notes():
            running[customer] = running.get(customer, 0) + (1 if what == "begin" else -1)
            assert running[customer] in (0, 1), workers.notes()
        assert set(running.values()) == {0}
        assert len({process for _, process, *_ in workers.notes()}) == 2


async def test_a_high_priority_overtakes_a_backlog(azurite: Azurite, tmp_path: Path) -> None:
    async with fleet(tmp_path, azurite) as workers:
        await workers.start("backlog", "urgent", [*range(BACKLOG)], {}, False)
        await workers.until_noted(20)
        before = len(workers.notes())
        await workers.start("urgent", "urgent", [1000], {"priority": 1}, False)
        assert await workers.output("urgent", 30) == [1000]
        order = [value for *_, value in workers.notes()]
        assert order.index("1000") - before < 100 < BACKLOG - before


async def test_what_a_killed_worker_held_comes_free(azurite: Azurite, tmp_path: Path) -> None:
    async with fleet(tmp_path, azurite) as workers:
        await workers.start("one", "slow", [1, 2], {"key": "a"}, False)
        await workers.until_noted(1)
        (_, pid, *_), *_ = workers.notes()
        (tmp_path / "notes.free").touch()
        holder = next(each for each in workers.apps if str(each.process.popen.pid) == pid)
        workers.apps.sort(key=lambda each: each is not holder)
        killed = time.monotonic()
        holder.process.popen.kill()
        assert await workers.output("one", 90) == [1, 2]
        assert time.monotonic() - killed < 60
        assert [value for *_, value in workers.notes()].count("1") == 2
