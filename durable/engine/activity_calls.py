"""The part of an orchestration's context that calls activities."""

from __future__ import annotations

from typing import Any, TypeVar, Unpack, overload

from durable.codec import encode
from durable.engine.references import (
    Activity,
    ActivityWithMore,
    AsyncActivity,
    AsyncActivityWithMore,
    result_type,
)
from durable.engine.tasks import DurableTask, PayloadTask
from durable.engine.timers import Timers
from durable.model.calls import ActivityOptions, CallOptions
from durable.model.events import TaskScheduled
from durable.model.functions import name_of

In = TypeVar("In")
R = TypeVar("R")


class ActivityCalls(Timers):
    """See the module."""

    @overload
    def call_activity(
        self,
        name: AsyncActivity[None, R],
        input_: None = None,
        **options: Unpack[ActivityOptions],
    ) -> DurableTask[R]: ...
    @overload
    def call_activity(
        self, name: Activity[None, R], input_: None = None, **options: Unpack[ActivityOptions]
    ) -> DurableTask[R]: ...
    @overload
    def call_activity(
        self, name: AsyncActivity[In, R], input_: In, **options: Unpack[ActivityOptions]
    ) -> DurableTask[R]: ...
    @overload
    def call_activity(
        self, name: Activity[In, R], input_: In, **options: Unpack[ActivityOptions]
    ) -> DurableTask[R]: ...
    @overload
    def call_activity(
        self, name: AsyncActivityWithMore[In, R], input_: In, **options: Unpack[ActivityOptions]
    ) -> DurableTask[R]: ...
    @overload
    def call_activity(
        self, name: ActivityWithMore[In, R], input_: In, **options: Unpack[ActivityOptions]
    ) -> DurableTask[R]: ...
    @overload
    def call_activity(
        self,
        name: str,
        input_: object = None,
        *,
        expected_type: type[R],
        **options: Unpack[ActivityOptions],
    ) -> DurableTask[R]: ...
    @overload
    def call_activity(
        self,
        name: str,
        input_: object = None,
        *,
        expected_type: Any = None,
        **options: Unpack[ActivityOptions],
    ) -> DurableTask[Any]: ...
    def call_activity(
        self,
        name: Any,
        input_: object = None,
        *,
        expected_type: Any = None,
        **options: Unpack[ActivityOptions],
    ) -> DurableTask[Any]:
        """Run an activity, given by name or as the decorated function.

        The result has the function's return annotation, or `expected_type`. An activity that
        raises makes the task fail with ActivityFailedError, after the retries of `retry`.
        `ActivityOptions` says what else may be asked for.
        """
        decider, activity, payload = self._decider, name_of(name), encode(input_)
        expected = expected_type if expected_type is not None else result_type(name)
        asked = CallOptions.of(options)
        first: int | None = None

        def attempt(number: int) -> DurableTask[Any]:
            nonlocal first
            task: PayloadTask[Any] = PayloadTask(expected)
            task_id = decider.new_id()
            first = task_id if first is None else first
            decider.track(task_id, activity, task)
            decider.decide(TaskScheduled(task_id, activity, payload, first, number, asked))
            return task

        return self._with_retry(attempt, options.get("retry"))
