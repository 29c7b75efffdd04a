"""History events in the shape that users of Durable Functions know.

As there, a task's completion stands for its scheduling too: it carries `FunctionName`,
`ScheduledTime` and the input, and the scheduling event alone is shown only while the task is
open. Times have microseconds. `Result` is shown on request, `Input` unless it is declined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from durable.codec import encode
from durable.management.json_text import array_of, micros_of, object_of
from durable.model.events import (
    ContinueAsNew,
    EntityLock,
    EntityLockGranted,
    EntityLockRequested,
    EntityOperation,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    EntityReplied,
    EntityUnlock,
    EntityUnlockSent,
    Event,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorStarted,
    Payload,
    PayloadRef,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    TimerFired,
    UpdateAnswered,
    UpdateRequested,
)
from durable.model.failure import FailureDetails

Members = Mapping[str, str]
Scheduled = TaskScheduled | SubOrchestrationInstanceCreated | EntityOperationCalled


def history_json(
    events: Sequence[tuple[datetime, Event]],
    *,
    show_input: bool = True,
    show_output: bool = False,
    show_steps: bool = False,
) -> str:
    """The events with the times of their turns, oldest first, as a JSON array's text.

    A payload that is given by reference is replaced by its size: `InputBytes`, `ResultBytes`.
    With `show_steps` each event of a task has its number as `TaskId`, which Durable Functions'
    do not.
    """
    return array_of(_History(show_input, show_output, show_steps).render(events))


class _History:
    def __init__(self, show_input: bool, show_output: bool, show_steps: bool) -> None:
        self._show_steps = show_steps
        self._show_input = show_input
        self._show_output = show_output
        self._shown: dict[int, str] = {}
        self._open: dict[int, tuple[int, datetime, Scheduled]] = {}
        self._timers: dict[int, datetime] = {}

    def render(self, events: Sequence[tuple[datetime, Event]]) -> list[str]:
        for index, (time, event) in enumerate(events):
            if isinstance(event, Scheduled):
                self._open[event.task_id] = (index, time, event)
            members = {
                "EventType": encode(type(event).__name__),
                **self._members(event),
                **(_step(event) if self._show_steps else {}),
                "Timestamp": micros_of(time),
            }
            self._shown[index] = object_of(members)
        return list(self._shown.values())

    def _members(self, event: Event) -> Members:
        match event:
            case ExecutionStarted():
                version = {"Version": encode(event.version)} if event.version else {}
                return {"FunctionName": encode(event.name), **version, **self._input(event.input)}
            case OrchestratorStarted():
                return {"StartedTime": micros_of(event.time)}
            case TaskScheduled():
                return {"Name": encode(event.name), **self._input(event.input)}
            case SubOrchestrationInstanceCreated() | EventSent():
                return {
                    "Name": encode(event.name),
                    "InstanceId": encode(event.instance_id),
                    **self._input(event.input),
                }
            case EntityOperationCalled() | EntityOperationSignaled() | EntityOperation():
                entity = {} if isinstance(event, EntityOperation) else _entity(event.entity_id)
                return {"Name": encode(event.operation), **entity, **self._input(event.input)}
            case EntityLockRequested() | EntityUnlockSent():
                return _entity(event.entity_id)
            case EntityLockGranted() | EntityLock() | EntityUnlock():
                return {}
            case EntityReplied():
                failed = _failure(event.failure) if event.failure is not None else {}
                return {**self._result(event.result), **failed}
            case TaskCompleted() | SubOrchestrationInstanceCompleted() | EntityOperationCompleted():
                return {**self._ended(event.task_id), **self._result(event.result)}
            case TaskFailed() | SubOrchestrationInstanceFailed() | EntityOperationFailed():
                return {**self._ended(event.task_id), **_failure(event.failure)}
            case TimerCreated():
                self._timers[event.task_id] = event.fire_at
                return {"FireAt": micros_of(event.fire_at)}
            case TimerFired() | TimerCanceled():
                fire_at = self._timers.get(event.task_id)
                return {"FireAt": micros_of(fire_at)} if fire_at else {}
            case EventRaised() | UpdateRequested():
                return {"Name": encode(event.name), **self._input(event.input)}
            case UpdateAnswered():
                failed = _failure(event.failure) if event.failure is not None else {}
                return {"Name": encode(event.name), **self._result(event.result), **failed}
            case ExecutionSuspended() | ExecutionResumed() | ExecutionRewound():
                return {"Reason": encode(event.reason)}
            case ExecutionTerminated():
                return {"OrchestrationStatus": '"Terminated"', "Reason": encode(event.reason)}
            case ContinueAsNew():
                return {"OrchestrationStatus": '"ContinuedAsNew"', **self._input(event.input)}
            case ExecutionCompleted():
                if event.failure is not None:
                    return {"OrchestrationStatus": '"Failed"', **_failure(event.failure)}
                return {"OrchestrationStatus": '"Completed"', **self._result(event.result)}

    def _ended(self, task_id: int) -> Members:
        """What a completion tells of its scheduling, which is not shown any more."""
        scheduled = self._open.pop(task_id, None)
        if scheduled is None:
            return {}
        index, time, event = scheduled
        del self._shown[index]
        match event:
            case TaskScheduled():
                what = {"FunctionName": encode(event.name)}
            case SubOrchestrationInstanceCreated():
                instance = {"InstanceId": encode(event.instance_id)}
                what = {"FunctionName": encode(event.name), **instance}
            case EntityOperationCalled():
                what = {"FunctionName": encode(event.operation), **_entity(event.entity_id)}
        return {
            **what,
            "ScheduledTime": micros_of(time),
            **self._input(event.input),
        }

    def _input(self, payload: Payload) -> Members:
        return _payload("Input", payload) if self._show_input else {}

    def _result(self, payload: Payload) -> Members:
        return _payload("Result", payload) if self._show_output else {}


def _step(event: Event) -> Members:
    task_id: int | None = getattr(event, "task_id", None)
    return {"TaskId": str(task_id)} if task_id is not None else {}


def _entity(entity_id: str) -> Members:
    return {"EntityId": encode(entity_id)}


def _payload(name: str, payload: Payload) -> Members:
    if isinstance(payload, PayloadRef):
        return {f"{name}Bytes": str(payload.size)}
    return {name: payload or "null"}


def _failure(failure: FailureDetails) -> Members:
    members = {"Reason": encode(failure.message), "ErrorType": encode(failure.error_type)}
    if failure.stack_trace:
        members["Details"] = encode(failure.stack_trace)
    if failure.properties:
        members["Properties"] = encode(failure.properties)
    return members
