"""The runs that instances have in one process: at most one each, under a guard, and the code
and heads that are kept between them."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from durable.errors import StorageError, UnknownFormat
from durable.hub.messages import RINGS, Doorbell, WorkItem
from durable.hub.rows import Head
from durable.hub.together import together
from durable.model.events import Arrival
from durable.runtime.actor import Actor, Offered, Warm
from durable.runtime.guards import Guard, Key, Shared, predecessors
from durable.runtime.hold import Stuck
from durable.runtime.taking import Lacking

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

RETRY_LATER = 5.0
APART = 1.0
"""Seconds before a run that may end the process."""


class Runs:
    """See the module; one for each runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._hub = runtime.hub
        self._actors: dict[str, Actor] = {}
        self._warm: OrderedDict[str, Warm] = OrderedDict()
        self._alone = asyncio.Lock()
        self._expected: set[str] = set()

    def expect(self, *instance_ids: str) -> None:
        """These were written here, or soon will be, and begin here at once."""
        self._expected.update(instance_ids)

    def expect_no_more(self, *instance_ids: str) -> None:
        """They do not, after all."""
        self._expected.difference_update(instance_ids)

    def is_expected(self, instance_id: str) -> bool:
        """Whether it begins here at once."""
        return instance_id in self._expected

    @property
    def expected(self) -> int:
        """How many do."""
        return len(self._expected)

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
        shared, done = shared or Shared(self._runtime.keeping, guard, 1), False
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
            await self._runtime.keeping.release(guard)
            return

        if not instance_ids:
            await self._runtime.keeping.release(guard)
        shared = Shared(self._runtime.keeping, guard, len(instance_ids))

        async def one(instance_id: str) -> None:
            bell = Doorbell(instance_id)
            await self._runtime.turns.take()
            self._runtime.turns.give()
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
            await self._runtime.dispatcher.doorbell(bell)

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
            self._runtime,
            instance_id,
            guard,
            audit=bell.audit,
            died=bell.died,
            rung=rung or bool(guard.follows),
            deadline=deadline,
            warm=None if guard.follows else self._warm.pop(instance_id, None),
        )
        self._actors[instance_id] = actor
        self._expected.discard(instance_id)
        for offer in offers:
            actor.offer(*offer)
        done = False
        try:
            async with self._alone if suspect else nullcontext():
                if suspect:
                    # the others that came with it are handed back meanwhile
                    await self._hub.storage.clock.sleep(APART)
                self._runtime.turns.used += 1
                try:
                    done = await actor.run()
                finally:
                    self._runtime.turns.give()
        except Stuck:
            done = True
        except (Lacking, UnknownFormat) as error:
            done = await self._runtime.passing.pass_on(bell, guard, error)
        except StorageError as error:
            logger.warning("instance %s: %s; it is tried again", instance_id, error)
            done = await self._hand_back(bell, guard)
        finally:
            actor.ended.set()
            del self._actors[instance_id]
            self._runtime.ringer.left(instance_id)
            actor.gone.set()
            if (warm := actor.warm()) is not None:
                self._keep(instance_id, warm)
        return done

    async def _none_runs(self, instance_id: str) -> None:
        while (running := self._actors.get(instance_id)) is not None:
            await running.gone.wait()

    async def _is_suspect(self, instance_id: str, guard: Guard) -> bool:
        """Whether who died was not the first, and none of them got on with it."""
        try:
            head = await self._hub.instances.head(instance_id)
        except StorageError:
            # its run finds out
            return False
        return head is not None and head.losses_of(guard.earlier) > 0

    async def _hand_back(self, bell: Doorbell, guard: Guard) -> bool:
        """Let another try."""
        died = bell.died and not guard.has_fenced
        again = replace(bell, guard=False, died=died, heir_of=guard.heirs)
        try:
            await self._runtime.dispatcher.doorbell(again, RETRY_LATER)
        except StorageError:
            return False
        return True

    # ---- what is kept ----

    def keep(self, head: Head) -> None:
        """Begin the instance's next run here, if there is one, with this head."""
        self._keep(head.instance_id, Warm(head))

    def _keep(self, instance_id: str, warm: Warm) -> None:
        self._warm[instance_id] = warm
        more = len(self._warm) - len(self._expected) - self._runtime.options.cache
        if more > 0:
            # what begins at once has its place until then
            others = (each for each in self._warm if each not in self._expected)
            for oldest in list(islice(others, more)):
                self._warm.pop(oldest).close()

    def close(self) -> None:
        """Drop all code that is kept."""
        for warm in self._warm.values():
            warm.close()
        self._warm.clear()
