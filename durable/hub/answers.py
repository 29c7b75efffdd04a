"""What an instance has answered: rows of its partition that whoever asked looks for.

The answer to an update is written once, with the turn that gives it, under the update's id. The
answer to a query is written for one asker, who takes it away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from durable.engine.answering import QueryAnswer
from durable.errors import RowChanged, RowExists, RowMissing
from durable.hub.columns import payload_columns, payload_from_columns
from durable.hub.formats import FORMAT, check_format
from durable.hub.keys import encode, gate_key, head_key, query_answer_key, update_answer_key
from durable.hub.reading import Reading
from durable.hub.rows import Head
from durable.model.events import Payload, Turn, UpdateAnswered
from durable.model.failure import FailureDetails
from durable.ports import Delete, Insert, Merge, Op, Row, Value

AT_ONCE = 90
"""Answers that are stored after their turn in one transaction."""

KEPT = timedelta(hours=1)
"""How long an answer is kept at least, though its generation is over."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer: a result, long ones by reference, or a failure. `turn` gave it to an update, -1
    to a query."""

    result: Payload = None
    failure: FailureDetails | None = None
    turn: int = -1

    @classmethod
    def from_row(cls, row: Row) -> StoredAnswer:
        """Raises UnknownFormat for a row that a newer version wrote."""
        check_format(row)
        values: Any = row.values
        text = values["failure"]
        failure = FailureDetails.from_dict(json.loads(text)) if text else None
        return cls(payload_from_columns("result", values), failure, values.get("turn", -1))


def answer_rows(turn: Turn, incarnation: str, wanted: Iterable[str]) -> list[Insert]:
    """The rows of a turn's answers to the updates of these ids; long results by reference."""
    ids = set(wanted)
    return [_row(turn, incarnation, each) for each in answers_of(turn) if each.message_id in ids]


def answers_of(turn: Turn) -> Iterator[UpdateAnswered]:
    """All that a turn gives, in their order."""
    return (each for each in (*turn.closing, *turn.events) if isinstance(each, UpdateAnswered))


def _row(turn: Turn, incarnation: str, answer: UpdateAnswered) -> Insert:
    values = {"v": FORMAT, "turn": turn.sequence, **_columns(answer.result, answer.failure)}
    return Insert(update_answer_key(incarnation, answer.message_id), values)


def _columns(result: Payload, failure: FailureDetails | None) -> Mapping[str, Value]:
    text = json.dumps(failure.to_dict()) if failure is not None else ""
    return {"failure": text, **payload_columns("result", result)}


class Answers(Reading):
    """Reads and writes of answers in one hub's history table."""

    async def update_answer(
        self, instance_id: str, incarnation: str, message_id: str
    ) -> StoredAnswer | None:
        """The answer to an update, None while there is none."""
        key = update_answer_key(incarnation, message_id)
        row = await self._tables.get(self._table, encode(instance_id), key)
        return StoredAnswer.from_row(row) if row is not None else None

    async def add_answers(self, head: Head, turn: Turn, first: int) -> None:
        """Write the answers of a stored turn that are not there yet, from that number on; safe to
        repeat."""
        partition = encode(head.instance_id)
        rows = [_row(turn, head.incarnation, each) for each in list(answers_of(turn))[first:]]
        for start in range(0, len(rows), AT_ONCE):
            batch = rows[start : start + AT_ONCE]
            while batch:
                try:
                    await self._tables.transact(self._table, partition, batch)
                    break
                except RowExists as error:
                    del batch[error.index]

    async def answer_query(self, head: Head, ask_id: str, answer: QueryAnswer) -> bool:
        """Leave the answer to a query for who asked; False where the instance has changed in
        between, and has to be asked again. Safe to repeat."""
        partition, key = encode(head.instance_id), query_answer_key(head.incarnation, ask_id)
        # not beside a purge: nobody would remove the row
        same: Op = Merge(gate_key(head.incarnation), {})
        if head.is_terminal:
            same = Merge(head_key(head.instance_id), {}, head.etag)
        values = {"v": FORMAT, **_columns(answer.result, answer.failure)}
        try:
            await self._tables.transact(self._table, partition, [same, Insert(key, values)])
        except (RowChanged, RowMissing):
            return False
        except RowExists:
            return True
        return True

    async def take_query_answer(self, head: Head, ask_id: str) -> QueryAnswer | None:
        """The answer to a query, which is not there any more after that; None while there is
        none."""
        partition, key = encode(head.instance_id), query_answer_key(head.incarnation, ask_id)
        row = await self._tables.get(self._table, partition, key)
        if row is None:
            return None
        with suppress(RowMissing):
            await self._tables.transact(self._table, partition, [Delete(key)])
        stored = StoredAnswer.from_row(row)
        return QueryAnswer(
            stored.result if isinstance(stored.result, str) else None, stored.failure
        )
