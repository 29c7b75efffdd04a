"""Every error this package raises on purpose.

DurableError
├── ConfigurationError          host.json, settings, hub or connection are wrong
│   ├── HubInUseError           another app owns this task hub
│   └── DefinitionError         a decorated function cannot be registered
├── InvalidRequestError         an argument cannot be accepted (also a ValueError)
│   ├── InvalidInstanceIdError
│   ├── PayloadError            not serialisable, or over the limit
│   │   └── PayloadTooLargeError
│   ├── UnknownFunctionError    no such orchestrator or activity in this app
│   └── UnknownQueryError       the orchestration answers no query of that name
├── InstanceNotFoundError
├── InstanceExistsError         the instance id is in use
├── InstanceFinishedError       the instance no longer takes part
├── QueryFailedError            the query's handler raised, or the code cannot be replayed
├── UpdateRejectedError         the orchestration refused the update
├── ScheduleNotFoundError
├── ScheduleExistsError
├── DeadLetterNotFoundError
├── TaskFailedError             what an orchestrator catches
│   ├── ActivityFailedError
│   ├── SubOrchestrationFailedError
│   └── EntityOperationFailedError
├── ActivityTimeoutError        an attempt of an activity ran over its timeout
│   └── HeartbeatTimeoutError   or was silent for too long
├── ActivityCancelledError      what a cancelled activity may raise to end
├── ActivityProcessError        the process that ran an activity ended
├── HttpTargetRefusedError      durable HTTP may not go to that address
├── HttpResponseRefusedError    durable HTTP cannot take that response
├── NotDurableError             an orchestrator awaited something that replay cannot repeat
├── NonDeterminismError         replay took another path than history
├── ForkError                   a fork cannot take over what it was to begin with
└── StorageError
    ├── RowExists, RowMissing, RowChanged
    ├── MessageGone
    ├── ContainerMissing
    ├── Throttled
    ├── AccessDenied
    ├── AmbiguousAnswer
    └── UnknownFormat           a newer version wrote what was read
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from durable.model.failure import FailureDetails
    from durable.model.places import Place


class DurableError(Exception):
    """Base of everything below."""


class ConfigurationError(DurableError):
    """The message names the file or setting, what is wrong, and what to write instead."""


class HubInUseError(ConfigurationError):
    """The hub belongs to another app; two apps on one hub would take each other's work."""


class DefinitionError(ConfigurationError):
    """A function was decorated in a way that cannot work; raised while the app is imported."""


class InvalidRequestError(DurableError, ValueError):
    """The caller's input is refused before anything is written."""


class InvalidInstanceIdError(InvalidRequestError):
    """See `durable.model.instance.check_instance_id` for what an id may hold."""


class PayloadError(InvalidRequestError):
    """An input or output that cannot be stored: no JSON form, or larger than the limit."""


class PayloadTooLargeError(PayloadError):
    """The JSON form is longer than the app's limit."""


class UnknownFunctionError(InvalidRequestError):
    """The app has no orchestrator, activity or entity of that name."""


class UnknownQueryError(InvalidRequestError):
    """The orchestration answers no query of that name. The message names those that it does."""


class InstanceNotFoundError(DurableError):
    """No instance of that id; raised by the client's operations on one instance."""


class InstanceExistsError(DurableError):
    """A start met an unfinished instance of the same id."""


class InstanceFinishedError(DurableError):
    """An event, suspend, resume or terminate met an instance that has ended."""


class _AnswerError(DurableError):
    def __init__(self, message: str, failure: FailureDetails) -> None:
        super().__init__(message)
        self.failure = failure


class QueryFailedError(_AnswerError):
    """A query has no answer: its handler raised, or began something, or the code does not fit the
    instance's history. `failure` has type, message, stack and cause."""


class UpdateRejectedError(_AnswerError):
    """The orchestration has refused an update, by a reason or by what its handler raised, or it
    continued as new without an answer. `failure` has type, message, stack and cause."""


class ScheduleNotFoundError(DurableError):
    """No recurring schedule of that id."""


class ScheduleExistsError(DurableError):
    """A recurring schedule of that id exists already."""


class DeadLetterNotFoundError(DurableError):
    """No dead letter of that key: it was retried, or discarded."""


class TaskFailedError(DurableError):
    """A durable task failed. `details` has type, message, stack and cause."""

    def __init__(self, message: str, details: FailureDetails) -> None:
        super().__init__(message)
        self.details = details
        self.observed = False
        """Whether it was raised into the orchestrator's code, or a retry took care of it."""

    @property
    def failure(self) -> FailureDetails:
        """The same as `details`."""
        return self.details


class ActivityFailedError(TaskFailedError):
    """An activity raised, and its retries (if any) are used up."""


class SubOrchestrationFailedError(TaskFailedError):
    """A child orchestration failed, was terminated, or could not be created."""


class EntityOperationFailedError(TaskFailedError):
    """An operation that an entity was called for raised; its state is as it was before."""


class ActivityTimeoutError(DurableError, TimeoutError):
    """An attempt of an activity took longer than its `timeout`. It is found in the `details` of
    ActivityFailedError."""


class HeartbeatTimeoutError(ActivityTimeoutError):
    """An attempt of an activity was silent for longer than its `heartbeat_timeout`."""


class ActivityCancelledError(DurableError):
    """Raised by `activity_context().raise_if_cancelled()` in an attempt that is to end."""


class ActivityProcessError(DurableError):
    """The process of the pool that ran an activity ended, by a signal say, or could not run it."""


class HttpTargetRefusedError(DurableError):
    """A durable HTTP request would have reached a private address that no setting allows, or
    would have shown a token to the network."""


class HttpResponseRefusedError(DurableError):
    """A durable HTTP response is too large, redirects without end or to nowhere, or is no HTTP."""


class NotDurableError(DurableError):
    """Orchestrator code awaited something other than a durable task."""


class NonDeterminismError(DurableError):
    """Replay of an orchestrator differs from its stored history: the code was changed, or it
    depends on something that is not recorded. The instance is Stuck until the code fits again.

    `expected` is what history has, `actual` what the code did, both in words; `place` is the
    line of the orchestrator that did it, or where it waits instead, as far as known; code that
    returned `is_past` it, its last wait. `failure` is what the code failed with, if it did, and
    `turn` the number of the turn in which they part.
    """

    def __init__(
        self,
        message: str = "",
        *,
        expected: str = "",
        actual: str = "",
        place: Place | None = None,
        failure: FailureDetails | None = None,
        is_past: bool = False,
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.is_past = is_past
        self.expected = expected
        self.actual = actual
        self.place = place
        self.turn: int | None = None


class ForkError(DurableError):
    """What a fork was to take over is gone, or does not fit what its code asks for. It is the
    failure of that fork."""


class StorageError(DurableError):
    """Base of what `durable.ports` may raise."""


class TransactionError(StorageError):
    """An operation of a transaction was refused; none was applied."""

    def __init__(self, message: str = "", *, index: int = 0) -> None:
        super().__init__(message or type(self).__name__)
        self.index = index


class RowExists(TransactionError):
    """Insert of a key that is taken (409)."""


class RowMissing(TransactionError):
    """Replace, Merge or Delete of an absent row (404)."""


class RowChanged(TransactionError):
    """The row's etag is not the expected one (412)."""


class MessageGone(StorageError):
    """The receipt is stale: the message was deleted, or someone else holds it."""


class ContainerMissing(StorageError):
    """The table or queue is not there, or is being deleted."""


class Throttled(StorageError):
    """The service is busy; nothing was applied. `retry_after` is in seconds."""

    def __init__(self, message: str = "", *, retry_after: float = 1.0) -> None:
        super().__init__(message or "the storage service is busy")
        self.retry_after = retry_after


class AccessDenied(StorageError):
    """The credentials are refused for this operation."""


class AmbiguousAnswer(StorageError):
    """No usable answer came; the call may have taken effect."""


class UnknownFormat(StorageError):
    """What was read has a format that this version does not know. The message names the row."""
