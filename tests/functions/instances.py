"""Following instances of an app under the test host, and leaving nothing of them."""

from __future__ import annotations

import asyncio
from typing import Any

from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from tests.functions.host.host import FunctionsHost

PATIENCE = 90.0


async def delete_hub(host: FunctionsHost) -> None:
    """Leave nothing: Azurite scans everything of an account on each call."""
    connection = host.settings["AzureWebJobsStorage"]
    hub = host.settings["HUB"]
    async with QueueServiceClient.from_connection_string(connection) as queues:
        async for queue in queues.list_queues(name_starts_with=f"{hub.lower()}-"):
            await queues.delete_queue(queue)
    async with TableServiceClient.from_connection_string(connection) as tables:
        async for table in tables.list_tables():
            if table.name.startswith(hub):
                await tables.delete_table(table.name)


async def ended(host: FunctionsHost, links: dict[str, str]) -> dict[str, Any]:
    """Poll the status link, as a caller from outside does."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await host.request("GET", links["statusQueryGetUri"])
            # an empty 500 is the host's: its worker died under the request
            if answer.status != 202 and answer.body:
                status: dict[str, Any] = answer.json()
                return status
            await asyncio.sleep(0.1)
