"""What runs an app's orchestrations and activities in one process, on one event loop.

Messages come in from a pump of ours or from queue triggers; both end in the same run of an
actor under a guard. Clock, randomness and the spawning of tasks come from outside.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from durable.engine.ledger import Outstanding
from durable.errors import StorageError, UnknownFormat
from durable.hub.hub import Hub
from durable.hub.messages import RINGS, Doorbell, Doorbells, WorkItem
from durable.hub.payloads import INLINE
from durable.hub.ringing import QueueRinger, repeat
from durable.hub.rows import Head
from durable.hub.together import together
from durable.model.commit import Commit
from durable.model.events import (
    Arrival,
    Completion,
    ExecutionStarted,
)
from durable.model.filters import WorkItemFilters
from durable.model.functions import Registry
from durable.model.instance import OrchestrationRuntimeStatus
from durable.model.meter import upkeep
from durable.model.retention import Retention
from durable.model.versioning import VersioningOptions
from durable.runtime.actor import Actor, Offered, Warm
from durable.runtime.attempts import Attempts
from durable.runtime.batches import Batches
from durable.runtime.claims import Claims
from durable.runtime.dispatch import Dispatcher
from durable.runtime.flow import Flow
from durable.runtime.guards import Guard, Keeping, Key, Shared, predecessors
from durable.runtime.hold import Stuck
from durable.runtime.local_ringer import LocalRinger
from durable.runtime.logs import of_instance
from durable.runtime.messages import Messages
from durable.runtime.metering import spawn_as_work
from durable.runtime.passing import Passing
from durable.runtime.queries import Queries
from durable.runtime.slots import Slots
from durable.runtime.sweeper import Sweeper
from durable.runtime.taking import Lacking, Taking
from durable.runtime.work import Work

logger = logging.getLogger("durable.runtime")

UNSTORED = 200
"""Results that may wait for a run to store them, each a held message that has to be renewed."""

T = TypeVar("T")

ROW_CHARACTERS = 200_000
"""Of the results that lie in one row of an inbox."""

Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How much a process takes on. Times are in seconds.

    `filters` says what of the app the worker takes, None for all of it, and `versioning` which
    versions of it. With `checkpoint_steps` over 1, so many steps may run before they are stored
    together, and run again after a crash. `cache` is how many instances' code is kept between
    their runs, `packed` how many calls of an activity share a message at most, and `spread` how
    many messages the calls of a turn make at least, so that several workers have some; with
    `packed` 1, each start has a message of its own too. With `direct`, a queued activity's
    result goes to the turn that follows at once, else through the inbox, and with `grouped` a turn
    takes all that has arrived, else what came first. With `replay_every_turn`, no orchestrator's
    code is kept: each turn replays its history first, as after a crash.
    `local_budget` bounds how long a run begun in passing (by an HTTP start, say) takes new
    activities on; `invocation_budget` does so for a queue trigger's. None means no bound.
    """

    max_activities: int = 20
    max_orchestrations: int = 20
    max_entities: int = 20
    max_processes: int = 4
    max_attempts: int = 10
    max_payload: int = 16 * 1024 * 1024
    always_queue: bool = False
    filters: WorkItemFilters | None = None
    versioning: VersioningOptions = field(default_factory=VersioningOptions)
    cache: int = 1000
    checkpoint_steps: int = 1
    packed: int = 50
    spread: int = 20
    direct: bool = True
    grouped: bool = True
    replay_every_turn: bool = False
    retention: Retention = field(default_factory=Retention)
    local_budget: float | None = None
    invocation_budget: float | None = None


RETRY_LATER = 5.0
APART = 1.0
"""Seconds before a run that may end the process."""


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
        self._actors: dict[str, Actor] = {}
        self._warm: OrderedDict[str, Warm] = OrderedDict()
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._alone = asyncio.Lock()
        self.attempts = Attempts(hub, self.spawn)
        self.claims = Claims(hub, keeping, self.spawn, self._spawn)
        self.flow = Flow(self)
        self.work = Work(self, executor)
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
        task.add_done_callback(self._tasks.pop)
        return task

    # ---- life ----

    async def sweep(self) -> None:
        """Due timers, expired claims, and the audit; to be called every ten seconds or so."""
        with upkeep():
            await self._sweeper.sweep()

    async def drain(self, seconds: float) -> None:
        """Take nothing on any more, and give what runs up to `seconds` to end. What has not
        ended then is cancelled; its messages show themselves again."""
        self._draining = True
        self.flow.close()
        tasks = list(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for warm in self._warm.values():
            if warm.execution is not None:
                warm.execution.close()
        self._warm.clear()
        self.claims.close()
        self.work.close()

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

    def offer(self, item: WorkItem, arrival: Arrival, stored: asyncio.Future[None]) -> bool:
        """Hand a completion to the run that its instance has here; False when there is none."""
        actor = self._actors.get(item.instance_id)
        if actor is None or actor.ended.is_set():
            return False
        actor.offer(item, arrival, stored)
        return True

    def is_running(self, instance_id: str) -> bool:
        """Whether the instance has a run here."""
        return instance_id in self._actors

    def is_unbegun(self, instance_id: str) -> bool:
        """Whether the instance was written here, and is about to begin."""
        warm = self._warm.get(instance_id)
        return warm is not None and warm.head.sequence == 0 and not warm.head.is_terminal

    def is_warm(self, instance_id: str) -> bool:
        """Whether the instance was run here last, as far as is known."""
        return instance_id in self._warm

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

    # ---- runs ----

    def join(self, bell: Doorbell) -> bool:
        """Hand a plain ring to the run that the instance has here. Its guard rings for both,
        should the process die; one that is not fresh may have rung before."""
        actor = self._actors.get(bell.instance_id)
        if actor is None or bell.guard or bell.heir_of:
            return False
        if actor.ended.is_set() or not actor.guard.is_fresh:
            return False
        if bell.audit:
            actor.audit()
        actor.ring()
        return True

    async def run(
        self,
        bell: Doorbell,
        guard: Guard,
        deadline: float | None,
        offers: Sequence[Offered] = (),
        *,
        rung: bool = True,
        shared: Shared | None = None,
    ) -> None:
        """Run an instance until nothing is left to do here; then the guard goes, or rings. It may
        be `shared` with other runs.

        Without `rung` nothing was put into its inbox that would not ring by itself."""
        shared, done = shared or Shared(self.keeping, guard, 1), False
        try:
            done = await self._run(bell, guard, deadline, offers, rung=rung)
        finally:
            await shared.leave(done=done)

    async def run_all(
        self,
        instance_ids: Sequence[str],
        guard: Guard,
        deadline: float | None,
    ) -> None:
        """As `run`, for several that were never run, under one guard. What came into their
        inboxes has rung by itself."""
        if guard.follows:
            await self.ring_apart(instance_ids, guard.follows)
            await self.keeping.release(guard)
            return

        if not instance_ids:
            await self.keeping.release(guard)
        shared = Shared(self.keeping, guard, len(instance_ids))

        async def one(instance_id: str) -> None:
            bell = Doorbell(instance_id)
            await self.turns.take()
            self.turns.give()
            if self.join(bell):
                await shared.leave(done=True)
            else:
                await self.run(bell, guard, deadline, rung=False, shared=shared)

        await together(instance_ids, one, RINGS)

    async def ring_apart(self, instance_ids: Sequence[str], follows: tuple[Key, ...]) -> None:
        """A message for each of several that were run under one guard: one of them may have ended
        the process."""
        for instance_id in instance_ids:
            bell = Doorbell(instance_id, died=True, heir_of=predecessors(follows))
            await self.dispatcher.doorbell(bell)

    async def _run(
        self,
        bell: Doorbell,
        guard: Guard,
        deadline: float | None,
        offers: Sequence[Offered] = (),
        *,
        rung: bool = True,
    ) -> bool:
        """Whether the guard may go."""
        instance_id = bell.instance_id
        # one that comes to its end here has shown that it is none
        await self._none_runs(instance_id)
        suspect = bell.died and await self._is_suspect(instance_id, guard)
        await self._none_runs(instance_id)
        # of several that may end this process, one at a time: so that it is known which
        if suspect and self._alone.locked() and not offers:
            return await self._hand_back(bell, guard)
        actor = Actor(
            self,
            instance_id,
            guard,
            audit=bell.audit,
            died=bell.died,
            rung=rung or bool(guard.follows),
            deadline=deadline,
            warm=None if guard.follows else self._warm.pop(instance_id, None),
        )
        self._actors[instance_id] = actor
        self.ringer.begins(instance_id)
        for offer in offers:
            actor.offer(*offer)
        done = False
        try:
            async with self._alone if suspect else nullcontext():
                if suspect:
                    # the others that came with it are handed back meanwhile
                    await self.hub.storage.clock.sleep(APART)
                self.turns.used += 1
                try:
                    done = await actor.run()
                finally:
                    self.turns.give()
        except Stuck:
            done = True
        except (Lacking, UnknownFormat) as error:
            done = await self.passing.pass_on(bell, guard, error)
        except StorageError as error:
            logger.warning("instance %s: %s; it is tried again", instance_id, error)
            done = await self._hand_back(bell, guard)
        finally:
            actor.ended.set()
            del self._actors[instance_id]
            self.ringer.left(instance_id)
            actor.gone.set()
            if (warm := actor.warm()) is not None:
                self._keep_warm(instance_id, warm)
        return done

    async def _none_runs(self, instance_id: str) -> None:
        while (running := self._actors.get(instance_id)) is not None:
            await running.gone.wait()

    async def _is_suspect(self, instance_id: str, guard: Guard) -> bool:
        """Whether who died was not the first, and none of them got on with it."""
        try:
            head = await self.hub.instances.head(instance_id)
        except StorageError:
            # its run finds out
            return False
        return head is not None and head.losses_of(guard.earlier) > 0

    async def _hand_back(self, bell: Doorbell, guard: Guard) -> bool:
        """Let another try."""
        died = bell.died and not guard.has_fenced
        again = replace(bell, guard=False, died=died, heir_of=guard.heirs)
        try:
            await self.dispatcher.doorbell(again, RETRY_LATER)
        except StorageError:
            return False
        return True

    # ---- small things ----

    def deadline(self, budget: float | None) -> float | None:
        """The monotonic time when a budget of seconds is used up."""
        return None if budget is None else self.hub.storage.clock.monotonic() + budget

    def begin_with(self, head: Head) -> None:
        """Let the instance's run here, which is about to begin, begin with this head."""
        self._warm[head.instance_id] = Warm(head)

    def keep_warm(self, head: Head) -> None:
        """Begin the instance's next run here, if there is one, with this head."""
        self._keep_warm(head.instance_id, Warm(head))

    def _keep_warm(self, instance_id: str, warm: Warm) -> None:
        self._warm[instance_id] = warm
        while len(self._warm) > self.options.cache:
            _, oldest = self._warm.popitem(last=False)
            if oldest.execution is not None:
                oldest.execution.close()

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
