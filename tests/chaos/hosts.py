"""Instances of a function app under the test host: queue triggers with leases of ten minutes."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Mapping
from pathlib import Path

from tests.chaos.cluster import APP, Answer, Fault, Unanswered, now
from tests.functions.host.host import FUNCTION_KEY, FunctionsHost


class Hosts:
    """A `tests.chaos.cluster.Cluster` of machines of a function app. Who is killed goes with its
    leases: the messages that it had in work stay hidden for ten minutes."""

    def __init__(
        self, settings: Mapping[str, str], folder: Path, count: int, rnd: random.Random
    ) -> None:
        self.faults: list[Fault] = []
        self.fallen: list[str] = []
        self._settings = settings
        self._folder = folder
        self._count = count
        self._random = rnd
        self._hosts: list[tuple[str, FunctionsHost]] = []
        self._started = 0

    async def open(self) -> None:
        """See `Cluster`."""
        for _ in range(self._count):
            self._hosts.append(await self._start())

    async def close(self) -> None:
        """See `Cluster`."""
        for _, host in self._hosts:
            await host.kill()
            await host.__aexit__(None, None, None)

    async def kill(self, among: Collection[str] = ()) -> None:
        """See `Cluster`."""
        if len(self._hosts) < self._count:
            return
        wanted = [each for each in self._hosts if each[0] in among]
        mark, host = chosen = self._random.choice(wanted or self._hosts)
        self._hosts.remove(chosen)
        self.faults.append(Fault("kill", mark, now()))
        await host.kill()
        await host.__aexit__(None, None, None)
        self._hosts.append(await self._start())

    async def pause(self, seconds: float) -> None:
        """Not here: the host, which renews the leases, would have to stand still with it."""

    async def send(self, method: str, path: str, body: object = None) -> Answer:
        """See `Cluster`."""
        if not self._hosts:
            raise Unanswered
        _, host = self._random.choice(self._hosts)
        content = b"" if body is None else json.dumps(body).encode()
        answer = await host.request(method, f"/api/{path}", content, key=FUNCTION_KEY)
        if answer.status == 500:
            raise Unanswered
        return answer.status, answer.json() if answer.body else None

    def logs(self) -> str:
        """See `Cluster`."""
        marks = [mark for mark, _ in self._hosts]
        return "\n".join(
            (self._folder / f"{mark}.log").read_text(errors="replace")[-3000:] for mark in marks
        )

    async def _start(self) -> tuple[str, FunctionsHost]:
        self._started += 1
        mark = f"h{self._started}"
        settings = {
            **self._settings,
            "CHAOS_WORKER": mark,
            "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        }
        host = FunctionsHost(APP, settings, self._folder / f"{mark}.log")
        return mark, await host.__aenter__()
