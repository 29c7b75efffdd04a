"""Letting one task learn of the end of others, without telling the engine more than that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from durable.engine.tasks import CompositeTask, DurableTask
from durable.errors import InvalidRequestError


class _Watch(CompositeTask[None]):
    def __init__(self, task: DurableTask[Any], ended: Callable[[DurableTask[Any]], None]) -> None:
        self._ended = ended
        super().__init__([task])

    def on_child_completed(self, task: DurableTask[Any]) -> None:
        self._ended(task)


def watch(task: DurableTask[Any], ended: Callable[[DurableTask[Any]], None]) -> None:
    """Call `ended` once the task has ended, at once if it has."""
    _Watch(task, ended)


def follow(source: DurableTask[Any], target: DurableTask[Any]) -> None:
    """End `target` as `source` ends, with the same value or error."""

    def ended(task: DurableTask[Any]) -> None:
        # not by get_exception, which counts as having dealt with it
        error = task._error
        if error is not None:
            DurableTask.fail(target, error)
        else:
            DurableTask.complete(target, task.get_result())

    watch(source, ended)


def tasks_of(given: Iterable[object]) -> list[DurableTask[Any]]:
    """As a list; InvalidRequestError for what is no task."""
    tasks = []
    for each in given:
        if not isinstance(each, DurableTask):
            raise InvalidRequestError(
                f"expected durable tasks, got {type(each).__name__}; make them with "
                "context.call_activity, create_timer, wait_for_external_event…"
            )
        tasks.append(each)
    return tasks
