"""`encode`: a value to JSON text."""

from __future__ import annotations

import inspect
import json
import math
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from durable.codec.location import ANY_ITEM, Step, render
from durable.errors import PayloadError


class _Refused(TypeError):
    """A value without a JSON form; the message goes on after "cannot encode <type>"."""


def encode(value: object) -> str:
    """The JSON text of `value`: compact, ASCII, the same for equal values.

    Lone surrogates are kept, as escapes. Keys that are int, float, bool or None become their JSON
    text, as with `json.dumps`; enums, UUIDs, decimals, dates and times what they are as values.
    Raises PayloadError, naming the path, for a value that has no JSON
    form: an unsupported type, also of a key, two keys of one text, NaN or an infinity, a cycle,
    nesting too deep for the interpreter, or a `to_json` or `model_dump` that raises.
    """
    try:
        text = _ENCODER.encode(value)
    except Exception as error:
        if fault := _find_fault(value):
            raise fault from error
        try:
            return _ENCODER.encode(_with_text_keys(value))
        except Exception:
            raise PayloadError(f"$: cannot be encoded: {error}") from error
    # of two keys with one text, json writes both
    if _KEY_LIKE_A_SCALAR.search(text) and (fault := _find_fault(value)):
        raise fault
    return text


_KEY_LIKE_A_SCALAR = re.compile(r'"(?:-?\d[\d.e+-]*|true|false|null)":')


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise _Refused(f"{value}, which is not a number in JSON")
    return str(value)


def _set(value: set[object] | frozenset[object]) -> list[object]:
    # the iteration order of a set differs between processes; replays must not
    return sorted(value, key=encode)


def _bytes(value: bytes | bytearray) -> str:
    return b64encode(value).decode("ascii")


_BY_TYPE: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (Enum, lambda value: value.value),
    (datetime, datetime.isoformat),
    (date, date.isoformat),
    (time, time.isoformat),
    (timedelta, timedelta.total_seconds),
    (UUID, str),
    (Decimal, _decimal),
    (bytes, _bytes),
    (bytearray, _bytes),
    (set, _set),
    (frozenset, _set),
    (Mapping, dict),
    (SimpleNamespace, vars),
)


def _substitute(value: Any) -> object:
    """What stands for `value` in JSON, one level deep. Raises _Refused, or what user code does."""
    kind = type(value)
    if isinstance(value, type):
        raise _Refused("a class, not a value")
    if has_json_pair(kind):
        return kind.to_json(value)
    if hasattr(kind, "__pydantic_serializer__") and hasattr(kind, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if callable(getattr(kind, "to_json", None)):
        return kind.to_json(value)
    for known, convert in _BY_TYPE:
        if isinstance(value, known):
            return convert(value)
    if inspect.isawaitable(value):
        raise _Refused("an awaitable: await it, and pass its result")
    raise _Refused(
        "use plain JSON values, a dataclass or a pydantic model, or give the class "
        "to_json and from_json"
    )


def has_json_pair(kind: Any) -> bool:
    """Durable Functions' convention: static methods `to_json(value)` and `from_json(json)`."""
    return callable(getattr(kind, "to_json", None)) and callable(getattr(kind, "from_json", None))


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_substitute)


def _find_fault(value: object) -> PayloadError | None:
    try:
        _check(value, (), set())
    except PayloadError as fault:
        return fault
    except RecursionError:
        return PayloadError("$: is nested too deeply to be encoded")
    return None


def _check(value: object, steps: tuple[Step, ...], ancestors: set[int]) -> None:
    """Raise PayloadError for the first thing in `value` that cannot be encoded."""
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int | float):
        _check_number(value, steps)
        return
    if id(value) in ancestors:
        raise PayloadError(f"{render(steps)}: is part of itself (a cycle); pass ids instead")
    ancestors.add(id(value))
    if isinstance(value, dict):
        texts: dict[str, object] = {}
        for key, item in value.items():
            text = _key_text(key, steps)
            if text in texts:
                raise PayloadError(
                    f"{render(steps)}: keys {texts[text]!r} and {key!r} are both {text!r} in JSON"
                )
            texts[text] = key
            _check(item, (*steps, text), ancestors)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, (*steps, index), ancestors)
    elif isinstance(value, set | frozenset):
        for item in value:
            _check(item, (*steps, ANY_ITEM), ancestors)
    else:
        _check(_substitute_at(value, steps), steps, ancestors)
    ancestors.discard(id(value))


def _check_number(value: int | float, steps: tuple[Step, ...]) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise PayloadError(f"{render(steps)}: {value} is not a number in JSON; use None")
        return
    try:
        int.__repr__(value)
    except ValueError as error:
        raise PayloadError(f"{render(steps)}: {error}") from error


_KEYS = (Enum, date, time, UUID, Decimal)
"""What is as a key what it is as a value, if that is a scalar."""


def _with_text_keys(value: Any) -> Any:
    """The same with keys that json takes; it asks nobody about them."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict):
        return {_key_text(key, ()): _with_text_keys(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_text_keys(item) for item in value]
    return _with_text_keys(_substitute(value))


def _key_text(key: object, steps: tuple[Step, ...]) -> str:
    if isinstance(key, _KEYS) and not isinstance(key, str | int):
        key = _substitute_at(key, steps)
        if isinstance(key, _KEYS):
            key = _substitute_at(key, steps)
    if isinstance(key, str):
        return key
    if key is not None and not isinstance(key, int | float):
        raise PayloadError(
            f"{render(steps)}: key {key!r} is of type {type(key).__name__}; "
            "keys of a JSON object are strings: convert it with str()"
        )
    if key is not None:
        _check_number(key, steps)
    return json.dumps(key)


def _substitute_at(value: object, steps: tuple[Step, ...]) -> object:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    try:
        return _substitute(value)
    except RecursionError:
        raise
    except _Refused as refused:
        raise PayloadError(f"{render(steps)}: cannot encode {kind}: {refused}") from refused
    except Exception as error:
        raise PayloadError(
            f"{render(steps)}: cannot encode {kind}: {type(error).__name__}: {error}"
        ) from error
