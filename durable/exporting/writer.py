"""Where exported histories go."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from pathlib import Path
from secrets import token_hex
from typing import Protocol, runtime_checkable

from durable.errors import InvalidRequestError


@runtime_checkable
class HistoryWriter(Protocol):
    """Keeps one exported history; an `async def` runs on the event loop, any other in a thread.

    It may be called again with the same name and content: after a crash, or when it raised. Any
    exception of it counts as a failed export of that instance, which is tried again.
    """

    def write(
        self, name: str, content: bytes, content_type: str, content_encoding: str | None
    ) -> Awaitable[None] | None:
        """`name` is a relative path with `/`; `content_encoding` is "gzip" or None."""
        ...


class LocalHistoryWriter:
    """Files below a folder, which is made when the first one comes."""

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)

    def write(
        self, name: str, content: bytes, content_type: str, content_encoding: str | None
    ) -> None:
        """Whole or not at all: who reads the folder never sees a part of a file."""
        folder = self._folder.resolve()
        path = (folder / name).resolve()
        if not path.is_relative_to(folder) or path == folder:
            raise InvalidRequestError(f"{name!r} does not lie below the folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{token_hex(8)}.part")
        try:
            draft.write_bytes(content)
            os.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
