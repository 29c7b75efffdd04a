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
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from durable.errors import AmbiguousAnswer, RowChanged, RowMissing, Throttled
from durable.hub.reduction import reduced
from durable.hub.rows import Head, Holding
from durable.hub.turns import StoredTurn
from durable.model.commit import OutboxItem, Send
from durable.model.events import TaskScheduled, Turn
from durable.model.failure import PROCESS_DIED, FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus
from durable.runtime.guards import Guard
from durable.runtime.logs import of_instance

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

MARKS = 60
HEIRS = 20
ONE_DEATH = timedelta(seconds=10)
ORPHANED = timedelta(seconds=300)
REFRESHED = timedelta(seconds=100)
_REMEMBERED_TURNS = 50
_SENT_AT_ONCE = 16
_BEGINS = frozenset({Send.CHILD, Send.TIMER, Send.DROP_TIMER})
T = TypeVar("T")

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

    def __init__(
        self,
        runtime: Runtime,
        instance_id: str,
        guard: Guard,
        head: Head | None,
        *,
        died: bool = False,
    ) -> None:
        """`head` may come from an earlier run: it is looked up again before anything is
        concluded from it. `died` says that who held the guard before has died, and did not just
        leave it to others."""
        self._runtime = runtime
        self._instances = runtime.hub.instances
        self._clock = runtime.hub.storage.clock
        self.instance_id = instance_id
        self.guard = guard
        self.head = head
        self.is_current = False
        self._died = died
        self._sent: dict[TurnKey, StoredTurn | None] = {}
        """Turns that I have sent all of, and what is to stand in their place."""
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
        for key, turn in list(self._sent.items()):
            if turn is not None and turn.outbox:
                # whether it stands there already has to be read
                del self._sent[key]
                self._turns.pop(key, None)

    async def store(self, head: Head, reduced: Sequence[StoredTurn] = ()) -> Head:
        """Write a changed head, and reduced turns; RowChanged when another was faster."""
        self.check()
        self.head = await self._instances.update(head, reduced)
        self.is_current = True
        return self.head

    def committed(self, head: Head, stored: StoredTurn) -> None:
        """A turn was stored, and this is the head under its new etag."""
        self.head, self.is_current = head, True
        self._crossed_off()
        self._turns[head.incarnation, stored.turn.sequence] = stored
        if len(self._turns) > _REMEMBERED_TURNS:
            del self._turns[next(iter(self._turns))]

    # ---- taking over ----

    async def fence(self) -> None:
        """Where an earlier holder of this message may still be alive: leave a mark in the head,
        which ends him and makes his commit in flight fail, and take over what he held.

        Raises Stuck where too many holders in a row have died before a turn was stored.
        """
        follows = self.guard.follows
        if not follows:
            return
        predecessors = self.guard.earlier
        while True:
            self.check()
            try:
                head = await self.load()
                if head is None:
                    self.guard.has_fenced = True
                    return
                # the answer to this may have been lost
                died = self._died and not set(follows) <= set(head.marks)
                head = replace(
                    head,
                    holdings=self._retag(head, lambda h: h.guard[0] in predecessors, died),
                    marks=tuple(dict.fromkeys((*head.marks, *follows)))[-MARKS:],
                )
                if died:
                    head = self._count_death(head)
                dying = head.losses >= self._runtime.options.max_attempts and not head.is_terminal
                if dying:
                    head = _stuck(head)
                await self.store(head)
            except (RowChanged, RowMissing, AmbiguousAnswer, Throttled):
                self.forget()
                await self._clock.sleep(0.05)
                continue
            self.guard.has_fenced = True
            if dying:
                text, extra = "instance %s is Stuck: %s", of_instance(head)
                logger.error(text, self.instance_id, head.failure, extra=extra)
                raise Stuck
            return

    async def adopt(self, head: Head, *, audit: bool) -> bool:
        """Take over what has been without a holder for long: for an audit, and at once where a
        Stuck instance is tried again."""
        stuck = head.status == OrchestrationRuntimeStatus.STUCK
        if not (audit or stuck):
            return False
        limit, now = timedelta(0) if stuck else ORPHANED, self._clock.now()
        # work items that got lost are sent again one by one, where nobody runs them
        taken = self._retag(head, lambda h: now - h.since >= limit and (stuck or not h.queued))
        if taken == head.holdings:
            return False
        await self.store(replace(head, holdings=taken))
        return True

    def _retag(
        self, head: Head, take: Callable[[Holding], bool], died: bool = False
    ) -> tuple[Holding, ...]:
        now = self._clock.now()
        return tuple(
            replace(h, guard=self.guard.key, since=now, attempt=max(1, h.attempt + died))
            if take(h) and h.guard != self.guard.key
            else h
            for h in head.holdings
        )

    def _count_death(self, head: Head) -> Head:
        """Of the messages that one process leaves, which show within some seconds, one counts."""
        now, heir = self._clock.now(), self.guard.key[0]
        if not head.deaths or head.died is None:
            return replace(head, deaths=1, died=now, heirs=(heir,))
        heirs = (*head.heirs, heir)[-HEIRS:]
        if now - head.died < ONE_DEATH:
            return replace(head, heirs=heirs)
        return replace(head, deaths=head.deaths + 1, died=now, heirs=heirs)

    def _heed_marks(self, head: Head) -> None:
        message, count = self.guard.key
        if any(m == message and c > count for m, c in head.marks):
            self.guard.lost = True
            raise GuardLost

    # ---- the outbox ----

    def mine(self, head: Head) -> list[Holding]:
        """What was committed or taken over under this guard, oldest first."""
        if not head.holdings:
            return []
        key = self.guard.key
        mine = [holding for holding in head.holdings if holding.guard == key]
        return sorted(mine, key=attrgetter("sequence")) if len(mine) > 1 else mine

    async def send(self, head: Head) -> bool:
        """Send what my commits asked for. False when there was nothing to send."""
        sent = False
        for holding in self.mine(head):
            key = (head.incarnation, holding.sequence)
            if not holding.send or key in self._sent:
                continue
            stored = await self.stored(head, holding.sequence)
            dispatcher, turn, again = self._runtime.dispatcher, stored.turn, holding.attempt > 0
            work, rest = _apart(stored, holding.run)
            options = self._runtime.options
            size = max(1, min(options.packed, len(work) // options.spread))
            for calls in _at_once(list(_packs(work, turn, size))):
                self.check()
                await asyncio.gather(*(dispatcher.work(head, turn, pack) for pack in calls))
            for items in rest:
                self.check()
                await asyncio.gather(
                    *(dispatcher.send(head, turn, item, again=again) for item in items)
                )
            self._sent[key] = reduced(head, stored)
            sent = True
        return sent

    async def stored(self, head: Head, sequence: int) -> StoredTurn:
        """A turn of the head's incarnation as it is stored."""
        stored = self._turns.get((head.incarnation, sequence))
        if stored is None:
            stored = await self._instances.turn(head, sequence)
            if stored is None:
                raise RowMissing(f"turn {sequence} of {self.instance_id!r} is gone")
        return stored

    def left(self, head: Head, ended: set[TaskKey]) -> tuple[Holding, ...]:
        """The holdings without what I have sent, and without activities that have ended."""
        done = {task_id for execution, task_id in ended if execution == head.execution_id}
        left: list[Holding] = []
        for holding in head.holdings:
            sent = self._is_sent(head, holding) and not self._drops(head, holding)
            run = tuple(task_id for task_id in holding.run if task_id not in done)
            if (holding.send and not sent) or run:
                left.append(replace(holding, send=holding.send and not sent, run=run))
        return tuple(left)

    def reduced(self, head: Head) -> list[StoredTurn]:
        """What is to be stored in place of the turns that I have sent, with `left`."""
        turns = (
            self._sent[head.incarnation, holding.sequence]
            for holding in head.holdings
            if self._is_sent(head, holding)
        )
        return [turn for turn in turns if turn is not None]

    def _is_sent(self, head: Head, holding: Holding) -> bool:
        return (
            holding.guard == self.guard.key and (head.incarnation, holding.sequence) in self._sent
        )

    def _drops(self, head: Head, holding: Holding) -> bool:
        """Whether what will stand in the place of a turn has something to send itself."""
        turn = self._sent[head.incarnation, holding.sequence]
        return turn is not None and bool(turn.outbox)

    def _crossed_off(self) -> None:
        self._turns |= {key: turn for key, turn in self._sent.items() if turn and turn.outbox}
        self._sent.clear()

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
        """Make the head forget what I have sent, unless that can wait for the next turn, and who
        died over what I am through with."""
        while True:
            left, turns = self.left(head, set()), self.reduced(head)
            gone = [holding for holding in head.holdings if holding not in left]
            can_wait = all(holding.queued and not holding.run for holding in gone)
            if can_wait and not turns and not head.deaths:
                return head
            head = await self.store(replace(head, holdings=left, deaths=0), turns)
            self._crossed_off()
            if any(turn.outbox for turn in turns):
                await self.send(head)


def _apart(
    stored: StoredTurn, run: Sequence[int]
) -> tuple[list[OutboxItem], list[list[OutboxItem]]]:
    """What is not run here: work items; then the rest by what may be sent at once. First what
    begins something, since the order of that says nothing, then one by one (an event may be for
    a child that was just begun)."""
    here = set(run)
    work = [i for i in stored.outbox if i.kind is Send.ACTIVITY and i.task_id not in here]
    begun = [i for i in stored.outbox if i.kind in _BEGINS]
    rest = [[i] for i in stored.outbox if i.kind is not Send.ACTIVITY and i.kind not in _BEGINS]
    return work, [*_at_once(begun), *rest]


def _at_once(items: list[T]) -> list[list[T]]:
    return [items[at : at + _SENT_AT_ONCE] for at in range(0, len(items), _SENT_AT_ONCE)]


def _packs(work: Sequence[OutboxItem], turn: Turn, size: int) -> Iterator[list[OutboxItem]]:
    """Calls of the same activity, up to `size` at a time."""
    events = (*turn.closing, *turn.events)
    names = {e.task_id: e.name for e in events if isinstance(e, TaskScheduled)}
    by_name: dict[str, list[OutboxItem]] = {}
    for item in work:
        by_name.setdefault(names[item.task_id], []).append(item)
    for items in by_name.values():
        yield from (items[start : start + size] for start in range(0, len(items), size))


def _stuck(head: Head) -> Head:
    """Whoever resumes it has mended what ended processes: it begins to count anew."""
    failure = FailureDetails(
        f"{head.losses} processes in a row died while they ran this instance: something it runs "
        "ends its process. Mend that and resume the instance",
        PROCESS_DIED,
    )
    holdings = tuple(replace(each, attempt=min(each.attempt, 1)) for each in head.holdings)
    status = OrchestrationRuntimeStatus.STUCK
    return replace(head, status=status, failure=failure, holdings=holdings, deaths=0)
