"""Workers of the sample app on one hub, and what kills them."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from pathlib import Path
from typing import Any

import aiohttp

from tests.azurite import Azurite
from tests.end_to_end.hub_state import HubState
from tools.processes import Process, accepts, free_ports, worker_command


class Fleet:
    """Workers on ports that stay theirs over a kill. `folder` gets their logs."""

    def __init__(self, azurite: Azurite, folder: Path, count: int) -> None:
        hub = f"Fleet{secrets.token_hex(6)}"
        self.state = HubState(azurite.connection_string, hub)
        self.kills = 0
        self._environment = {
            **os.environ,
            "AzureWebJobsStorage": azurite.connection_string,
            "AzureFunctionsJobHost__extensions__durableTask__hubName": hub,
            "LEDGER_TABLE": f"Ledger{hub}",
        }
        self._folder = folder
        self._ports = free_ports(count)
        self._workers = [self._start(number) for number in range(count)]

    def wait(self) -> None:
        """Return when all serve."""
        for worker, port in zip(self._workers, self._ports, strict=True):
            worker.wait_for_port(port)

    async def kill_one_every_second(self, seconds: int) -> None:
        """`kill -9` to one that serves, and another in its place: killing those that only begin
        to start would prove nothing."""
        for _ in range(seconds):
            await asyncio.sleep(1)
            serving = [number for number, port in enumerate(self._ports) if accepts(port)]
            if serving:
                number = random.choice(serving)
                await asyncio.to_thread(self._workers[number].kill)
                self._workers[number] = self._start(number)
                self.kills += 1

    async def send(
        self, session: aiohttp.ClientSession, method: str, path: str, **options: Any
    ) -> Any:
        """The JSON answer of whichever worker lives long enough to give it."""
        while True:
            url = f"http://127.0.0.1:{random.choice(self._ports)}/api/{path}"
            try:
                async with session.request(method, url, **options) as answer:
                    assert answer.status in (200, 202), await answer.text()
                    return await answer.json()
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.1)

    def close(self) -> None:
        """Kill them all."""
        for worker in self._workers:
            worker.kill()

    def logs(self) -> str:
        """The end of each log."""
        return "\n".join(worker.tail() for worker in self._workers)

    def _start(self, number: int) -> Process:
        command = worker_command("--port", str(self._ports[number]))
        log = self._folder / f"worker-{number}.log"
        return Process(f"worker {number}", command, log=log, environment=self._environment)
