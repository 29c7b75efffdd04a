"""Which endpoint answers a request: templates in order, as the Functions host matches them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from durable.worker.templates import Template

E = TypeVar("E")

_ESCAPES = re.compile(r"(?:%(?!2[Ff])[0-9A-Fa-f]{2})+")


class BadTarget(ValueError):
    """A request target that no route can have."""


@dataclass(frozen=True, slots=True)
class Route(Generic[E]):
    """`methods` None takes every method."""

    template: Template
    methods: frozenset[str] | None
    endpoint: E


class Router(Generic[E]):
    """The first route in the given order that fits path and method wins."""

    def __init__(self, routes: Iterable[Route[E]]) -> None:
        self._routes = tuple(routes)

    def find(self, method: str, path: Sequence[str]) -> tuple[E, dict[str, str]] | None:
        """The endpoint and its route values; None is a 404, a wrong method included."""
        for route in self._routes:
            if route.methods is None or method.upper() in route.methods:
                values = route.template.match(path)
                if values is not None:
                    return route.endpoint, values
        return None


def path_segments(target: str) -> list[str]:
    """Segments of a raw request target (`/a%20b/c?d`), decoded except `%2F`, without dot segments.

    One slash at the end is ignored. Raises BadTarget for what is no path, and for NUL.
    """
    if not target.startswith("/"):
        raise BadTarget("the request target must be a path")
    path = _ESCAPES.sub(_decoded, target.partition("?")[0])
    if "\0" in path:
        raise BadTarget("the path holds a NUL character")
    kept: list[str] = []
    parts = path[1:].split("/")
    for index, part in enumerate(parts):
        if part in (".", ".."):
            if part == ".." and kept:
                kept.pop()
            if index == len(parts) - 1:
                kept.append("")
        else:
            kept.append(part)
    if kept and not kept[-1]:
        kept.pop()
    return kept


def _decoded(match: re.Match[str]) -> str:
    """Bytes that are not UTF-8 stay as they were sent."""
    try:
        return bytes.fromhex(match[0].replace("%", "")).decode()
    except UnicodeDecodeError:
        return match[0]
