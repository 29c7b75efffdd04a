"""Which of several workers sweeps: one of those that take the same work, by a row that expires.

Sweeps of several at once are harmless, and a waste: each would ring for all that is overdue.
Workers that take different work do not sweep for each other.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from durable.errors import RowChanged, RowExists, RowMissing, StorageError
from durable.hub.formats import FORMAT, is_known
from durable.hub.hub import Hub
from durable.model.meter import upkeep
from durable.ports import Delete, Insert, Merge, Row, Value
from durable.runtime.taking import Taking

PARTITION = "sweep"
LIFETIME = timedelta(seconds=30)
"""Three sweeps; and half of what a sweep looks ahead, so that timers are not late after a death."""


class SweepLease:
    """One process's claim on the sweeps of its hub."""

    def __init__(self, hub: Hub, taking: Taking) -> None:
        self._hub = hub
        self._key = taking.digest()
        self._owner = hub.new_id(8)
        self._etag: str | None = None

    async def acquire(self) -> bool:
        """Take it, or keep it, for another lifetime: before each sweep. False while another
        process has it. Storage errors pass through."""
        with upkeep():
            return await self._acquired()

    async def _acquired(self) -> bool:
        if self._etag is not None:
            with suppress(RowChanged, RowMissing):
                return await self._write(self._etag)
            self._etag = None
        row = await self._hub.storage.tables.get(self._hub.names.hub_table, PARTITION, self._key)
        # better two sweepers than none: how long a newer version has it cannot be read
        if row is not None and not is_known(row):
            return True
        if row is not None and self._is_of_another(row):
            return False
        try:
            return await self._write(row.etag if row is not None else None)
        except (RowExists, RowChanged, RowMissing):
            return False

    async def release(self) -> None:
        """Let another take it at once, if this process has it."""
        etag, self._etag = self._etag, None
        if etag is not None:
            with upkeep(), suppress(StorageError):
                await self._hub.storage.tables.transact(
                    self._hub.names.hub_table, PARTITION, [Delete(self._key, etag)]
                )

    def _is_of_another(self, row: Row) -> bool:
        values: Any = row.values
        return bool(
            values["owner"] != self._owner and values["until"] > self._hub.storage.clock.now()
        )

    async def _write(self, etag: str | None) -> bool:
        until = self._hub.storage.clock.now() + LIFETIME
        values: dict[str, Value] = {"v": FORMAT, "owner": self._owner, "until": until}
        op = Insert(self._key, values) if etag is None else Merge(self._key, values, etag)
        (self._etag,) = await self._hub.storage.tables.transact(
            self._hub.names.hub_table, PARTITION, [op]
        )
        return True
