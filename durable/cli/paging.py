"""Lists that come in pages: `--top`, `--all` and `--continuation-token`."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import TypeVar

from durable.cli.errors import UsageError

T = TypeVar("T")
Fetch = Callable[[int, str | None], Awaitable[tuple[list[T], str | None]]]

_PAGE = 1000


async def paged(options: argparse.Namespace, fetch: Fetch[T]) -> tuple[list[T], str | None]:
    """As many as were asked for, and the token of what follows. `fetch(top, token)` reads a page
    of the table, which may hold fewer matches than it has rows."""
    found: list[T] = []
    token: str | None = options.continuation_token
    while True:
        top = _PAGE if options.all else options.top - len(found)
        try:
            page, token = await fetch(top, token)
        except ValueError as error:
            if options.continuation_token is None:
                raise
            raise UsageError("--continuation-token is not one that this command gave") from error
        found += page
        if token is None or (not options.all and len(found) >= options.top):
            return found, token
