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
from durable.hub.keys import (
    HubNames,
    details_key,
    encode,
    head_key,
    history_range,
    inbox_owner,
)
from durable.hub.payloads import digest, join, payload_row_keys, payloads_of
from durable.hub.rows import Head
from durable.hub.tail import SLOTS, is_in_head, texts_in_head, turn_of_slot, turns_along
from durable.hub.together import together
from durable.hub.turns import StoredTurn, decode_turn
from durable.model.events import INCOMING, EntityOperation, Event, Payload, PayloadRef
from durable.ports import Row, Storage, Where


class PayloadGone(StorageError):
    """A payload row is absent: what names it is stale."""


class Reading:
    """Reads of one hub's history table; errors of `durable.ports` pass through."""

    def __init__(self, storage: Storage, names: HubNames) -> None:
        self._tables = storage.tables
        self._table = names.history

    async def head(self, instance_id: str) -> Head | None:
        """The head as it is now."""
        row = await self._tables.get(self._table, encode(instance_id), head_key(instance_id))
        return Head.from_row(row) if row is not None else None

    # ---- turns ----

    async def nonce(self, head: Head, sequence: int) -> str | None:
        """Whose commit turn `sequence` is; None while there is none."""
        latest = await self.head(head.instance_id)
        if latest is None or latest.incarnation != head.incarnation:
            latest = replace(head, tail=None)
        turn = await self.turn(latest, sequence)
        return turn.turn.nonce if turn is not None else None

    async def turn(self, head: Head, sequence: int) -> StoredTurn | None:
        """One turn of the head's incarnation, with long payloads still by reference."""
        if is_in_head(head, sequence):
            return turn_of_slot(texts_in_head(head, sequence, sequence + 1)[0])
        # it has a row, or the next one after it took it along
        low, high = history_range(head.incarnation, sequence, sequence + SLOTS + 1)
        for row in await self._range(head.instance_id, low, high):
            if int(row.key[-10:]) == sequence:
                return await self._read_turn(head, row)
            return next((t for t in turns_along(row) if t.turn.sequence == sequence), None)
        return None

    async def history(self, head: Head) -> list[StoredTurn]:
        """The turns of the head's generation, with long payloads still by reference."""
        base, beyond = head.base, head.sequence
        in_head = [turn_of_slot(text) for text in texts_in_head(head, base, beyond)]
        if len(in_head) == beyond - base:
            return in_head
        low, high = history_range(head.incarnation, base, beyond)
        rows = await self._range(head.instance_id, low, high)
        # most lie in their rows: those are no work to wait for
        spilled = [row for row in rows if row.values.get("data_k") == "ref"]
        read = await together(spilled, lambda row: self._read_turn(head, row))
        own = dict(zip((row.key for row in spilled), read, strict=True))
        in_rows = [
            turn
            for row in rows
            for turn in (*turns_along(row), own.get(row.key) or _inline_turn(row))
            if turn.turn.sequence >= base
        ]
        return in_rows + in_head

    async def _read_turn(self, head: Head, row: Row) -> StoredTurn:
        check_format(row)
        data = payload_from_columns("data", row.values)
        return _turn(row, await self.text(head.instance_id, head.incarnation, data))

    async def details(self, head: Head) -> dict[int, str]:
        """What activities of the head's generation said last, as JSON, by their calls."""
        low = details_key(head.incarnation, head.execution_id, 0)[:-1]
        rows = await self._range(head.instance_id, low, f"{low[:-1]}}}")
        for row in rows:
            check_format(row)
        return {int(row.key[len(low) :]): str(row.values["details"]) for row in rows}

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
