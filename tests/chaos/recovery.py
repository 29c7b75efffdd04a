"""How long what a killed worker was doing stood still.

An activity was in flight in a worker that was killed if its attempt had begun there and its
result was not committed yet. Its recovery is the time from the kill to the commit, both by the
service's clock, of that very result: the lease of the dead, the next poll, the run of the activity
and the turn are all in it.

Only kills count that no other fault overlaps for `ALONE` seconds: who takes over and is struck as
well would be measured twice. Which these are does not depend on how long anything took.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from durable.model.events import TaskCompleted, TaskFailed
from tests.chaos.cluster import Fault
from tests.chaos.stored import Stored

ALONE = 30.0

Task = tuple[str, str, int]
"""Instance, execution and task."""


def recoveries(stored: Stored, faults: Sequence[Fault]) -> dict[Task, float]:
    """Seconds, by the activity that was in flight."""
    committed = _committed(stored)
    kills = {fault.worker: fault.at for fault in faults if _is_alone(fault, faults)}
    found: dict[Task, float] = {}
    for attempt in stored.attempts:
        task = (attempt.instance_id, attempt.execution_id, attempt.task_id)
        killed = kills.get(attempt.worker)
        # a monitor's earlier generations are gone, and their commits with them
        if killed is not None and committed.get(task, 0.0) > killed:
            found[task] = committed[task] - killed
    return found


def percentile(values: Sequence[float], percent: float) -> float:
    """The least value that so many percent do not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _is_alone(kill: Fault, faults: Sequence[Fault]) -> bool:
    """Whether nothing else is struck, or stands still, until it should be over."""
    return kill.kind == "kill" and not any(
        other.at < kill.at + ALONE and other.until > kill.at
        for other in faults
        if other is not kill and (other.kind == "pause" or other.at > kill.at)
    )


def _committed(stored: Stored) -> dict[Task, float]:
    found = {}
    for instance_id, turns in stored.turns.items():
        for each in turns:
            turn = each.stored.turn
            for event in turn.events:
                if isinstance(event, TaskCompleted | TaskFailed):
                    found[instance_id, turn.execution_id, event.task_id] = each.at
    return found
