"""Activities with limits, heartbeats and processes of their own, by two workers on one hub."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp

from tests.azurite import Azurite
from tests.end_to_end.apps import App, write_app
from tests.end_to_end.hub_state import HubState
from tests.worker.running import worker

CODE = """
import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path

import durable as df
import heavy

app = df.DFApp()
app.register_blueprint(heavy.bp)
RETRY = df.RetryPolicy(first_retry_interval=timedelta(seconds=0.1), max_number_of_attempts=2)
OFTEN = timedelta(seconds=3)


def note(name, *what):
    with Path(name).open("a") as file:
        print(os.getpid(), *what, file=file, flush=True)


@app.activity_trigger(input_name="name", heartbeat_timeout=OFTEN)
def load(name: str) -> int:
    context = df.activity_context()
    first = context.heartbeat_details(int) or 0
    note(name, "from", first)
    for step in range(first, 50):
        context.raise_if_cancelled()
        time.sleep(0.1)
        context.heartbeat(step + 1)
    return first


@app.activity_trigger(input_name="name", heartbeat_timeout=OFTEN)
async def wait(name: str) -> None:
    try:
        while True:
            note(name, "waits")
            df.activity_context().heartbeat()
            await asyncio.sleep(0.2)
    except asyncio.CancelledError:
        note(name, "told", df.activity_context().is_cancelled)
        raise


@app.activity_trigger(input_name="name", timeout=timedelta(seconds=1))
async def slow(name: str) -> int:
    attempt = df.activity_context().attempt
    if attempt == 1:
        await asyncio.sleep(100)
    return attempt


@app.orchestration_trigger(context_name="context")
async def job(context: df.DurableOrchestrationContext):
    activity, value = context.get_input()
    return await context.call_activity(activity, value, retry=RETRY)
"""

HEAVY = """
import os
import signal

import durable as df

bp = df.Blueprint()


@bp.activity_trigger(input_name="name", process=True)
def crunch(name: str) -> list:
    context = df.activity_context()
    if context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return [context.attempt, os.getpid(), os.getppid()]
"""


async def _noted(path: Path, text: str, *, times: int = 1, seconds: float = 40) -> list[list[str]]:
    """What activities have noted, once that is so often among it."""
    said = ""
    try:
        async with asyncio.timeout(seconds):
            while said.count(text) < times:
                await asyncio.sleep(0.05)
                said = await asyncio.to_thread(_read, path)
    except TimeoutError:
        raise AssertionError(f"{text!r} did not come: {said}") from None
    return [line.split() for line in said.splitlines()]


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def test_two_workers(azurite: Azurite, tmp_path: Path) -> None:
    connection = azurite.connection_string
    hub = write_app(tmp_path, CODE, alwaysQueueActivities=True)
    (tmp_path / "heavy.py").write_text(HEAVY)
    with (
        worker(tmp_path, AzureWebJobsStorage=connection) as one,
        worker(tmp_path, AzureWebJobsStorage=connection) as other,
    ):
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            state = HubState(connection, hub)
            apps = {}
            for process in (one, other):
                address = await asyncio.to_thread(process.wait_for, r"listening on (http://\S+)")
                apps[process.popen.pid] = App(process, address[1], session, state)
            await _an_attempt_that_runs_over_is_retried(apps)
            await _a_process_that_is_killed_takes_nobody_with_it(apps)
            await _one_that_nobody_awaits_is_told_elsewhere(apps, tmp_path / "told")
            await _what_was_said_outlives_its_worker(apps, tmp_path / "load")


async def _start(app: App, instance_id: str, activity: str, value: object) -> None:
    text = f'["{activity}", "{value}"]'
    await app.start("job", instance_id, text.encode())


async def _an_attempt_that_runs_over_is_retried(apps: dict[int, App]) -> None:
    app = next(iter(apps.values()))
    await _start(app, "slow", "slow", "-")
    shown = await app.ended("slow", 30)
    assert (shown["runtimeStatus"], shown["output"]) == ("Completed", 2)
    assert any(
        "activity 'slow' ran over its timeout of 1 s" in each.process.log for each in apps.values()
    )


async def _a_process_that_is_killed_takes_nobody_with_it(apps: dict[int, App]) -> None:
    app = next(iter(apps.values()))
    await _start(app, "crunch", "crunch", "-")
    attempt, process, parent = (await app.ended("crunch", 40))["output"]
    assert attempt == 2
    assert parent in apps
    assert process not in apps
    assert all(each.process.popen.poll() is None for each in apps.values())
    logs = "".join(each.process.log for each in apps.values())
    assert "the process that ran activity 'crunch' was ended by SIGKILL" in logs


async def _one_that_nobody_awaits_is_told_elsewhere(apps: dict[int, App], path: Path) -> None:
    app = next(iter(apps.values()))
    await _start(app, "told", "wait", path)
    where = int((await _noted(path, "waits"))[0][0])
    away = next(each for pid, each in apps.items() if pid != where)
    code, _ = await away.send("POST", "instances/told/terminate?reason=enough")
    assert code == 202
    assert [str(where), "told", "True"] in await _noted(path, "told", seconds=10)
    shown: Any = await away.ended("told", 10)
    assert shown["runtimeStatus"] == "Terminated"


async def _what_was_said_outlives_its_worker(apps: dict[int, App], path: Path) -> None:
    app = next(iter(apps.values()))
    await _start(app, "load", "load", path)
    first = int((await _noted(path, "from 0"))[0][0])
    await asyncio.sleep(2.5)
    os.kill(first, signal.SIGKILL)
    left = next(each for pid, each in apps.items() if pid != first)
    lines = await _noted(path, "from", times=2, seconds=60)
    assert [line[0] for line in lines] == [str(first), str(left.process.popen.pid)]
    begun = int(lines[1][2])
    assert 10 <= begun <= 30
    assert (await left.ended("load", 30))["output"] == begun
