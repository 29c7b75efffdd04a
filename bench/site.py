"""A storage account on disk with workers of the bench app: fresh folders, processes of their own.

Azurite is told not to be silent where its requests are to be counted: it then logs each.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from tools.processes import (
    ROOT,
    SERVICES,
    Process,
    ProcessFailed,
    connection_string,
    find_azurite,
    free_ports,
)

APP = Path(__file__).resolve().parent / "app"
ALL_SECONDS = 600.0
_HOST = "AzureFunctionsJobHost__extensions__durableTask__"
_REQUEST = re.compile(r'"(GET|PUT|POST|DELETE|MERGE|PATCH|HEAD) /devstoreaccount1/([^ "]*)')

Settings = Mapping[str, str]


def durable_task(**values: object) -> dict[str, str]:
    """Settings of host.json below `extensions.durableTask`, as environment variables."""
    texts = {name: str(value).lower() for name, value in values.items()}
    return {f"{_HOST}{name}": text for name, text in texts.items()}


class Account:
    """Azurite with its data in a fresh folder; a context manager."""

    def __init__(self, *, counting: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="durable-bench-"))
        self.ports = free_ports(len(SERVICES))
        self._log = self.folder / "azurite.log"
        self._counting = counting
        self._process: Process | None = None

    @property
    def connection(self) -> str:
        """Its connection string."""
        return connection_string(self.ports)

    def __enter__(self) -> Self:
        command: list[str | Path] = [find_azurite(), "--location", self.folder]
        command += ["--disableTelemetry", "--skipApiVersionCheck"]
        command += [] if self._counting else ["--silent"]
        for service, port in zip(SERVICES, self.ports, strict=True):
            command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
        self._process = Process("Azurite", command, log=self._log)
        try:
            for port in self.ports:
                self._process.wait_for_port(port)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def requests(self) -> Counter[str]:
        """What was asked since the start: "batch" (transactions), "table" (the other operations),
        "receive QUEUE" and "queue" (messages sent, extended, deleted). Needs `counting`."""
        found: Counter[str] = Counter()
        for method, path in _REQUEST.findall(self._log.read_text(errors="replace")):
            name, _, rest = path.partition("?")[0].partition("/")
            if rest.startswith("messages"):
                found[f"receive {name}" if method == "GET" else "queue"] += 1
            elif name == "$batch":
                found["batch"] += 1
            elif "(" in name or method == "POST":
                found["table"] += 1
        return found

    def _close(self) -> None:
        if self._process is not None:
            self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Worker:
    """`durable start` with the bench app, on an account and in a hub."""

    def __init__(self, account: Account, hub: str, settings: Settings) -> None:
        (self.port,) = free_ports(1)
        self.started = time.monotonic()
        command = [sys.executable, "-m", "durable", "start", "--port", str(self.port)]
        command += ["--log-level", "warning", "--folder", str(APP)]
        self.process = Process(
            "the worker",
            command,
            log=account.folder / f"worker-{self.port}.log",
            environment=environment(account, hub, settings),
        )

    @property
    def url(self) -> str:
        """What its routes begin with."""
        return f"http://127.0.0.1:{self.port}/api"


class Site:
    """An account, workers that serve, and an HTTP session to them; an async context manager."""

    def __init__(
        self, *, workers: int = 1, counting: bool = False, settings: Settings | None = None
    ) -> None:
        self.account = Account(counting=counting)
        self.hub = f"Bench{secrets.token_hex(4)}"
        self.workers: list[Worker] = []
        self._count = workers
        self._settings = settings or {}

    async def __aenter__(self) -> Self:
        # not in a thread: an interruption has to end what was begun
        self.account.__enter__()
        timeout = aiohttp.ClientTimeout(total=ALL_SECONDS)
        self.http = aiohttp.ClientSession(timeout=timeout)
        try:
            for _ in range(self._count):
                await self.add_worker()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.http.close()
        for worker in self.workers:
            await asyncio.to_thread(worker.process.kill)
        self.account.__exit__(kind, error, trace)

    async def add_worker(self) -> Worker:
        """Another worker, serving."""
        worker = self.launch()
        await asyncio.to_thread(worker.process.wait_for_port, worker.port)
        return worker

    def launch(self) -> Worker:
        """Another worker, which has only begun to start."""
        worker = Worker(self.account, self.hub, self._settings)
        self.workers.append(worker)
        return worker

    async def post(self, route: str, body: object, *, worker: int = 0) -> Any:
        """The JSON answer of a route of the bench app."""
        url = f"{self.workers[worker].url}/{route}"
        async with self.http.post(url, json=body) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise ProcessFailed(
                    f"{route} answered {answer.status}: {text[:500]}\n"
                    + self.workers[worker].process.tail()
                )
            return await answer.json(content_type=None)

    async def quiet(self) -> Counter[str]:
        """The account's requests once a second has passed with nothing but polling of queues."""
        before: Counter[str] | None = None
        while True:
            found = await asyncio.to_thread(self.account.requests)
            shown = Counter({k: n for k, n in found.items() if not k.startswith("receive ")})
            if shown == before:
                return found
            before = shown
            await asyncio.sleep(1)

    async def timed(self, name: str, inputs: list[Any], *, at_once: bool = False) -> Any:
        """Start and await orchestrations in the first worker; see the app's route."""
        return await self.post("time", {"name": name, "inputs": inputs, "at_once": at_once})


def environment(account: Account, hub: str, settings: Settings) -> dict[str, str]:
    """This process's, without settings of an app, and those of a worker on the account."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AzureWebJobs", "AzureFunctions", "DURABLE_", "WEBSITE_"))
    }
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "AzureWebJobsStorage": account.connection,
        f"{_HOST}hubName": hub,
        **settings,
    }
