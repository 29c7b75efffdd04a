"""What a schedule is: what users say, what is stored, and what they are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, TypedDict, get_args

from durable.engine.entity_calls import as_utc
from durable.errors import InvalidRequestError
from durable.model.crontab import Crontab
from durable.model.instance import check_instance_id
from durable.scheduling.recurrence import SHORTEST, Recurrence, time_zone

ENTITY = "durable_schedule"
MOST_AT_ONCE = 1000

CatchUp = Literal["skip", "once", "all"]
"""What becomes of planned times that were missed, by a minute or more, while no worker ran: none
of them runs, the last one does, or all do (the latest `catch_up_limit`)."""

Overlap = Literal["allow", "skip"]
"""What becomes of a planned time at which the run before has not ended: it runs beside it, or
not at all."""


class ScheduleStatus(StrEnum):
    """Whether a schedule runs."""

    ACTIVE = "Active"
    PAUSED = "Paused"
    COMPLETED = "Completed"
    """Its last planned time is over."""


class ScheduleOptions(TypedDict, total=False):
    """When a schedule runs, and how; see `ScheduleSpec`."""

    cron: str | None
    interval: timedelta | None
    time_zone: str
    start_at: datetime | None
    end_at: datetime | None
    start_immediately_if_late: bool
    catch_up: CatchUp
    catch_up_limit: int
    overlap: Overlap
    instance_id: str | None
    version: str | None


class ScheduleChanges(ScheduleOptions, total=False):
    """What may be changed of a schedule."""

    orchestrator: str | Callable[..., Any]
    input: Any


TIMING = ("cron", "interval", "time_zone", "start_at", "start_immediately_if_late")
"""Changes after which the next time is worked out anew."""


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """A schedule as it was asked for; naive times are taken as UTC."""

    orchestrator: str
    input: Any = None
    cron: str | None = None
    """Five fields (minute hour day month weekday), or six with seconds before them, all of which
    have to fit."""
    interval: timedelta | None = None
    """Instead of `cron`: a second or more, counted from `start_at`, else from the creation."""
    time_zone: str = "UTC"
    """An IANA name, which `cron` goes by."""
    start_at: datetime | None = None
    end_at: datetime | None = None
    """The last moment that a run may be planned for."""
    start_immediately_if_late: bool = False
    """Whether the first run is at once, unless `start_at` is still to come."""
    catch_up: CatchUp = "once"
    catch_up_limit: int = 100
    overlap: Overlap = "allow"
    instance_id: str | None = None
    """The instance id of every run; by default the schedule's id and the planned time."""
    version: str | None = None
    """The version that runs are started with."""

    def __post_init__(self) -> None:
        for name in ("start_at", "end_at"):
            object.__setattr__(self, name, as_utc(getattr(self, name)))

    def check(self) -> None:
        """Raises InvalidRequestError for what cannot be a schedule."""
        if not isinstance(self.orchestrator, str) or not self.orchestrator:
            raise InvalidRequestError("a schedule names the orchestrator that it starts")
        if self.start_at and self.end_at and self.end_at < self.start_at:
            raise InvalidRequestError(f"end_at {self.end_at} is before start_at {self.start_at}")
        for name, kind in (("catch_up", CatchUp), ("overlap", Overlap)):
            if getattr(self, name) not in get_args(kind):
                words = ", ".join(map(repr, get_args(kind)))
                raise InvalidRequestError(f"{name} is one of {words}, not {getattr(self, name)!r}")
        if not 1 <= self.catch_up_limit <= MOST_AT_ONCE:
            raise InvalidRequestError(f"catch_up_limit is between 1 and {MOST_AT_ONCE:,}")
        if self.instance_id is not None:
            check_instance_id(self.instance_id)
        self._pattern()

    def _pattern(self) -> Crontab | timedelta:
        if (self.cron is None) == (self.interval is None):
            raise InvalidRequestError("a schedule has either a cron expression or an interval")
        zone = time_zone(self.time_zone)
        if self.interval is not None:
            if not isinstance(self.interval, timedelta) or self.interval < SHORTEST:
                raise InvalidRequestError(
                    f"the interval is a timedelta of at least one second, not {self.interval!r}"
                )
            return self.interval
        assert self.cron is not None
        try:
            return Crontab(self.cron, zone)
        except ValueError as error:
            raise InvalidRequestError(f"cron expression {self.cron!r}: {error}") from None

    def recurrence(self, created: datetime) -> Recurrence:
        """Its planned times, for a schedule that was created then."""
        return Recurrence(self._pattern(), self.start_at or created, self.end_at)


@dataclass(slots=True)
class ScheduleState:
    """What the entity stores."""

    spec: ScheduleSpec
    token: str
    """Which plan is the one in force: a signal with another one is ignored."""
    created_at: datetime
    modified_at: datetime
    done_until: datetime
    """All that was planned up to then is dealt with."""
    status: ScheduleStatus = ScheduleStatus.ACTIVE
    next_run_at: datetime | None = None
    last_run_at: datetime | None = None
    last_instance_id: str | None = None
    last_started_at: datetime | None = None
    runs: int = 0
    trouble: str | None = None
    answers: dict[str, str] = field(default_factory=dict)
    """What became of the latest requests, by their ids: "" where they were carried out."""


@dataclass(frozen=True, slots=True)
class ScheduleDescription:
    """A schedule as it is now; times are the storage service's, in UTC."""

    schedule_id: str
    spec: ScheduleSpec
    status: ScheduleStatus
    created_at: datetime
    modified_at: datetime
    next_run_at: datetime | None
    last_run_at: datetime | None
    """The time that the latest run was planned for."""
    last_instance_id: str | None
    runs: int
    """How many runs were started."""
    token: str
    """Changes with each change of the schedule."""
    trouble: str | None = None
    """Why runs are not started at the moment, if they are not; it is tried again each minute."""


def describe(schedule_id: str, state: ScheduleState) -> ScheduleDescription:
    """What users are shown of a state."""
    return ScheduleDescription(
        schedule_id,
        state.spec,
        state.status,
        state.created_at,
        state.modified_at,
        state.next_run_at,
        state.last_run_at,
        state.last_instance_id,
        state.runs,
        state.token,
        state.trouble,
    )
