"""The history table by what the protocol does with it: heads, turns, inboxes, payloads.

Each method is one storage call, or one rule of the protocol. Nothing here decides anything;
errors of `durable.ports` pass through.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from durable.errors import RowExists, RowMissing
from durable.hub.answers import answer_rows
from durable.hub.columns import payload_columns, payload_from_columns
from durable.hub.formats import FORMAT, check_format
from durable.hub.keys import (
    encode,
    gate_key,
    head_key,
    inbox_key,
    inbox_owner,
    inbox_range,
    turn_key,
)
from durable.hub.payloads import INLINE_TURN, Spill
from durable.hub.removal import Removal
from durable.hub.rows import Head
from durable.hub.tail import fits, slot, slot_text, texts_in_head
from durable.hub.turns import (
    InboxRow,
    StoredTurn,
    decode_arrivals,
    encode_arrivals,
    encode_turn,
    turn_values,
)
from durable.model.entities import is_entity
from durable.model.events import Arrival
from durable.ports import Delete, Insert, Merge, Op, Replace


@dataclass(frozen=True, slots=True)
class Inbox:
    """What was in the inbox, oldest first, and the gate's etag from just before; None when the
    gate is gone."""

    gate: str | None
    rows: list[InboxRow]


class Instances(Removal):
    """Reads and writes of one hub's history table."""

    # ---- heads ----

    async def create(self, head: Head, spill: Spill, *, over: Head | None = None) -> Head:
        """Write a new incarnation's head and gate, in place of the finished `over` if given.

        Raises RowExists (or RowChanged, RowMissing) when another came first, or this very head
        in an attempt whose answer was lost: who finds another's head removes the payload rows.
        """
        partition = encode(head.instance_id)
        await self._write(partition, spill)
        key = head_key(head.instance_id)
        head = replace(head, tail=None if is_entity(head.instance_id) else 0, stored={})
        values = head.to_values()
        first: Op = Insert(key, values) if over is None else Replace(key, values, over.etag)
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
        return replace(head.with_etag(etags[0], values), gate=etags[1] if gates else "")

    async def reopen(self, head: Head, message_id: str, arrival: Arrival) -> Head:
        """Let an instance that has ended go on with an arrival: head, gate and inbox in one
        transaction. Raises RowChanged or RowMissing when it is not as it was read, RowExists
        when it goes on already."""
        row = {"v": FORMAT, "order": 0, **payload_columns("data", encode_arrivals([arrival]))}
        values = head.changed(head.state_values())
        ops: list[Op] = [
            Merge(head_key(head.instance_id), values, head.etag),
            _gate(head),
            Insert(inbox_key(head.incarnation, message_id), row),
        ]
        etags = await self._tables.transact(self._table, encode(head.instance_id), ops)
        return head.with_etag(etags[0], values)

    async def update(self, head: Head, reduced: Sequence[StoredTurn] = ()) -> Head:
        """Store the head's state columns, and `reduced` turns in place of what they were, if
        nobody changed the head since; RowChanged or RowMissing otherwise."""
        values = head.changed(head.state_values())
        ops = [Merge(head_key(head.instance_id), values, head.etag), *_replaced(head, reduced)]
        etags = await self._tables.transact(self._table, encode(head.instance_id), ops)
        return head.with_etag(etags[0], values)

    # ---- turns ----

    async def commit(
        self,
        head: Head,
        stored: StoredTurn,
        *,
        spill: Spill,
        consumed: Sequence[str] = (),
        gate: str | None = None,
        reduced: Sequence[StoredTurn] = (),
        answers: Sequence[str] = (),
    ) -> Head:
        """Append a turn: one transaction on the head's etag, which holds the turn while it is
        short, else with the turn's row, and the inbox.

        `head` is the new state under the etag that was read; what is long in `stored` is in the
        `spill` already. `gate` is the gate's etag for a turn that ends the instance: the gate
        goes with it, if nothing was accepted since. `reduced` are turns that are to stand in
        place of what they were, and `answers` the ids of updates whose answers come with it.
        Returns the head under its new etag. Raises RowChanged, RowExists or RowMissing when
        another won.
        """
        instance, incarnation = head.instance_id, head.incarnation
        partition, turn = encode(instance), stored.turn
        text = encode_turn(stored)
        data = spill.payload(text, INLINE_TURN)
        values = {
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
            head = replace(head, gate="")
        ops: list[Op] = []
        if not spill.sizes and fits(head, turn, text):
            values[slot(turn.sequence)] = slot_text(turn, text)
            if head.tail is None:
                head = replace(head, tail=turn.sequence)
        else:
            row = turn_values(
                replace(stored, spilled=tuple(spill.sizes)),
                data,
                texts_in_head(head, 0, turn.sequence),
            )
            ops.append(Insert(turn_key(incarnation, turn.sequence), row))
            if not is_entity(instance):
                head = replace(head, tail=turn.sequence + 1)
        values = head.changed({**head.state_values(), **values})
        ops.insert(0, Merge(head_key(instance), values, head.etag))
        ops += _replaced(head, reduced)
        ops += answer_rows(turn, incarnation, answers) if answers else []
        ops += [Delete(key) for key in consumed]
        if gate:
            ops.append(Delete(gate_key(incarnation), gate))
        etags = await self._tables.transact(self._table, partition, ops)
        return head.with_etag(etags[0], values)

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
            messages.append(InboxRow(row.key, decode_arrivals(text or ""), order))
        messages.sort(key=lambda message: message.order)
        return Inbox(gate, messages)

    async def deliver(
        self,
        instance_id: str,
        incarnation: str,
        message_id: str,
        *arrivals: Arrival,
        nonce: str,
        order: int = 0,
    ) -> bool:
        """Put an arrival, or several results, into an inbox, once for each `message_id`; False
        when that incarnation has ended and takes nothing any more. An entity never ends."""
        partition, owner = encode(instance_id), inbox_owner(instance_id, incarnation)
        gate: list[Op] = [] if is_entity(instance_id) else [Merge(gate_key(incarnation), {})]
        spill = Spill(owner, nonce)
        text = encode_arrivals([spill.arrival(arrival) for arrival in arrivals])
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


def _replaced(head: Head, turns: Sequence[StoredTurn]) -> list[Op]:
    return [
        Replace(
            turn_key(head.incarnation, stored.turn.sequence),
            turn_values(stored, encode_turn(stored)),
            "*",
        )
        for stored in turns
    ]


def _gate(head: Head) -> Insert:
    return Insert(gate_key(head.incarnation), {"v": FORMAT})
