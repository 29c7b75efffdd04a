"""Fork: a new execution begins with what another has done before a step.

What came in for the source is fed to the fork's code in the order and at the times that history
has; what the code then asks for is recorded anew. From the step on nothing is taken over, and
what leads to it happens now.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from durable.engine.decider import Decider
from durable.engine.determinism import describe, is_same
from durable.engine.rewinding import effective
from durable.errors import ForkError, InvalidRequestError
from durable.model.events import (
    Completion,
    Decision,
    EntityLockGranted,
    EntityOperationSignaled,
    EntityUnlockSent,
    Event,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    OrchestratorStarted,
    Scheduling,
    Turn,
    UpdateRequested,
)
from durable.model.places import Place

Asking = Scheduling | EventSent | EntityOperationSignaled
"""What has a number of its own, and is a step by that."""

_Taken = ExecutionStarted | Completion | EventRaised | UpdateRequested | OrchestratorStarted


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came in for the source, and when its code saw it."""

    event: _Taken
    time: datetime


@dataclass(frozen=True, slots=True)
class Prefix:
    """What a fork takes over. `asked` is what the source's code asked for under the numbers that
    are not asked again, `origins` as in ExecutionStarted."""

    step: int
    events: tuple[Recorded, ...]
    asked: dict[int, Asking]
    origins: tuple[tuple[int, str], ...]


def prefix_of(execution_id: str, history: Iterable[Turn], step: int) -> Prefix:
    """What a fork from `step` takes over of an execution."""
    origins: tuple[tuple[int, str], ...] = ()
    recorded: list[Recorded] = []
    asked: dict[int, Asking] = {}
    answered: set[int] = set()
    past = False
    for event, time in _seen(_placed(history)):
        if isinstance(event, ExecutionStarted):
            origins = event.origins
            recorded.append(Recorded(event, time))
        elif isinstance(event, ExecutionRewound | OrchestratorStarted):
            if event.next_id:
                recorded.append(Recorded(OrchestratorStarted(time, event.next_id), time))
        elif isinstance(event, EventRaised | UpdateRequested):
            if not past:
                recorded.append(Recorded(event, time))
        elif isinstance(event, Completion):
            if event.task_id < step:
                recorded.append(Recorded(event, time))
                answered.add(event.task_id)
        elif isinstance(event, Asking):
            if event.task_id < step:
                asked[event.task_id] = event
            else:
                past = True
    return Prefix(
        step,
        tuple(recorded),
        {i: event for i, event in asked.items() if i in answered or is_sent(event)},
        _origins(origins, execution_id, step),
    )


def _origins(
    origins: tuple[tuple[int, str], ...], execution_id: str, step: int
) -> tuple[tuple[int, str], ...]:
    """The source's up to the step, of which the last may be itself."""
    earlier = tuple(origin for origin in origins if origin[0] < step)
    last = next((of for until, of in origins if until >= step), execution_id)
    return (*earlier, (step, last))


def check_step(instance_id: str, history: Sequence[Turn], step: object) -> int:
    """The step, if the instance can be forked from it. Raises InvalidRequestError: it is no number
    of a step, or lies in a critical section."""
    if not isinstance(step, int) or isinstance(step, bool) or step < 0:
        raise InvalidRequestError(f"a step is the number of a task, 0 or more, not {step!r}")
    ids = [event.task_id for turn in history for event in turn.events if isinstance(event, Asking)]
    if step > max(ids, default=-1) + 1:
        what = f"its last step is {max(ids)}" if ids else "it has asked for nothing"
        raise InvalidRequestError(
            f"instance {instance_id!r} cannot be forked from step {step}: {what}"
        )
    locked = _locked(history, step)
    if locked:
        raise InvalidRequestError(
            f"instance {instance_id!r} cannot be forked from step {step}: it held entity locks "
            f"then; fork from step {min(locked)}, which asked for the first, or after the section"
        )
    return step


def _locked(history: Sequence[Turn], step: int) -> set[int]:
    """Which locks were held when the step was asked for, or are still."""
    locked: set[int] = set()
    for event, _ in _placed(history):
        if isinstance(event, EntityLockGranted) and event.task_id < step:
            locked.add(event.task_id)
        elif isinstance(event, EntityUnlockSent):
            locked.discard(event.task_id)
        elif isinstance(event, Asking) and event.task_id >= step:
            break
    return locked


def is_repeated(decision: Decision, step: int, outstanding: Container[int]) -> bool:
    """Whether a fork sends what its code asked for while it followed: from the step on, and what
    nobody has answered."""
    task_id: int = getattr(decision, "task_id", -1)
    return task_id >= step or (isinstance(decision, Scheduling) and task_id in outstanding)


def is_sent(decision: Decision) -> bool:
    """Whether nothing comes back for it."""
    return isinstance(decision, EventSent | EntityOperationSignaled)


class Fit:
    """Holds what a fork's code asks for against what its source's did."""

    def __init__(self, decider: Decider, prefix: Prefix) -> None:
        self._decider = decider
        self._prefix = prefix
        self._asked: set[int] = set()

    def check(self, decision: Decision, place: Place | None) -> None:
        """Raises ForkError where the code asks for something else under a number."""
        if not isinstance(decision, Asking):
            return
        self._asked.add(decision.task_id)
        expected = self._prefix.asked.get(decision.task_id)
        if expected is not None and not is_same(decision, expected):
            raise self._misfit(expected, describe(decision), place)

    def check_asked(self, task_ids: Iterable[int]) -> None:
        """Raises ForkError where the code has not asked for one of them."""
        for task_id in sorted(task_ids):
            if task_id not in self._asked:
                ending = self._decider.ending
                found = "waits for something else"
                if isinstance(ending, ExecutionCompleted):
                    found = f"failed with {ending.failure}" if ending.failure else "returned"
                elif ending is not None:
                    found = "continued as new"
                raise self._misfit(self._prefix.asked[task_id], found, self._decider.place())

    def _misfit(self, expected: Asking, found: str, place: Place | None) -> ForkError:
        where = f" at {place.described()}" if place else ""
        return ForkError(
            f"orchestrator {self._decider.definition.name!r} does not fit what its fork takes over "
            f"before step {self._prefix.step}: at step {expected.task_id} the source has "
            f"{describe(expected)}, the code has {found}{where}. Fork from an earlier step, or "
            "with code and input that ask for the same before it"
        )


def anew_from(decider: Decider, prefix: Prefix, start: ExecutionStarted) -> int:
    """Which of the prefix's events leads to the step, or how many there are if none does."""
    probe = Decider.like(decider)
    try:
        for number, recorded in enumerate(prefix.events):
            event = start if isinstance(recorded.event, ExecutionStarted) else recorded.event
            probe.feed(event, recorded.time, replaying=True)
            asked = [d.task_id for d, _ in probe.decisions if isinstance(d, Asking)]
            probe.decisions.clear()
            if any(task_id >= prefix.step for task_id in asked):
                return number
    finally:
        probe.close()
    return len(prefix.events)


def _placed(history: Iterable[Turn]) -> Iterator[tuple[Event, datetime]]:
    """The events that count, each with the time that the code saw at it."""
    for turn in effective(history):
        time = turn.time
        for event in turn.events:
            time = event.time if isinstance(event, OrchestratorStarted) else time
            yield event, time


def _seen(events: Iterable[tuple[Event, datetime]]) -> Iterator[tuple[Event, datetime]]:
    """What came in while the code rested, where it saw it."""
    held: list[Event] = []
    resting, time = False, None
    for event, time in events:
        if isinstance(event, ExecutionSuspended):
            resting = True
        elif isinstance(event, ExecutionResumed | ExecutionRewound):
            resting = False
            yield from ((each, time) for each in held)
            held.clear()
            yield event, time
        elif resting and isinstance(event, Completion | EventRaised | UpdateRequested):
            held.append(event)
        else:
            yield event, time
    if time is not None:
        yield from ((each, time) for each in held)
