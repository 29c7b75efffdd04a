"""Takes an instance's turns: what arrived goes in, the code runs, and the outcome is stored."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from durable.engine.execution import Execution
from durable.errors import (
    AmbiguousAnswer,
    NonDeterminismError,
    RowChanged,
    RowExists,
    RowMissing,
    Throttled,
)
from durable.hub.instances import Inbox, PayloadGone
from durable.hub.payloads import Spill, digest
from durable.hub.rows import Head, Holding, InboxRow, StoredTurn, encode_ids, has_id
from durable.model.commit import Commit, Send
from durable.model.events import (
    Arrival,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionTerminated,
    PayloadRef,
    TaskScheduled,
    Turn,
)
from durable.model.failure import PROCESS_DIED, FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus
from durable.runtime.hold import Hold, Stuck, TaskKey
from durable.runtime.loopless import without_event_loop

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

INBOX_ROWS = 90
LATE_START = timedelta(seconds=30)
_LOST = (RowChanged, RowExists, RowMissing, AmbiguousAnswer, Throttled)

Status = OrchestrationRuntimeStatus


class Lacking(Exception):
    """This worker does not have what the instance needs."""


class Turns:
    """The turns of one run. `execution` is the live code, when it stands where the head does;
    `known` remembers where long payloads lie."""

    def __init__(
        self,
        runtime: Runtime,
        hold: Hold,
        execution: Execution | None,
        known: dict[str, PayloadRef],
        *,
        incarnation: str,
        rung: bool,
        deadline: float | None,
    ) -> None:
        self._runtime = runtime
        self._hub = runtime.hub
        self._instances = runtime.hub.instances
        self._clock = runtime.hub.storage.clock
        self._hold = hold
        self._deadline = deadline
        self._incarnation = incarnation
        self._inbox: Inbox | None = None
        self.execution = execution
        self.known = known
        self.rung = rung
        self.reserved: set[TaskKey] = set()
        """Activities that were committed to run here, each with a slot taken."""

    async def take(self, head: Head, offers: dict[TaskKey, Arrival]) -> list[TaskKey] | None:
        """One turn on the inbox, due timers and `offers`, if there is anything for it. Answers
        the offers that are settled by it; None when there was nothing to do."""
        self._match(head)
        if self._inbox is None and self.rung:
            await self._look(head)
        now = self._clock.now()
        rows = self._inbox.rows[:INBOX_ROWS] if self._inbox else []
        due = head.next_timer is not None and head.next_timer <= now
        retry = head.status == Status.STUCK
        if not (rows or offers or due or retry or head.ready or head.sequence == 0):
            self._inbox = None
            return None
        if head.sequence == 0 and await self._is_abandoned(head, now):
            await self._abandon(head, now)
            return []
        # taken out until its commit has won: it is ahead of storage from here on
        execution, self.execution = self.execution or await self._replay(head), None
        arrivals = await self._resolved(head, rows)
        with without_event_loop():
            execution.take([*arrivals, *offers.values(), *execution.due(now)], now=now)
        if execution.needs_inbox and self._inbox is None:
            # the gate's etag must be older than the last look into the inbox
            rows = (await self._look(head)).rows[:INBOX_ROWS]
            execution.take(await self._resolved(head, rows), now=now)
        more = self._inbox is not None and len(self._inbox.rows) > len(rows)
        commit = execution.commit(nonce=self._hub.new_id(16), more=more)
        if not await self._commit(head, execution, commit, [row.key for row in rows], set(offers)):
            execution.close()
            return []
        if commit.continued or commit.status.is_terminal:
            execution.close()
        else:
            self.execution = execution
        return list(offers)

    async def is_barred(self, head: Head, offers: dict[TaskKey, Arrival]) -> bool:
        """Whether the instance ends processes, nobody has resumed it yet, and the activity that
        did so has not ended after all."""
        if head.status != Status.STUCK or head.failure is None:
            return False
        if head.failure.error_type != PROCESS_DIED:
            return False
        if self._inbox is None or self.rung:
            await self._look(head)
        rows = self._inbox.rows if self._inbox else []
        arrivals = [*(row.arrival for row in rows), *offers.values()]
        return not any(
            isinstance(arrival.event, ExecutionResumed)
            or getattr(arrival.event, "task_id", -1) == head.suspect
            for arrival in arrivals
        )

    async def live(self, head: Head) -> Execution:
        """The execution as it stands, replayed if it is not in memory."""
        self._match(head)
        if self.execution is None:
            self.execution = await self._replay(head)
        return self.execution

    def look_again(self) -> None:
        """Read the inbox before the next turn."""
        self.rung, self._inbox = True, None

    def drop(self) -> None:
        """Let go of the code."""
        if self.execution is not None:
            self.execution.close()
            self.execution = None

    async def clear_inbox(self, head: Head) -> None:
        """Delete what lies in the inbox of an instance that has ended."""
        inbox = await self._look(head)
        self._inbox = None
        await self._instances.delete_rows(head.instance_id, [row.key for row in inbox.rows])

    def _match(self, head: Head) -> None:
        if head.incarnation != self._incarnation:
            # payloads of another incarnation are not this one's to name
            self.known.clear()
            self._incarnation = head.incarnation
            self.look_again()
        execution = self.execution
        if execution is not None and (
            execution.execution_id != head.execution_id or execution.sequence != head.sequence
        ):
            self.drop()

    async def _look(self, head: Head) -> Inbox:
        # lowered first: who rings while the inbox is being read is not overlooked
        self.rung = False
        try:
            inbox = await self._instances.inbox(head)
            if inbox.gate is None and not head.is_terminal:
                raise RowMissing("the gate is gone: another ended the instance")
        except BaseException:
            self.rung = True
            raise
        self._inbox = inbox
        return inbox

    async def _resolved(self, head: Head, rows: Sequence[InboxRow]) -> list[Arrival]:
        """The rows' arrivals with their payloads; one whose payload is gone is stale."""
        arrivals: list[Arrival] = []
        for row in rows:
            with suppress(PayloadGone):
                event: Any = await self._instances.resolve(head, row.arrival.event, self.known)
                arrivals.append(replace(row.arrival, event=event))
        return arrivals

    # ---- from history ----

    async def _replay(self, head: Head) -> Execution:
        """The execution from its history. Raises Stuck when history does not fit the code."""
        definition = self._runtime.registry.orchestrators.get(head.name)
        if definition is None:
            raise Lacking(f"no orchestrator is named {head.name!r} in this worker")
        text = await self._instances.text(head.instance_id, head.incarnation, head.input)
        if text is not None and isinstance(head.input, PayloadRef):
            self.known[digest(text)] = head.input
        start = ExecutionStarted(head.name, head.execution_id, text, head.version)
        history: list[Turn] = []
        turns = await self._instances.history(head) if head.sequence > head.base else []
        for stored in turns:
            events = [
                await self._instances.resolve(head, event, self.known)
                for event in stored.turn.events
            ]
            history.append(replace(stored.turn, events=tuple(events)))
        try:
            with without_event_loop():
                execution = Execution.replay(
                    definition, head.instance_id, start, head.parent, history
                )
        except NonDeterminismError as error:
            await self._show_stuck(head, FailureDetails.from_exception(error))
            raise Stuck from error
        if execution.sequence != head.sequence:
            raise RowChanged("history is not what the head says: it was read in between")
        return execution

    async def _show_stuck(self, head: Head, failure: FailureDetails) -> None:
        failure = replace(failure, stack_trace=None)
        if head.status != Status.STUCK or head.failure != failure:
            logger.error("instance %s is Stuck: %s", head.instance_id, failure.message)
            stuck = await self._hold.store(replace(head, status=Status.STUCK, failure=failure))
            await self._runtime.project(stuck)

    # ---- into history ----

    async def _commit(
        self,
        head: Head,
        execution: Execution,
        commit: Commit,
        consumed: Sequence[str],
        ended: set[TaskKey],
    ) -> bool:
        """Store a turn; False when another's stands in its place, or nobody's."""
        turn, terminal = commit.turn, commit.status.is_terminal
        gate = self._inbox.gate if terminal and self._inbox else None
        if terminal and gate is None:
            raise RowMissing("the gate is gone: another ended the instance")
        closed = terminal or commit.continued
        run = () if closed else self._take_on(turn, commit)
        after = self._after(head, execution, commit, run, ended, closed=closed)
        if commit.continued:
            # a generation owns its payloads: the old one's are about to be trimmed
            self.known.clear()
        spill = Spill(head.incarnation, turn.nonce, self.known)
        stored = StoredTurn(spill.turn(turn), commit.outbox)
        won = False
        try:
            self._hold.check()
            stored_head = await self._instances.commit(
                after, stored, spill=spill, consumed=consumed, gate=gate
            )
            won = True
            self._hold.committed(stored_head, stored)
        except _LOST:
            self._hold.forget()
            self.look_again()
            won = await self._was_mine(head, turn, spill)
        finally:
            if won:
                self.reserved |= {(head.execution_id, task_id) for task_id in run}
            else:
                self.known.clear()
                for _ in run:
                    self._runtime.activities.give()
        if won:
            self._consumed(consumed)
            self._runtime.note_turn(head, commit)
        return won

    def _after(
        self,
        head: Head,
        execution: Execution,
        commit: Commit,
        run: tuple[int, ...],
        ended: set[TaskKey],
        *,
        closed: bool,
    ) -> Head:
        """The head as it is once the turn is stored."""
        turn = commit.turn
        holdings = self._hold.left(head, ended)
        if closed:
            holdings = tuple(replace(h, run=()) for h in holdings if h.send)
        if commit.outbox:
            send = any(i.kind is not Send.ACTIVITY or i.task_id not in run for i in commit.outbox)
            key, now = self._hold.guard.key, self._clock.now()
            holdings = (*holdings, Holding(turn.sequence, key, now, send, run))
        outstanding = {} if closed else execution.outstanding
        holdings = tuple(
            replace(h, run=run)
            for h in holdings
            if (run := tuple(t for t in h.run if t in outstanding)) or h.send
        )
        here = {task_id for holding in holdings for task_id in holding.run}
        queued_since = (
            item.since
            for task_id, item in outstanding.items()
            if isinstance(item.event, TaskScheduled) and task_id not in here
        )
        after = replace(
            head,
            status=commit.status,
            execution_id=commit.execution_id,
            sequence=turn.sequence + 1,
            nonce=turn.nonce,
            time=turn.time,
            ready=turn.open,
            holdings=holdings,
            failure=commit.failure,
            suspect=None,
            custom_status=commit.custom_status,
            output=commit.output,
            next_timer=None if closed else execution.next_timer(),
            open_tasks=encode_ids(outstanding),
            waiting_since=min(queued_since, default=None),
        )
        if commit.continued:
            after = replace(after, base=turn.sequence, input=commit.input, version=commit.version)
        return after

    async def _was_mine(self, head: Head, turn: Turn, spill: Spill) -> bool:
        """Whose commit stands under this turn's number, after an answer that did not say."""
        while True:
            try:
                nonce = await self._instances.nonce(head, turn.sequence)
                if nonce is not None and nonce != turn.nonce:
                    keys = [row.key for row in spill.rows]
                    await self._instances.delete_rows(head.instance_id, keys)
                return nonce == turn.nonce
            except (AmbiguousAnswer, Throttled):
                self._hold.check()
                await self._clock.sleep(0.2)

    def _consumed(self, keys: Sequence[str]) -> None:
        if self._inbox is not None:
            gone = set(keys)
            rows = [row for row in self._inbox.rows if row.key not in gone]
            self._inbox = replace(self._inbox, rows=rows) if rows else None

    def _take_on(self, turn: Turn, commit: Commit) -> tuple[int, ...]:
        """Which of the turn's activities run here: as many as there is room for."""
        late = self._deadline is not None and self._clock.monotonic() >= self._deadline
        if late or self._runtime.is_draining or self._runtime.options.always_queue:
            return ()
        names = {e.task_id: e.name for e in turn.events if isinstance(e, TaskScheduled)}
        run: list[int] = []
        for item in commit.outbox:
            if item.kind is not Send.ACTIVITY:
                continue
            definition = self._runtime.registry.activities.get(names[item.task_id])
            if definition is None or definition.queued:
                continue
            if not self._runtime.activities.try_take():
                break
            run.append(item.task_id)
        return tuple(run)

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
        gate = (await self._look(head)).gate
        event = ExecutionTerminated("abandoned", "its parent does not wait for it any more")
        nonce = self._hub.new_id(16)
        turn = StoredTurn(Turn(0, now, head.execution_id, (event,), nonce=nonce), ())
        after = replace(head, status=Status.TERMINATED, sequence=1, nonce=nonce, time=now)
        spill = Spill(head.incarnation, nonce)
        self._hold.check()
        stored = await self._instances.commit(after, turn, spill=spill, gate=gate)
        self._hold.committed(stored, turn)
