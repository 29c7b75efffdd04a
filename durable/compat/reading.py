"""Inputs by annotation, as durabletask reads them: what has no better form stays plain JSON."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from types import NoneType
from typing import Any

from durable.codec import annotation_of
from durable.errors import PayloadError

_PLAIN = (None, Any, str, int, float, bool, dict, list, tuple, object, NoneType, inspect._empty)
_log = logging.getLogger("durable.compat")


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
