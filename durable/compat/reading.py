"""Inputs by annotation, as durabletask reads them: what has no better form stays plain JSON; and
results of 1.x's functions that are called by name."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from functools import cache
from types import NoneType
from typing import Any
from weakref import WeakSet

from durable.codec import annotation_of, decode, return_annotation_of
from durable.codec.encoding import has_json_pair
from durable.errors import PayloadError
from durable.model.functions import name_of, user_function

_PLAIN = (None, Any, str, int, float, bool, dict, list, tuple, object, NoneType, inspect._empty)
_log = logging.getLogger("durable.compat")
_functions: WeakSet[Callable[..., Any]] = WeakSet()


def lenient(read: Callable[[Any], Any], annotation: Any) -> Any:
    """What `read(type)` gives for an annotation, or plain where it does not fit. Plain
    annotations change nothing: an activity that says `str` and is given a number gets the
    number."""
    plain = read(None)
    if plain is None or any(annotation is each for each in _PLAIN):
        return plain
    try:
        return read(annotation)
    except PayloadError as error:
        _log.debug("an input stays plain JSON: %s", error)
        return plain


class Hint:
    """An annotation that `decode` reads as Durable Functions does, by `lenient`: as it does a
    pydantic TypeAdapter, with `validate_json`."""

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation

    def validate_json(self, text: str) -> Any:
        """The value of a JSON text."""
        return lenient(functools.partial(decode, text), self.annotation)


class Wish(Hint):
    """A type that durabletask is asked for: what does not fit is passed to it, as a text is to
    int, and stays plain JSON if that fails."""

    def validate_json(self, text: str) -> Any:
        value, kind = super().validate_json(text), self.annotation
        if value is None or not isinstance(kind, type) or isinstance(value, kind):
            return value
        try:
            return kind(value)
        except Exception as error:
            _log.debug("a value stays plain JSON: %s", error)
            return value


def wish(expected_type: Any) -> Any:
    """What `decode` is asked for where durabletask is asked for a type."""
    return None if expected_type is None else Wish(expected_type)


def hint(annotation: Any) -> Any:
    """The annotation as a hint; Any for what says nothing."""
    return Any if any(annotation is each for each in _PLAIN) else Hint(annotation)


def result_hint(reference: object, expected_type: Any) -> Any:
    """What a called function's result is read as: `expected_type`, else what the function says
    that it returns."""
    if expected_type is not None:
        return hint(expected_type)
    function = None if isinstance(reference, str) else user_function(reference)
    return result_type(reference) if function is None else hint(return_annotation_of(function))


def input_annotation(function: Callable[..., Any], position: int = 1) -> Any:
    """The annotation of a positional parameter, None without one."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None
    return annotation_of(function, names[position]) if len(names) > position else None


def remember(function: Callable[..., Any]) -> None:
    """Keep a decorated function in mind for `result_type`, if it says what it returns."""
    annotation = getattr(function, "__annotations__", {}).get("return")
    if not any(annotation is each for each in _PLAIN):
        _functions.add(function)
        _results.cache_clear()


def result_type(reference: object) -> Any:
    """What a function given by its name returns, if that is a class with `to_json` and
    `from_json`: 1.x's payloads name the class, so that a name is enough there. None else."""
    return _results().get(reference) if isinstance(reference, str) else None


@cache
def _results() -> dict[str, type]:
    """Those by name, where all functions of the name agree: they are asked for with each call."""
    found: dict[str, set[Any]] = {}
    for each in _functions:
        found.setdefault(name_of(each), set()).add(return_annotation_of(each))
    only = {name: next(iter(kinds)) for name, kinds in found.items() if len(kinds) == 1}
    return {n: kind for n, kind in only.items() if isinstance(kind, type) and has_json_pair(kind)}
