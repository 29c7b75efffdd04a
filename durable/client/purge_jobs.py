"""Starts the deletion of many instances as a job of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from durable.client.access import utc
from durable.client.filters import instance_filter
from durable.client.forking import Forking
from durable.client.purging import Purging
from durable.model.instance import OrchestrationRuntimeStatus
from durable.model.purge import PURGE, PurgeJob, PurgeRequest


class PurgeJobs(Forking, Purging):
    """See the module."""

    async def start_purge(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus] = (),
        *,
        completed_time_from: datetime | None = None,
        completed_time_to: datetime | None = None,
        name: str | None = None,
        instance_id_prefix: str | None = None,
        tags: Mapping[str, str] | None = None,
        recurse: bool = False,
        instance_id: str | None = None,
    ) -> str:
        """Have the workers delete all finished instances that match, as
        `purge_instance_history_by` does, and return the instance id of that job (`instance_id`,
        if it is given).

        The job is an orchestration: its custom status and its output have `instances_deleted`
        and `is_complete`, it goes on after a crash, and `terminate` ends it between two parts.
        It looks at what was created before it was started. Raises InvalidRequestError.
        """
        request = PurgeRequest(
            created_time_from=utc(created_time_from),
            created_time_to=utc(created_time_to) or self.now(),
            runtime_status=tuple(runtime_status),
            completed_time_from=utc(completed_time_from),
            completed_time_to=utc(completed_time_to),
            name=name,
            instance_id_prefix=instance_id_prefix,
            tags=dict(tags) if tags is not None else None,
            recurse=recurse,
        )
        # what it refuses is refused before anything is written
        instance_filter(
            created_time_from=request.created_time_from,
            created_time_to=request.created_time_to,
            completed_time_from=request.completed_time_from,
            completed_time_to=request.completed_time_to,
            runtime_status=request.runtime_status,
            name=name,
            instance_id_prefix=instance_id_prefix,
            tags=tags,
            ended=True,
        )
        return await self.start_new(PURGE, instance_id, PurgeJob(request), if_exists="error")
