"""Runs activity functions: sync ones in a thread or in a process, async ones on the loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, overload

from durable.codec import annotation_of, decode, encode
from durable.errors import ActivityCancelledError, InvalidRequestError, PayloadError
from durable.model.events import TaskCompleted, TaskFailed
from durable.model.failure import FailureDetails
from durable.model.functions import ActivityDefinition
from durable.runtime.processes import Call, Processes
from durable.runtime.signals import LONGEST_DETAILS, Signals
from durable.telemetry import OpenSpan

logger = logging.getLogger("durable.activities")

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ActivityContext:
    """Which call of which activity is running, and what it and its worker tell each other.

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
    signals: Signals = field(default_factory=Signals, repr=False, compare=False)
    """What the methods go through."""

    def heartbeat(self, details: object = None) -> None:
        """Say that the attempt lives, and how far it is: the next attempt of this call gets the
        last `details`. Without any, those said last stay.

        Cheap enough for a loop: what is said is stored at once, then every five seconds, or every
        third of the heartbeat timeout. May be called from any thread. PayloadError for details
        of more than 16,000 characters as JSON, or that have no such form.
        """
        text = None if details is None else encode(details)
        if text is not None and len(text) > LONGEST_DETAILS:
            raise PayloadError(
                f"the details of a heartbeat have {len(text):,} characters as JSON; at most "
                f"{LONGEST_DETAILS:,} are allowed: keep them elsewhere, and say where"
            )
        self.signals.heartbeat(text)

    @overload
    def heartbeat_details(self) -> Any: ...
    @overload
    def heartbeat_details(self, expected_type: type[T]) -> T | None: ...
    def heartbeat_details(self, expected_type: Any = None) -> Any:
        """What an earlier attempt of this call said last, before it failed or its worker died; None
        if there was none. Given as `expected_type`, else as plain JSON."""
        text = self.signals.details
        return None if text is None else decode(text, expected_type)

    @property
    def is_cancelled(self) -> bool:
        """Whether the attempt should end: it ran over, or nobody awaits it any more."""
        return bool(self.signals.cause)

    def raise_if_cancelled(self) -> None:
        """Raise ActivityCancelledError, with the reason, if the attempt should end."""
        if self.signals.cause:
            raise ActivityCancelledError(self.signals.cause)

    async def cancelled(self) -> None:
        """Return once the attempt should end. On the event loop of the worker only."""
        await self.signals.cancelled()


_IDENTITY = [each.name for each in fields(ActivityContext) if each.name != "signals"]

_current: ContextVar[ActivityContext] = ContextVar("durable_activity")


def current_activity() -> ActivityContext | None:
    """The running activity's context; None outside of an activity."""
    return _current.get(None)


def activity_context() -> ActivityContext:
    """The running activity's context; InvalidRequestError outside of an activity."""
    try:
        return _current.get()
    except LookupError:
        raise InvalidRequestError(
            "activity_context() is only there inside an activity; for a thread that it begins, "
            "take it there before"
        ) from None


def in_context(context: ActivityContext, function: Callable[..., R], *arguments: object) -> R:
    """Call it as the activity whose context that is."""
    scope = contextvars.copy_context()
    scope.run(_current.set, context)
    return scope.run(function, *arguments)


def called(function: Callable[..., R], *arguments: Any, **named: Any) -> R:
    """Call it, for a thread. StopIteration is a RuntimeError, as in a coroutine: no future takes
    one, so that who awaits the thread would wait for ever. So is what would end the event loop
    there, and is no signal in a thread."""
    try:
        return function(*arguments, **named)
    except (StopIteration, GeneratorExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"the function raised {type(error).__name__}") from error


async def run_activity(
    definition: ActivityDefinition,
    context: ActivityContext,
    text: str | None,
    *,
    executor: Executor,
    processes: Processes,
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
        if definition.process:
            run = _in_process(definition, context, text, executor, processes, max_payload)
            return await run
        if definition.is_async:
            task = loop.create_task(_kept(lambda: function(*arguments)), context=scope)
            context.signals.interruptible(task.cancel)
            result = _given(await task)
        else:
            call = functools.partial(scope.run, called, function, *arguments)
            result = await loop.run_in_executor(executor, call)
            if asyncio.iscoroutine(made := result):
                task = loop.create_task(_kept(lambda: made), context=scope)
                context.signals.interruptible(task.cancel)
                result = _given(await task)
        output = encode(result)
        check_result(definition.name, output, max_payload)
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
        failure = FailureDetails("the activity was cancelled", "asyncio.CancelledError")
        return TaskFailed(context.task_id, failure)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        # a panic of native code is no Exception, and neither is pytest.fail
        if not context.is_cancelled:
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
            error, skip_frames=own_frames(error), provider=definition.exceptions
        )
        return TaskFailed(context.task_id, failure)
    return TaskCompleted(context.task_id, output)


@dataclass(frozen=True, slots=True)
class _Exit:
    error: SystemExit


async def _kept(call: Callable[[], Awaitable[Any]]) -> Any:
    """What it comes to, SystemExit too: a task that raises one ends the event loop, and the worker
    with all that it runs."""
    try:
        return await call()
    except SystemExit as error:
        return _Exit(error)


def _given(result: Any) -> Any:
    if isinstance(result, _Exit):
        raise result.error
    return result


async def _in_process(
    definition: ActivityDefinition,
    context: ActivityContext,
    text: str | None,
    executor: Executor,
    processes: Processes,
    max_payload: int,
) -> TaskCompleted | TaskFailed:
    """A thread waits for the process, so that it counts as a sync function everywhere."""
    request = {
        "activity": definition.name,
        "module": definition.function.__module__,
        "function": definition.function.__qualname__,
        "input_name": definition.input_name,
        "input": text,
        "details": context.signals.details,
        "max_payload": max_payload,
        "context": {name: getattr(context, name) for name in _IDENTITY},
    }
    call = Call()
    await processes.slots.take()
    try:
        context.raise_if_cancelled()
        context.signals.interruptible(call.end)
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(
            executor, lambda: processes.run(call, request, context.signals)
        )
    except asyncio.CancelledError:
        call.end()
        raise
    finally:
        processes.slots.give()
    if "failure" in answer:
        failure = FailureDetails.from_dict(answer["failure"])
        logger.warning(
            "activity %s of %s failed in attempt %d: %s",
            definition.name,
            context.instance_id,
            context.attempt,
            failure,
        )
        return TaskFailed(context.task_id, failure)
    return TaskCompleted(context.task_id, answer["result"])


def check_result(activity: str, output: str, max_payload: int) -> None:
    """PayloadError for a result that is too long to be stored."""
    if len(output) > max_payload:
        raise PayloadError(
            f"the result of activity {activity!r} has {len(output):,} bytes as JSON; "
            f"at most {max_payload:,} are allowed"
        )


def own_frames(error: BaseException) -> int:
    """Frames of this package and of the executor, before user code begins."""
    count, skip, traceback = 0, 0, error.__traceback__
    while traceback:
        name = traceback.tb_frame.f_globals.get("__name__", "")
        count += 1
        if name in (__name__, "concurrent.futures.thread", "durable.runtime.process"):
            skip = count
        traceback = traceback.tb_next
    return skip if skip < count else 0
