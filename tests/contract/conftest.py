"""Every storage adapter, each behind the same small fixture."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import pytest

from durable.model.meter import Meter
from durable.ports import Queues, Storage, Tables
from durable.storage.azure import Connection, StorageClient, open_storage
from durable.storage.memory import ManualClock, memory_storage
from durable.storage.metering import metered
from tests.azurite import Azurite


@dataclass
class Account:
    """A storage with one table and one queue of its own, and a way to let time pass."""

    storage: Storage
    elapse: Callable[[float], Awaitable[None]]
    table: str
    queue: str

    @property
    def tables(self) -> Tables:
        return self.storage.tables

    @property
    def queues(self) -> Queues:
        return self.storage.queues


async def _account(storage: Storage, elapse: Callable[[float], Awaitable[None]]) -> Account:
    mark = secrets.token_hex(6)
    account = Account(storage, elapse, f"T{mark}", f"q-{mark}")
    await storage.tables.create_table(account.table)
    await storage.queues.create_queue(account.queue)
    return account


@pytest.fixture(params=["memory", "memory-metered", "azurite-sdk", "azurite-lean"])
async def account(request: pytest.FixtureRequest) -> AsyncIterator[Account]:
    if request.param in ("memory", "memory-metered"):
        clock = ManualClock()

        async def advance(seconds: float) -> None:
            clock.advance(seconds)

        storage = memory_storage(clock)
        if request.param == "memory-metered":
            storage = metered(storage, Meter())
        yield await _account(storage, advance)
        return
    azurite = cast(Azurite, request.getfixturevalue("azurite"))
    connection = Connection.from_string(azurite.connection_string)
    client: StorageClient = "sdk" if request.param == "azurite-sdk" else "lean"
    async with await open_storage(connection, client=client) as opened:
        account = await _account(opened.storage, opened.storage.clock.sleep)
        yield account
        # Azurite scans everything of an account on each call, so leave it nothing.
        await account.queues.delete_queue(account.queue)
        await account.tables.delete_table(account.table)
