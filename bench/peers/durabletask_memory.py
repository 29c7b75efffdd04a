"""durabletask with its in-memory backend, which keeps nothing: worker, backend and client in this
process."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from durabletask import client, task, worker  # type: ignore[import-not-found]
from durabletask.testing import create_test_backend  # type: ignore[import-not-found]
from protocol import Figures, growth, latencies, serve, taken

Steps = Generator[Any, Any, Any]
HISTORY = 100_000
QUIET = logging.getLogger("quiet")
QUIET.setLevel(logging.ERROR)


def moment(context: Any, number: int) -> float:
    return time.monotonic()


def chain(context: Any, steps: int) -> Steps:
    times = []
    for number in range(steps):
        times.append((yield context.call_activity(moment, input=number)))
    return times


def fan_out(context: Any, steps: int) -> Steps:
    tasks = [context.call_activity(moment, input=number) for number in range(steps)]
    return len((yield task.when_all(tasks)))


def wait_for_event(context: Any, _: Any) -> Steps:
    yield context.wait_for_external_event("go")


class Peer:
    """The backend, a worker on it and a client."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._backend = create_test_backend(port=port, max_history_size=HISTORY)
        address = f"127.0.0.1:{port}"
        self._worker = worker.TaskHubGrpcWorker(host_address=address, logger=QUIET)
        for function in (chain, fan_out, wait_for_event):
            self._worker.add_orchestrator(function)
        self._worker.add_activity(moment)
        self._worker.start()
        self._client = client.TaskHubGrpcClient(host_address=address, logger=QUIET)
        self._threads = ThreadPoolExecutor(4)

    async def run(self, function: Any, value: object) -> Any:
        def call() -> Any:
            instance = self._client.schedule_new_orchestration(function, input=value)
            state = self._client.wait_for_orchestration_completion(instance, timeout=600)
            if state is None or state.runtime_status.name != "COMPLETED":
                raise RuntimeError(f"{instance} is {state and state.runtime_status}")
            return state.get_output()

        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def first(self) -> Figures:
        await self.run(chain, 1)
        return {"at": time.monotonic()}

    async def w1(self, steps: int, times: int) -> Figures:
        return await latencies(lambda: self.run(chain, steps), times)

    async def w2(self, instances: int, steps: int) -> Figures:
        # each wait holds a thread of the backend, which has few: start all, then await one by one
        def all_of_them() -> None:
            schedule = self._client.schedule_new_orchestration
            for instance in [schedule(chain, input=steps) for _ in range(instances)]:
                self._client.wait_for_orchestration_completion(instance, timeout=600)

        total = await taken(lambda: asyncio.to_thread(all_of_them))
        return {"per_second": instances * steps / total}

    async def w3(self, activities: int) -> Figures:
        return {"seconds": await taken(lambda: self.run(fan_out, activities))}

    async def w4(self, steps: int) -> Figures:
        began = time.perf_counter()
        times = await self.run(chain, steps)
        return {"seconds": time.perf_counter() - began, **growth(times)}

    async def w5(self, instances: int) -> Figures:
        for _ in range(instances):
            self._client.schedule_new_orchestration(wait_for_event)
        return {}


async def main() -> None:
    peer = Peer()
    await serve(
        {
            "first": peer.first,
            "W1": peer.w1,
            "W2": peer.w2,
            "W3": peer.w3,
            "W4": peer.w4,
            "W5": peer.w5,
        }
    )
    os._exit(0)


asyncio.run(main())
