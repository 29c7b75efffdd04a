"""The latest turns of an orchestration, which stand in columns of its head.

A commit of a short turn is one merge of one row then. Whatever does not fit, and every turn
after SLOTS of them, gets a row, and takes along those that stood in the head: a turn is in the
head or in a row, and its number and the head's `tail` say where.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from durable.hub.columns import payload_from_columns
from durable.hub.payloads import references
from durable.hub.rows import Head
from durable.hub.turns import StoredTurn, decode_turn
from durable.model.entities import is_entity
from durable.model.events import TaskFailed, Turn
from durable.ports import Row

SLOTS = 16
"""How many turns stand in a head at most."""

LONGEST = 2_000
"""Characters of the JSON of a turn that stands there: a head is read often."""


def slot(sequence: int) -> str:
    """The column of a turn; the one SLOTS turns later takes its place."""
    return f"turn{sequence % SLOTS}"


def slot_text(turn: Turn, text: str) -> str:
    """What stands there; `text` is what `encode_turn` gives."""
    return f'[{turn.sequence},"{turn.nonce}","{turn.time.isoformat()}",{text}]'


def fits(head: Head, turn: Turn, text: str) -> bool:
    """Whether the next turn may stand there. One that names payloads, or has a failure of an
    activity, may not: who trims an old generation looks for these in rows."""
    tail = turn.sequence if head.tail is None else head.tail
    return (
        len(text) <= LONGEST
        and turn.sequence - tail < SLOTS
        and not is_entity(head.instance_id)
        and not references(turn)
        and not any(isinstance(event, TaskFailed) for event in turn.events)
    )


def is_in_head(head: Head, sequence: int) -> bool:
    """Whether that turn stands in the head, as it was read."""
    return head.tail is not None and head.tail <= sequence < head.sequence


def texts_in_head(head: Head, first: int, beyond: int) -> list[str]:
    """Those of the turns `first` up to, not including, `beyond` that stand in the head."""
    tail = beyond if head.tail is None else head.tail
    return [str(head.stored[slot(number)]) for number in range(max(first, tail), beyond)]


def turn_of_slot(text: str) -> StoredTurn:
    """The inverse of `slot_text`."""
    return _turn(json.loads(text))


def turns_along(row: Row) -> list[StoredTurn]:
    """The turns that a row took along, oldest first."""
    text = payload_from_columns("along", row.values)
    return [_turn(item) for item in json.loads(text)] if isinstance(text, str) else []


def _turn(item: list[Any]) -> StoredTurn:
    sequence, nonce, time, content = item
    return decode_turn(content, sequence, datetime.fromisoformat(time), nonce)
