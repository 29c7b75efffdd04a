"""What runs an app's orchestrations and activities in one process, on one event loop.

Messages come in from a pump of ours or from queue triggers; both end in the same run of an
actor under a guard. Clock, randomness and the spawning of tasks come from outside.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from durable.engine.ledger import Outstanding
from durable.errors import StorageError, UnknownFormat
from durable.hub.hub import Hub
from durable.hub.keys import listing_key
from durable.hub.messages import Doorbell, WorkItem
from durable.hub.payloads import Spill
from durable.hub.ringing import QueueRinger, repeat, start_later
from durable.hub.rows import Head
from durable.model.commit import Commit
from durable.model.entities import is_entity
from durable.model.events import (
    Arrival,
    Completion,
    ExecutionStarted,
)
from durable.model.filters import WorkItemFilters
from durable.model.functions import Registry
from durable.model.instance import OrchestrationRuntimeStatus
from durable.model.retention import Retention
from durable.model.versioning import VersioningOptions
from durable.runtime.actor import Actor, Warm
from durable.runtime.dispatch import Dispatcher
from durable.runtime.guards import Guard, Keeping, Key, predecessors
from durable.runtime.hold import Stuck
from durable.runtime.messages import Messages
from durable.runtime.passing import Passing
from durable.runtime.slots import Slots
from durable.runtime.sweeper import Sweeper
from durable.runtime.taking import Lacking, Taking
from durable.runtime.work import Work

logger = logging.getLogger("durable.runtime")

UNSTORED = 200
"""Results that may wait for a run to store them, each a held message that has to be renewed."""

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How much a process takes on. Times are in seconds.

    `filters` says what of the app the worker takes, None for all of it, and `versioning` which
    versions of it. `local_budget` bounds how long a run begun in passing (by an HTTP start, say)
    takes new activities on; `invocation_budget` does so for a queue trigger's. None means no
    bound.
    """

    max_activities: int = 20
    max_orchestrations: int = 20
    max_entities: int = 20
    max_attempts: int = 10
    max_payload: int = 16 * 1024 * 1024
    always_queue: bool = False
    filters: WorkItemFilters | None = None
    versioning: VersioningOptions = field(default_factory=VersioningOptions)
    cache: int = 1000
    retention: Retention = field(default_factory=Retention)
    local_budget: float | None = None
    invocation_budget: float | None = None


RETRY_LATER = 5.0


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
        self.keeping = keeping
        self.activities = Slots(self.options.max_activities)
        self.turns = Slots(self.options.max_orchestrations)
        self.entities = Slots(self.options.max_entities)
        self.on_nudge: Callable[[str, float], None] | None = None
        self.on_look_away: Callable[[str, float], None] | None = None
        """Has a queue left to other workers for some seconds, where this process can."""
        self.dispatcher = Dispatcher(hub, registry, self, self._nudge, self.taking.default_version)
        self.passing = Passing(self)
        self._queue_ringer = QueueRinger(hub)
        self._spawn = spawn or asyncio.ensure_future
        self._actors: dict[str, Actor] = {}
        self._warm: OrderedDict[str, Warm] = OrderedDict()
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._alone = asyncio.Lock()
        self.work = Work(self, executor)
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
        """The work queue of each of the activities that the worker takes."""
        return {name: self.hub.names.work_queue(name) for name in self.registry.activities}

    def turn_room(self) -> int:
        """How many more orchestrations may be run at once."""
        return 0 if self._draining else self.turns.free

    def activity_room(self) -> int:
        """How many more work items may be taken on: as many as may run at once, while those
        that are done do not pile up before a run that is busy."""
        if self._draining:
            return 0
        return min(self.activities.free, max(0, UNSTORED - self.work.unstored))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run in the background; kept until done."""
        task = self._spawn(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    # ---- ringing: see durable.client.Ringer ----

    async def ring(self, instance_id: str, *, audit: bool = False) -> None:
        """Have an instance looked at: by its run in this process, by a new one while there is
        room, else by a visible doorbell. `audit` looks for what nobody sees to as well."""
        bell = Doorbell(instance_id, audit=audit)
        if self.join(bell):
            return
        if self._is_others(instance_id):
            await self._queue_ringer.ring(instance_id)
        elif self.turn_room():
            guard = await self.put_guard(bell)
            self.spawn(self.run(bell, guard, self.deadline(self.options.local_budget)))
        else:
            await self._queue_ringer.ring(instance_id)
            self._nudge(self.hub.names.control_queue(instance_id), 0.0)

    def _is_others(self, instance_id: str) -> bool:
        """Whether the id alone says that another worker has to see to the instance."""
        if is_entity(instance_id):
            return self.taking.lacks_entity(instance_id) is not None
        return not self.registry.orchestrators

    async def start(self, head: Head, spill: Spill, over: Head | None) -> Head:
        """Write the head of a new incarnation and begin it here while there is room; what is to
        begin later is rung for then."""
        if head.next_timer is not None:
            left = head.next_timer - self.hub.storage.clock.now()
            created = await start_later(self.hub, self, head, spill, over)
            if head.far_start is None:
                queue = self.hub.names.control_queue(head.instance_id)
                self._nudge(queue, max(0.0, left.total_seconds()))
            return created
        if self.taking.lacks(head) is not None:
            return await self._queue_ringer.start(head, spill, over)
        if not self.turn_room() or head.instance_id in self._actors:
            created = await self.hub.instances.create(head, spill, over=over)
            await self.ring(head.instance_id)
            return created
        bell = Doorbell(head.instance_id)
        guard = await self.put_guard(bell)
        try:
            created = await self.hub.instances.create(head, spill, over=over)
        except BaseException:
            # it may have come to be: the guard finds out, or rings for nothing
            self.keeping.drop(guard)
            raise
        self._warm[head.instance_id] = Warm(created)
        if not guard.is_fresh:
            await self._queue_ringer.ring(head.instance_id)
        deadline = self.deadline(self.options.local_budget)
        self.spawn(self.run(bell, guard, deadline, rung=False))
        return created

    async def wait(self, instance_id: str, seconds: float) -> None:
        """Sleep, or less when the instance ends in this process."""
        ended = asyncio.Event()
        self._watchers.setdefault(instance_id, set()).add(ended)
        sleeping = asyncio.ensure_future(self.hub.storage.clock.sleep(seconds))
        waiting = asyncio.ensure_future(ended.wait())
        try:
            await asyncio.wait({sleeping, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waiting.cancel()
            watchers = self._watchers[instance_id]
            watchers.discard(ended)
            if not watchers:
                del self._watchers[instance_id]

    # ---- life ----

    async def sweep(self) -> None:
        """Due timers, expired claims, and the audit; to be called every ten seconds or so."""
        await self._sweeper.sweep()

    async def drain(self, seconds: float) -> None:
        """Take nothing on any more, and give what runs up to `seconds` to end. What has not
        ended then is cancelled; its messages show themselves again."""
        self._draining = True
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
        self.work.close()

    # ---- what actors ask for ----

    async def put_guard(self, bell: Doorbell, follows: tuple[Key, ...] = ()) -> Guard:
        """Hold a hidden message that rings for the instance should this process die."""
        queue = self.hub.names.control_queue(bell.instance_id)
        # should this process die before it has left its mark, the next one has to
        heir_of = predecessors(follows)
        body = Doorbell(bell.instance_id, guard=True, deaths=bell.deaths, heir_of=heir_of).encode()
        return await repeat(
            self.hub,
            lambda: self.keeping.put(queue, body, deaths=bell.deaths, follows=follows),
        )

    def offer(self, item: WorkItem, arrival: Arrival, stored: asyncio.Future[None]) -> bool:
        """Hand a completion to the run that its instance has here; False when there is none."""
        actor = self._actors.get(item.instance_id)
        if actor is None or actor.ended.is_set():
            return False
        actor.offer(item, arrival, stored)
        return True

    async def hand_in(self, item: WorkItem, event: Completion, *, nudge: bool = True) -> None:
        """Put a result into its instance's inbox and ring: for who holds no guard any more, or,
        without `nudge`, does not take the instance."""
        # the head is not asked: this worker may be unable to read it
        message = f"{item.execution_id}|{event.task_id}"
        arrival, nonce = Arrival(event, item.execution_id), self.hub.new_id(8)
        if await repeat(
            self.hub,
            lambda: self.hub.instances.deliver(
                item.instance_id, item.incarnation, message, arrival, nonce=nonce
            ),
        ):
            await self._queue_ringer.ring(item.instance_id)
            if nudge:
                self._nudge(self.hub.names.control_queue(item.instance_id), 0.0)

    async def project(self, head: Head) -> Head | None:
        """Bring the instance's row in the projection up to date, and answer its head."""
        key = listing_key(head.created, head.instance_id)
        return await self.hub.projection.reconcile(head.instance_id, key)

    async def resend_lost(self, head: Head, tasks: list[Outstanding]) -> str:
        """See `Sweeper.resend_lost`."""
        return await self._sweeper.resend_lost(head, tasks)

    def note_turn(self, before: Head, commit: Commit) -> None:
        """A turn was committed here: log it, and wake who waits for the end."""
        began = any(isinstance(event, ExecutionStarted) for event in commit.turn.events)
        if before.sequence == 0 and began:
            logger.info("started %s %s", before.name, before.instance_id)
        if commit.status.is_terminal:
            if commit.status is OrchestrationRuntimeStatus.COMPLETED:
                logger.info("completed %s %s", before.name, before.instance_id)
            else:
                status = str(commit.status).lower()
                reason = f": {commit.failure}" if commit.failure else ""
                logger.warning("%s %s %s%s", status, before.name, before.instance_id, reason)
            for watcher in self._watchers.get(before.instance_id, ()):
                watcher.set()

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
        offer: tuple[WorkItem, Arrival, asyncio.Future[None]] | None = None,
        *,
        rung: bool = True,
    ) -> None:
        """Run an instance until nothing is left to do here; then the guard goes, or rings.

        Without `rung` nothing was put into its inbox that would not ring by itself."""
        instance_id = bell.instance_id
        while (running := self._actors.get(instance_id)) is not None:
            await running.gone.wait()
        actor = Actor(
            self,
            instance_id,
            guard,
            audit=bell.audit,
            rung=rung or bool(guard.follows),
            deadline=deadline,
            warm=None if guard.follows else self._warm.pop(instance_id, None),
        )
        self._actors[instance_id] = actor
        if offer is not None:
            actor.offer(*offer)
        done = False
        # of several that may end this process, one at a time: so that it is known which
        alone = self._alone if guard.deaths > 1 else nullcontext()
        try:
            async with alone:
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
            actor.gone.set()
            if (warm := actor.warm()) is not None:
                self._keep_warm(instance_id, warm)
            if not done:
                self.keeping.drop(guard)
        if done:
            await self.keeping.release(guard)

    async def _hand_back(self, bell: Doorbell, guard: Guard) -> bool:
        """Let another try: by a message that counts no death, since nobody died."""
        again = replace(bell, guard=False, deaths=guard.deaths, heir_of=guard.heirs)
        try:
            await self.dispatcher.doorbell(again, RETRY_LATER)
        except StorageError:
            return False
        return True

    # ---- small things ----

    def deadline(self, budget: float | None) -> float | None:
        """The monotonic time when a budget of seconds is used up."""
        return None if budget is None else self.hub.storage.clock.monotonic() + budget

    def _keep_warm(self, instance_id: str, warm: Warm) -> None:
        self._warm[instance_id] = warm
        while len(self._warm) > self.options.cache:
            _, oldest = self._warm.popitem(last=False)
            if oldest.execution is not None:
                oldest.execution.close()

    def _nudge(self, queue: str, delay: float) -> None:
        if self.on_nudge is not None:
            self.on_nudge(queue, delay)
