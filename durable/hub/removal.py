"""Takes rows of an instance away: what it consumed, trimmed, outlived, or all of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from durable.errors import RowMissing
from durable.hub.answers import Answers, StoredAnswer
from durable.hub.formats import check_format
from durable.hub.keys import (
    details_key,
    details_range,
    encode,
    head_key,
    incarnation_range,
    is_answer_key,
    outlived_range,
    payload_range,
)
from durable.hub.payloads import references, row_keys, spilled_names
from durable.hub.reading import PayloadGone, between
from durable.hub.rows import Head
from durable.hub.tail import turns_along
from durable.model.events import Event, PayloadRef, TaskFailed
from durable.ports import Delete, Merge, Op

DELETE_BATCH = 90


class Removal(Answers):
    """Deletes of one hub's history table; each is safe to repeat."""

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
            head, left = head.with_etag(etags[0], {}), left[DELETE_BATCH:]
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
                self._table, between(instance_id, low, high), token=token, columns=["v"]
            )
            for row in page.rows:
                check_format(row)
            await self.delete_rows(instance_id, [row.key for row in page.rows])
            token = page.next
            if token is None:
                return

    async def trim(self, head: Head, before: datetime) -> None:
        """Delete the turns of earlier generations with the answers that they gave before that
        time, and payloads that nothing names any more."""
        held = {holding.sequence for holding in head.holdings}
        first = await self.turn(head, head.base)
        named = references(first.turn) if first else set()
        named |= {p for p in (head.input, head.custom_status) if isinstance(p, PayloadRef)}
        dead: dict[str, int] = {}
        turns: list[str] = []
        has_failed = first is not None and _has_failure(first.turn.closing)
        low, high = outlived_range(head.incarnation, head.base)
        for row in await self._range(head.instance_id, low, high):
            check_format(row)
            if is_answer_key(row.key):
                answer = StoredAnswer.from_row(row)
                ref = answer.result
                if row.timestamp < before and answer.turn < head.base:
                    turns.append(row.key)
                    dead |= {ref.key: ref.rows} if isinstance(ref, PayloadRef) else {}
                elif isinstance(ref, PayloadRef):
                    named.add(ref)
                continue
            along = {turn.turn.sequence for turn in turns_along(row)}
            if held & {int(row.key[-10:]), *along}:
                continue
            turns.append(row.key)
            values: Any = row.values
            dead |= spilled_names(values["nonce"], json.loads(values["spilled"]))
            try:
                stored = await self._read_turn(head, row)
            except PayloadGone:
                continue
            has_failed = has_failed or _has_failure(stored.turn.events)
            # what came in has been written by its sender
            dead |= {ref.key: ref.rows for ref in references(stored.turn)}
        for ref in named:
            dead.pop(ref.key, None)
        keys = [key for name in dead for key in row_keys(head.incarnation, name, dead[name])]
        if has_failed:
            # calls that had a result have taken theirs away
            keys += await self._details_before(head)
        await self.delete_rows(head.instance_id, [*keys, *turns])

    async def _details_before(self, head: Head) -> list[str]:
        """Rows with what activities of earlier generations said."""
        low, high = details_range(head.incarnation)
        now = details_key(head.incarnation, head.execution_id, 0)[:-1]
        rows = await self._range(head.instance_id, low, high, columns=["v"])
        return [row.key for row in rows if not row.key.startswith(now)]


def _has_failure(events: Sequence[Event]) -> bool:
    return any(isinstance(event, TaskFailed) for event in events)
