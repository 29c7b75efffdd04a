"""One execution of an instance: history folded into a state, and the next turn.

`Execution.turn` is the engine: pure and synchronous. Everything else either feeds it or
stores what it returns. An `Execution` kept between turns is the same function with its
prefix already run; dropping it never changes a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from durable.codec import encode
from durable.engine.following import Following
from durable.engine.forking import Prefix
from durable.engine.ledger import REMEMBER
from durable.engine.rewinding import nothing_undone, plan
from durable.model.commit import Commit, OutboxItem, Send
from durable.model.events import (
    Arrival,
    ContinueAsNew,
    Decision,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    EntityUnlockSent,
    Event,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    Incoming,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    TimerFired,
    Turn,
    UpdateAnswered,
)
from durable.model.instance import OrchestrationRuntimeStatus

Status = OrchestrationRuntimeStatus


class Execution(Following):
    """The live state of one execution; single-threaded."""

    def rewound(self, request: ExecutionRewound, now: datetime) -> Execution:
        """This failed execution's next turn, begun: it undoes what `plan` says, and sends again
        what is open then. Inside a section whose entity locks are gone nothing is undone, and
        it fails as before. Raises NonDeterminismError where the code does not fit."""
        time = max(now, self.time) if self.time else now
        if self._refusal is not None:
            self._turn_time = time
            self._events.append(nothing_undone(self._history, request))
            return self
        complete = plan(self, self._history, request)
        execution = self._with(complete, time)
        if execution.ledger.locks:
            execution.close()
            complete = nothing_undone(self._history, complete)
            execution = self._with(complete, time)
        execution.sequence, execution._turn_time = self.sequence, time
        execution._events.append(complete)
        for task_id in sorted(execution.outstanding, reverse=True):
            execution.decider.decide_first(execution.outstanding[task_id].event)
        return execution

    def _with(self, rewind: ExecutionRewound, time: datetime) -> Execution:
        turn = Turn(self.sequence, time, self.execution_id, (rewind,), open=True)
        history = [*self._history, turn]
        return Execution.replay(self.definition, self.instance_id, self.start, self.parent, history)

    def take_over(self, prefix: Prefix, now: datetime) -> None:
        """Begin the first turn, which is a fork's, with what it takes over; none of that is sent
        again. Raises ForkError where the code does not fit it."""
        decisions = self._followed(prefix, now)
        assert self._turn_time is not None
        self._sending += self._outbox(decisions, self._turn_time)

    # ---- the next turn ----

    def turn(
        self, arrivals: Sequence[Arrival], *, now: datetime, nonce: str, more: bool = False
    ) -> Commit:
        """Take in what arrived, run the code, and say what to store: `take` and `commit`."""
        self.take(arrivals, now=now)
        return self.commit(nonce=nonce, more=more)

    def take(self, arrivals: Sequence[Arrival], *, now: datetime, scheduled: bool = False) -> None:
        """Feed what arrived to the code; may be called again before `commit`.

        Arrivals that are stale or repeated leave no trace. `now` is the storage service's time;
        an earlier one than the last turn's counts as that. What came before a `scheduled` start
        may have suspended it: then its code does not begin.
        """
        if self._turn_time is None:
            self._turn_time = max(now, self.time) if self.time else now
            if self.time is None:
                if scheduled:
                    self._take_in([a for a in arrivals if isinstance(a.event, _STEERING)])
                    arrivals = [a for a in arrivals if not isinstance(a.event, _STEERING)]
                self._feed(self.start)
        self._take_in(arrivals)

    def _take_in(self, arrivals: Sequence[Arrival]) -> None:
        for arrival in arrivals:
            event = self.ledger.accept(
                arrival, self.execution_id, suspended=self._decider.suspended
            )
            if event is not None:
                if isinstance(event, TimerFired):
                    self._sending += self.ledger.drop_timer(event.task_id)
                self._feed(event)

    def _feed(self, event: Incoming) -> None:
        assert self._turn_time is not None
        self._events.append(event)
        self._note(event, self._turn_time, self.sequence)
        self._decider.feed(event, self._turn_time, replaying=False)

    @property
    def needs_inbox(self) -> bool:
        """Whether what was taken may be committed only by who has looked into the inbox: it ends
        the instance, or forgets old message ids."""
        ending, now = self._decider.ending, self._turn_time
        if isinstance(ending, ContinueAsNew):
            return now is not None and any(now - t >= REMEMBER for t in self.ledger.seen.values())
        return ending is not None

    @property
    def ends(self) -> bool:
        """Whether what was taken ends the instance."""
        ending = self._decider.ending
        return ending is not None and not isinstance(ending, ContinueAsNew)

    def ahead(self) -> list[TaskScheduled]:
        """The activities that the code calls now, if it does nothing else: with grouped
        checkpoints they may run before they are stored, and their results join this turn."""
        decisions = [decision for decision, _ in self._decider.decisions]
        calls = [decision for decision in decisions if isinstance(decision, TaskScheduled)]
        if self._decider.ending is not None or len(calls) < len(decisions):
            return []
        self._decide()
        return calls

    def _decide(self) -> None:
        """Note what the code has decided, and what that sends."""
        assert self._turn_time is not None, "take comes before"
        decisions: list[Decision] = [decision for decision, _ in self._decider.decisions]
        self._decider.decisions.clear()
        self._sending += self._outbox(decisions, self._turn_time)
        self._events += decisions

    def commit(self, *, nonce: str, more: bool = False) -> Commit:
        """What to store for all that was taken since the last commit.

        `nonce` is random and becomes the turn's, and the execution id where the code continues
        as new. `more` says that the inbox holds what this turn did not take: an ending then
        waits for the next turn, so that nothing that was accepted goes unseen.
        """
        assert self._turn_time is not None, "take comes before commit"
        decider, time = self._decider, self._turn_time
        ending = decider.ending
        self._decide()
        # what has ended already need not begin
        outbox = [
            item
            for item in self._sending
            if item.kind is not Send.ACTIVITY or item.task_id in self.outstanding
        ]
        events: tuple[Event, ...] = tuple(self._events)
        answers = tuple(self._answers)
        self._events, self._sending, self._answers, self._turn_time = [], [], [], None
        self.time = time
        sequence, self.sequence = self.sequence, self.sequence + 1
        self.is_open = ending is not None and more and not isinstance(ending, ContinueAsNew)
        if ending is None or self.is_open:
            status = Status.SUSPENDED if decider.suspended else Status.RUNNING
            turn = Turn(sequence, time, self.execution_id, events, open=self.is_open, nonce=nonce)
            custom = decider.custom_status
            return Commit(turn, tuple(outbox), status, self.execution_id, custom, answers=answers)
        if not isinstance(ending, ExecutionTerminated):
            events = (*events, ending)
        for task_id in list(self.outstanding):
            outbox += self.ledger.drop_timer(task_id)
        outbox += [
            OutboxItem(Send.UNLOCK, lock, entity) for lock, entity in self.ledger.locks.items()
        ]
        if isinstance(ending, ContinueAsNew):
            commit = self._continue(ending, events, outbox, sequence, time, nonce, forget=not more)
        else:
            commit = self._finish(ending, events, outbox, sequence, time, nonce)
        return replace(commit, answers=answers)

    def _outbox(self, decisions: Sequence[Decision], time: datetime) -> list[OutboxItem]:
        """Note the decisions and list what they send; a timer cancelled at once sends nothing."""
        cancelled = {d.task_id for d in decisions if isinstance(d, TimerCanceled)}
        created = {d.task_id for d in decisions if isinstance(d, TimerCreated)}
        outbox: list[OutboxItem] = []
        for decision in decisions:
            match decision:
                case TaskScheduled():
                    outbox.append(OutboxItem(Send.ACTIVITY, decision.task_id))
                case TimerCreated():
                    if decision.task_id not in cancelled:
                        outbox.append(
                            OutboxItem(Send.TIMER, decision.task_id, due=decision.fire_at)
                        )
                case TimerCanceled():
                    if decision.task_id not in created:
                        outbox += self.ledger.drop_timer(decision.task_id)
                case SubOrchestrationInstanceCreated():
                    # known already, it is a rewind's, and the child may exist
                    kind = Send.REWIND if decision.task_id in self.outstanding else Send.CHILD
                    outbox.append(OutboxItem(kind, decision.task_id, decision.instance_id))
                case EventSent():
                    outbox.append(OutboxItem(Send.EVENT, decision.task_id, decision.instance_id))
                case (
                    EntityOperationCalled()
                    | EntityOperationSignaled()
                    | EntityLockRequested()
                    | EntityUnlockSent()
                ):
                    kind = _TO_ENTITY[type(decision)]
                    outbox.append(OutboxItem(kind, decision.task_id, decision.entity_id))
                case UpdateAnswered():
                    if decision.message_id not in self.ledger.answered:
                        self._answers.append(decision.message_id)
                case ContinueAsNew() | ExecutionCompleted():
                    pass
            self._note(decision, time, self.sequence)
        return outbox

    def _continue(
        self,
        ending: ContinueAsNew,
        closing: tuple[Event, ...],
        outbox: list[OutboxItem],
        sequence: int,
        time: datetime,
        nonce: str,
        *,
        forget: bool,
    ) -> Commit:
        start = ExecutionStarted(self.start.name, nonce, ending.input, ending.version)
        carried = self._decider.unconsumed()
        # an old id is forgotten only when the inbox holds nothing that it might have to refuse
        seen = tuple(
            (i, t) for i, t in self.ledger.seen.items() if not forget or time - t < REMEMBER
        )
        turn = Turn(
            sequence,
            time,
            self.execution_id,
            (start, *carried),
            closing,
            open=True,
            nonce=nonce,
            seen=seen,
        )
        return Commit(
            turn,
            (*outbox, OutboxItem(Send.TRIM)),
            Status.RUNNING,
            nonce,
            self._decider.custom_status,
            input=ending.input if isinstance(ending.input, str) else None,
            version=ending.version,
        )

    def _finish(
        self,
        ending: ExecutionCompleted | ExecutionTerminated,
        events: tuple[Event, ...],
        outbox: list[OutboxItem],
        sequence: int,
        time: datetime,
        nonce: str,
    ) -> Commit:
        output = failure = None
        if isinstance(ending, ExecutionTerminated):
            status = Status.TERMINATED
            output = encode(ending.reason)
            if ending.recurse:
                outbox += [
                    OutboxItem(Send.TERMINATE, task_id, item.event.instance_id)
                    for task_id, item in self.outstanding.items()
                    if isinstance(item.event, SubOrchestrationInstanceCreated)
                ]
        elif ending.failure is not None:
            status, failure = Status.FAILED, ending.failure
        else:
            status = Status.COMPLETED
            output = ending.result if isinstance(ending.result, str) else None
        if self.parent is not None:
            outbox.append(OutboxItem(Send.REPLY, target=self.parent.instance_id))
        return Commit(
            Turn(sequence, time, self.execution_id, events, nonce=nonce),
            tuple(outbox),
            status,
            self.execution_id,
            self._decider.custom_status,
            output,
            failure,
        )


_STEERING = ExecutionSuspended | ExecutionResumed
_TO_ENTITY = {
    EntityOperationCalled: Send.CALL,
    EntityOperationSignaled: Send.SIGNAL,
    EntityLockRequested: Send.LOCK,
    EntityUnlockSent: Send.UNLOCK,
}
