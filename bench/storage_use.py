"""Storage operations, counted by the service: they are the same on a noisy machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bench.chains import INLINE, QUEUED
from bench.contenders import Figures, Measure
from bench.site import Site
from bench.sizes import Sizes

SHORT, LONG = 10, 30
INSTANCES = 5


def operations(sizes: Sizes) -> dict[str, Measure]:
    """Of a step, of an orchestration, and the commits of a fan-in."""

    def chains(settings: Mapping[str, str], work_queue: bool) -> Measure:
        async def run() -> Figures:
            async with Site(counting=True, settings=settings) as site:
                await site.timed("chain", [1])
                short = await _counted(site, "chain", [SHORT] * INSTANCES)
                long = await _counted(site, "chain", [LONG] * INSTANCES)

            def total(found: Counter[str]) -> float:
                # queues are polled in any case; receiving work is an operation of an activity
                received = {k: n for k, n in found.items() if k.startswith("receive ")}
                work = sum(n for k, n in received.items() if work_queue and k.endswith("-nothing"))
                return (found.total() - sum(received.values()) + work) / INSTANCES

            step = (total(long) - total(short)) / (LONG - SHORT)
            return {"a_step": step, "an_orchestration": total(short) - SHORT * step}

        return run

    def fan_in(settings: Mapping[str, str]) -> Measure:
        async def run() -> Figures:
            async with Site(counting=True, settings=settings) as site:
                await site.timed("chain", [1])
                found = await _counted(site, "fan_out", [sizes.fan_out])
                received = sum(n for k, n in found.items() if k.startswith("receive "))
                return {"commits": found["batch"], "all": found.total() - received}

        return run

    return {
        "durable, inline": chains(INLINE, work_queue=False),
        "durable, queued": chains(QUEUED, work_queue=True),
        "durable, fan-in, inline": fan_in(INLINE),
        "durable, fan-in, queued": fan_in(QUEUED),
    }


async def _counted(site: Site, name: str, inputs: list[int]) -> Counter[str]:
    """What orchestrations ask of the service while nobody waits for them."""
    before = await site.quiet()
    await site.post("start", {"name": name, "inputs": inputs})
    after = await site.quiet()
    after.subtract(before)
    return after
