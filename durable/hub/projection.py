"""The instances table: one row for each instance, newest first, for lists, filters and audits.

It follows the head and never leads it: whoever changed a head reads the row, then the head,
and writes by the row's etag, so that an older view can never replace a newer one. What a newer
version wrote is not listed, and the log says so.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from durable.errors import RowChanged, RowExists, RowMissing
from durable.hub.filters import COMPARISONS, InstanceFilter, tag_columns
from durable.hub.formats import FORMAT, check_format, is_known
from durable.hub.instances import Instances
from durable.hub.keys import HubNames, listing_key
from durable.hub.rows import PURGING, Head
from durable.model.instance import OrchestrationRuntimeStatus
from durable.ports import Condition, Delete, Insert, Page, Replace, Row, Storage, Value, Where

logger = logging.getLogger("durable.hub")

PARTITION = "i"
ENTITIES = "e"
_ANY = InstanceFilter()
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of the projection. `settled` means that nothing is under way for the instance: it
    has ended or waits for something from outside, and all it had to send is sent."""

    instance_id: str
    name: str
    status: OrchestrationRuntimeStatus
    created: datetime
    updated: datetime
    incarnation: str
    settled: bool
    key: str


class Projection:
    """Reads and writes of one hub's instances table."""

    def __init__(self, storage: Storage, names: HubNames, instances: Instances) -> None:
        self._tables = storage.tables
        self._table = names.instances
        self._instances = instances

    async def announce(self, head: Head) -> Head:
        """Write the row of a new incarnation, before its head; the head with the row's version."""
        key = listing_key(head.created, head.instance_id)
        try:
            values = {**_values(head), "settled": False}
            insert = Insert(key, values)
            [etag] = await self._tables.transact(self._table, _partition(key), [insert])
        except RowExists:
            return head
        return replace(head, row=etag)

    async def announce_all(self, heads: Sequence[Head]) -> list[Head]:
        """As `announce` for each of several orchestrations, a hundred in a call."""
        announced: list[Head] = []
        for start in range(0, len(heads), _AT_ONCE):
            part = heads[start : start + _AT_ONCE]
            inserts = [
                Insert(
                    listing_key(head.created, head.instance_id), {**_values(head), "settled": False}
                )
                for head in part
            ]
            try:
                etags = await self._tables.transact(self._table, PARTITION, inserts)
            except RowExists:
                announced += [await self.announce(head) for head in part]
            else:
                announced += [
                    replace(head, row=etag) for head, etag in zip(part, etags, strict=True)
                ]
        return announced

    async def withdraw(self, key: str) -> None:
        """Delete a row whose incarnation did not come to be, or is over."""
        try:
            await self._tables.transact(self._table, _partition(key), [Delete(key)])
        except RowMissing:
            return

    async def show(self, head: Head) -> Head | None:
        """Make the row agree with a head that was just written. Where the row is as this process
        left it, before that head, nothing newer can be replaced: it is written without a look.
        Answers the head as it is, None when it is gone."""
        key = listing_key(head.created, head.instance_id)
        if head.row:
            replacing = Replace(key, _values(head), head.row)
            with suppress(RowChanged, RowMissing):
                [etag] = await self._tables.transact(self._table, _partition(key), [replacing])
                return replace(head, row=etag)
        return await self.reconcile(head.instance_id, key)

    async def reconcile(self, instance_id: str, key: str) -> Head | None:
        """Make the row under `key` agree with the head, and return the head.

        A row whose instance is gone, or now has another row, is deleted. Raises UnknownFormat
        for one that a newer version wrote.
        """
        partition = _partition(key)
        while True:
            row = await self._tables.get(self._table, partition, key)
            if row is not None:
                check_format(row)
            head = await self._instances.head(instance_id)
            owner = head is not None and listing_key(head.created, instance_id) == key
            try:
                if not owner:
                    if row is not None:
                        await self._tables.transact(self._table, partition, [Delete(key, row.etag)])
                    return head
                assert head is not None
                values = _values(head)
                if row is not None and _same(row, values):
                    return replace(head, row=row.etag)
                write = Insert(key, values) if row is None else Replace(key, values, row.etag)
                [etag] = await self._tables.transact(self._table, partition, [write])
            except (RowExists, RowChanged, RowMissing):
                continue
            return replace(head, row=etag)

    async def settle(self, head: Head) -> None:
        """Bring the instance's row up to date."""
        await self.reconcile(head.instance_id, listing_key(head.created, head.instance_id))

    async def page(
        self,
        wanted: InstanceFilter = _ANY,
        *,
        settled: bool | None = None,
        limit: int = 100,
        token: str | None = None,
    ) -> tuple[list[Listed], str | None]:
        """Up to `limit` (1 to 1,000) rows that match, newest first, and the token of the next
        page. A page may hold fewer, or none, and still have a next one."""
        if wanted.is_void:
            return [], None
        where: list[Condition] = [Where("PartitionKey", "eq", PARTITION)]
        if settled is not None:
            where.append(Where("settled", "eq", settled))
        where += wanted.conditions(COMPARISONS - len(where))
        page: Page = await self._tables.query(self._table, where, limit=limit, token=token)
        return [_listed(row) for row in _readable(page) if wanted.matches(row)], page.next

    async def count(self, wanted: InstanceFilter = _ANY) -> dict[OrchestrationRuntimeStatus, int]:
        """How many rows match, by status; a thousand of them cost a request."""
        found: Counter[OrchestrationRuntimeStatus] = Counter()
        token: str | None = None
        where = [Where("PartitionKey", "eq", PARTITION), *wanted.conditions(COMPARISONS - 1)]
        while not wanted.is_void:
            page: Page = await self._tables.query(
                self._table, where, token=token, columns=["v", *wanted.columns]
            )
            for row in _readable(page):
                if wanted.matches(row):
                    found[OrchestrationRuntimeStatus(str(row.values["status"]))] += 1
            if (token := page.next) is None:
                break
        return dict(found)

    async def entities(
        self,
        *,
        prefix: str = "@",
        unsettled: bool = False,
        limit: int = 100,
        token: str | None = None,
    ) -> tuple[list[Listed], str | None]:
        """Up to `limit` entities whose encoded id begins with `prefix`, by id, and the token of
        the next page."""
        where = [
            Where("PartitionKey", "eq", ENTITIES),
            Where("RowKey", "ge", prefix),
            Where("RowKey", "lt", prefix + "~"),
        ]
        if unsettled:
            where.append(Where("settled", "eq", False))
        page: Page = await self._tables.query(self._table, where, limit=limit, token=token)
        return [_listed(row) for row in _readable(page)], page.next


def _readable(page: Page) -> list[Row]:
    rows = [row for row in page.rows if is_known(row)]
    if len(rows) < len(page.rows):
        left = len(page.rows) - len(rows)
        logger.warning("%d instances are not listed: a newer version of durable wrote them", left)
    return rows


def _partition(key: str) -> str:
    return ENTITIES if key.startswith("@") else PARTITION


def _values(head: Head) -> dict[str, Value]:
    return {
        "v": FORMAT,
        "instance": head.instance_id,
        "name": head.name,
        "status": str(head.runtime_status),
        "inc": head.incarnation,
        "seq": head.sequence,
        "created": head.created,
        "updated": head.time or head.created,
        "settled": is_settled(head),
        **tag_columns(head.tags),
    }


def is_settled(head: Head) -> bool:
    """Whether nobody has to do anything for the instance until something arrives."""
    return not (
        head.holdings
        or (head.sequence == 0 and head.far_start is None)
        or head.ready
        or head.waiting_since
        or head.stale
        or head.lock
        or head.waits_for
        or head.status in (PURGING, OrchestrationRuntimeStatus.STUCK)
    )


def _same(row: Row, values: dict[str, Value]) -> bool:
    return all(row.values.get(name) == value for name, value in values.items())


def _listed(row: Row) -> Listed:
    values: Any = row.values
    return Listed(
        values["instance"],
        values["name"],
        OrchestrationRuntimeStatus(values["status"]),
        values["created"],
        values["updated"],
        values["inc"],
        values["settled"],
        row.key,
    )
