"""One run of one instance in this process, under one guard: load, turn, commit, send, repeat.

Every change of the instance is a write of its head by etag, so that another run elsewhere
costs one of the two a retry and nothing else. What follows from a commit is read from what
was stored, done under this run's guard, and crossed off in the head.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from durable.client import purge, repeat
from durable.engine.execution import Execution
from durable.errors import (
    AmbiguousAnswer,
    NonDeterminismError,
    RowChanged,
    RowExists,
    RowMissing,
    StorageError,
    Throttled,
)
from durable.hub.instances import Inbox
from durable.hub.messages import Doorbell, WorkItem
from durable.hub.payloads import Spill
from durable.hub.rows import PURGING, Head, Holding, StoredTurn, encode_ids, has_id
from durable.model.commit import Commit, Send
from durable.model.events import (
    Arrival,
    Completion,
    ExecutionStarted,
    ExecutionTerminated,
    PayloadRef,
    TaskScheduled,
    Turn,
)
from durable.model.failure import FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus
from durable.runtime.guards import Guard
from durable.runtime.loopless import without_event_loop

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

INBOX_ROWS = 90
MARKS = 60
ORPHANED = timedelta(seconds=300)
LATE_START = timedelta(seconds=30)
SOON = timedelta(seconds=3)
_LOST = (RowChanged, RowExists, RowMissing, AmbiguousAnswer, Throttled)

Status = OrchestrationRuntimeStatus


class GuardLost(Exception):
    """Another may hold this run's guard: it must do nothing more."""


class Lacking(Exception):
    """This worker does not have what the instance needs."""


class Stuck(Exception):
    """The instance cannot go on with today's code; its status says so."""


@dataclass(slots=True)
class Warm:
    """What a run leaves behind for the next one in this process."""

    head: Head
    execution: Execution | None
    known: dict[str, PayloadRef]


@dataclass(slots=True)
class Offer:
    """A completion found in this process, and who waits for it to be stored."""

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
        deadline: float | None = None,
        warm: Warm | None = None,
    ) -> None:
        """`deadline` (monotonic) is when it takes no more activities on; `audit` also looks for
        work that others left."""
        self._runtime = runtime
        self._hub = runtime.hub
        self._instances = runtime.hub.instances
        self._clock = runtime.hub.storage.clock
        self.instance_id = instance_id
        self.guard = guard
        self._audit = audit
        self._deadline = deadline
        self._head = warm.head if warm else None
        self._execution = warm.execution if warm else None
        self._known: dict[str, PayloadRef] = warm.known if warm else {}
        self._fresh_head = warm is None
        self._inbox: Inbox | None = None
        self._rung = True
        self._offers: dict[tuple[str, int], Offer] = {}
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._turns: dict[int, StoredTurn] = {}
        self._sent: set[int] = set()
        self._wake = asyncio.Event()
        self.ended = asyncio.Event()
        """Set when it takes nothing in any more."""
        self.gone = asyncio.Event()
        """Set when the instance's next run here may begin."""

    # ---- from the outside, on the same loop ----

    def ring(self) -> None:
        """Something was put into the inbox."""
        self._rung = True
        self._wake.set()

    def offer(self, arrival: Arrival, stored: asyncio.Future[None] | None = None) -> None:
        """A task of this instance ended in this process; `stored` is resolved once that is
        committed, or counts no more."""
        key = (arrival.execution_id, _task_id(arrival))
        offer = self._offers.setdefault(key, Offer(arrival, []))
        if stored is not None:
            offer.waiting.append(stored)
        self._wake.set()

    # ---- the run ----

    async def run(self) -> bool:
        """Until nothing is left to do here. True when the guard's message may be deleted."""
        try:
            await self._fence()
            while True:
                try:
                    if await self._step():
                        return True
                except (AmbiguousAnswer, Throttled) as error:
                    logger.debug("instance %s: %s; again", self.instance_id, error)
                    self._head = None
                    await self._clock.sleep(0.2)
                except (RowChanged, RowExists, RowMissing):
                    self._head = None
                    await self._clock.sleep(0.02)
        except GuardLost:
            return False
        finally:
            await self._leave()

    async def _step(self) -> bool:
        """One thing; True when the run is over."""
        self._check_guard()
        head = await self._load()
        if head is None:
            return await self._gone()
        if self._past_a_mark(head):
            self.guard.lost = True
            raise GuardLost
        if await self._adopt(head) or await self._send(head):
            return False
        if head.status == PURGING:
            await purge(self._hub, head)
            self._head = None
            return False
        if head.stale:
            await self._drop_earlier(head)
            return False
        if head.is_terminal:
            return await self._after_the_end(head)
        if await self._turn(head):
            return False
        if await self._run_activities(head):
            return False
        return await self._finish()

    async def _fence(self) -> None:
        """Where an earlier holder of this message may still be alive: leave a mark in the head,
        which ends him and makes his commit in flight fail, and take over what he held."""
        follows = self.guard.follows
        if not follows:
            return
        predecessors = {message for message, _ in follows}
        while True:
            self._check_guard()
            try:
                head = await self._instances.head(self.instance_id)
                if head is None:
                    return
                if self._past_a_mark(head):
                    raise GuardLost
                taken = self._retag(head, lambda h: h.guard[0] in predecessors)
                head = replace(
                    head,
                    holdings=taken,
                    marks=tuple(dict.fromkeys((*head.marks, *follows)))[-MARKS:],
                )
                limit = self._runtime.options.max_attempts
                if self.guard.deaths >= limit and not head.is_terminal:
                    head = replace(head, status=Status.STUCK, failure=_crashing(self.guard.deaths))
                    logger.error(
                        "instance %s is Stuck: %d processes in a row died while they ran it",
                        self.instance_id,
                        self.guard.deaths,
                    )
                    await self._instances.update(head)
                    raise Stuck
                self._head = await self._instances.update(head)
                self._fresh_head = True
                return
            except (RowChanged, AmbiguousAnswer, Throttled):
                await self._clock.sleep(0.05)
            except RowMissing:
                return

    def _retag(self, head: Head, mine: Callable[[Holding], bool]) -> tuple[Holding, ...]:
        now = self._clock.now()
        return tuple(
            replace(h, guard=self.guard.key, since=now, attempt=h.attempt + 1)
            if mine(h) and h.guard != self.guard.key
            else h
            for h in head.holdings
        )

    def _past_a_mark(self, head: Head) -> bool:
        message, count = self.guard.key
        return any(m == message and c > count for m, c in head.marks)

    def _check_guard(self) -> None:
        if not self.guard.is_fresh:
            raise GuardLost

    async def _load(self) -> Head | None:
        if self._head is None:
            self._head = await self._instances.head(self.instance_id)
            self._fresh_head = True
            self._inbox = None
            self._rung = True
        head, execution = self._head, self._execution
        if execution is not None and (
            head is None
            or execution.execution_id != head.execution_id
            or execution.sequence != head.sequence
        ):
            self._drop_execution()
        return head

    def _drop_execution(self) -> None:
        if self._execution is not None:
            self._execution.close()
            self._execution = None

    # ---- holdings ----

    async def _adopt(self, head: Head) -> bool:
        """Take over what has been without a holder for long: for an audit, and where a Stuck
        instance is tried again."""
        if not self._audit and head.status != Status.STUCK:
            return False
        limit = timedelta(0) if head.status == Status.STUCK else ORPHANED
        now = self._clock.now()
        taken = self._retag(head, lambda h: now - h.since >= limit)
        if taken == head.holdings:
            return False
        self._head = await self._instances.update(replace(head, holdings=taken))
        return True

    def _mine(self, head: Head) -> list[Holding]:
        return [h for h in head.holdings if h.guard == self.guard.key]

    async def _send(self, head: Head) -> bool:
        """Send what my commits asked for, oldest first."""
        sent = False
        for holding in sorted(self._mine(head), key=lambda h: h.sequence):
            if not holding.send or holding.sequence in self._sent:
                continue
            stored = await self._stored(head, holding.sequence)
            for item in stored.outbox:
                if item.kind is Send.ACTIVITY and item.task_id in holding.run:
                    continue
                self._check_guard()
                await self._runtime.dispatcher.send(
                    head, stored.turn, item, again=holding.attempt > 0
                )
            self._sent.add(holding.sequence)
            sent = True
        return sent

    async def _stored(self, head: Head, sequence: int) -> StoredTurn:
        stored = self._turns.get(sequence)
        if stored is None:
            stored = await self._instances.turn(self.instance_id, head.incarnation, sequence)
            if stored is None:
                raise RowMissing(f"turn {sequence} of {self.instance_id!r} is gone")
        return stored

    def _left(self, head: Head, ended: set[tuple[str, int]]) -> tuple[Holding, ...]:
        """The holdings without what I have sent, and without activities that have ended."""
        done = {task_id for execution, task_id in ended if execution == head.execution_id}
        left: list[Holding] = []
        for holding in head.holdings:
            if holding.guard == self.guard.key and holding.sequence in self._sent:
                holding = replace(holding, send=False)
            holding = replace(holding, run=tuple(t for t in holding.run if t not in done))
            if holding.send or holding.run:
                left.append(holding)
        return tuple(left)

    # ---- turns ----

    async def _turn(self, head: Head) -> bool:
        """Run the code on what has arrived, and commit. False when there is nothing for it."""
        if self._inbox is None and self._rung:
            self._rung = False
            self._inbox = await self._instances.inbox(head)
        now = self._clock.now()
        rows = self._inbox.rows[:INBOX_ROWS] if self._inbox else []
        offers = list(self._offers.items())
        due = head.next_timer is not None and head.next_timer <= now
        retry = head.status == Status.STUCK
        if not (rows or offers or due or retry or head.ready or head.sequence == 0):
            self._inbox = None
            return await self._resend_lost(head) if self._audit else False
        if head.sequence == 0 and await self._is_abandoned(head, now):
            await self._abandon(head, now)
            return True
        # taken out until its commit has won: it is ahead of storage from here on
        execution, self._execution = self._execution or await self._replay(head), None
        arrivals = [await self._resolved(head, row.arrival) for row in rows]
        arrivals += [offer.arrival for _, offer in offers]
        with without_event_loop():
            execution.take([*arrivals, *execution.due(now)], now=now)
        if execution.is_ending and self._inbox is None:
            # the gate's etag must be older than the last look into the inbox
            self._rung = False
            self._inbox = await self._instances.inbox(head)
            rows = self._inbox.rows[:INBOX_ROWS]
            late = [await self._resolved(head, row.arrival) for row in rows]
            execution.take(late, now=now)
        more = self._inbox is not None and len(self._inbox.rows) > len(rows)
        commit = execution.commit(nonce=self._hub.new_id(16), more=more)
        consumed, taken = [row.key for row in rows], [key for key, _ in offers]
        if await self._commit(head, execution, commit, consumed, taken):
            self._execution = execution
        else:
            execution.close()
        return True

    async def _resolved(self, head: Head, arrival: Arrival) -> Arrival:
        event: Any = await self._instances.resolve(head, arrival.event, self._known)
        return replace(arrival, event=event)

    async def _replay(self, head: Head) -> Execution:
        """The execution from its history. Raises Stuck when history does not fit the code."""
        definition = self._runtime.registry.orchestrators.get(head.name)
        if definition is None:
            raise Lacking(f"no orchestrator is named {head.name!r} here")
        text = await self._instances.text(self.instance_id, head.incarnation, head.input)
        if text is not None and isinstance(head.input, PayloadRef):
            self._known[text] = head.input
        start = ExecutionStarted(head.name, head.execution_id, text, head.version)
        history: list[Turn] = []
        for stored in await self._instances.history(head):
            events = [
                await self._instances.resolve(head, event, self._known)
                for event in stored.turn.events
            ]
            history.append(replace(stored.turn, events=tuple(events)))
        try:
            with without_event_loop():
                execution = Execution.replay(
                    definition, self.instance_id, start, head.parent, history
                )
        except NonDeterminismError as error:
            raise await self._stuck(head, FailureDetails.from_exception(error)) from error
        if execution.sequence != head.sequence:
            raise RowChanged("history is not what the head says: it was read in between")
        return execution

    async def _stuck(self, head: Head, failure: FailureDetails) -> Stuck:
        failure = replace(failure, stack_trace=None)
        if head.status != Status.STUCK or head.failure != failure:
            logger.error("instance %s is Stuck: %s", self.instance_id, failure.message)
            self._head = await self._instances.update(
                replace(head, status=Status.STUCK, failure=failure)
            )
        return Stuck()

    async def _commit(
        self,
        head: Head,
        execution: Execution,
        commit: Commit,
        consumed: Sequence[str],
        taken: list[tuple[str, int]],
    ) -> bool:
        """Store a turn; False when another's stands in its place, or nobody's."""
        turn = commit.turn
        terminal = commit.status.is_terminal
        closed = terminal or commit.continued
        run = () if closed else self._take_on(turn, commit)
        now = self._clock.now()
        holdings = self._left(head, set(taken))
        if closed:
            holdings = tuple(replace(h, run=()) for h in holdings if h.send)
        send = any(i.kind is not Send.ACTIVITY or i.task_id not in run for i in commit.outbox)
        if commit.outbox:
            holdings = (*holdings, Holding(turn.sequence, self.guard.key, now, send, run))
        outstanding = {} if closed else execution.outstanding
        local = {task_id for holding in holdings for task_id in holding.run}
        after = replace(
            head,
            status=commit.status,
            execution_id=commit.execution_id,
            sequence=turn.sequence + 1,
            base=turn.sequence if commit.continued else head.base,
            nonce=turn.nonce,
            time=turn.time,
            ready=turn.open,
            holdings=holdings,
            failure=commit.failure,
            custom_status=commit.custom_status,
            output=commit.output,
            input=commit.input if commit.continued else head.input,
            version=commit.version if commit.continued else head.version,
            next_timer=None if closed else execution.next_timer(),
            open_tasks=encode_ids(outstanding),
            waiting_since=min(
                (
                    item.since
                    for task_id, item in outstanding.items()
                    if isinstance(item.event, TaskScheduled) and task_id not in local
                ),
                default=None,
            ),
        )
        spill = Spill(head.incarnation, turn.nonce, self._known)
        stored = StoredTurn(spill.turn(turn), commit.outbox)
        gate = self._inbox.gate if terminal and self._inbox else None
        if terminal and gate is None:
            raise RowMissing("the gate is gone: another ended the instance")
        won = False
        try:
            self._check_guard()
            self._head = await self._instances.commit(
                after, stored, spill=spill, consumed=consumed, gate=gate
            )
            self._fresh_head = won = True
        except _LOST:
            won = await self._was_mine(head, turn, spill)
            self._head = None
        finally:
            if not won:
                self._known.clear()
                self._give_back(run)
        if won:
            self._committed(head, commit, stored, consumed, taken)
        return won and not closed

    async def _was_mine(self, head: Head, turn: Turn, spill: Spill) -> bool:
        """Whose commit stands under this turn's number, after an answer that did not say."""
        while True:
            try:
                nonce = await self._instances.nonce(head, turn.sequence)
                if nonce is not None and nonce != turn.nonce:
                    await self._instances.delete_rows(
                        self.instance_id, [row.key for row in spill.rows]
                    )
                return nonce == turn.nonce
            except (AmbiguousAnswer, Throttled):
                self._check_guard()
                await self._clock.sleep(0.2)

    def _committed(
        self,
        head: Head,
        commit: Commit,
        stored: StoredTurn,
        consumed: Sequence[str],
        taken: list[tuple[str, int]],
    ) -> None:
        turn = commit.turn
        self._turns[turn.sequence] = stored
        if len(self._turns) > 50:
            del self._turns[min(self._turns)]
        for key in taken:
            offer = self._offers.pop(key, None)
            if offer is not None:
                offer.settle()
        if self._inbox is not None:
            gone = set(consumed)
            rows = [row for row in self._inbox.rows if row.key not in gone]
            self._inbox = replace(self._inbox, rows=rows) if rows else None
        self._runtime.note_turn(head, commit)

    def _take_on(self, turn: Turn, commit: Commit) -> tuple[int, ...]:
        """Which of the turn's activities run here: as many as there is room for."""
        late = self._deadline is not None and self._clock.monotonic() >= self._deadline
        if late or self._runtime.is_draining:
            return ()
        names = {e.task_id: e.name for e in turn.events if isinstance(e, TaskScheduled)}
        run: list[int] = []
        for item in commit.outbox:
            if item.kind is not Send.ACTIVITY:
                continue
            definition = self._runtime.registry.activities.get(names[item.task_id])
            if definition is None or definition.queued or self._runtime.options.always_queue:
                continue
            if not self._runtime.activities.try_take():
                break
            run.append(item.task_id)
        return tuple(run)

    def _give_back(self, run: tuple[int, ...]) -> None:
        for _ in run:
            self._runtime.activities.give()

    # ---- children whose parent is gone ----

    async def _is_abandoned(self, head: Head, now: datetime) -> bool:
        """A start that may be a late repeat begins only while its parent still waits for it."""
        parent = head.parent
        if parent is None or head.born is None:
            return False
        if not head.again and now - head.born <= LATE_START:
            return False
        above = await self._instances.head(parent.instance_id)
        if (
            above is None
            or above.is_terminal
            or above.incarnation != parent.incarnation
            or above.execution_id != parent.execution_id
            or not has_id(above.open_tasks, parent.task_id)
        ):
            return True
        message = f"{parent.execution_id}|{parent.task_id}"
        return await self._instances.has_message(parent.instance_id, parent.incarnation, message)

    async def _abandon(self, head: Head, now: datetime) -> None:
        inbox = await self._instances.inbox(head)
        event = ExecutionTerminated("abandoned", "its parent does not wait for it any more")
        nonce = self._hub.new_id(16)
        turn = Turn(0, now, head.execution_id, (event,), nonce=nonce)
        after = replace(
            head, status=Status.TERMINATED, sequence=1, nonce=nonce, time=now, ready=False
        )
        spill = Spill(head.incarnation, nonce)
        self._head = await self._instances.commit(
            after, StoredTurn(turn, ()), spill=spill, gate=inbox.gate
        )

    # ---- activities ----

    async def _run_activities(self, head: Head) -> bool:
        """Start what runs here and wait until something happens. False when nothing runs."""
        for holding in self._mine(head):
            for task_id in holding.run:
                key = (head.execution_id, task_id)
                if key not in self._running and key not in self._offers:
                    await self._begin(head, holding, task_id)
        if not self._running and not (self._offers or self._rung):
            return False
        if self._offers or self._rung:
            return True
        self._wake.clear()
        if not await self._until_woken(2.0):
            # what runs takes its time: let the world see how far the instance is
            await self._tidy(head)
            while not self._wake.is_set():
                self._check_guard()
                await self._until_woken(5.0)
        return True

    async def _until_woken(self, seconds: float) -> bool:
        waiting = asyncio.ensure_future(self._wake.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({waiting, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            sleeping.cancel()
        return self._wake.is_set()

    async def _begin(self, head: Head, holding: Holding, task_id: int) -> None:
        stored = await self._stored(head, holding.sequence)
        event = next(
            e for e in stored.turn.events if isinstance(e, TaskScheduled) and e.task_id == task_id
        )
        item = WorkItem(
            self.instance_id,
            head.incarnation,
            head.execution_id,
            task_id,
            event.name,
            stored.turn.time,
            holding.sequence,
            event.call,
            event.attempt,
            event.input,
        )
        taken = holding.attempt == 0
        key = (head.execution_id, task_id)
        self._running[key] = self._runtime.spawn(self._perform(item, key, taken))

    async def _perform(self, item: WorkItem, key: tuple[str, int], has_slot: bool) -> None:
        """Run one activity; `has_slot` says that its place was taken at the commit."""
        if not has_slot:
            await self._runtime.activities.take()
        try:
            if self.guard.is_fresh:
                event = await self._runtime.perform(item)
                if event is not None and self.ended.is_set():
                    await self._runtime.hand_in(item, event)
                elif event is not None:
                    self.offer(Arrival(event, item.execution_id))
        except StorageError as error:
            logger.warning("activity %s of %s: %s", item.activity, item.instance_id, error)
        finally:
            self._runtime.activities.give()
            self._running.pop(key, None)
            self._wake.set()

    # ---- ends ----

    async def _gone(self) -> bool:
        """There is no such instance (any more)."""
        self._resolve_offers()
        return True

    async def _drop_earlier(self, head: Head) -> None:
        for incarnation, row in head.stale:
            await self._instances.delete_incarnation(self.instance_id, incarnation)
            await self._hub.projection.withdraw(row)
        self._head = await self._instances.update(replace(head, stale=()))

    async def _after_the_end(self, head: Head) -> bool:
        """Nothing is accepted any more: clear what is left, and leave."""
        self._resolve_offers()
        if self._rung or self._inbox:
            self._rung, self._inbox = False, None
            inbox = await self._instances.inbox(head)
            await self._instances.delete_rows(self.instance_id, [r.key for r in inbox.rows])
        return await self._finish()

    def _resolve_offers(self) -> None:
        for offer in self._offers.values():
            offer.settle()
        self._offers.clear()

    async def _resend_lost(self, head: Head) -> bool:
        """For an audit: work items that nobody claims and no backlog explains are sent again."""
        self._audit = False
        if head.waiting_since is None:
            return False
        execution = self._execution = self._execution or await self._replay(head)
        local = {task_id for holding in head.holdings for task_id in holding.run}
        await self._runtime.resend_lost(
            head,
            [
                item
                for task_id, item in execution.outstanding.items()
                if isinstance(item.event, TaskScheduled) and task_id not in local
            ],
        )
        return False

    async def _finish(self) -> bool:
        """Cross off what is done, show the state, and end unless something came meanwhile."""
        head = self._head
        if head is None or self._offers or self._rung:
            return False
        if not self._fresh_head:
            # a head kept from an earlier run may be old: look before concluding from it
            self._head = None
            return False
        now = self._clock.now()
        if head.next_timer is not None and not head.is_terminal and head.next_timer <= now + SOON:
            left = (head.next_timer - now).total_seconds()
            if left <= 0:
                return False
            await self._runtime.dispatcher.doorbell(Doorbell(self.instance_id), left)
        if not await self._tidy(head):
            return False
        return not (self._offers or self._rung or self._head is None)

    async def _tidy(self, head: Head) -> bool:
        left = self._left(head, set())
        if left != head.holdings:
            self._check_guard()
            head = self._head = await self._instances.update(replace(head, holdings=left))
            self._sent.clear()
        current = await self._runtime.project(head)
        if current is None or current.etag != head.etag:
            self._head = None
            return False
        return True

    async def _leave(self) -> None:
        """Hand over what this run still has: finished results go to the inbox."""
        self.ended.set()
        head: Head | None = None
        for offer in self._offers.values():
            try:
                head = head or await repeat(self._hub, self._read_head)
                if head is not None:
                    await self._runtime.deliver(head, offer.arrival)
            except StorageError as error:
                offer.settle(error)
        self._resolve_offers()

    async def _read_head(self) -> Head | None:
        return await self._instances.head(self.instance_id)

    def warm(self) -> Warm | None:
        """What the next run here can begin with."""
        if self._head is None or self._execution is None or self._head.is_terminal:
            self._drop_execution()
            return None
        return Warm(self._head, self._execution, self._known)


def _task_id(arrival: Arrival) -> int:
    event: Completion = arrival.event  # type: ignore[assignment]
    return event.task_id


def _crashing(deaths: int) -> FailureDetails:
    return FailureDetails(
        f"{deaths} processes in a row died while they ran this instance: something it runs ends "
        "its process. Mend that and resume the instance",
        "durable.ProcessDied",
    )
