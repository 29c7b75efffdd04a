"""`azure.durable_functions.models.Task`: tasks as 1.x shows them, for reading and subclassing.

`result` never raises here: it is the value, the error of a task that failed, or None while
the task is running.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from durable.compat.v1.actions import (
    Action,
    CompoundAction,
    NoOpAction,
    WhenAllAction,
    WhenAnyAction,
)
from durable.compat.watching import follow, tasks_of, watch
from durable.engine import tasks as native
from durable.engine.tasks import DurableTask


class TaskState(Enum):
    """The states of a task."""

    RUNNING = 0
    SUCCEEDED = 1
    FAILED = 2


class TaskBase(DurableTask[Any]):
    """Base of all tasks; a subclass ends itself with `set_value`."""

    def __init__(self, id_: int | str | None, actions: Sequence[Action] | Action) -> None:
        DurableTask.__init__(self)
        self._describe(id_, actions)

    def _describe(self, id_: int | str | None, actions: Any) -> None:
        self.id = id_
        self.action_repr = actions
        self.parent: CompoundTask | None = None
        self.is_played = False

    @property
    def state(self) -> TaskState:
        """Running, succeeded or failed."""
        if not self.is_completed:
            return TaskState.RUNNING
        return TaskState.FAILED if self.is_failed else TaskState.SUCCEEDED

    @property
    def result(self) -> Any:
        """The value, the error if it failed, None while it runs; never raises."""
        return self.get_exception() if self.is_failed else self._value

    def set_is_played(self, is_played: bool) -> None:
        """Kept for subclasses that call it; replay is the engine's."""
        self.is_played = is_played

    def change_state(self, state: TaskState) -> None:
        """End the task without a value. ValueError for RUNNING: a task does not go back."""
        if state is TaskState.RUNNING:
            raise ValueError("Cannot change Task to the RUNNING state.")
        self.set_value(state is TaskState.FAILED, _NO_ERROR if state is TaskState.FAILED else None)

    def set_value(self, is_error: bool, value: Any) -> None:
        """End the task, once, with a value or with an exception (a failed task stands for its
        own). TypeError for an error that is none."""
        if not is_error:
            self.complete(value)
            return
        error = value.result if isinstance(value, TaskBase) else value
        if not isinstance(error, BaseException):
            raise TypeError(f"Task ID {self.id} failed but its value was not an Exception")
        self.fail(error)


_NO_ERROR = RuntimeError("the task was set to FAILED without an error")


class CompoundTask(TaskBase):
    """A task of tasks. Subclasses say in `try_set_value` what each ended child means.

    Subclasses read `children`, `pending_tasks`, `completed_tasks` and may keep the first error
    in `_first_error`. A hook that raises fails the task.
    """

    def __init__(
        self, tasks: Sequence[DurableTask[Any]], compound_action_constructor: Any = None
    ) -> None:
        children = tasks_of(tasks)
        actions = [each.action_repr for each in children if isinstance(each, TaskBase)]
        constructor = compound_action_constructor
        super().__init__(-1, constructor(actions) if constructor is not None else actions)
        self._first_error: BaseException | None = None
        self.children = children
        self.pending_tasks = set(self.children)
        self.completed_tasks: list[DurableTask[Any]] = []
        for child in self.children:
            if isinstance(child, TaskBase):
                child.parent = self
        for child in dict.fromkeys(self.children):
            watch(child, self.handle_completion)

    def handle_completion(self, child: Any) -> None:
        """Called once for each child that ended."""
        if self.is_completed:
            return
        self.pending_tasks.discard(child)
        self.completed_tasks.append(child)
        try:
            self.try_set_value(child)
        except Exception as error:
            self.fail(error)

    def try_set_value(self, child: Any) -> None:
        """Decide, now that a child has ended, whether this task ends."""
        raise NotImplementedError(f"{type(self).__name__} needs a method try_set_value")


class AtomicTask(TaskBase):
    """A task without children: something that the engine does."""

    def __init__(
        self,
        id_: int | str | None,
        actions: Sequence[Action] | Action,
        source: DurableTask[Any] | None = None,
    ) -> None:
        """It ends as `source` does."""
        super().__init__(id_, actions)
        if source is not None:
            follow(source, self)


class TimerTask(AtomicTask):
    """A durable timer."""

    def __init__(
        self,
        id_: int | str | None,
        action: Sequence[Action] | Action,
        source: native.TimerTask | None = None,
    ) -> None:
        super().__init__(id_, action, source)
        self._timer = source

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` came before it fired."""
        return self._timer is not None and self._timer.is_cancelled

    def cancel(self) -> None:
        """Stop the timer. ValueError once it has fired."""
        if self.is_completed:
            raise ValueError("Cannot cancel a completed task.")
        if self._timer is not None:
            self._timer.cancel()


class LongTimerTask(TimerTask):
    """A timer of any length is one timer here; the name is for `isinstance`."""


class WhenAllTask(CompoundTask):
    """Done when all children are; fails as soon as one fails."""

    def __init__(self, task: Sequence[DurableTask[Any]], replay_schema: object = None) -> None:
        super().__init__(task, WhenAllAction)
        if not self.children:
            self.complete([])

    def try_set_value(self, child: Any) -> None:
        error = child._error
        if error is not None:
            self._first_error = error
            self.fail(error)
        elif not self.pending_tasks:
            self.complete([each.get_result() for each in self.children])


class RetryAbleTask(WhenAllTask):
    """Attempts are the engine's here; the name is for `isinstance`."""


class WhenAnyTask(CompoundTask):
    """Done with the first child that ends, which is its result; without children at once."""

    def __init__(self, task: Sequence[DurableTask[Any]], replay_schema: object = None) -> None:
        super().__init__(task, WhenAnyAction)
        if not self.children:
            self.complete(None)

    def try_set_value(self, child: Any) -> None:
        self.complete(child)


def shown(source: DurableTask[Any], what: str, id_: int | str | None = None) -> AtomicTask:
    """A task of the engine as 1.x shows it; `what` says what it is, for who prints it."""
    if isinstance(source, native.TimerTask):
        return TimerTask(id_, NoOpAction(what), source)
    return AtomicTask(id_, NoOpAction(what), source)


__all__ = [
    "AtomicTask",
    "CompoundAction",
    "CompoundTask",
    "LongTimerTask",
    "RetryAbleTask",
    "TaskBase",
    "TaskState",
    "TimerTask",
    "WhenAllTask",
    "WhenAnyTask",
]
