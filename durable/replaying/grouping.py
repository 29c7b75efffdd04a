"""Events back into turns, where only their order and times were kept.

A turn is what came in and then what the code decided. Between two turns the code has nothing
more to say, which replay checks, unless the first is `open`; where that cannot be told any more
a turn counts as open, so that no history is refused for what was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from durable.model.events import INCOMING, ContinueAsNew, Event, ExecutionCompleted, Turn

TimedEvent = tuple[datetime, Event]


def turns_of(events: Sequence[TimedEvent], execution_id: str) -> tuple[Turn, ...]:
    """The turns of one generation; its events are in order, with the times of their turns."""
    groups = _groups(events)
    turns = []
    for number, group in enumerate(groups):
        time, kept = group[0][0], tuple(event for _, event in group)
        turn = Turn(number, time, execution_id, kept, open=_is_open(groups, number))
        turns.append(turn)
    return tuple(turns)


def _groups(events: Sequence[TimedEvent]) -> list[list[TimedEvent]]:
    groups: list[list[TimedEvent]] = []
    for time, event in events:
        last = groups[-1][-1] if groups else None
        # what comes in after a decision begins a turn, and a turn has one time
        begins = last is None or time != last[0]
        if begins or (isinstance(event, INCOMING) and last and not isinstance(last[1], INCOMING)):
            groups.append([])
        groups[-1].append((time, event))
    return groups


def _is_open(groups: Sequence[Sequence[TimedEvent]], number: int) -> bool:
    later = [event for group in groups[number + 1 :] for _, event in group]
    decided = [event for event in later if not isinstance(event, INCOMING)]
    only_ends = all(isinstance(event, ContinueAsNew | ExecutionCompleted) for event in decided)
    if any(not isinstance(event, INCOMING) for _, event in groups[number]):
        # the end, and what was asked for before it, may have been put off while more was waiting
        return bool(decided) and only_ends
    if number == 0:
        # a new generation begins in the turn that ended the one before
        return True
    if not later:
        return False
    return not isinstance(later[0], INCOMING) or only_ends
