"""An instance's head: a row of the history table as a value, and back.

The head is the only row that is ever rewritten, always by its etag: it is where every
transition of an instance is decided. A turn row is written once. Each row has a format
version; an unknown one is left alone by raising UnknownFormat.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from durable.engine.ledger import NEAR
from durable.hub.columns import payload_columns, payload_from_columns
from durable.hub.formats import FORMAT, check_format
from durable.model.entities import Lock
from durable.model.events import Payload
from durable.model.failure import FailureDetails
from durable.model.instance import ForkedFrom, OrchestrationRuntimeStatus, Parent
from durable.ports import Row, Value

PURGING = "Purging"
_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Holding:
    """A committed turn with things still to do, and who does them.

    `guard` is the message id and delivery count of the guard under which they are done; only
    its holder may. `run` are activities that the holder runs itself, `send` says that the
    other items of the turn's outbox may not have been sent yet. With `queued` those are work items
    alone: no write says that they were sent, since the first that ends is followed by one anyway.
    """

    sequence: int
    guard: tuple[str, int]
    since: datetime
    send: bool
    run: tuple[int, ...] = ()
    attempt: int = 0
    queued: bool = False

    def to_list(self) -> list[Any]:
        """Compact JSON."""
        message, count = self.guard
        since, run = self.since.isoformat(), list(self.run)
        data = [self.sequence, message, count, since, self.send, run, self.attempt]
        return [*data, True] if self.queued else data

    @classmethod
    def from_list(cls, data: list[Any]) -> Holding:
        """The inverse of `to_list`."""
        sequence, message, count, since, send, run, attempt, *queued = data
        return cls(
            sequence,
            (message, count),
            datetime.fromisoformat(since),
            send,
            tuple(run),
            attempt,
            bool(queued),
        )


@dataclass(frozen=True, slots=True)
class Head:
    """An instance's head row.

    `sequence` numbers the next turn, `base` is the first turn of this generation. `ready`
    says that the code has more to say without anything arriving. `marks` are the deliveries
    that fenced earlier holders. `waiting_since` is when the oldest activity that is out in a
    queue was scheduled, `next_timer` when the first timer is due, `open_tasks` the ids of the
    tasks that have not ended (see `encode_ids`). `stale` are earlier incarnations to
    delete, each with the key of its row in the projection. `failure` is why the instance
    failed, or is Stuck, and `suspect` the activity that ends processes, where it is known.
    `deaths` says how many processes in a row took it over and died before a turn was stored,
    `died` when the last of them was counted, and `heirs` which messages those held who have taken
    it over since the first of them.
    `trace` is the traceparent and tracestate of who started it. `start_at` is when it was to
    begin, where that was asked for; until then `next_timer` is that too. `waits_for` is what no
    worker that looked at it had, "" where nothing is missing. `fork` says of whom its first turn
    takes over what. `tail` is the first turn that stands in the head itself, see
    `durable.hub.tail`; None where each has a row.

    `etag`, `gate`, `row` and `stored` are not stored: the versions of the head itself, of the gate
    when all that had been accepted was taken in, and of the row in the projection, as far as this
    process knows them, and the columns of the head under its etag.

    An entity's head is the same row: its `input` is the state, `base` the first turn that is
    still stored, and `lock` says which orchestration has it to itself.
    """

    instance_id: str
    name: str
    incarnation: str
    execution_id: str
    status: str
    created: datetime
    etag: str = ""
    gate: str = ""
    row: str = ""
    stored: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    version: str | None = None
    sequence: int = 0
    base: int = 0
    nonce: str = ""
    time: datetime | None = None
    ready: bool = False
    input: Payload = None
    output: Payload = None
    custom_status: Payload = None
    failure: FailureDetails | None = None
    parent: Parent | None = None
    born: datetime | None = None
    again: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    holdings: tuple[Holding, ...] = ()
    marks: tuple[tuple[str, int], ...] = ()
    waiting_since: datetime | None = None
    next_timer: datetime | None = None
    open_tasks: str = ""
    stale: tuple[tuple[str, str], ...] = ()
    suspect: int | None = None
    deaths: int = 0
    died: datetime | None = None
    heirs: tuple[str, ...] = ()
    trace: tuple[str, str] = ("", "")
    lock: Lock | None = None
    start_at: datetime | None = None
    waits_for: str = ""
    fork: ForkedFrom | None = None
    tail: int | None = None

    @property
    def losses(self) -> int:
        """How many processes in a row died over it: before they had stored a turn, or while they
        ran activities that were run before."""
        again = (holding.attempt - 1 for holding in self.holdings if holding.run)
        return max((self.deaths, *again))

    def losses_of(self, messages: Set[str]) -> int:
        """As `losses`, of those who held one of these messages: a process that dies leaves several
        messages of one instance, and that is one death."""
        held = (each for each in self.holdings if each.run and each.guard[0] in messages)
        deaths = self.deaths if not messages.isdisjoint(self.heirs) else 0
        return max((deaths, *(holding.attempt - 1 for holding in held)))

    @property
    def far_start(self) -> datetime | None:
        """When it was to begin, where a row of the timer index rings for that."""
        far = self.start_at is not None and self.start_at - self.created > NEAR
        return self.start_at if far else None

    @property
    def takes_over(self) -> ForkedFrom | None:
        """What the first turn begins with, unless it begins like any other."""
        return self.fork if self.fork is not None and self.fork.step else None

    @property
    def is_terminal(self) -> bool:
        """Ended; nothing is accepted any more."""
        return self.status == PURGING or self.runtime_status.is_terminal

    @property
    def runtime_status(self) -> OrchestrationRuntimeStatus:
        """For callers; an instance being purged counts as what it is on the way to: gone."""
        if self.status == PURGING:
            return OrchestrationRuntimeStatus.TERMINATED
        return OrchestrationRuntimeStatus(self.status)

    def to_values(self) -> dict[str, Value]:
        """All columns, for an insert or replace."""
        values: dict[str, Value] = {
            "instance": self.instance_id,
            "name": self.name,
            "inc": self.incarnation,
            "created": self.created,
            "again": self.again,
            "tags": _json(self.tags),
            "version": self.version or "",
            "parent": _json(self.parent.to_dict()) if self.parent else "",
            "trace": _json(self.trace) if any(self.trace) else "",
            **({"born": self.born} if self.born else {}),
            **({"start_at": self.start_at} if self.start_at else {}),
            **({"fork": _json(self.fork.to_dict())} if self.fork else {}),
            **payload_columns("input", self.input),
            **payload_columns("output", self.output),
            **payload_columns("custom", self.custom_status),
            **self.state_values(),
        }
        return values

    def state_values(self) -> dict[str, Value]:
        """The columns that turns, fences and hand-overs change."""
        values: dict[str, Value] = {
            "v": FORMAT,
            "status": self.status,
            "eid": self.execution_id,
            "seq": self.sequence,
            "base": self.base,
            "nonce": self.nonce,
            "ready": self.ready,
            "failure": _json(self.failure.to_dict()) if self.failure else "",
            "held": _text([holding.to_list() for holding in self.holdings]),
            "marks": _text(self.marks),
            "waiting": self.waiting_since.isoformat() if self.waiting_since else "",
            "timer": self.next_timer.isoformat() if self.next_timer else "",
            "open": self.open_tasks,
            "stale": _text(self.stale),
            "suspect": -1 if self.suspect is None else self.suspect,
            "deaths": self.deaths,
            "lock": _json(self.lock.to_dict()) if self.lock else "",
            "needs": self.waits_for,
        }
        if self.time is not None:
            values["time"] = self.time.isoformat()
        if self.died is not None:
            values |= {"died": self.died.isoformat(), "heirs": _json(self.heirs)}
        if self.tail is not None:
            values["tail"] = self.tail
        return values

    @classmethod
    def from_row(cls, row: Row) -> Head:
        """Raises UnknownFormat for a row that a newer version wrote."""
        values: Mapping[str, Any] = row.values
        check_format(row)
        return cls(
            instance_id=values["instance"],
            name=values["name"],
            incarnation=values["inc"],
            execution_id=values["eid"],
            status=values["status"],
            created=values["created"],
            etag=row.etag,
            stored=values,
            version=values["version"] or None,
            sequence=values["seq"],
            base=values["base"],
            nonce=values["nonce"],
            time=_time(values.get("time")),
            ready=values["ready"],
            input=payload_from_columns("input", values),
            output=payload_from_columns("output", values),
            custom_status=payload_from_columns("custom", values),
            failure=_failure(values["failure"]),
            parent=Parent.from_dict(json.loads(values["parent"])) if values["parent"] else None,
            born=values.get("born"),
            start_at=values.get("start_at"),
            again=values["again"],
            tags=json.loads(values["tags"]) if values["tags"] != "{}" else {},
            holdings=tuple(Holding.from_list(item) for item in _list(values["held"])),
            marks=tuple((message, count) for message, count in _list(values["marks"])),
            waiting_since=_time(values["waiting"]),
            next_timer=_time(values["timer"]),
            open_tasks=values["open"],
            suspect=values["suspect"] if values["suspect"] >= 0 else None,
            deaths=values.get("deaths", 0),
            died=_time(values.get("died")),
            heirs=tuple(_list(values.get("heirs", "[]"))),
            trace=tuple(json.loads(values.get("trace") or '["",""]')),
            lock=Lock.from_dict(json.loads(values["lock"])) if values.get("lock") else None,
            stale=tuple((incarnation, row) for incarnation, row in _list(values["stale"])),
            waits_for=values.get("needs", ""),
            fork=ForkedFrom.from_dict(json.loads(values["fork"])) if "fork" in values else None,
            tail=values.get("tail"),
        )

    def changed(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Those of some columns that the row does not hold yet under this etag."""
        absent, stored = object(), self.stored
        return {key: value for key, value in values.items() if stored.get(key, absent) != value}

    def with_etag(self, etag: str, values: Mapping[str, Value]) -> Head:
        """The same content under the etag that a write of these columns returned."""
        return replace(self, etag=etag, stored={**self.stored, **values})


def _text(items: Sequence[Any]) -> str:
    return _json(items) if items else "[]"


def _list(text: str) -> Sequence[Any]:
    # a head is read often, and most of its lists are empty
    return json.loads(text) if text != "[]" else ()


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _failure(text: str) -> FailureDetails | None:
    return FailureDetails.from_dict(json.loads(text)) if text else None
