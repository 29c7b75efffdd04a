"""The app of agents, served by `durable start` as a process that can be killed."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.worker.running import Process, run, worker

APP = Path(__file__).resolve().parent / "app"
SECONDS = 40.0


class Site:
    """A folder with the app and its settings, and a worker on it; `close` ends the worker."""

    def __init__(self, folder: Path, python: Path, storage: str, model: str) -> None:
        self.folder = folder / "agents"
        self._python = str(python)
        shutil.copytree(APP, self.folder)
        values = {
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "AzureWebJobsStorage": storage,
            "TASKHUB_NAME": f"Agents{secrets.token_hex(5)}",
            "DURABLE_TASK_SCHEDULER_CONNECTION_STRING": "Endpoint=http://localhost:8080",
            "MODEL_URL": model,
        }
        settings = {"IsEncrypted": False, "Values": values}
        (self.folder / "local.settings.json").write_text(json.dumps(settings))
        self._ending = ExitStack()
        self.process = self._start()

    def restart(self) -> None:
        """`kill -9`, and another worker in its place."""
        self.close()
        self.process = self._start()

    def close(self) -> None:
        """`kill -9`."""
        self._ending.close()

    def command(self, *arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
        """`durable` in the app's folder, with `values` in the environment, to its end."""
        return run(self.folder, *arguments, python=self._python, **values)

    @asynccontextmanager
    async def visitor(self) -> AsyncIterator[Visitor]:
        """Someone who sends requests to the worker that runs now."""
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with aiohttp.ClientSession(self.process.address, timeout=timeout) as session:
            yield Visitor(session)

    def _start(self) -> Process:
        return self._ending.enter_context(worker(self.folder, python=self._python))


class Visitor:
    """Requests that are answered with JSON."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, url: str) -> Any:
        """The answer's body; its status has to be 200 or 202."""
        async with self._session.get(url) as answer:
            assert answer.status in (200, 202), await answer.text()
            return await answer.json()

    async def post(self, url: str, body: Any, *, status: int = 200) -> Any:
        """The answer's body; its status has to be `status`."""
        async with self._session.post(url, json=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def post_text(self, url: str, body: str) -> tuple[str, str, str | None]:
        """The answer's media type, text, and session."""
        async with self._session.post(url, data=body) as answer:
            session = answer.headers.get("x-ms-session-id")
            return answer.content_type, await answer.text(), session

    async def until(self, url: str, done: Callable[[Any], object]) -> Any:
        """What `url` says once that is `done`."""
        async with asyncio.timeout(SECONDS):
            while True:
                said = await self.get(url)
                if done(said):
                    return said
                await asyncio.sleep(0.05)

    # ---- agents ----

    async def run(self, agent: str, message: str, session: str, **more: Any) -> Any:
        """`agents/{agent}/run`, waiting for the answer."""
        body = {"message": message, "session_id": session, **more}
        return await self.post(f"/api/agents/{agent}/run", body)

    async def send(self, agent: str, message: str, session: str) -> None:
        """`agents/{agent}/run`, not waiting."""
        body = {"message": message, "session_id": session, "wait_for_response": False}
        await self.post(f"/api/agents/{agent}/run", body, status=202)

    async def turns(self, agent: str, session: str, count: int) -> list[tuple[str, str]]:
        """The conversation as it is stored, once it has `count` entries or more: (kind, text)."""
        state = await self.until(
            f"/api/conversations/{agent}/{session}",
            lambda said: said is not None and len(_entries(said)) >= count,
        )
        return [
            (entry["$type"], content.get("text", content["$type"]))
            for entry in _entries(state)
            for message in entry["messages"]
            for content in message["contents"]
        ]

    # ---- orchestrations and workflows ----

    async def start(self, name: str, client_input: Any) -> str:
        """Start an orchestration; its status URL."""
        started = await self.post(f"/api/orchestrations/{name}", client_input, status=202)
        return str(started["statusQueryGetUri"])

    async def start_workflow(self, name: str, client_input: Any) -> str:
        """Start a workflow; its status URL."""
        started = await self.post(f"/api/workflow/{name}/run", client_input, status=202)
        return str(started["statusQueryGetUri"])

    async def output(self, url: str) -> Any:
        """The output of the one with that status URL, once it has completed."""
        said = await self.until(
            url, lambda said: said["runtimeStatus"] not in ("Pending", "Running")
        )
        assert said["runtimeStatus"] == "Completed", said
        return said["output"]

    async def request(self, url: str) -> Any:
        """What a workflow asks of a human, once it does."""
        said = await self.until(url, lambda said: said.get("pendingHumanInputRequests"))
        [request] = said["pendingHumanInputRequests"]
        return request


def _entries(state: Any) -> list[Any]:
    entries: list[Any] = state["data"]["conversationHistory"]
    return entries
