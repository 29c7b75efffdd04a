"""Several calls of one activity in one message: they run as there is room, and their results are
stored together.

The message is deleted when all results are stored. Calls that do not get to run soon go back
into the queue in a message of their own, for whoever has room. One that was received before is
taken apart: one of its calls may end processes, and so it is known which. So is one whose calls
wait for their turn one by one, sent by a worker that did not know.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from durable.errors import StorageError
from durable.hub.messages import WorkBatch, WorkItem, packed
from durable.hub.ringing import repeat
from durable.runtime.guards import Guard
from durable.runtime.passing import backoff
from durable.runtime.slots import first
from durable.runtime.work import Done, Work, logger

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

PATIENCE = 5.0
"""Seconds that calls wait for room before others may have them."""

TOGETHER = 0.05
"""Seconds that a result waits for others to be stored with."""

AGAIN = 2.0
"""Seconds after which a queue trigger may bring again what there was no room for."""


class Batches:
    """The batches of one runtime."""

    def __init__(self, runtime: Runtime, work: Work) -> None:
        self._runtime = runtime
        self._hub = runtime.hub
        self._work = work
        self.waiting = 0
        """Calls that were received, and have no room yet."""
        self.weights: dict[str, int] = {}
        """How many calls the last message of a queue held."""

    async def handle(
        self, queue: str, batch: WorkBatch, guard: Guard | None, count: int, deadline: float | None
    ) -> None:
        """As `Work.handle`, for a batch."""
        runtime, call = self._runtime, batch.items[0]
        if count > 1 or runtime.registry.limits_of(call.activity) is not None:
            begun = [replace(item, begun=item.begun + count - 1) for item in batch.items]
            await self._send(queue, begun, most=1)
        elif call.activity not in runtime.registry.activities:
            wanted = [item for item in batch.left().items if await self._work.is_wanted(item)]
            if wanted:
                delay = backoff(call.lack)
                why = "it is not in this worker"
                logger.warning("activity %s: %s; again in %.1f s", call.activity, why, delay)
                await self._send(queue, wanted, delay=delay)
        elif self.waiting >= runtime.activities.size:
            await self._send(queue, batch.items, delay=AGAIN if guard is None else 0.0)
        else:
            running = Running(self._work, guard, deadline)
            self.waiting += len(batch.items)
            left = deque(batch.items)
            try:
                while left and await running.has_room():
                    running.begin(left.popleft())
                    self.waiting -= 1
            finally:
                self.waiting -= len(left)
            if left and (guard is None or guard.is_fresh):
                await self._send(queue, left)
            await running.ended()
        if guard is None:
            return
        if guard.is_fresh:
            await runtime.keeping.release(guard)
        else:
            runtime.keeping.drop(guard)

    async def _send(
        self, queue: str, items: Sequence[WorkItem], *, most: int = 0, delay: float = 0.0
    ) -> None:
        send = self._hub.storage.queues.send
        for body in packed(list(items), most or len(items)):
            await repeat(self._hub, lambda: send(queue, body, delay=delay))  # noqa: B023


class Running:
    """The calls of a batch that have begun."""

    def __init__(self, work: Work, guard: Guard | None, deadline: float | None) -> None:
        self._work = work
        self._runtime = work.runtime
        self._guard = guard
        self._deadline = deadline
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: list[Done] = []
        self._storing: asyncio.Task[None] | None = None
        self._error: StorageError | None = None
        self._all_done = asyncio.Event()

    async def has_room(self) -> bool:
        """Take a place for the next call; False where the others are not to wait for one."""
        runtime, clock = self._runtime, self._runtime.hub.storage.clock
        patience = PATIENCE
        if self._deadline is not None:
            patience = min(patience, self._deadline - clock.monotonic())
        if not await runtime.activities.take_within(patience, clock):
            return False
        if runtime.is_draining or not (self._guard is None or self._guard.is_fresh):
            runtime.activities.give()
            return False
        return True

    def begin(self, item: WorkItem) -> None:
        """Run a call in its place."""
        task = self._runtime.spawn(self._run(item))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ended(self) -> None:
        """Until all results are stored; StorageError where one could not be."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        self._all_done.set()
        while self._storing is not None:
            await asyncio.wait({self._storing})
        if self._error is not None:
            raise self._error

    async def _run(self, item: WorkItem) -> None:
        try:
            event = await self._work.perform_in_place(item, covered=self._guard is not None)
        except StorageError as error:
            # the message comes again, and is taken apart
            self._error = error
            return
        if event is not None:
            self._done.append((item, event))
            if self._storing is None:
                self._storing = self._runtime.spawn(self._store())

    async def _store(self) -> None:
        clock = self._runtime.hub.storage.clock
        try:
            while self._done:
                await first(self._all_done.wait(), clock.sleep(TOGETHER))
                done, self._done = self._done, []
                await self._work.complete_all(done, self._guard, self._deadline)
        except StorageError as error:
            self._error = error
        finally:
            self._storing = None
