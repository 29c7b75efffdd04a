"""Takes an orchestration's turns: what arrived goes in, the code runs, the outcome is stored."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from durable.codec import encode
from durable.engine.execution import Execution
from durable.errors import NonDeterminismError, RowChanged
from durable.hub.answers import answers_of
from durable.hub.messages import WorkItem
from durable.hub.ranges import has_id
from durable.hub.reading import PayloadGone
from durable.hub.rows import Head
from durable.hub.timers import START
from durable.hub.turns import InboxRow
from durable.model.commit import Commit, OutboxItem, Send
from durable.model.events import (
    Arrival,
    Event,
    ExecutionCompleted,
    ExecutionRewound,
    ExecutionTerminated,
    TaskScheduled,
    Turn,
    UpdateRequested,
)
from durable.model.failure import FailureDetails
from durable.runtime.forking import forked, not_taken_over
from durable.runtime.hold import Stuck, TaskKey
from durable.runtime.loading import stored_history
from durable.runtime.logs import of_instance
from durable.runtime.loopless import without_event_loop
from durable.runtime.slots import first
from durable.runtime.telling import place_of, tell_of_turn
from durable.runtime.turns import INBOX_ROWS, Status, Turns, logger

LATE_START = timedelta(seconds=30)

OPERATIONS = 97
"""Of a transaction, beside head, turn and gate."""

AHEAD_SECONDS = 0.1
"""For so long at most the code goes on before what it did is stored, where that is asked for."""


class OrchestrationTurns(Turns[Execution]):
    """See the module."""

    async def take(self, head: Head, offers: dict[TaskKey, Arrival]) -> list[TaskKey] | None:
        """See `Turns.take`."""
        self._match(head)
        self.abandon()
        if self._inbox is None and self.rung:
            await self._look(head)
        now = self._clock.now()
        if head.sequence == 0 and head.next_timer is not None:
            if head.next_timer > now:
                return await self._wait_for_start(head, now)
            if self._inbox is None:
                await self._look(head)
        most = INBOX_ROWS if self._runtime.options.grouped else 1
        rows = _fitting(self._inbox.rows, most) if self._inbox else []
        if not self._runtime.options.grouped:
            offers = {} if rows else dict(list(offers.items())[:1])
        due = head.next_timer is not None and head.next_timer <= now
        retry = head.status == Status.STUCK
        if not (rows or offers or due or retry or head.ready or head.sequence == 0):
            self._inbox = None
            return None
        if head.sequence == 0 and await self._is_abandoned(head, now):
            rows = (await self._look(head)).rows[:INBOX_ROWS]
            await self._end_unbegun(head, now, rows, _ABANDONED)
            return []
        self._telling = telling = tell_of_turn(self._hub, head, replayed=self._is_cold(head))
        # taken out until its commit has won: it is ahead of storage from here on
        execution, self.execution = self.execution or await self._replay(head), None
        if telling is not None:
            telling.expects(execution)
        if execution.has_failed:
            rows = self._inbox.rows if self._inbox else []
            rows = [row for row in rows if isinstance(row.arrival.event, ExecutionRewound)][:1]
            execution, offers = await self._rewound(head, execution, rows, now), {}
        else:
            arrivals = await self._resolved(head, rows)
            if not any(isinstance(arrival.event, ExecutionTerminated) for arrival in arrivals):
                execution = await forked(self._instances, head, execution, now)
            with without_event_loop(), place_of(self._hub, head):
                execution.take(
                    [*arrivals, *offers.values(), *execution.due(now)],
                    now=now,
                    scheduled=head.start_at is not None,
                )
        if self._runtime.options.checkpoint_steps > 1:
            await self._go_ahead(head, execution)
        if execution.needs_inbox and self._inbox is None and not (execution.ends and head.gate):
            # the gate's etag must be older than the last look into the inbox
            rows = _fitting((await self._look(head)).rows, most)
            execution.take(await self._resolved(head, rows), now=now)
        more = self._inbox is not None and len(self._inbox.rows) > len(rows)
        commit = execution.commit(nonce=self._hub.new_id(16), more=more)
        if head.sequence == 0:
            commit = replace(commit, outbox=(*commit.outbox, *_start_timer(head)))
        commit = _with_room(commit, len(rows))
        if not await self._commit(head, execution, commit, [row.key for row in rows], set(offers)):
            execution.close()
            return []
        drops = self._runtime.options.replay_every_turn
        if commit.continued or commit.status.is_terminal or drops:
            execution.close()
        else:
            self.execution = execution
        return list(offers)

    async def _go_ahead(self, head: Head, execution: Execution) -> None:
        """Run what the code calls before it is stored, up to so many steps or for a moment: a
        crash repeats them. What has not ended by then goes on as `ahead` once it is stored."""
        runtime, clock = self._runtime, self._clock
        until = clock.monotonic() + AHEAD_SECONDS
        for _ in range(runtime.options.checkpoint_steps - 1):
            left = until - clock.monotonic()
            if left <= 0 or self.rung or not self._may_run(self._hold.guard.is_fresh):
                return
            calls = execution.ahead()
            if not calls or not all(self._runs_here(call.name) for call in calls):
                return
            begun = {}
            for call in calls:
                if not runtime.activities.try_take():
                    break
                turn = Turn(execution.sequence, clock.now(), execution.execution_id, (call,))
                item = WorkItem.of(call, head, turn)
                begun[call.task_id] = runtime.spawn(runtime.performing.perform_here(item))
            self.ahead.update({(execution.execution_id, t): run for t, run in begun.items()})
            if begun:
                await first(asyncio.wait(begun.values()), clock.sleep(left))
            done = [t for t in begun if begun[t].done()]
            events = [self.ahead.pop((execution.execution_id, t)).result() for t in done]
            now = clock.now()
            with without_event_loop(), place_of(self._hub, head):
                arrivals = [Arrival(e, execution.execution_id) for e in events if e is not None]
                execution.take(arrivals, now=now)
            if len(done) < len(calls):
                return

    def _is_cold(self, head: Head) -> bool:
        return self.execution is None and head.sequence > head.base

    def _runs_here(self, name: str) -> bool:
        definition = self._runtime.registry.activities.get(name)
        return definition is not None and not definition.queued

    def _may_run(self, fresh: bool = True) -> bool:
        late = self._deadline is not None and self._clock.monotonic() >= self._deadline
        runtime = self._runtime
        return fresh and not (late or runtime.is_draining or runtime.options.always_queue)

    async def audit(self, head: Head) -> None:
        """Work items that nobody claims and no backlog explains are sent again."""
        nothing_out = head.waiting_since is None and not head.waits_for
        if nothing_out or self._runtime.taking.lacks(head) is not None:
            return
        self._match(head)
        if self.execution is None:
            self.execution = await self._replay(head)
        here = {task_id for holding in head.holdings for task_id in holding.run}
        tasks = [
            item
            for task_id, item in self.execution.outstanding.items()
            if isinstance(item.event, TaskScheduled) and task_id not in here
        ]
        needs = await self._runtime.resend_lost(head, tasks)
        if needs != head.waits_for:
            await self._runtime.project(await self._hold.store(replace(head, waits_for=needs)))

    async def _resolved(self, head: Head, rows: Sequence[InboxRow]) -> list[Arrival]:
        """The rows' arrivals with their payloads; one whose payload is gone is stale."""
        arrivals: list[Arrival] = []
        for arrival in (each for row in rows for each in row.arrivals):
            with suppress(PayloadGone):
                event: Any = await self._instances.resolve(head, arrival.event, self.known)
                arrivals.append(replace(arrival, event=event))
        return arrivals

    # ---- from history ----

    async def _replay(self, head: Head) -> Execution:
        """The execution from its history. Raises Stuck when history does not fit the code."""
        taking = self._runtime.taking
        if (lacking := taking.lacks(head)) is not None:
            raise lacking
        definition = taking.registry.orchestrators[head.name]
        start, history = await stored_history(self._instances, head, self.known)
        given = definition, head.instance_id, start, head.parent, history
        fold = Execution.failed if _has_ended(history) else Execution.replay
        refusal = taking.refusal(head) or not_taken_over(head, history)
        try:
            if refusal is not None:
                execution = Execution.refused(*given, refusal, await self._custom_status(head))
            else:
                with without_event_loop():
                    execution = fold(*given)
        except NonDeterminismError as error:
            await self._show_stuck(head, FailureDetails.from_exception(error))
            raise Stuck from error
        if execution.sequence != head.sequence:
            raise RowChanged("history is not what the head says: it was read in between")
        return execution

    async def _custom_status(self, head: Head) -> str | None:
        status = head.custom_status
        return await self._instances.text(head.instance_id, head.incarnation, status)

    async def _rewound(
        self, head: Head, ended: Execution, rows: Sequence[InboxRow], now: datetime
    ) -> Execution:
        """The next turn of an execution that has failed. Raises Stuck as `_replay` does."""
        request = next((row.arrival.event for row in rows), None)
        if not isinstance(request, ExecutionRewound):
            raise RowChanged("it has ended, and nobody has rewound it: it was read in between")
        try:
            with without_event_loop():
                execution = ended.rewound(request, now)
        except NonDeterminismError as error:
            await self._show_stuck(head, FailureDetails.from_exception(error))
            raise Stuck from error
        finally:
            ended.close()
        undone = len(execution.outstanding)
        text, extra = "rewound %s %s: %d tasks to do", of_instance(head)
        logger.info(text, head.name, head.instance_id, undone, extra=extra)
        return execution

    async def _show_stuck(self, head: Head, failure: FailureDetails) -> None:
        failure = replace(failure, stack_trace=None)
        if head.status != Status.STUCK or head.failure != failure:
            text, extra = "instance %s is Stuck: %s", of_instance(head)
            logger.error(text, head.instance_id, failure.message, extra=extra)
            stuck = await self._hold.store(replace(head, status=Status.STUCK, failure=failure))
            await self._runtime.project(stuck)

    def _take_on(self, turn: Turn, commit: Commit) -> tuple[int, ...]:
        """Which of the turn's activities run here: as many as there is room for."""
        if not self._may_run():
            return tuple(i.task_id for i in commit.outbox if self._is_ahead(turn, i))
        names = {e.task_id: e.name for e in turn.events if isinstance(e, TaskScheduled)}
        run: list[int] = []
        for item in commit.outbox:
            if item.kind is not Send.ACTIVITY:
                continue
            if self._is_ahead(turn, item):
                run.append(item.task_id)
                continue
            if not self._runs_here(names[item.task_id]):
                continue
            if not self._runtime.activities.try_take():
                break
            run.append(item.task_id)
        return tuple(run)

    def _is_ahead(self, turn: Turn, item: OutboxItem) -> bool:
        return item.kind is Send.ACTIVITY and (turn.execution_id, item.task_id) in self.ahead

    # ---- before the code has begun ----

    async def _wait_for_start(self, head: Head, now: datetime) -> list[TaskKey] | None:
        """What is to begin later only ends before, if somebody says so; whatever else came stays
        in the inbox."""
        rows = self._inbox.rows if self._inbox else []
        last = next((n for n, row in enumerate(rows) if _terminates(row)), None)
        if last is None:
            self._inbox = None
            return None
        # what came after it was accepted too, and belongs into history
        others = [row for row in rows if row is not rows[last]][: INBOX_ROWS - 1]
        taken = sorted([*others, rows[last]], key=lambda row: row.order)
        await self._end_unbegun(head, now, taken, None)
        return []

    async def _end_unbegun(
        self, head: Head, now: datetime, rows: Sequence[InboxRow], why: ExecutionTerminated | None
    ) -> None:
        """End an instance whose code has not begun, whether or not this worker has it: for the
        reason given, or the one among the rows."""
        events: list[Event] = [arrival.event for arrival in await self._resolved(head, rows)]
        if why is not None:
            events.append(why)
        why = next((event for event in events if isinstance(event, ExecutionTerminated)), None)
        if why is None:
            raise RowChanged("the inbox was read in between")
        self._telling = tell_of_turn(self._hub, head, replayed=False)
        turn = Turn(0, now, head.execution_id, tuple(events), nonce=self._hub.new_id(16))
        output = encode(why.reason)
        commit = Commit(
            turn, _start_timer(head), Status.TERMINATED, head.execution_id, None, output
        )
        if await self._commit(head, None, commit, [row.key for row in rows], set()):
            # nobody takes what is left in the inbox
            self.look_again()

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


_ABANDONED = ExecutionTerminated("abandoned", "its parent does not wait for it any more")


def _fitting(rows: Sequence[InboxRow], most: int) -> list[InboxRow]:
    """The first rows that one transaction can take: an update leaves, and its answer comes."""
    weights = [2 if isinstance(row.arrival.event, UpdateRequested) else 1 for row in rows]
    total = itertools.accumulate(weights)
    return [row for row, sum_ in zip(rows, total, strict=True) if sum_ <= most] or list(rows[:1])


def _with_room(commit: Commit, consumed: int) -> Commit:
    """With the answers that fit into the turn's transaction; the others come right after it."""
    room = OPERATIONS - consumed
    if len(commit.answers) <= room:
        return commit
    given = [answer.message_id for answer in answers_of(commit.turn)]
    later = OutboxItem(Send.UPDATES, given.index(commit.answers[room]))
    return replace(commit, answers=commit.answers[:room], outbox=(*commit.outbox, later))


def _terminates(row: InboxRow) -> bool:
    return isinstance(row.arrival.event, ExecutionTerminated)


def _start_timer(head: Head) -> tuple[OutboxItem, ...]:
    """What removes the row that rings for a start, if there is one."""
    due = head.far_start
    return () if due is None else (OutboxItem(Send.DROP_TIMER, START, due=due),)


def _has_ended(history: Sequence[Turn]) -> bool:
    """Whether the last turn ended the execution: only a rewind leads on from there."""
    last = history[-1].events if history else ()
    return bool(last) and isinstance(last[-1], ExecutionCompleted)
