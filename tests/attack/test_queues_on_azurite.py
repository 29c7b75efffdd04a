"""Hostile messages to a worker process, sent through a storage service as anybody can."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
from pathlib import Path
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueServiceClient

from durable.hub.messages import FORMAT, Doorbell
from durable.runtime.messages import MOST_WAITS
from tests.attack.hostile_messages import Attacker
from tests.azurite import Azurite
from tests.end_to_end.apps import App, served, write_app

APP = """
import durable as df

app = df.DFApp()

@app.activity_trigger(input_name="value")
def add(value: int) -> int:
    return value + 1

@app.orchestration_trigger(context_name="context")
async def waiting(context: df.DurableOrchestrationContext) -> object:
    first = await context.call_activity("add", 1)
    return [first, await context.wait_for_external_event("go")]
"""
MESSAGES = 250
_NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


async def test_a_worker_takes_them_all_and_goes_on(tmp_path: Path, azurite: Azurite) -> None:
    hub = write_app(tmp_path, APP)
    async with served(tmp_path, azurite, hub) as app:
        await app.start("waiting", "there")
        await app.quiet()
        sent = await asyncio.to_thread(_attack, azurite.connection_string, hub)
        await app.quiet(120)
        letters = await asyncio.to_thread(_letters, app)
        assert len(letters) > sent / 4
        assert all(letter["reason"] and letter["queue"] for letter in letters)
        # what is dead says so in the log, and nothing else went wrong there
        assert app.process.log.count("became dead letter") == len(letters)
        assert "Traceback" not in app.process.log
        code, shown = await app.send("GET", "instances/there")
        assert (code, shown["runtimeStatus"]) == (202, "Running")
        assert await app.send("POST", "instances/there/raiseEvent/go", b'"well"') == (202, None)
        assert (await app.ended("there", 30))["output"] == [2, "well"]


def _letters(app: App) -> list[dict[str, Any]]:
    return [row for row in app.state.entities("HubDx") if row["PartitionKey"] == "dead"]


def _attack(connection: str, hub: str) -> int:
    """Send what can be sent; how many that were."""
    rnd = random.Random(5)
    seen = [Doorbell("there").encode(), _work_item(hub)]
    attacker = Attacker(5, seen, ["there", "nobody"], waited=MOST_WAITS)
    sent = 0
    with QueueServiceClient.from_connection_string(connection) as service:
        queues = [
            service.get_queue_client(f"{hub.lower()}-dx-{name}") for name in ("control-00", "add")
        ]
        for number in range(MESSAGES):
            body = attacker.body()
            text = base64.b64encode(body).decode()
            if rnd.random() < 0.3:
                # the service takes nothing that XML cannot hold; the emulator does, and chokes
                raw = body.decode(errors="ignore") + rnd.choice(("", "=", "é", "<&>"))
                text = _NOT_IN_XML.sub("", raw)
            try:
                queues[number % 2].send_message(text)
                sent += 1
            except HttpResponseError:
                # too long for any message
                continue
    return sent


def _work_item(hub: str) -> bytes:
    item = {
        "v": FORMAT,
        "kind": "work",
        "instance": hub,
        "inc": "ab",
        "eid": "e",
        "task": 0,
        "activity": "add",
        "scheduled": "2026-01-01T00:00:00+00:00",
        "turn": 0,
        "call": 0,
        "attempt": 1,
        "input": "1",
        "has_input": True,
        "lack": 0,
        "begun": 0,
    }
    return json.dumps(item).encode()
