"""What an orchestration instance looks like from outside."""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar, overload

from durable.codec import decode
from durable.errors import InvalidInstanceIdError, InvalidRequestError
from durable.model.failure import FailureDetails

T = TypeVar("T")

MAX_INSTANCE_ID = 200
_FORBIDDEN = frozenset("/\\#?%\"'")


class OrchestrationRuntimeStatus(StrEnum):
    """The states of an instance, by the names of Durable Functions, and Stuck."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    CONTINUED_AS_NEW = "ContinuedAsNew"
    FAILED = "Failed"
    CANCELED = "Canceled"
    TERMINATED = "Terminated"
    SUSPENDED = "Suspended"
    STUCK = "Stuck"
    """Cannot proceed with today's code (it does not fit the history, or crashes its process);
    goes on by itself once it can."""

    @property
    def is_terminal(self) -> bool:
        """Nothing more will happen to the instance."""
        return self in _TERMINAL

    # Durable Functions spells its members this way
    Pending = PENDING
    Running = RUNNING
    Completed = COMPLETED
    ContinuedAsNew = CONTINUED_AS_NEW
    Failed = FAILED
    Canceled = CANCELED
    Terminated = TERMINATED
    Suspended = SUSPENDED
    Stuck = STUCK


_TERMINAL = frozenset(
    {
        OrchestrationRuntimeStatus.COMPLETED,
        OrchestrationRuntimeStatus.FAILED,
        OrchestrationRuntimeStatus.TERMINATED,
        OrchestrationRuntimeStatus.CANCELED,
    }
)


@dataclass(frozen=True, slots=True)
class Parent:
    """Who awaits a sub-orchestration: the instance, its execution and the task."""

    instance_id: str
    incarnation: str
    execution_id: str
    task_id: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, for rows."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Parent:
        """The inverse of `to_dict`."""
        return cls(**data)


@dataclass(frozen=True, slots=True)
class ForkedFrom:
    """Whose results a fork takes over: those of all tasks before `step`, of this execution of
    this incarnation of the instance."""

    instance_id: str
    incarnation: str
    execution_id: str
    step: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, for rows."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ForkedFrom:
        """The inverse of `to_dict`."""
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What an activity that is called and has not ended said last, in this attempt or one before:
    `details` is JSON text. `task_id` is that of the attempt, which counts from 1."""

    task_id: int
    activity: str
    attempt: int
    details: str

    @overload
    def get_details(self, expected_type: type[T]) -> T: ...
    @overload
    def get_details(self, expected_type: Any = None) -> Any: ...
    def get_details(self, expected_type: Any = None) -> Any:
        """The details, as plain JSON or as `expected_type`. Raises PayloadError when they do not
        fit."""
        return decode(self.details, expected_type)


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """A snapshot of an instance. `input`, `output` and `custom_status` are JSON texts or None;
    times are the storage service's. `scheduled_start_time` is when it begins, or began, where
    the start asked for a time. `waiting` says what it cannot go on without, such as a worker
    that takes its orchestrator; None while nothing is missing. `forked_from` is what it was
    forked from, if it was. `heartbeats` is there where it was asked for."""

    instance_id: str
    name: str
    runtime_status: OrchestrationRuntimeStatus
    created_time: datetime
    last_updated_time: datetime
    execution_id: str = ""
    version: str | None = None
    input: str | None = None
    output: str | None = None
    custom_status: str | None = None
    failure: FailureDetails | None = None
    parent_instance_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    scheduled_start_time: datetime | None = None
    waiting: str | None = None
    forked_from: ForkedFrom | None = None
    heartbeats: tuple[Heartbeat, ...] = ()

    @overload
    def get_input(self, expected_type: type[T]) -> T | None: ...
    @overload
    def get_input(self, expected_type: Any = None) -> Any: ...
    def get_input(self, expected_type: Any = None) -> Any:
        """The input, as plain JSON or as `expected_type`; None where there is none, or it was not
        asked for. Raises PayloadError when it does not fit."""
        return decode(self.input, expected_type)

    @overload
    def get_output(self, expected_type: type[T]) -> T: ...
    @overload
    def get_output(self, expected_type: Any = None) -> Any: ...
    def get_output(self, expected_type: Any = None) -> Any:
        """What the orchestrator returned, as plain JSON or as `expected_type`. Raises
        InvalidRequestError unless the instance is Completed, with the failure of one that failed,
        and PayloadError when it does not fit."""
        if self.runtime_status is not OrchestrationRuntimeStatus.COMPLETED or self.output is None:
            because = f": {self.failure}" if self.failure is not None else ""
            raise InvalidRequestError(
                f"instance {self.instance_id!r} has no output, it is {self.runtime_status}{because}"
            )
        return decode(self.output, expected_type)

    @overload
    def get_custom_status(self, expected_type: type[T]) -> T | None: ...
    @overload
    def get_custom_status(self, expected_type: Any = None) -> Any: ...
    def get_custom_status(self, expected_type: Any = None) -> Any:
        """The custom status, as plain JSON or as `expected_type`; None where none was set. Raises
        PayloadError when it does not fit."""
        return decode(self.custom_status, expected_type)


def check_instance_id(instance_id: object) -> str:
    r"""The id, if it can be one: 1 to 200 characters, none of ``/ \ # ? % ' "`` and no control
    characters, no surrogates, no white space at either end, no `@` first (reserved for
    entities). Raises InvalidInstanceIdError otherwise.

    Table keys forbid the first four; `%` and quotes cannot be told from their escapes in a
    URL or a filter, so that an id with one could be started and then not be addressed.
    """
    if not isinstance(instance_id, str):
        raise InvalidInstanceIdError(
            f"an instance id is a string, not {type(instance_id).__name__}"
        )
    if not instance_id:
        raise InvalidInstanceIdError("an instance id must not be empty")
    if len(instance_id) > MAX_INSTANCE_ID:
        raise InvalidInstanceIdError(
            f"the instance id has {len(instance_id)} characters; "
            f"at most {MAX_INSTANCE_ID} are allowed"
        )
    check_characters(instance_id, "the instance id")
    if instance_id.startswith("@"):
        raise InvalidInstanceIdError("instance ids that begin with '@' are reserved for entities")
    return instance_id


def check_characters(text: str, what: str) -> None:
    """Raises InvalidInstanceIdError for what no id can hold; `what` names it in the message."""
    for character in text:
        if character in _FORBIDDEN or unicodedata.category(character) in ("Cc", "Cs", "Cn"):
            raise InvalidInstanceIdError(
                f"{what} holds {character!a}, which is not allowed: "
                r"leave out / \ # ? % quotes and control characters"
            )
    if text != text.strip():
        raise InvalidInstanceIdError(f"{what} begins or ends with white space")
