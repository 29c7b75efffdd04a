"""What a purge job is asked for, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from durable.model.instance import OrchestrationRuntimeStatus

PURGE = "durable_purge"
"""The orchestrator of purge jobs, and the entity that does a part of one at a time."""


@dataclass(frozen=True, slots=True)
class PurgeRequest:
    """Finished instances for which all that is given holds; times are inclusive, and no status
    means any. With `recurse` their sub-orchestrations go with them."""

    created_time_from: datetime | None = None
    created_time_to: datetime | None = None
    runtime_status: tuple[OrchestrationRuntimeStatus, ...] = ()
    completed_time_from: datetime | None = None
    completed_time_to: datetime | None = None
    name: str | None = None
    instance_id_prefix: str | None = None
    tags: dict[str, str] | None = None
    recurse: bool = False


@dataclass(frozen=True, slots=True)
class PurgeJob:
    """The input of the job, and what it hands on when its history begins anew."""

    request: PurgeRequest
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class PurgeProgress:
    """The job's custom status, and its output."""

    instances_deleted: int = 0
    is_complete: bool = False
