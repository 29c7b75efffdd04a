"""A command against a hub in memory, in the test's own event loop."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from durable.cli.commands import parse, wants_json
from durable.cli.errors import exit_code, name_of
from durable.cli.output import Output
from durable.cli.session import Account, Ask, perform
from durable.errors import DurableError
from durable.settings import Settings
from tests.memory_hub import MemoryHub


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The one JSON document."""
        assert self.stdout.count("\n") == 1
        return json.loads(self.stdout)


class CommandLine:
    """Runs commands on a MemoryHub, whose hub is called Test, from an empty folder."""

    def __init__(self, memory: MemoryHub, folder: Path) -> None:
        self.memory = memory
        self.folder = folder
        self.opened = 0
        self.ask: Ask | None = None
        self.coloured = False
        self.width: int | None = None
        self.stdout = io.StringIO()

    async def __call__(self, *given: str, hub: str = "Test") -> Done:
        """One command to its end."""
        self.stdout, stderr = io.StringIO(), io.StringIO()
        command = [given[0], "--folder", str(self.folder), "--task-hub-name", hub, *given[1:]]
        out = Output(
            self.stdout,
            stderr,
            as_json=wants_json(command),
            coloured=self.coloured,
            width=self.width,
        )
        try:
            code = await perform(parse(command), out, self._open, self.ask)
        except DurableError as error:
            out.failed(name_of(error), str(error))
            code = exit_code(error)
        return Done(code, self.stdout.getvalue(), stderr.getvalue())

    async def json(self, *given: str) -> Any:
        """What a command that succeeds answers with `--output json`."""
        done = await self(*given, "--output", "json")
        assert (done.code, done.stderr) == (0, "")
        return done.document

    async def refused(self, code: int, *given: str) -> str:
        """The one line of a command that ends so and prints nothing else."""
        done = await self(*given)
        assert (done.code, done.stdout) == (code, ""), done
        assert done.stderr.startswith("durable: ")
        assert done.stderr.count("\n") == 1
        return done.stderr

    @asynccontextmanager
    async def _open(self, settings: Settings) -> AsyncIterator[Account]:
        self.opened += 1

        async def queues(prefix: str) -> list[str]:
            return [name for name in self.memory.queues._queues if name.startswith(prefix)]

        yield Account(self.memory.storage, queues)


async def alongside(memory: MemoryHub, command: Any) -> Any:
    """The result of a command that runs while the worker works."""
    running = asyncio.ensure_future(command)
    for _ in range(10_000):
        if running.done():
            return running.result()
        await memory.step()
    raise AssertionError("it did not end")
