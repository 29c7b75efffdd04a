"""A Python worker of the Functions host as a child process: the real library, without gRPC."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.functions.worker_library import ROOT, worker_library

DRIVER = ROOT / "tests" / "functions" / "worker_driver.py"

Data = dict[str, Any]


class IndexingFailed(Exception):
    """The worker could not load the app; the host would show no function at all."""


class InvocationFailed(Exception):
    """The function raised, or the worker could not call it."""


class WorkerDied(Exception):
    """The process ended while an answer was awaited."""


@dataclass(frozen=True, slots=True)
class IndexedFunction:
    """A function as the worker reports it to the host."""

    name: str
    function_id: str
    directory: str
    bindings: list[dict[str, Any]] = field(repr=False)

    @property
    def trigger(self) -> dict[str, Any]:
        """The binding that starts it."""
        return next(each for each in self.bindings if each["type"].lower().endswith("trigger"))


class Worker:
    """Start with `await Worker.start(folder, settings)`, end with `close` or `kill`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._calls = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Data]] = {}
        self._reading = asyncio.create_task(self._read())
        self.functions: dict[str, IndexedFunction] = {}

    @classmethod
    async def start(cls, folder: Path, settings: Mapping[str, str], log: Path) -> Self:
        """Index the app in `folder`. `settings` are its app settings; what it prints and logs
        goes to the file `log`. Raises IndexingFailed with the worker's words."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AzureWebJobs")
        }
        paths = [str(worker_library()), str(ROOT)]
        if given := os.environ.get("PYTHONPATH"):
            paths.append(given)
        environment |= {
            "PYTHONPATH": os.pathsep.join(paths),
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "AzureWebJobsScriptRoot": str(folder),
            **settings,
        }
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(DRIVER),
                cwd=folder,
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                limit=2**27,
            )
        worker = cls(process)
        try:
            said = await worker._call({"op": "init"})
        except BaseException:
            await worker.kill()
            raise
        if not said["ok"]:
            await worker.close()
            raise IndexingFailed(said["error"])
        for each in said["functions"]:
            function = IndexedFunction(
                each["name"], each["id"], each["directory"], each["bindings"]
            )
            worker.functions[function.name] = function
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None and not self._reading.done()

    async def invoke(
        self, function: str, inputs: Mapping[str, Data], metadata: Mapping[str, Data]
    ) -> Data:
        """Run a function: `return` and `outputs` of the driver's answer. Raises InvocationFailed
        with the worker's words, or WorkerDied."""
        said = await self._call(
            {
                "op": "invoke",
                "id": self.functions[function].function_id,
                "inputs": dict(inputs),
                "metadata": dict(metadata),
            }
        )
        if not said["ok"]:
            raise InvocationFailed(f"{said['error']}\n{said.get('stack', '')}")
        return said

    async def kill(self) -> None:
        """As a crash, or a machine that goes away."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def close(self) -> None:
        """End it; what runs is cut off."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def _call(self, request: Data) -> Data:
        stdin = self._process.stdin
        if stdin is None or not self.is_alive:
            raise WorkerDied("the worker has ended")
        call = next(self._calls)
        answer: asyncio.Future[Data] = asyncio.get_running_loop().create_future()
        self._waiting[call] = answer
        stdin.write(json.dumps({"call": call, **request}).encode() + b"\n")
        return await answer

    async def _read(self) -> None:
        stdout = self._process.stdout
        while stdout is not None and (line := await stdout.readline()):
            said = json.loads(line)
            waiting = self._waiting.pop(said["call"], None)
            if waiting is not None and not waiting.done():
                waiting.set_result(said)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(WorkerDied("the worker ended in the middle of a call"))


def binary(value: bytes) -> Data:
    """Bytes as data of a binding."""
    return {"bytes": base64.b64encode(value).decode()}
