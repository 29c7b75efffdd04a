"""`DurableOrchestrationContext` as 1.x has it: what one-argument generators are called with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn, Unpack

from durable.compat.reading import hint, result_hint
from durable.compat.v1.models import FunctionContext
from durable.compat.v1.tasks import AtomicTask, TimerTask, WhenAllTask, WhenAnyTask, shown
from durable.compat.warnings import old
from durable.engine import context as native
from durable.engine.decider import Decider
from durable.engine.tasks import DurableTask
from durable.model.calls import ActivityOptions
from durable.model.entities import EntityId
from durable.model.retry import RetryPolicy

Name = str | Callable[..., Any]


class DurableOrchestrationContext(native.DurableOrchestrationContext):
    """The native context with 1.x's parameters and tasks; all that is native is there too.

    Its tasks have `state`, and a `result` that does not raise. `task_all` fails at the first
    failure.
    """

    def __init__(self, decider: Decider, input_type: Any = None) -> None:
        """`input_type` is what `get_input` gives when asked for nothing else."""
        super().__init__(decider)
        self._input_type = input_type
        self._tasks = 0

    # ---- who and when ----

    def get_input(self, expected_type: Any = None) -> Any:
        """The input as `expected_type`, or as the type that the decorator was given, where it
        fits; else plain JSON."""
        wanted = expected_type if expected_type is not None else self._input_type
        return super().get_input(hint(wanted))

    @property
    def function_context(self) -> FunctionContext:
        """Empty: there is no .NET extension that would fill it."""
        return FunctionContext()

    @property
    def histories(self) -> NoReturn:
        """NotImplementedError: an orchestrator that read its history could not be replayed after
        a change of the engine."""
        raise NotImplementedError(
            "context.histories is not available: history is the engine's, in a format of its "
            "own. To look at it from outside use client.get_status(id, show_history=True) or "
            "`durable get-history`; to know whether code runs over history, context.is_replaying"
        )

    # ---- work ----

    def call_activity(
        self,
        name: Name,
        input_: object = None,
        expected_type: Any = None,
        **options: Unpack[ActivityOptions],
    ) -> AtomicTask:
        """Run an activity, given by name or as the decorated function. The result is as
        `expected_type`, or as the function's return annotation, where it fits; else plain."""
        expected = result_hint(name, expected_type)
        call: Callable[..., DurableTask[Any]] = super().call_activity
        return self._shown(call(name, input_, expected_type=expected, **options), "activity")

    @old("call_activity_with_retry(name, options, input) is call_activity(name, input, retry=…)")
    def call_activity_with_retry(
        self,
        name: Name,
        retry_options: RetryPolicy,
        input_: object = None,
        expected_type: Any = None,
    ) -> AtomicTask:
        """As `call_activity`, tried again as `retry_options` says."""
        return self.call_activity(name, input_, expected_type, retry=retry_options)

    def call_sub_orchestrator(
        self,
        name: Name,
        input_: object = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: Any = None,
        *,
        retry: RetryPolicy | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> AtomicTask:
        """Run another orchestrator as an instance of its own and await its output."""
        expected = result_hint(name, expected_type)
        call: Callable[..., DurableTask[Any]] = super().call_sub_orchestrator
        task = call(name, input_, instance_id, version, expected, retry=retry, tags=tags)
        return self._shown(task, "sub-orchestration")

    @old(
        "call_sub_orchestrator_with_retry(name, options, input) is "
        "call_sub_orchestrator(name, input, retry=…)"
    )
    def call_sub_orchestrator_with_retry(
        self,
        name: Name,
        retry_options: RetryPolicy,
        input_: object = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: Any = None,
    ) -> AtomicTask:
        """As `call_sub_orchestrator`, tried again as `retry_options` says."""
        return self.call_sub_orchestrator(
            name, input_, instance_id, version, expected_type, retry=retry_options
        )

    def call_http(  # type: ignore[override]
        self,
        method: str,
        uri: str,
        content: Any = None,
        headers: dict[str, str] | None = None,
        token_source: Any = None,
        is_raw_str: bool = False,
    ) -> AtomicTask:
        """An HTTP request that outlives this process. `content` is sent as JSON, a str with
        `is_raw_str` as it is; TypeError for `is_raw_str` without a str."""
        if is_raw_str and not isinstance(content, str):
            raise TypeError("is_raw_str is set, so content has to be a str")
        call: Callable[..., DurableTask[Any]] = super().call_http
        task = call(method, uri, content, headers, token_source, is_raw_str)
        return self._shown(task, "http")

    # ---- entities ----

    def call_entity(
        self,
        entityId: EntityId,  # noqa: N803
        operationName: str,  # noqa: N803
        operationInput: object = None,  # noqa: N803
        expected_type: Any = None,
    ) -> AtomicTask:
        """Have an entity perform an operation, and await its result."""
        task = super().call_entity(entityId, operationName, operationInput, hint(expected_type))
        return self._shown(task, "entity")

    def signal_entity(
        self,
        entityId: EntityId,  # noqa: N803
        operationName: str,  # noqa: N803
        operationInput: object = None,  # noqa: N803
        *,
        signal_time: datetime | None = None,
    ) -> None:
        """Have an entity perform an operation, and do not wait for it."""
        super().signal_entity(entityId, operationName, operationInput, signal_time=signal_time)

    # ---- time, events, several tasks ----

    def create_timer(self, fire_at: datetime | timedelta) -> TimerTask:  # type: ignore[override]
        """A timer that fires at a time, or after a duration; `cancel()` stops it."""
        timer = self._shown(super().create_timer(fire_at), "timer")
        assert isinstance(timer, TimerTask)
        return timer

    def wait_for_external_event(
        self, name: str, expected_type: Any = None, *, timeout: timedelta | datetime | None = None
    ) -> AtomicTask:
        """The next event of that name (in any case), buffered ones first."""
        task = super().wait_for_external_event(name, hint(expected_type), timeout=timeout)
        return self._shown(task, "event")

    def task_all(self, activities: Sequence[DurableTask[Any]]) -> WhenAllTask:  # type: ignore[override]
        """The results of all tasks, in their order; fails as soon as one of them fails."""
        return WhenAllTask(activities)

    def task_any(self, activities: Sequence[DurableTask[Any]]) -> WhenAnyTask:  # type: ignore[override]
        """The first task that ends; the others go on."""
        return WhenAnyTask(activities)

    def _shown(self, task: DurableTask[Any], what: str) -> AtomicTask:
        self._tasks += 1
        return shown(task, what, self._tasks - 1)
