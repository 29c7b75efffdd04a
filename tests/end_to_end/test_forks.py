"""A fork on Azurite and two workers, one of which is killed in the first step of the fork."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

from tests.azurite import Azurite
from tests.end_to_end.apps import served, write_app

APP = """
import asyncio
import os
from pathlib import Path

import azure.functions as func

import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
DONE = Path(__file__).with_name("done")


def done(step: str) -> int:
    context = df.activity_context()
    line = f"{context.instance_id} {step}"
    with DONE.open("a") as file:
        file.write(f"{line} {os.getpid()}\\n")
    return DONE.read_text().count(f"{line} ")


@app.activity_trigger(input_name="size")
async def reserve(size: int) -> str:
    done("reserve")
    return "x" * size


@app.activity_trigger(input_name="size")
async def charge(size: int) -> int:
    done("charge")
    return size


@app.activity_trigger(input_name="town")
async def ship(town: str) -> str:
    if done("ship") == 1:
        if town == "Pari":
            raise ValueError("no such town")
        await asyncio.sleep(600)
    return town


@app.orchestration_trigger(context_name="context")
async def order(context: df.DurableOrchestrationContext) -> list[object]:
    goods = await context.call_activity(reserve, 100_000)
    paid = await context.wait_for_external_event("paid", int)
    charged = await context.call_activity(charge, paid)
    return [len(goods), charged, await context.call_activity(ship, context.get_input(str))]
"""
PATIENCE = 90.0


async def test_what_was_taken_over_is_done_once_through_a_kill(
    tmp_path: Path, azurite: Azurite
) -> None:
    hub = write_app(tmp_path, APP)
    done = tmp_path / "done"
    async with served(tmp_path, azurite, hub) as one, served(tmp_path, azurite, hub) as two:
        await one.start("order", "s", b'"Pari"')
        assert (await two.send("POST", "instances/s/raiseEvent/paid", b"7"))[0] == 202
        assert (await one.ended("s", PATIENCE))["runtimeStatus"] == "Failed"
        body = json.dumps({"step": 2, "input": "Paris", "newInstanceId": "f"}).encode()
        code, shown = await two.send("POST", "instances/s/fork", body)
        assert (code, shown["id"]) == (202, "f")
        async with asyncio.timeout(PATIENCE):
            pid = await _worker_of(done, "f ship")
        apps = {app.process.popen.pid: app for app in (one, two)}
        os.kill(apps[pid].process.popen.pid, signal.SIGKILL)
        left = next(app for other, app in apps.items() if other != pid)
        ended = await left.ended("f", PATIENCE)
        assert ended["output"] == [100_000, 7, "Paris"]
        assert ended["forkedFrom"] == {"instanceId": "s", "step": 2}
        assert (await left.send("DELETE", "instances/s"))[0] == 200
        await left.quiet(PATIENCE)
    ran = [line.rsplit(" ", 1)[0] for line in _lines(done)]
    assert ran == ["s reserve", "s charge", "s ship", "f ship", "f ship"]


async def _worker_of(done: Path, step: str) -> int:
    """The process that has begun a step."""
    while not (begun := [line for line in _lines(done) if line.startswith(step)]):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return int(begun[0].split()[-1])


def _lines(done: Path) -> list[str]:
    return done.read_text().splitlines()
