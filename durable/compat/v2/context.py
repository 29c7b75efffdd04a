"""`durabletask.task.OrchestrationContext`: what two-argument orchestrators are called with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, Unpack

from durable.codec import encode
from durable.compat.reading import result_hint, wish
from durable.compat.v2.entities import EntityLock
from durable.compat.v2.task import ReplaySafeLogger, Task, TimerTask, shown
from durable.engine.context import DurableOrchestrationContext
from durable.engine.handlers import Handler
from durable.engine.tasks import DurableTask
from durable.engine.updates import Update
from durable.model.calls import ActivityOptions
from durable.model.entities import EntityId
from durable.model.events import ContinueAsNew
from durable.model.retry import RetryPolicy

Function = str | Callable[..., Any]
H = TypeVar("H", bound=Handler)


class OrchestrationContext:
    """An orchestration by durabletask's names. `native_context` is the native one."""

    def __init__(self, context: DurableOrchestrationContext) -> None:
        self.native_context = context

    # ---- who and when ----

    @property
    def instance_id(self) -> str:
        """The id of this instance."""
        return self.native_context.instance_id

    @property
    def parent_instance_id(self) -> str | None:
        """The instance that awaits this one, if it is a sub-orchestration."""
        return self.native_context.parent_instance_id

    @property
    def version(self) -> str | None:
        """The version the instance was started with."""
        return self.native_context.version

    @property
    def current_utc_datetime(self) -> datetime:
        """The time when the running turn began: UTC, and naive, as durabletask has it."""
        return self.native_context.current_utc_datetime.astimezone(UTC).replace(tzinfo=None)

    @property
    def is_replaying(self) -> bool:
        """Whether the code is being run over history."""
        return self.native_context.is_replaying

    def set_custom_status(self, custom_status: Any) -> None:
        """Show a JSON value in the instance's status."""
        self.native_context.set_custom_status(custom_status)

    def new_uuid(self) -> str:
        """A UUID that is the same in each replay."""
        return self.native_context.new_uuid()

    def create_replay_safe_logger(self, logger: logging.Logger) -> ReplaySafeLogger:
        """The logger, silent while history is replayed."""
        return ReplaySafeLogger(logger, lambda: self.is_replaying)

    # ---- work ----

    def call_activity(
        self,
        activity: Function,
        *,
        input: Any = None,
        retry_policy: RetryPolicy | None = None,
        tags: Mapping[str, str] | None = None,
        return_type: Any = None,
        **options: Unpack[ActivityOptions],
    ) -> Task[Any]:
        """Run an activity, given by name or as the function. The result is as `return_type`, or
        as the function's return annotation, where it fits; else plain. `tags` are taken and not
        kept; `options` are those of the native `call_activity`."""
        call: Callable[..., DurableTask[Any]] = self.native_context.call_activity
        expected = wish(return_type) or result_hint(activity, None)
        options.setdefault("retry", retry_policy)
        return shown(call(activity, input, expected_type=expected, **options))

    def map(
        self,
        activity: Function,
        items: Iterable[Any],
        *,
        limit: int | None = None,
        key_of: Callable[[Any], str] | None = None,
        return_type: Any = None,
        **options: Unpack[ActivityOptions],
    ) -> Task[list[Any]]:
        """Run an activity for each item, as the native `map` does."""
        call: Callable[..., DurableTask[Any]] = self.native_context.map
        expected = wish(return_type) or result_hint(activity, None)
        return shown(
            call(activity, items, expected_type=expected, limit=limit, key_of=key_of, **options)
        )

    def call_sub_orchestrator(
        self,
        orchestrator: Function,
        *,
        input: Any = None,
        instance_id: str | None = None,
        retry_policy: RetryPolicy | None = None,
        version: str | None = None,
        return_type: Any = None,
    ) -> Task[Any]:
        """Run another orchestrator as an instance of its own and await its output."""
        expected = wish(return_type) or result_hint(orchestrator, None)
        call: Callable[..., DurableTask[Any]] = self.native_context.call_sub_orchestrator
        return shown(call(orchestrator, input, instance_id, version, expected, retry=retry_policy))

    def create_timer(self, fire_at: datetime | timedelta) -> TimerTask:
        """A timer that fires at a time (a naive one is UTC) or after a duration."""
        timer = shown(self.native_context.create_timer(fire_at))
        assert isinstance(timer, TimerTask)
        return timer

    def wait_for_external_event(self, name: str, *, data_type: Any = None) -> Task[Any]:
        """The next event of that name (in any case), buffered ones first."""
        return shown(self.native_context.wait_for_external_event(name, wish(data_type)))

    # ---- queries and updates, which are native ----

    def set_query_handler(self, name: str, handler: Handler) -> None:
        """Let `handler` answer `client.query(id, name)`."""
        self.native_context.set_query_handler(name, handler)

    def on_query(self, name: str) -> Callable[[H], H]:
        """`set_query_handler` as a decorator."""
        return self.native_context.on_query(name)

    def set_update_handler(self, name: str, handler: Handler) -> None:
        """Let `handler` answer each update of that name as it arrives."""
        self.native_context.set_update_handler(name, handler)

    def on_update(self, name: str) -> Callable[[H], H]:
        """`set_update_handler` as a decorator."""
        return self.native_context.on_update(name)

    def wait_for_update(
        self, name: str, *, data_type: Any = None, timeout: timedelta | datetime | None = None
    ) -> Task[Update[Any]]:
        """The next update of that name; whoever takes it owes it `answer` or `reject`."""
        return shown(self.native_context.wait_for_update(name, data_type, timeout=timeout))

    # ---- events, and the end ----

    def send_event(self, instance_id: str, event_name: str, *, data: Any = None) -> None:
        """Raise an event in another instance."""
        self.native_context.send_event(instance_id, event_name, data)

    def continue_as_new(
        self, new_input: Any, *, save_events: bool = False, new_version: str | None = None
    ) -> None:
        """Begin again with a new input, and as `new_version` if given, once this function
        returns. Without `save_events`, events that were buffered until now are dropped."""
        context, decider = self.native_context, self.native_context._decider
        context.continue_as_new(new_input)
        if not save_events:
            # what this generation has not awaited is all that there is to carry over
            decider.forget_events()
        if new_version is not None:
            decider.continuing = ContinueAsNew(encode(new_input), new_version)

    # ---- entities ----

    def call_entity(
        self, entity: EntityId, operation: str, input: Any = None, *, return_type: Any = None
    ) -> Task[Any]:
        """Have an entity perform an operation, and await its result."""
        task = self.native_context.call_entity(entity, operation, input, wish(return_type))
        return shown(task)

    def signal_entity(
        self,
        entity_id: EntityId,
        operation_name: str,
        input: Any = None,
        signal_time: datetime | None = None,
    ) -> None:
        """Have an entity perform an operation, at `signal_time` at the earliest."""
        self.native_context.signal_entity(entity_id, operation_name, input, signal_time=signal_time)

    def lock_entities(self, entities: Iterable[EntityId]) -> Task[EntityLock]:
        """Have entities to oneself: `with (yield ctx.lock_entities([a, b])):`."""
        return shown(self.native_context.lock_entities(entities))
