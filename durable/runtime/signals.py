"""What an attempt of an activity says while it runs, and what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

LONGEST_DETAILS = 16_000
"""Characters of a heartbeat's details as JSON: they have to fit a column of a row."""


class Signals:
    """Those of an attempt that nobody watches, as in a unit test. For any thread, where nothing
    else is said."""

    cause = ""
    """Why the attempt is cancelled; "" while it is not."""
    details: str | None = None
    """The JSON that an earlier attempt said last."""
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext
    """What surrounds a wait for the cancellation."""

    def heartbeat(self, text: str | None) -> None:
        """The attempt lives; `text` are details, None if those said last are to stay."""

    def began(self) -> None:
        """The function is about to run, where that was not known."""

    def interruptible(self, interrupt: Callable[[], object]) -> None:
        """From now on `interrupt` ends it. On the runtime's event loop only."""

    async def cancelled(self) -> None:
        """Return once the attempt is cancelled. On the runtime's event loop only."""
        await asyncio.Event().wait()
