"""The values of `durabletask.client`: states, queries, results."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Generic, TypeVar

from durable.codec import decode
from durable.compat.reading import wish
from durable.compat.v2.entities import EntityInstanceId
from durable.errors import DurableError
from durable.model.failure import FailureDetails
from durable.model.instance import InstanceStatus, OrchestrationRuntimeStatus

T = TypeVar("T")

UNLIMITED = (1 << 31) - 1


class OrchestrationStatus(Enum):
    """The states of an instance, numbered as in durabletask's protocol."""

    RUNNING = 0
    COMPLETED = 1
    CONTINUED_AS_NEW = 2
    FAILED = 3
    TERMINATED = 5
    PENDING = 6
    SUSPENDED = 7

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of(cls, status: OrchestrationRuntimeStatus) -> OrchestrationStatus:
        """Of a native one: Stuck is RUNNING, which it will be again."""
        if status.name == "STUCK":
            return cls.RUNNING
        return cls.TERMINATED if status.name == "CANCELED" else cls[status.name]

    @property
    def native(self) -> tuple[OrchestrationRuntimeStatus, ...]:
        """The native ones that it stands for."""
        return tuple(each for each in OrchestrationRuntimeStatus if self.of(each) is self)


class OrchestrationFailedError(DurableError):
    """An instance that was waited for has failed."""

    def __init__(self, message: str, failure_details: FailureDetails) -> None:
        super().__init__(message)
        self.failure_details = failure_details


@dataclass
class OrchestrationState:
    """A snapshot of an instance; payloads are JSON texts, times UTC and naive, as durabletask has
    them."""

    instance_id: str
    name: str
    runtime_status: OrchestrationStatus
    created_at: datetime
    last_updated_at: datetime
    serialized_input: str | None
    serialized_output: str | None
    serialized_custom_status: str | None
    failure_details: FailureDetails | None
    tags: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: InstanceStatus, *, payloads: bool = True) -> OrchestrationState:
        """Of a native one, without payloads if they are not asked for."""
        return cls(
            status.instance_id,
            status.name,
            OrchestrationStatus.of(status.runtime_status),
            _naive(status.created_time),
            _naive(status.last_updated_time),
            status.input if payloads else None,
            status.output if payloads else None,
            status.custom_status if payloads else None,
            status.failure,
            dict(status.tags),
        )

    def get_input(self, expected_type: Any = None) -> Any:
        """The input, as plain JSON or, where it fits, as `expected_type`."""
        return decode(self.serialized_input, wish(expected_type))

    def get_output(self, expected_type: Any = None) -> Any:
        """The output, as plain JSON or, where it fits, as `expected_type`."""
        return decode(self.serialized_output, wish(expected_type))

    def get_custom_status(self, expected_type: Any = None) -> Any:
        """The custom status, as plain JSON or, where it fits, as `expected_type`."""
        return decode(self.serialized_custom_status, wish(expected_type))

    def raise_if_failed(self) -> None:
        """OrchestrationFailedError if the instance has failed."""
        if self.failure_details is not None:
            raise OrchestrationFailedError(
                f"Orchestration '{self.instance_id}' failed: {self.failure_details.message}",
                self.failure_details,
            )


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


@dataclass
class OrchestrationQuery:
    """Which instances to list."""

    created_time_from: datetime | None = None
    created_time_to: datetime | None = None
    runtime_status: list[OrchestrationStatus] | None = None
    max_instance_count: int | None = UNLIMITED
    fetch_inputs_and_outputs: bool = False
    instance_id_prefix: str | None = None


@dataclass
class EntityQuery:
    """Which entities to list."""

    instance_id_starts_with: str | None = None
    last_modified_from: datetime | None = None
    last_modified_to: datetime | None = None
    include_state: bool = True
    include_transient: bool = False
    page_size: int | None = None


@dataclass
class PurgeInstancesResult:
    """How many instances were deleted, and whether that is all that matched."""

    deleted_instance_count: int
    is_complete: bool | None


@dataclass
class Page(Generic[T]):
    """Some items, and where to go on."""

    items: list[T]
    continuation_token: str | None


@dataclass
class CleanEntityStorageResult:
    """What `clean_entity_storage` did."""

    empty_entities_removed: int
    orphaned_locks_released: int


class EntityMetadata:
    """An entity from outside."""

    def __init__(
        self,
        id: EntityInstanceId,
        last_modified: datetime,
        backlog_queue_size: int,
        locked_by: str | None,
        includes_state: bool,
        state: str | None,
    ) -> None:
        self.id, self.last_modified, self.includes_state = id, last_modified, includes_state
        self.backlog_queue_size = backlog_queue_size
        self.locked_by = locked_by
        self._state = state

    def get_state(self, intended_type: Any = None) -> Any:
        """The state's JSON text, passed to `intended_type` if there is one."""
        if intended_type is None or self._state is None or intended_type is str:
            return self._state
        try:
            return intended_type(self._state)
        except Exception as error:
            raise TypeError(
                f"the state cannot be made a {intended_type.__name__}; "
                f"get_typed_state reads its JSON: {error}"
            ) from error

    def get_typed_state(self, intended_type: Any = None) -> Any:
        """The state, as plain JSON or, where it fits, as `intended_type`."""
        return decode(self._state, wish(intended_type))

    def get_locked_by(self) -> str | None:
        """The instance that has it locked."""
        return self.locked_by
