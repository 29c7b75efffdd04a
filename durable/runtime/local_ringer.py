"""Begins instances in this process while there is room: the ringer of a process with a runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from durable.errors import StorageError
from durable.hub.messages import RINGS, Doorbell
from durable.hub.payloads import Spill
from durable.hub.ringing import QueueRinger, by_queue, create_all, start_later
from durable.hub.rows import Head
from durable.model.entities import is_entity
from durable.runtime.gathering import Gathering
from durable.runtime.guards import Shared

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

BACKLOG = 5
"""How many times as many instances as there are turns may be about to begin here: whoever waits
for them is told, while those that other workers take have to be looked at."""

RUNS, RUNG = 10.0, 1.0
"""Seconds of trust in what runs here, and in what was rung for and may run elsewhere."""


class LocalRinger:
    """A `durable.hub.ringing.Ringer`."""

    def __init__(self, runtime: Runtime, queues: QueueRinger) -> None:
        """`queues` rings for others."""
        self._runtime = runtime
        self._hub = runtime.hub
        self._queues = queues
        most = RINGS if runtime.options.packed > 1 else 1
        self._guards = Gathering(runtime.spawn, self._put_guard, most, self._not_wanted)
        self._rings = Gathering(runtime.spawn, self._ring_all, most)
        self._watchers: dict[str, list[asyncio.Future[Head | None]]] = {}
        self._over: set[str] = set()
        """Of those that run here, those that have ended: who waits now is told no more."""

    async def ring(self, instance_id: str, *, audit: bool = False) -> None:
        """Have an instance looked at: by its run in this process, by a new one while there is
        room, else by a visible doorbell. `audit` looks for what nobody sees to as well."""
        bell = Doorbell(instance_id, audit=audit)
        if self._runtime.runs.join(bell):
            return
        if self._is_others(instance_id):
            await self._queues.ring(instance_id)
        elif self._runtime.turn_room():
            guard = await self._runtime.put_guard(bell)
            self._runtime.spawn(self._runtime.runs.run(bell, guard, self._deadline()))
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
        runtime = self._runtime
        is_now = head.next_timer is None and runtime.taking.lacks(head) is None
        if is_now and self._room() and not runtime.runs.is_running(head.instance_id):
            runtime.runs.expect(head.instance_id)
            try:
                return await self._start_here(head, spill, over, announced=announced)
            except BaseException:
                runtime.runs.expect_no_more(head.instance_id)
                raise
        if not announced:
            head = await self._hub.projection.announce(head)
        if head.next_timer is not None:
            return await self._start_later(head, spill, over)
        if not is_now:
            return await self._queues.start(head, spill, over)
        created = await self._hub.instances.create(head, spill, over=over)
        if over is not None or runtime.runs.is_running(head.instance_id):
            await self.ring(head.instance_id)
        else:
            runtime.runs.keep(created)
            await self._rings.add(self._hub.names.control_queue(head.instance_id), head.instance_id)
        return created

    def _room(self) -> int:
        """How many more may be about to begin here."""
        if self._runtime.is_draining:
            return 0
        return max(0, BACKLOG * self._runtime.turns.size - self._runtime.runs.expected)

    async def _start_here(
        self, head: Head, spill: Spill, over: Head | None, *, announced: bool
    ) -> Head:
        runtime = self._runtime
        queue = self._hub.names.control_queue(head.instance_id)
        # until it is there nothing is acknowledged: the head need not wait for it
        guarding = asyncio.ensure_future(self._guards.add(queue, head.instance_id))
        try:
            head = head if announced else await self._hub.projection.announce(head)
            created = await self._hub.instances.create(head, spill, over=over)
        except BaseException:
            # it may have come to be: the guard finds out, or rings for nothing
            with suppress(StorageError):
                await (await guarding).leave(done=False)
            raise
        shared = await guarding
        runtime.runs.keep(created)
        if not shared.guard.is_fresh:
            await self._queues.ring(head.instance_id)
        runtime.spawn(self._run(Doorbell(head.instance_id), shared))
        return created

    async def _run(self, bell: Doorbell, shared: Shared) -> None:
        await self._runtime.turns.take()
        self._runtime.turns.give()
        await self._runtime.runs.run(
            bell, shared.guard, self._deadline(), rung=False, shared=shared
        )

    async def _start_later(self, head: Head, spill: Spill, over: Head | None) -> Head:
        assert head.next_timer is not None
        left = head.next_timer - self._hub.storage.clock.now()
        created = await start_later(self._hub, self, head, spill, over)
        if head.far_start is None:
            queue = self._hub.names.control_queue(head.instance_id)
            self._runtime.nudge(queue, max(0.0, left.total_seconds()))
        return created

    async def _put_guard(self, queue: str, ids: tuple[str, ...]) -> Shared:
        """A guard for instances that are about to be written."""
        if len(ids) > 1:
            guard = await self._runtime.put_guard_of(queue, ids)
        else:
            guard = await self._runtime.put_guard(Doorbell(ids[0]))
        return Shared(self._runtime.keeping, guard, len(ids))

    def _not_wanted(self, shared: Shared) -> None:
        # the head of who has gone may be there
        self._runtime.spawn(shared.leave(done=False))

    async def _ring_all(self, queue: str, ids: tuple[str, ...]) -> None:
        """Ring for instances that were just written, for whoever has room."""
        await self._queues.ring_all(ids)
        self._runtime.sent(queue, 0.0, len(ids))

    async def start_all(self, starts: Sequence[tuple[Head, Spill]]) -> Sequence[Head | Exception]:
        """As `start` for each of several that are to begin now, many under one guard."""
        room = self._room() if self._runtime.options.packed > 1 else 0
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
                self._runtime.runs.keep(each)
        outcomes |= {head.instance_id: each for (head, _), each in zip(others, left, strict=True)}
        for queue in {self._hub.names.control_queue(head.instance_id) for head, _ in others}:
            self._runtime.sent(queue, 0.0, min(RINGS, len(others)))
        return [outcomes[head.instance_id] for head, _ in starts]

    async def _begin(
        self, queue: str, starts: Sequence[tuple[Head, Spill]]
    ) -> dict[str, Head | Exception]:
        """Write the heads, and begin them here."""
        ids = tuple(head.instance_id for head, _ in starts)
        self._runtime.runs.expect(*ids)
        try:
            guard = await self._runtime.put_guard_of(queue, ids)
            try:
                outcomes = await create_all(self._hub, starts)
            except BaseException:
                self._runtime.keeping.drop(guard)
                raise
        except BaseException:
            self._runtime.runs.expect_no_more(*ids)
            raise
        created = {each.instance_id: each for each in outcomes if isinstance(each, Head)}
        for head in created.values():
            self._runtime.runs.keep(head)
        self._runtime.runs.expect_no_more(*(set(ids) - set(created)))
        if not guard.is_fresh:
            await self._queues.ring_all(list(created))
        deadline = self._deadline()
        self._runtime.spawn(self._runtime.runs.run_all(tuple(created), guard, deadline))
        return dict(zip(ids, outcomes, strict=True))

    def trust(self, instance_id: str) -> float:
        """See `Ringer`: less for what was rung for, since another worker may take it."""
        if self._runtime.runs.is_running(instance_id):
            return 0.0 if instance_id in self._over else RUNS
        if self._runtime.runs.is_expected(instance_id):
            return RUNS
        return RUNG if self._runtime.runs.is_unbegun(instance_id) else 0.0

    async def wait(self, instance_id: str, seconds: float) -> Head | None:
        """See `Ringer`."""
        return await self._wait(instance_id, seconds)

    async def wait_for_answer(self, ask_id: str, seconds: float) -> None:
        """See `Ringer`."""
        await self._wait(_answer(ask_id), seconds)

    async def _wait(self, instance_id: str, seconds: float) -> Head | None:
        ended: asyncio.Future[Head | None] = asyncio.get_running_loop().create_future()
        self._watchers.setdefault(instance_id, []).append(ended)
        sleeping = asyncio.ensure_future(self._hub.storage.clock.sleep(seconds))
        try:
            await asyncio.wait((sleeping, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            watchers = self._watchers.get(instance_id, [])
            if ended in watchers:
                watchers.remove(ended)
            if not watchers:
                self._watchers.pop(instance_id, None)
        return ended.result() if ended.done() else None

    def ended(self, instance_id: str, head: Head | None) -> None:
        """An instance has ended here, with that head where it is known: tell who waits for it."""
        for watcher in self._watchers.pop(instance_id, ()):
            watcher.set_result(head)
        if self._runtime.runs.is_running(instance_id):
            self._over.add(instance_id)

    def answered(self, ask_id: str) -> None:
        """An update was answered here: tell who waits for that."""
        for watcher in self._watchers.pop(_answer(ask_id), ()):
            watcher.set_result(None)

    def left(self, instance_id: str) -> None:
        """Its run here is over."""
        self._over.discard(instance_id)

    def _deadline(self) -> float | None:
        return self._runtime.deadline(self._runtime.options.local_budget)


def _answer(ask_id: str) -> str:
    """Under which name its watchers are kept; no instance has such an id."""
    return f"\0{ask_id}"
