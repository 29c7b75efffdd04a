"""What the author of a function wrote as types, read with tolerance."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Never, NoReturn, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

_resolved: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""What was found, by function: it is asked for with each call."""


def annotation_of(function: Callable[..., Any], parameter: str) -> Any:
    """The annotation of a parameter, for `decode`; None when there is none, or when it is a
    forward reference that cannot be resolved (imported under TYPE_CHECKING, for example)."""
    return _resolve(_implementation(function), parameter)


def return_annotation_of(function: Callable[..., Any]) -> Any:
    """The annotation of what a function finally returns, for `decode`; None as above.

    `Generator[Y, S, R]`, `Coroutine[Y, S, R]` and `Awaitable[R]` stand for R; a function that
    never returns has none. `-> None` gives `type(None)`.
    """
    function = _implementation(function)
    annotation = _resolve(function, "return")
    if annotation in (Never, NoReturn):
        return None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Generator, Coroutine):
        return arguments[2] if len(arguments) == 3 else None
    if origin is Awaitable:
        return arguments[0]
    if inspect.isgeneratorfunction(function):
        return None
    return annotation


def _implementation(function: Any) -> Any:
    """The function whose annotations and globals count, below partials, methods and wrappers."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    return inspect.unwrap(getattr(function, "__func__", function))


def _resolve(function: Any, name: str) -> Any:
    """One annotation by itself, so that an unresolvable neighbour does no harm."""
    try:
        if (known := _resolved.get(function, {}).get(name)) is not None:
            return known
        holder = SimpleNamespace(__annotations__={name: inspect.get_annotations(function)[name]})
        names = getattr(function, "__globals__", {})
        found = get_type_hints(holder, names, _enclosing(function), include_extras=True)[name]
        _resolved.setdefault(function, {})[name] = found
        return found
    except Exception:
        return None


def _enclosing(function: Any) -> dict[str, Any]:
    names = function.__code__.co_freevars if hasattr(function, "__code__") else ()
    found = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=True):
        with suppress(ValueError):  # not assigned yet
            found[name] = cell.cell_contents
    return found
