"""Workers of our own as processes that are killed and stopped."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Collection, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.chaos.cluster import APP, Answer, Fault, environment, now
from tools.processes import ROOT, Process, accepts, free_ports, worker_command

SERVES = "listening on"
REQUEST_SECONDS = 10.0
START_SECONDS = 60.0
LOOK_SECONDS = 0.5


@dataclass(slots=True)
class _Slot:
    """A port that stays over deaths, and who has it now."""

    port: int
    process: Process
    mark: str
    is_paused: bool = False


class Workers:
    """A `tests.chaos.cluster.Cluster` of `durable start`; `folder` gets their logs."""

    def __init__(
        self, settings: Mapping[str, str], folder: Path, count: int, rnd: random.Random
    ) -> None:
        self.faults: list[Fault] = []
        self.fallen: list[str] = []
        self._settings = settings
        self._folder = folder
        self._count = count
        self._random = rnd
        self._slots: list[_Slot] = []
        self._started = 0
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """See `Cluster`."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        self._session = aiohttp.ClientSession(timeout=timeout)
        for port in free_ports(self._count):
            process, mark = self._start(port)
            self._slots.append(_Slot(port, process, mark))
        self._spawn(self._replace_fallen())
        for slot in self._slots:
            await asyncio.to_thread(wait_for_port, slot.port)

    async def close(self) -> None:
        """See `Cluster`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for slot in self._slots:
            slot.process.kill()
        if self._session is not None:
            await self._session.close()

    async def kill(self, among: Collection[str] = ()) -> None:
        """See `Cluster`. One that serves: killing those that only begin to start would prove
        nothing. One that stands still may be the one."""
        serving = [slot for slot in self._slots if await asyncio.to_thread(accepts, slot.port)]
        if not serving:
            return
        wanted = [slot for slot in serving if slot.mark in among]
        slot = self._random.choice(wanted or serving)
        self.faults.append(Fault("kill", slot.mark, now()))
        slot.process.kill()
        slot.is_paused = False
        slot.process, slot.mark = self._start(slot.port)

    async def pause(self, seconds: float) -> None:
        """See `Cluster`."""
        going = [slot for slot in self._slots if not slot.is_paused]
        if len(going) < 2:
            return
        slot = self._random.choice(going)
        slot.is_paused = True
        process = slot.process
        self.faults.append(Fault("pause", slot.mark, now(), seconds))
        os.kill(process.pid, signal.SIGSTOP)
        self._spawn(self._go_on(slot, process, seconds))

    async def send(self, method: str, path: str, body: object = None) -> Answer:
        """See `Cluster`."""
        assert self._session is not None
        url = f"http://127.0.0.1:{self._random.choice(self._slots).port}/api/{path}"
        async with self._session.request(method, url, json=body) as answer:
            text = await answer.read()
            return answer.status, json.loads(text) if text else None

    def logs(self) -> str:
        """See `Cluster`."""
        return "\n".join(f"{slot.process.name}:\n{slot.process.tail()}" for slot in self._slots)

    def _start(self, port: int) -> tuple[Process, str]:
        self._started += 1
        mark = f"w{self._started}"
        process = Process(
            f"worker {mark}",
            worker_command("--port", str(port)),
            log=self._folder / f"{mark}.log",
            environment=environment(
                {**self._settings, "CHAOS_WORKER": mark, "PYTHONPATH": str(ROOT)}
            ),
            folder=APP,
        )
        return process, mark

    async def _go_on(self, slot: _Slot, process: Process, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            # killed in the meantime, maybe
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
            if slot.process is process:
                slot.is_paused = False

    async def _replace_fallen(self) -> None:
        """One that cannot start, since the storage does not answer it, is tried again, as any
        supervisor does; one that served has no reason to end."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for slot in self._slots:
                if slot.process.is_running:
                    continue
                said = slot.process.tail()
                if SERVES in said:
                    self.fallen.append(f"{slot.process.name}:\n{said}")
                slot.process, slot.mark = self._start(slot.port)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def wait_for_port(port: int) -> None:
    """Return when somebody listens there; TimeoutError if nobody ever does."""
    deadline = time.monotonic() + START_SECONDS
    while not accepts(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody listens on port {port}")
        time.sleep(LOOK_SECONDS)
