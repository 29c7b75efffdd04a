"""Storage operations, counted by the service, and bytes, counted by the worker's cost meter: they
hardly vary on a noisy machine."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bench.chains import INLINE, QUEUED
from bench.contenders import Figures, Measure
from bench.site import Site
from bench.sizes import Sizes
from durable.hub.keys import HubNames
from durable.hub.usage import UsageRows
from durable.storage.azure import Connection, open_storage

SHORT, LONG = 10, 30
INSTANCES = 5


@dataclass(frozen=True, slots=True)
class Use:
    """Requests by what they are, as `Account.requests` has them; bytes as `Usage` has them."""

    requests: Counter[str]
    bytes: int


def operations(sizes: Sizes) -> dict[str, Measure]:
    """Of a step, of an orchestration beside its steps, and of a fan-in, its commits too."""

    def chains(settings: Mapping[str, str], work_queue: bool) -> Measure:
        async def run() -> Figures:
            async with Site(workers=0, counting=True, settings=settings) as site:
                await _counted(site, "chain", [1])
                short = await _counted(site, "chain", [SHORT] * INSTANCES)
                long = await _counted(site, "chain", [LONG] * INSTANCES)

            def total(found: Counter[str]) -> float:
                # queues are polled in any case; receiving work is an operation of an activity
                received = {k: n for k, n in found.items() if k.startswith("receive ")}
                work = sum(n for k, n in received.items() if work_queue and k.endswith("-nothing"))
                return (found.total() - sum(received.values()) + work) / INSTANCES

            def of_both(short: float, long: float) -> tuple[float, float]:
                step = (long - short) / (LONG - SHORT)
                return step, short - SHORT * step

            step, rest = of_both(total(short.requests), total(long.requests))
            step_bytes, rest_bytes = of_both(short.bytes / INSTANCES, long.bytes / INSTANCES)
            return {
                "a_step": step,
                "an_orchestration": rest,
                "bytes_a_step": step_bytes,
                "bytes_an_orchestration": rest_bytes,
            }

        return run

    def fan_in(settings: Mapping[str, str]) -> Measure:
        async def run() -> Figures:
            async with Site(workers=0, counting=True, settings=settings) as site:
                await _counted(site, "chain", [1])
                found = await _counted(site, "fan_out", [sizes.fan_out])
                requests = found.requests
                received = sum(n for k, n in requests.items() if k.startswith("receive "))
                return {
                    "commits": requests["batch"],
                    "all": requests.total() - received,
                    "bytes": found.bytes,
                }

        return run

    return {
        "durable, inline": chains(INLINE, work_queue=False),
        "durable, queued": chains(QUEUED, work_queue=True),
        "durable, fan-in, inline": fan_in(INLINE),
        "durable, fan-in, queued": fan_in(QUEUED),
    }


async def _counted(site: Site, name: str, inputs: list[int]) -> Use:
    """What orchestrations ask of the service while nobody waits for them, in a worker of their
    own: it tells its figures when it ends."""
    worker = await site.add_worker()
    before = await site.quiet()
    await site.post("start", {"name": name, "inputs": inputs})
    after = await site.quiet()
    after.subtract(before)
    site.workers.remove(worker)
    await asyncio.to_thread(worker.process.stop)
    return Use(after, await _bytes_of_the_last_worker(site))


async def _bytes_of_the_last_worker(site: Site) -> int:
    connection = Connection.from_string(site.account.connection)
    async with await open_storage(connection) as opened:
        *_, last = await UsageRows(opened.storage, HubNames(site.hub)).read()
    return last.usage.work.bytes_sent + last.usage.work.bytes_received
