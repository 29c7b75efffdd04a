"""JSON from pieces that are JSON already: stored payloads go out as they are, never parsed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from durable.codec import encode


def object_of(members: Mapping[str, str]) -> str:
    """A JSON object from names and the JSON texts of their values."""
    return "{" + ",".join(f"{encode(name)}:{text}" for name, text in members.items()) + "}"


def array_of(items: Iterable[str]) -> str:
    """A JSON array from the JSON texts of its items."""
    return "[" + ",".join(items) + "]"


def seconds_of(moment: datetime) -> str:
    """A time as a JSON string, cut to whole seconds: `"2026-11-23T10:00:00Z"`."""
    return f'"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"'


def micros_of(moment: datetime) -> str:
    """A time as a JSON string with microseconds."""
    return f'"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"'
