"""History: what happened to one execution of an instance, in Durable Task's vocabulary.

A turn appends one `Turn`: first what came in, then what the orchestrator decided. Payloads
are JSON texts, or a reference to a payload row where the text is too long for a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar

from durable.model.failure import FailureDetails


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
class EventRaised:
    name: str
    message_id: str
    """The sender's, for telling a repeat from a second event."""
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
class TaskScheduled:
    task_id: int
    name: str
    input: Payload = None
    call: int = 0
    """The first attempt's task id: constant over the retries of one call."""
    attempt: int = 1


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


@dataclass(frozen=True, slots=True)
class EventSent:
    task_id: int
    instance_id: str
    name: str
    input: Payload = None


@dataclass(frozen=True, slots=True)
class ContinueAsNew:
    input: Payload = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ExecutionCompleted:
    """The end, well or badly: with a `failure` the orchestration failed."""

    result: Payload = None
    failure: FailureDetails | None = None


Completion = (
    TaskCompleted
    | TaskFailed
    | SubOrchestrationInstanceCompleted
    | SubOrchestrationInstanceFailed
    | TimerFired
)
Signal = EventRaised | ExecutionSuspended | ExecutionResumed | ExecutionTerminated
Incoming = ExecutionStarted | Completion | Signal
Scheduling = TaskScheduled | TimerCreated | SubOrchestrationInstanceCreated
Ending = ContinueAsNew | ExecutionCompleted
Decision = Scheduling | TimerCanceled | EventSent | Ending
Event = Incoming | Decision


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that reached an instance, before anybody checked that it still counts.

    A completion names the execution that scheduled its task.
    """

    event: Completion | Signal
    execution_id: str = ""


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
    """Message ids that earlier generations consumed within the last hour."""


class UnknownFormat(Exception):
    """A stored value of a kind that this version does not know."""


_TYPES: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        ExecutionStarted,
        TaskCompleted,
        TaskFailed,
        TimerFired,
        SubOrchestrationInstanceCompleted,
        SubOrchestrationInstanceFailed,
        EventRaised,
        ExecutionSuspended,
        ExecutionResumed,
        ExecutionTerminated,
        TaskScheduled,
        TimerCreated,
        TimerCanceled,
        SubOrchestrationInstanceCreated,
        EventSent,
        ContinueAsNew,
        ExecutionCompleted,
    )
}
INCOMING: tuple[type[Any], ...] = Incoming.__args__


class _Fields:
    """Field names and defaults of each event type, looked up once."""

    cache: ClassVar[dict[type[Any], tuple[tuple[str, Any], ...]]] = {}

    @classmethod
    def of(cls, kind: type[Any]) -> tuple[tuple[str, Any], ...]:
        known = cls.cache.get(kind)
        if known is None:
            known = cls.cache[kind] = tuple((f.name, f.default) for f in fields(kind))
        return known


def event_to_dict(event: Event) -> dict[str, Any]:
    """Plain JSON with the event's type under `type`; fields at their default are left out."""
    data: dict[str, Any] = {"type": type(event).__name__}
    for name, default in _Fields.of(type(event)):
        value = getattr(event, name)
        if value != default:
            data[name] = _plain(value)
    return data


def event_from_dict(data: Mapping[str, Any]) -> Event:
    """The inverse of `event_to_dict`. Raises UnknownFormat for a type or field it lacks."""
    values = dict(data)
    kind = _TYPES.get(values.pop("type", None))
    if kind is None:
        raise UnknownFormat(f"unknown event type {data.get('type')!r}")
    for name, value in values.items():
        if name == "fire_at":
            values[name] = datetime.fromisoformat(value)
        elif name == "failure" and value is not None:
            values[name] = FailureDetails.from_dict(value)
        elif isinstance(value, dict):
            values[name] = PayloadRef(**value)
    try:
        event: Event = kind(**values)
    except TypeError as error:
        raise UnknownFormat(f"event {kind.__name__} with unknown fields: {error}") from error
    return event


def _plain(value: Any) -> Any:
    if isinstance(value, PayloadRef):
        return {"key": value.key, "rows": value.rows, "size": value.size}
    if isinstance(value, FailureDetails):
        return value.to_dict()
    if isinstance(value, datetime):
        return value.isoformat()
    return value
