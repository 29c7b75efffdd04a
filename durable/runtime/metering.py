"""Counts what a process gets done, and writes its figures into the hub now and then.

They are written by whatever the process does anyway: a sweep, a turn, the end. Under the
Functions host only one of several processes sweeps, and none is told of its end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from durable.errors import StorageError
from durable.hub.hub import Hub
from durable.hub.rows import Head
from durable.hub.usage import UsageRows, WorkerUsage
from durable.model.commit import Commit
from durable.model.entities import is_entity
from durable.model.events import (
    EventRaised,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    UpdateRequested,
)
from durable.model.meter import Meter, as_work, upkeep

logger = logging.getLogger("durable.runtime")

EVERY = 60.0
"""Seconds between two writes at least."""
IDLE = 600.0
"""The same for a process that has committed nothing meanwhile."""
LOOK = 3600.0
"""Seconds between two looks for rows of workers that are gone."""

T = TypeVar("T")
Spawn = Callable[[Coroutine[Any, Any, None]], object]


def spawn_as_work(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that counts as work, also where upkeep comes upon it."""
    return asyncio.get_running_loop().create_task(work, context=as_work())


class UsageReporter:
    """One runtime's. `host` is `worker` or `functions`, `node` the machine's name; `spawn` runs
    what a turn gives rise to."""

    def __init__(self, hub: Hub, meter: Meter, spawn: Spawn, *, host: str, node: str) -> None:
        self._rows = UsageRows(hub.storage, hub.names)
        self._clock = hub.storage.clock
        self._meter = meter
        self._tally = meter.part().work
        self._spawn = spawn
        self._worker = hub.new_id(8)
        self._host, self._node = host, node
        self._since = self._clock.now()
        self._written_at = self._clock.monotonic()
        self._written_turns = 0
        self._looked_at: float | None = None

    def note_turn(self, before: Head, commit: Commit) -> None:
        """A turn was committed by this process; `before` is the head that it began with."""
        self._count(before, commit)
        if self._clock.monotonic() - self._written_at >= EVERY:
            self._spawn(self.write())

    def note_trigger(self) -> None:
        """The Functions host has received a message and called on this process for it."""
        self._tally["triggers"] += 1

    async def write_if_due(self) -> None:
        """To be called every ten seconds or so."""
        worked = self._tally["turns"] > self._written_turns
        if self._clock.monotonic() - self._written_at >= (EVERY if worked else IDLE):
            await self.write()

    async def write(self) -> None:
        """Write the figures; where storage does not let us, the next time sees to it."""
        self._written_at = self._clock.monotonic()
        self._written_turns = self._tally["turns"]
        try:
            with upkeep():
                await self._rows.write(self._usage())
                await self._drop_silent()
        except StorageError as error:
            logger.info("the usage of this worker could not be written: %s", error)

    async def _drop_silent(self) -> None:
        now = self._clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= LOOK:
            self._looked_at = now
            await self._rows.drop_silent()

    def _usage(self) -> WorkerUsage:
        return WorkerUsage(
            self._worker,
            self._host,
            self._node,
            self._since,
            self._clock.now(),
            self._meter.read(),
        )

    def _count(self, before: Head, commit: Commit) -> None:
        tally, turn = self._tally, commit.turn
        tally["turns"] += 1
        if is_entity(before.instance_id):
            tally["entity_requests"] += len(turn.seen)
            return
        tally["started"] += before.sequence == 0
        tally["ended"] += commit.status.is_terminal
        here = {task_id for holding in before.holdings for task_id in holding.run}
        # what a new generation begins with was counted when it came
        for event in turn.closing or turn.events:
            if isinstance(event, TaskCompleted | TaskFailed):
                inline = event.task_id in here
                tally["inline_activities" if inline else "queued_activities"] += 1
            elif isinstance(event, EventRaised | UpdateRequested):
                tally["events"] += 1
            elif isinstance(event, TimerFired):
                tally["timers"] += 1
