"""The part of an orchestration's context that calls an activity for each of many items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, Unpack, overload

from durable.engine.activity_calls import ActivityCalls
from durable.engine.references import (
    Activity,
    ActivityWithMore,
    AsyncActivity,
    AsyncActivityWithMore,
)
from durable.engine.tasks import CompositeTask, DurableTask
from durable.errors import InvalidRequestError
from durable.model.calls import ActivityOptions

In = TypeVar("In")
R = TypeVar("R")
T = TypeVar("T")


class MapTask(CompositeTask[list[T]]):
    """The results of many tasks in order, of which a limited number is begun at a time. After a
    failure no more are begun; the first is raised once all that were begun have ended."""

    def __init__(
        self, items: Sequence[Any], begin: Callable[[Any], DurableTask[T]], limit: int
    ) -> None:
        """`begin(item)` makes the task of an item; `limit` of them are outstanding at most."""
        super().__init__(())
        self._begun: list[DurableTask[T]] = []
        self._left = iter(items)
        self._begin = begin
        self._open = 0
        self._first_error: BaseException | None = None
        for _ in range(limit):
            if not self._begin_next():
                break
        self._end_if_over()

    def get_tasks(self) -> Sequence[DurableTask[Any]]:
        """Those that were begun, in the order of the items."""
        return tuple(self._begun)

    def on_child_completed(self, task: DurableTask[Any]) -> None:
        self._open -= 1
        if task.is_failed and self._first_error is None:
            self._first_error = task._error
        if self._first_error is None:
            self._begin_next()
        self._end_if_over()

    def _begin_next(self) -> bool:
        """False when there is no item left."""
        for item in self._left:
            try:
                task = self._begin(item)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                # raised where it is awaited, as it may come while something else is
                self._first_error = self._first_error or error
                return False
            self._begun.append(task)
            self._open += 1
            task._parents.append(self)
            return True
        return False

    def _end_if_over(self) -> None:
        if self._open:
            return
        if self._first_error is not None:
            self.fail(self._first_error)
        else:
            self.complete([child.get_result() for child in self._begun])


class MappedCalls(ActivityCalls):
    """See the module."""

    @overload
    def map(
        self,
        name: AsyncActivity[In, R],
        items: Iterable[In],
        *,
        limit: int | None = None,
        key_of: Callable[[In], str] | None = None,
        **options: Unpack[ActivityOptions],
    ) -> DurableTask[list[R]]: ...
    @overload
    def map(
        self,
        name: Activity[In, R],
        items: Iterable[In],
        *,
        limit: int | None = None,
        key_of: Callable[[In], str] | None = None,
        **options: Unpack[ActivityOptions],
    ) -> DurableTask[list[R]]: ...
    @overload
    def map(
        self,
        name: AsyncActivityWithMore[In, R],
        items: Iterable[In],
        *,
        limit: int | None = None,
        key_of: Callable[[In], str] | None = None,
        **options: Unpack[ActivityOptions],
    ) -> DurableTask[list[R]]: ...
    @overload
    def map(
        self,
        name: ActivityWithMore[In, R],
        items: Iterable[In],
        *,
        limit: int | None = None,
        key_of: Callable[[In], str] | None = None,
        **options: Unpack[ActivityOptions],
    ) -> DurableTask[list[R]]: ...
    @overload
    def map(
        self,
        name: str,
        items: Iterable[In],
        *,
        expected_type: type[R],
        limit: int | None = None,
        key_of: Callable[[In], str] | None = None,
        **options: Unpack[ActivityOptions],
    ) -> DurableTask[list[R]]: ...
    @overload
    def map(
        self,
        name: str,
        items: Iterable[In],
        *,
        expected_type: Any = None,
        limit: int | None = None,
        key_of: Callable[[In], str] | None = None,
        **options: Unpack[ActivityOptions],
    ) -> DurableTask[list[Any]]: ...
    def map(
        self,
        name: Any,
        items: Iterable[Any],
        *,
        expected_type: Any = None,
        limit: int | None = None,
        key_of: Callable[[Any], str] | None = None,
        **options: Unpack[ActivityOptions],
    ) -> DurableTask[list[Any]]:
        """Run an activity for each item, `limit` of this orchestration's calls outstanding at
        once (None: all), and get the results in the order of the items.

        `options` and `expected_type` are those of `call_activity`, for each call; `key_of(item)`
        is the key of an item's call. If calls fail, no more are begun, and the first failure is
        raised once all that were begun have ended. Raises InvalidRequestError.
        """
        if limit is not None and (type(limit) is not int or limit < 1):
            raise InvalidRequestError("map takes a positive int as limit")
        if key_of is not None and options.get("key") is not None:
            raise InvalidRequestError("map takes a key for all items, or key_of for each")
        if isinstance(items, str | bytes):
            raise InvalidRequestError("map takes items, and a text is one value: pass a list")
        if not isinstance(items, Iterable):
            raise InvalidRequestError(f"map takes items to go through, not {type(items).__name__}")
        if key_of is not None and not callable(key_of):
            raise InvalidRequestError("map takes a function of an item as key_of")

        def begin(item: Any) -> DurableTask[Any]:
            if key_of is not None:
                options["key"] = key_of(item)
            return self.call_activity(name, item, expected_type=expected_type, **options)

        every = list(items)
        return MapTask(every, begin, len(every) if limit is None else limit)
