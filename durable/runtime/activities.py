"""Runs activity functions: sync ones in a thread, async ones on the loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from concurrent.futures import Executor
from contextvars import ContextVar
from dataclasses import dataclass

from durable.codec import annotation_of, decode, encode
from durable.errors import InvalidRequestError, PayloadError
from durable.model.events import TaskCompleted, TaskFailed
from durable.model.failure import FailureDetails
from durable.model.functions import ActivityDefinition
from durable.telemetry import OpenSpan

logger = logging.getLogger("durable.activities")


@dataclass(frozen=True, slots=True)
class ActivityContext:
    """Which call of which activity is running.

    `idempotency_key` is the same whenever this logical call runs again: after a crash, a lost
    answer, or a retry of its policy. `attempt` counts the policy's attempts from 1.
    `traceparent` and `tracestate` are those of this call's span, or where none is made those of
    the request that started the instance.
    """

    instance_id: str
    execution_id: str
    task_id: int
    activity: str
    attempt: int
    idempotency_key: str
    traceparent: str = ""
    tracestate: str = ""


_current: ContextVar[ActivityContext] = ContextVar("durable_activity")


def current_activity() -> ActivityContext | None:
    """The running activity's context; None outside of an activity."""
    return _current.get(None)


def activity_context() -> ActivityContext:
    """The running activity's context; InvalidRequestError outside of an activity."""
    try:
        return _current.get()
    except LookupError:
        raise InvalidRequestError("activity_context() is only there inside an activity") from None


async def run_activity(
    definition: ActivityDefinition,
    context: ActivityContext,
    text: str | None,
    *,
    executor: Executor,
    max_payload: int,
    span: OpenSpan | None = None,
) -> TaskCompleted | TaskFailed:
    """Run it once and answer what history records. Whatever it raises becomes a TaskFailed,
    so does an input that does not fit its annotation and a result that cannot be stored. `span` is
    the function's current one."""
    function, input_name = definition.function, definition.input_name
    scope = contextvars.copy_context()
    scope.run(_current.set, context)
    if span is not None:
        scope.run(span.enter)
    try:
        arguments = (
            definition.face(context, text)
            if definition.face is not None
            else (decode(text, definition.input_type or annotation_of(function, input_name)),)
        )
        loop = asyncio.get_running_loop()
        if definition.is_async:
            result = await loop.create_task(function(*arguments), context=scope)
        else:
            result = await loop.run_in_executor(executor, lambda: scope.run(function, *arguments))
            if asyncio.iscoroutine(result):
                result = await loop.create_task(result, context=scope)
        output = encode(result)
        if len(output) > max_payload:
            raise PayloadError(
                f"the result of activity {definition.name!r} has {len(output):,} bytes as JSON; "
                f"at most {max_payload:,} are allowed"
            )
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        failure = FailureDetails("the activity was cancelled", "asyncio.CancelledError")
        return TaskFailed(context.task_id, failure)
    except (Exception, SystemExit) as error:
        logger.warning(
            "activity %s of %s failed in attempt %d: %s: %s",
            definition.name,
            context.instance_id,
            context.attempt,
            type(error).__name__,
            error,
            extra={
                "instance_id": context.instance_id,
                "function_name": definition.name,
                "attempt": context.attempt,
            },
        )
        failure = FailureDetails.from_exception(
            error, skip_frames=_own_frames(error), provider=definition.exceptions
        )
        return TaskFailed(context.task_id, failure)
    return TaskCompleted(context.task_id, output)


def _own_frames(error: BaseException) -> int:
    """Frames of this package and of the executor, before user code begins."""
    count, skip, traceback = 0, 0, error.__traceback__
    while traceback:
        name = traceback.tb_frame.f_globals.get("__name__", "")
        count += 1
        if name in (__name__, "concurrent.futures.thread"):
            skip = count
        traceback = traceback.tb_next
    return skip if skip < count else 0
