"""What stands open in an execution: tasks, locks, and which messages it has taken.

Folded from history like the code's own state, and asked whether an arrival still counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from durable.model.commit import OutboxItem, Send
from durable.model.events import (
    Arrival,
    Completion,
    EntityLock,
    EntityLockGranted,
    EntityLockRequested,
    EntityOperation,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityUnlock,
    EntityUnlockSent,
    Event,
    EventRaised,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionSuspended,
    ExecutionTerminated,
    Incoming,
    Scheduling,
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

NEAR = timedelta(minutes=2)
"""A timer due within this is a doorbell hidden until then; a later one is a row in the index."""

REMEMBER = timedelta(hours=1)
"""How long a consumed message id outlives its generation; senders give up long before."""


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A task that was scheduled and has not ended."""

    event: Scheduling
    since: datetime
    turn: int


class Ledger:
    """See the module."""

    def __init__(self) -> None:
        self.outstanding: dict[int, Outstanding] = {}
        self.locks: dict[int, str] = {}
        """Entities by the task id of the lock request, from then until the release."""
        self.seen: dict[str, datetime] = {}
        """The ids of the messages that were taken, and when."""
        self.answered: set[str] = set()
        """Those of the updates among them that were answered, also where a rewind has undone
        that: whoever asked may have read it."""

    def note(self, event: Event, time: datetime, sequence: int) -> None:
        """What an event changes in the set of open tasks and known messages."""
        match event:
            case (
                TaskCompleted()
                | TaskFailed()
                | TimerFired()
                | SubOrchestrationInstanceCompleted()
                | SubOrchestrationInstanceFailed()
                | EntityOperationCompleted()
                | EntityOperationFailed()
                | EntityLockGranted()
                | TimerCanceled()
            ):
                self.outstanding.pop(event.task_id, None)
            case EntityLockRequested():
                self.outstanding[event.task_id] = Outstanding(event, time, sequence)
                self.locks[event.task_id] = event.entity_id
            case EntityUnlockSent():
                self.outstanding.pop(event.task_id, None)
                self.locks.pop(event.task_id, None)
            case (
                TaskScheduled()
                | TimerCreated()
                | SubOrchestrationInstanceCreated()
                | EntityOperationCalled()
            ):
                self.outstanding[event.task_id] = Outstanding(event, time, sequence)
            case (
                EventRaised()
                | UpdateRequested()
                | ExecutionSuspended()
                | ExecutionResumed()
                | ExecutionTerminated()
                | ExecutionRewound()
            ):
                self.seen[event.message_id] = time
            case UpdateAnswered():
                self.answered.add(event.message_id)
            case _:
                pass

    def accept(self, arrival: Arrival, execution_id: str, *, suspended: bool) -> Incoming | None:
        """The arrival's event, if it counts in that execution."""
        event = arrival.event
        match event:
            case (
                TaskCompleted()
                | TaskFailed()
                | TimerFired()
                | SubOrchestrationInstanceCompleted()
                | SubOrchestrationInstanceFailed()
                | EntityOperationCompleted()
                | EntityOperationFailed()
                | EntityLockGranted()
            ):
                open_task = self.outstanding.get(event.task_id)
                if (
                    open_task is None
                    or arrival.execution_id != execution_id
                    or not isinstance(event, _ANSWERS[type(open_task.event)])
                ):
                    return None
                return event
            case EntityOperation() | EntityLock() | EntityUnlock() | ExecutionRewound():
                return None
            case _:
                if event.message_id in self.seen:
                    return None
                if isinstance(event, ExecutionSuspended) and suspended:
                    return None
                if isinstance(event, ExecutionResumed) and not suspended:
                    return None
                return event

    def due(self, now: datetime, execution_id: str) -> list[Arrival]:
        """The timers that have come due, in the order of their times."""
        timers = [
            (item.event.fire_at, task_id)
            for task_id, item in self.outstanding.items()
            if isinstance(item.event, TimerCreated) and item.event.fire_at <= now
        ]
        return [Arrival(TimerFired(task_id), execution_id) for _, task_id in sorted(timers)]

    def next_timer(self) -> datetime | None:
        """When the next outstanding timer is due."""
        return min(
            (
                item.event.fire_at
                for item in self.outstanding.values()
                if isinstance(item.event, TimerCreated)
            ),
            default=None,
        )

    def drop_timer(self, task_id: int) -> list[OutboxItem]:
        """What takes a timer out of the index, where it has a row there."""
        item = self.outstanding.get(task_id)
        if item is None or not isinstance(item.event, TimerCreated):
            return []
        if item.event.fire_at - item.since <= NEAR:
            return []
        return [OutboxItem(Send.DROP_TIMER, task_id, due=item.event.fire_at)]


_ANSWERS: dict[type[Scheduling], tuple[type[Completion], ...]] = {
    TaskScheduled: (TaskCompleted, TaskFailed),
    TimerCreated: (TimerFired,),
    SubOrchestrationInstanceCreated: (
        SubOrchestrationInstanceCompleted,
        SubOrchestrationInstanceFailed,
    ),
    EntityOperationCalled: (EntityOperationCompleted, EntityOperationFailed),
    EntityLockRequested: (EntityLockGranted,),
}
