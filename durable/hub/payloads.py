"""Texts too long for a row of their own kind: compressed, immutable, in the same partition.

A payload is written before the commit that names it, and never again; its name has the
writer's nonce, so that two attempts cannot overwrite each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from hashlib import blake2b
from typing import TypeVar

from durable.hub.columns import pack, unpack
from durable.hub.formats import FORMAT
from durable.hub.keys import payload_key
from durable.model.events import Arrival, Event, Payload, PayloadRef, Turn
from durable.ports import Insert, Value

INLINE = 16_000
"""Characters of a JSON text that stay in the row which names it."""

INLINE_TURN = 200_000
"""Characters of a turn's JSON that stay in its row."""

_COLUMNS_A_ROW = 8
ROWS_A_BATCH = 4

E = TypeVar("E", bound=Event)


def digest(text: str) -> str:
    """What a long text is known by, so that remembering it does not keep it in memory."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


class Spill:
    """Collects the payload rows of one commit.

    `known` maps texts, by `digest`, to where they are stored already, so that an input which
    came from a payload row is named again and not written twice.
    """

    def __init__(
        self, incarnation: str, nonce: str, known: dict[str, PayloadRef] | None = None
    ) -> None:
        self.incarnation = incarnation
        self.nonce = nonce
        self.rows: list[Insert] = []
        self.sizes: list[int] = []
        """How many rows each payload takes."""
        self._known = known if known is not None else {}

    def payload(self, payload: Payload, limit: int = INLINE, *, shared: bool = True) -> Payload:
        """The payload itself while short, else the reference it is stored under; not `shared`,
        under a reference that nothing else names."""
        if not isinstance(payload, str) or len(payload) <= limit:
            return payload
        if not shared:
            return self._store(payload)
        key = digest(payload)
        ref = self._known.get(key)
        if ref is None:
            ref = self._known[key] = self._store(payload)
        return ref

    def event(self, event: E) -> E:
        """The event, with long payloads by reference."""
        changed = {
            name: short
            for name, payload in payloads_of(event)
            if (short := self.payload(payload)) is not payload
        }
        return replace(event, **changed) if changed else event  # type: ignore[arg-type]

    def turn(self, turn: Turn) -> Turn:
        """The turn, with long payloads by reference; itself where it has none."""
        events = tuple([self.event(event) for event in turn.events])
        closing = tuple([self.event(event) for event in turn.closing])
        pairs = zip((*events, *closing), (*turn.events, *turn.closing), strict=True)
        if all(after is before for after, before in pairs):
            return turn
        return replace(turn, events=events, closing=closing)

    def arrival(self, arrival: Arrival) -> Arrival:
        """The arrival, with a long payload by reference."""
        event = self.event(arrival.event)
        return arrival if event is arrival.event else replace(arrival, event=event)

    def batches(self) -> Iterator[Sequence[Insert]]:
        """The rows, in pieces that fit a transaction together with one more row."""
        for start in range(0, len(self.rows), ROWS_A_BATCH):
            yield self.rows[start : start + ROWS_A_BATCH]

    def _store(self, text: str) -> PayloadRef:
        name = spilled_name(self.nonce, len(self.sizes))
        chunks = pack(text)
        parts = range(0, len(chunks), _COLUMNS_A_ROW)
        for part, start in enumerate(parts):
            values: dict[str, Value] = {"v": FORMAT}
            for column, chunk in enumerate(chunks[start : start + _COLUMNS_A_ROW]):
                values[f"d{column}"] = chunk
            self.rows.append(Insert(payload_key(self.incarnation, name, part), values))
        self.sizes.append(len(parts))
        return PayloadRef(name, len(parts), len(text))


def spilled_name(nonce: str, number: int) -> str:
    """The name of a commit's payload, by its nonce and place."""
    return f"{nonce}.{number}"


def spilled_names(nonce: str, sizes: Sequence[int]) -> dict[str, int]:
    """The names of all payloads of a commit, and how many rows each has."""
    return {spilled_name(nonce, number): rows for number, rows in enumerate(sizes)}


def payloads_of(event: Event) -> list[tuple[str, Payload]]:
    """The event's payload fields by name."""
    kind = type(event)
    names = _payload_fields.get(kind)
    if names is None:
        every = (each.name for each in fields(kind))
        names = _payload_fields[kind] = [name for name in every if name in ("input", "result")]
    return [(name, getattr(event, name)) for name in names]


_payload_fields: dict[type[Event], list[str]] = {}


def references(turn: Turn) -> set[PayloadRef]:
    """All payload rows that a turn names."""
    return {
        payload
        for event in (*turn.events, *turn.closing)
        for _, payload in payloads_of(event)
        if isinstance(payload, PayloadRef)
    }


def payload_row_keys(incarnation: str, ref: PayloadRef) -> list[str]:
    """The row keys of a payload."""
    return row_keys(incarnation, ref.key, ref.rows)


def row_keys(incarnation: str, name: str, rows: int) -> list[str]:
    """The row keys of a payload that takes so many rows."""
    return [payload_key(incarnation, name, part) for part in range(rows)]


def join(rows: Sequence[dict[str, Value]]) -> str:
    """The text of a payload from the columns of its rows, in order."""
    chunks: list[bytes] = []
    for values in rows:
        for column in range(_COLUMNS_A_ROW):
            chunk = values.get(f"d{column}")
            if not isinstance(chunk, bytes):
                break
            chunks.append(chunk)
    return unpack(chunks)
