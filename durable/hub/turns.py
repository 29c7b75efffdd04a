"""Turns and arrivals as the rows hold them: both are written once, and read for ever."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durable.hub.columns import payload_columns
from durable.hub.formats import FORMAT
from durable.model.commit import OutboxItem
from durable.model.event_json import event_from_dict, event_to_dict
from durable.model.events import Arrival, Payload, Turn
from durable.ports import Value

_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A turn with what it asked to be sent; `spilled` says how many rows each of the payloads has
    that were written for it."""

    turn: Turn
    outbox: tuple[OutboxItem, ...]
    spilled: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class InboxRow:
    """What lies in the inbox under one key: an arrival, or the results of several activities."""

    key: str
    arrivals: tuple[Arrival, ...]
    order: tuple[datetime, int, str]

    @property
    def arrival(self) -> Arrival:
        """The first, which is the only one of whatever is no result."""
        return self.arrivals[0]


def turn_values(stored: StoredTurn, text: Payload, along: Sequence[str] = ()) -> dict[str, Value]:
    """All columns of a turn's row; `text` is what `encode_turn` gives, or where that lies, and
    `along` the slots of the turns that it takes along."""
    return {
        "v": FORMAT,
        "nonce": stored.turn.nonce,
        "time": stored.turn.time.isoformat(),
        "spilled": _json(stored.spilled),
        **payload_columns("data", text),
        **(payload_columns("along", f"[{','.join(along)}]") if along else {}),
    }


def encode_turn(stored: StoredTurn) -> str:
    """JSON text of a turn row's content."""
    turn = stored.turn
    data: dict[str, Any] = {
        "eid": turn.execution_id,
        "events": [event_to_dict(event) for event in turn.events],
    }
    if turn.closing:
        data["closing"] = [event_to_dict(event) for event in turn.closing]
    if turn.open:
        data["open"] = True
    if turn.seen:
        data["seen"] = [[i, t.isoformat()] for i, t in turn.seen]
    if stored.outbox:
        data["outbox"] = [item.to_list() for item in stored.outbox]
    return _json(data)


def decode_turn(
    content: str | Mapping[str, Any],
    sequence: int,
    time: datetime,
    nonce: str,
    spilled: Sequence[int] = (),
) -> StoredTurn:
    """The inverse of `encode_turn`, whose JSON may be read already; the rest comes from the row's
    columns."""
    data: Any = json.loads(content) if isinstance(content, str) else content
    turn = Turn(
        sequence,
        time,
        data["eid"],
        tuple(event_from_dict(event) for event in data["events"]),
        tuple(event_from_dict(event) for event in data.get("closing", ())),
        data.get("open", False),
        nonce,
        tuple((i, datetime.fromisoformat(t)) for i, t in data.get("seen", ())),
    )
    outbox = tuple(OutboxItem.from_list(item) for item in data.get("outbox", ()))
    return StoredTurn(turn, outbox, tuple(spilled))


def encode_arrivals(arrivals: Sequence[Arrival]) -> str:
    """JSON text of an inbox row's content."""
    items = [
        {"event": event_to_dict(each.event), "eid": each.execution_id}
        | ({"trace": each.trace} if any(each.trace) else {})
        for each in arrivals
    ]
    return _json(items[0] if len(items) == 1 else {"all": items})


def decode_arrivals(text: str) -> tuple[Arrival, ...]:
    """The inverse of `encode_arrivals`."""
    data = json.loads(text)
    return tuple(
        Arrival(
            event_from_dict(item["event"]),  # type: ignore[arg-type]
            item["eid"],
            tuple(item.get("trace", ("", ""))),
        )
        for item in data.get("all", (data,))
    )
