"""Ends tasks, within a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

GRACE = 5.0
"""Seconds that what was cancelled has for its end."""


async def end(tasks: Iterable[asyncio.Task[Any]], seconds: float = GRACE) -> set[asyncio.Task[Any]]:
    """Cancel tasks; those that have not ended so many seconds later."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
        task.add_done_callback(_seen)
    if not tasks:
        return set()
    return (await asyncio.wait(tasks, timeout=seconds))[1]


def _seen(task: asyncio.Task[Any]) -> None:
    # nobody asks what it ended with, and asyncio would report that
    if not task.cancelled():
        task.exception()
