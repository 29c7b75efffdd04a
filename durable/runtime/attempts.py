"""Attempts of activities that run here: how long they may, what they say meanwhile, and how they
learn that nobody awaits them any more."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

from durable.errors import (
    ActivityTimeoutError,
    HeartbeatTimeoutError,
    StorageError,
)
from durable.hub.heartbeats import Heartbeats
from durable.hub.hub import Hub
from durable.hub.messages import WorkItem
from durable.hub.ringing import repeat
from durable.hub.rows import Head
from durable.model.commit import Commit
from durable.model.events import TaskCompleted, TaskFailed
from durable.model.failure import FailureDetails
from durable.model.functions import ActivityDefinition
from durable.ports import Clock
from durable.runtime.ending import GRACE
from durable.runtime.signals import Signals
from durable.runtime.slots import first

logger = logging.getLogger("durable.activities")

OFTEN = 5.0
"""Seconds between two writes of heartbeats at most; a third of the heartbeat timeout if that is
less."""

UNWANTED = "nobody awaits it any more: its instance has ended, or went on without it"

Result = TaskCompleted | TaskFailed
Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


class Attempt(Signals):
    """One attempt. Its methods are for the runtime's loop, but for those of `Signals`."""

    def __init__(self, item: WorkItem, definition: ActivityDefinition, clock: Clock) -> None:
        asked = item.options
        timeout = (asked and asked.timeout) or definition.timeout
        silence = (asked and asked.heartbeat_timeout) or definition.heartbeat_timeout
        self.item = item
        self.timeout = math.inf if timeout is None else timeout.total_seconds()
        self.silence = math.inf if silence is None else silence.total_seconds()
        self.overran = False
        self.left: asyncio.Task[Any] | None = None
        """What still runs after its attempt has failed."""
        self.details: str | None = None
        self.said: str | None = None
        """What it said last, as it was or will be stored."""
        self.stored: str | None = None
        self.has_begun = asyncio.Event()
        self.is_over = asyncio.Event()
        self.on_heartbeat: Callable[[Attempt], None] | None = None
        self.writer: asyncio.Task[None] | None = None
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._began = math.inf
        self._beat = -math.inf
        self._is_heard = True
        self._interrupt: Callable[[], object] | None = None
        self._is_process = definition.process
        self._told: asyncio.Event | None = None

    # ---- from any thread ----

    def heartbeat(self, text: str | None) -> None:
        """See `Signals.heartbeat`."""
        self._beat = self._clock.monotonic()
        if text is not None:
            self.said = text
        if self._is_heard:
            self._is_heard = False
            self._call(self._hear)

    def began(self) -> None:
        """See `Signals.began`: its time begins."""
        self._began = self._clock.monotonic()
        self._call(self.has_begun.set)

    def _call(self, function: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody listens any more
            self._loop.call_soon_threadsafe(function)

    # ---- on the loop ----

    @property
    def label(self) -> str:
        """It in words, for logs."""
        return f"activity {self.item.activity!r} of instance {self.item.instance_id!r}"

    async def cancelled(self) -> None:
        """See `Signals.cancelled`."""
        if self.cause:
            return
        self._told = self._told or asyncio.Event()
        with self.waiting():
            await self._told.wait()

    def start(self) -> None:
        """It is about to run: its time begins, unless it needs a process, which says when."""
        if not self._is_process:
            self._began = self._clock.monotonic()
            self.has_begun.set()

    def interruptible(self, interrupt: Callable[[], object]) -> None:
        """See `Signals.interruptible`."""
        self._interrupt = interrupt
        if self.cause and self._is_to_stop:
            interrupt()

    def cancel(self, cause: str, *, overran: bool = False) -> None:
        """Tell it; interrupt it if its time is over, or it has said that it takes part."""
        if self.cause and not overran:
            return
        self.cause, self.overran = self.cause or cause, overran
        if self._told is not None:
            self._told.set()
        if self._interrupt is not None and self._is_to_stop:
            self._interrupt()

    @property
    def has_limits(self) -> bool:
        """Whether somebody has to watch it."""
        return self.timeout < math.inf or self.silence < math.inf

    @property
    def pause(self) -> float:
        """Seconds between two writes of what it says."""
        return min(OFTEN, self.silence / 3)

    @property
    def is_silent(self) -> bool:
        """Whether nothing was said since the last look."""
        return self._is_heard

    @property
    def time_left(self) -> float:
        """Seconds until it is over, or has been silent for too long."""
        due = min(self._began + self.timeout, max(self._began, self._beat) + self.silence)
        return due - self._clock.monotonic()

    def look(self) -> str | None:
        """What was said last; what is said from now on is heard of."""
        self._is_heard = True
        return self.said

    def overrun(self) -> FailureDetails:
        """What an attempt fails with whose time is over."""
        name, silent = self.item.activity, self._began + self.timeout > self._clock.monotonic()
        error: ActivityTimeoutError
        if silent:
            limit = f"its heartbeat timeout of {self.silence:g} s"
            error = HeartbeatTimeoutError(f"activity {name!r} was silent for longer than {limit}")
        else:
            error = ActivityTimeoutError(
                f"activity {name!r} ran over its timeout of {self.timeout:g} s"
            )
        return FailureDetails.from_exception(error)

    @property
    def _is_to_stop(self) -> bool:
        takes_part = self.silence < math.inf or self._beat > -math.inf
        return self.overran or self._is_process or takes_part

    def _hear(self) -> None:
        if self.on_heartbeat is not None and not self.is_over.is_set():
            self.on_heartbeat(self)
        if self.cause and self._interrupt is not None:
            self._interrupt()


class Attempts:
    """Those of one runtime."""

    def __init__(self, hub: Hub, spawn: Spawn) -> None:
        self._hub = hub
        self._clock = hub.storage.clock
        self._heartbeats = Heartbeats(hub.storage, hub.names)
        self._spawn = spawn
        self._running: dict[str, dict[Attempt, None]] = {}
        self._kept: dict[tuple[str, int], WorkItem] = {}
        """Calls with a result that is not stored yet, whose details go once it is."""

    async def begin(self, item: WorkItem, definition: ActivityDefinition) -> Attempt:
        """An attempt that is about to run: `run` ends it."""
        attempt = Attempt(item, definition, self._clock)
        if item.begun > 1 or item.task_id != item.call:
            # another may have said something before it
            text = await repeat(self._hub, lambda: self._heartbeats.read(item))
            attempt.details = attempt.said = attempt.stored = text
        attempt.on_heartbeat = self._heard
        return attempt

    async def run(self, attempt: Attempt, work: Coroutine[Any, Any, Result]) -> Result | None:
        """What history is to record of it; None if it was interrupted since nobody awaits it."""
        item = attempt.item
        beside = self._running.setdefault(item.instance_id, {})
        beside[attempt] = None
        event: Result | None = None
        attempt.start()
        try:
            event = await (self._watched(attempt, work) if attempt.has_limits else work)
            if isinstance(event, TaskFailed) and attempt.cause and not attempt.overran:
                event = None
            return event
        finally:
            attempt.is_over.set()
            del beside[attempt]
            if not beside and self._running.get(item.instance_id) is beside:
                del self._running[item.instance_id]
            if attempt.writer is not None or attempt.stored is not None:
                await self._close(attempt, event)

    async def _watched(self, attempt: Attempt, work: Coroutine[Any, Any, Result]) -> Result:
        task: asyncio.Task[Result] = self._spawn(work)
        task.set_name(attempt.label)
        try:
            if not attempt.has_begun.is_set():
                await first(asyncio.wait({task}), attempt.has_begun.wait())
            while not task.done() and (left := attempt.time_left) > 0:
                await first(asyncio.wait({task}), self._clock.sleep(left))
            if task.done():
                return task.result()
            failure = attempt.overrun()
            logger.warning("%s; instance %s", failure.message, attempt.item.instance_id)
            attempt.cancel(failure.message, overran=True)
            await first(asyncio.wait({task}), self._clock.sleep(GRACE))
            if not task.done():
                logger.warning("it does not end, and keeps its place until it does")
                attempt.left = task
            return TaskFailed(attempt.item.task_id, failure)
        finally:
            if attempt.left is None:
                task.cancel()

    def among(self, tasks: Iterable[asyncio.Task[Any]]) -> list[str]:
        """The attempts that have not ended, in words, and those of tasks that outlived theirs."""
        names = [attempt.label for beside in self._running.values() for attempt in beside]
        names += [task.get_name() for task in tasks]
        return [name for name in dict.fromkeys(names) if name.startswith("activity ")]

    # ---- what nobody awaits ----

    def note_turn(self, before: Head, commit: Commit) -> None:
        """A turn was committed here."""
        if commit.status.is_terminal or commit.continued:
            self._cancel(before.instance_id, before.incarnation, before.execution_id)
        if self._kept:
            for event in commit.turn.events:
                if isinstance(event, TaskCompleted):
                    self.stored(before.execution_id, event.task_id)

    def of(self, instance_id: str) -> tuple[Attempt, ...]:
        """Those of an instance."""
        return tuple(self._running.get(instance_id, ()))

    def compare(self, attempts: Sequence[Attempt], head: Head | None) -> None:
        """A head was read when these ran already: of what it was before, they are for nobody. One
        that has begun since may be of what it is by now."""
        for attempt in attempts:
            if not attempt.is_over.is_set() and _is_past(attempt.item, head):
                attempt.cancel(UNWANTED)

    async def check(self, attempt: Attempt) -> None:
        """Find out whether anybody awaits it."""
        item = attempt.item
        with suppress(StorageError):
            if _is_past(item, await self._hub.instances.head(item.instance_id)):
                attempt.cancel(UNWANTED)

    def _cancel(self, instance_id: str, incarnation: str, execution_id: str) -> None:
        for attempt in self.of(instance_id):
            item = attempt.item
            if (item.incarnation, item.execution_id) == (incarnation, execution_id):
                attempt.cancel(UNWANTED)
        for execution, task_id in list(self._kept):
            # a result that came too late is stored by nobody
            if execution == execution_id:
                self.stored(execution, task_id)

    # ---- what they say ----

    def stored(self, execution_id: str, task_id: int) -> None:
        """Its result is stored: what was said on the way goes."""
        item = self._kept.pop((execution_id, task_id), None)
        if item is not None:
            self._spawn(self.forget(item))

    async def forget(self, item: WorkItem) -> None:
        """Nobody will ask what was said in the item's call."""
        await repeat(self._hub, lambda: self._heartbeats.remove(item))

    def _heard(self, attempt: Attempt) -> None:
        if attempt.writer is None:
            attempt.writer = self._spawn(self._write_on(attempt))

    async def _write_on(self, attempt: Attempt) -> None:
        """Until nothing was said for a while; the first that is said then is written at once."""
        while not attempt.is_over.is_set():
            await self._write(attempt)
            await self.check(attempt)
            await first(attempt.is_over.wait(), self._clock.sleep(attempt.pause))
            if attempt.is_silent:
                attempt.writer = None
                return

    async def _write(self, attempt: Attempt) -> None:
        text = attempt.look()
        if text is None or text == attempt.stored:
            return
        try:
            again = attempt.stored is not None
            if await self._heartbeats.write(attempt.item, text, again=again):
                attempt.stored = text
            else:
                attempt.cancel(UNWANTED)
        except StorageError as error:
            logger.warning("a heartbeat of %s: %s", attempt.item.activity, error)

    async def _close(self, attempt: Attempt, event: Result | None) -> None:
        """What was said last counts for the next attempt, and for nobody after a result."""
        item, writer = attempt.item, attempt.writer
        if writer is not None:
            await asyncio.wait({writer})
        if isinstance(event, TaskFailed) or (event is None and not attempt.cause):
            await self._write(attempt)
        elif attempt.stored is not None and event is not None:
            self._kept[item.execution_id, item.task_id] = item
        elif attempt.stored is not None and attempt.cause:
            self._spawn(self.forget(item))


def _is_past(item: WorkItem, head: Head | None) -> bool:
    """Whether what the item is of is over; tasks are not asked, since the code may be ahead."""
    return (
        head is None
        or head.is_terminal
        or (head.incarnation, head.execution_id) != (item.incarnation, item.execution_id)
    )
