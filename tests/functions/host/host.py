"""A small Functions host: the real Python worker library, and triggers as documented.

It keeps what decides correctness and speed: batches, leases, dequeue counts, poison queues and
the polling of the queue trigger; the first match in alphabetical order of HTTP routes, keys,
timers; a worker that dies is started again. What it has not: scale-out, other triggers.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from azure.storage.queue.aio import QueueServiceClient

from durable.settings import load_settings
from tests.functions.host.queues import LEASE, QueueListener
from tests.functions.host.routes import find
from tests.functions.host.worker import (
    Data,
    IndexedFunction,
    InvocationFailed,
    Worker,
    WorkerDied,
)

FUNCTION_KEY = "function-key"
HOSTNAME = "orders.example.test"
RESTART_SECONDS = 0.15
_SETTING = re.compile(r"%([^%]+)%")
_EVERY_SECONDS = re.compile(r"\*/(\d+) \* \* \* \* \*")


@dataclass(frozen=True, slots=True)
class Response:
    """What a caller gets."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


class FunctionsHost:
    """Runs the app of a folder; `settings` are its app settings, AzureWebJobsStorage included.

    An async context manager that drains at its end; `kill` instead leaves messages hidden, as a
    machine that goes away does.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, str], log: Path, *, lease: int = LEASE
    ) -> None:
        self.folder = folder
        self.log = log
        self.settings = {"WEBSITE_HOSTNAME": HOSTNAME, **settings}
        self.lease = lease
        self.listeners: dict[str, QueueListener] = {}
        self.worker: Worker | None = None
        self._restart = asyncio.Lock()
        self._timers: list[asyncio.Task[None]] = []
        self._config = load_settings(folder, self.settings)
        self._queues = QueueServiceClient.from_connection_string(
            self.settings["AzureWebJobsStorage"]
        )

    @property
    def functions(self) -> dict[str, IndexedFunction]:
        """What the worker reported, by name."""
        return self.worker.functions if self.worker else {}

    async def __aenter__(self) -> Self:
        try:
            self.worker = await Worker.start(self.folder, self.settings, self.log)
            self._start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    def _start(self) -> None:
        for function in self.functions.values():
            trigger = function.trigger
            if trigger["type"] == "queueTrigger":
                self._listen(function)
            elif every := _EVERY_SECONDS.fullmatch(str(trigger.get("schedule"))):
                task = asyncio.create_task(self._tick(function.name, int(every[1])))
                self._timers.append(task)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop_timers()
        await asyncio.gather(*(listener.stop() for listener in self.listeners.values()))
        if self.worker is not None:
            await self.worker.close()
        await self._queues.close()

    async def kill(self) -> None:
        """End at once, worker and listeners; leaving the context does nothing more."""
        await self._stop_timers()
        # first: a listener that sees the worker die shows its messages again
        await asyncio.gather(*(listener.abandon() for listener in self.listeners.values()))
        if self.worker is not None:
            await self.worker.kill()

    async def request(
        self,
        method: str,
        url: str,
        body: bytes | str | object = b"",
        headers: Mapping[str, str] | None = None,
        *,
        key: str | None = None,
    ) -> Response:
        """A request to a path, or to a full URL of this host. A body that is neither bytes nor
        text is sent as JSON. `key` is the function key."""
        content = body if isinstance(body, bytes | str) else json.dumps(body)
        content = content.encode() if isinstance(content, str) else content
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        match = find(self.functions.values(), self._config.route_prefix, method, parts.path)
        if match is None:
            return Response(404, b"", {})
        trigger = match.function.trigger
        level = str(trigger.get("authLevel", "FUNCTION")).upper()
        if level != "ANONYMOUS" and FUNCTION_KEY not in (key, query.get("code")):
            return Response(401, b"", {})
        data = {
            "method": method,
            "url": f"https://{HOSTNAME}{parts.path}{'?' if parts.query else ''}{parts.query}",
            "headers": {name.lower(): value for name, value in (headers or {}).items()},
            "params": match.params,
            "query": query,
            "body": base64.b64encode(content).decode(),
        }
        try:
            said = await self._invoke(match.function.name, {trigger["name"]: {"http": data}}, {})
        except (InvocationFailed, WorkerDied):
            return Response(500, b"", {})
        return _response(said["return"])

    async def run_timer(self, name: str, *, past_due: bool = False) -> None:
        """Run a timer function now, as `POST /admin/functions/NAME` does."""
        info = {"json": json.dumps({"IsPastDue": past_due, "Schedule": {}, "ScheduleStatus": {}})}
        await self._invoke(name, {self.functions[name].trigger["name"]: info}, {})

    def resolve(self, text: str) -> str:
        """`%NAME%` of a binding; a setting that is not there is an error, as in the host."""
        return _SETTING.sub(lambda match: self.settings[match[1]], text)

    def _listen(self, function: IndexedFunction) -> None:
        trigger = function.trigger

        async def invoke(data: Data, metadata: Mapping[str, Data]) -> None:
            await self._invoke(function.name, {trigger["name"]: data}, metadata)

        listener = QueueListener(
            self._queues,
            self.resolve(trigger["queueName"]).lower(),
            self._config.queues,
            invoke,
            binary=str(trigger.get("dataType", "")).upper() == "BINARY",
            lease=self.lease,
        )
        self.listeners[function.name] = listener
        listener.start()

    async def _tick(self, name: str, seconds: int) -> None:
        while True:
            await asyncio.sleep(seconds - time.time() % seconds)
            with suppress(InvocationFailed, WorkerDied):
                await self.run_timer(name)

    async def _stop_timers(self) -> None:
        for task in self._timers:
            task.cancel()
        await asyncio.gather(*self._timers, return_exceptions=True)

    async def _invoke(
        self, name: str, inputs: Mapping[str, Data], metadata: Mapping[str, Data]
    ) -> Data:
        worker = await self._living_worker()
        said = await worker.invoke(name, inputs, metadata)
        for binding in self.functions[name].bindings:
            if binding["type"] == "queue" and binding["name"] in said["outputs"]:
                await self._send(binding, said["outputs"][binding["name"]])
        return said

    async def _living_worker(self) -> Worker:
        async with self._restart:
            if self.worker is None or not self.worker.is_alive:
                await asyncio.sleep(RESTART_SECONDS)
                self.worker = await Worker.start(self.folder, self.settings, self.log)
            return self.worker

    async def _send(self, binding: dict[str, Any], data: Data) -> None:
        ((kind, value),) = data.items()
        body = base64.b64decode(value) if kind == "bytes" else str(value).encode()
        queue = self._queues.get_queue_client(self.resolve(binding["queueName"]).lower())
        await queue.send_message(base64.b64encode(body).decode())


def _response(data: Data | None) -> Response:
    if data is None:
        return Response(500, b"", {})
    if "http" not in data:
        return Response(200, str(next(iter(data.values()))).encode(), {})
    http = data["http"]
    ((kind, value),) = http["body"].items()
    body = base64.b64decode(value) if kind == "bytes" else str(value).encode()
    return Response(int(http["status"]), body, dict(http["headers"]))
