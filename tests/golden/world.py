"""What the programs of golden histories meet outside of their orchestrators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass
class World:
    """`is_mended` says whether what was broken works by now; `sleep` takes seconds."""

    sleep: Callable[[float], Awaitable[None]]
    is_mended: bool = False
