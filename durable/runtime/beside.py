"""The activities of an instance that run beside its run, in the same process and under the same
guard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Container
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from durable.errors import StorageError, UnknownFormat
from durable.hub.messages import WorkItem
from durable.hub.ranges import has_id
from durable.hub.rows import Head, Holding
from durable.model.events import Arrival, TaskCompleted, TaskFailed, TaskScheduled
from durable.runtime.guards import Guard
from durable.runtime.hold import Hold, TaskKey
from durable.runtime.logs import of_activity
from durable.runtime.taking import lacking_activity
from durable.runtime.turns import Turns

if TYPE_CHECKING:
    from durable.runtime.actor import Actor
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

Result = TaskCompleted | TaskFailed


class Beside:
    """See the module; one for each run."""

    def __init__(
        self, runtime: Runtime, guard: Guard, hold: Hold, turns: Turns[Any], actor: Actor
    ) -> None:
        """`actor` is told of results, and woken when something has ended."""
        self._runtime = runtime
        self._guard = guard
        self._hold = hold
        self._turns = turns
        self._actor = actor
        self._unreadable: UnknownFormat | None = None
        self.running: dict[TaskKey, asyncio.Task[None]] = {}

    def check(self) -> None:
        """Raises UnknownFormat where an activity lies in what this version cannot read."""
        if self._unreadable is not None:
            raise self._unreadable

    async def begin(self, head: Head, ended: Container[TaskKey], *, taken_over: bool) -> None:
        """Start what was committed to run here: before sending, so that nothing waits for it.

        What another had begun is started only when the inbox has been read: its result may be
        there, or the code may not fit the history.
        """
        for holding in self._hold.mine(head):
            if (holding.attempt > 0) is not taken_over:
                continue
            for task_id in holding.run:
                key = (head.execution_id, task_id)
                if key in self.running or key in ended:
                    continue
                if has_id(head.open_tasks, task_id):
                    await self._begin(head, holding, key)

    async def _begin(self, head: Head, holding: Holding, key: TaskKey) -> None:
        stored = await self._hold.stored(head, holding.sequence)
        event = next(
            e for e in stored.turn.events if isinstance(e, TaskScheduled) and e.task_id == key[1]
        )
        if event.name not in self._runtime.registry.activities:
            raise lacking_activity(event.name)
        item = WorkItem.of(event, head, stored.turn)
        if holding.attempt:
            item = replace(item, begun=holding.attempt + 1)
        has_slot = key in self._turns.reserved
        self._turns.reserved.discard(key)
        run = self._turns.ahead.pop(key, None) or self._run_here(item, has_slot)
        self.running[key] = self._runtime.spawn(self._ended(item, key, run))

    async def _run_here(self, item: WorkItem, has_slot: bool) -> Result | None:
        if not has_slot:
            await self._runtime.activities.take()
        if self._guard.is_fresh:
            return await self._runtime.performing.perform_here(item)
        self._runtime.activities.give()
        return None

    async def _ended(self, item: WorkItem, key: TaskKey, run: Awaitable[Result | None]) -> None:
        goes_on = True
        try:
            event = await run
            if event is not None and self._actor.ended.is_set():
                await self._runtime.hand_in((item, event))
            elif event is not None:
                self._actor.offer(item, Arrival(event, item.execution_id))
        except UnknownFormat as error:
            self._unreadable = error
        except StorageError as error:
            logger.warning(
                "activity %s of %s: %s",
                item.activity,
                item.instance_id,
                error,
                extra=of_activity(item),
            )
        except asyncio.CancelledError:
            # this process ends: it is not to begin it again
            goes_on = False
            raise
        finally:
            if goes_on:
                self.running.pop(key, None)
                self._actor.wake()
