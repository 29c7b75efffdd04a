"""Everything that a run has left in its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from durable.hub.columns import payload_from_columns
from durable.hub.hub import Hub
from durable.hub.keys import ENTITY_INBOX, encode
from durable.hub.rows import Head
from durable.hub.tail import texts_in_head, turn_of_slot, turns_along
from durable.hub.turns import StoredTurn, decode_turn
from durable.ports import Row, Storage


@dataclass(frozen=True, slots=True)
class StoredAt:
    """A turn, and when it was taken, in seconds since the epoch."""

    at: float
    stored: StoredTurn


@dataclass(frozen=True, slots=True)
class Attempt:
    """A run of an activity, begun at `at` in the worker of that mark."""

    instance_id: str
    execution_id: str
    task_id: int
    worker: str
    at: float


@dataclass(slots=True)
class Stored:
    """`turns` are by instance, in order; `effects` by instance, each key with its kind."""

    heads: dict[str, Head] = field(default_factory=dict)
    turns: dict[str, list[StoredAt]] = field(default_factory=dict)
    listed: list[Mapping[str, Any]] = field(default_factory=list)
    litter: list[str] = field(default_factory=list)
    effects: dict[str, dict[str, str]] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)


async def load(storage: Storage, hub: Hub, effects_table: str) -> Stored:
    """Read it all, a thousand rows at a time."""
    found, names = Stored(), hub.names
    history = await rows(storage, names.history)
    heads = [Head.from_row(row) for row in history if row.key.startswith("!")]
    found.heads = {head.instance_id: head for head in heads}
    by_partition = {encode(head.instance_id): head for head in heads}
    for head in heads:
        texts = texts_in_head(head, 0, head.sequence)
        _take_turns(found, head, [turn_of_slot(text) for text in texts])
    for row in history:
        await _sort_in(found, hub, by_partition.get(row.partition), row)
    for turns in found.turns.values():
        turns.sort(key=lambda each: each.stored.turn.sequence)
    found.listed = [row.values for row in await rows(storage, names.instances)]
    found.litter += [f"index: {r.partition} {r.key}" for r in await rows(storage, names.index)]
    found.litter += [
        f"dead letter: {row.key} {row.values}"
        for row in await rows(storage, names.hub_table)
        if row.partition == "dead"
    ]
    for row in await rows(storage, effects_table):
        _take_effect(found, row)
    return found


async def rows(storage: Storage, table: str) -> list[Row]:
    """All of a table."""
    found: list[Row] = []
    token: str | None = None
    while True:
        page = await storage.tables.query(table, [], token=token)
        found += page.rows
        if (token := page.next) is None:
            return found


async def _sort_in(found: Stored, hub: Hub, head: Head | None, row: Row) -> None:
    incarnation, _, rest = row.key.partition("|")
    kind = rest.partition("|")[0]
    if row.key.startswith("!"):
        return
    if head is None:
        found.litter.append(f"of no instance: {row.partition} {row.key}")
    elif kind == "a" and head.is_terminal:
        found.litter.append(f"a gate: {row.partition} {row.key}")
    elif kind == "b":
        found.litter.append(f"in an inbox: {row.partition} {row.key}")
    elif kind == "h" and incarnation == head.incarnation:
        sequence = int(rest.rpartition("|")[2])
        _take_turns(found, head, [*turns_along(row), await _turn(hub, head, row, sequence)])
    elif incarnation not in (head.incarnation, ENTITY_INBOX):
        found.litter.append(f"of another life: {row.partition} {row.key}")


async def _turn(hub: Hub, head: Head, row: Row, sequence: int) -> StoredTurn:
    data = payload_from_columns("data", row.values)
    if isinstance(data, str):
        values: Any = row.values
        time = datetime.fromisoformat(values["time"])
        return decode_turn(data, sequence, time, values["nonce"])
    stored = await hub.instances.turn(head, sequence)
    assert stored is not None
    return stored


def _take_turns(found: Stored, head: Head, turns: Sequence[StoredTurn]) -> None:
    known = found.turns.setdefault(head.instance_id, [])
    known += [StoredAt(each.turn.time.timestamp(), each) for each in turns]


def _take_effect(found: Stored, row: Row) -> None:
    kind, _, key = row.key.partition("-")
    values: Any = row.values
    if kind == "effect":
        found.effects.setdefault(row.partition, {})[key] = values["kind"]
        return
    found.attempts.append(
        Attempt(
            row.partition,
            values["execution"],
            values["task"],
            values["worker"],
            row.timestamp.timestamp(),
        )
    )
