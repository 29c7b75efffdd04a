"""The history table by what the protocol does with it: heads, turns, inboxes, payloads.

Each method is one storage call, or one rule of the protocol. Nothing here decides anything;
errors of `durable.ports` pass through.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from durable.errors import RowExists, RowMissing, StorageError
from durable.hub.formats import FORMAT, check_format
from durable.hub.keys import (
    HubNames,
    encode,
    gate_key,
    head_key,
    history_range,
    inbox_key,
    inbox_owner,
    inbox_range,
    incarnation_range,
    payload_range,
    turn_key,
)
from durable.hub.payloads import (
    INLINE_TURN,
    Spill,
    digest,
    join,
    payload_row_keys,
    payloads_of,
    references,
    row_keys,
    spilled_name,
)
from durable.hub.rows import (
    Head,
    InboxRow,
    StoredTurn,
    decode_arrival,
    decode_turn,
    encode_arrival,
    encode_turn,
    payload_columns,
    payload_from_columns,
)
from durable.hub.together import together
from durable.model.entities import is_entity
from durable.model.events import INCOMING, Arrival, EntityOperation, Event, Payload, PayloadRef
from durable.ports import Delete, Insert, Merge, Op, Replace, Row, Storage, Where

DELETE_BATCH = 90


class PayloadGone(StorageError):
    """A payload row is absent: what names it is stale."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """What was in the inbox, oldest first, and the gate's etag from just before; None when the
    gate is gone."""

    gate: str | None
    rows: list[InboxRow]


class Instances:
    """Reads and writes of one hub's history table."""

    def __init__(self, storage: Storage, names: HubNames) -> None:
        self._tables = storage.tables
        self._table = names.history

    # ---- heads ----

    async def head(self, instance_id: str) -> Head | None:
        """The head as it is now."""
        row = await self._tables.get(self._table, encode(instance_id), head_key(instance_id))
        return Head.from_row(row) if row is not None else None

    async def create(self, head: Head, spill: Spill, *, over: Head | None = None) -> Head:
        """Write a new incarnation's head and gate, in place of the finished `over` if given.

        Raises RowExists (or RowChanged, RowMissing) when another came first, or this very head
        in an attempt whose answer was lost: who finds another's head removes the payload rows.
        """
        partition = encode(head.instance_id)
        await self._write(partition, spill)
        key = head_key(head.instance_id)
        first: Op = (
            Insert(key, head.to_values())
            if over is None
            else Replace(key, head.to_values(), over.etag)
        )
        # the payload rows must still be there: whoever cleans up after an old incarnation may
        # have taken them for litter
        present = [Merge(row.key, {}) for row in spill.rows]
        gates = [] if is_entity(head.instance_id) else [_gate(head)]
        try:
            etags = await self._tables.transact(self._table, partition, [first, *gates, *present])
        except RowMissing as error:
            if error.index > len(gates):
                raise RowExists("the instance was cleaned up at the same moment") from error
            raise
        return head.with_etag(etags[0])

    async def reopen(self, head: Head, message_id: str, arrival: Arrival) -> Head:
        """Let an instance that has ended go on with an arrival: head, gate and inbox in one
        transaction. Raises RowChanged or RowMissing when it is not as it was read, RowExists
        when it goes on already."""
        row = {"v": FORMAT, "order": 0, **payload_columns("data", encode_arrival(arrival))}
        ops: list[Op] = [
            Merge(head_key(head.instance_id), head.state_values(), head.etag),
            _gate(head),
            Insert(inbox_key(head.incarnation, message_id), row),
        ]
        etags = await self._tables.transact(self._table, encode(head.instance_id), ops)
        return head.with_etag(etags[0])

    async def update(self, head: Head) -> Head:
        """Store the head's state columns if nobody changed the head since; RowChanged or
        RowMissing otherwise."""
        etags = await self._tables.transact(
            self._table,
            encode(head.instance_id),
            [Merge(head_key(head.instance_id), head.state_values(), head.etag)],
        )
        return head.with_etag(etags[0])

    # ---- turns ----

    async def commit(
        self,
        head: Head,
        stored: StoredTurn,
        *,
        spill: Spill,
        consumed: Sequence[str] = (),
        gate: str | None = None,
    ) -> Head:
        """Append a turn: one transaction on the head's etag, the turn's row and the inbox.

        `head` is the new state under the etag that was read. `gate` is the gate's etag for a
        turn that ends the instance: the gate goes with it, if nothing was accepted since.
        Returns the head under its new etag. Raises RowChanged, RowExists or RowMissing when
        another won.
        """
        instance, incarnation = head.instance_id, head.incarnation
        partition, turn = encode(instance), stored.turn
        text = encode_turn(replace(stored, turn=spill.turn(turn)))
        columns = payload_columns("data", spill.payload(text, INLINE_TURN))
        values = {
            **head.state_values(),
            **payload_columns("output", spill.payload(head.output)),
            **payload_columns("custom", spill.payload(head.custom_status)),
        }
        if turn.closing:
            values |= payload_columns("input", spill.payload(head.input))
            values |= {"version": head.version or ""}
        elif is_entity(instance):
            values |= payload_columns("input", head.input)
        for batch in spill.batches():
            if is_entity(instance):
                await self._tables.transact(self._table, partition, batch)
                continue
            merge = Merge(gate_key(incarnation), {}, gate or "*")
            etags = await self._tables.transact(self._table, partition, [merge, *batch])
            gate = etags[0] if gate else None
        row = Insert(
            turn_key(incarnation, turn.sequence),
            {
                "v": FORMAT,
                "nonce": turn.nonce,
                "time": turn.time.isoformat(),
                "spilled": json.dumps(spill.sizes, separators=(",", ":")),
                **columns,
            },
        )
        ops: list[Op] = [Merge(head_key(instance), values, head.etag), row]
        ops += [Delete(key) for key in consumed]
        if gate:
            ops.append(Delete(gate_key(incarnation), gate))
        etags = await self._tables.transact(self._table, partition, ops)
        return head.with_etag(etags[0])

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

    # ---- the inbox ----

    async def inbox(self, head: Head) -> Inbox:
        """Gate and inbox, the gate read first; rows ordered by the service's time, then key."""
        owner = inbox_owner(head.instance_id, head.incarnation)
        low, high = inbox_range(owner)
        rows = await self._range(head.instance_id, low, high)
        gate, messages = None, []
        for row in rows:
            check_format(row)
            if row.key == low:
                gate = row.etag
                continue
            values: Any = row.values
            text = await self.text(head.instance_id, owner, payload_from_columns("data", values))
            order = (row.timestamp, values["order"], row.key)
            messages.append(InboxRow(row.key, decode_arrival(text or ""), order))
        messages.sort(key=lambda message: message.order)
        return Inbox(gate, messages)

    async def deliver(
        self,
        instance_id: str,
        incarnation: str,
        message_id: str,
        arrival: Arrival,
        *,
        nonce: str,
        order: int = 0,
    ) -> bool:
        """Put an arrival into an inbox, once for each `message_id`; False when that incarnation
        has ended and takes nothing any more. An entity never ends."""
        partition, owner = encode(instance_id), inbox_owner(instance_id, incarnation)
        gate: list[Op] = [] if is_entity(instance_id) else [Merge(gate_key(incarnation), {})]
        spill = Spill(owner, nonce)
        text = encode_arrival(spill.arrival(arrival))
        row = Insert(
            inbox_key(owner, message_id),
            {"v": FORMAT, "order": order, **payload_columns("data", text)},
        )
        # what an earlier try wrote stays: it may have been taken in, its answer lost
        written: list[str] = []
        try:
            await self._write(partition, spill, *gate, written=written)
            await self._tables.transact(self._table, partition, [*gate, row])
        except RowMissing:
            await self.delete_rows(instance_id, written)
            return False
        except RowExists:
            await self.delete_rows(instance_id, written)
        return True

    async def _write(
        self, partition: str, spill: Spill, *first: Op, written: list[str] | None = None
    ) -> None:
        """Write the payload rows that are not there yet; `written` gets their keys."""
        for batch in spill.batches():
            with suppress(RowExists):
                await self._tables.transact(self._table, partition, [*first, *batch])
                if written is not None:
                    written += [row.key for row in batch]

    async def has_message(self, instance_id: str, incarnation: str, message_id: str) -> bool:
        """Whether a message of that id lies in the inbox."""
        key = inbox_key(incarnation, message_id)
        return await self._tables.get(self._table, encode(instance_id), key) is not None

    async def inbox_length(self, instance_id: str, incarnation: str) -> int:
        """How many messages lie in the inbox; they are counted, and not read."""
        low, high = inbox_range(inbox_owner(instance_id, incarnation))
        # the gate is no message
        return sum(row.key != low for row in await self._range(instance_id, low, high, ["order"]))

    # ---- removal ----

    async def delete_rows(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete rows whether or not they are there, in batches."""
        partition = encode(instance_id)
        for start in range(0, len(keys), DELETE_BATCH):
            batch = list(keys[start : start + DELETE_BATCH])
            while batch:
                try:
                    await self._tables.transact(self._table, partition, [Delete(k) for k in batch])
                    break
                except RowMissing as error:
                    del batch[error.index]

    async def clear_inbox(self, head: Head, keys: Sequence[str]) -> Head:
        """Delete inbox rows of an instance that has ended, while it is as it was read: a rewind
        lets the same incarnation go on. RowChanged when it is not."""
        partition, left = encode(head.instance_id), list(keys)
        while left:
            batch = left[:DELETE_BATCH]
            same: Op = Merge(head_key(head.instance_id), {}, head.etag)
            try:
                etags = await self._tables.transact(
                    self._table, partition, [same, *(Delete(key) for key in batch)]
                )
            except RowMissing as error:
                if error.index == 0:
                    raise
                del left[error.index - 1]
                continue
            head, left = head.with_etag(etags[0]), left[DELETE_BATCH:]
        return head

    async def delete_head(self, head: Head) -> None:
        """Delete the head if it is still as read."""
        await self._tables.transact(
            self._table, encode(head.instance_id), [Delete(head_key(head.instance_id), head.etag)]
        )

    async def delete_incarnation(self, instance_id: str, incarnation: str) -> None:
        """Delete everything of one incarnation but the head."""
        low, high = incarnation_range(incarnation)
        await self._delete_range(instance_id, low, high)

    async def delete_payload(self, instance_id: str, owner: str, name: str, rows: int) -> None:
        """Delete one payload."""
        await self.delete_rows(instance_id, row_keys(owner, name, rows))

    async def delete_payloads(self, instance_id: str, incarnation: str) -> None:
        """Delete the payload rows of one incarnation."""
        low, high = payload_range(incarnation)
        await self._delete_range(instance_id, low, high)

    async def _delete_range(self, instance_id: str, low: str, high: str) -> None:
        """Raises UnknownFormat, and leaves what is there, where a newer version's rows are."""
        token: str | None = None
        while True:
            page = await self._tables.query(
                self._table, _between(instance_id, low, high), token=token, columns=["v"]
            )
            for row in page.rows:
                check_format(row)
            await self.delete_rows(instance_id, [row.key for row in page.rows])
            token = page.next
            if token is None:
                return

    async def trim(self, head: Head) -> None:
        """Delete the turns of earlier generations, and payloads that nothing names any more."""
        held = {holding.sequence for holding in head.holdings}
        first = await self.turn(head.instance_id, head.incarnation, head.base)
        named = references(first.turn) if first else set()
        named |= {p for p in (head.input, head.custom_status) if isinstance(p, PayloadRef)}
        dead: dict[str, int] = {}
        turns: list[str] = []
        low, high = history_range(head.incarnation, 0, head.base)
        for row in await self._range(head.instance_id, low, high):
            check_format(row)
            if int(row.key[-10:]) in held:
                continue
            turns.append(row.key)
            values: Any = row.values
            for number, rows in enumerate(json.loads(values["spilled"])):
                dead[spilled_name(values["nonce"], number)] = rows
            try:
                stored = await self._read_turn(head.instance_id, head.incarnation, row)
            except PayloadGone:
                continue
            # what came in has been written by its sender
            dead |= {ref.key: ref.rows for ref in references(stored.turn)}
        for ref in named:
            dead.pop(ref.key, None)
        keys = [key for name in dead for key in row_keys(head.incarnation, name, dead[name])]
        await self.delete_rows(head.instance_id, [*keys, *turns])

    async def _range(
        self, instance_id: str, low: str, high: str, columns: Sequence[str] | None = None
    ) -> list[Row]:
        rows: list[Row] = []
        token: str | None = None
        while True:
            page = await self._tables.query(
                self._table, _between(instance_id, low, high), token=token, columns=columns
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
    return decode_turn(text or "", int(row.key[-10:]), time, values["nonce"])


def _gate(head: Head) -> Insert:
    return Insert(gate_key(head.incarnation), {"v": FORMAT})


def _between(instance_id: str, low: str, high: str) -> list[Where]:
    return [
        Where("PartitionKey", "eq", encode(instance_id)),
        Where("RowKey", "ge", low),
        Where("RowKey", "lt", high),
    ]
