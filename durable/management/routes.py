"""What a route is, and which one a path means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, urlencode

import azure.functions as func

from durable.client import DurableOrchestrationClient
from durable.errors import InvalidRequestError
from durable.management.links import LinkSigner, instance_path
from durable.management.parameters import Query

Kind = Literal["string", "boolean", "integer", "number", "date-time", "statuses"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one route. `token` is that of the link it came by."""

    client: DurableOrchestrationClient
    links: LinkSigner
    request: func.HttpRequest
    values: Mapping[str, str]
    query: Query
    token: str | None = None

    def status_url(self, instance_id: str, **flags: bool) -> str:
        """Where to look again: by the same link, else by key; `flags` go into the query."""
        query = urlencode({name: str(flag).lower() for name, flag in flags.items()})
        path = instance_path(instance_id) + (f"?{query}" if query else "")
        return self.links.url(path, token=self.token)


Handler = Callable[[Call], Awaitable[func.HttpResponse]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter, as it is documented."""

    name: str
    kind: Kind
    about: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a pattern below `durabletask/`: segments, `{name}` for one that varies.

    `operation` is what a link can be scoped to. `answers` documents what each status code means,
    and `instance_at` where the id of an instance stands in such an answer, as a JSON pointer.
    `schema` is the body's, where it is not any JSON.
    """

    method: str
    pattern: str
    operation: str
    handler: Handler
    about: str
    answers: Mapping[int, str]
    query: Sequence[Parameter] = ()
    body: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)
    instance_at: Mapping[int, str] = field(default_factory=dict)

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The values of the pattern's parameters, None if it does not fit. Literal segments are
        compared without regard to case, as routes of Functions are."""
        names = self.pattern.split("/")
        if len(names) != len(segments):
            return None
        values: dict[str, str] = {}
        for name, segment in zip(names, segments, strict=True):
            if name.startswith("{") and segment:
                values[name[1:-1]] = segment
            elif name.lower() != segment.lower():
                return None
        return values


def split(path: str) -> list[str]:
    """The segments of a path, percent-decoded once; a slash at either end does not count.

    The Functions host has decoded all but `%2F` before. Raises InvalidRequestError for what is
    not UTF-8.
    """
    try:
        segments = [unquote(segment, errors="strict") for segment in _trim(path).split("/")]
        for segment in segments:
            segment.encode()
    except UnicodeError:
        raise InvalidRequestError("the path is not valid UTF-8") from None
    return segments


def _trim(path: str) -> str:
    return path.removeprefix("/").removesuffix("/")


def candidates(table: Sequence[Route], path: str) -> list[tuple[Route, dict[str, str]]]:
    """The routes of any method whose pattern fits, with their values; errors as for `split`."""
    segments = split(path)
    matches = ((route, route.match(segments)) for route in table)
    return [(route, values) for route, values in matches if values is not None]
