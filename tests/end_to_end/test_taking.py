"""Two workers of one app on one hub that take different functions, and different versions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.azurite import Azurite
from tests.end_to_end.apps import App, write_app
from tests.end_to_end.hub_state import HubState
from tests.worker.running import Process, run, worker

CODE = """
import os

import durable as df

app = df.DFApp()
if "CODE_VERSION" in os.environ:
    app.configure_versioning(
        df.VersioningOptions(
            os.environ["CODE_VERSION"],
            os.environ["CODE_VERSION"],
            df.VersionMatchStrategy.STRICT,
            df.VersionFailureStrategy[os.environ.get("ON_MISMATCH", "REJECT")],
        )
    )


@app.activity_trigger(input_name="value")
def add(value: int) -> list[int]:
    return [value + 1, os.getpid()]


@app.orchestration_trigger(context_name="context")
async def chain(context: df.DurableOrchestrationContext) -> list[int]:
    value, seen = 0, set()
    for _ in range(5):
        value, pid = await context.call_activity(add, value)
        seen.add(pid)
    return [value, *seen]


@app.orchestration_trigger(context_name="context")
async def other(context: df.DurableOrchestrationContext) -> str:
    return "other"


@app.orchestration_trigger(context_name="context")
async def versioned(context: df.DurableOrchestrationContext) -> str:
    return context.version
"""


@asynccontextmanager
async def two(
    folder: Path, azurite: Azurite, first: dict[str, Any], second: dict[str, Any]
) -> AsyncIterator[tuple[App, App]]:
    """Two workers of the app in `folder`, each with arguments and settings of its own."""
    connection = azurite.connection_string
    hub = write_app(folder, CODE)
    with (
        worker(folder, *first.pop("given", ()), AzureWebJobsStorage=connection, **first) as one,
        worker(folder, *second.pop("given", ()), AzureWebJobsStorage=connection, **second) as other,
    ):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            yield (
                await _app(one, session, HubState(connection, hub)),
                await _app(other, session, HubState(connection, hub)),
            )


async def _app(process: Process, session: aiohttp.ClientSession, state: HubState) -> App:
    address = await asyncio.to_thread(lambda: process.address)
    return App(process, address, session, state)


async def _waits(app: App, instance_id: str, text: str) -> dict[str, Any]:
    """The status, once it says what the instance waits for."""
    shown: Any = None
    try:
        async with asyncio.timeout(40):
            while True:
                _, shown = await app.send("GET", f"instances/{instance_id}")
                if text in shown.get("waiting", ""):
                    return dict(shown)
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"still {shown}\n{app.process.log}") from None


async def test_functions_may_have_workers_of_their_own(azurite: Azurite, tmp_path: Path) -> None:
    performing = {"given": ["--only-activities", "add", "--only-orchestrations", "other"]}
    deciding = {"DURABLE_ONLY_ORCHESTRATIONS": "chain"}
    async with two(tmp_path, azurite, performing, deciding) as (one, second):
        assert "add: activity" in one.process.log
        assert "chain" not in one.process.log
        assert "chain: orchestrator" in second.process.log
        for number in range(6):
            # each time by the worker that does not take it
            begun = time.monotonic()
            await one.start("chain", f"c{number}")
            await second.start("other", f"o{number}")
            chain = await one.ended(f"c{number}", 30)
            other = await second.ended(f"o{number}", 30)
            assert chain["output"] == [5, one.process.popen.pid]
            assert other["output"] == "other"
            assert time.monotonic() - begun < 20
            assert "waiting" not in chain
        await one.start("versioned", "v")
        shown = await _waits(one, "v", "a worker that takes the orchestrator 'versioned'")
        assert shown["runtimeStatus"] == "Pending"
        told = run(
            tmp_path,
            "get-runtime-status",
            "--id",
            "v",
            AzureWebJobsStorage=azurite.connection_string,
        )
        assert "waits for" in told.stdout
        assert "a worker that takes the orchestrator 'versioned'" in told.stdout


async def test_versions_may_have_workers_of_their_own(azurite: Azurite, tmp_path: Path) -> None:
    old, new = {"CODE_VERSION": "1.0"}, {"CODE_VERSION": "2.0"}
    async with two(tmp_path, azurite, old, new) as (one, second):
        for number in range(4):
            await one.send("POST", f"orchestrators/versioned/a{number}?version=2.0")
            await second.send("POST", f"orchestrators/versioned/b{number}?version=1.0")
            assert (await one.ended(f"a{number}", 30))["output"] == "2.0"
            assert (await second.ended(f"b{number}", 30))["output"] == "1.0"
        await one.start("versioned", "default")
        assert (await one.ended("default", 30))["output"] == "1.0"
        await one.send("POST", "orchestrators/versioned/later?version=3.0")
        await _waits(one, "later", "the orchestrator 'versioned' of version '3.0'")
        with worker(
            tmp_path, AzureWebJobsStorage=azurite.connection_string, CODE_VERSION="3.0"
        ) as third:
            await asyncio.to_thread(lambda: third.address)
            assert (await one.ended("later", 60))["output"] == "3.0"


async def test_a_version_may_be_failed(azurite: Azurite, tmp_path: Path) -> None:
    failing = {"CODE_VERSION": "1.0", "ON_MISMATCH": "FAIL"}
    async with two(tmp_path, azurite, dict(failing), dict(failing)) as (one, _):
        await one.send("POST", "orchestrators/versioned/f?version=2.0")
        shown = await one.ended("f", 30)
        assert shown["runtimeStatus"] == "Failed"
        assert shown["failure"] == {
            "type": "VersionMismatch",
            "message": "the orchestration, version '2.0', does not match this worker, "
            "version '1.0'",
        }


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        (
            ["--only-orchestrations", "chains"],
            {},
            "names the orchestrator 'chains', which this app does not have; it has chain, other",
        ),
        ([], {"DURABLE_ONLY_ACTIVITIES": "chain"}, "names the activity 'chain'"),
        (
            [],
            {"AzureFunctionsJobHost__extensions__durableTask__versionMatchStrategy": "Newest"},
            'is "Newest": write one of None, Strict, CurrentOrOlder',
        ),
    ],
)
def test_what_cannot_be_taken_is_refused_at_the_start(
    tmp_path: Path, given: list[str], settings: dict[str, str], message: str
) -> None:
    write_app(tmp_path, CODE)
    ended = run(
        tmp_path,
        "start",
        "--port",
        "0",
        *given,
        AzureWebJobsStorage="UseDevelopmentStorage=true",
        **settings,
    )
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
