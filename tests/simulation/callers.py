"""Who asks something of a simulated hub: until it is acknowledged, whatever becomes of the
process that asks, and of its requests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from durable.client import DurableOrchestrationClient
from durable.errors import (
    InstanceExistsError,
    InstanceFinishedError,
    InstanceNotFoundError,
    InvalidRequestError,
    ScheduleExistsError,
    ScheduleNotFoundError,
    StorageError,
)
from durable.hub.hub import Hub
from durable.ports import Storage
from durable.testing.processes import Mortal, Process
from tests.simulation.storage import brief

if TYPE_CHECKING:
    from tests.simulation.world import World

INSISTENCE = 1500.0
"""Seconds. A trigger's message that was left by a dying host shows itself after ten minutes."""

_REFUSED = (
    InstanceFinishedError,
    InstanceNotFoundError,
    InvalidRequestError,
    ScheduleExistsError,
    ScheduleNotFoundError,
)


class Died(BaseException):
    """The client's process ended."""


class Caller:
    """See the module."""

    def __init__(self, world: World, rnd: random.Random, name: str) -> None:
        self.world = world
        self.random = rnd
        self.name = name
        self.doubts = 0
        """How often an answer did not come, or refused what an earlier try may have done."""
        self.outside = rnd.random() < 0.5
        self.client = self.connect()

    def connect(self) -> DurableOrchestrationClient:
        """A client in a worker's process, or in a process of its own that may die."""
        site, self.process = self.world.site, Process(self.world.site.clock)
        if not self.outside and site.runtimes:
            runtime = site.runtimes[0]
            return DurableOrchestrationClient(
                runtime.hub,
                ringer=runtime.ringer,
                registry=site.registry,
                answerer=runtime.queries,
            )
        storage = Storage(
            tables=Mortal(site.storage.tables, self.process),
            queues=Mortal(site.storage.queues, self.process),
            clock=site.clock,
        )

        async def before(name: str, args: tuple[Any, ...]) -> None:
            site.faults.note(f"{self.name}: {name} {brief(name, args)}")
            await maybe_dies(name, args)

        async def maybe_dies(name: str, args: tuple[Any, ...]) -> None:
            if site.faults.strikes("client killed", 0.3):
                self.process.alive = False
                raise Died

        self.process.before, self.process.after = before, maybe_dies
        hub = Hub(storage, "Test", new_id=site.new_id, telemetry=site.telemetry)
        return DurableOrchestrationClient(hub)

    async def sleep(self, most: float) -> None:
        await self.world.site.clock.sleep(self.random.random() * most)

    async def insist(self, what: str, call: Callable[[], Awaitable[Any]]) -> bool:
        """Repeat until acknowledged; False when it is refused for good."""
        until = self.world.site.clock.monotonic() + INSISTENCE
        while self.world.site.clock.monotonic() < until:
            asked = asyncio.ensure_future(_plain(call()))
            await asyncio.wait({asked})
            try:
                asked.result()
            except (StorageError, TimeoutError, Died, asyncio.CancelledError):
                self.doubts += 1
                if not self.process.alive or not self.outside:
                    self.client = self.connect()
                await self.world.site.clock.sleep(1)
            except InstanceExistsError as refused:
                self.doubts += 1
                # it ends its last messages first, or is being purged
                if "last messages" not in str(refused) and "purged" not in str(refused):
                    return False
                await self.world.site.clock.sleep(1)
            except _REFUSED:
                return False
            else:
                self.world.done[what] += 1
                return True
        raise AssertionError(f"{what} of {self.name} was never answered")


async def _plain(call: Awaitable[Any]) -> None:
    await call
