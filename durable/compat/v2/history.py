"""`durabletask.history`: the events of an instance by durabletask's classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any

from durable.compat.v2.values import OrchestrationStatus
from durable.model import events as native
from durable.model.failure import FailureDetails
from durable.model.instance import InstanceStatus


@dataclass(slots=True)
class OrchestrationInstance:
    instance_id: str
    execution_id: str | None = None


@dataclass(slots=True)
class ParentInstanceInfo:
    task_scheduled_id: int
    name: str | None = None
    version: str | None = None
    orchestration_instance: OrchestrationInstance | None = None


@dataclass(slots=True)
class TraceContext:
    trace_parent: str
    span_id: str
    trace_state: str | None = None


@dataclass(slots=True)
class HistoryEvent:
    """Base of all; `event_id` is a task's id, or -1. Times are those of the turn."""

    event_id: int
    timestamp: datetime

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, times as ISO 8601."""
        return {each.name: plain(getattr(self, each.name)) for each in fields(self)}


@dataclass(slots=True)
class ExecutionStartedEvent(HistoryEvent):
    name: str
    version: str | None = None
    input: str | None = None
    orchestration_instance: OrchestrationInstance | None = None
    parent_instance: ParentInstanceInfo | None = None
    scheduled_start_timestamp: datetime | None = None
    parent_trace_context: TraceContext | None = None
    orchestration_span_id: str | None = None
    tags: dict[str, str] | None = None


@dataclass(slots=True)
class ExecutionCompletedEvent(HistoryEvent):
    orchestration_status: int
    result: str | None = None
    failure_details: FailureDetails | None = None


@dataclass(slots=True)
class ExecutionTerminatedEvent(HistoryEvent):
    input: str | None = None
    recurse: bool = False


@dataclass(slots=True)
class TaskScheduledEvent(HistoryEvent):
    name: str
    version: str | None = None
    input: str | None = None
    parent_trace_context: TraceContext | None = None
    tags: dict[str, str] | None = None


@dataclass(slots=True)
class TaskCompletedEvent(HistoryEvent):
    task_scheduled_id: int
    result: str | None = None


@dataclass(slots=True)
class TaskFailedEvent(HistoryEvent):
    task_scheduled_id: int
    failure_details: FailureDetails | None = None


@dataclass(slots=True)
class SubOrchestrationInstanceCreatedEvent(HistoryEvent):
    instance_id: str
    name: str
    version: str | None = None
    input: str | None = None
    parent_trace_context: TraceContext | None = None
    tags: dict[str, str] | None = None


@dataclass(slots=True)
class SubOrchestrationInstanceCompletedEvent(HistoryEvent):
    task_scheduled_id: int
    result: str | None = None


@dataclass(slots=True)
class SubOrchestrationInstanceFailedEvent(HistoryEvent):
    task_scheduled_id: int
    failure_details: FailureDetails | None = None


@dataclass(slots=True)
class TimerCreatedEvent(HistoryEvent):
    fire_at: datetime


@dataclass(slots=True)
class TimerFiredEvent(HistoryEvent):
    fire_at: datetime
    timer_id: int


@dataclass(slots=True)
class EventSentEvent(HistoryEvent):
    instance_id: str
    name: str
    input: str | None = None


@dataclass(slots=True)
class EventRaisedEvent(HistoryEvent):
    name: str
    input: str | None = None


@dataclass(slots=True)
class GenericEvent(HistoryEvent):
    """What durabletask has no class for: its name and values as JSON."""

    data: str | None = None


@dataclass(slots=True)
class ContinueAsNewEvent(HistoryEvent):
    input: str | None = None


@dataclass(slots=True)
class ExecutionSuspendedEvent(HistoryEvent):
    input: str | None = None


@dataclass(slots=True)
class ExecutionResumedEvent(HistoryEvent):
    input: str | None = None


@dataclass(slots=True)
class EntityOperationSignaledEvent(HistoryEvent):
    request_id: str
    operation: str
    scheduled_time: datetime | None = None
    input: str | None = None
    target_instance_id: str | None = None


@dataclass(slots=True)
class EntityOperationCalledEvent(HistoryEvent):
    request_id: str
    operation: str
    scheduled_time: datetime | None = None
    input: str | None = None
    parent_instance_id: str | None = None
    parent_execution_id: str | None = None
    target_instance_id: str | None = None


@dataclass(slots=True)
class EntityOperationCompletedEvent(HistoryEvent):
    request_id: str
    output: str | None = None


@dataclass(slots=True)
class EntityOperationFailedEvent(HistoryEvent):
    request_id: str
    failure_details: FailureDetails | None = None


@dataclass(slots=True)
class EntityLockRequestedEvent(HistoryEvent):
    critical_section_id: str
    lock_set: list[str]
    position: int
    parent_instance_id: str | None = None


@dataclass(slots=True)
class EntityLockGrantedEvent(HistoryEvent):
    critical_section_id: str


@dataclass(slots=True)
class EntityUnlockSentEvent(HistoryEvent):
    critical_section_id: str
    parent_instance_id: str | None = None
    target_instance_id: str | None = None


@dataclass(slots=True)
class ExecutionRewoundEvent(HistoryEvent):
    reason: str | None = None
    parent_execution_id: str | None = None
    instance_id: str | None = None
    parent_trace_context: TraceContext | None = None
    name: str | None = None
    version: str | None = None
    input: str | None = None
    parent_instance: ParentInstanceInfo | None = None
    tags: dict[str, str] | None = None


def to_dict(event: HistoryEvent) -> dict[str, Any]:
    """`event.to_dict()`."""
    return event.to_dict()


def events_of(
    status: InstanceStatus, history: Sequence[tuple[datetime, native.Event]]
) -> list[HistoryEvent]:
    """Native events of an instance with the times of their turns, payloads as text."""
    timers: dict[int, datetime] = {}
    return [_event(status, time, event, timers) for time, event in history]


def _event(
    status: InstanceStatus, time: datetime, event: Any, timers: dict[int, datetime]
) -> HistoryEvent:
    task_id = getattr(event, "task_id", -1)
    match event:
        case native.ExecutionStarted():
            return ExecutionStartedEvent(
                -1,
                time,
                event.name,
                event.version,
                _text(event.input),
                OrchestrationInstance(status.instance_id, event.execution_id),
                _parent(status.parent_instance_id),
                status.scheduled_start_time,
                tags=dict(status.tags) or None,
            )
        case native.ExecutionCompleted():
            ended = OrchestrationStatus.FAILED if event.failure else OrchestrationStatus.COMPLETED
            return ExecutionCompletedEvent(
                -1, time, ended.value, _text(event.result), event.failure
            )
        case native.ExecutionTerminated():
            return ExecutionTerminatedEvent(-1, time, event.reason, event.recurse)
        case native.TaskScheduled():
            return TaskScheduledEvent(task_id, time, event.name, None, _text(event.input))
        case native.TaskCompleted():
            return TaskCompletedEvent(-1, time, task_id, _text(event.result))
        case native.TaskFailed():
            return TaskFailedEvent(-1, time, task_id, event.failure)
        case native.SubOrchestrationInstanceCreated():
            return SubOrchestrationInstanceCreatedEvent(
                task_id, time, event.instance_id, event.name, event.version, _text(event.input)
            )
        case native.SubOrchestrationInstanceCompleted():
            return SubOrchestrationInstanceCompletedEvent(-1, time, task_id, _text(event.result))
        case native.SubOrchestrationInstanceFailed():
            return SubOrchestrationInstanceFailedEvent(-1, time, task_id, event.failure)
        case native.TimerCreated():
            timers[task_id] = event.fire_at
            return TimerCreatedEvent(task_id, time, event.fire_at)
        case native.TimerFired():
            return TimerFiredEvent(-1, time, timers.get(task_id, time), task_id)
        case native.EventSent():
            return EventSentEvent(task_id, time, event.instance_id, event.name, _text(event.input))
        case native.EventRaised():
            return EventRaisedEvent(-1, time, event.name, _text(event.input))
        case native.ContinueAsNew():
            return ContinueAsNewEvent(-1, time, _text(event.input))
        case native.ExecutionSuspended():
            return ExecutionSuspendedEvent(-1, time, event.reason)
        case native.ExecutionResumed():
            return ExecutionResumedEvent(-1, time, event.reason)
        case native.ExecutionRewound():
            return ExecutionRewoundEvent(-1, time, event.reason, instance_id=status.instance_id)
    return _entity_event(time, event, task_id)


def _entity_event(time: datetime, event: Any, task_id: int) -> HistoryEvent:
    request = str(task_id)
    match event:
        case native.EntityOperationSignaled():
            return EntityOperationSignaledEvent(
                task_id,
                time,
                request,
                event.operation,
                input=_text(event.input),
                target_instance_id=event.entity_id,
            )
        case native.EntityOperationCalled():
            return EntityOperationCalledEvent(
                task_id,
                time,
                request,
                event.operation,
                input=_text(event.input),
                target_instance_id=event.entity_id,
            )
        case native.EntityOperationCompleted():
            return EntityOperationCompletedEvent(-1, time, request, _text(event.result))
        case native.EntityOperationFailed():
            return EntityOperationFailedEvent(-1, time, request, event.failure)
        case native.EntityLockRequested():
            return EntityLockRequestedEvent(task_id, time, request, [event.entity_id], 0)
        case native.EntityLockGranted():
            return EntityLockGrantedEvent(-1, time, request)
        case native.EntityUnlockSent():
            return EntityUnlockSentEvent(-1, time, request, target_instance_id=event.entity_id)
    return GenericEvent(task_id, time, type(event).__name__)


def _parent(instance_id: str | None) -> ParentInstanceInfo | None:
    # which task of the parent's it is, only the parent's history says
    found = OrchestrationInstance(instance_id) if instance_id is not None else None
    return ParentInstanceInfo(-1, orchestration_instance=found) if found is not None else None


def _text(payload: Any) -> str | None:
    return payload if isinstance(payload, str) else None


def plain(value: Any) -> Any:
    """Dataclasses as objects of their fields, times as ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    return value.isoformat() if isinstance(value, datetime) else value
