"""Processes that serve the app, and what befalls them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import aiohttp

APP = Path(__file__).resolve().parent / "app"
PAUSE_AFTER_FAILURE = 0.2
_SETTINGS_OF_OTHERS = ("AzureWebJobs", "AzureFunctionsJobHost", "DURABLE_", "WEBSITE_")

Answer = tuple[int, Any]
"""Status code and JSON, None where the body is empty."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What befell the worker of that mark at `at`, seconds since the epoch. A pause lasts so many
    `seconds`; in a killed one's place another is started at once."""

    kind: Literal["kill", "pause"]
    worker: str
    at: float
    seconds: float = 0.0

    @property
    def until(self) -> float:
        return self.at + self.seconds


class Cluster(Protocol):
    """Workers of one hub under one kind of host."""

    faults: list[Fault]
    fallen: list[str]
    """The ends of the logs of workers that ended by themselves."""

    async def open(self) -> None:
        """Return when all serve."""
        ...

    async def close(self) -> None:
        """End them all."""
        ...

    async def kill(self, among: Collection[str] = ()) -> None:
        """One of them ends as by `kill -9`, and another takes its place: one of these marks, if
        one of them serves."""
        ...

    async def pause(self, seconds: float) -> None:
        """One of them stands still for a while, if this kind of host can; returns at once."""
        ...

    async def send(self, method: str, path: str, body: object = None) -> Answer:
        """A request below `/api/` to whichever lives. Raises Unanswered when it does not."""
        ...

    def logs(self) -> str:
        """The end of what they said."""
        ...


class Unanswered(Exception):
    """A worker died or stood still under a request, or failed to serve it."""


async def insist(cluster: Cluster, method: str, path: str, body: object = None) -> Answer:
    """Send until an answer comes that a repeat would not change."""
    while True:
        try:
            status, found = await cluster.send(method, path, body)
        except (Unanswered, aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(PAUSE_AFTER_FAILURE)
            continue
        if status < 500 and status != 429:
            return status, found
        await asyncio.sleep(PAUSE_AFTER_FAILURE)


def environment(settings: dict[str, str]) -> dict[str, str]:
    """This process's without another app's settings, and these."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_SETTINGS_OF_OTHERS)
    }
    return kept | settings


def now() -> float:
    """Seconds since the epoch; the emulator on this machine goes by the same clock."""
    return time.time()
