"""Warnings at the few names of Durable Functions that have one clearly better way here.

They name the line of the app, once for each line however often it runs, replays included. What
this package calls itself warns of nothing.
"""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

ADVICE = "__durable_advice__"
"""Set on functions by `old`, to what the warning says."""

_told: set[tuple[str, int, str]] = set()


class DurableFunctionsCompatibilityWarning(UserWarning):
    """Part of the app does not run here, nor under Durable Functions 2.x."""


class DurableDeprecationWarning(DeprecationWarning):
    """It works, and there is a better way."""


def old(advice: str) -> Callable[[F], F]:
    """Have a function or coroutine function warn who calls it, or awaits it."""

    def decorate(function: F) -> F:
        run: Any
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                warn(advice, sys._getframe(1))
                return await function(*args, **kwargs)

            run = run_async
        else:

            @functools.wraps(function)
            def run_plain(*args: Any, **kwargs: Any) -> Any:
                warn(advice, sys._getframe(1))
                return function(*args, **kwargs)

            run = run_plain
        setattr(run, ADVICE, advice)
        return run  # type: ignore[no-any-return]

    return decorate


def warn(
    message: str, caller: FrameType, category: type[Warning] = DurableDeprecationWarning
) -> None:
    """Warn of what `caller` is doing, unless it is not the app's code: this package's, or the
    event loop's, where a task was made of the call."""
    namespace = caller.f_globals
    module = str(namespace.get("__name__", ""))
    place = caller.f_code.co_filename, caller.f_lineno
    if module.partition(".")[0] in ("durable", "asyncio") or (*place, message) in _told:
        return
    registry = namespace.setdefault("__warningregistry__", {})
    warnings.warn_explicit(message, category, *place, module, registry)
    # a filter that makes it an error has it raised each time
    _told.add((*place, message))
