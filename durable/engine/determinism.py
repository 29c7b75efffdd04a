"""Replay must take the path that history has. Where it does not, say so in words."""

from __future__ import annotations

from durable.engine.decider import Decider
from durable.errors import NonDeterminismError
from durable.model.events import (
    ContinueAsNew,
    Decision,
    Ending,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    EntityUnlockSent,
    EventSent,
    ExecutionCompleted,
    ExecutionTerminated,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    UpdateAnswered,
)
from durable.model.failure import FailureDetails
from durable.model.places import Place


def check_match(decider: Decider, expected: Decision) -> None:
    """Take the code's next decision; NonDeterminismError unless history's is the same."""
    if not decider.decisions and isinstance(expected, ContinueAsNew | ExecutionCompleted):
        if _ending(decider.ending) != _ending(expected):
            raise ended_otherwise(decider, describe(expected))
        return
    if not decider.decisions:
        raise ended_otherwise(decider, describe(expected))
    actual, place = decider.decisions.popleft()
    if not is_same(actual, expected):
        raise _mismatch(decider, describe(expected), describe(actual), place)


def check_leftover(decider: Decider) -> None:
    """After a turn that did not end the execution: NonDeterminismError if the code went further
    than it."""
    if decider.decisions:
        actual, place = decider.decisions[0]
        raise _mismatch(decider, "nothing more", describe(actual), place)
    if isinstance(decider.ending, ContinueAsNew | ExecutionCompleted):
        raise ended_otherwise(decider, "to be still running")


def ended_otherwise(decider: Decider, expected: str) -> NonDeterminismError:
    """The mismatch where the code decides nothing more."""
    ending = decider.ending
    failure = ending.failure if isinstance(ending, ExecutionCompleted) else None
    has_returned = ending is not None and decider.error is None
    return _mismatch(
        decider,
        expected,
        _instead(decider),
        decider.place(),
        failure=failure,
        is_past=has_returned,
    )


def describe(decision: Decision) -> str:
    """A decision as its author would say it."""
    match decision:
        case TaskScheduled():
            return f"activity {decision.name!r} (task {decision.task_id})"
        case TimerCreated():
            return f"a timer (task {decision.task_id})"
        case TimerCanceled():
            return f"cancelling timer {decision.task_id}"
        case SubOrchestrationInstanceCreated():
            return f"sub-orchestration {decision.name!r} (task {decision.task_id})"
        case EventSent():
            return f"event {decision.name!r} to {decision.instance_id!r} (task {decision.task_id})"
        case UpdateAnswered():
            verb = "answering" if decision.failure is None else "refusing"
            return f"{verb} update {decision.name!r} ({decision.message_id})"
        case EntityOperationCalled() | EntityOperationSignaled():
            verb = "calling" if isinstance(decision, EntityOperationCalled) else "signalling"
            return (
                f"{verb} {decision.operation!r} of {decision.entity_id!r} (task {decision.task_id})"
            )
        case EntityLockRequested():
            return f"locking {decision.entity_id!r} (task {decision.task_id})"
        case EntityUnlockSent():
            return f"releasing {decision.entity_id!r} (task {decision.task_id})"
        case ContinueAsNew():
            return "continue-as-new"
        case ExecutionCompleted(failure=None):
            return "the end"
        case ExecutionCompleted():
            return "a failure"


def is_same(actual: Decision, expected: Decision) -> bool:
    """Whether the code decided what history has."""
    return _identity(actual) == _identity(expected)


def _identity(decision: Decision) -> tuple[object, ...]:
    """What must be equal. Inputs and times may differ: history's are the ones that count."""
    match decision:
        case TaskScheduled() | SubOrchestrationInstanceCreated():
            return type(decision), decision.task_id, decision.name
        case TimerCreated() | TimerCanceled():
            return type(decision), decision.task_id
        case EntityOperationCalled() | EntityOperationSignaled():
            return type(decision), decision.task_id, decision.entity_id, decision.operation
        case EntityLockRequested() | EntityUnlockSent():
            return type(decision), decision.task_id, decision.entity_id
        case EventSent():
            return type(decision), decision.task_id, decision.instance_id, decision.name
        case UpdateAnswered():
            return type(decision), decision.message_id, decision.failure is None
        case _:
            return (type(decision),)


def _ending(ending: Ending | ExecutionTerminated | None) -> tuple[object, ...]:
    """What must be equal in the way it ended; results may differ."""
    match ending:
        case ExecutionCompleted():
            return ExecutionCompleted, ending.failure is None
        case _:
            return (type(ending),)


def _instead(decider: Decider) -> str:
    match decider.ending:
        case None:
            return "waited"
        case ExecutionCompleted(failure=None):
            return "returned"
        case ExecutionCompleted(failure=failure):
            return f"failed with {failure}"
        case _:
            return "continued as new"


def _mismatch(
    decider: Decider,
    expected: str,
    actual: str,
    place: Place | None,
    *,
    failure: FailureDetails | None = None,
    is_past: bool = False,
) -> NonDeterminismError:
    where = f" {'after' if is_past else 'at'} {place.described()}" if place else ""
    return NonDeterminismError(
        f"orchestrator {decider.definition.name!r} of instance {decider.instance_id!r} does not "
        f"fit its history: history has {expected}, the code has {actual}{where}. The code was "
        "changed, or depends on something that is not recorded; restore it, or give the change "
        "a new version, and the instance goes on",
        expected=expected,
        actual=actual,
        place=place,
        failure=failure,
        is_past=is_past,
    )
