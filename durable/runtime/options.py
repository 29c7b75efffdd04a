"""What a worker is told of how to work."""

from __future__ import annotations

from dataclasses import dataclass, field

from durable.model.filters import WorkItemFilters
from durable.model.retention import Retention
from durable.model.versioning import VersioningOptions


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How much a process takes on. Times are in seconds.

    `filters` says what of the app the worker takes, None for all of it, and `versioning` which
    versions of it. With `checkpoint_steps` over 1, so many steps may run before they are stored
    together, and run again after a crash. `cache` is how many instances' code is kept between
    their runs, `packed` how many calls of an activity share a message at most, and `spread` how
    many messages the calls of a turn make at least, so that several workers have some; with
    `packed` 1, each start has a message of its own too. With `direct`, a queued activity's
    result goes to the turn that follows at once, else through the inbox, and with `grouped` a turn
    takes all that has arrived, else what came first. With `replay_every_turn`, no orchestrator's
    code is kept: each turn replays its history first, as after a crash.
    `local_budget` bounds how long a run begun in passing (by an HTTP start, say) takes new
    activities on; `invocation_budget` does so for a queue trigger's. None means no bound.
    """

    max_activities: int = 20
    max_orchestrations: int = 20
    max_entities: int = 20
    max_processes: int = 4
    max_attempts: int = 10
    max_payload: int = 16 * 1024 * 1024
    always_queue: bool = False
    filters: WorkItemFilters | None = None
    versioning: VersioningOptions = field(default_factory=VersioningOptions)
    cache: int = 1000
    checkpoint_steps: int = 1
    packed: int = 50
    spread: int = 20
    direct: bool = True
    grouped: bool = True
    replay_every_turn: bool = False
    retention: Retention = field(default_factory=Retention)
    local_budget: float | None = None
    invocation_budget: float | None = None
