"""What an orchestrator awaits.

A task is completed by the execution that owns it and tells its parents; a composite decides
by a hook for each completed child. Nothing here knows history or storage.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator, Sequence
from typing import Any, Generic, TypeVar

from durable.codec import decode
from durable.errors import InvalidRequestError, PayloadError, TaskFailedError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class DurableTask(Generic[T_co]):
    """A result that replay can repeat: `await` it in an async orchestrator, `yield` it in a
    generator."""

    def __init__(self) -> None:
        self._parents: list[CompositeTask[Any]] = []
        self._done = False
        self._value: T_co | None = None
        self._error: BaseException | None = None

    @property
    def is_completed(self) -> bool:
        """Whether it has a result or failed."""
        return self._done

    @property
    def is_failed(self) -> bool:
        """Whether it ended with an error."""
        return self._error is not None

    @property
    def is_faulted(self) -> bool:
        """The same as `is_failed`."""
        return self._error is not None

    @property
    def result(self) -> T_co:
        """The value; raises the task's error if it failed, InvalidRequestError if not done."""
        return self.get_result()

    def get_result(self) -> T_co:
        """As `result`."""
        if not self._done:
            raise InvalidRequestError("the task has not completed: await it first")
        error = self.get_exception()
        if error is not None:
            raise error
        return self._value  # type: ignore[return-value]

    def get_exception(self) -> BaseException | None:
        """The error it failed with, or None."""
        if isinstance(self._error, TaskFailedError):
            self._error.observed = True
        return self._error

    def __await__(self) -> Generator[DurableTask[Any], None, T_co]:
        while not self._done:
            yield self
        return self.get_result()

    def complete(self, value: Any) -> None:
        """Give the task its value, once; later calls change nothing."""
        if not self._done:
            self._done, self._value = True, value
            self._tell()

    def fail(self, error: BaseException) -> None:
        """End the task with an error, once; later calls change nothing."""
        if not self._done:
            self._done, self._error = True, error
            self._tell()

    def _tell(self) -> None:
        for parent in self._parents:
            parent.on_child_completed(self)
        self._parents.clear()


class PayloadTask(DurableTask[T_co]):
    """Completed with a JSON text, which becomes a value of the expected type; one that does not
    fit fails the task."""

    def __init__(self, expected: Any) -> None:
        super().__init__()
        self._expected = expected

    def complete(self, value: Any) -> None:
        try:
            decoded = decode(value, self._expected)
        except PayloadError as error:
            self.fail(error)
        else:
            super().complete(decoded)


class CompositeTask(DurableTask[T_co]):
    """A task made of others; subclasses say in `on_child_completed` when it is done."""

    def __init__(self, tasks: Sequence[DurableTask[Any]]) -> None:
        super().__init__()
        self._children = tuple(tasks)
        for child in self._children:
            if not isinstance(child, DurableTask):
                raise InvalidRequestError(
                    f"expected durable tasks, got {type(child).__name__}; "
                    "make them with context.call_activity, create_timer, wait_for_external_event…"
                )
        for child in self._children:
            if child.is_completed:
                self.on_child_completed(child)
            else:
                child._parents.append(self)

    def get_tasks(self) -> Sequence[DurableTask[Any]]:
        """The children, in the order given."""
        return self._children

    @abstractmethod
    def on_child_completed(self, task: DurableTask[Any]) -> None:
        """Called once for each child that completes."""


class WhenAll(CompositeTask[T_co]):
    """Results in the order of the tasks: a tuple of those of a tuple, else a list. With
    `fail_fast` the first failure ends it at once; without, it waits for all and then raises the
    failure that came first."""

    def __init__(self, tasks: Sequence[DurableTask[Any]], *, fail_fast: bool) -> None:
        self._collect: type[tuple[Any, ...] | list[Any]] = (
            tuple if isinstance(tasks, tuple) else list
        )
        self._open = len(tasks)
        self._fail_fast = fail_fast
        self._first_error: BaseException | None = None
        super().__init__(tasks)
        if not self._children:
            self.complete(self._collect())

    def on_child_completed(self, task: DurableTask[Any]) -> None:
        self._open -= 1
        if task.is_failed and self._first_error is None:
            self._first_error = task._error
        if self._first_error is not None and (self._fail_fast or not self._open):
            self.fail(self._first_error)
        elif not self._open:
            self.complete(self._collect(child.get_result() for child in self._children))


class WhenAny(CompositeTask[DurableTask[T_co]]):
    """Its result is the first task that completed, failed or not; the others go on."""

    def __init__(self, tasks: Sequence[DurableTask[Any]]) -> None:
        if not tasks:
            raise InvalidRequestError("when_any needs at least one task")
        super().__init__(tasks)

    def on_child_completed(self, task: DurableTask[Any]) -> None:
        self.complete(task)


class TimerTask(DurableTask[None]):
    """A durable timer. It keeps an instance from nothing: cancel it when it no longer matters,
    so that it does not ring."""

    def __init__(self, on_cancel: Callable[[], None]) -> None:
        super().__init__()
        self._on_cancel = on_cancel
        self._cancelled = False

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` came before it fired."""
        return self._cancelled

    def cancel(self) -> None:
        """Stop the timer; it never completes then. Cancelling one that has fired does nothing."""
        if not self._done and not self._cancelled:
            self._cancelled = True
            self._on_cancel()


class MappedTask(CompositeTask[T]):
    """Another task's result, passed through a function that may start the next attempt.

    `step` gets the finished child and answers the task to wait for next, or None when it has
    completed this one itself.
    """

    def __init__(
        self,
        first: DurableTask[Any],
        step: Callable[[MappedTask[T], DurableTask[Any]], DurableTask[Any] | None],
    ) -> None:
        self._step = step
        super().__init__([first])

    def on_child_completed(self, task: DurableTask[Any]) -> None:
        while True:
            try:
                following = self._step(self, task)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self.fail(error)
                return
            if following is None:
                return
            if not following.is_completed:
                following._parents.append(self)
                return
            task = following
