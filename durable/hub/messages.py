"""Bodies of queue messages: doorbells and work items, as JSON with a format version.

A doorbell says only which instance to look at. A work item repeats what history holds, so
that an activity can run without reading it. No field is called `id`: a queue trigger lets
body fields of a message overwrite its own metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from durable.hub.rows import Head
from durable.model.calls import CallOptions
from durable.model.entities import EntityId, is_entity
from durable.model.events import Payload, PayloadRef, TaskScheduled, Turn

FORMAT = 1
PACKED = 2
"""The format of what an earlier version cannot read: several work items, or rings, in one, and
queries."""

RINGS = 25
"""For how many instances one message rings at most."""

LIMIT = 48 * 1024
_encode = json.JSONEncoder(separators=(",", ":")).encode
_HEX = re.compile(r"[0-9a-f]{1,64}")
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_PAYLOAD = re.compile(r"[0-9a-f]{1,64}\.[0-9]{1,9}")
_LONGEST_INSTANCE = 400
_LONGEST_NAME = 1000
_MOST = 2**31 - 1
_MOST_ROWS = 4096


class BadMessage(ValueError):
    """A body that is none of ours; the message says what is wrong with it."""


class NewerMessage(BadMessage):
    """A body of a format that a later version writes: it is for a worker of that version.
    `waited` says how often it has been left to one."""

    def __init__(self, version: int, data: dict[str, Any]) -> None:
        super().__init__(f"format {version}; this version reads up to {PACKED}")
        waited = data.get("waited")
        self.waited = waited if type(waited) is int and 0 <= waited <= _MOST else 0
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


def decode_message(body: bytes) -> Doorbell | Doorbells | Query | WorkItem | WorkBatch:
    """Raises BadMessage with a reason for anything else."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"not JSON: {type(error).__name__}") from error
    if not isinstance(data, dict):
        raise BadMessage(f"not a JSON object but {type(data).__name__}")
    version = data.get("v")
    if type(version) is int and PACKED < version < 1000:
        raise NewerMessage(version, data)
    if type(version) is not int or version not in (FORMAT, PACKED):
        raise BadMessage(f"format {str(data.get('v'))[:40]!r}; this version reads up to {PACKED}")
    try:
        if data.get("kind") == "ring":
            return _doorbell(data)
        if data.get("kind") == "rings":
            return _doorbells(data)
        if data.get("kind") == "query":
            return _query(data)
        if data.get("kind") == "work":
            return _work_item(data)
        if data.get("kind") == "batch":
            return _work_batch(data)
    except (KeyError, TypeError, ValueError) as error:
        raise BadMessage(f"a malformed {data['kind']} message: {error!r:.300}") from error
    raise BadMessage(f"unknown kind {str(data.get('kind'))[:40]!r}")


def _doorbell(data: dict[str, Any]) -> Doorbell:
    heir_of = tuple(
        (_matching(message, _ID), _number(count)) for message, count in data.get("heir_of", ())
    )
    return Doorbell(
        _instance(data["instance"]),
        _typed(data.get("guard", False), bool),
        _typed(data.get("died", False), bool),
        _typed(data.get("audit", False), bool),
        _number(data.get("lack", 0)),
        heir_of,
    )


def _doorbells(data: dict[str, Any]) -> Doorbells:
    instances = tuple(_instance(each) for each in _typed(data["instances"], list))
    if not 0 < len(instances) <= RINGS or any(map(is_entity, instances)):
        raise ValueError(f"it rings for 1 to {RINGS} orchestrations")
    return Doorbells(instances, _typed(data.get("guard", False), bool))


def _query(data: dict[str, Any]) -> Query:
    instance, text = _instance(data["instance"]), data.get("input")
    if is_entity(instance):
        raise ValueError("an entity answers no queries")
    return Query(
        instance,
        _matching(data["inc"], _HEX),
        _text(data["name"], _LONGEST_NAME),
        _matching(data["ask"], _HEX),
        _moment(data["until"]),
        None if text is None else _text(text, LIMIT),
        _number(data.get("lack", 0)),
    )


def _work_batch(data: dict[str, Any]) -> WorkBatch:
    tasks = _typed(data["tasks"], list)
    if not tasks:
        raise ValueError("a batch of nothing")
    # what they share is said once, whatever a task says
    return WorkBatch(tuple(_work_item({**_typed(task, dict), **data}) for task in tasks))


def _work_item(data: dict[str, Any]) -> WorkItem:
    payload = data.get("input")
    if isinstance(payload, list):
        key, rows, size = payload
        payload = PayloadRef(
            _matching(key, _PAYLOAD), _number(rows, _MOST_ROWS), _number(size, 2**40)
        )
    elif payload is not None:
        _text(payload, LIMIT)
    scheduled = _moment(data["scheduled"])
    instance = _instance(data["instance"])
    if is_entity(instance):
        raise ValueError("an entity has no activities")
    return WorkItem(
        instance,
        _matching(data["inc"], _HEX),
        _matching(data["eid"], _ID),
        _number(data["task"]),
        _text(data["activity"], _LONGEST_NAME),
        scheduled,
        _number(data["turn"]),
        _number(data["call"]),
        _number(data["attempt"]),
        payload,
        _typed(data["has_input"], bool),
        _number(data.get("lack", 0)),
        _number(data.get("begun", 0)),
        _trace(data.get("trace", ["", ""])),
        CallOptions.from_dict(_typed(data["options"], dict)) if "options" in data else None,
    )


def _instance(value: Any) -> str:
    """An id that can be looked up. Which ones can be started is no question for a message: a
    later version may allow more."""
    text = _text(value, _LONGEST_INSTANCE)
    if not text:
        raise ValueError("instance is empty")
    if is_entity(text):
        EntityId.parse(text)
    return text


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(_typed(value, str))
    if moment.tzinfo is None:
        raise ValueError(f"{value[:40]!r} has no time zone")
    return moment


def _trace(value: Any) -> tuple[str, str]:
    parent, state = value
    return _text(parent, LIMIT), _text(state, LIMIT)


def _text(value: Any, longest: int) -> str:
    text: str = _typed(value, str)
    if len(text) > longest:
        raise ValueError(f"a text of {len(text)} characters; at most {longest}")
    # a surrogate has no UTF-8, and so no key
    text.encode()
    return text


def _matching(value: Any, pattern: re.Pattern[str]) -> str:
    text: str = _typed(value, str)
    if not pattern.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not like {pattern.pattern}")
    return text


def _number(value: Any, most: int = _MOST) -> int:
    number: int = _typed(value, int)
    if not 0 <= number <= most:
        raise ValueError(f"a number out of 0 to {most}")
    return number


def _typed(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value


def _dump(data: dict[str, Any]) -> bytes:
    return _encode(data).encode()
