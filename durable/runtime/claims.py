"""Claims of activities that run long: whoever audits their instance sees that somebody does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from durable.errors import RowExists, RowMissing
from durable.hub.formats import FORMAT
from durable.hub.hub import Hub
from durable.hub.messages import WorkItem
from durable.hub.ringing import repeat
from durable.ports import Delete, Insert, Value
from durable.runtime.guards import CLAIMS, Claim, Keeping, claim_key

LONG_RUN = 20.0

Check = Callable[[], Awaitable[None]]
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


@dataclass(slots=True, eq=False)
class Running:
    """An activity that runs. `covered` says that a guard brings it back should we die; from `due`
    on it is claimed, by that task, and `check` asks now and then whether anybody awaits it."""

    item: WorkItem
    covered: bool
    check: Check
    due: float
    task: asyncio.Task[None] | None = None


class Claims:
    """Those of one runtime. Most activities end before anything is done about them here, so one
    sleeper watches them all."""

    def __init__(self, hub: Hub, keeping: Keeping, spawn: Spawn, spawn_apart: Spawn) -> None:
        """What `spawn` begins is waited for as the runtime ends; what `spawn_apart` does is not."""
        self._hub = hub
        self._keeping = keeping
        self._spawn = spawn
        self._spawn_apart = spawn_apart
        # oldest first
        self._watched: dict[Running, None] = {}
        self._watching: asyncio.Task[None] | None = None

    def begin(self, item: WorkItem, check: Check, *, covered: bool, at_once: bool) -> Running:
        """An activity begins: claim it once it runs long, or `at_once`."""
        now = self._hub.storage.clock.monotonic()
        running = Running(item, covered, check, now if at_once else now + LONG_RUN)
        if at_once:
            running.task = self._spawn(self._claim(running))
            return running
        self._watched[running] = None
        if self._watching is None:
            self._watching = self._spawn_apart(self._watch())
        return running

    def end(self, running: Running) -> None:
        """It has ended: its claim goes, if there is one."""
        self._watched.pop(running, None)
        if running.task is not None:
            running.task.cancel()

    def close(self) -> None:
        """Watch nothing any more."""
        if self._watching is not None:
            self._watching.cancel()

    async def remove(self, item: WorkItem) -> None:
        """Delete the claim of an item, whoever made it."""
        table, key = self._hub.names.index, _key(item)
        with suppress(RowMissing):
            await repeat(
                self._hub,
                lambda: self._hub.storage.tables.transact(table, CLAIMS, [Delete(key)]),
            )

    async def _watch(self) -> None:
        clock = self._hub.storage.clock
        try:
            while self._watched:
                oldest = next(iter(self._watched))
                left = oldest.due - clock.monotonic()
                if left > 0:
                    await clock.sleep(left)
                    continue
                del self._watched[oldest]
                oldest.task = self._spawn(self._claim(oldest))
        finally:
            self._watching = None

    async def _claim(self, running: Running) -> None:
        """Claim it, and renew that until cancelled."""
        storage, table = self._hub.storage, self._hub.names.index
        item, key = running.item, _key(running.item)
        values: dict[str, Value] = {
            "v": FORMAT,
            "expires": storage.clock.now() + Claim.LIFETIME,
            "queue": self._hub.names.work_queue(item.activity, item.priority),
            "body": item.encode(),
            "covered": running.covered,
            "sent": False,
        }
        claim = Claim(storage.clock, table, key)
        try:
            with suppress(RowExists):
                await repeat(
                    self._hub, lambda: storage.tables.transact(table, CLAIMS, [Insert(key, values)])
                )
            self._keeping.keep(claim)
            while True:
                await storage.clock.sleep(Claim.EVERY)
                await running.check()
        finally:
            self._keeping.drop(claim)
            self._spawn(self.remove(item))


def _key(item: WorkItem) -> str:
    return claim_key(item.instance_id, item.execution_id, item.task_id)
