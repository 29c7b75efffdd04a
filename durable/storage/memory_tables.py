"""Tables in memory."""

from __future__ import annotations

import itertools
import json
import operator
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from durable.errors import ContainerMissing, RowChanged, RowExists, RowMissing
from durable.ports import ANY, Clock, Condition, Delete, Insert, Merge, OneOf, Op, Page, Row, Value
from durable.storage import limits

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


@dataclass(slots=True)
class _Partition:
    rows: dict[str, Row] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    def put(self, row: Row) -> None:
        if row.key not in self.rows:
            insort(self.keys, row.key)
        self.rows[row.key] = row

    def remove(self, key: str) -> None:
        del self.rows[key]
        del self.keys[bisect_left(self.keys, key)]


@dataclass(slots=True)
class _Table:
    partitions: dict[str, _Partition] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    def partition(self, key: str) -> _Partition:
        found = self.partitions.get(key)
        if found is None:
            found = self.partitions[key] = _Partition()
            insort(self.keys, key)
        return found

    def drop_if_empty(self, key: str) -> None:
        if not self.partitions[key].rows:
            del self.partitions[key]
            del self.keys[bisect_left(self.keys, key)]


class MemoryTables:
    """`durable.ports.Tables` as dictionaries with sorted keys.

    A query looks at no more than `scan_limit` rows a page, so that conditions which few rows
    meet give short and empty pages with a next one, as the service does.
    """

    def __init__(self, clock: Clock, *, scan_limit: int = 1000) -> None:
        self._clock = clock
        self._scan_limit = scan_limit
        # Names are kept as given and compared without case, as the service does.
        self._tables: dict[str, _Table] = {}
        self._serial = itertools.count(1)

    async def transact(self, table: str, partition: str, ops: Sequence[Op]) -> Sequence[str]:
        """See `durable.ports.Tables.transact`."""
        limits.check_transaction(table, partition, ops)
        found = self._table(table)
        existing = found.partitions.get(partition, _Partition()).rows
        now = self._clock.now()
        results = [
            self._applied(index, op, partition, existing.get(op.key), now)
            for index, op in enumerate(ops)
        ]
        target = found.partition(partition)
        for op, row in zip(ops, results, strict=True):
            if row is None:
                target.remove(op.key)
            else:
                target.put(row)
        found.drop_if_empty(partition)
        return ["" if row is None else row.etag for row in results]

    async def get(self, table: str, partition: str, key: str) -> Row | None:
        """See `durable.ports.Tables.get`."""
        limits.check_row(table, partition, key)
        found = self._table(table).partitions.get(partition)
        return found.rows.get(key) if found else None

    async def query(
        self,
        table: str,
        where: Sequence[Condition],
        *,
        limit: int = limits.MAX_PAGE,
        token: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> Page:
        """See `durable.ports.Tables.query`."""
        limits.check_query(table, where, limit)
        found = self._table(table)
        start = _read_token(token) if token else None
        rows: list[Row] = []
        for scanned, row in enumerate(_scan(found, where, start)):
            if len(rows) == limit or scanned == self._scan_limit:
                return Page(rows, json.dumps([row.partition, row.key]))
            if all(_matches(row, condition) for condition in where):
                rows.append(row if columns is None else _selected(row, columns))
        return Page(rows, None)

    async def create_table(self, table: str) -> None:
        """See `durable.ports.Tables.create_table`."""
        limits.check_table_name(table)
        self._tables.setdefault(table.lower(), _Table())

    async def delete_table(self, table: str) -> None:
        """See `durable.ports.Tables.delete_table`; done at once here."""
        limits.check_table_name(table)
        self._tables.pop(table.lower(), None)

    def _table(self, table: str) -> _Table:
        found = self._tables.get(table.lower())
        if found is None:
            raise ContainerMissing(f"no table {table!r}")
        return found

    def _applied(
        self, index: int, op: Op, partition: str, row: Row | None, now: datetime
    ) -> Row | None:
        """The row after `op`, None for a delete; nothing is stored yet."""
        where = f"{partition!r}, {op.key!r}"
        if isinstance(op, Insert):
            if row is not None:
                raise RowExists(f"row {where} exists", index=index)
        else:
            if row is None:
                raise RowMissing(f"no row {where}", index=index)
            if op.etag not in (ANY, row.etag):
                raise RowChanged(f"row {where} has changed", index=index)
            if isinstance(op, Delete):
                return None
        values = {name: _stored(value) for name, value in op.values.items()}
        if isinstance(op, Merge) and row is not None:
            values = {**row.values, **values}
            limits.check_values(values)
            limits.check_entity_size(partition, op.key, values)
        etag = f'W/"{next(self._serial)}"'
        return Row(partition, op.key, MappingProxyType(values), etag, now)


def _stored(value: Value) -> Value:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _selected(row: Row, columns: Sequence[str]) -> Row:
    chosen = {name: row.values[name] for name in columns if name in row.values}
    return replace(row, values=MappingProxyType(chosen))


def _read_token(token: str) -> tuple[str, str]:
    try:
        partition, key = json.loads(token)
    except ValueError as error:
        raise ValueError("not a token of this table") from error
    return partition, key


def _scan(
    table: _Table, where: Sequence[Condition], start: tuple[str, str] | None
) -> Iterator[Row]:
    """Rows in order from `start` on that the conditions on the keys leave possible."""
    for name in _between(table.keys, where, "PartitionKey", start[0] if start else ""):
        partition = table.partitions[name]
        first = start[1] if start and start[0] == name else ""
        for key in _between(partition.keys, where, "RowKey", first):
            yield partition.rows[key]


def _between(keys: list[str], where: Sequence[Condition], column: str, first: str) -> Iterator[str]:
    low, high = bisect_left(keys, first), len(keys)
    for condition in where:
        if isinstance(condition, OneOf) or condition.column != column:
            continue
        if not isinstance(condition.value, str):
            continue
        if condition.op in ("eq", "ge"):
            low = max(low, bisect_left(keys, condition.value))
        if condition.op in ("eq", "le"):
            high = min(high, bisect_right(keys, condition.value))
        if condition.op == "gt":
            low = max(low, bisect_right(keys, condition.value))
        if condition.op == "lt":
            high = min(high, bisect_left(keys, condition.value))
    return itertools.islice(keys, low, max(low, high))


def _matches(row: Row, condition: Condition) -> bool:
    stored: Value | None
    match condition.column:
        case "PartitionKey":
            stored = row.partition
        case "RowKey":
            stored = row.key
        case "Timestamp":
            stored = row.timestamp
        case column:
            stored = row.values.get(column)
    if isinstance(condition, OneOf):
        return any(type(stored) is type(value) and stored == value for value in condition.values)
    if stored is None or type(stored) is not type(condition.value):
        return False
    return _COMPARE[condition.op](stored, condition.value)
