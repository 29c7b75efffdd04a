"""Creates and shows export jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from durable.client.builtin import native
from durable.codec import decode
from durable.errors import InstanceFinishedError, InstanceNotFoundError, InvalidRequestError
from durable.exporting.formats import Format
from durable.exporting.spec import (
    EXPORT,
    INSTANCE_PREFIX,
    ExportDescription,
    ExportProgress,
    ExportRequest,
    ExportState,
    ExportStatus,
    Mode,
)
from durable.model.instance import InstanceStatus, OrchestrationRuntimeStatus

_MINUTE = timedelta(minutes=1)


class ExportClient:
    """The export jobs of a hub, through a durable client of it. An app has them after
    `app.configure_history_export(writer=…)`."""

    def __init__(self, client: Any) -> None:
        self._client = native(client)

    async def create(
        self,
        completed_from: datetime,
        completed_to: datetime | None = None,
        *,
        mode: Mode = "batch",
        runtime_status: Collection[OrchestrationRuntimeStatus] = (),
        name: str | None = None,
        instance_id_prefix: str = "",
        format: Format = "jsonl.gz",
        prefix: str = "",
        page_size: int = 100,
        max_parallel: int = 16,
        poll_interval: timedelta = _MINUTE,
        job_id: str | None = None,
    ) -> ExportDescription:
        """Have the histories of instances written that ended in that time; see `ExportRequest`.

        A finished job of the same id is replaced. Raises InvalidRequestError, and
        InstanceExistsError for a job that still runs.
        """
        request = ExportRequest(
            completed_from,
            completed_to,
            mode,
            tuple(runtime_status),
            name,
            instance_id_prefix,
            format,
            prefix,
            page_size,
            max_parallel,
            poll_interval,
        )
        request.check()
        job_id = self._client.new_id() if job_id is None else job_id
        instance_id = _instance_id(job_id)
        await self._client.start_new(EXPORT, instance_id, ExportState(request))
        return await self._found(job_id)

    async def get(self, job_id: str) -> ExportDescription | None:
        """The job as it is now; None if there is none."""
        status = await self._client.get_status(_instance_id(job_id))
        return None if status is None or status.name != EXPORT else _describe(status)

    async def list(self, *, status: ExportStatus | None = None) -> AsyncIterator[ExportDescription]:
        """Jobs, newest first."""
        async for each in self._client.list_instances(
            name=EXPORT, instance_id_prefix=INSTANCE_PREFIX
        ):
            job = _describe(each)
            if status is None or job.status is status:
                yield job

    async def wait(
        self, job_id: str, timeout: timedelta | float | None = None
    ) -> ExportDescription:
        """Wait until the job has ended. Raises TimeoutError after `timeout` (seconds or a
        timedelta), and InstanceNotFoundError."""
        await self._client.wait_for_completion(_instance_id(job_id), timeout)
        return await self._found(job_id)

    async def delete(self, job_id: str, timeout: timedelta | float = _MINUTE) -> None:
        """End and remove a job; what it has written stays. Raises InstanceNotFoundError, and
        TimeoutError where no worker ends it in time."""
        instance_id = _instance_id(job_id)
        await self._found(job_id)
        with suppress(InstanceFinishedError):
            await self._client.terminate(instance_id, "the export job was deleted")
        await self._client.wait_for_completion(instance_id, timeout)
        await self._client.purge_instance_history(instance_id)

    async def _found(self, job_id: str) -> ExportDescription:
        job = await self.get(job_id)
        if job is None:
            raise InstanceNotFoundError(f"there is no export job {job_id!r}")
        return job


def _instance_id(job_id: str) -> str:
    if not isinstance(job_id, str) or not job_id:
        raise InvalidRequestError("an export job's id is a text that is not empty")
    return f"{INSTANCE_PREFIX}{job_id}"


def _describe(status: InstanceStatus) -> ExportDescription:
    state: ExportState = decode(status.input, ExportState)
    shown: ExportProgress | None = decode(status.custom_status, ExportProgress)
    error: str | None = None
    where = ExportStatus.ACTIVE
    if status.runtime_status is OrchestrationRuntimeStatus.COMPLETED:
        where = ExportStatus.COMPLETED
    elif status.runtime_status.is_terminal:
        where = ExportStatus.FAILED
        error = status.failure.message if status.failure else str(status.runtime_status)
    return ExportDescription(
        status.instance_id.removeprefix(INSTANCE_PREFIX),
        status.instance_id,
        state.request,
        shown or state.progress,
        where,
        status.created_time,
        status.last_updated_time,
        error,
    )
