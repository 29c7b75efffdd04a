"""W1 to W4: chains and fan-outs, which carry the comparison with the peers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.ceiling import Ceiling
from bench.contenders import (
    DBOS,
    DURABLETASK,
    RESTATE,
    SHORT_CHAIN,
    Figures,
    Measure,
    ceiling,
)
from bench.peers.protocol import growth, latencies, percentiles, taken
from bench.site import Site, durable_task
from bench.sizes import Sizes

INLINE: Mapping[str, str] = {}
QUEUED = durable_task(alwaysQueueActivities=True)
CHAIN = 10


def w1(sizes: Sizes) -> dict[str, Measure]:
    """A chain of ten no-op activities, one after the other: p50 and p95."""

    def ours(settings: Mapping[str, str]) -> Measure:
        async def run() -> Figures:
            async with Site(settings=settings) as site:
                await warm_up(site, sizes)
                answer = await site.timed("chain", [CHAIN] * sizes.chains)
                return percentiles(answer["each"])

        return run

    async def over_http() -> Figures:
        async with Site() as site:
            await warm_up(site, sizes)
            asked = {"name": "chain", "input": CHAIN}
            return await latencies(lambda: site.post("call", asked), sizes.chains)

    def bare(*, queued: bool) -> Measure:
        async def run(it: Ceiling) -> Figures:
            return await latencies(lambda: it.chain(CHAIN, queued=queued), sizes.chains)

        return ceiling(run, warm=sizes.warm, queued=queued)

    asked = {"steps": CHAIN, "times": sizes.chains, "warm": sizes.warm}
    return {
        "durable, inline": ours(INLINE),
        "Restate, inline": RESTATE.measure("W1", **asked),
        "DBOS": DBOS.measure("W1", **asked),
        "ceiling, inline": bare(queued=False),
        "durable, seen over HTTP": over_http,
        "durable, queued": ours(QUEUED),
        "Restate, calls": RESTATE.measure("W1", **asked, called=True),
        "ceiling, queued": bare(queued=True),
        "durabletask": DURABLETASK.measure("W1", **asked),
    }


def w2(sizes: Sizes) -> dict[str, Measure]:
    """Chains of five started at once: activities a second."""

    def ours(workers: int, settings: Mapping[str, str] = INLINE, route: str = "time") -> Measure:
        async def run() -> Figures:
            async with Site(workers=workers, settings=settings) as site:
                await site.timed("chain", [SHORT_CHAIN] * 3)
                return await all_at_once(site, sizes.instances, route)

        return run

    async def bare(it: Ceiling) -> Figures:
        total = await taken(lambda: it.chains(sizes.instances, SHORT_CHAIN))
        return {"per_second": sizes.instances * SHORT_CHAIN / total}

    asked = {"instances": sizes.instances, "steps": SHORT_CHAIN}
    return {
        "durable, one worker": ours(1),
        "Restate, inline": RESTATE.measure("W2", **asked),
        "DBOS": DBOS.measure("W2", **asked),
        "ceiling, inline": ceiling(bare),
        "durable, three workers": ours(3),
        **{
            f"durable, {variant.name}": ours(1, variant.settings, variant.route)
            for variant in GROUPED
        },
        "durabletask": DURABLETASK.measure("W2", **asked),
    }


def w3(sizes: Sizes) -> dict[str, Measure]:
    """Fan-out and fan-in: seconds."""

    def ours(settings: Mapping[str, str], workers: int, activities: int) -> Measure:
        async def run() -> Figures:
            async with Site(workers=workers, settings=settings) as site:
                await site.timed("chain", [CHAIN] * 3)
                answer = await site.timed("fan_out", [activities])
                if answer["outputs"] != [str(activities)]:
                    raise RuntimeError(f"the fan-in gave {answer['outputs']}")
                return {"seconds": answer["each"][0]}

        return run

    def bare(activities: int, *, queued: bool) -> Measure:
        async def run(it: Ceiling) -> Figures:
            return {"seconds": await taken(lambda: it.fan_out(activities, queued=queued))}

        return ceiling(run)

    few, many = sizes.fan_out, sizes.large_fan_out
    return {
        "durable, inline": ours(INLINE, 1, few),
        "Restate, inline": RESTATE.measure("W3", activities=few),
        "ceiling, inline": bare(few, queued=False),
        "durable, queued, three workers": ours(QUEUED, 3, few),
        "Restate, calls": RESTATE.measure("W3", activities=few, called=True),
        "ceiling, queued": bare(few, queued=True),
        "DBOS": DBOS.measure("W3", activities=few),
        "durabletask": DURABLETASK.measure("W3", activities=few),
        f"durable, inline, {many:,}": ours(INLINE, 1, many),
        f"Restate, inline, {many:,}": RESTATE.measure("W3", activities=many),
        f"ceiling, inline, {many:,}": bare(many, queued=False),
    }


def w4(sizes: Sizes) -> dict[str, Measure]:
    """One long chain: seconds, and the cost of a step at the end against the beginning."""

    def ours(steps: int) -> Measure:
        async def run() -> Figures:
            async with Site() as site:
                await warm_up(site, sizes)
                answer = await site.timed("timed_chain", [steps])
                return {"seconds": answer["each"][0], **growth(json.loads(answer["outputs"][0]))}

        return run

    def bare(steps: int) -> Measure:
        async def run(it: Ceiling) -> Figures:
            return {"seconds": await taken(lambda: it.chain(steps))}

        return ceiling(run, warm=sizes.warm)

    few, many = sizes.chain, sizes.long_chain
    return {
        "durable, inline": ours(few),
        "Restate, inline": RESTATE.measure("W4", steps=few, warm=sizes.warm),
        "ceiling, inline": bare(few),
        "DBOS": DBOS.measure("W4", steps=few, warm=sizes.warm),
        "durabletask": DURABLETASK.measure("W4", steps=few, warm=sizes.warm),
        f"durable, inline, {many:,}": ours(many),
        f"ceiling, inline, {many:,}": bare(many),
    }


@dataclass(frozen=True, slots=True)
class Variant:
    """Another way to run W2: settings, and the bench app's route that starts the instances."""

    name: str
    settings: Mapping[str, str]
    route: str = "time"


GROUPED = (
    Variant("packed starts", INLINE, "time_many"),
    Variant("grouped and packed", durable_task(checkpointSteps=5), "time_many"),
)
"""Packed starts, and grouped checkpoints with them, each a line."""


async def warm_up(site: Site, sizes: Sizes) -> None:
    """Azurite takes twice as long for its first thousands of requests, and Python some more."""
    await site.timed("chain", [SHORT_CHAIN] * sizes.warm, at_once=True)


async def all_at_once(site: Site, instances: int, route: str) -> dict[str, Any]:
    """Start them, a part through each worker; activities a second."""
    count = len(site.workers)
    parts = [instances // count + (number < instances % count) for number in range(count)]
    asked = [{"name": "chain", "inputs": [SHORT_CHAIN] * part, "at_once": True} for part in parts]
    posts = [site.post(route, each, worker=number) for number, each in enumerate(asked)]
    total = await taken(lambda: asyncio.gather(*posts))
    return {"per_second": instances * SHORT_CHAIN / total}
