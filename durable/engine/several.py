"""Several tasks at once: all of them, or any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, overload

from durable.engine.tasks import DurableTask, WhenAll, WhenAny

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
T = TypeVar("T")


class SeveralTasks:
    """The part of an orchestration's context that waits for several tasks."""

    @overload
    def when_all(self, tasks: tuple[DurableTask[A], DurableTask[B]]) -> WhenAll[tuple[A, B]]: ...  # type: ignore[overload-overlap]
    @overload
    def when_all(  # type: ignore[overload-overlap]
        self, tasks: tuple[DurableTask[A], DurableTask[B], DurableTask[C]]
    ) -> WhenAll[tuple[A, B, C]]: ...
    @overload
    def when_all(  # type: ignore[overload-overlap]
        self, tasks: tuple[DurableTask[A], DurableTask[B], DurableTask[C], DurableTask[D]]
    ) -> WhenAll[tuple[A, B, C, D]]: ...
    @overload
    def when_all(self, tasks: tuple[DurableTask[T], ...]) -> WhenAll[tuple[T, ...]]: ...  # type: ignore[overload-overlap]
    @overload
    def when_all(self, tasks: Sequence[DurableTask[T]]) -> WhenAll[list[T]]: ...
    def when_all(self, tasks: Sequence[DurableTask[Any]]) -> WhenAll[Any]:
        """Wait for all tasks; then their results, a tuple of those of a tuple, else a list, or the
        first failure."""
        return when_all(tasks)

    def when_any(self, tasks: Sequence[DurableTask[T]]) -> WhenAny[T]:
        """Wait for the first task to end and get that task; the others go on."""
        return when_any(tasks)

    def task_all(self, tasks: Sequence[DurableTask[T]]) -> WhenAll[list[T]]:
        """The list of all results, as `when_all`, but fails as soon as one task fails."""
        return WhenAll(_listed(tasks, "task_all"), fail_fast=True)

    def task_any(self, tasks: Sequence[DurableTask[T]]) -> WhenAny[T]:
        """As `when_any`."""
        return WhenAny(_listed(tasks, "task_any"))


@overload
def when_all(tasks: tuple[DurableTask[A], DurableTask[B]]) -> WhenAll[tuple[A, B]]: ...  # type: ignore[overload-overlap]
@overload
def when_all(  # type: ignore[overload-overlap]
    tasks: tuple[DurableTask[A], DurableTask[B], DurableTask[C]],
) -> WhenAll[tuple[A, B, C]]: ...
@overload
def when_all(  # type: ignore[overload-overlap]
    tasks: tuple[DurableTask[A], DurableTask[B], DurableTask[C], DurableTask[D]],
) -> WhenAll[tuple[A, B, C, D]]: ...
@overload
def when_all(tasks: tuple[DurableTask[T], ...]) -> WhenAll[tuple[T, ...]]: ...  # type: ignore[overload-overlap]
@overload
def when_all(tasks: Sequence[DurableTask[T]]) -> WhenAll[list[T]]: ...
def when_all(tasks: Sequence[DurableTask[Any]]) -> WhenAll[Any]:
    """Wait for all tasks; results in their order, a tuple of those of a tuple, else a list. If
    some failed, the first failure is raised once all have ended. TypeError for what is no list."""
    each = tasks if isinstance(tasks, tuple) else _listed(tasks, "when_all")
    return WhenAll(each, fail_fast=False)


def when_any(tasks: Sequence[DurableTask[T]]) -> WhenAny[T]:
    """Wait for the first task to end and get that task; the others go on. TypeError for what is
    no list."""
    return WhenAny(_listed(tasks, "when_any"))


def _listed(tasks: object, name: str) -> list[DurableTask[Any]]:
    if not isinstance(tasks, Iterable):
        what = "one task" if isinstance(tasks, DurableTask) else type(tasks).__name__
        raise TypeError(f"{name} takes a list of tasks, not {what}: write {name}([task, …])")
    return list(tasks)
