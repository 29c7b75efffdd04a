"""`durabletask.extensions.history_export` over the native export jobs: async clients, and twins
that block."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

from durable import exporting
from durable.compat.sync_client import TaskHubGrpcClient
from durable.compat.v2.history_export_files import file_of
from durable.compat.v2.history_export_models import (
    ENTITY_NAME,
    ORCHESTRATOR_NAME,
    ExportCheckpoint,
    ExportDestination,
    ExportFailure,
    ExportFilter,
    ExportFormat,
    ExportFormatKind,
    ExportJobConfiguration,
    ExportJobCreationOptions,
    ExportJobDescription,
    ExportJobInvalidTransitionError,
    ExportJobNotFoundError,
    ExportJobQuery,
    ExportJobStatus,
    ExportMode,
    HistoryWriter,
    orchestrator_instance_id_for,
)
from durable.compat.v2.values import OrchestrationStatus
from durable.errors import InstanceExistsError, InstanceNotFoundError, InvalidRequestError

_INSTANT = timedelta(microseconds=1)
_ATTEMPTS = 3


class WriterOfTheirs:
    """A writer that takes theirs' arguments and files, as a native one. The container goes before
    the job's prefix."""

    def __init__(self, writer: HistoryWriter) -> None:
        self._writer = writer

    def write(
        self, name: str, content: bytes, content_type: str, content_encoding: str | None
    ) -> None:
        """See `durable.exporting.HistoryWriter`."""
        container, _, rest = name.partition("/")
        folder, slash, _ = rest.rpartition("/")
        file = file_of(content, content_encoding)
        self._writer.write(
            instance_id=file.instance_id,
            container=container,
            blob_name=f"{folder}{slash}{file.name}",
            payload=file.payload,
            content_type=file.content_type,
            content_encoding=content_encoding,
            metadata={"instance_id": file.instance_id},
        )


def writer_face(writer: Any) -> exporting.HistoryWriter | None:
    """A native writer of one that is written against theirs; None for any other."""
    write = getattr(writer, "write", None)
    if write is None or "blob_name" not in inspect.signature(write).parameters:
        return None
    return WriterOfTheirs(writer)


class AsyncExportHistoryClient:
    """The export jobs of a hub. The writer that counts is the one that the app is configured
    with."""

    def __init__(self, durable_task_client: Any, writer: HistoryWriter | None = None) -> None:
        self._client = durable_task_client
        self._writer = writer
        self._exports = exporting.ExportClient(durable_task_client)

    @property
    def writer(self) -> HistoryWriter | None:
        """What it was made with."""
        return self._writer

    @property
    def underlying_client(self) -> Any:
        """What it was made with."""
        return self._client

    entity_name = ENTITY_NAME
    orchestrator_name = ORCHESTRATOR_NAME

    def register_worker(self, worker_instance: Any) -> None:
        """Not here: the app takes part with `app.configure_history_export(writer=…)`."""
        raise InvalidRequestError("call app.configure_history_export(writer=…) instead")

    async def create_job(
        self, options: ExportJobCreationOptions, *, job_id: str | None = None
    ) -> ExportJobDescription:
        """Create a job, or begin a finished one anew. Raises ValueError."""
        config = options.to_configuration()
        wanted, destination = config.filter, config.destination
        end = wanted.completed_time_to
        prefix = (destination.prefix or "").strip("/")
        statuses = [each for status in wanted.effective_runtime_status() for each in status.native]
        try:
            job = await self._exports.create(
                wanted.completed_time_from,
                end - _INSTANT if end is not None else None,
                mode="batch" if config.mode is ExportMode.BATCH else "continuous",
                runtime_status=statuses,
                format="json" if config.format.kind is ExportFormatKind.JSON else "jsonl.gz",
                prefix="/".join(filter(None, (destination.container, prefix))) + "/",
                page_size=config.max_instances_per_batch,
                max_parallel=min(config.max_parallel_exports, 100),
                job_id=job_id,
            )
        except InstanceExistsError as error:
            active = ExportJobStatus.ACTIVE.value
            raise ExportJobInvalidTransitionError(
                "create", active, active, job_id=job_id
            ) from error
        return _description(job)

    async def get_job(self, job_id: str) -> ExportJobDescription | None:
        """The job as it is now; None if there is none."""
        job = await self._exports.get(job_id)
        return None if job is None else _description(job)

    async def list_jobs(
        self, query: ExportJobQuery | None = None
    ) -> AsyncIterator[ExportJobDescription]:
        """Jobs that match."""
        query = query or ExportJobQuery()
        low, high = query.last_modified_from, query.last_modified_to
        async for native in self._exports.list():
            if (
                (low is None or native.modified_at >= low)
                and (high is None or native.modified_at <= high)
                and (not query.status or _status(native) in query.status)
            ):
                yield _description(native)

    async def wait_for_job(
        self, job_id: str, *, timeout: float = 300.0, poll_interval: float = 1.0
    ) -> ExportJobDescription:
        """Wait until it has ended. Raises TimeoutError and ExportJobNotFoundError."""
        if timeout <= 0 or poll_interval <= 0:
            raise ValueError("timeout and poll_interval must be positive")
        try:
            return _description(await self._exports.wait(job_id, timeout))
        except InstanceNotFoundError:
            raise ExportJobNotFoundError(job_id) from None

    async def delete_job(self, job_id: str) -> None:
        """End and remove it, if it is there; what was written stays."""
        if await self._exports.get(job_id) is not None:
            await self._exports.delete(job_id)

    cancel_job = delete_job

    def get_job_client(self, job_id: str) -> AsyncExportHistoryJobClient:
        """One job, which need not be there."""
        return AsyncExportHistoryJobClient(self, job_id)


class AsyncExportHistoryJobClient:
    """One job."""

    def __init__(self, parent: AsyncExportHistoryClient, job_id: str) -> None:
        self.orchestrator_instance_id = orchestrator_instance_id_for(job_id)
        self.job_id = job_id
        self._parent = parent

    async def describe(self) -> ExportJobDescription | None:
        """The job as it is now; None if there is none."""
        return await self._parent.get_job(self.job_id)

    async def wait(
        self, *, timeout: float = 300.0, poll_interval: float = 1.0
    ) -> ExportJobDescription:
        """Wait until it has ended. Raises TimeoutError and ExportJobNotFoundError."""
        return await self._parent.wait_for_job(
            self.job_id, timeout=timeout, poll_interval=poll_interval
        )

    async def delete(self) -> None:
        """End and remove it, if it is there."""
        await self._parent.delete_job(self.job_id)


class ExportHistoryClient:
    """As `AsyncExportHistoryClient`, its methods blocking."""

    entity_name = ENTITY_NAME
    orchestrator_name = ORCHESTRATOR_NAME

    def __init__(
        self, durable_task_client: TaskHubGrpcClient, writer: HistoryWriter | None = None
    ) -> None:
        self._client = durable_task_client
        self._jobs = AsyncExportHistoryClient(durable_task_client, writer)
        self.register_worker = self._jobs.register_worker

    @property
    def writer(self) -> HistoryWriter | None:
        """What it was made with."""
        return self._jobs.writer

    @property
    def underlying_client(self) -> TaskHubGrpcClient:
        """What it was made with."""
        return self._client

    def create_job(
        self, options: ExportJobCreationOptions, *, job_id: str | None = None
    ) -> ExportJobDescription:
        """Create a job, or begin a finished one anew. Raises ValueError."""
        job: ExportJobDescription = self._client._run(self._jobs.create_job(options, job_id=job_id))
        return job

    def get_job(self, job_id: str) -> ExportJobDescription | None:
        """The job as it is now; None if there is none."""
        job: ExportJobDescription | None = self._client._run(self._jobs.get_job(job_id))
        return job

    def list_jobs(self, query: ExportJobQuery | None = None) -> Iterator[ExportJobDescription]:
        """Jobs that match."""

        async def every() -> list[ExportJobDescription]:
            return [job async for job in self._jobs.list_jobs(query)]

        yield from self._client._run(every())

    def wait_for_job(
        self, job_id: str, *, timeout: float = 300.0, poll_interval: float = 1.0
    ) -> ExportJobDescription:
        """Wait until it has ended. Raises TimeoutError and ExportJobNotFoundError."""
        job: ExportJobDescription = self._client._run(
            self._jobs.wait_for_job(job_id, timeout=timeout, poll_interval=poll_interval)
        )
        return job

    def delete_job(self, job_id: str) -> None:
        """End and remove it, if it is there; what was written stays."""
        self._client._run(self._jobs.delete_job(job_id))

    cancel_job = delete_job

    def get_job_client(self, job_id: str) -> ExportHistoryJobClient:
        """One job, which need not be there."""
        return ExportHistoryJobClient(self, job_id)


class ExportHistoryJobClient:
    """As `AsyncExportHistoryJobClient`, its methods blocking."""

    def __init__(self, parent: ExportHistoryClient, job_id: str) -> None:
        self.orchestrator_instance_id = orchestrator_instance_id_for(job_id)
        self.job_id = job_id
        self._parent = parent

    def describe(self) -> ExportJobDescription | None:
        """The job as it is now; None if there is none."""
        return self._parent.get_job(self.job_id)

    def wait(self, *, timeout: float = 300.0, poll_interval: float = 1.0) -> ExportJobDescription:
        """Wait until it has ended. Raises TimeoutError and ExportJobNotFoundError."""
        return self._parent.wait_for_job(self.job_id, timeout=timeout, poll_interval=poll_interval)

    def delete(self) -> None:
        """End and remove it, if it is there."""
        self._parent.delete_job(self.job_id)


def _status(job: exporting.ExportDescription) -> ExportJobStatus:
    if job.status is exporting.ExportStatus.COMPLETED and job.progress.failed:
        return ExportJobStatus.FAILED
    return ExportJobStatus(job.status.value)


def _description(job: exporting.ExportDescription) -> ExportJobDescription:
    progress, checkpoint = job.progress, job.progress.checkpoint
    failures = [
        ExportFailure(each.instance_id, each.reason, _ATTEMPTS, job.modified_at)
        for each in progress.failures
    ]
    error = job.error
    if error is None and failures:
        reasons = "; ".join(f"{each.instance_id}: {each.reason}" for each in failures[:10])
        error = f"Batch export failed after retries. Failures: {reasons}"
    return ExportJobDescription(
        job.job_id,
        _status(job),
        job.created_at,
        job.modified_at,
        _configuration(job.request),
        job.instance_id,
        progress.scanned,
        progress.exported,
        progress.failed,
        error,
        ExportCheckpoint(_key(checkpoint)),
        checkpoint,
        failures,
    )


def _key(checkpoint: datetime | None) -> str | None:
    return checkpoint.isoformat() if checkpoint is not None else None


def _configuration(request: exporting.ExportRequest) -> ExportJobConfiguration:
    container, _, prefix = request.prefix.rstrip("/").partition("/")
    end = request.completed_to
    statuses = dict.fromkeys(map(OrchestrationStatus.of, request.runtime_status))
    return ExportJobConfiguration(
        ExportMode.BATCH if request.mode == "batch" else ExportMode.CONTINUOUS,
        ExportFilter(
            request.completed_from, end + _INSTANT if end is not None else None, list(statuses)
        ),
        ExportDestination(container or "-", prefix or None),
        ExportFormat(
            ExportFormatKind.JSON if request.format == "json" else ExportFormatKind.JSONL_GZIP
        ),
        request.page_size,
        request.max_parallel,
    )
