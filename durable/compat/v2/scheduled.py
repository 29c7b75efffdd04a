"""`durabletask.scheduled` over the native schedules: async ones, and a twin that blocks."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from durable import scheduling
from durable.compat.sync_client import TaskHubGrpcClient
from durable.errors import ScheduleNotFoundError as NativeNotFound

T = TypeVar("T")


class ScheduleStatus(StrEnum):
    """Whether a schedule runs."""

    UNINITIALIZED = "Uninitialized"
    ACTIVE = "Active"
    PAUSED = "Paused"


class ScheduleError(Exception):
    """Base of the errors here."""


class ScheduleNotFoundError(ScheduleError):
    """There is no such schedule, or its end has come."""

    def __init__(self, schedule_id: str) -> None:
        self.schedule_id = schedule_id
        super().__init__(f"Schedule with ID '{schedule_id}' was not found.")


class ScheduleClientValidationError(ScheduleError):
    """A schedule operation that cannot be."""

    def __init__(self, schedule_id: str, message: str) -> None:
        self.schedule_id = schedule_id
        super().__init__(f"Validation failed for schedule '{schedule_id}': {message}")


class ScheduleInvalidTransitionError(ScheduleError):
    """An operation that does not fit the schedule's status."""

    def __init__(
        self, schedule_id: str, from_status: object, to_status: object, operation_name: str
    ) -> None:
        self.schedule_id = schedule_id
        self.from_status = from_status
        self.to_status = to_status
        self.operation_name = operation_name
        super().__init__(
            f"Invalid state transition for schedule '{schedule_id}': operation "
            f"'{operation_name}' cannot transition from '{from_status}' to '{to_status}'."
        )


def _check_interval(interval: timedelta) -> None:
    if interval <= timedelta(0):
        raise ValueError("Interval must be positive.")
    if interval < timedelta(seconds=1):
        raise ValueError("Interval must be at least 1 second.")


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


@dataclass
class ScheduleCreationOptions:
    """A schedule to be created."""

    schedule_id: str
    orchestration_name: str
    interval: timedelta
    orchestration_input: Any | None = None
    orchestration_instance_id: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    start_immediately_if_late: bool = False

    def __post_init__(self) -> None:
        if not self.schedule_id:
            raise ValueError("schedule_id cannot be empty.")
        if not self.orchestration_name:
            raise ValueError("orchestration_name cannot be empty.")
        _check_interval(self.interval)


@dataclass
class ScheduleUpdateOptions:
    """What is to be changed of a schedule: all that is not None."""

    orchestration_name: str | None = None
    orchestration_input: Any | None = None
    orchestration_instance_id: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    interval: timedelta | None = None
    start_immediately_if_late: bool | None = None

    def __post_init__(self) -> None:
        if self.interval is not None:
            _check_interval(self.interval)


@dataclass
class ScheduleQuery:
    """Which schedules to list; the bounds of time are exclusive."""

    DEFAULT_PAGE_SIZE: ClassVar[int] = 100

    status: ScheduleStatus | None = None
    schedule_id_prefix: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    page_size: int | None = None

    def __post_init__(self) -> None:
        self.created_from, self.created_to = _aware(self.created_from), _aware(self.created_to)


@dataclass
class ScheduleDescription:
    """A schedule as it is now."""

    schedule_id: str
    orchestration_name: str | None = None
    orchestration_input: Any | None = None
    orchestration_instance_id: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    interval: timedelta | None = None
    start_immediately_if_late: bool | None = None
    status: ScheduleStatus = ScheduleStatus.UNINITIALIZED
    execution_token: str = ""
    last_run_at: datetime | None = None
    next_run_at: datetime | None = None


_NATIVE = {
    "orchestration_name": "orchestrator",
    "orchestration_input": "input",
    "orchestration_instance_id": "instance_id",
}


class AsyncScheduleClient:
    """One schedule."""

    def __init__(self, client: Any, schedule_id: str, *, operation_timeout: float = 60) -> None:
        if not schedule_id:
            raise ValueError("schedule_id cannot be empty.")
        self._schedule_id = schedule_id
        self._schedules = scheduling.ScheduleClient(client, timeout=operation_timeout)

    @property
    def schedule_id(self) -> str:
        """Its id."""
        return self._schedule_id

    async def create(self, options: ScheduleCreationOptions) -> None:
        """Create it, or put these options in the place of its own."""
        await _done(
            "create_schedule",
            self._schedule_id,
            self._schedules.create(
                self._schedule_id,
                options.orchestration_name,
                options.orchestration_input,
                if_exists="replace",
                interval=options.interval,
                instance_id=options.orchestration_instance_id,
                start_at=options.start_at,
                end_at=options.end_at,
                start_immediately_if_late=options.start_immediately_if_late,
            ),
        )

    async def update(self, options: ScheduleUpdateOptions) -> None:
        """Change what the options have."""
        given = {name: value for name, value in vars(options).items() if value is not None}
        changes: Any = {_NATIVE.get(name, name): value for name, value in given.items()}
        await _done(
            "update_schedule",
            self._schedule_id,
            self._schedules.update(self._schedule_id, **changes),
        )

    async def pause(self) -> None:
        """Start nothing until `resume`."""
        await self._switch("pause_schedule", ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED)

    async def resume(self) -> None:
        """Go on."""
        await self._switch("resume_schedule", ScheduleStatus.PAUSED, ScheduleStatus.ACTIVE)

    async def delete(self) -> None:
        """Remove it, if it is there."""
        if await self._schedules.get(self._schedule_id) is not None:
            await _done("delete", self._schedule_id, self._schedules.delete(self._schedule_id))

    async def describe(self) -> ScheduleDescription:
        """The schedule as it is now. Raises ScheduleNotFoundError."""
        found = await self._schedules.get(self._schedule_id)
        if found is None or not _is_there(found):
            raise ScheduleNotFoundError(self._schedule_id)
        return _description(found)

    async def _switch(self, operation: str, before: ScheduleStatus, after: ScheduleStatus) -> None:
        found = await self._schedules.get(self._schedule_id)
        status = _status(found) if found is not None else ScheduleStatus.UNINITIALIZED
        if status is not before:
            error = ScheduleInvalidTransitionError(self._schedule_id, status, after, operation)
            raise _failed(operation, self._schedule_id, error)
        change = self._schedules.pause if after is ScheduleStatus.PAUSED else self._schedules.resume
        await _done(operation, self._schedule_id, change(self._schedule_id))


class AsyncScheduledTaskClient:
    """The schedules of a hub."""

    def __init__(self, client: Any, *, operation_timeout: float = 60) -> None:
        self._client = client
        self._operation_timeout = operation_timeout

    def get_schedule_client(self, schedule_id: str) -> AsyncScheduleClient:
        """One schedule, which need not be there."""
        return AsyncScheduleClient(
            self._client, schedule_id, operation_timeout=self._operation_timeout
        )

    async def create_schedule(self, options: ScheduleCreationOptions) -> AsyncScheduleClient:
        """Create a schedule, or replace the one of that id."""
        schedule = self.get_schedule_client(options.schedule_id)
        await schedule.create(options)
        return schedule

    async def get_schedule(self, schedule_id: str) -> ScheduleDescription | None:
        """The schedule as it is now; None if there is none."""
        try:
            return await self.get_schedule_client(schedule_id).describe()
        except ScheduleNotFoundError:
            return None

    async def list_schedules(
        self, schedule_query: ScheduleQuery | None = None
    ) -> list[ScheduleDescription]:
        """All schedules that match."""
        query = schedule_query or ScheduleQuery()
        schedules = scheduling.ScheduleClient(self._client)
        return [
            _description(found)
            async for found in schedules.list(prefix=query.schedule_id_prefix or "")
            if _is_there(found)
            and (query.status is None or _status(found) is query.status)
            and (query.created_from is None or found.created_at > query.created_from)
            and (query.created_to is None or found.created_at < query.created_to)
        ]


class ScheduleClient:
    """As `AsyncScheduleClient`, its methods blocking."""

    def __init__(
        self, client: TaskHubGrpcClient, schedule_id: str, *, operation_timeout: float = 60
    ) -> None:
        self._client = client
        self._schedule = AsyncScheduleClient(
            client, schedule_id, operation_timeout=operation_timeout
        )

    @property
    def schedule_id(self) -> str:
        """Its id."""
        return self._schedule.schedule_id

    def create(self, options: ScheduleCreationOptions) -> None:
        """Create it, or put these options in the place of its own."""
        self._client._run(self._schedule.create(options))

    def update(self, options: ScheduleUpdateOptions) -> None:
        """Change what the options have."""
        self._client._run(self._schedule.update(options))

    def pause(self) -> None:
        """Start nothing until `resume`."""
        self._client._run(self._schedule.pause())

    def resume(self) -> None:
        """Go on."""
        self._client._run(self._schedule.resume())

    def delete(self) -> None:
        """Remove it, if it is there."""
        self._client._run(self._schedule.delete())

    def describe(self) -> ScheduleDescription:
        """The schedule as it is now. Raises ScheduleNotFoundError."""
        found: ScheduleDescription = self._client._run(self._schedule.describe())
        return found


class ScheduledTaskClient:
    """As `AsyncScheduledTaskClient`, its methods blocking."""

    def __init__(self, client: TaskHubGrpcClient, *, operation_timeout: float = 60) -> None:
        self._client = client
        self._operation_timeout = operation_timeout
        self._schedules = AsyncScheduledTaskClient(client, operation_timeout=operation_timeout)

    def get_schedule_client(self, schedule_id: str) -> ScheduleClient:
        """One schedule, which need not be there."""
        return ScheduleClient(self._client, schedule_id, operation_timeout=self._operation_timeout)

    def create_schedule(self, options: ScheduleCreationOptions) -> ScheduleClient:
        """Create a schedule, or replace the one of that id."""
        self._client._run(self._schedules.create_schedule(options))
        return self.get_schedule_client(options.schedule_id)

    def get_schedule(self, schedule_id: str) -> ScheduleDescription | None:
        """The schedule as it is now; None if there is none."""
        found: ScheduleDescription | None = self._client._run(
            self._schedules.get_schedule(schedule_id)
        )
        return found

    def list_schedules(
        self, schedule_query: ScheduleQuery | None = None
    ) -> list[ScheduleDescription]:
        """All schedules that match."""
        found: list[ScheduleDescription] = self._client._run(
            self._schedules.list_schedules(schedule_query)
        )
        return found


async def _done(operation: str, schedule_id: str, work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except (NativeNotFound, ValueError) as error:
        raise _failed(operation, schedule_id, error) from error


def _failed(operation: str, schedule_id: str, error: Exception) -> RuntimeError:
    return RuntimeError(f"Failed to '{operation}' schedule '{schedule_id}': {error}")


def _is_there(found: scheduling.ScheduleDescription) -> bool:
    # theirs are deleted when their end has come
    return found.status is not scheduling.ScheduleStatus.COMPLETED


def _status(found: scheduling.ScheduleDescription) -> ScheduleStatus:
    return ScheduleStatus(found.status) if _is_there(found) else ScheduleStatus.UNINITIALIZED


def _description(found: scheduling.ScheduleDescription) -> ScheduleDescription:
    spec = found.spec
    return ScheduleDescription(
        found.schedule_id,
        str(spec.orchestrator),
        spec.input,
        spec.instance_id,
        spec.start_at,
        spec.end_at,
        spec.interval,
        spec.start_immediately_if_late,
        _status(found),
        found.token,
        found.last_run_at,
        found.next_run_at,
    )
