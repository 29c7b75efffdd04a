"""Any storage, with its calls counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from durable.model.meter import Meter, Part, Tally
from durable.ports import (
    Condition,
    Delete,
    Message,
    OneOf,
    Op,
    Page,
    Queues,
    Receipt,
    Row,
    Storage,
    Tables,
    Value,
)

_FIXED = 8


def metered(storage: Storage, meter: Meter) -> Storage:
    """The same storage, whose calls count in a part of `meter`: to be used by one thread. What a
    call is and what a byte: see `durable.model.usage.Usage`."""
    part = meter.part()
    return replace(
        storage,
        tables=MeteredTables(storage.tables, part),
        queues=MeteredQueues(storage.queues, part),
    )


class MeteredTables:
    """`durable.ports.Tables`."""

    def __init__(self, inner: Tables, part: Part) -> None:
        self._inner = inner
        self._part = part

    async def transact(self, table: str, partition: str, ops: Sequence[Op]) -> Sequence[str]:
        tally = self._part.current
        tally["transactions"] += 1
        tally["rows_written"] += len(ops)
        sent = len(ops) * _size(partition)
        for op in ops:
            sent += _size(op.key)
            if not isinstance(op, Delete):
                sent += _columns(op.values)
        tally["bytes_sent"] += sent
        return await self._inner.transact(table, partition, ops)

    async def get(self, table: str, partition: str, key: str) -> Row | None:
        tally = self._part.current
        tally["gets"] += 1
        tally["bytes_sent"] += _size(partition) + _size(key)
        row = await self._inner.get(table, partition, key)
        if row is not None:
            _read(tally, (row,))
        return row

    async def query(
        self,
        table: str,
        where: Sequence[Condition],
        *,
        limit: int = 1000,
        token: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> Page:
        tally = self._part.current
        tally["queries"] += 1
        tally["bytes_sent"] += sum(map(_condition, where))
        page = await self._inner.query(table, where, limit=limit, token=token, columns=columns)
        _read(tally, page.rows)
        return page

    async def create_table(self, table: str) -> None:
        self._part.upkeep["table_setups"] += 1
        await self._inner.create_table(table)

    async def delete_table(self, table: str) -> None:
        self._part.upkeep["table_setups"] += 1
        await self._inner.delete_table(table)


class MeteredQueues:
    """`durable.ports.Queues`."""

    def __init__(self, inner: Queues, part: Part) -> None:
        self._inner = inner
        self._part = part

    async def send(self, queue: str, body: bytes, *, delay: float = 0.0) -> Receipt:
        tally = self._part.current
        tally["sends"] += 1
        tally["bytes_sent"] += len(body)
        return await self._inner.send(queue, body, delay=delay)

    async def receive(self, queue: str, *, limit: int, lease: float) -> Sequence[Message]:
        try:
            messages = await self._inner.receive(queue, limit=limit, lease=lease)
        except BaseException:
            self._part.upkeep["empty_receives"] += 1
            raise
        if messages:
            tally = self._part.current
            tally["receives"] += 1
            tally["messages"] += len(messages)
            tally["bytes_received"] += sum(len(message.body) for message in messages)
        else:
            self._part.upkeep["empty_receives"] += 1
        return messages

    async def extend(self, queue: str, receipt: Receipt, *, lease: float) -> Receipt:
        self._part.current["extends"] += 1
        return await self._inner.extend(queue, receipt, lease=lease)

    async def delete(self, queue: str, receipt: Receipt) -> None:
        self._part.current["deletes"] += 1
        await self._inner.delete(queue, receipt)

    async def has_visible(self, queue: str) -> bool:
        self._part.current["peeks"] += 1
        return await self._inner.has_visible(queue)

    async def length(self, queue: str) -> int:
        self._part.current["peeks"] += 1
        return await self._inner.length(queue)

    async def create_queue(self, queue: str) -> None:
        self._part.upkeep["queue_setups"] += 1
        await self._inner.create_queue(queue)

    async def delete_queue(self, queue: str) -> None:
        self._part.upkeep["queue_setups"] += 1
        await self._inner.delete_queue(queue)


def _read(tally: Tally, rows: Sequence[Row]) -> None:
    tally["rows_read"] += len(rows)
    tally["bytes_received"] += sum(
        _size(row.partition) + _size(row.key) + _columns(row.values) for row in rows
    )


def _columns(values: Mapping[str, Value]) -> int:
    # as plain as it is: each call of the hot path comes through here
    size = sum(map(len, values))
    for value in values.values():
        if type(value) is str and value.isascii():
            size += len(value)
        else:
            size += _size(value)
    return size


def _condition(condition: Condition) -> int:
    values = condition.values if isinstance(condition, OneOf) else (condition.value,)
    return sum(len(condition.column) + _size(value) for value in values)


def _size(value: Value) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode(errors="surrogatepass"))
    return len(value) if isinstance(value, bytes) else _FIXED
