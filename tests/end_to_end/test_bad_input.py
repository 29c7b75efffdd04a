"""Bad input to a worker process: each a clear error, and nothing half-written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.azurite import KEY, Azurite, free_ports
from tests.end_to_end.apps import App, served, write_app
from tests.worker.running import run

APP = """
import azure.functions as func

import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

@app.orchestration_trigger(context_name="context")
async def waiting(context: df.DurableOrchestrationContext) -> object:
    return await context.wait_for_external_event("go")
"""
LIMIT = 100_000
PLACE = "orchestrators/waiting"
RAISE = "instances/there/raiseEvent/go"
BAD_IDS = ["a/b", "a\\b", "a#b", "a?b", "a%b", "a'b", 'a"b', "a\nb", "a\x1fb", "a\x7fb", "x" * 2000]


@pytest.fixture
async def app(tmp_path: Path, azurite: Azurite) -> AsyncIterator[App]:
    """With one instance, "there", that waits for an event."""
    hub = write_app(tmp_path, APP, maxPayloadBytes=LIMIT)
    async with served(tmp_path, azurite, hub) as served_app:
        await served_app.start("waiting", "there")
        await served_app.quiet()
        yield served_app


async def test_each_is_refused_and_nothing_is_written(app: App) -> None:
    before = await asyncio.to_thread(app.state.rows)
    for method, path, body, status, said in _requests():
        code, shown = await app.send(method, path, body)
        what = f"{method} {path[:60]} {body[:20]!r}"
        assert code == status, f"{what}: {code} {shown}"
        assert said in shown["message"], f"{what}: {shown}"
    assert await asyncio.to_thread(app.state.rows) == before
    # a start that is refused may ring for the instance in its way
    await app.quiet()
    assert "Traceback" not in app.process.log
    # and the app still works
    assert await app.send("POST", RAISE, b'"well"') == (202, None)
    assert (await app.ended("there", 30))["output"] == "well"


def _requests() -> list[tuple[str, str, bytes, int, str]]:
    """Method, path and body; status, and a part of the message."""
    requests = [
        ("POST", PLACE, body, 400, "not")
        for body in (b"{", b"{'a': 1}", b"[1,]", b"NaN", b'"\xff"', b"1 2")
    ]
    requests += [
        ("POST", "orchestrators/unknown", b"1", 400, "waiting"),
        ("POST", PLACE, b"1" * (LIMIT + 1), 413, "maxPayloadBytes"),
        ("POST", RAISE, b"1" * (LIMIT + 1), 413, "maxPayloadBytes"),
        ("POST", RAISE, b"{", 400, "JSON"),
        ("POST", f"{PLACE}?timeout=soon", b"1", 400, "timeout"),
        ("POST", f"{PLACE}/there", b"1", 409, "'there'"),
        ("POST", "instances/nobody/raiseEvent/go", b"1", 404, "'nobody'"),
    ]
    for bad in BAD_IDS:
        encoded = quote(bad, safe="")
        said = "2000 characters" if len(bad) > 200 else "not allowed"
        requests += [
            ("POST", f"{PLACE}/{encoded}", b"1", 400, said),
            ("GET", f"instances/{encoded}", b"", 400, said),
            ("POST", f"instances/{encoded}/raiseEvent/go", b"1", 400, said),
            ("POST", f"instances/{encoded}/terminate", b"", 400, said),
            ("DELETE", f"instances/{encoded}", b"", 400, said),
        ]
    return requests


async def test_a_hub_of_another_app(app: App, tmp_path: Path, azurite: Azurite) -> None:
    before = await asyncio.to_thread(app.state.rows)
    values = {"AzureWebJobsStorage": azurite.connection_string, "DURABLE_APP_NAME": "another"}
    code, said = await asyncio.to_thread(_fails, tmp_path, values)
    assert code == 2
    assert "belongs to the app" in said
    assert "DURABLE_APP_NAME" in said
    assert await asyncio.to_thread(app.state.rows) == before


def _fails(folder: Path, values: dict[str, str]) -> tuple[int, str]:
    """The exit code and the one message of a start that fails."""
    ended = run(folder, "start", "--port", "0", **values)
    assert ended.stdout == ""
    said = [line for line in ended.stderr.splitlines() if line.startswith("durable: ")]
    assert len(said) == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "listening" not in ended.stderr
    return ended.returncode, said[0]


@pytest.mark.parametrize("name", ["1abc", "x" * 41])
def test_a_hub_name_that_cannot_be(tmp_path: Path, azurite: Azurite, name: str) -> None:
    write_app(tmp_path, APP, hubName=name)
    values = {"AzureWebJobsStorage": azurite.connection_string}
    code, said = _fails(tmp_path, values)
    assert code == 2
    assert "hubName" in said
    assert "3 to 40 letters" in said


def test_a_connection_that_is_not_there(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    code, said = _fails(tmp_path, {})
    assert code == 2
    assert "AzureWebJobsStorage" in said


@pytest.mark.parametrize("connection", ["nonsense", "AccountName=a;AccountKey=b", "AccountName=x"])
def test_a_connection_that_cannot_be_understood(tmp_path: Path, connection: str) -> None:
    write_app(tmp_path, APP)
    code, said = _fails(tmp_path, {"AzureWebJobsStorage": connection})
    assert code == 2
    assert "AzureWebJobsStorage" in said
    assert "AccountKey=b" not in said


def test_an_account_that_does_not_answer(tmp_path: Path, azurite: Azurite) -> None:
    write_app(tmp_path, APP)
    refused = azurite.connection_string
    for port, free in zip((azurite.queue_port, azurite.table_port), free_ports(2), strict=True):
        refused = refused.replace(str(port), str(free))
    code, said = _fails(tmp_path, {"AzureWebJobsStorage": refused})
    assert code == 1
    assert "does not answer" in said
    assert "AzureWebJobsStorage" in said


def test_a_wrong_key(tmp_path: Path, azurite: Azurite) -> None:
    hub = write_app(tmp_path, APP)
    wrong = azurite.connection_string.replace(KEY, "QUJD" + KEY[4:])
    code, said = _fails(tmp_path, {"AzureWebJobsStorage": wrong})
    assert code == 1
    assert "refuses the credentials" in said
    assert hub not in said
    assert KEY[8:40] not in said
