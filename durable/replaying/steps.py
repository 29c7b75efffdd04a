"""The step of a history at which code parts from it, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from durable.engine.determinism import describe
from durable.model.events import (
    INCOMING,
    EntityLockGranted,
    EntityOperationCompleted,
    EntityOperationFailed,
    Event,
    EventRaised,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    Scheduling,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    Turn,
    UpdateRequested,
)

_ENDS: dict[type[Any], str] = {
    TaskCompleted: "completed",
    SubOrchestrationInstanceCompleted: "completed",
    EntityOperationCompleted: "completed",
    TaskFailed: "failed",
    SubOrchestrationInstanceFailed: "failed",
    EntityOperationFailed: "failed",
    TimerFired: "fired",
    EntityLockGranted: "was granted",
}
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Step:
    """A turn by its number in the stored history, from 1; `after` is what came in with it."""

    turn: int
    turns: int
    time: datetime
    after: str

    def __str__(self) -> str:
        when = f"{self.time.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
        after = f", after {self.after}" if self.after else ""
        return f"turn {self.turn} of {self.turns}, {when}{after}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "turn": self.turn,
            "turns": self.turns,
            "time": self.time.isoformat(),
            "after": self.after,
        }


def step_of(turns: Sequence[Turn], sequence: int | None) -> Step | None:
    """The step that the turn of that sequence number is."""
    for number, turn in enumerate(turns, 1):
        if turn.sequence == sequence:
            return Step(number, len(turns), turn.time, _after(turns[:number]))
    return None


def _after(turns: Sequence[Turn]) -> str:
    """What came in with the last of these turns."""
    tasks = {e.task_id: describe(e) for e in _events(turns) if isinstance(e, Scheduling)}
    came = [_came(event, tasks) for event in turns[-1].events if isinstance(event, INCOMING)]
    more = f" and {len(came) - _SHOWN} more" if len(came) > _SHOWN else ""
    return ", ".join(came[:_SHOWN]) + more


def _events(turns: Iterable[Turn]) -> Iterable[Event]:
    return (event for turn in turns for event in turn.events)


def _came(event: Event, tasks: dict[int, str]) -> str:
    match event:
        case ExecutionStarted():
            return "the start"
        case EventRaised():
            return f"event {event.name!r}"
        case UpdateRequested():
            return f"update {event.name!r}"
        case ExecutionSuspended():
            return "it was suspended"
        case ExecutionResumed():
            return "it was resumed"
        case ExecutionTerminated():
            return "it was terminated"
        case ExecutionRewound():
            return "it was rewound"
    task_id: int = getattr(event, "task_id", -1)
    return f"{tasks.get(task_id, f'task {task_id}')} {_ENDS[type(event)]}"
