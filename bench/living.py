"""W5 to W10: idling, starting, replaying, latencies, payloads and entities."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from bench.contenders import DBOS, DURABLETASK, RESTATE, Figures, Measure, Peer
from bench.peers.protocol import percentiles, taken
from bench.site import Site
from bench.sizes import Sizes
from bench.usage import cpu_seconds, resident_mb
from tools.processes import ROOT

REPLAY = Peer("azure-functions-durable", "durable_functions_replay.py", "durable_functions")
REPLAYED_BY_PEER = 4_000
STARTS_AT_ONCE = 250
WINDOWS = 5
PEERS_WAITING = 1_000
SETTLE_SECONDS = 3.0
FIRST_SECONDS = 60.0
MANAGED = "durabletask/instances"


def w5(sizes: Sizes) -> dict[str, Measure]:
    """Instances that wait for an event: CPU, memory, requests a second for a queue."""

    def ours(waiting: int) -> Measure:
        async def run() -> Figures:
            async with Site(counting=True) as site:
                for begun in range(0, waiting, STARTS_AT_ONCE):
                    part = [None] * min(STARTS_AT_ONCE, waiting - begun)
                    await site.post("start", {"name": "wait_for_event", "inputs": part})
                await site.quiet()
                pid = site.workers[0].process.pid
                before = site.account.requests()
                figures = await _idling(pid, sizes.idle_seconds)
                after = site.account.requests()
                after.subtract(before)
                asked = [n for name, n in after.items() if name.startswith("receive ")]
                others = after.total() - sum(asked)
                each = max(asked, default=0) / sizes.idle_seconds
                return {
                    **figures,
                    "queue_per_second": each,
                    "others_per_second": others / sizes.idle_seconds,
                }

        return run

    def peer(which: Peer) -> Measure:
        async def run() -> Figures:
            async with which.asked() as ask:
                await ask("first")
                await ask("W5", instances=min(PEERS_WAITING, sizes.waiting))
                await asyncio.sleep(SETTLE_SECONDS)
                return await _idling(ask.pid, sizes.idle_seconds)

        return run

    return {
        f"durable, {sizes.waiting:,} waiting": ours(sizes.waiting),
        f"durable, {sizes.few_waiting:,} waiting": ours(sizes.few_waiting),
        **{f"{each.name}, 1,000 waiting": peer(each) for each in (RESTATE, DBOS, DURABLETASK)},
    }


async def _idling(pid: int, seconds: float) -> Figures:
    """In windows one after the other: percent of a core, and MB in the end."""
    percent = []
    for _ in range(WINDOWS):
        began, used = time.monotonic(), cpu_seconds(pid)
        await asyncio.sleep(seconds / WINDOWS)
        percent.append(100 * (cpu_seconds(pid) - used) / (time.monotonic() - began))
    return {"cpu_percent": percent, "resident_mb": resident_mb(pid)}


def w6(sizes: Sizes) -> dict[str, Measure]:
    """From the start of the process to the end of its first orchestration, and its memory."""

    def ours(*, again: bool) -> Measure:
        async def run() -> Figures:
            async with Site(workers=0) as site:
                if again:
                    await site.add_worker()
                    await site.timed("chain", [1])
                    await asyncio.to_thread(site.workers.pop().process.stop)
                worker = site.launch()
                asked = {"name": "chain", "input": 1}
                while time.monotonic() - worker.started < FIRST_SECONDS:
                    try:
                        await site.post("call", asked)
                        break
                    except OSError:
                        await asyncio.sleep(0.005)
                seconds = time.monotonic() - worker.started
                return {"seconds": seconds, "resident_mb": resident_mb(worker.process.pid)}

        return run

    async def importing() -> Figures:
        code = "import time; t = time.perf_counter(); import durable; print(time.perf_counter()-t)"
        said = await _output(sys.executable, "-c", code)
        return {"seconds": float(said)}

    def peer(which: Peer) -> Measure:
        async def run() -> Figures:
            await which.prepare()
            began = time.monotonic()
            async with which.asked() as ask:
                figures = await ask("first")
                return {"seconds": figures["at"] - began, "resident_mb": resident_mb(ask.pid)}

        return run

    return {
        "durable": ours(again=True),
        "durable, hub made too": ours(again=False),
        "import durable": importing,
        **{each.name: peer(each) for each in (RESTATE, DBOS, DURABLETASK)},
    }


def w7(sizes: Sizes) -> dict[str, Measure]:
    """Cold replay of a long history, in milliseconds for a thousand steps."""

    async def ours() -> Figures:
        return _per_thousand(
            json.loads(await _output(sys.executable, "-m", "bench.replay", str(sizes.replayed)))
        )

    theirs = REPLAY.measure("W7", steps=min(REPLAYED_BY_PEER, sizes.replayed))

    async def peer() -> Figures:
        return _per_thousand(await theirs())

    return {"durable": ours, "azure-functions-durable": peer}


def _per_thousand(figures: Any) -> Figures:
    seconds = figures["seconds"]
    return {"seconds": seconds, "per_thousand_ms": seconds * 1e6 / figures["steps"]}


def w8(sizes: Sizes) -> dict[str, Measure]:
    """From an event to the activity after it, how late timers are, and starts under load."""

    async def events() -> Figures:
        async with Site() as site:
            await site.timed("chain", [1])
            seconds: list[float] = []
            for _ in range(sizes.events):
                (instance,) = await site.post("start", {"name": "wait_for_event", "inputs": [None]})
                await _until(site, instance, "Running")
                await asyncio.sleep(0.2)
                began = time.monotonic()
                url = f"{site.workers[0].url}/{MANAGED}/{instance}/raiseEvent/go"
                async with site.http.post(url, json=None) as answer:
                    answer.raise_for_status()
                status = await _until(site, instance, "Completed")
                seconds.append(status["output"] - began)
            return percentiles(seconds)

    async def timers() -> Figures:
        async with Site() as site:
            answer = await site.timed("sleep", [2] * sizes.events, at_once=True)
            return percentiles([float(late) for late in answer["outputs"]])

    async def starts() -> Figures:
        async with Site() as site:
            await site.timed("chain", [1])
            load = asyncio.create_task(site.timed("chain", [5] * sizes.instances, at_once=True))
            await asyncio.sleep(0.2)
            asked = {"name": "chain", "inputs": [1]}
            seconds: list[float] = []
            while not load.done() and len(seconds) < sizes.events:
                seconds.append(await taken(lambda: site.post("start", asked)))
            await load
            return percentiles(seconds)

    return {
        "event to reaction": events,
        "timer lateness": timers,
        "HTTP start under load": starts,
    }


async def _until(site: Site, instance: str, status: str) -> Any:
    url = f"{site.workers[0].url}/{MANAGED}/{instance}"
    while True:
        async with site.http.get(url) as answer:
            shown = await answer.json(content_type=None)
        if shown["runtimeStatus"] == status:
            return shown
        await asyncio.sleep(0.01)


def w9(sizes: Sizes) -> dict[str, Measure]:
    """A payload that is the input, an activity's input and result, and the output."""

    def ours(characters: int) -> Measure:
        async def run() -> Figures:
            async with Site() as site:
                await site.timed("echo", ["warm"])
                times = max(2, sizes.chains // 10)
                answer = await site.timed("echo", [_text(characters)] * times)
                return percentiles(answer["each"])

        return run

    return {
        f"durable, {size / 1000:,.0f} KB": ours(size) for size in (100_000, sizes.large_payload)
    }


def _text(characters: int) -> str:
    """Text that compression does not make vanish."""
    words = (f"{number * 2654435761 % 2**32:08x}" for number in range(characters // 8))
    return "".join(words)


def w10(sizes: Sizes) -> dict[str, Measure]:
    """Entity operations a second, from the signal to the state."""

    def ours(entities: int) -> Measure:
        async def run() -> Figures:
            async with Site() as site:
                body = {"entities": 1, "operations": 1, "mark": "warm"}
                await site.post("signal", body)
                body = {"entities": entities, "operations": sizes.operations, "mark": "timed"}
                answer = await site.post("signal", body)
                return {"per_second": sizes.operations / answer["total"]}

        return run

    def restate(entities: int) -> Measure:
        return RESTATE.measure("W10", operations=sizes.operations, entities=entities)

    many = sizes.operations
    return {
        "durable, one hot entity": ours(1),
        "Restate, one hot object": restate(1),
        f"durable, {many:,} entities": ours(many),
        f"Restate, {many:,} objects": restate(many),
    }


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[1:3])} ended with {process.returncode}")
    return said.decode()
