"""`durabletask.task`: tasks as durabletask shows them, for reading and subclassing."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Generator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from durable.compat.v2.entities import DurableEntity, EntityContext, EntityInstanceId, EntityLock
from durable.compat.watching import follow, tasks_of, watch
from durable.engine import tasks as native
from durable.engine.tasks import DurableTask
from durable.errors import DurableError, NonDeterminismError, TaskFailedError
from durable.model.failure import FailureDetails
from durable.model.functions import name_of
from durable.model.retry import RetryPolicy

T = TypeVar("T")
TInput = TypeVar("TInput")
TOutput = TypeVar("TOutput")


class TaskCancelledError(DurableError):
    """The result of a task that was cancelled."""


class OrchestrationStateError(DurableError):
    """Kept for `except` clauses; nothing raises it here."""


class Task(DurableTask[T]):
    """Base of all tasks. `get_exception` is None for one that did not fail."""

    @property
    def is_complete(self) -> bool:
        """Whether it has a result, failed or was cancelled."""
        return self.is_completed

    def get_result(self) -> T:
        """The value; raises the error it failed with, ValueError while it runs."""
        if not self.is_completed:
            raise ValueError("The task has not completed.")
        return super().get_result()


class CompletableTask(Task[T]):
    """A task that its owner ends."""

    def __init__(self, expected_type: Any = None) -> None:
        DurableTask.__init__(self)
        self._expected_type = expected_type

    def complete(self, result: T) -> None:
        """Give the task its value; ValueError if it has ended."""
        self._check_open()
        super().complete(result)

    def fail(self, message: str | BaseException, details: Any = None) -> None:
        """End the task with an error: a message and what it comes from (an exception or
        FailureDetails), or the exception alone. ValueError if it has ended."""
        self._check_open()
        if isinstance(message, BaseException):
            super().fail(message)
        elif isinstance(details, TaskFailedError):
            super().fail(details)
        else:
            super().fail(_failure(message, details))

    def _check_open(self) -> None:
        if self.is_completed:
            raise ValueError("The task has already completed.")


class CompositeTask(Task[T]):
    """A task made of others. Subclasses say in `on_child_completed` what each ended child means;
    a hook that raises fails the task."""

    def __init__(self, tasks: Sequence[DurableTask[Any]]) -> None:
        DurableTask.__init__(self)
        self._tasks = tasks_of(tasks)
        self._completed_tasks = 0
        self._failed_tasks = 0
        for child in dict.fromkeys(self._tasks):
            watch(child, self._child_ended)

    def get_tasks(self) -> list[DurableTask[Any]]:
        """The children, in the order given."""
        return self._tasks

    @abstractmethod
    def on_child_completed(self, task: Any) -> None:
        """Called once for each child that ends, until this task has."""

    def _child_ended(self, child: DurableTask[Any]) -> None:
        if self.is_completed:
            return
        try:
            self.on_child_completed(child)
        except Exception as error:
            DurableTask.fail(self, error)


class WhenAllTask(CompositeTask[list[T]]):
    """Waits for all; then their results, or the failure that came first."""

    def __init__(self, tasks: Sequence[DurableTask[Any]]) -> None:
        self._pending_exception: BaseException | None = None
        super().__init__(tasks)
        if not self._tasks:
            DurableTask.complete(self, [])

    @property
    def pending_tasks(self) -> int:
        """How many children have not ended."""
        return len(self._tasks) - self._completed_tasks

    def get_completed_tasks(self) -> int:
        """How many children have ended."""
        return self._completed_tasks

    def on_child_completed(self, task: Any) -> None:
        times = self._tasks.count(task)
        self._completed_tasks += times
        if task.is_failed:
            self._failed_tasks += times
            self._pending_exception = self._pending_exception or task._error
        if self._completed_tasks < len(self._tasks):
            return
        if self._pending_exception is not None:
            DurableTask.fail(self, self._pending_exception)
        else:
            DurableTask.complete(self, [child.get_result() for child in self._tasks])


class WhenAnyTask(CompositeTask[DurableTask[T]]):
    """Done with the first child that ends, which is its result; the others go on."""

    def on_child_completed(self, task: Any) -> None:
        DurableTask.complete(self, task)


class CancellableTask(CompletableTask[T]):
    """A task that can be given up: then it has ended, and its result raises
    TaskCancelledError."""

    def __init__(self, expected_type: Any = None) -> None:
        super().__init__(expected_type)
        self._is_cancelled = False
        self._cancel_handler: Callable[[], object] | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` came before it ended."""
        return self._is_cancelled

    def set_cancel_handler(self, cancel_handler: Callable[[], object]) -> None:
        """What is to be done when it is cancelled."""
        self._cancel_handler = cancel_handler

    def get_result(self) -> T:
        """As a task's; TaskCancelledError if it was cancelled."""
        if self._is_cancelled:
            raise TaskCancelledError("The task was cancelled.")
        return super().get_result()

    def cancel(self) -> bool:
        """Give it up; False if it has ended."""
        if self.is_completed:
            return False
        if self._cancel_handler is not None:
            self._cancel_handler()
        self._is_cancelled = True
        DurableTask.fail(self, TaskCancelledError("The task was cancelled."))
        return True

    @property
    def is_failed(self) -> bool:
        """Whether it ended with an error; being cancelled is none."""
        return super().is_failed and not self._is_cancelled


class RetryableTask(CompletableTask[T]):
    """Attempts are the engine's here; the name is for `isinstance`."""


class TimerTask(CancellableTask[None]):
    """A durable timer."""


def when_all(tasks: Sequence[DurableTask[T]]) -> WhenAllTask[T]:
    """Wait for all tasks; results in their order. If some failed, the failure that came first is
    raised once all have ended."""
    return WhenAllTask(tasks)


def when_any(tasks: Sequence[DurableTask[T]]) -> WhenAnyTask[T]:
    """Wait for the first task to end and get that task; the others go on."""
    return WhenAnyTask(tasks)


def shown(source: DurableTask[Any]) -> Task[Any]:
    """A task of the engine as durabletask shows it."""
    if isinstance(source, native.TimerTask):
        timer = TimerTask()
        timer.set_cancel_handler(source.cancel)
        follow(source, timer)
        return timer
    task = CompletableTask[Any]()
    follow(source, task)
    return task


def _failure(message: str, details: Any) -> TaskFailedError:
    if isinstance(details, BaseException):
        details = FailureDetails.from_exception(details)
    if not isinstance(details, FailureDetails):
        details = FailureDetails(message, "TaskFailedError")
    return TaskFailedError(message, details)


class ActivityContext:
    """Which activity call of which orchestration is running."""

    def __init__(self, orchestration_id: str, task_id: int) -> None:
        self.orchestration_id, self.task_id = orchestration_id, task_id


class ReplaySafeLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger that is silent while history is replayed."""

    def __init__(self, logger: logging.Logger, is_replaying: Callable[[], bool]) -> None:
        super().__init__(logger, {})
        self._is_replaying = is_replaying

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802
        return not self._is_replaying() and self.logger.isEnabledFor(level)


def get_name(fn: Callable[..., Any]) -> str:
    """The name of a function; ValueError for a lambda."""
    name = name_of(fn)
    if name == "<lambda>":
        raise ValueError("a lambda has no name: register it under one")
    return name


def get_entity_name(fn: Any) -> str:
    """The name of an entity's function or class; ValueError for a lambda."""
    return str(getattr(fn, "__durable_entity_name__", None) or get_name(fn))


Orchestrator = Callable[[Any, TInput], Generator[Task[Any], Any, TOutput] | TOutput]
Activity = Callable[[ActivityContext, TInput], TOutput]
Entity = Callable[[EntityContext, TInput], TOutput] | type[DurableEntity]

__all__ = [
    "Activity",
    "ActivityContext",
    "CancellableTask",
    "CompletableTask",
    "CompositeTask",
    "DurableEntity",
    "Entity",
    "EntityContext",
    "EntityInstanceId",
    "EntityLock",
    "FailureDetails",
    "NonDeterminismError",
    "OrchestrationStateError",
    "Orchestrator",
    "ReplaySafeLogger",
    "RetryPolicy",
    "RetryableTask",
    "Task",
    "TaskCancelledError",
    "TaskFailedError",
    "TimerTask",
    "WhenAllTask",
    "WhenAnyTask",
    "datetime",
    "get_entity_name",
    "get_name",
    "timedelta",
    "when_all",
    "when_any",
]
