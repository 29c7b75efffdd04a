"""Restate's server with its defaults, and services in this process: activities as inline
`ctx.run`, or as calls to another handler. Callers come through its ingress."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import aiohttp
import hypercorn.asyncio  # type: ignore[import-not-found]
import restate  # type: ignore[import-not-found]
from hypercorn.config import Config  # type: ignore[import-not-found]
from protocol import Figures, growth, latencies, serve, taken, throughput

bench = restate.Service("bench")
other = restate.Service("other")
counter = restate.VirtualObject("counter")


async def moment() -> float:
    return time.monotonic()


@other.handler("moment")  # type: ignore[untyped-decorator]
async def called(ctx: restate.Context, number: int) -> float:
    return time.monotonic()


def activity(ctx: restate.Context, asked: dict[str, Any], number: int) -> Any:
    if asked["called"]:
        return ctx.service_call(called, arg=number)
    return ctx.run_typed("moment", moment)


@bench.handler("chain")  # type: ignore[untyped-decorator]
async def chain(ctx: restate.Context, asked: dict[str, Any]) -> list[float]:
    return [await activity(ctx, asked, number) for number in range(asked["steps"])]


@bench.handler("fan_out")  # type: ignore[untyped-decorator]
async def fan_out(ctx: restate.Context, asked: dict[str, Any]) -> int:
    tasks = [activity(ctx, asked, number) for number in range(asked["steps"])]
    return len(await restate.gather(*tasks))


@bench.handler("wait_for_event")  # type: ignore[untyped-decorator]
async def wait_for_event(ctx: restate.Context, asked: dict[str, Any]) -> Any:
    _, event = ctx.awakeable()
    return await event


@counter.handler("add")  # type: ignore[untyped-decorator]
async def add(ctx: restate.ObjectContext, number: int) -> int:
    total: int = (await ctx.get("total") or 0) + number
    ctx.set("total", total)
    return total


class Restate:
    """The server, the services and a caller."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self.ingress, self.admin, node, self.services = free_ports(4)
        self.server: subprocess.Popen[bytes] | None = None
        self._environment = {
            **os.environ,
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{self.ingress}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{self.admin}",
            "RESTATE_BASE_DIR": str(folder),
        }

    async def start(self) -> None:
        with (self._folder / "restate.log").open("wb") as log:
            self.server = subprocess.Popen(
                [self._program, "--no-logo"], env=self._environment, stdout=log, stderr=log
            )
        config = Config()
        config.bind = [f"127.0.0.1:{self.services}"]
        config.accesslog = config.errorlog = None
        app = restate.app([bench, other, counter])
        self._serving = asyncio.create_task(hypercorn.asyncio.serve(app, config))
        connector = aiohttp.TCPConnector(limit=0)
        self.http = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=600)
        )
        uri = {"uri": f"http://127.0.0.1:{self.services}"}
        deadline = time.monotonic() + 60
        while True:
            try:
                url = f"http://127.0.0.1:{self.admin}/deployments"
                async with self.http.post(url, json=uri) as answer:
                    if answer.status in (200, 201):
                        return
            except aiohttp.ClientError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError("Restate's server did not take the services within 60 s")
            await asyncio.sleep(0.02)

    def stop(self) -> None:
        if self.server is not None:
            self.server.kill()
            self.server.wait()

    async def post(self, path: str, body: object) -> Any:
        url = f"http://127.0.0.1:{self.ingress}/{path}"
        async with self.http.post(url, json=body) as answer:
            if answer.status not in (200, 202):
                raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")
            return await answer.json(content_type=None)

    async def chain(self, steps: int, called: bool) -> list[float]:
        times: list[float] = await self.post("bench/chain", {"steps": steps, "called": called})
        return times

    async def first(self) -> Figures:
        deadline = time.monotonic() + 60
        while True:
            # a service that was taken may not be served yet
            try:
                await self.chain(1, False)
                return {"at": time.monotonic()}
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.01)

    async def w1(self, steps: int, times: int, called: bool = False) -> Figures:
        return await latencies(lambda: self.chain(steps, called), times)

    async def w2(self, instances: int, steps: int, called: bool = False) -> Figures:
        return await throughput(lambda: self.chain(steps, called), instances, steps)

    async def w3(self, activities: int, called: bool = False) -> Figures:
        asked = {"steps": activities, "called": called}
        return {"seconds": await taken(lambda: self.post("bench/fan_out", asked))}

    async def w4(self, steps: int) -> Figures:
        began = time.perf_counter()
        times = await self.chain(steps, False)
        return {"seconds": time.perf_counter() - began, **growth(times)}

    async def w5(self, instances: int) -> Figures:
        for _ in range(instances // 50):
            sends = (self.post("bench/wait_for_event/send", {}) for _ in range(50))
            await asyncio.gather(*sends)
        return {}

    async def w10(self, operations: int, entities: int) -> Figures:
        room = asyncio.Semaphore(32)

        async def one(number: int) -> None:
            async with room:
                await self.post(f"counter/{number % entities}/add", 1)

        began = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(operations)))
        return {"per_second": operations / (time.perf_counter() - began)}


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


async def main() -> None:
    peer = Restate(sys.argv[2], Path(sys.argv[1]))
    try:
        await peer.start()
        await serve(
            {
                "first": peer.first,
                "W1": peer.w1,
                "W2": peer.w2,
                "W3": peer.w3,
                "W4": peer.w4,
                "W5": peer.w5,
                "W10": peer.w10,
            }
        )
    except Exception:
        traceback.print_exc()
    finally:
        peer.stop()
        # the services' server would wait for its connections
        os._exit(0)


asyncio.run(main())
