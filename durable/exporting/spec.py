"""What an export job is: what users say, how far it is, and what they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, get_args

from durable.engine.entity_calls import as_utc
from durable.errors import InvalidRequestError
from durable.exporting.formats import Format
from durable.model.instance import OrchestrationRuntimeStatus

EXPORT = "durable_export"
"""The orchestrator of export jobs, and the activity that exports a page of instances."""

INSTANCE_PREFIX = "export-job-"
FAILURES = 20
"""Failed instances that a job remembers by name."""

Mode = Literal["batch", "continuous"]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Which instances are exported, and how. Times are inclusive; naive ones are taken as UTC."""

    completed_from: datetime
    completed_to: datetime | None = None
    """When an instance ended at the latest; a batch needs it, a continuous job has none."""
    mode: Mode = "batch"
    """All that has ended by then, once; or whatever ends, until the job is deleted."""
    runtime_status: tuple[OrchestrationRuntimeStatus, ...] = ()
    """Of those that are terminal; none means all of them."""
    name: str | None = None
    instance_id_prefix: str = ""
    format: Format = "jsonl.gz"
    prefix: str = ""
    """What file names begin with, such as `january/`."""
    page_size: int = 100
    """Instances that one activity exports."""
    max_parallel: int = 16
    """Instances that it exports at once."""
    poll_interval: timedelta = timedelta(minutes=1)
    """How often a continuous job looks for more: each look goes through the whole list of
    instances."""

    def __post_init__(self) -> None:
        for field in ("completed_from", "completed_to"):
            object.__setattr__(self, field, as_utc(getattr(self, field)))

    def check(self) -> None:
        """Raises InvalidRequestError for what cannot be exported."""
        if not isinstance(self.completed_from, datetime):
            raise InvalidRequestError("an export needs completed_from, a datetime")
        for what, given, known in (("mode", self.mode, Mode), ("format", self.format, Format)):
            if given not in get_args(known):
                words = " or ".join(map(repr, get_args(known)))
                raise InvalidRequestError(f"{what} is {words}, not {given!r}")
        if (self.mode == "batch") != (self.completed_to is not None):
            raise InvalidRequestError("a batch needs completed_to, a continuous job has none")
        if self.completed_to is not None and self.completed_to < self.completed_from:
            raise InvalidRequestError("completed_to is before completed_from")
        for status in self.runtime_status:
            if status not in tuple(OrchestrationRuntimeStatus) or not status.is_terminal:
                raise InvalidRequestError(f"{status!r} is no status of an instance that has ended")
        if not 1 <= self.page_size <= 1000:
            raise InvalidRequestError("page_size is between 1 and 1,000")
        if not 1 <= self.max_parallel <= 100:
            raise InvalidRequestError("max_parallel is between 1 and 100")
        if self.poll_interval < timedelta(seconds=1):
            raise InvalidRequestError("poll_interval is a second at least")
        if self.prefix.startswith("/") or ".." in self.prefix.split("/") or "\\" in self.prefix:
            raise InvalidRequestError(f"prefix {self.prefix!r} is no relative path with '/'")


@dataclass(frozen=True, slots=True)
class ExportFailure:
    """An instance that could not be exported, and why."""

    instance_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """How far a job is: its custom status, and its output."""

    scanned: int = 0
    exported: int = 0
    failed: int = 0
    failures: tuple[ExportFailure, ...] = ()
    """The latest failed instances."""
    checkpoint: datetime | None = None
    """All that ended up to then was looked at."""


@dataclass(frozen=True, slots=True)
class ExportState:
    """The job's input, and what it hands on when its history begins anew: where it goes on."""

    request: ExportRequest
    progress: ExportProgress = ExportProgress()
    until: datetime | None = None
    """The end of the time span that it is in; None between two."""
    token: str | None = None


class ExportStatus(StrEnum):
    """Whether a job still runs."""

    ACTIVE = "Active"
    COMPLETED = "Completed"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class ExportDescription:
    """A job as it is now; times are the storage service's."""

    job_id: str
    instance_id: str
    """Of the orchestration that carries it out."""
    request: ExportRequest
    progress: ExportProgress
    status: ExportStatus
    created_at: datetime
    modified_at: datetime
    error: str | None = None
