"""What a peer's script speaks with the harness: JSON, a line each way.

It says {"ready": true} once it can be asked. Each line that it gets is {"workload": ...} with
that workload's parameters, and is answered by {"figures": {...}} or by {"error": "..."}.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from statistics import median
from typing import Any

Figures = dict[str, float]
Workload = Callable[..., Awaitable[Figures]]
Call = Callable[[], Awaitable[Any]]

PAUSE_SECONDS = 0.02


async def serve(workloads: Mapping[str, Workload]) -> None:
    """Answer until the harness hangs up."""
    say({"ready": True})
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked: dict[str, Any] = json.loads(line)
        try:
            figures = await workloads[asked.pop("workload")](**asked)
            say({"figures": figures})
        except Exception as error:
            traceback.print_exc()
            say({"error": f"{type(error).__name__}: {error}"})


def say(value: object) -> None:
    """A line to the harness."""
    print(json.dumps(value), flush=True)


async def latencies(call: Call, times: int) -> Figures:
    """One after the other, with a pause for what the one before left to clean up: milliseconds of
    the median and of one in twenty."""
    seconds = []
    for _ in range(times):
        await asyncio.sleep(PAUSE_SECONDS)
        seconds.append(await taken(call))
    return percentiles(seconds)


async def throughput(call: Call, instances: int, activities: int) -> Figures:
    """All at once: activities a second."""
    total = await taken(lambda: asyncio.gather(*(call() for _ in range(instances))))
    return {"per_second": instances * activities / total}


async def taken(call: Call) -> float:
    """Seconds."""
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began


def percentiles(seconds: list[float]) -> Figures:
    """`p50_ms` and `p95_ms`."""
    ordered = sorted(seconds)
    last = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return {"p50_ms": median(ordered) * 1000, "p95_ms": last * 1000}


def growth(times: list[float]) -> Figures:
    """Of the moments of a chain's steps: what one costs in the first and in the last hundred."""
    part = min(100, len(times) // 2)
    begin = (times[part] - times[0]) / part
    end = (times[-1] - times[-part - 1]) / part
    return {"begin_ms": begin * 1000, "end_ms": end * 1000, "growth": end / begin}
