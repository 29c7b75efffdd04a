"""Several storage calls at once, but not all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 16


async def together(
    items: Iterable[T], call: Callable[[T], Awaitable[R]], at_once: int = AT_ONCE
) -> list[R]:
    """`call` of each item, so many at a time; the results in the order of the items. The first
    error is raised once all that had begun have ended."""
    free = asyncio.Semaphore(at_once)
    failed = False

    async def one(item: T) -> R:
        nonlocal failed
        async with free:
            if failed:
                raise asyncio.CancelledError
            try:
                return await call(item)
            except BaseException:
                failed = True
                raise

    results = await asyncio.gather(*(one(item) for item in items), return_exceptions=True)
    errors = [each for each in results if isinstance(each, BaseException)]
    for error in errors:
        if not isinstance(error, asyncio.CancelledError):
            raise error
    if errors:
        raise errors[0]
    return results  # type: ignore[return-value]
