"""What an instance's partition holds, as values: turns, payloads, ranges of rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from durable.errors import StorageError
from durable.hub.columns import payload_from_columns
from durable.hub.formats import check_format
from durable.hub.keys import HubNames, encode, history_range, inbox_owner, turn_key
from durable.hub.payloads import digest, join, payload_row_keys, payloads_of
from durable.hub.rows import Head, StoredTurn, decode_turn
from durable.hub.together import together
from durable.model.events import INCOMING, EntityOperation, Event, Payload, PayloadRef
from durable.ports import Row, Storage, Where


class PayloadGone(StorageError):
    """A payload row is absent: what names it is stale."""


class Reading:
    """Reads of one hub's history table; errors of `durable.ports` pass through."""

    def __init__(self, storage: Storage, names: HubNames) -> None:
        self._tables = storage.tables
        self._table = names.history

    # ---- turns ----

    async def nonce(self, head: Head, sequence: int) -> str | None:
        """Whose commit turn `sequence` is; None while there is none."""
        row = await self._tables.get(
            self._table, encode(head.instance_id), turn_key(head.incarnation, sequence)
        )
        if row is None:
            return None
        check_format(row)
        return str(row.values["nonce"])

    async def turn(self, instance_id: str, incarnation: str, sequence: int) -> StoredTurn | None:
        """One turn, with long payloads still by reference."""
        row = await self._tables.get(
            self._table, encode(instance_id), turn_key(incarnation, sequence)
        )
        return await self._read_turn(instance_id, incarnation, row) if row is not None else None

    async def history(self, head: Head) -> list[StoredTurn]:
        """The turns of the head's generation, with long payloads still by reference."""
        low, high = history_range(head.incarnation, head.base, head.sequence)
        rows = await self._range(head.instance_id, low, high)
        # most lie in their rows: those are no work to wait for
        spilled = [row for row in rows if row.values.get("data_k") == "ref"]
        read = await together(
            spilled, lambda row: self._read_turn(head.instance_id, head.incarnation, row)
        )
        stored = dict(zip((row.key for row in spilled), read, strict=True))
        return [stored.get(row.key) or _inline_turn(row) for row in rows]

    async def _read_turn(self, instance_id: str, incarnation: str, row: Row) -> StoredTurn:
        check_format(row)
        data = payload_from_columns("data", row.values)
        return _turn(row, await self.text(instance_id, incarnation, data))

    # ---- payloads ----

    async def text(self, instance_id: str, incarnation: str, payload: Payload) -> str | None:
        """The payload's text. Raises PayloadGone when its rows are not there any more."""
        if not isinstance(payload, PayloadRef):
            return payload
        partition = encode(instance_id)
        rows = await together(
            payload_row_keys(incarnation, payload),
            lambda key: self._tables.get(self._table, partition, key),
        )
        columns = []
        for row in rows:
            if row is not None:
                check_format(row)
                columns.append(dict(row.values))
        if len(columns) < len(rows):
            raise PayloadGone(f"payload {payload.key} of {instance_id!r} is gone")
        return join(columns)

    async def resolve(self, head: Head, event: Event, known: dict[str, PayloadRef]) -> Event:
        """An incoming event with its payload as text; `known` learns where the text lies."""
        if not isinstance(event, (*INCOMING, EntityOperation)):
            return event
        owner = inbox_owner(head.instance_id, head.incarnation)
        for name, payload in payloads_of(event):
            if isinstance(payload, PayloadRef):
                text = await self.text(head.instance_id, owner, payload)
                if text is not None:
                    known[digest(text)] = payload
                event = replace(event, **{name: text})  # type: ignore[arg-type]
        return event

    async def _range(
        self, instance_id: str, low: str, high: str, columns: Sequence[str] | None = None
    ) -> list[Row]:
        rows: list[Row] = []
        token: str | None = None
        while True:
            page = await self._tables.query(
                self._table, between(instance_id, low, high), token=token, columns=columns
            )
            rows += page.rows
            token = page.next
            if token is None:
                return rows


def _inline_turn(row: Row) -> StoredTurn:
    check_format(row)
    text = payload_from_columns("data", row.values)
    return _turn(row, text if isinstance(text, str) else None)


def _turn(row: Row, text: str | None) -> StoredTurn:
    values: Any = row.values
    time = datetime.fromisoformat(values["time"])
    spilled = json.loads(values["spilled"])
    return decode_turn(text or "", int(row.key[-10:]), time, values["nonce"], spilled)


def between(instance_id: str, low: str, high: str) -> list[Where]:
    """The rows of an instance's partition from `low` up to, not including, `high`."""
    return [
        Where("PartitionKey", "eq", encode(instance_id)),
        Where("RowKey", "ge", low),
        Where("RowKey", "lt", high),
    ]
