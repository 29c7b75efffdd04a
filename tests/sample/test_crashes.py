"""Three workers, one of them killed every second, and every order ends with one charge.

DURABLE_CRASH_ORDERS says how many orders. They come in over three quarters of the time in which
workers die; after it, the last ones need no more than what a dead worker's leases hold back.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.azurite import Azurite
from tools.processes import Process, accepts, free_ports, worker_command

ORDERS = int(os.environ.get("DURABLE_CRASH_ORDERS", "20"))
WORKERS = 3
DYING_SECONDS = 12 + ORDERS // 4
PATIENCE = 120 + DYING_SECONDS
STEPS = ["charge_card", "reserve_stock", "confirm_order", "ship_order", "send_notice"]


class Fleet:
    """Workers of one hub, on ports that stay theirs over a kill."""

    def __init__(self, azurite: Azurite, folder: Path) -> None:
        name = f"Crash{secrets.token_hex(6)}"
        self._environment = {
            **os.environ,
            "AzureWebJobsStorage": azurite.connection_string,
            "AzureFunctionsJobHost__extensions__durableTask__hubName": name,
            "LEDGER_TABLE": f"Ledger{name}",
        }
        self._folder = folder
        self._ports = free_ports(WORKERS)
        self._workers = [self._start(number) for number in range(WORKERS)]
        self.kills = 0

    def wait(self) -> None:
        """Return when all serve."""
        for worker, port in zip(self._workers, self._ports, strict=True):
            worker.wait_for_port(port)

    def url(self, path: str) -> str:
        """Of any worker."""
        return f"http://127.0.0.1:{random.choice(self._ports)}/api/{path}"

    async def kill_one_every_second(self) -> None:
        """One that is up: killing those that only begin to start would prove nothing."""
        for _ in range(DYING_SECONDS):
            await asyncio.sleep(1)
            serving = [number for number in range(WORKERS) if accepts(self._ports[number])]
            if serving:
                number = random.choice(serving)
                self._workers[number].kill()
                self._workers[number] = self._start(number)
                self.kills += 1

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()

    def logs(self) -> str:
        return "\n".join(worker.tail() for worker in self._workers)

    def _start(self, number: int) -> Process:
        command = worker_command("--port", str(self._ports[number]))
        log = self._folder / f"worker-{number}.log"
        return Process(f"worker {number}", command, log=log, environment=self._environment)


@pytest.fixture
def fleet(azurite: Azurite, tmp_path: Path) -> Iterator[Fleet]:
    workers = Fleet(azurite, tmp_path)
    try:
        workers.wait()
        yield workers
    finally:
        workers.close()


async def test_every_order_ends_with_one_charge(fleet: Fleet) -> None:
    orders = [f"order-{number}" for number in range(ORDERS)]
    timeout = aiohttp.ClientTimeout(total=15)
    try:
        async with (
            asyncio.timeout(PATIENCE),
            aiohttp.ClientSession(timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(fleet.kill_one_every_second())
            for each in orders:
                group.create_task(order(session, fleet, each))
    except TimeoutError:
        pytest.fail(f"not all orders ended well within {PATIENCE} s\n{fleet.logs()}")
    assert fleet.kills >= 5


async def order(session: aiohttp.ClientSession, fleet: Fleet, name: str) -> None:
    """Start an order, through as many deaths as it takes, and see it end well."""
    await asyncio.sleep(random.uniform(0, DYING_SECONDS * 3 / 4))
    body = {
        "customer": "Ada",
        "lines": [{"sku": "book"}],
        "cancel_window_seconds": random.choice([0, 1, 5]),
    }
    await send(session, fleet, "POST", f"orders?id={name}", json=body)
    while True:
        found = await send(session, fleet, "GET", f"orders/{name}")
        if found["status"] not in ("Pending", "Running"):
            break
        await asyncio.sleep(1)
    # status, ledger and history tell the same story
    assert (found["status"], found["result"]["outcome"]) == ("Completed", "shipped"), found
    kinds = Counter(entry["kind"] for entry in found["entries"])
    assert kinds == {"charge": 1, "reserve": 1, "confirm": 1, "ship": 1, "notice": 1}

    path = f"durabletask/instances/{name}?showHistory=true"
    events = (await send(session, fleet, "GET", path))["historyEvents"]
    types = [event["EventType"] for event in events]
    assert types.count("ExecutionStarted") == 1
    assert types[-1] == "ExecutionCompleted"
    ended = [event for event in events if event["EventType"] == "TaskCompleted"]
    assert [event["FunctionName"] for event in ended] == STEPS


async def send(
    session: aiohttp.ClientSession, fleet: Fleet, method: str, path: str, **options: Any
) -> Any:
    """Ask one worker after the other until one lives long enough to answer."""
    while True:
        try:
            async with session.request(method, fleet.url(path), **options) as answer:
                assert answer.status in (200, 202), await answer.text()
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0.1)
