"""`Orchestrator` and `Entity`: the entry points of function.json apps, and for unit tests."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

from durable.compat.warnings import DurableFunctionsCompatibilityWarning, warn
from durable.errors import DefinitionError
from durable.model.functions import name_of


class Orchestrator:
    """1.x's wrapper of an orchestrator."""

    def __init__(self, activity_func: Callable[..., Any]) -> None:
        self.fn = activity_func

    @classmethod
    def create(cls, fn: Callable[..., Any]) -> Callable[..., Any]:
        """What `main` is in a function.json app. It has `orchestrator_function`, for tests;
        called by a host it raises DefinitionError, since such apps are not run here: a
        DurableFunctionsCompatibilityWarning says so at once."""
        return _handle(fn, "orchestrator_function", "orchestration_trigger", sys._getframe(1))


class Entity:
    """1.x's wrapper of an entity."""

    def __init__(self, entity_func: Callable[..., Any]) -> None:
        self.fn = entity_func

    @classmethod
    def create(cls, fn: Callable[..., Any]) -> Callable[..., Any]:
        """As `Orchestrator.create`, with `entity_function`."""
        return _handle(fn, "entity_function", "entity_trigger", sys._getframe(1))


def _handle(
    fn: Callable[..., Any], attribute: str, decorator: str, caller: FrameType
) -> Callable[..., Any]:
    problem = (
        f"{name_of(fn)} is a function of a function.json app, which durable does not run: "
        f"write function_app.py and decorate it with @app.{decorator}"
    )
    warn(problem, caller, DurableFunctionsCompatibilityWarning)

    @functools.wraps(fn)
    def handle(context: Any) -> Any:
        raise DefinitionError(problem)

    setattr(handle, attribute, fn)
    return handle


def orchestrator_generator_wrapper(generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Drive an orchestrator in a unit test: yields each task that it yields, sends back the task's
    `result` (or raises it, if it is an error), and yields what the orchestrator returns."""
    try:
        task = next(generator)
        while True:
            yield task
            result = task.result
            task = generator.throw(result) if _is_error(result) else generator.send(result)
    except StopIteration as stop:
        yield stop.value


def _is_error(result: Any) -> bool:
    return isinstance(result, BaseException)
