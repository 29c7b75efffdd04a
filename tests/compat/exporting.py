"""What the tests of history export share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

from tests.memory_hub import MemoryHub

BEGIN, END = datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)


class Shelf:
    """A writer as durabletask's users write it; it has no room for the instance `broken`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.kinds: set[tuple[str, str | None]] = set()
        self.instances: list[str] = []
        self.broken = ""

    def write(
        self,
        *,
        instance_id: str,
        container: str,
        blob_name: str,
        payload: bytes,
        **how: Any,
    ) -> None:
        assert how["metadata"] == {"instance_id": instance_id}
        if instance_id == self.broken:
            raise OSError("full")
        self.files[f"{container}/{blob_name}"] = payload
        self.kinds.add((how["content_type"], how["content_encoding"]))
        self.instances.append(instance_id)


async def while_it_writes(hub: MemoryHub, work: Coroutine[Any, Any, Any]) -> Any:
    """Let things happen until a client's call returns; the writer is called in a thread."""
    waiting = asyncio.ensure_future(work)
    while not waiting.done():
        await hub.run(0.1)
        await asyncio.sleep(0)
    return waiting.result()
