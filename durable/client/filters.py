"""The filters that lists, counts and purges take."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TypedDict

from durable.client.access import utc
from durable.errors import InvalidRequestError
from durable.hub.filters import InstanceFilter
from durable.model.instance import OrchestrationRuntimeStatus
from durable.model.tags import check_tags

ENDED = frozenset(status for status in OrchestrationRuntimeStatus if status.is_terminal)


class Filters(TypedDict, total=False):
    """All that are given must hold; None is as good as left out. A naive time is taken as UTC,
    and both ends of a time span are in it."""

    created_time_from: datetime | None
    created_time_to: datetime | None
    completed_time_from: datetime | None
    """With either of these two, only instances that have ended match."""
    completed_time_to: datetime | None
    runtime_status: Collection[OrchestrationRuntimeStatus] | None
    """In one of these states; none means any."""
    name: str | None
    """The orchestrator's."""
    instance_id_prefix: str | None
    tags: Mapping[str, str] | None
    """With all of these tags, maybe among others."""


def instance_filter(
    *,
    created_time_from: datetime | None = None,
    created_time_to: datetime | None = None,
    completed_time_from: datetime | None = None,
    completed_time_to: datetime | None = None,
    runtime_status: Collection[OrchestrationRuntimeStatus] | None = None,
    name: str | None = None,
    instance_id_prefix: str | None = None,
    tags: Mapping[str, str] | None = None,
    ended: bool = False,
) -> InstanceFilter:
    """What is to be looked for; with `ended` only among instances that have. Raises
    InvalidRequestError for tags and states that there cannot be."""
    try:
        statuses = frozenset(map(OrchestrationRuntimeStatus, runtime_status or ())) or None
    except ValueError as error:
        raise InvalidRequestError(f"runtime_status: {error}") from error
    if ended or completed_time_from is not None or completed_time_to is not None:
        statuses = ENDED if statuses is None else statuses & ENDED
    return InstanceFilter(
        created_from=utc(created_time_from),
        created_to=utc(created_time_to),
        updated_from=utc(completed_time_from),
        updated_to=utc(completed_time_to),
        statuses=statuses,
        name=name,
        prefix=instance_id_prefix or "",
        tags=check_tags(tags),
    )
