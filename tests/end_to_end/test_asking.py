"""Queries and updates of the sample's cart by two workers under Azurite, one of which is killed
while it is asked; and by a client that has no code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from durable.client import DurableOrchestrationClient
from durable.errors import UnknownQueryError, UpdateRejectedError
from durable.hub.hub import Hub
from durable.storage.azure import open_storage
from durable.storage.azure.connection import Connection
from tests.azurite import Azurite
from tests.end_to_end.fleet import Fleet

PATIENCE = 90
ADDS = 30


@pytest.fixture
def fleet(azurite: Azurite, tmp_path: Path) -> Iterator[Fleet]:
    workers = Fleet(azurite, tmp_path, 2)
    try:
        workers.wait()
        yield workers
    finally:
        workers.close()


async def test_each_update_counts_once_though_workers_die(fleet: Fleet, azurite: Azurite) -> None:
    timeout = aiohttp.ClientTimeout(total=15)
    cart = "durabletask/instances/cart-1"
    async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.timeout(PATIENCE):
        await fleet.send(
            session, "POST", "durabletask/orchestrators/shopping_cart/cart-1", json="Ada"
        )

        async def add(number: int) -> Any:
            await asyncio.sleep(number * 0.15)
            path, line = f"{cart}/updates/add?updateId=add-{number}", {"sku": f"s-{number % 5}"}
            while True:
                answer = await fleet.send(session, "POST", path, json=line)
                if not isinstance(answer, dict):
                    return answer

        killing = asyncio.create_task(fleet.kill_one_every_second(4))
        totals = await asyncio.gather(*(add(number) for number in range(ADDS)))
        await killing
        assert fleet.kills >= 2
        # each was taken once, one after the other, and answered with what was there then
        assert sorted(totals) == [100 * (number + 1) for number in range(ADDS)], totals
        found = await fleet.send(session, "GET", f"{cart}/queries/cart")
        assert found["total_cents"] == 100 * ADDS
        assert [line["quantity"] for line in found["lines"]] == [ADDS // 5] * 5
        # what was answered is answered the same
        assert await add(7) == totals[7]

        settings = Connection.from_string(azurite.connection_string)
        async with await open_storage(settings) as opened:
            client = DurableOrchestrationClient(Hub(opened.storage, fleet.state.hub))
            assert await client.query("cart-1", "cart") == found
            with pytest.raises(UnknownQueryError, match="it has 'cart'"):
                await client.query("cart-1", "total")
            with pytest.raises(UpdateRejectedError, match="there is no book in the cart"):
                await client.update("cart-1", "remove", "book")
            assert await client.update("cart-1", "checkout", {}) == "cart-1-order"
