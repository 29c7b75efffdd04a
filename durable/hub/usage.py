"""What each worker of a hub has used, one row a worker in the hub's own table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from durable.errors import RowChanged, RowExists, RowMissing
from durable.hub.formats import FORMAT, is_known
from durable.hub.keys import HubNames
from durable.model.usage import Metered, Usage
from durable.ports import ANY, Delete, Insert, Op, Replace, Row, Storage, Value, Where

_WORKERS = "worker"
KEPT = timedelta(days=7)
"""How long the figures of a worker stay that has said nothing more."""

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class WorkerUsage:
    """What one worker process has used between two moments of the service's time. `host` is
    `worker` or `functions`, `node` the machine's name."""

    worker: str
    host: str
    node: str
    since: datetime
    until: datetime
    usage: Metered


class UsageRows:
    """The rows of one hub."""

    def __init__(self, storage: Storage, names: HubNames) -> None:
        self._storage = storage
        self._tables = storage.tables
        self._table = names.hub_table

    async def write(self, usage: WorkerUsage) -> None:
        """Put a worker's figures in place of its earlier ones. Only that worker writes them."""
        values = _values(usage)
        try:
            await self._transact(Replace(usage.worker, values, ANY))
        except RowMissing:
            with suppress(RowExists):
                await self._transact(Insert(usage.worker, values))

    async def read(self) -> list[WorkerUsage]:
        """All of them, the longest silent first; rows of newer formats are left out."""
        rows = await self._rows([])
        return sorted((_usage(row) for row in rows if is_known(row)), key=lambda each: each.until)

    async def drop_silent(self) -> None:
        """Delete rows that are older than `KEPT`; those of newer formats are left to others."""
        before = self._storage.clock.now() - KEPT
        for row in await self._rows([Where("until", "lt", before)]):
            if not is_known(row):
                continue
            with suppress(RowChanged, RowMissing):
                await self._transact(Delete(row.key, row.etag))

    async def _transact(self, op: Op) -> None:
        await self._tables.transact(self._table, _WORKERS, [op])

    async def _rows(self, where: Sequence[Where]) -> list[Row]:
        found: list[Row] = []
        token: str | None = None
        while True:
            page = await self._tables.query(
                self._table, [Where("PartitionKey", "eq", _WORKERS), *where], token=token
            )
            found += page.rows
            if (token := page.next) is None:
                return found


def _values(usage: WorkerUsage) -> dict[str, Value]:
    return {
        "v": FORMAT,
        "host": usage.host,
        "node": usage.node[:LONGEST_NAME],
        "since": usage.since,
        "until": usage.until,
        "work": json.dumps(usage.usage.work.to_dict()),
        "upkeep": json.dumps(usage.usage.upkeep.to_dict()),
    }


def _usage(row: Row) -> WorkerUsage:
    values: Any = row.values
    return WorkerUsage(
        row.key,
        values["host"],
        values["node"],
        values["since"],
        values["until"],
        Metered(Usage.of(json.loads(values["work"])), Usage.of(json.loads(values["upkeep"]))),
    )
