"""What one run holds of an instance: its guard, the head as last seen, and the outbox that was
committed under the guard.

The head is where all is decided; each change of it here is by its etag. What a commit asks
for is read from what was stored, sent under this guard only, and crossed off in the head.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from durable.errors import AmbiguousAnswer, RowChanged, RowMissing, Throttled
from durable.hub.rows import Head, Holding, StoredTurn
from durable.model.commit import OutboxItem, Send
from durable.model.failure import PROCESS_DIED, FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus
from durable.runtime.guards import Guard

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

MARKS = 60
ORPHANED = timedelta(seconds=300)
REFRESHED = timedelta(seconds=100)
_REMEMBERED_TURNS = 50
_SENT_AT_ONCE = 16
_BEGINS = frozenset({Send.ACTIVITY, Send.CHILD, Send.TIMER, Send.DROP_TIMER})

TaskKey = tuple[str, int]
"""Execution id and task id."""

TurnKey = tuple[str, int]
"""Incarnation and sequence: a run may see an instance end and start again."""


class GuardLost(Exception):
    """Another may hold this run's guard: it must do nothing more."""


class Stuck(Exception):
    """The instance cannot go on with today's code; its status says so."""


class Hold:
    """See the module."""

    def __init__(self, runtime: Runtime, instance_id: str, guard: Guard, head: Head | None) -> None:
        """`head` may come from an earlier run: it is looked up again before anything is
        concluded from it."""
        self._runtime = runtime
        self._instances = runtime.hub.instances
        self._clock = runtime.hub.storage.clock
        self.instance_id = instance_id
        self.guard = guard
        self.head = head
        self.is_current = False
        self._sent: set[TurnKey] = set()
        self._turns: dict[TurnKey, StoredTurn] = {}

    def check(self) -> None:
        """Raise GuardLost unless the guard is fresh; right before whatever only its holder may
        do."""
        if not self.guard.is_fresh:
            raise GuardLost

    async def load(self) -> Head | None:
        """The head, read again after `forget`. Raises GuardLost where a later holder of this
        guard has left its mark."""
        if self.head is None:
            self.head = await self._instances.head(self.instance_id)
            self.is_current = True
        if self.head is not None:
            self._heed_marks(self.head)
        return self.head

    def forget(self) -> None:
        """Trust the head in memory no more."""
        self.head = None

    async def store(self, head: Head) -> Head:
        """Write a changed head; RowChanged when another was faster."""
        self.check()
        self.head = await self._instances.update(head)
        self.is_current = True
        return self.head

    def committed(self, head: Head, stored: StoredTurn) -> None:
        """A turn was stored, and this is the head under its new etag."""
        self.head, self.is_current = head, True
        self._turns[head.incarnation, stored.turn.sequence] = stored
        if len(self._turns) > _REMEMBERED_TURNS:
            del self._turns[next(iter(self._turns))]

    # ---- taking over ----

    async def fence(self) -> None:
        """Where an earlier holder of this message may still be alive: leave a mark in the head,
        which ends him and makes his commit in flight fail, and take over what he held.

        Raises Stuck where too many holders in a row have died.
        """
        follows = self.guard.follows
        if not follows:
            return
        predecessors = {message for message, _ in follows}
        dying = self.guard.deaths >= self._runtime.options.max_attempts
        while True:
            self.check()
            try:
                head = await self.load()
                if head is None:
                    self.guard.has_fenced = True
                    return
                head = replace(
                    head,
                    holdings=self._retag(head, lambda h: h.guard[0] in predecessors),
                    marks=tuple(dict.fromkeys((*head.marks, *follows)))[-MARKS:],
                )
                if dying and not head.is_terminal:
                    failure = _dying(self.guard.deaths)
                    head = replace(head, status=OrchestrationRuntimeStatus.STUCK, failure=failure)
                await self.store(head)
            except (RowChanged, RowMissing, AmbiguousAnswer, Throttled):
                self.forget()
                await self._clock.sleep(0.05)
                continue
            self.guard.has_fenced = True
            if dying and not head.is_terminal:
                logger.error("instance %s is Stuck: %s", self.instance_id, head.failure)
                raise Stuck
            return

    async def adopt(self, head: Head, *, audit: bool) -> bool:
        """Take over what has been without a holder for long: for an audit, and at once where a
        Stuck instance is tried again."""
        stuck = head.status == OrchestrationRuntimeStatus.STUCK
        if not (audit or stuck):
            return False
        limit, now = timedelta(0) if stuck else ORPHANED, self._clock.now()
        taken = self._retag(head, lambda holding: now - holding.since >= limit)
        if taken == head.holdings:
            return False
        await self.store(replace(head, holdings=taken))
        return True

    def _retag(self, head: Head, take: Callable[[Holding], bool]) -> tuple[Holding, ...]:
        now = self._clock.now()
        return tuple(
            replace(h, guard=self.guard.key, since=now, attempt=h.attempt + 1)
            if take(h) and h.guard != self.guard.key
            else h
            for h in head.holdings
        )

    def _heed_marks(self, head: Head) -> None:
        message, count = self.guard.key
        if any(m == message and c > count for m, c in head.marks):
            self.guard.lost = True
            raise GuardLost

    # ---- the outbox ----

    def mine(self, head: Head) -> list[Holding]:
        """What was committed or taken over under this guard, oldest first."""
        return sorted(
            (h for h in head.holdings if h.guard == self.guard.key), key=lambda h: h.sequence
        )

    async def send(self, head: Head) -> bool:
        """Send what my commits asked for. False when there was nothing to send."""
        sent = False
        for holding in self.mine(head):
            key = (head.incarnation, holding.sequence)
            if not holding.send or key in self._sent:
                continue
            stored = await self.stored(head, holding.sequence)
            for items in _together(stored.outbox, holding.run):
                self.check()
                await asyncio.gather(
                    *(
                        self._runtime.dispatcher.send(
                            head, stored.turn, item, again=holding.attempt > 0
                        )
                        for item in items
                    )
                )
            self._sent.add(key)
            sent = True
        return sent

    async def stored(self, head: Head, sequence: int) -> StoredTurn:
        """A turn of the head's incarnation as it is stored."""
        stored = self._turns.get((head.incarnation, sequence))
        if stored is None:
            stored = await self._instances.turn(self.instance_id, head.incarnation, sequence)
            if stored is None:
                raise RowMissing(f"turn {sequence} of {self.instance_id!r} is gone")
        return stored

    def left(self, head: Head, ended: set[TaskKey]) -> tuple[Holding, ...]:
        """The holdings without what I have sent, and without activities that have ended."""
        done = {task_id for execution, task_id in ended if execution == head.execution_id}
        left: list[Holding] = []
        for holding in head.holdings:
            key = (head.incarnation, holding.sequence)
            sent = holding.guard == self.guard.key and key in self._sent
            run = tuple(task_id for task_id in holding.run if task_id not in done)
            if (holding.send and not sent) or run:
                left.append(replace(holding, send=holding.send and not sent, run=run))
        return tuple(left)

    async def refresh(self) -> Head:
        """Say in the head, now and then, that what is held has its holder still."""
        head = self.head
        assert head is not None
        now = self._clock.now()
        if all(now - holding.since < REFRESHED for holding in self.mine(head)):
            return head
        holdings = tuple(
            replace(h, since=now) if h.guard == self.guard.key else h for h in head.holdings
        )
        return await self.store(replace(head, holdings=holdings))

    async def cross_off(self, head: Head) -> Head:
        """Make the head forget what I have sent."""
        left = self.left(head, set())
        if left != head.holdings:
            head = await self.store(replace(head, holdings=left))
            self._sent.clear()
        return head


def _together(outbox: Sequence[OutboxItem], run: Sequence[int]) -> Iterator[list[OutboxItem]]:
    """What is not run here: first what begins something, several at once since their order says
    nothing, then the rest one by one (an event may be for a child that was just begun)."""
    here = set(run)
    begun = [i for i in outbox if i.kind in _BEGINS and i.task_id not in here]
    for start in range(0, len(begun), _SENT_AT_ONCE):
        yield begun[start : start + _SENT_AT_ONCE]
    for item in outbox:
        if item.kind not in _BEGINS:
            yield [item]


def _dying(deaths: int) -> FailureDetails:
    return FailureDetails(
        f"{deaths} processes in a row died while they ran this instance: something it runs ends "
        "its process. Mend that and resume the instance",
        PROCESS_DIED,
    )
