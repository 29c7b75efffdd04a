"""History: what happened to one execution of an instance, in Durable Task's vocabulary.

A turn appends one `Turn`: first what came in, then what the orchestrator decided. Payloads
are JSON texts, or a reference to a payload row where the text is too long for a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durable.model.calls import CallOptions
from durable.model.failure import FailureDetails
from durable.model.instance import Parent


@dataclass(frozen=True, slots=True)
class PayloadRef:
    """A payload that lives in rows of its own; `size` is the text's length in UTF-8 bytes."""

    key: str
    rows: int
    size: int


Payload = str | PayloadRef | None


@dataclass(frozen=True, slots=True)
class ExecutionStarted:
    name: str
    execution_id: str
    input: Payload = None
    version: str | None = None
    origins: tuple[tuple[int, str], ...] = ()
    """Of a fork: the steps before which its uuids are those of another execution, with that."""


@dataclass(frozen=True, slots=True)
class TaskCompleted:
    task_id: int
    result: Payload = None


@dataclass(frozen=True, slots=True)
class TaskFailed:
    task_id: int
    failure: FailureDetails


@dataclass(frozen=True, slots=True)
class TimerFired:
    task_id: int


@dataclass(frozen=True, slots=True)
class SubOrchestrationInstanceCompleted:
    task_id: int
    result: Payload = None


@dataclass(frozen=True, slots=True)
class SubOrchestrationInstanceFailed:
    task_id: int
    failure: FailureDetails


@dataclass(frozen=True, slots=True)
class EntityOperationCompleted:
    task_id: int
    result: Payload = None


@dataclass(frozen=True, slots=True)
class EntityOperationFailed:
    task_id: int
    failure: FailureDetails


@dataclass(frozen=True, slots=True)
class EntityLockGranted:
    task_id: int


@dataclass(frozen=True, slots=True)
class EventRaised:
    name: str
    message_id: str
    """The sender's, for telling a repeat from a second event."""
    input: Payload = None


@dataclass(frozen=True, slots=True)
class UpdateRequested:
    """An event whose sender waits for an answer under its `message_id`."""

    name: str
    message_id: str
    input: Payload = None


@dataclass(frozen=True, slots=True)
class ExecutionSuspended:
    message_id: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ExecutionResumed:
    message_id: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ExecutionTerminated:
    message_id: str
    reason: str | None = None
    recurse: bool = False


@dataclass(frozen=True, slots=True)
class ExecutionRewound:
    """A failed execution goes on as if the failures of the tasks `undone` had not come.

    What the code decided from the event number `cut` of this generation on was a reaction to
    them, and does not count; new task ids begin at `next_id`.
    """

    message_id: str
    reason: str | None = None
    undone: tuple[int, ...] = ()
    cut: int = 0
    next_id: int = 0


@dataclass(frozen=True, slots=True)
class OrchestratorStarted:
    """What follows in this turn came in at `time`: a fork has it from its source. New task ids
    begin at `next_id`, where the source was rewound."""

    time: datetime
    next_id: int = 0


@dataclass(frozen=True, slots=True)
class TaskScheduled:
    task_id: int
    name: str
    input: Payload = None
    call: int = 0
    """The first attempt's task id: constant over the retries of one call."""
    attempt: int = 1
    options: CallOptions | None = None


@dataclass(frozen=True, slots=True)
class TimerCreated:
    task_id: int
    fire_at: datetime


@dataclass(frozen=True, slots=True)
class TimerCanceled:
    task_id: int


@dataclass(frozen=True, slots=True)
class SubOrchestrationInstanceCreated:
    task_id: int
    name: str
    instance_id: str
    input: Payload = None
    version: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class EventSent:
    task_id: int
    instance_id: str
    name: str
    input: Payload = None


@dataclass(frozen=True, slots=True)
class UpdateAnswered:
    """The answer to an UpdateRequested: a result, or with a `failure` a refusal."""

    name: str
    message_id: str
    result: Payload = None
    failure: FailureDetails | None = None


@dataclass(frozen=True, slots=True)
class EntityOperationCalled:
    task_id: int
    entity_id: str
    operation: str
    input: Payload = None


@dataclass(frozen=True, slots=True)
class EntityOperationSignaled:
    task_id: int
    entity_id: str
    operation: str
    input: Payload = None
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class EntityLockRequested:
    task_id: int
    entity_id: str


@dataclass(frozen=True, slots=True)
class EntityUnlockSent:
    """Ends the lock that was asked for under this task id, granted or not."""

    task_id: int
    entity_id: str


@dataclass(frozen=True, slots=True)
class ContinueAsNew:
    input: Payload = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ExecutionCompleted:
    """The end, well or badly: with a `failure` the orchestration failed."""

    result: Payload = None
    failure: FailureDetails | None = None


# ---- what reaches an entity, and what it answers ----


@dataclass(frozen=True, slots=True)
class EntityOperation:
    """An operation to perform: a call of `caller`'s task, or else a signal. One that is `due`
    later waits until then."""

    message_id: str
    operation: str
    input: Payload = None
    caller: Parent | None = None
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class EntityLock:
    """A request for the entity, by the task of an orchestration."""

    message_id: str
    owner: Parent


@dataclass(frozen=True, slots=True)
class EntityUnlock:
    """The end of that request, whether it was granted or is still on its way."""

    message_id: str
    owner: Parent


@dataclass(frozen=True, slots=True)
class EntityReplied:
    """The answer to a call or, with neither result nor failure, to a lock request."""

    task_id: int
    caller: Parent
    granted: bool = False
    result: Payload = None
    failure: FailureDetails | None = None


Completion = (
    TaskCompleted
    | TaskFailed
    | SubOrchestrationInstanceCompleted
    | SubOrchestrationInstanceFailed
    | EntityOperationCompleted
    | EntityOperationFailed
    | EntityLockGranted
    | TimerFired
)
Signal = EventRaised | UpdateRequested | ExecutionSuspended | ExecutionResumed | ExecutionTerminated
Incoming = ExecutionStarted | Completion | Signal | ExecutionRewound | OrchestratorStarted
Scheduling = (
    TaskScheduled
    | TimerCreated
    | SubOrchestrationInstanceCreated
    | EntityOperationCalled
    | EntityLockRequested
)
Ending = ContinueAsNew | ExecutionCompleted
Decision = (
    Scheduling
    | TimerCanceled
    | EventSent
    | UpdateAnswered
    | EntityOperationSignaled
    | EntityUnlockSent
    | Ending
)
EntityRequest = EntityOperation | EntityLock | EntityUnlock
EntityDecision = EntityReplied | EntityOperationSignaled | SubOrchestrationInstanceCreated
Event = Incoming | Decision | EntityRequest | EntityReplied
INCOMING: tuple[type[Any], ...] = Incoming.__args__


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that reached an instance, before anybody checked that it still counts.

    A completion names the execution that scheduled its task. `trace` is the traceparent and
    tracestate of the sender's span, empty where nobody makes one.
    """

    event: Completion | Signal | ExecutionRewound | EntityRequest
    execution_id: str = ""
    trace: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Turn:
    """One commit's piece of history.

    `closing` holds the last events of the previous generation when this turn continued as
    new; `events` then begin the next one. `execution_id` is the execution that decided: the
    previous one's then. `open` says that what the code decided after these events is not
    among them: the next turn records it.
    """

    sequence: int
    time: datetime
    execution_id: str
    events: tuple[Event, ...]
    closing: tuple[Event, ...] = ()
    open: bool = False
    nonce: str = ""
    seen: tuple[tuple[str, datetime], ...] = ()
    """Message ids that earlier generations consumed within the last hour; of an entity, traces of
    those that this turn consumed."""
