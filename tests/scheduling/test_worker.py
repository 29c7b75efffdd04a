"""Schedules, export and a purge job in worker processes on Azurite, through a kill -9."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.azurite import Azurite
from tests.end_to_end.apps import App, served, write_app

APP = """
from datetime import UTC, datetime, timedelta

import azure.functions as func

import durable as df
from durable.exporting import ExportClient, LocalHistoryWriter
from durable.scheduling import ScheduleClient

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.configure_scheduled_tasks()
app.configure_history_export(writer=LocalHistoryWriter("exported"))

@app.orchestration_trigger(context_name="context")
async def report(context: df.DurableOrchestrationContext) -> object:
    return context.get_input()

def answer(value):
    return func.HttpResponse(str(value))

@app.route("schedule/{verb}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def schedule(req: func.HttpRequest, client) -> func.HttpResponse:
    schedules, verb = ScheduleClient(client, timeout=20), req.route_params["verb"]
    if verb == "create":
        return answer(await schedules.create(
            "tick", report, {"n": 1}, interval=timedelta(seconds=1), catch_up="all"))
    if verb == "pause":
        return answer((await schedules.pause("tick")).runs)
    return answer([each.schedule_id async for each in schedules.list()])

@app.route("export", methods=["POST"])
@app.durable_client_input(client_name="client")
async def export(req: func.HttpRequest, client) -> func.HttpResponse:
    now = datetime.now(UTC)
    await ExportClient(client).create(now - timedelta(days=1), now, job_id="e", name="report")
    return answer("e")

@app.route("purge", methods=["POST"])
@app.durable_client_input(client_name="client")
async def purge(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return answer(await client.start_purge(name="report", instance_id="purge"))
"""


async def post(app: App, path: str) -> str:
    async with app.session.post(f"{app.address}/api/{path}") as response:
        text = await response.text()
        assert response.status == 200, f"{text}\n{app.process.log}"
        return text


async def runs(app: App) -> list[str]:
    code, shown = await app.send("GET", "instances?instanceIdPrefix=tick-&top=1000")
    assert code == 200
    assert {each["name"] for each in shown} <= {"report"}
    return sorted(each["instanceId"] for each in shown)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, app: App) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(app.process.log) from None


def seconds_of(ids: list[str]) -> list[int]:
    times = [datetime.strptime(each, "tick-%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) for each in ids]
    return [int((time - times[0]).total_seconds()) for time in times]


async def test_schedules_export_and_purge(tmp_path: Path, azurite: Azurite) -> None:
    hub = write_app(tmp_path, APP)
    async with served(tmp_path, azurite, hub) as app:
        assert "ACTIVE" in await post(app, "schedule/create")

        async def some() -> bool:
            return len(await runs(app)) >= 3

        await until(some, 20, app)
        assert await post(app, "schedule/list") == "['tick']"
        app.process.popen.kill()
        before = 3
    async with served(tmp_path, azurite, hub) as app:

        async def more() -> bool:
            return len(await runs(app)) >= before + 25

        await until(more, 60, app)
        count = int(await post(app, "schedule/pause"))

        async def all_there() -> bool:
            return len(await runs(app)) == count

        await until(all_there, 20, app)
        # no second is left out, though nobody was there for some of them
        assert seconds_of(await runs(app)) == list(range(count))
        await asyncio.sleep(2)
        assert len(await runs(app)) == count

        await post(app, "export")
        exported = await app.ended("export-job-e", 30)
        assert exported["output"]["exported"] == count, exported
        files = list((tmp_path / "exported").iterdir())
        assert len(files) == count
        first: Any = json.loads(gzip.decompress(min(files).read_bytes()).splitlines()[0])
        assert first["input"] == {"n": 1}

        await post(app, "purge")
        purged = await app.ended("purge", 30)
        assert purged["output"] == {"instances_deleted": count, "is_complete": True}
        assert await runs(app) == []
