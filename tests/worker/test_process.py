"""A worker as a real process on Azurite."""

from __future__ import annotations

import asyncio
import secrets
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from durable.storage.azure import Connection, open_storage
from tests.azurite import Azurite
from tests.worker.running import SECONDS, run, worker

APP = """
import asyncio
import logging
import os
import threading

import azure.functions as func

import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

@app.activity_trigger(input_name="name")
async def greet(name: str) -> str:
    return f"hello {name}"

@app.activity_trigger(input_name="seconds")
def hold(seconds: float) -> str:
    logging.info("holding")
    threading.Event().wait(seconds)
    return "held"

@app.activity_trigger(input_name="value")
async def cling(value: int) -> None:
    logging.info("clinging")
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

@app.orchestration_trigger(context_name="context")
async def clinging(context: df.DurableOrchestrationContext) -> None:
    await context.call_activity(cling, 1)

@app.orchestration_trigger(context_name="context")
async def hello(context: df.DurableOrchestrationContext) -> str:
    return await context.call_activity(greet, context.get_input(str))

@app.orchestration_trigger(context_name="context")
async def holding(context: df.DurableOrchestrationContext) -> str:
    return await context.call_activity(hold, context.get_input(float))

@app.route(route="start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    instance_id = await client.start_new(req.route_params["name"], client_input=req.get_json())
    return client.create_check_status_response(req, instance_id)

@app.route(route="setting", auth_level=func.AuthLevel.ANONYMOUS)
def setting(req: func.HttpRequest) -> str:
    return os.environ["GREETING"]

@app.timer_trigger(arg_name="t", schedule="* * * * * *")
def tick(t: func.TimerRequest) -> None:
    logging.info("the timer ticks")

@app.queue_trigger(arg_name="m", queue_name="%BOX%", connection="AzureWebJobsStorage")
def take(m: func.QueueMessage) -> None:
    logging.info("taken: %s", m.get_body().decode())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mark = secrets.token_hex(4)
    (tmp_path / "function_app.py").write_text(APP)
    hub = f'{{"extensions": {{"durableTask": {{"hubName": "W{mark}"}}}}}}'
    (tmp_path / "host.json").write_text(hub)
    values = f'{{"Values": {{"GREETING": "good day", "BOX": "box-{mark}"}}}}'
    (tmp_path / "local.settings.json").write_text(values)
    return tmp_path


async def _completed(session: aiohttp.ClientSession, uri: str) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS):
        while True:
            async with session.get(uri) as response:
                shown: dict[str, Any] = await response.json()
                if response.status == 200:
                    return shown
            await asyncio.sleep(0.05)


async def test_from_an_http_start_to_the_end(folder: Path, azurite: Azurite) -> None:
    connection = azurite.connection_string
    with worker(folder, AzureWebJobsStorage=connection) as process:
        address = await asyncio.to_thread(lambda: process.address)
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{address}/api/start/hello", json="you") as response:
                assert response.status == 202
                links = await response.json()
            assert links["statusQueryGetUri"].startswith(f"{address}/api/durabletask/links/")
            shown = await _completed(session, links["statusQueryGetUri"])
            assert (shown["runtimeStatus"], shown["output"]) == ("Completed", "hello you")
            async with session.get(f"{address}/api/setting") as response:
                assert await response.text() == "good day"
            listed = f"{address}/runtime/webhooks/durabletask/instances"
            async with session.get(listed) as response:
                assert [each["name"] for each in await response.json()] == ["hello"]
            async with session.get(listed, headers={"Host": "evil.example"}) as response:
                assert response.status == 403
        box = "box-" + folder.joinpath("local.settings.json").read_text().split("box-")[1][:8]
        async with await open_storage(Connection.from_string(connection)) as opened:
            await opened.storage.queues.create_queue(box)
            await opened.storage.queues.send(box, b"a letter")
        await asyncio.to_thread(process.wait_for, "taken: a letter")
        await asyncio.to_thread(process.wait_for, "the timer ticks")
        process.wait_for(r"started hello")
        process.wait_for(r"start: POST http://\S+/api/start/\{name\}")
        assert await asyncio.to_thread(process.terminate) == 0
        process.wait_for("stopped")
        assert "Traceback" not in process.log
        assert "Warning" not in process.log


async def test_sigterm_lets_what_runs_end(folder: Path, azurite: Azurite) -> None:
    connection = azurite.connection_string
    with worker(folder, AzureWebJobsStorage=connection) as process:
        address = await asyncio.to_thread(lambda: process.address)
        async with aiohttp.ClientSession() as session:
            await session.post(f"{address}/api/start/holding", json=1.5)
        await asyncio.to_thread(process.wait_for, "holding\n")
        assert await asyncio.to_thread(process.terminate) == 0
        process.wait_for("completed holding")


async def test_what_draining_cuts_off_has_not_failed(folder: Path, azurite: Azurite) -> None:
    connection = azurite.connection_string
    with worker(folder, "--drain", "0.5", AzureWebJobsStorage=connection) as process:
        address = await asyncio.to_thread(lambda: process.address)
        async with aiohttp.ClientSession() as session:
            await session.post(f"{address}/api/start/holding", json=3600)
        await asyncio.to_thread(process.wait_for, "holding\n")
        assert await asyncio.to_thread(process.terminate) == 0
        assert "completed holding" not in process.log
        process.wait_for("is abandoned")
    with worker(folder, AzureWebJobsStorage=connection) as process:
        address = await asyncio.to_thread(lambda: process.address)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{address}/api/durabletask/instances") as response,
        ):
            assert [each["runtimeStatus"] for each in await response.json()] == ["Running"]


async def test_what_does_not_end_does_not_keep_the_worker(folder: Path, azurite: Azurite) -> None:
    connection = azurite.connection_string
    with worker(folder, "--drain", "0.1", AzureWebJobsStorage=connection) as process:
        address = await asyncio.to_thread(lambda: process.address)
        async with aiohttp.ClientSession() as session:
            await session.post(f"{address}/api/start/clinging", json=1)
        await asyncio.to_thread(process.wait_for, "clinging\n")
        assert await asyncio.to_thread(process.terminate) == 0
        process.wait_for("are left behind: activity 'cling' of instance")
        process.wait_for("an async function still runs; it is abandoned")


async def test_a_second_signal_ends_at_once(folder: Path, azurite: Azurite) -> None:
    connection = azurite.connection_string
    with worker(folder, AzureWebJobsStorage=connection) as process:
        address = await asyncio.to_thread(lambda: process.address)
        async with aiohttp.ClientSession() as session:
            await session.post(f"{address}/api/start/holding", json=3600)
        await asyncio.to_thread(process.wait_for, "holding\n")
        process.popen.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait_for, "stopping")
        process.popen.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.popen.wait, SECONDS) == 128 + signal.SIGINT


async def test_keys_are_made_once_and_asked_for(folder: Path, azurite: Azurite) -> None:
    connection = azurite.connection_string
    missing = await asyncio.to_thread(lambda: run(folder, "keys", AzureWebJobsStorage=connection))
    assert missing.returncode == 2
    assert "there is no hub" in missing.stderr
    with worker(folder, "--auth", AzureWebJobsStorage=connection) as process:
        address = await asyncio.to_thread(lambda: process.address)
        shown = await asyncio.to_thread(lambda: run(folder, "keys", AzureWebJobsStorage=connection))
        keys = dict(line.split() for line in shown.stdout.splitlines())
        assert keys["function"] != keys["master"]
        async with aiohttp.ClientSession() as session:
            uri = f"{address}/api/start/hello"
            async with session.post(uri, json="you") as response:
                assert response.status == 401
            async with session.post(f"{uri}?code={keys['function']}", json="you") as response:
                assert response.status == 202
                links = await response.json()
            assert (await _completed(session, links["statusQueryGetUri"]))["output"] == "hello you"
            async with session.get(f"{address}/api/durabletask/instances") as response:
                assert response.status == 401
        assert not any(key in process.log for key in keys.values())
        assert await asyncio.to_thread(process.terminate) == 0
    environment = {"DURABLE_FUNCTION_KEY": "mine", "AzureWebJobsStorage": connection}
    chosen = await asyncio.to_thread(lambda: run(folder, "keys", **environment))
    assert chosen.stdout.split()[1] == "mine"
    assert chosen.stdout.split()[3] == keys["master"]


async def test_two_apps_on_one_hub_are_refused(folder: Path, azurite: Azurite) -> None:
    connection = azurite.connection_string
    with worker(folder, AzureWebJobsStorage=connection) as process:
        await asyncio.to_thread(lambda: process.address)
        values = {"AzureWebJobsStorage": connection, "DURABLE_APP_NAME": "another"}
        other = await asyncio.to_thread(lambda: run(folder, "start", "--port", "0", **values))
    assert other.returncode == 2
    assert "belongs to the app" in other.stderr
    assert "Traceback" not in other.stderr
