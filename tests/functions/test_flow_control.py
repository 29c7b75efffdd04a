"""Limited activities on two instances of a function app, one of which is killed on the way."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.functions.host.host import FUNCTION_KEY, FunctionsHost
from tests.functions.instances import delete_hub, ended

CODE = """
import asyncio, os

import azure.functions as func

import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

def note(*what):
    # one write to the end of a file is whole
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(" ".join(map(str, (os.getpid(), *what))) + "\\n")

async def perform(what, number, seconds):
    note("begin", what, number)
    await asyncio.sleep(seconds)
    note("end", what, number)
    return number

@app.activity_trigger(input_name="number", concurrency=1)
async def solo(number: int) -> int:
    is_long = number == 0 and not os.path.exists(os.environ["NOTES"] + ".killed")
    return await perform("solo", number, 600 if is_long else 0.05)

@app.activity_trigger(input_name="payout", key_concurrency=1)
async def pay(payout: list) -> int:
    return await perform(payout[0], payout[1], 0.1)

@app.orchestration_trigger(context_name="context")
async def many(context: df.DurableOrchestrationContext):
    payouts = [[f"customer-{number % 3}", number] for number in range(24)]
    return await context.when_all([
        context.map("pay", payouts, key_of=lambda payout: payout[0]),
        context.map("solo", [1, 2, 3, 0, 4, 5, 6, 7]),
    ])

@app.route(route="many", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient):
    instance_id = await client.start_new("many")
    return client.create_check_status_response(req, instance_id)
"""
SETTINGS = {
    "version": "2.0",
    "extensions": {
        "durableTask": {"hubName": "%HUB%", "storageProvider": {"partitionCount": 2}},
        # few at a time, so that both hosts have some of them
        "queues": {
            "batchSize": 4,
            "newBatchThreshold": 2,
            "maxPollingInterval": "00:00:01",
            "maxDequeueCount": 1000,
        },
    },
}


async def test_two_never_run_at_once_through_a_kill(
    functions_host: Callable[..., FunctionsHost], tmp_path: Path
) -> None:
    (tmp_path / "function_app.py").write_text(CODE)
    (tmp_path / "host.json").write_text(json.dumps(SETTINGS))
    notes = tmp_path / "notes"
    # calls that waited in the host that is killed come back after their messages' lease
    async with (
        functions_host(tmp_path, lease=10, NOTES=str(notes)) as one,
        functions_host(tmp_path, lease=10, NOTES=str(notes)) as other,
    ):
        started = await one.request("POST", "/api/many", key=FUNCTION_KEY)
        assert started.status == 202, started.body
        async with asyncio.timeout(60):
            pid = await _in_the_middle(notes)
        hosts = {str(each.worker.pid): each for each in (one, other) if each.worker}
        await hosts.pop(pid).kill()
        (tmp_path / "notes.killed").touch()
        with notes.open("a") as file:
            file.write(f"{pid} killed\n")
        (left,) = hosts.values()
        status = await ended(left, started.json())
    await delete_hub(left)
    assert status["output"] == [[*range(24)], [1, 2, 3, 0, 4, 5, 6, 7]], status
    said = _read(notes)
    _never_two(said)
    assert {each[0] for each in said} == {pid, *hosts}
    assert {each[0] for each in said if each[1:] == ["begin", "solo", "0"]} == {pid, *hosts}


async def _in_the_middle(notes: Path) -> str:
    """Who runs the call that does not end, once the others have been paid; other processes write
    it, so one has to look."""
    while True:
        said = _read(notes)
        begun = [pid for pid, *what in said if what == ["begin", "solo", "0"]]
        if begun and sum(what == "end" and of != "solo" for _, what, of, _ in said) == 24:
            return begun[0]
        await asyncio.sleep(0.05)


def _read(notes: Path) -> list[list[str]]:
    return [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []


def _never_two(notes: list[list[str]]) -> None:
    """Neither calls of `solo` nor of one customer."""
    running: Counter[str] = Counter()
    by_process: dict[str, list[str]] = {}
    for pid, what, *of in notes:
        mine = by_process.setdefault(pid, [])
        if what == "killed":
            running.subtract(mine)
            mine.clear()
        elif what == "begin":
            running[of[0]] += 1
            mine.append(of[0])
            assert running[of[0]] == 1, notes
        else:
            running[of[0]] -= 1
            mine.remove(of[0])
    assert not +running
