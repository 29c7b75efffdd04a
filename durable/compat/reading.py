"""Inputs by annotation, as durabletask reads them: what has no better form stays plain JSON; and
results of 1.x's functions that are called by name."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from types import NoneType
from typing import Any
from weakref import WeakSet

from durable.codec import annotation_of, return_annotation_of
from durable.codec.encoding import has_json_pair
from durable.errors import PayloadError
from durable.model.functions import name_of

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


def result_type(reference: object) -> Any:
    """What a function given by its name returns, if that is a class with `to_json` and
    `from_json`: 1.x's payloads name the class, so that a name is enough there. None else."""
    if not isinstance(reference, str):
        return None
    found = {return_annotation_of(each) for each in _functions if name_of(each) == reference}
    kind = found.pop() if len(found) == 1 else None
    return kind if isinstance(kind, type) and has_json_pair(kind) else None
