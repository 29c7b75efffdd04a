"""DBOS on SQLite, its default, in one process with its caller: async workflows and steps."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from dbos import DBOS  # type: ignore[import-not-found]
from protocol import Figures, growth, latencies, serve, taken, throughput


@DBOS.step()  # type: ignore[untyped-decorator]
async def moment(number: int) -> float:
    return time.monotonic()


@DBOS.workflow()  # type: ignore[untyped-decorator]
async def chain(steps: int) -> list[float]:
    return [await moment(number) for number in range(steps)]


@DBOS.workflow()  # type: ignore[untyped-decorator]
async def fan_out(steps: int) -> int:
    return len(await asyncio.gather(*(moment(number) for number in range(steps))))


@DBOS.workflow()  # type: ignore[untyped-decorator]
async def wait_for_event() -> Any:
    return await DBOS.recv_async("go", timeout_seconds=3600)


async def run_chain(steps: int) -> list[float]:
    handle = await DBOS.start_workflow_async(chain, steps)
    times: list[float] = await handle.get_result()
    return times


async def first() -> Figures:
    await run_chain(1)
    return {"at": time.monotonic()}


async def w1(steps: int, times: int) -> Figures:
    return await latencies(lambda: run_chain(steps), times)


async def w2(instances: int, steps: int) -> Figures:
    return await throughput(lambda: run_chain(steps), instances, steps)


async def w3(activities: int) -> Figures:
    async def one() -> int:
        handle = await DBOS.start_workflow_async(fan_out, activities)
        return await handle.get_result()  # type: ignore[no-any-return]

    return {"seconds": await taken(one)}


async def w4(steps: int) -> Figures:
    began = time.perf_counter()
    times = await run_chain(steps)
    return {"seconds": time.perf_counter() - began, **growth(times)}


async def w5(instances: int) -> Figures:
    for _ in range(instances):
        await DBOS.start_workflow_async(wait_for_event)
    return {}


async def main() -> None:
    database = Path(sys.argv[1]) / "dbos.sqlite"
    config = {"name": "bench", "system_database_url": f"sqlite:///{database}"}
    DBOS(config={**config, "run_admin_server": False, "log_level": "ERROR"})
    DBOS.launch()
    workloads = {"first": first, "W1": w1, "W2": w2, "W3": w3, "W4": w4, "W5": w5}
    await serve(workloads)
    os._exit(0)


asyncio.run(main())
