"""W1 where it is started from elsewhere: under a Functions host, and by another process after the
worker was idle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from statistics import median

from bench.chains import CHAIN, INLINE, QUEUED
from bench.contenders import Figures, Measure
from bench.peers.protocol import latencies
from bench.site import APP, Account, Site
from bench.sizes import Sizes
from durable.client import DurableOrchestrationClient
from durable.hub.hub import Hub
from durable.storage.azure import Connection, open_storage
from tests.functions.host.host import FunctionsHost

LOOK_SECONDS = 0.02
STARTS = 3


def w1_elsewhere(sizes: Sizes) -> dict[str, Measure]:
    """A chain of ten no-op activities, from the start to the result that the starter sees."""

    def under_functions(settings: Mapping[str, str]) -> Measure:
        async def run() -> Figures:
            with Account() as account:
                values = {
                    "AzureWebJobsStorage": account.connection,
                    "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
                    **settings,
                }
                async with FunctionsHost(APP, values, account.folder / "worker.log") as host:

                    async def one() -> None:
                        said = await host.request(
                            "POST", "/api/call", {"name": "chain", "input": CHAIN}
                        )
                        if said.status != 200:
                            raise RuntimeError(f"the host answered {said.status}: {said.body!r}")

                    await one()
                    return await latencies(one, sizes.chains if not settings else STARTS)

        return run

    return {
        "durable under Functions": under_functions(INLINE),
        "durable under Functions, queue-triggered": under_functions(QUEUED),
        "durable, queued, idle before": _after_idling(sizes),
    }


def _after_idling(sizes: Sizes) -> Measure:
    async def run() -> Figures:
        async with Site(settings=QUEUED) as site:
            await site.timed("chain", [CHAIN])
            connection = Connection.from_string(site.account.connection)
            async with await open_storage(connection) as opened:
                client = DurableOrchestrationClient(Hub(opened.storage, site.hub))
                seconds = []
                for _ in range(STARTS):
                    await asyncio.sleep(sizes.idle_seconds)
                    began = time.perf_counter()
                    instance = await client.start_new("chain", client_input=CHAIN)
                    while not await _has_ended(client, instance):
                        await asyncio.sleep(LOOK_SECONDS)
                    seconds.append(time.perf_counter() - began)
        return {"p50_ms": median(seconds) * 1000}

    return run


async def _has_ended(client: DurableOrchestrationClient, instance: str) -> bool:
    status = await client.get_status(instance)
    return status is not None and status.runtime_status.is_terminal
