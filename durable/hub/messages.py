"""Bodies of queue messages: doorbells and work items, as JSON with a format version.

A doorbell says only which instance to look at. A work item repeats what history holds, so
that an activity can run without reading it. No field is called `id`: a queue trigger lets
body fields of a message overwrite its own metadata.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from durable.hub.rows import Head
from durable.model.calls import CallOptions
from durable.model.events import Payload, PayloadRef, TaskScheduled, Turn

FORMAT = 1
PACKED = 2
"""The format of what an earlier version cannot read: several work items, or rings, in one, and
queries."""

RINGS = 25
"""For how many instances one message rings at most."""

LIMIT = 48 * 1024
LARGEST = 2**31 - 1
"""Of the numbers that a message may hold."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


class BadMessage(ValueError):
    """A body that is none of ours; the message says what is wrong with it."""


class NewerMessage(BadMessage):
    """A body of a format that a later version writes: it is for a worker of that version.
    `waited` says how often it has been left to one."""

    def __init__(self, version: int, data: dict[str, Any]) -> None:
        super().__init__(f"format {version}; this version reads up to {PACKED}")
        waited = data.get("waited")
        self.waited = waited if type(waited) is int and 0 <= waited <= LARGEST else 0
        self._data = data

    def again(self) -> bytes:
        """The body, left once more."""
        return _dump({**self._data, "waited": self.waited + 1})


@dataclass(frozen=True, slots=True)
class Doorbell:
    """`guard` marks a hidden message that a process holds while it works and deletes after: one
    that is seen rings for a process that died, as does one that says `died`. `audit` comes from
    the sweeper. `lack` counts deliveries to workers that could not serve the instance. `heir_of`
    names the guards that this message replaces: whoever receives it takes over what was done
    under them."""

    instance_id: str
    guard: bool = False
    died: bool = False
    audit: bool = False
    lack: int = 0
    heir_of: tuple[tuple[str, int], ...] = ()

    def encode(self) -> bytes:
        """UTF-8 JSON."""
        data: dict[str, Any] = {"v": FORMAT, "kind": "ring", "instance": self.instance_id}
        for name in ("guard", "died", "audit", "lack", "heir_of"):
            if value := getattr(self, name):
                data[name] = value
        return _dump(data)


@dataclass(frozen=True, slots=True)
class Doorbells:
    """One message that rings for several instances, each of them for the first time. `guard` as
    for `Doorbell`."""

    instances: tuple[str, ...]
    guard: bool = False

    def encode(self) -> bytes:
        """UTF-8 JSON."""
        instances, guard = list(self.instances), {"guard": True} if self.guard else {}
        return _dump({"v": PACKED, "kind": "rings", "instances": instances, **guard})


@dataclass(frozen=True, slots=True)
class WorkItem:
    """An activity to run. `input` is None with `has_input` when it did not fit: it is read from
    the turn that scheduled the task then. `lack` and `begun` count what earlier messages of
    the same item went through: workers without its activity, and begun runs. `trace` is the
    traceparent and tracestate of the instance."""

    instance_id: str
    incarnation: str
    execution_id: str
    task_id: int
    activity: str
    scheduled: datetime
    turn: int
    call: int
    attempt: int
    input: Payload = None
    has_input: bool = True
    lack: int = 0
    begun: int = 0
    trace: tuple[str, str] = ("", "")
    options: CallOptions | None = None

    @classmethod
    def of(cls, event: TaskScheduled, head: Head, turn: Turn) -> WorkItem:
        """The item of an activity that `turn` scheduled; its input as the event has it."""
        return cls(
            head.instance_id,
            head.incarnation,
            turn.execution_id,
            event.task_id,
            event.name,
            turn.time,
            turn.sequence,
            event.call,
            event.attempt,
            event.input,
            trace=head.trace,
            options=event.options,
        )

    @property
    def idempotency_key(self) -> str:
        """Constant over redelivery, the policy's retries and rewind of one logical call."""
        return f"{self.instance_id}:{self.execution_id}:{self.call}"

    @property
    def priority(self) -> int:
        """The call's."""
        return self.options.priority if self.options else 0

    @property
    def key(self) -> str | None:
        """The call's concurrency key."""
        return self.options.key if self.options else None

    def encode(self) -> bytes:
        """UTF-8 JSON of at most 48 KiB; a long input is left out."""
        body = _dump(self._data())
        if len(body) > LIMIT:
            body = _dump(replace(self, input=None, has_input=False)._data())
        return body

    def _data(self) -> dict[str, Any]:
        return {"v": FORMAT, "kind": "work", **self._shared(), **self._own()}

    def _shared(self) -> dict[str, Any]:
        return {
            "instance": self.instance_id,
            "inc": self.incarnation,
            "eid": self.execution_id,
            "activity": self.activity,
            "scheduled": self.scheduled.isoformat(),
            "turn": self.turn,
            "lack": self.lack,
            **({"trace": self.trace} if any(self.trace) else {}),
        }

    def _own(self) -> dict[str, Any]:
        payload: Any = self.input
        if isinstance(payload, PayloadRef):
            payload = [payload.key, payload.rows, payload.size]
        return {
            "task": self.task_id,
            "call": self.call,
            "attempt": self.attempt,
            "input": payload,
            "has_input": self.has_input,
            "begun": self.begun,
            **({"options": self.options.to_dict()} if self.options else {}),
        }


@dataclass(frozen=True, slots=True)
class WorkBatch:
    """Several calls of one activity that one turn made, in one message."""

    items: tuple[WorkItem, ...]

    def encode(self) -> bytes:
        """UTF-8 JSON; `packed` sees that it fits."""
        first = self.items[0]
        tasks = [item._own() for item in self.items]
        return _dump({"v": PACKED, "kind": "batch", **first._shared(), "tasks": tasks})

    def left(self) -> WorkBatch:
        """The same, left once more by a worker that could not run it."""
        return WorkBatch(tuple(replace(item, lack=item.lack + 1) for item in self.items))


@dataclass(frozen=True, slots=True)
class Query:
    """Asks an instance something, for a client that has not its code. `until` is when nobody
    waits for the answer any more; `lack` counts deliveries to workers without the code."""

    instance_id: str
    incarnation: str
    name: str
    ask_id: str
    until: datetime
    input: str | None = None
    lack: int = 0

    def encode(self) -> bytes:
        """UTF-8 JSON; who asks sees that it fits."""
        data: dict[str, Any] = {
            "v": PACKED,
            "kind": "query",
            "instance": self.instance_id,
            "inc": self.incarnation,
            "name": self.name,
            "ask": self.ask_id,
            "until": self.until.isoformat(),
            "lack": self.lack,
        }
        return _dump(data if self.input is None else {**data, "input": self.input})


def packed(items: Sequence[WorkItem], most: int) -> Iterator[bytes]:
    """Bodies that hold all the items of one turn and activity, up to `most` in each."""
    for start in range(0, len(items), most):
        part = items[start : start + most]
        body = part[0].encode() if len(part) == 1 else WorkBatch(tuple(part)).encode()
        if len(body) <= LIMIT:
            yield body
        else:
            yield from packed(part, (len(part) + 1) // 2)


def _dump(data: dict[str, Any]) -> bytes:
    return _encode(data).encode()
