"""Tells of turns once they are stored, and of activities once they have run: spans and
measurements. Nothing is told of what is only replayed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime

from durable.engine.execution import Execution
from durable.engine.ledger import Outstanding
from durable.errors import AmbiguousAnswer, StorageError, Throttled
from durable.hub import tracing as names
from durable.hub.hub import Hub
from durable.hub.messages import WorkItem
from durable.hub.ringing import count_retry
from durable.hub.rows import Head
from durable.hub.tracing import caller_trace, execution_trace, named, operation_of
from durable.hub.turns import InboxRow
from durable.model.commit import Commit, Send
from durable.model.entities import is_entity
from durable.model.events import (
    EntityOperation,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    Event,
    EventRaised,
    EventSent,
    ExecutionRewound,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    TimerFired,
    Turn,
    UpdateRequested,
)
from durable.model.failure import FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus
from durable.telemetry import (
    NO_TELEMETRY,
    Counter,
    Histogram,
    Kind,
    Span,
    Trace,
    span_id_of,
    trace_id_of,
)

_NOWHERE = nullcontext()
Values = dict[str, str | int | float | bool]
_ANSWERS = (
    TimerFired,
    TimerCanceled,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    EntityOperationCompleted,
    EntityOperationFailed,
)


def place_of(hub: Hub, head: Head) -> AbstractContextManager[None]:
    """Within it, what an orchestrator's code logs belongs to the orchestration's span."""
    if not hub.telemetry.traces:
        return _NOWHERE
    return hub.telemetry.within(execution_trace(head.trace, head.incarnation, head.execution_id))


def tell_of_turn(hub: Hub, head: Head, *, replayed: bool) -> TurnTelling | None:
    """To be called as a turn begins; None where nobody listens. `replayed` says that the code's
    past is run first."""
    if hub.telemetry is NO_TELEMETRY:
        return None
    return TurnTelling(hub, head, replayed=replayed)


class TurnTelling:
    """One turn of an orchestration or entity; `head` is as the turn found it."""

    def __init__(self, hub: Hub, head: Head, *, replayed: bool) -> None:
        self._hub, self._telemetry, self._clock = hub, hub.telemetry, hub.storage.clock
        self._head = head
        self._replayed = replayed
        self._since = self._clock.monotonic()
        self._kind = "entity" if is_entity(head.instance_id) else "orchestration"
        self._awaited: dict[int, Outstanding] = {}
        self._senders: dict[str, Trace | None] = {}
        self._performed: list[tuple[Span, datetime, str | None]] = []

    def expects(self, execution: Execution) -> None:
        """What the turn may bring the end of."""
        self._awaited = dict(execution.outstanding)

    def took(self, rows: Sequence[InboxRow]) -> None:
        """What lies in the inbox, for who sent it."""
        if self._telemetry.traces:
            self._senders = _senders(rows)

    def operation(self, operation: EntityOperation) -> OperationTelling | None:
        """To be called as an entity begins an operation; None where nobody takes spans."""
        if not self._telemetry.traces:
            return None
        # it has no place in the trace of who told nobody
        message = operation.message_id
        above = self._senders.get(message) or Trace(trace_id_of(message))
        called = operation_of(self._head.instance_id, operation.operation)
        about: Values = {names.TYPE: "entity", names.NAME: called}
        about[names.INSTANCE] = self._head.instance_id
        name, now = named("entity", called), self._clock.now()
        span = Span(name, Kind.SERVER, now, above, span_id_of(message), about)
        return OperationTelling(self._hub, span, self._performed)

    def lost(self, why: StorageError) -> None:
        """It was not stored: another has changed the instance, or storage did not take it."""
        if isinstance(why, AmbiguousAnswer | Throttled):
            count_retry(self._hub, why)
        elif self._telemetry.measures:
            self._telemetry.count(Counter.CONFLICTS, self._function())

    def stored(
        self, commit: Commit, execution: Execution | None, arrived: Sequence[InboxRow]
    ) -> None:
        """It stands in history. `arrived` is what it took from its inbox."""
        if self._telemetry.measures:
            self._measure(commit, arrived)
        for span, end, error in self._performed:
            self._tell(span, end, error)
        if self._telemetry.traces and self._kind == "orchestration":
            self.took(arrived)
            self._trace(commit, execution)

    # ---- measurements ----

    def _function(self) -> Values:
        return {names.TYPE: self._kind, names.NAME: self._head.name}

    def _measure(self, commit: Commit, arrived: Sequence[InboxRow]) -> None:
        head, time, function = self._head, commit.turn.time, self._function()
        taken = {**function, names.REPLAYED: self._replayed}
        self._telemetry.record(Histogram.TURN, self._clock.monotonic() - self._since, taken)
        waited = [("inbox", row.order[0]) for row in arrived]
        if head.sequence == 0 and self._kind == "orchestration":
            waited.append(("start", head.start_at or head.created))
        for event in commit.turn.closing or commit.turn.events:
            if isinstance(event, TimerFired) and event.task_id in self._awaited:
                timer = self._awaited[event.task_id].event
                if isinstance(timer, TimerCreated):
                    waited.append(("timer", timer.fire_at))
            elif isinstance(event, TaskScheduled) and event.attempt > 1:
                retried: Values = {names.TYPE: "activity", names.NAME: event.name}
                self._telemetry.count(Counter.ACTIVITY_RETRIES, retried)
        for kind, since in waited:
            age = (time - since).total_seconds()
            self._telemetry.record(Histogram.QUEUE_AGE, age, {**function, names.QUEUE: kind})

    # ---- spans ----

    def _trace(self, commit: Commit, execution: Execution | None) -> None:
        head, turn = self._head, commit.turn
        here = execution_trace(head.trace, head.incarnation, turn.execution_id)
        events = turn.closing or turn.events
        self._tell(
            Span(
                named("turn", head.name, head.version),
                Kind.INTERNAL,
                turn.time,
                here,
                span_id_of(turn.execution_id, "turn", turn.sequence),
                self._about({names.SEQUENCE: turn.sequence, names.REPLAYED: self._replayed}),
            ),
            self._clock.now(),
        )
        sent = {i.task_id for i in commit.outbox if i.kind in (Send.EVENT, Send.SIGNAL)}
        for event in events:
            # what a fork takes over was sent by another, and taken
            if isinstance(event, EventSent | EntityOperationSignaled):
                if event.task_id in sent:
                    self._trace_sent(event, turn, here)
            elif isinstance(event, EventRaised | UpdateRequested):
                if event.message_id in self._senders:
                    self._trace_taken(event, turn, here)
            else:
                self._trace_event(event, turn, here, execution)
        if commit.status.is_terminal or commit.continued:
            self._trace_end(commit, execution, here, events)

    def _trace_event(
        self, event: Event, turn: Turn, here: Trace, execution: Execution | None
    ) -> None:
        time = turn.time
        if isinstance(event, _ANSWERS) and event.task_id in self._awaited:
            # a timer that is cancelled in the turn in which it fired has ended once
            task = self._awaited.pop(event.task_id)
            name, kind, about = self._task(task)
            parts: list[str | int] = [self._head.execution_id, event.task_id]
            rewinds = execution.rewinds if execution is not None else []
            if any(event.task_id in rewind.undone for rewind in rewinds):
                # its failure was told of before a rewind undid it
                parts.append(task.turn)
            if isinstance(event, TimerCanceled):
                about[names.STATUS] = "Canceled"
            if rewinds and isinstance(event, TimerCanceled | TimerFired):
                # so may its end be, if it had been cancelled since something failed
                parts.append(turn.sequence)
            about |= self._payload(names.OUTPUT, getattr(event, "result", None))
            about[names.TASK] = event.task_id
            span = Span(name, kind, task.since, here, span_id_of(*parts), self._about(about))
            self._tell(span, time, _error(getattr(event, "failure", None)))

    def _trace_taken(self, event: EventRaised | UpdateRequested, turn: Turn, here: Trace) -> None:
        about: Values = {names.TYPE: "event", names.NAME: event.name}
        about |= self._payload(names.INPUT, event.input)
        name, link = named("orchestration_event", event.name), self._senders[event.message_id]
        span = Span(name, Kind.CONSUMER, turn.time, here, "", self._about(about), link)
        self._tell(span, turn.time)

    def _trace_sent(
        self, event: EventSent | EntityOperationSignaled, turn: Turn, here: Trace
    ) -> None:
        if isinstance(event, EventSent):
            about: Values = {names.TYPE: "event", names.NAME: event.name}
            about[names.TARGET] = event.instance_id
            name = named("orchestration_event", event.name)
        else:
            called = operation_of(event.entity_id, event.operation)
            about = {names.TYPE: "entity", names.NAME: called, names.TARGET: event.entity_id}
            name = named("signal_entity", called)
        about |= self._payload(names.INPUT, event.input)
        span_id = span_id_of(turn.execution_id, event.task_id)
        span = Span(name, Kind.PRODUCER, turn.time, here, span_id, self._about(about))
        self._tell(span, turn.time)

    def _task(self, task: Outstanding) -> tuple[str, Kind, Values]:
        """The span's name and kind, and what is special about it."""
        match event := task.event:
            case SubOrchestrationInstanceCreated():
                about: Values = {names.TYPE: "orchestration", names.NAME: event.name}
                about[names.TARGET] = event.instance_id
                about |= self._payload(names.INPUT, event.input)
                return named("orchestration", event.name, event.version), Kind.CLIENT, about
            case EntityOperationCalled():
                operation = operation_of(event.entity_id, event.operation)
                about = {names.TYPE: "entity", names.NAME: operation}
                about[names.TARGET] = event.entity_id
                return named("call_entity", operation), Kind.CLIENT, about
            case TimerCreated():
                about = {names.TYPE: "timer", names.FIRE_AT: event.fire_at.isoformat()}
                name = f"{named('orchestration', self._head.name)}:timer"
                return name, Kind.INTERNAL, about
            case _:
                raise AssertionError(f"no span is made of {event}")

    def _trace_end(
        self, commit: Commit, execution: Execution | None, here: Trace, events: Sequence[Event]
    ) -> None:
        """The orchestration itself. What a rewind leads to is a span below the one that failed."""
        head, turn = self._head, commit.turn
        began = head.created if execution is None else execution.began or turn.time
        span_id, above = here.span_id, caller_trace(head)
        if any(isinstance(event, ExecutionRewound) for event in events) or (
            execution is not None and execution.rewinds
        ):
            span_id, above = span_id_of(turn.execution_id, "rewound", turn.sequence), here
        error = _error(commit.failure)
        if commit.status is OrchestrationRuntimeStatus.TERMINATED:
            error = str(commit.status)
        status = OrchestrationRuntimeStatus.CONTINUED_AS_NEW if commit.continued else commit.status
        about: Values = {names.STATUS: str(status)}
        if execution is not None:
            about |= self._payload(names.INPUT, execution.start.input)
        about |= self._payload(names.OUTPUT, commit.output)
        name = named("orchestration", head.name, head.version)
        span = Span(name, Kind.SERVER, began, above, span_id, self._about(about))
        self._tell(span, turn.time, error)

    def _about(self, more: Values) -> Values:
        head = self._head
        about = self._function()
        about[names.INSTANCE], about[names.EXECUTION] = head.instance_id, head.execution_id
        if head.version:
            about[names.VERSION] = head.version
        return about | more

    def _payload(self, name: str, text: object) -> Values:
        return {name: text} if self._telemetry.payloads and isinstance(text, str) else {}

    def _tell(self, span: Span, end: datetime, error: str | None = None) -> None:
        self._telemetry.begin(span).end(max(end, span.start), error=error)


class OperationTelling:
    """One operation of an entity; it is told of with the turn that has it."""

    def __init__(
        self, hub: Hub, span: Span, performed: list[tuple[Span, datetime, str | None]]
    ) -> None:
        self._telemetry, self._clock = hub.telemetry, hub.storage.clock
        self._span, self._performed = span, performed

    @property
    def place(self) -> AbstractContextManager[None]:
        """Within it, what the operation's code does belongs to the operation's span."""
        assert self._span.parent is not None
        return self._telemetry.within(replace(self._span.parent, span_id=self._span.span_id))

    def ended(
        self, operation: EntityOperation, result: str | None, failure: FailureDetails | None
    ) -> None:
        """What came of it. `operation` has its payload."""
        about, span = dict(self._span.attributes), self._span
        if self._telemetry.payloads:
            texts = {names.INPUT: operation.input, names.OUTPUT: result}
            about |= {name: text for name, text in texts.items() if isinstance(text, str)}
        if failure is not None:
            about[names.ERROR] = failure.error_type
        told = replace(span, attributes=about), self._clock.now(), _error(failure)
        self._performed.append(told)


def tell_of_activity(hub: Hub, item: WorkItem, text: str | None) -> ActivityTelling | None:
    """To be called as an activity begins, with its input; None where nobody listens."""
    if hub.telemetry is NO_TELEMETRY:
        return None
    return ActivityTelling(hub, item, text)


class ActivityTelling:
    """One run of an activity. A crash and a repeat are two."""

    def __init__(self, hub: Hub, item: WorkItem, text: str | None) -> None:
        self._telemetry, self._clock = hub.telemetry, hub.storage.clock
        self._function: Values = {names.TYPE: "activity", names.NAME: item.activity}
        self._since, now = self._clock.monotonic(), self._clock.now()
        if self._telemetry.measures and item.begun <= 1:
            age = (now - item.scheduled).total_seconds()
            about = {**self._function, names.QUEUE: "activity"}
            self._telemetry.record(Histogram.QUEUE_AGE, age, about)
        self.span = None
        if self._telemetry.traces:
            about = {
                **self._function,
                names.INSTANCE: item.instance_id,
                names.EXECUTION: item.execution_id,
                names.TASK: item.task_id,
                names.ATTEMPT: item.attempt,
                names.IDEMPOTENCY_KEY: item.idempotency_key,
            }
            if self._telemetry.payloads and text is not None:
                about[names.INPUT] = text
            here = execution_trace(item.trace, item.incarnation, item.execution_id)
            name = named("activity", item.activity)
            self.span = self._telemetry.begin(Span(name, Kind.SERVER, now, here, attributes=about))

    def ended(self, event: TaskCompleted | TaskFailed | None) -> None:
        """How it ended; None where it was cut off."""
        outcome = "completed" if isinstance(event, TaskCompleted) else "failed"
        if self._telemetry.measures:
            took = self._clock.monotonic() - self._since
            about = {**self._function, names.STATUS: outcome}
            self._telemetry.record(Histogram.ACTIVITY, took, about)
        if self.span is None:
            return
        error = "it was cut off" if event is None else None
        about = {}
        if isinstance(event, TaskFailed):
            error = _error(event.failure)
            about[names.ERROR] = event.failure.error_type
        elif event is not None and self._telemetry.payloads and isinstance(event.result, str):
            about[names.OUTPUT] = event.result
        self.span.end(self._clock.now(), error=error, attributes=about)


def _senders(rows: Sequence[InboxRow]) -> dict[str, Trace | None]:
    """The span that sent each message; None where that was not told of."""
    arrivals = (arrival for row in rows for arrival in row.arrivals)
    return {getattr(each.event, "message_id", ""): Trace.parse(each.trace) for each in arrivals}


def _error(failure: FailureDetails | None) -> str | None:
    return None if failure is None else f"{failure.error_type}: {failure.message}"
