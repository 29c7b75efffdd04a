"""The turns of one run: what arrived, and how the outcome of a turn is stored.

What a turn is differs between orchestrations and entities: see `orchestrations` and `entities`
beside this.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from durable.engine.execution import Execution
from durable.engine.ledger import Outstanding
from durable.errors import (
    AmbiguousAnswer,
    RowChanged,
    RowExists,
    RowMissing,
    StorageError,
    Throttled,
)
from durable.hub.instances import Inbox
from durable.hub.payloads import Spill
from durable.hub.ranges import encode_ids
from durable.hub.rows import Head, Holding
from durable.hub.turns import StoredTurn
from durable.model.commit import Commit, Send
from durable.model.entities import is_entity
from durable.model.events import Arrival, ExecutionResumed, PayloadRef, TaskScheduled, Turn
from durable.model.failure import PROCESS_DIED
from durable.model.instance import OrchestrationRuntimeStatus
from durable.runtime.hold import Hold, TaskKey
from durable.runtime.telling import TurnTelling

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

INBOX_ROWS = 90
_LOST = (RowChanged, RowExists, RowMissing, AmbiguousAnswer, Throttled)

Status = OrchestrationRuntimeStatus


class Live(Protocol):
    """What a turn is taken on: it stands in memory where the head stands in storage."""

    sequence: int

    @property
    def outstanding(self) -> Mapping[int, Outstanding]:
        """The tasks that it waits for."""
        ...

    @property
    def execution_id(self) -> str:
        """The generation this is."""
        ...

    def next_timer(self) -> datetime | None:
        """When it has to be looked at again."""
        ...

    def close(self) -> None:
        """Let go of user code."""
        ...


X = TypeVar("X", bound=Live)


class Turns(ABC, Generic[X]):
    """`execution` is the live code, when it stands where the head does; `known` remembers where
    long payloads lie."""

    def __init__(
        self,
        runtime: Runtime,
        hold: Hold,
        execution: X | None,
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
        self._telling: TurnTelling | None = None
        self.execution = execution
        self.known = known
        self.rung = rung
        self.is_over = False
        """Whether the time for this run is used up, and another was rung for."""
        self.has_committed = False
        """Whether a turn of this run stands in history."""
        self.reserved: set[TaskKey] = set()
        """Activities that were committed to run here, each with a slot taken."""
        self.ahead: dict[TaskKey, asyncio.Task[Any]] = {}
        """Activities that run already, while the turn that calls them is about to be stored."""

    @abstractmethod
    async def take(self, head: Head, offers: dict[TaskKey, Arrival]) -> list[TaskKey] | None:
        """One turn on the inbox, what is due and `offers`, if there is anything for it. Answers
        the offers that are settled by it; None when there was nothing to do."""

    async def open(self) -> bool:
        """Whether an instance without a head has just been given one."""
        return False

    @abstractmethod
    async def audit(self, head: Head) -> None:
        """Look for what nobody sees to."""

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
        arrivals = [*(each for row in rows for each in row.arrivals), *offers.values()]
        return not any(
            isinstance(arrival.event, ExecutionResumed)
            or getattr(arrival.event, "task_id", -1) == head.suspect
            for arrival in arrivals
        )

    def look_again(self) -> None:
        """Read the inbox before the next turn."""
        self.rung, self._inbox = True, None

    def abandon(self) -> None:
        """What ran ahead of a turn that was not stored counts for nothing."""
        for task in self.ahead.values():
            task.cancel()
        self.ahead.clear()

    def drop(self) -> None:
        """Let go of the code."""
        if self.execution is not None:
            self.execution.close()
            self.execution = None

    async def clear_inbox(self, head: Head) -> Head:
        """Delete what lies in the inbox of an instance that has ended. The head as it is then;
        RowChanged where it is another by now."""
        inbox = await self._look(head)
        self._inbox = None
        return await self._instances.clear_inbox(head, [row.key for row in inbox.rows])

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
            gated = not (head.is_terminal or is_entity(head.instance_id))
            if gated and inbox.gate is None:
                raise RowMissing("the gate is gone: another ended the instance")
        except BaseException:
            self.rung = True
            raise
        self._inbox = inbox
        return inbox

    # ---- into history ----

    async def _commit(
        self,
        head: Head,
        execution: X | None,
        commit: Commit,
        consumed: Sequence[str],
        ended: set[TaskKey],
    ) -> bool:
        """Store a turn; False when another's stands in its place, or nobody's. One that ends the
        instance may be nobody's execution."""
        turn, terminal = commit.turn, commit.status.is_terminal
        gate = (self._inbox.gate or "") if self._inbox else head.gate
        if terminal and not gate:
            raise RowMissing("the gate is gone: another ended the instance")
        # later turns may end the instance by it if nothing that came before it is left
        is_all = self._inbox is None or len(self._inbox.rows) == len(consumed)
        head_gate = gate if is_all else ""
        if head.gate != head_gate:
            head = replace(head, gate=head_gate)
        closed = terminal or commit.continued
        run = () if closed else self._take_on(turn, commit)
        if commit.continued:
            # a generation owns its payloads: the old one's are about to be trimmed
            self.known.clear()
        spill = Spill(head.incarnation, turn.nonce, self.known)
        after = self._after(head, execution, commit, run, ended, spill)
        stored = StoredTurn(spill.turn(turn), commit.outbox)
        won, stored_head, lost = False, None, None
        try:
            self._hold.check()
            stored_head = await self._instances.commit(
                after,
                stored,
                spill=spill,
                consumed=consumed,
                gate=gate if terminal else None,
                reduced=self._hold.reduced(head),
                answers=commit.answers,
            )
            won = True
            if spill.sizes:
                stored = replace(stored, spilled=tuple(spill.sizes))
            self._hold.committed(stored_head, stored)
        except _LOST as error:
            lost = error
            self._hold.forget()
            self.look_again()
            won = await self._was_mine(head, turn, spill)
        finally:
            places = {(head.execution_id, task_id) for task_id in run} - set(self.ahead)
            if won:
                self.reserved |= places
            else:
                self.known.clear()
                self.abandon()
                for _ in places:
                    self._runtime.activities.give()
        self._tell(commit, execution, consumed, None if won else lost)
        if won:
            self.has_committed = True
            self._consumed(consumed)
            self._runtime.note_turn(head, commit, stored_head)
        return won

    def _after(
        self,
        head: Head,
        execution: X | None,
        commit: Commit,
        run: tuple[int, ...],
        ended: set[TaskKey],
        spill: Spill,
    ) -> Head:
        """The head as it is once the turn is stored."""
        turn, closed = commit.turn, commit.status.is_terminal or commit.continued
        holdings = self._hold.left(head, ended)
        if commit.outbox:
            out = [i for i in commit.outbox if i.kind is not Send.ACTIVITY or i.task_id not in run]
            kinds = {item.kind for item in out}
            key, now = self._hold.guard.key, self._clock.now()
            queued = kinds == {Send.ACTIVITY}
            holding = Holding(turn.sequence, key, now, bool(kinds), run, queued=queued)
            holdings = (*holdings, holding)
        live = None if closed else execution
        outstanding = live.outstanding if live is not None else {}
        holdings = tuple(h for each in holdings if (h := _undone(each, outstanding)) is not None)
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
            deaths=0,
            waits_for="",
            custom_status=commit.custom_status,
            output=commit.output,
            next_timer=live.next_timer() if live is not None else None,
            open_tasks=encode_ids(outstanding),
            waiting_since=min(queued_since, default=None),
        )
        if commit.continued:
            after = replace(after, base=turn.sequence, input=commit.input, version=commit.version)
        return after

    def _take_on(self, turn: Turn, commit: Commit) -> tuple[int, ...]:
        """Which of the turn's activities run here."""
        return ()

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

    def _tell(
        self,
        commit: Commit,
        execution: X | None,
        consumed: Sequence[str],
        lost: StorageError | None,
    ) -> None:
        telling, self._telling = self._telling, None
        if telling is None:
            return
        if lost is not None:
            telling.lost(lost)
            return
        taken, rows = set(consumed), self._inbox.rows if self._inbox else []
        arrived = [row for row in rows if row.key in taken]
        telling.stored(commit, execution if isinstance(execution, Execution) else None, arrived)

    def _consumed(self, keys: Sequence[str]) -> None:
        if self._inbox is not None:
            gone = set(keys)
            rows = [row for row in self._inbox.rows if row.key not in gone]
            self._inbox = replace(self._inbox, rows=rows) if rows else None


def _undone(holding: Holding, outstanding: Mapping[int, Outstanding]) -> Holding | None:
    """What is left to do of a turn, given the tasks that have not ended; None if nothing is."""
    run = tuple(task_id for task_id in holding.run if task_id in outstanding)
    send = holding.send
    if holding.queued:
        # they were sent, by whom ever, if all have ended
        send = send and any(item.turn == holding.sequence for item in outstanding.values())
    if not (run or send):
        return None
    same = run == holding.run and send == holding.send
    return holding if same else replace(holding, run=run, send=send)
