"""What an orchestrator is given: the durable operations, and time and ids that replay repeats."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from datetime import datetime, timedelta
from typing import Any, TypeVar, overload
from uuid import NAMESPACE_OID, UUID, uuid5

from durable.codec import decode, encode
from durable.engine.answering import Answering
from durable.engine.decider import Decider
from durable.engine.entity_calls import EntityCalls
from durable.engine.http_polling import call_http, http_request
from durable.engine.mapping import MappedCalls
from durable.engine.references import (
    Orchestrator,
    OrchestratorOfContext,
    result_type,
)
from durable.engine.several import SeveralTasks
from durable.engine.tasks import (
    DurableTask,
    PayloadTask,
)
from durable.engine.timers import check_timeout
from durable.errors import InvalidRequestError
from durable.model.events import (
    ContinueAsNew,
    EventSent,
    SubOrchestrationInstanceCreated,
)
from durable.model.functions import name_of
from durable.model.http import DurableHttpResponse, TokenSource
from durable.model.instance import check_instance_id
from durable.model.retry import RetryPolicy
from durable.model.tags import check_tags
from durable.model.versioning import check_version

In = TypeVar("In")
R = TypeVar("R")
T = TypeVar("T")


class DurableOrchestrationContext(SeveralTasks, Answering, EntityCalls, MappedCalls):
    """The only way from an orchestrator to the world.

    Everything it offers gives the same answers when the orchestrator is run again over its
    history. Methods that start something return a task at once; awaiting is up to the caller.
    """

    def __init__(self, decider: Decider) -> None:
        super().__init__(decider)

    # ---- who and when ----

    @property
    def instance_id(self) -> str:
        """The id of this instance."""
        return self._decider.instance_id

    @property
    def name(self) -> str:
        """The orchestrator's registered name."""
        return self._decider.definition.name

    @property
    def version(self) -> str | None:
        """The version the instance was started with, for branching."""
        return self._decider.version

    @property
    def parent_instance_id(self) -> str | None:
        """The instance that awaits this one, if it is a sub-orchestration."""
        parent = self._decider.parent
        return parent.instance_id if parent else None

    @property
    def is_replaying(self) -> bool:
        """Whether the code is being run over history, so that nothing it does is new."""
        return self._decider.replaying

    @property
    def custom_status(self) -> Any:
        """What `set_custom_status` set last."""
        return decode(self._decider.custom_status)

    @property
    def will_continue_as_new(self) -> bool:
        """Whether `continue_as_new` was called."""
        return self._decider.continuing is not None

    @overload
    def get_input(self, expected_type: type[T]) -> T: ...
    @overload
    def get_input(self, expected_type: Any = None) -> Any: ...
    def get_input(self, expected_type: Any = None) -> Any:
        """The input, as plain JSON or as `expected_type` (a dataclass, a pydantic model, any
        annotation). Raises PayloadError when it does not fit."""
        return decode(self._decider.input, expected_type)

    def new_uuid(self) -> str:
        """A UUID that is the same in each replay, and no other's."""
        return str(self.new_guid())

    def new_guid(self) -> UUID:
        """As `new_uuid`, as a UUID object."""
        return uuid5(NAMESPACE_OID, self._decider.uuid_name())

    def create_replay_safe_logger(self, logger: logging.Logger) -> logging.LoggerAdapter[Any]:
        """The logger, silent while history is replayed; records carry `instance_id` and
        `function_name`."""
        return _ReplaySafeLogger(logger, self)

    def set_custom_status(self, status: object) -> None:
        """Show a JSON value in the instance's status; stored with the next commit."""
        self._decider.refuse_if_asked()
        self._decider.custom_status = encode(status)

    # ---- work ----

    @overload
    def call_sub_orchestrator(
        self,
        name: Orchestrator[None, R],
        input_: None = None,
        instance_id: str | None = None,
        version: str | None = None,
        *,
        retry: RetryPolicy | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> DurableTask[R]: ...
    @overload
    def call_sub_orchestrator(
        self,
        name: Orchestrator[In, R],
        input_: In,
        instance_id: str | None = None,
        version: str | None = None,
        *,
        retry: RetryPolicy | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> DurableTask[R]: ...
    @overload
    def call_sub_orchestrator(
        self,
        name: OrchestratorOfContext[R],
        input_: object = None,
        instance_id: str | None = None,
        version: str | None = None,
        *,
        retry: RetryPolicy | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> DurableTask[R]: ...
    @overload
    def call_sub_orchestrator(
        self,
        name: str,
        input_: object = None,
        instance_id: str | None = None,
        version: str | None = None,
        *,
        expected_type: type[R],
        retry: RetryPolicy | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> DurableTask[R]: ...
    @overload
    def call_sub_orchestrator(
        self,
        name: str,
        input_: object = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: Any = None,
        *,
        retry: RetryPolicy | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> DurableTask[Any]: ...
    def call_sub_orchestrator(
        self,
        name: Any,
        input_: object = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: Any = None,
        *,
        retry: RetryPolicy | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> DurableTask[Any]:
        """Run another orchestrator as an instance of its own and await its output.

        Without `instance_id` the child's id derives from this execution and the task, and
        without `version` it gets the default one ("" is none); `tags` are its own, and nothing
        of its parent's. A child that fails or is terminated fails the task with
        SubOrchestrationFailedError.
        """
        decider, orchestrator, payload = self._decider, name_of(name), encode(input_)
        self._refuse_in_section("start a sub-orchestration")
        if instance_id is not None:
            check_instance_id(instance_id)
        check_version(version)
        marks = tuple(check_tags(tags).items())
        expected = expected_type if expected_type is not None else result_type(name)

        def attempt(number: int) -> DurableTask[Any]:
            task: PayloadTask[Any] = PayloadTask(expected)
            task_id = decider.new_id()
            child = instance_id or f"{decider.execution_id}:{task_id:04x}"
            decider.track(task_id, orchestrator, task)
            decider.decide(
                SubOrchestrationInstanceCreated(
                    task_id, orchestrator, child, payload, version, marks
                )
            )
            return task

        return self._with_retry(attempt, retry)

    @overload
    def wait_for_external_event(
        self, name: str, expected_type: type[T], *, timeout: timedelta | datetime | None = None
    ) -> DurableTask[T]: ...
    @overload
    def wait_for_external_event(
        self, name: str, expected_type: Any = None, *, timeout: timedelta | datetime | None = None
    ) -> DurableTask[Any]: ...
    def wait_for_external_event(
        self, name: str, expected_type: Any = None, *, timeout: timedelta | datetime | None = None
    ) -> DurableTask[Any]:
        """The next event of that name (in any case), buffered ones first.

        With `timeout` the task fails with TimeoutError when none came in time; an event that
        comes later is left to the next waiter.
        """
        if not isinstance(name, str) or not name:
            raise InvalidRequestError("wait_for_external_event needs the event's name")
        check_timeout(timeout)
        decider = self._decider
        event: PayloadTask[Any] = PayloadTask(expected_type)
        decider.wait_for_event(name, event)
        return self._within(
            event, timeout, lambda: decider.stop_waiting(name, event), f"event {name!r}"
        )

    def send_event(self, instance_id: str, name: str, data: object = None) -> None:
        """Raise an event in another instance, once this turn is committed. One that has ended
        or does not exist ignores it."""
        check_instance_id(instance_id)
        decider = self._decider
        decider.decide(EventSent(decider.new_id(), instance_id, name, encode(data)))

    def call_http(
        self,
        method: str,
        uri: str,
        content: object = None,
        headers: Mapping[str, str] | None = None,
        token_source: TokenSource | None = None,
        is_raw_str: bool = False,
        *,
        asynchronous_pattern: bool = True,
        timeout: timedelta | None = None,
        retry: RetryPolicy | None = None,
    ) -> DurableTask[DurableHttpResponse]:
        """Send an HTTP request by a built-in activity; a response of any status is the result.

        `content` is sent as JSON, a str too unless `is_raw_str`. With `asynchronous_pattern` a
        202 with a Location is followed: after Retry-After, by a durable timer, the Location is
        asked until it answers anything else, with the request's headers but, at another origin,
        without credentials. After `timeout` in all the task fails with TimeoutError. A request
        that gets no usable response fails the task with ActivityFailedError, after the retries
        of `retry`, which hold for each request and poll by itself.
        """
        request = http_request(method, uri, content, headers, token_source, is_raw_str=is_raw_str)
        return call_http(
            self,
            request,
            asynchronous_pattern=asynchronous_pattern,
            timeout=timeout,
            retry=retry,
        )

    # ---- the end ----

    def continue_as_new(self, input_: object = None, *, new_version: str | None = None) -> None:
        """Begin again with a new input and an empty history once this function returns, as
        `new_version` if given ("" for none). Events that nobody awaited yet are carried over;
        other open tasks are abandoned."""
        self._decider.refuse_if_asked()
        version = self._decider.version
        if new_version is not None:
            version = check_version(new_version) or None
        self._decider.continuing = ContinueAsNew(encode(input_), version)


class _ReplaySafeLogger(logging.LoggerAdapter[logging.Logger]):
    def __init__(self, logger: logging.Logger, context: DurableOrchestrationContext) -> None:
        about = {"instance_id": context.instance_id, "function_name": context.name}
        super().__init__(logger, about)
        self._context = context

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802
        return not self._context.is_replaying and super().isEnabledFor(level)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs
