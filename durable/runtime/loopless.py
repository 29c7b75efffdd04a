"""Runs orchestrator code where asyncio fails at its own line instead of waiting for ever."""

from __future__ import annotations

from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_event_loop() -> Iterator[None]:
    """Hide the running loop: replay cannot repeat what a loop does."""
    loop = _get_running_loop()
    _set_running_loop(None)
    try:
        yield
    finally:
        _set_running_loop(loop)
