"""Rewind: a failed execution goes on as if certain failures had not come.

History is never rewritten. An `ExecutionRewound` says which failures do not count, and from
which event on the code's decisions were a reaction to them; `effective` is history read in
that light, and fits the code like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from durable.engine.decider import Decider
from durable.engine.determinism import is_same
from durable.errors import NonDeterminismError
from durable.model.events import (
    INCOMING,
    EntityOperationFailed,
    Event,
    ExecutionCompleted,
    ExecutionRewound,
    OrchestratorStarted,
    Scheduling,
    SubOrchestrationInstanceFailed,
    TaskFailed,
    Turn,
)

if TYPE_CHECKING:
    from durable.engine.execution import Execution

_FAILURES = (TaskFailed, SubOrchestrationInstanceFailed, EntityOperationFailed)


@dataclass(frozen=True, slots=True)
class _Rewind:
    """A rewind at its place in history, and the tasks that only its reaction scheduled."""

    place: int
    event: ExecutionRewound
    dropped: frozenset[int]

    def hides(self, place: int, event: Event) -> bool:
        """Whether an event of history does not count."""
        if place >= self.place:
            return False
        if isinstance(event, ExecutionCompleted):
            return True
        if not isinstance(event, INCOMING):
            return place >= self.event.cut
        task_id = getattr(event, "task_id", -1)
        if task_id in self.dropped:
            return True
        return isinstance(event, _FAILURES) and task_id in self.event.undone


def effective(history: Iterable[Turn]) -> list[Turn]:
    """The turns of one generation as they count after the rewinds among them."""
    turns = list(history)
    rewinds = _rewinds(turns)
    if not rewinds:
        return turns
    result: list[Turn] = []
    for turn, events in _counting(turns, rewinds):
        last = events.last
        within = any(r.event.cut - 1 <= last < r.place for r in rewinds)
        kept = tuple(event for _, event in events.kept)
        result.append(replace(turn, events=kept, open=turn.open or within))
    return result


def plan(failed: Execution, history: Sequence[Turn], request: ExecutionRewound) -> ExecutionRewound:
    """What a rewind of this failed execution undoes.

    Undone are the failures that the code's own one came from, and those that it never came to
    see. `failed` is the replay of `history` to its end.
    """
    decider = failed.decider
    causes = set(map(id, _chain(decider.error)))
    undone = tuple(
        sorted(
            task_id
            for task_id, error in decider.failures.items()
            if id(error) in causes or not error.observed
        )
    )
    events = [event for turn in history for event in turn.events]
    ids = (getattr(event, "task_id", -1) for event in events)
    complete = replace(
        request, undone=undone, cut=len(events), next_id=max(decider.next_id, max(ids) + 1)
    )
    return replace(complete, cut=_cut(failed, history, complete))


def nothing_undone(history: Sequence[Turn], rewind: ExecutionRewound) -> ExecutionRewound:
    """A rewind after which everything is as it was."""
    return replace(rewind, undone=(), cut=sum(len(turn.events) for turn in history))


def _cut(failed: Execution, history: Sequence[Turn], rewind: ExecutionRewound) -> int:
    """The number of the first event that the code does not decide any more."""
    probe = Decider.like(failed.decider)
    scheduled: set[int] = set()
    skipped: int | None = None
    try:
        for turn, events in _counting(history, _rewinds(history)):
            time = turn.time
            for place, event in events.kept:
                time = event.time if isinstance(event, OrchestratorStarted) else time
                if isinstance(event, _FAILURES) and event.task_id in rewind.undone:
                    skipped = place if skipped is None else skipped
                elif isinstance(event, INCOMING):
                    probe.feed(event, time, replaying=True)
                elif isinstance(event, ExecutionCompleted) or (
                    isinstance(event, Scheduling) and event.task_id in scheduled
                ):
                    continue
                elif probe.decisions and is_same(probe.decisions[0][0], event):  # type: ignore[arg-type]
                    probe.decisions.popleft()
                    scheduled.add(getattr(event, "task_id", -1))
                elif skipped is None:
                    raise NonDeterminismError(
                        "the code does not fit the history that is to be rewound"
                    )
                else:
                    # its own decisions may have taken the numbers of history's from there on
                    return skipped if probe.decisions else place
    finally:
        probe.close()
    return rewind.cut


@dataclass(slots=True)
class _Numbered:
    """The events of a turn that count, by their numbers in the generation's history, and the
    number of the turn's last event."""

    kept: list[tuple[int, Event]]
    last: int


def _counting(
    turns: Sequence[Turn], rewinds: Sequence[_Rewind]
) -> Iterator[tuple[Turn, _Numbered]]:
    """What counts. A rewind itself comes where its cut is: new task ids begin there."""
    place = 0
    for turn in turns:
        kept: list[tuple[int, Event]] = []
        for event in turn.events:
            kept += [(place, r.event) for r in rewinds if r.event.cut == place]
            hidden = any(rewind.hides(place, event) for rewind in rewinds)
            if not hidden and not isinstance(event, ExecutionRewound):
                kept.append((place, event))
            place += 1
        yield turn, _Numbered(kept, place - 1)


def _rewinds(turns: Sequence[Turn]) -> list[_Rewind]:
    events = [event for turn in turns for event in turn.events]
    rewinds: list[_Rewind] = []
    for place, event in enumerate(events):
        if isinstance(event, ExecutionRewound):
            before = {e.task_id for e in events[: event.cut] if isinstance(e, Scheduling)}
            after = {e.task_id for e in events[event.cut : place] if isinstance(e, Scheduling)}
            rewinds.append(_Rewind(place, event, frozenset(after - before)))
    return rewinds


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that it came from."""
    waiting = [error] if error is not None else []
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [e for e in (current.__cause__, current.__context__) if e is not None]
