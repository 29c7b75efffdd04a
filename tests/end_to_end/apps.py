"""A worker of an app written for a test, and its management API."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.azurite import Azurite
from tests.end_to_end.hub_state import HubState
from tests.worker.running import Process, worker

ENDED = ("Completed", "Failed", "Terminated", "Stuck")


def write_app(folder: Path, code: str, **durable_task: object) -> str:
    """An app folder with a hub of its own; the hub's name."""
    hub = f"Hub{secrets.token_hex(6)}"
    host = {"version": "2.0", "extensions": {"durableTask": {"hubName": hub, **durable_task}}}
    (folder / "function_app.py").write_text(code)
    (folder / "host.json").write_text(json.dumps(host))
    return hub


class App:
    """A served app. Answers are pairs of a status code and JSON, None where the body is empty."""

    def __init__(
        self, process: Process, address: str, session: aiohttp.ClientSession, state: HubState
    ) -> None:
        self.process = process
        self.address = address
        self.session = session
        self.state = state

    async def send(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """`path` is below `/api/durabletask/`, and sent as it is."""
        url = f"{self.address}/api/durabletask/{path}"
        async with self.session.request(method, url, data=io.BytesIO(body or b"")) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def start(self, name: str, instance_id: str, body: bytes = b"") -> None:
        """Start an orchestration; 202 is expected."""
        code, shown = await self.send("POST", f"orchestrators/{name}/{instance_id}", body)
        assert code == 202, shown

    async def ended(self, instance_id: str, seconds: float, options: str = "") -> dict[str, Any]:
        """Its status once it has ended; the worker's log is shown if that takes too long."""
        shown: Any = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    _, shown = await self.send("GET", f"instances/{instance_id}{options}")
                    if shown["runtimeStatus"] in ENDED:
                        assert isinstance(shown, dict)
                        return shown
                    await asyncio.sleep(0.2)
        except TimeoutError:
            left = await asyncio.to_thread(self.state.describe, {instance_id})
            raise AssertionError(f"still {shown}\n{left}\n{self.process.log}") from None

    async def quiet(self, seconds: float = 30.0) -> None:
        """Return when the hub has no messages left, hidden ones included."""
        async with asyncio.timeout(seconds):
            while True:
                if not any((await asyncio.to_thread(self.state.messages)).values()):
                    return
                await asyncio.sleep(0.1)


@asynccontextmanager
async def served(folder: Path, azurite: Azurite, hub: str) -> AsyncIterator[App]:
    """The app of `folder`, in a process of its own that is killed in the end."""
    connection = azurite.connection_string
    timeout = aiohttp.ClientTimeout(total=60)
    with worker(folder, AzureWebJobsStorage=connection) as process:
        address = await asyncio.to_thread(lambda: process.address)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield App(process, address, session, HubState(connection, hub))
