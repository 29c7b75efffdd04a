"""The values of `durabletask.extensions.history_export`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol, runtime_checkable

from durable.compat.v2.values import OrchestrationStatus

ENTITY_NAME = "ExportJobEntity"
ORCHESTRATOR_NAME = "export_job_orchestrator"

_TERMINAL = (
    OrchestrationStatus.COMPLETED,
    OrchestrationStatus.FAILED,
    OrchestrationStatus.TERMINATED,
)


def orchestrator_instance_id_for(job_id: str) -> str:
    """The instance id of a job's orchestration."""
    if not job_id:
        raise ValueError("job_id must be a non-empty string")
    return f"export-job-{job_id}"


@runtime_checkable
class HistoryWriter(Protocol):
    """Keeps one exported history; it is called in a thread."""

    def write(
        self,
        *,
        instance_id: str,
        container: str,
        blob_name: str,
        payload: bytes,
        content_type: str,
        content_encoding: str | None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """`blob_name` begins with the job's prefix; `content_encoding` is "gzip" or None."""
        ...


class ExportJobError(Exception):
    """Base of the errors here."""

    def __init__(self, message: str, *, job_id: str | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id


class ExportJobInvalidTransitionError(ExportJobError, ValueError):
    """An operation that does not fit the job's status."""

    def __init__(
        self,
        operation: str,
        from_status: str | None,
        to_status: str | None,
        *,
        job_id: str | None = None,
    ) -> None:
        super().__init__(
            f"Operation {operation!r} cannot transition export job {job_id!r} from "
            f"{from_status!r} to {to_status!r}",
            job_id=job_id,
        )
        self.operation = operation
        self.from_status = from_status
        self.to_status = to_status


class ExportJobNotFoundError(ExportJobError, LookupError):
    """There is no such job."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Export job {job_id!r} was not found", job_id=job_id)


class ExportMode(Enum):
    """Once, or whatever ends until the job is deleted."""

    BATCH = "Batch"
    CONTINUOUS = "Continuous"


class ExportFormatKind(Enum):
    """One JSON document, or gzipped lines of JSON."""

    JSON = "Json"
    JSONL_GZIP = "JsonlGzip"


class ExportJobStatus(Enum):
    """Whether a job runs. One that could not export some instances has FAILED."""

    ACTIVE = "Active"
    COMPLETED = "Completed"
    FAILED = "Failed"


@dataclass
class ExportFormat:
    """How histories are written."""

    kind: ExportFormatKind = ExportFormatKind.JSONL_GZIP
    schema_version: str = "1.0"


@dataclass
class ExportDestination:
    """Where to: what the writer is given."""

    container: str
    prefix: str | None = None

    def __post_init__(self) -> None:
        if not self.container:
            raise ValueError("destination.container must be a non-empty string")


@dataclass
class ExportFilter:
    """Which instances: `completed_time_to` is exclusive."""

    completed_time_from: datetime
    completed_time_to: datetime | None = None
    runtime_status: list[OrchestrationStatus] | None = None

    def effective_runtime_status(self) -> list[OrchestrationStatus]:
        """The statuses that are meant."""
        return list(_TERMINAL if self.runtime_status is None else self.runtime_status)


@dataclass
class ExportCheckpoint:
    """Where a job goes on: opaque."""

    last_instance_key: str | None = None


@dataclass
class ExportFailure:
    """An instance that could not be exported."""

    instance_id: str
    reason: str
    attempt_count: int
    last_attempt: datetime


@dataclass
class ExportJobConfiguration:
    """A job, checked."""

    mode: ExportMode
    filter: ExportFilter
    destination: ExportDestination
    format: ExportFormat = field(default_factory=ExportFormat)
    max_instances_per_batch: int = 100
    max_parallel_exports: int = 32

    def __post_init__(self) -> None:
        if not 1 <= self.max_instances_per_batch <= 1000:
            raise ValueError(
                f"max_instances_per_batch must be in [1, 1000]; got {self.max_instances_per_batch}"
            )
        if self.max_parallel_exports <= 0:
            raise ValueError("max_parallel_exports must be positive")
        begin, end = self.filter.completed_time_from, self.filter.completed_time_to
        if self.mode is ExportMode.BATCH and end is None:
            raise ValueError("completed_time_to is required for batch mode exports")
        if self.mode is ExportMode.CONTINUOUS and end is not None:
            raise ValueError("completed_time_to is not allowed for continuous mode exports")
        if end is not None and end <= begin:
            raise ValueError("completed_time_to must be strictly greater than completed_time_from")
        if any(status not in _TERMINAL for status in self.filter.runtime_status or ()):
            raise ValueError("runtime_status may only contain terminal statuses")


@dataclass
class ExportJobCreationOptions:
    """A job to be created."""

    mode: ExportMode
    completed_time_from: datetime
    destination: ExportDestination
    completed_time_to: datetime | None = None
    runtime_status: list[OrchestrationStatus] | None = None
    format: ExportFormat = field(default_factory=ExportFormat)
    max_instances_per_batch: int = 100
    max_parallel_exports: int = 32

    def to_configuration(self) -> ExportJobConfiguration:
        """The same, checked. Raises ValueError."""
        return ExportJobConfiguration(
            self.mode,
            ExportFilter(self.completed_time_from, self.completed_time_to, self.runtime_status),
            self.destination,
            self.format,
            self.max_instances_per_batch,
            self.max_parallel_exports,
        )


@dataclass
class ExportJobQuery:
    """Which jobs to list."""

    status: list[ExportJobStatus] | None = None
    last_modified_from: datetime | None = None
    last_modified_to: datetime | None = None
    page_size: int | None = None


@dataclass
class ExportJobDescription:
    """A job as it is now."""

    job_id: str
    status: ExportJobStatus
    created_at: datetime | None
    last_modified_at: datetime | None
    config: ExportJobConfiguration | None
    orchestrator_instance_id: str | None
    scanned_instances: int
    exported_instances: int
    failed_instances: int
    last_error: str | None
    checkpoint: ExportCheckpoint | None
    last_checkpoint_time: datetime | None
    failures: list[ExportFailure] = field(default_factory=list)
