"""The lean client under an event loop whose transports have no class of asyncio."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from durable.ports import Insert
from durable.runtime.loops import new_event_loop
from durable.storage.azure import Connection, open_storage
from tests.azurite import Azurite


async def _rows_and_messages(connection: str) -> tuple[object, list[bytes]]:
    name = f"loop{secrets.token_hex(6)}"
    async with await open_storage(Connection.from_string(connection), client="lean") as opened:
        tables, queues = opened.storage.tables, opened.storage.queues
        await tables.create_table(name)
        await tables.transact(name, "p", [Insert("a", {"x": 1}), Insert("b", {"x": 2})])
        await queues.create_queue(name)
        await queues.send(name, b"one")
        row = await tables.get(name, "p", "b")
        received = await queues.receive(name, limit=1, lease=30)
        await tables.delete_table(name)
        await queues.delete_queue(name)
        return row and row.values["x"], [message.body for message in received]


def test_uvloop(azurite: Azurite) -> None:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert isinstance(runner.get_loop(), uvloop.Loop)
        assert runner.run(_rows_and_messages(azurite.connection_string)) == (2, [b"one"])
