"""Events as plain JSON, which is how they are stored, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from durable.errors import UnknownFormat
from durable.model.calls import CallOptions
from durable.model.events import Event, PayloadRef
from durable.model.failure import FailureDetails
from durable.model.instance import Parent

_TYPES: dict[str, type[Any]] = {kind.__name__: kind for kind in Event.__args__}
_FIELDS: dict[type[Any], tuple[tuple[str, Any], ...]] = {
    kind: tuple((each.name, each.default) for each in fields(kind)) for kind in Event.__args__
}


def _pairs(value: list[tuple[Any, Any]]) -> tuple[tuple[Any, Any], ...]:
    return tuple((first, second) for first, second in value)


_READ: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("fire_at", "due", "time"), datetime.fromisoformat),
    **dict.fromkeys(("caller", "owner"), Parent.from_dict),
    **dict.fromkeys(("tags", "origins"), _pairs),
    "failure": FailureDetails.from_dict,
    "options": CallOptions.from_dict,
}
"""How fields that are no plain JSON are read."""
_READ_SHAPE: dict[type, Callable[[Any], Any]] = {
    list: tuple,
    dict: lambda value: PayloadRef(**value),
}
"""How others are, by what stands for them."""


def event_to_dict(event: Event) -> dict[str, Any]:
    """Plain JSON with the event's type under `type`; fields at their default are left out."""
    data: dict[str, Any] = {"type": type(event).__name__}
    for name, default in _FIELDS[type(event)]:
        value = getattr(event, name)
        if value != default:
            data[name] = _plain(value)
    return data


def event_from_dict(data: Mapping[str, Any]) -> Event:
    """The inverse of `event_to_dict`. Raises UnknownFormat for a type or field it lacks."""
    values = dict(data)
    kind = _TYPES.get(values.pop("type", None))
    if kind is None:
        raise UnknownFormat(f"unknown event type {data.get('type')!r}")
    for name, value in values.items():
        read = _READ.get(name) or _READ_SHAPE.get(type(value))
        if read is not None:
            values[name] = read(value)
    try:
        event: Event = kind(**values)
    except TypeError as error:
        raise UnknownFormat(f"event {kind.__name__} with unknown fields: {error}") from error
    return event


def _plain(value: Any) -> Any:
    if isinstance(value, PayloadRef):
        return {"key": value.key, "rows": value.rows, "size": value.size}
    if isinstance(value, FailureDetails | Parent | CallOptions):
        return value.to_dict()
    if isinstance(value, datetime):
        return value.isoformat()
    return value
