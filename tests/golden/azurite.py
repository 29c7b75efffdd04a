"""Records what workers leave on Azurite: rows and messages as a service gives them back, with its
times and ids, after a worker was killed."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from pathlib import Path
from typing import Any

from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueServiceClient

from durable.storage.azure import Connection, open_storage
from tests.azurite import Azurite
from tests.golden.dumps import dump_tables, plain, restore
from tests.golden.manifest import HISTORIES, append, is_recorded
from tests.golden.programs import registry_of
from tests.golden.replaying import seen
from tests.golden.steps import Step, event, outcome, perform, run, signal, start, wait
from tests.golden.text import pretty
from tests.golden.world import World
from tests.memory_hub import MemoryHub

NAME = "on-azurite.in-flight.json"
ABOUT = "as Azurite gives it back: a lock, an activity and events under way when the worker died"
BEFORE: list[Step] = [
    signal("@account@one", "deposit", 5),
    start("long_payloads", "l", 60_000),
    start("transfer", "t", 30),
    start("events", "e"),
    event("e", "APPROVAL", "one"),
]
AFTER: list[Step] = [
    event("l", "text", "lorem ipsum ", times=3_000),
    event("e", "approval", "two"),
    event("e", "last", {}),
    wait("l"),
    wait("t"),
    wait("e"),
    run(400),
]
RUNS, HIDDEN = 3.0, 25.0
"""Seconds until the worker is killed, and until its messages show themselves."""


async def record(azurite: Azurite, folder: Path = HISTORIES) -> str:
    """Write the file. Raises FileExistsError where it was ever written."""
    if is_recorded(NAME, folder):
        raise FileExistsError(f"{NAME} is recorded already: golden histories are only added")
    connection = Connection.from_settings({"AzureWebJobsStorage": azurite.connection_string})
    opened = await open_storage(connection)
    try:
        stored = await _recorded(MemoryHub(workers=0, storage=opened.storage), azurite)
    finally:
        await opened.close()
    restored = await restore(stored)
    world = World(restored.clock.sleep)
    restored.registry = registry_of(world)
    stored["orchestrations"] = await seen(restored)
    async with restored:
        await restored.add_runtime()
        for step in AFTER:
            await perform(restored, world, step)
        stored["ends"] = await outcome(restored)
    (folder / NAME).write_text(pretty(stored) + "\n", encoding="utf-8")
    append([NAME], folder)
    return NAME


async def _recorded(hub: MemoryHub, azurite: Azurite) -> dict[str, Any]:
    world = World(hub.clock.sleep)
    hub.registry = registry_of(world)
    async with hub:
        worker = await hub.add_runtime()
        for step in BEFORE:
            await perform(hub, world, step)
        until = hub.clock.monotonic() + RUNS
        while hub.clock.monotonic() < until:
            if not await hub.deliver():
                await asyncio.sleep(0.05)
        await hub.kill(worker)
        await asyncio.sleep(HIDDEN)
        now = hub.clock.now().isoformat()
        return {
            "shows": ABOUT,
            "cut": "in-flight",
            "mended": False,
            "then": AFTER,
            "now": now,
            "tables": await dump_tables(hub),
            "queues": await _queues(azurite, hub.hub.names.hub, now),
        }


async def _queues(azurite: Azurite, hub: str, now: str) -> dict[str, Any]:
    queues = {}
    async with QueueServiceClient.from_connection_string(azurite.connection_string) as service:
        async for queue in service.list_queues(name_starts_with=f"{hub.lower()}-dx-"):
            found = await service.get_queue_client(queue).peek_messages(32)
            queues[queue.name] = [_message(message, now) for message in found]
    return queues


def _message(message: QueueMessage, now: str) -> dict[str, Any]:
    assert message.inserted_on is not None
    return {
        "id": message.id,
        "inserted": message.inserted_on.isoformat(),
        "visible": now,
        "deliveries": message.dequeue_count,
        "body": plain(b64decode(message.content).decode()),
    }
