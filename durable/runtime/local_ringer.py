"""Begins instances in this process while there is room: the ringer of a process with a runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from durable.errors import StorageError
from durable.hub.messages import RINGS, Doorbell
from durable.hub.payloads import Spill
from durable.hub.ringing import QueueRinger, by_queue, create_all, start_later
from durable.hub.rows import Head
from durable.model.entities import is_entity
from durable.runtime.guards import Shared

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime


PUTS = 2
"""Guards that are being put at a time, while more starts come and share the next one."""


@dataclass(slots=True)
class Waiting:
    """Instances whose guard is about to be put."""

    ids: list[str]
    put: asyncio.Task[Shared] | None = None


class LocalRinger:
    """A `durable.hub.ringing.Ringer`."""

    def __init__(self, runtime: Runtime, queues: QueueRinger) -> None:
        """`queues` rings for others."""
        self._runtime = runtime
        self._hub = runtime.hub
        self._queues = queues
        self._most = RINGS if runtime.options.packed > 1 else 1
        self._waiting: dict[str, Waiting] = {}
        self._putting = asyncio.Semaphore(PUTS)
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._over: set[str] = set()
        """Of those that run here, those that have ended: who waits now is told no more."""

    async def ring(self, instance_id: str, *, audit: bool = False) -> None:
        """Have an instance looked at: by its run in this process, by a new one while there is
        room, else by a visible doorbell. `audit` looks for what nobody sees to as well."""
        bell = Doorbell(instance_id, audit=audit)
        if self._runtime.join(bell):
            return
        if self._is_others(instance_id):
            await self._queues.ring(instance_id)
        elif self._runtime.turn_room():
            guard = await self._runtime.put_guard(bell)
            self._runtime.spawn(self._runtime.run(bell, guard, self._deadline()))
        else:
            await self._queues.ring(instance_id)
            self._runtime.nudge(self._hub.names.control_queue(instance_id), 0.0)

    def _is_others(self, instance_id: str) -> bool:
        """Whether the id alone says that another worker has to see to the instance."""
        if is_entity(instance_id):
            return self._runtime.taking.lacks_entity(instance_id) is not None
        return not self._runtime.registry.orchestrators

    async def start(
        self, head: Head, spill: Spill, over: Head | None, *, announced: bool = True
    ) -> Head:
        """Write the head of a new incarnation and begin it here while there is room; what is to
        begin later is rung for then."""
        is_now = head.next_timer is None and self._runtime.taking.lacks(head) is None
        is_here = (
            is_now and self._runtime.turn_room() and not self._runtime.is_running(head.instance_id)
        )
        bell, shared = Doorbell(head.instance_id), None
        if is_here:
            shared, head = await self._ready(head, announced=announced)
        elif not announced:
            head = await self._hub.projection.announce(head)
        if head.next_timer is not None:
            left = head.next_timer - self._hub.storage.clock.now()
            created = await start_later(self._hub, self, head, spill, over)
            if head.far_start is None:
                queue = self._hub.names.control_queue(head.instance_id)
                self._runtime.nudge(queue, max(0.0, left.total_seconds()))
            return created
        if self._runtime.taking.lacks(head) is not None:
            return await self._queues.start(head, spill, over)
        if shared is None:
            created = await self._hub.instances.create(head, spill, over=over)
            await self.ring(head.instance_id)
            return created
        try:
            created = await self._hub.instances.create(head, spill, over=over)
        except BaseException:
            # it may have come to be: the guard finds out, or rings for nothing
            await shared.leave(done=False)
            raise
        self._runtime.begin_with(created)
        guard = shared.guard
        if not guard.is_fresh:
            await self._queues.ring(head.instance_id)
        run = self._runtime.run(bell, guard, self._deadline(), rung=False, shared=shared)
        self._runtime.spawn(run)
        return created

    async def _ready(self, head: Head, *, announced: bool) -> tuple[Shared, Head]:
        """What has to be there before the head: neither waits for the other."""
        guarding = asyncio.ensure_future(self._guarded(head.instance_id))
        try:
            head = head if announced else await self._hub.projection.announce(head)
        except BaseException:
            with suppress(StorageError):
                await (await guarding).leave(done=True)
            raise
        return await guarding, head

    async def _guarded(self, instance_id: str) -> Shared:
        """A guard for an instance that is about to be written: starts that come while another's
        is being put share the next one."""
        queue = self._hub.names.control_queue(instance_id)
        waiting = self._waiting.get(queue)
        if waiting is None or len(waiting.ids) >= self._most:
            waiting = self._waiting[queue] = Waiting([])
            waiting.put = self._runtime.spawn(self._put(queue, waiting))
        waiting.ids.append(instance_id)
        put = waiting.put
        assert put is not None
        try:
            return await asyncio.shield(put)
        except asyncio.CancelledError:
            put.add_done_callback(self._not_wanted)
            raise

    def _not_wanted(self, put: asyncio.Task[Shared]) -> None:
        if not put.cancelled() and put.exception() is None:
            self._runtime.spawn(put.result().leave(done=True))

    async def _put(self, queue: str, waiting: Waiting) -> Shared:
        async with self._putting:
            if self._waiting.get(queue) is waiting:
                del self._waiting[queue]
            first, *others = waiting.ids
            if others:
                guard = await self._runtime.put_guard_of(queue, tuple(waiting.ids))
            else:
                guard = await self._runtime.put_guard(Doorbell(first))
            return Shared(self._runtime.keeping, guard, len(waiting.ids))

    async def start_all(self, starts: Sequence[tuple[Head, Spill]]) -> Sequence[Head | Exception]:
        """As `start` for each of several that are to begin now, many under one guard."""
        room = self._runtime.turn_room() if self._runtime.options.packed > 1 else 0
        mine = [start for start in starts if self._runtime.taking.lacks(start[0]) is None][:room]
        by_id = {start[0].instance_id: start for start in mine}
        begun = await asyncio.gather(
            *(
                self._begin(queue, [by_id[each] for each in ids])
                for queue, ids in by_queue(self._hub, list(by_id))
            )
        )
        outcomes = {instance_id: each for part in begun for instance_id, each in part.items()}
        others = [start for start in starts if start[0].instance_id not in outcomes]
        left = await self._queues.start_all(others)
        for each in left:
            if isinstance(each, Head):
                self._runtime.keep_warm(each)
        outcomes |= {head.instance_id: each for (head, _), each in zip(others, left, strict=True)}
        for queue in {self._hub.names.control_queue(head.instance_id) for head, _ in others}:
            self._runtime.sent(queue, 0.0, min(RINGS, len(others)))
        return [outcomes[head.instance_id] for head, _ in starts]

    async def _begin(
        self, queue: str, starts: Sequence[tuple[Head, Spill]]
    ) -> dict[str, Head | Exception]:
        """Write the heads, and begin them here."""
        ids = tuple(head.instance_id for head, _ in starts)
        guard = await self._runtime.put_guard_of(queue, ids)
        try:
            outcomes = await create_all(self._hub, starts)
        except BaseException:
            self._runtime.keeping.drop(guard)
            raise
        created = {each.instance_id: each for each in outcomes if isinstance(each, Head)}
        for head in created.values():
            self._runtime.begin_with(head)
        if not guard.is_fresh:
            await self._queues.ring_all(list(created))
        deadline = self._deadline()
        self._runtime.spawn(self._runtime.run_all(tuple(created), guard, deadline))
        return dict(zip(ids, outcomes, strict=True))

    def will_tell(self, instance_id: str) -> bool:
        """See `Ringer`: its run goes on here, or is about to begin."""
        if self._runtime.is_running(instance_id):
            return instance_id not in self._over
        return self._runtime.is_unbegun(instance_id)

    async def wait(self, instance_id: str, seconds: float) -> bool:
        """Sleep, or less when the instance ends in this process: whether it has."""
        ended = asyncio.Event()
        self._watchers.setdefault(instance_id, set()).add(ended)
        sleeping = asyncio.ensure_future(self._hub.storage.clock.sleep(seconds))
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
        return ended.is_set()

    def ended(self, instance_id: str) -> None:
        """An instance has ended here: tell who waits for it."""
        for watcher in self._watchers.get(instance_id, ()):
            watcher.set()
        if self._runtime.is_running(instance_id):
            self._over.add(instance_id)

    def left(self, instance_id: str) -> None:
        """Its run here is over."""
        self._over.discard(instance_id)

    def _deadline(self) -> float | None:
        return self._runtime.deadline(self._runtime.options.local_budget)
