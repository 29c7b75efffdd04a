"""One run of one instance in this process: load, turn, commit, send, repeat.

Any number of runs may be at the same instance elsewhere; the version check of the head makes
that cost one of them a retry and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from durable.errors import (
    AmbiguousAnswer,
    RowChanged,
    RowExists,
    RowMissing,
    StorageError,
    Throttled,
)
from durable.hub.keys import listing_key
from durable.hub.messages import Doorbell, WorkItem
from durable.hub.projection import is_settled
from durable.hub.purge import finish_purge
from durable.hub.ringing import count_retry
from durable.hub.rows import PURGING, Head
from durable.model.entities import is_entity
from durable.model.events import (
    Arrival,
    Completion,
    PayloadRef,
)
from durable.runtime.alert import Alert
from durable.runtime.beside import Beside
from durable.runtime.entities import EntityTurns
from durable.runtime.guards import Guard
from durable.runtime.hold import GuardLost, Hold, TaskKey
from durable.runtime.orchestrations import OrchestrationTurns
from durable.runtime.turns import Live, Turns

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

SOON = timedelta(seconds=3)
PATIENCE = 2.0
"""Seconds after which a run that only waits shows the instance's state."""

LONG_NAP = 5.0
BRIEF = 0.1
"""For so long a run that waits for its activities keeps its turn."""

AT_ONCE = 3
"""Rounds of the event loop that a run waits before it makes itself comfortable."""

THROTTLED = 5
"""Times in a row that a run is told to wait before it lets others go first."""


@dataclass(slots=True)
class Warm:
    """What a run leaves behind for the next one in this process."""

    head: Head
    execution: Live | None = None
    known: dict[str, PayloadRef] = field(default_factory=dict)

    def close(self) -> None:
        """Drop the code."""
        if self.execution is not None:
            self.execution.close()


Offered = tuple[WorkItem, Arrival, asyncio.Future[None]]
"""A completion found in this process, and who waits for it to be stored."""


@dataclass(slots=True)
class Offer:
    """A completion found in this process, the item it is of, and who waits for it to be
    stored."""

    item: WorkItem
    arrival: Arrival
    waiting: list[asyncio.Future[None]]

    def settle(self, error: Exception | None = None) -> None:
        """Tell them."""
        for future in self.waiting:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


class Actor:
    """See the module."""

    def __init__(
        self,
        runtime: Runtime,
        instance_id: str,
        guard: Guard,
        *,
        audit: bool = False,
        died: bool = False,
        rung: bool = True,
        deadline: float | None = None,
        warm: Warm | None = None,
    ) -> None:
        """`deadline` (monotonic) is when it takes no more activities on; `audit` also looks for
        work that others left, and `died` says that who held the guard before has died. Without
        `rung` the inbox is not read at first: whoever put something into it rings."""
        self._runtime = runtime
        self._clock = runtime.hub.storage.clock
        self._audit = audit
        self._hold = Hold(runtime, instance_id, guard, warm.head if warm else None, died=died)
        kind: type[Turns[Any]] = EntityTurns if is_entity(instance_id) else OrchestrationTurns
        self._turns = kind(
            runtime,
            self._hold,
            warm.execution if warm else None,
            warm.known if warm else {},
            incarnation=warm.head.incarnation if warm else "",
            rung=rung,
            deadline=deadline,
        )
        self.instance_id = instance_id
        self.guard = guard
        self._loaded = False
        # the row was right before this run, or someone else will see to it
        self._must_show = audit or bool(guard.follows)
        self._shown: tuple[object, ...] | None = None
        self._offers: dict[TaskKey, Offer] = {}
        self._alert = Alert(self._clock)
        self.ended = asyncio.Event()
        """Set when it takes nothing in any more."""
        self.gone = asyncio.Event()
        """Set when the instance's next run here may begin."""
        self._beside = Beside(runtime, guard, self._hold, self._turns, self)

    # ---- from the outside, on the same loop ----

    def ring(self) -> None:
        """Something was put into the inbox."""
        self._turns.rung = True
        self._alert.set()

    def wake(self) -> None:
        """Something has changed that it looks at by itself."""
        self._alert.set()

    def audit(self) -> None:
        """Look for work that others left."""
        self._audit = True
        self._alert.set()

    def offer(
        self, item: WorkItem, arrival: Arrival, stored: asyncio.Future[None] | None = None
    ) -> None:
        """A task of this instance ended in this process; `stored` is resolved once that is
        committed, or counts no more."""
        offer = self._offers.setdefault(_key(arrival), Offer(item, arrival, []))
        if stored is not None:
            offer.waiting.append(stored)
        self._alert.set()

    # ---- the run ----

    async def run(self) -> bool:
        """Until nothing is left to do here. True when the guard's message may be deleted.

        Raises Stuck, Lacking and UnknownFormat where the instance cannot be run here, another
        StorageError where storage cannot be used.
        """
        try:
            await self._hold.fence()
            lost = throttled = 0
            while True:
                try:
                    if await self._step():
                        return True
                    lost = throttled = 0
                except Throttled as error:
                    throttled += 1
                    if throttled > THROTTLED:
                        # what it waits for may have to be done by a run that waits for this one
                        raise
                    self._hold.forget()
                    count_retry(self._runtime.hub, error)
                    await self._clock.sleep(error.retry_after)
                except AmbiguousAnswer as error:
                    logger.debug("instance %s: %s; again", self.instance_id, error)
                    self._hold.forget()
                    count_retry(self._runtime.hub, error)
                    await self._clock.sleep(0.2)
                except (RowChanged, RowExists, RowMissing):
                    self._hold.forget()
                    await self._clock.sleep(min(0.02 * 2**lost, 1.0))
                    lost = min(lost + 1, 10)
        except GuardLost:
            return False
        finally:
            await self._leave()

    async def _step(self) -> bool:
        """One thing; True when the run is over."""
        self._hold.check()
        self._beside.check()
        fresh = self._hold.head is None
        if fresh:
            self._alert.clear()
            if self._loaded:
                self._turns.look_again()
        offered = list(self._offers)
        before = self._runtime.attempts.of(self.instance_id) if fresh else ()
        head = await self._hold.load()
        if fresh or not self._loaded:
            # the head that was shown last may not be the one that is now
            self._shown = None if head is None or self._must_show else _visible(head)
            self._runtime.attempts.compare(before, head)
        self._loaded = True
        if head is None:
            self._settle_offers(offered)
            if await self._turns.open():
                return False
            # who rang while it was looked for may have started it
            return not self._alert.is_set
        if await self._turns.is_barred(head, {k: o.arrival for k, o in self._offers.items()}):
            # offers go to the inbox as the run ends
            return await self._show(head) and not self._turns.rung
        if await self._hold.adopt(head, audit=self._audit):
            return False
        await self._beside.begin(head, self._offers, taken_over=False)
        if await self._hold.send(head):
            return False
        if head.status == PURGING:
            await finish_purge(self._runtime.hub, head)
            self._hold.forget()
            return False
        if head.stale:
            await self._drop_earlier(head)
            return False
        if head.is_terminal:
            return await self._after_the_end(head)
        settled = await self._turns.take(head, {k: o.arrival for k, o in self._offers.items()})
        if settled is not None:
            # who lost shows nothing: the winner has more to cross off, and would not show it
            self._must_show = self._must_show or self._turns.has_committed
            self._settle_offers(settled)
            return False
        if self._audit:
            self._audit = False
            await self._turns.audit(head)
        await self._beside.begin(head, self._offers, taken_over=True)
        if self._beside.running:
            await self._wait(head)
            return False
        return await self._finish()

    async def _drop_earlier(self, head: Head) -> None:
        hub = self._runtime.hub
        own = listing_key(head.created, self.instance_id)
        for incarnation, row in head.stale:
            await hub.instances.delete_incarnation(self.instance_id, incarnation)
            if row != own:
                await hub.projection.withdraw(row)
        await self._hold.store(replace(head, stale=()))

    async def _wait(self, head: Head) -> None:
        """Until an activity has ended here, or the instance is rung for."""
        if self._offers or self._turns.rung:
            return
        self._alert.clear()
        for _ in range(AT_ONCE):
            # most activities that end at once do so within these, and are taken in together
            await asyncio.sleep(0)
        if self._alert.is_set:
            return
        # who runs what ends at once keeps his turn: more of them would only wait for places
        if await self._alert.within(self._until_timer(head, BRIEF)):
            return
        # waiting takes no turn from others
        self._runtime.turns.give()
        try:
            nap = PATIENCE
            while not await self._alert.within(self._until_timer(head, nap)):
                self._hold.check()
                if self._until_timer(head, nap) <= 0 or not await self._show(head):
                    return
                head, nap = await self._hold.refresh(), LONG_NAP
        finally:
            self._runtime.turns.used += 1

    def _until_timer(self, head: Head, most: float) -> float:
        """Seconds until the next timer is due, or `most`."""
        if head.next_timer is None:
            return most
        return min(most, (head.next_timer - self._clock.now()).total_seconds())

    # ---- ends ----

    async def _after_the_end(self, head: Head) -> bool:
        """Nothing is accepted any more: clear what is left, and leave."""
        offered = list(self._offers)
        if offered or self._turns.rung:
            head = self._hold.head = await self._turns.clear_inbox(head)
            latest = await self._runtime.hub.instances.head(self.instance_id)
            if latest is None or latest.etag != head.etag:
                # it is not the one that was rung for, or that the offers are for
                self._hold.forget()
                return False
            self._settle_offers(offered)
        return await self._finish()

    async def _finish(self) -> bool:
        """Cross off what is done, show the state, and end unless something came meanwhile."""
        head = self._hold.head
        if head is None or self._offers or self._turns.rung:
            return False
        if not self._hold.is_current:
            self._hold.forget()
            return False
        now = self._clock.now()
        timer = None if self._turns.is_over else head.next_timer
        if timer is not None and timer <= now + SOON:
            left = (timer - now).total_seconds()
            if left <= 0:
                return False
            # its doorbell may have been the early one that began this run
            await self._runtime.dispatcher.doorbell(Doorbell(self.instance_id), left)
        if not await self._show(head):
            return False
        return not (self._offers or self._turns.rung)

    async def _show(self, head: Head) -> bool:
        """Cross off what was sent, and bring the projection up to date where what it shows has
        changed; False when the head was another's meanwhile."""
        head = await self._hold.cross_off(head)
        if self._shown == _visible(head):
            return True
        current = await self._runtime.project(head)
        if current is None or current.etag != head.etag:
            self._hold.forget()
            return False
        self._hold.head = current
        self._shown = _visible(head)
        return True

    async def _leave(self) -> None:
        """Hand over what this run still has: finished results go to the inbox."""
        self.ended.set()
        for _ in self._turns.reserved:
            self._runtime.activities.give()
        self._turns.reserved.clear()
        self._turns.abandon()
        for offer in self._offers.values():
            event: Any = offer.arrival.event
            try:
                await self._runtime.hand_in((offer.item, event))
            except StorageError as error:
                offer.settle(error)
        self._settle_offers(list(self._offers))

    def _settle_offers(self, keys: list[TaskKey]) -> None:
        for key in keys:
            offer = self._offers.pop(key, None)
            if offer is not None:
                offer.settle()

    def warm(self) -> Warm | None:
        """What the next run here can begin with."""
        head, execution = self._hold.head, self._turns.execution
        if head is None or execution is None or head.is_terminal:
            self._turns.drop()
            return None
        return Warm(head, execution, self._turns.known)


def _visible(head: Head) -> tuple[object, ...]:
    """What the projection shows of a head, but for times."""
    return head.incarnation, head.status, is_settled(head)


def _key(arrival: Arrival) -> TaskKey:
    event: Completion = arrival.event  # type: ignore[assignment]
    return arrival.execution_id, event.task_id
