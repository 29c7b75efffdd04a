"""What runs an app's orchestrations and activities in one process, on one event loop.

Messages come in from a pump of ours or from queue triggers; both end in the same run of an
actor under a guard. Clock, randomness and the spawning of tasks come from outside.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

from durable.engine.ledger import Outstanding
from durable.hub.hub import Hub
from durable.hub.messages import Doorbell, Doorbells, WorkItem
from durable.hub.payloads import INLINE
from durable.hub.ringing import QueueRinger, repeat
from durable.hub.rows import Head
from durable.model.commit import Commit
from durable.model.events import (
    Arrival,
    Completion,
    ExecutionStarted,
)
from durable.model.functions import Registry
from durable.model.instance import OrchestrationRuntimeStatus
from durable.model.meter import upkeep
from durable.runtime.attempts import Attempts
from durable.runtime.batches import Batches
from durable.runtime.claims import Claims
from durable.runtime.dispatch import Dispatcher
from durable.runtime.ending import end
from durable.runtime.flow import Flow
from durable.runtime.guards import Guard, Keeping, Key, predecessors
from durable.runtime.local_ringer import LocalRinger
from durable.runtime.logs import of_instance
from durable.runtime.messages import Messages
from durable.runtime.metering import spawn_as_work
from durable.runtime.options import RuntimeOptions
from durable.runtime.passing import Passing
from durable.runtime.performing import Performing
from durable.runtime.queries import Queries
from durable.runtime.runs import Runs
from durable.runtime.slots import Slots
from durable.runtime.sweeper import Sweeper
from durable.runtime.taking import Taking
from durable.runtime.work import Work

logger = logging.getLogger("durable.runtime")

UNSTORED = 200
"""Results that may wait for a run to store them, each a held message that has to be renewed."""

T = TypeVar("T")

ROW_CHARACTERS = 200_000
"""Of the results that lie in one row of an inbox."""

Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


class Runtime:
    """See the module. Use on one event loop only."""

    def __init__(
        self,
        hub: Hub,
        registry: Registry,
        keeping: Keeping,
        options: RuntimeOptions | None = None,
        *,
        spawn: Spawn | None = None,
        executor: Executor | None = None,
    ) -> None:
        """`executor` runs sync activities: threads of its own unless given. Raises
        ConfigurationError for filters that name what the app does not have."""
        self.hub = hub
        self.options = options or RuntimeOptions()
        self.taking = Taking(registry, self.options.filters, self.options.versioning)
        self.registry = self.taking.registry
        self.whole = registry
        """All of the app, what other workers take included."""
        self.keeping = keeping
        self.activities = Slots(self.options.max_activities)
        self.turns = Slots(self.options.max_orchestrations)
        self.entities = Slots(self.options.max_entities)
        self.on_turn: Callable[[Head, Commit], None] | None = None
        """Is told of each turn committed here, with the head before it."""
        self.on_nudge: Callable[[str, float], None] | None = None
        self.on_look_away: Callable[[str, float], None] | None = None
        """Has a queue left to other workers for some seconds, where this process can."""
        self._queues = QueueRinger(hub, self.options.packed)
        self.ringer = LocalRinger(self, self._queues)
        default = self.taking.default_version
        self.dispatcher = Dispatcher(hub, registry, self.ringer, self.sent, default)
        self.passing = Passing(self)
        self._spawn = spawn or spawn_as_work
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self.runs = Runs(self)
        self.attempts = Attempts(hub, self.spawn)
        self.claims = Claims(hub, keeping, self.spawn, self._spawn)
        self.flow = Flow(self)
        self.performing = Performing(self, executor)
        self.work = Work(self)
        self.batches = Batches(self, self.work)
        self.queries = Queries(hub, self.taking, self.passing.look_away)
        self.messages = Messages(self)
        self._sweeper = Sweeper(self)
        self._draining = False

    @property
    def is_draining(self) -> bool:
        """Whether it takes nothing on any more."""
        return self._draining

    @property
    def control_queues(self) -> tuple[str, ...]:
        """The hub's control queues; none where filters leave all instances to others."""
        idle = self.options.filters is not None and not self.taking.any_instance
        return () if idle else self.hub.names.control_queues

    @property
    def work_queues(self) -> Mapping[str, str]:
        """The work queue of each of the activities that the worker takes: of those with several,
        the one of calls without a priority."""
        return {name: self.hub.names.work_queue(name) for name in self.registry.activities}

    def lanes(self, activity: str) -> tuple[str, ...]:
        """All work queues of an activity, the most urgent first."""
        limits = self.registry.limits_of(activity)
        priorities = limits is not None and limits.priority_enabled
        return self.hub.names.lanes(activity, priorities=priorities)

    def turn_room(self) -> int:
        """How many more orchestrations may be run at once."""
        return 0 if self._draining else self.turns.free

    def activity_room(self) -> int:
        """How many more work items may be taken on: as many as may run at once, while those
        that are done do not pile up before a run that is busy."""
        if self._draining:
            return 0
        room = min(self.activities.free, UNSTORED - self.work.unstored)
        return max(0, room - self.batches.waiting)

    def weight(self, queue: str) -> int:
        """How many calls a message of a queue holds, as far as this process has seen."""
        return self.batches.weights.get(queue, 1)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run in the background; kept until done."""
        task = self._spawn(work)
        self._tasks[task] = None
        task.add_done_callback(lambda task: self._tasks.pop(task, None))
        return task

    # ---- life ----

    async def sweep(self) -> None:
        """Due timers, expired claims, and the audit; to be called every ten seconds or so."""
        with upkeep():
            await self._sweeper.sweep()

    async def drain(self, seconds: float) -> None:
        """Take nothing on any more, and give what runs up to `seconds` to end. What has not
        ended then is cancelled; its messages show themselves again. What does not end by that
        either, within five seconds, is left behind."""
        self._draining = True
        self.flow.close()
        tasks = list(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        if left := await end(self._tasks):
            for task in left:
                del self._tasks[task]
            what = ", ".join(self.attempts.among(left)) or "none of an activity"
            logger.warning(
                "%d tasks do not end though they were cancelled, and are left behind: %s",
                len(left),
                what,
            )
        self.runs.close()
        self.claims.close()
        self.performing.close()

    # ---- what actors ask for ----

    async def put_guard(self, bell: Doorbell, follows: tuple[Key, ...] = ()) -> Guard:
        """Hold a hidden message that rings for the instance should this process die."""
        queue = self.hub.names.control_queue(bell.instance_id)
        # should this process die before it has left its mark, the next one has to
        heir_of = predecessors(follows)
        body = Doorbell(bell.instance_id, guard=True, heir_of=heir_of).encode()
        return await repeat(self.hub, lambda: self.keeping.put(queue, body, follows=follows))

    async def put_guard_of(self, queue: str, instance_ids: tuple[str, ...]) -> Guard:
        """As `put_guard`, for several instances of a queue that were never run."""
        body = Doorbells(instance_ids, guard=True).encode()
        return await repeat(self.hub, lambda: self.keeping.put(queue, body))

    async def hand_in(self, *done: tuple[WorkItem, Completion], nudge: bool = True) -> None:
        """Put results of one instance into its inbox and ring: for who holds no guard any more,
        or, without `nudge`, does not take the instance."""
        # the head is not asked: this worker may be unable to read it
        item, accepted = done[0][0], False
        for arrivals in _inbox_rows(done):
            event: Any = arrivals[0].event
            nonce = self.hub.new_id(8)
            # others may store some of these together with others
            more = f"+{nonce}" if len(arrivals) > 1 else ""
            message = f"{item.execution_id}|{event.task_id}{more}"
            accepted = await repeat(
                self.hub,
                lambda: self.hub.instances.deliver(
                    item.instance_id,
                    item.incarnation,
                    message,  # noqa: B023
                    *arrivals,  # noqa: B023
                    nonce=nonce,  # noqa: B023
                ),
            )
        for item, event in done:
            self.attempts.stored(item.execution_id, event.task_id)
        if accepted:
            await self._queues.ring(item.instance_id)
            if nudge:
                self.nudge(self.hub.names.control_queue(item.instance_id), 0.0)

    async def project(self, head: Head) -> Head | None:
        """Bring the instance's row in the projection up to date, and answer its head."""
        return await self.hub.projection.show(head)

    async def resend_lost(self, head: Head, tasks: list[Outstanding]) -> str:
        """See `Sweeper.resend_lost`."""
        return await self._sweeper.resend_lost(head, tasks)

    def note_turn(self, before: Head, commit: Commit, after: Head | None) -> None:
        """A turn was committed here: log it, and wake who waits for the end. `after` is the head
        it led to, None where an answer did not say."""
        if self.on_turn is not None:
            self.on_turn(before, commit)
        self.attempts.note_turn(before, commit)
        began = any(isinstance(event, ExecutionStarted) for event in commit.turn.events)
        if before.sequence == 0 and began:
            self._log(logging.INFO, before, "started %s %s")
        for ask_id in commit.answers:
            self.ringer.answered(ask_id)
        if commit.status.is_terminal:
            if commit.status is OrchestrationRuntimeStatus.COMPLETED:
                self._log(logging.INFO, before, "completed %s %s")
            else:
                status = str(commit.status).lower()
                reason = f": {commit.failure}" if commit.failure else ""
                self._log(logging.WARNING, before, f"{status} %s %s%s", reason)
            self.ringer.ended(before.instance_id, after)

    def _log(self, level: int, head: Head, text: str, *more: str) -> None:
        if logger.isEnabledFor(level):
            extra = of_instance(head)
            logger.log(level, text, head.name, head.instance_id, *more, extra=extra)

    # ---- small things ----

    def deadline(self, budget: float | None) -> float | None:
        """The monotonic time when a budget of seconds is used up."""
        return None if budget is None else self.hub.storage.clock.monotonic() + budget

    def sent(self, queue: str, delay: float, weight: int = 1) -> None:
        self.batches.weights[queue] = weight
        self.nudge(queue, delay)

    def nudge(self, queue: str, delay: float) -> None:
        if self.on_nudge is not None:
            self.on_nudge(queue, delay)


def _inbox_rows(done: Sequence[tuple[WorkItem, Completion]]) -> Iterator[list[Arrival]]:
    """Results, as many together as fit into a row of the inbox."""
    row: list[Arrival] = []
    size = 0
    for item, event in done:
        text = getattr(event, "result", None) or ""
        if row and size + len(text) > ROW_CHARACTERS:
            yield row
            row, size = [], 0
        row.append(Arrival(event, item.execution_id))
        size += min(len(text), INLINE)
    yield row
