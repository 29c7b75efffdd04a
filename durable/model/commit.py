"""The outcome of a turn: what is to be stored, all of it or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from durable.model.events import Turn
from durable.model.failure import FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus


class Send(StrEnum):
    """What a committed turn asks the world to do."""

    ACTIVITY = "activity"
    TIMER = "timer"
    DROP_TIMER = "drop-timer"
    CHILD = "child"
    EVENT = "event"
    TERMINATE = "terminate"
    REPLY = "reply"
    TRIM = "trim"
    CALL = "call"
    SIGNAL = "signal"
    LOCK = "lock"
    UNLOCK = "unlock"
    ANSWER = "answer"
    START = "start"
    DROP_PAYLOAD = "drop-payload"
    REWIND = "rewind"
    UPDATES = "updates"


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """One thing to send for a turn. What to say is in the turn's event with that task id, for
    REPLY in its last event, for UPDATES in its answers from that number on; an instance other than
    the task's own is named by `target`, which for DROP_PAYLOAD names the payload as
    `owner|name|rows`."""

    kind: Send
    task_id: int = -1
    target: str = ""
    due: datetime | None = None

    def to_list(self) -> list[Any]:
        """Compact JSON, for rows."""
        return [
            self.kind.value,
            self.task_id,
            self.target,
            self.due.isoformat() if self.due else None,
        ]

    @classmethod
    def from_list(cls, data: list[Any]) -> OutboxItem:
        """The inverse of `to_list`."""
        kind, task_id, target, due = data
        return cls(Send(kind), task_id, target, datetime.fromisoformat(due) if due else None)


@dataclass(frozen=True, slots=True)
class Commit:
    """A turn to append, what to send once it is stored, and the instance as it is then."""

    turn: Turn
    outbox: tuple[OutboxItem, ...]
    status: OrchestrationRuntimeStatus
    execution_id: str
    custom_status: str | None = None
    output: str | None = None
    failure: FailureDetails | None = None
    input: str | None = None
    """The new generation's input, where the turn continued as new."""
    version: str | None = None
    answers: tuple[str, ...] = ()
    """The ids of the updates that this turn answers for the first time."""

    @property
    def continued(self) -> bool:
        """Whether this turn began a new generation."""
        return bool(self.turn.closing)
