"""What a received message says, whoever sent it: nothing is believed before it was looked at."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from durable.hub.messages import (
    FORMAT,
    LARGEST,
    LIMIT,
    PACKED,
    RINGS,
    BadMessage,
    Doorbell,
    Doorbells,
    NewerMessage,
    Query,
    WorkBatch,
    WorkItem,
)
from durable.model.calls import CallOptions
from durable.model.entities import EntityId, is_entity
from durable.model.events import PayloadRef

_HEX = re.compile(r"[0-9a-f]{1,64}")
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_PAYLOAD = re.compile(r"[0-9a-f]{1,64}\.[0-9]{1,9}")
_LONGEST_INSTANCE = 400
_LONGEST_NAME = 1000
_MOST_ROWS = 4096


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


def _number(value: Any, most: int = LARGEST) -> int:
    number: int = _typed(value, int)
    if not 0 <= number <= most:
        raise ValueError(f"a number out of 0 to {most}")
    return number


def _typed(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value
