"""Who is measured: ours in its variants, the peers, and the ceiling.

Each is started afresh for every repetition of a workload, so that none runs while another is
measured, and none carries data from one repetition to the next.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.ceiling import Ceiling
from bench.environments import PEERS, Unavailable, python_of, restate_server
from bench.site import Account

Figures = Mapping[str, float | Sequence[float]]
"""What one repetition of a workload gave: `p50_ms`, `seconds`, `per_second`, …; several values
where it measured several times."""
Measure = Callable[[], Awaitable[Figures]]

PEER_SECONDS = 90.0
END_SECONDS = 10.0
SHORT_CHAIN = 5
"""Steps of what W2 runs, and of what warms up."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A peer's process: called with a workload and its parameters, it gives the figures."""

    pid: int
    send: Callable[[str, Mapping[str, Any]], Awaitable[dict[str, float]]]

    async def __call__(self, workload: str, **parameters: Any) -> dict[str, float]:
        return await self.send(workload, parameters)


@dataclass(frozen=True, slots=True)
class Peer:
    """Another engine. `script` is in `peers`, `environment` the name of what it needs there."""

    name: str
    script: str
    environment: str
    arguments: Callable[[], list[str | Path]] = list

    def measure(self, workload: str, *, warm: int = 0, **parameters: Any) -> Measure:
        """A fresh process, one orchestration and so many short chains to warm up, and the
        workload."""

        async def run() -> Figures:
            async with self.asked() as ask:
                await ask("first")
                if warm:
                    await ask("W2", instances=warm, steps=SHORT_CHAIN)
                return await ask(workload, **parameters)

        return run

    async def prepare(self) -> list[str | Path]:
        """Install what is missing; the interpreter, and the arguments after the folder."""
        python = await asyncio.to_thread(python_of, self.environment)
        return [python, *await asyncio.to_thread(self.arguments)]

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[Ask]:
        """A process of the peer that is ready."""
        python, *arguments = await self.prepare()
        folder = Path(tempfile.mkdtemp(prefix="bench-"))
        command = [python, PEERS / self.script, folder, *arguments]
        log = folder / "peer.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=folder,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=2**24,
                start_new_session=True,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        writer, reader = process.stdin, process.stdout

        async def said() -> dict[str, Any]:
            while line := await asyncio.wait_for(reader.readline(), PEER_SECONDS):
                if line.startswith(b"{"):
                    answer: dict[str, Any] = json.loads(line)
                    return answer
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Unavailable(f"it ended: {' '.join(last)}")

        async def ask(workload: str, parameters: Mapping[str, Any]) -> dict[str, float]:
            writer.write(json.dumps({"workload": workload, **parameters}).encode() + b"\n")
            answer = await said()
            if "error" in answer:
                raise Unavailable(answer["error"])
            figures: dict[str, float] = answer["figures"]
            return figures

        try:
            await said()
            yield Ask(process.pid, ask)
        except TimeoutError:
            raise Unavailable(f"no answer within {PEER_SECONDS:.0f} s") from None
        finally:
            writer.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), END_SECONDS)
            # what it started goes with it
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            shutil.rmtree(folder, ignore_errors=True)


DBOS = Peer("DBOS on SQLite", "dbos_sqlite.py", "dbos")
RESTATE = Peer("Restate", "restate_npm.py", "restate", lambda: [restate_server()])
DURABLETASK = Peer("durabletask in memory", "durabletask_memory.py", "durabletask")


def ceiling(
    work: Callable[[Ceiling], Awaitable[Figures]], *, warm: int = 0, queued: bool = False
) -> Measure:
    """The bare operations on a fresh Azurite, after a chain and so many short ones to warm up,
    `queued` or not."""

    async def run() -> Figures:
        with Account() as account:
            _, queue, table = account.ports
            bare = Ceiling(queue, table)
            try:
                await bare.set_up()
                await bare.chain(10, queued=True)
                await bare.chains(warm, SHORT_CHAIN, queued=queued)
                return await work(bare)
            finally:
                bare.close()

    return run
