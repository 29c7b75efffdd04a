"""A history as bytes: pure, and the same bytes for the same history."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import quote

from durable.model.event_json import event_to_dict
from durable.model.events import Event
from durable.model.instance import InstanceStatus

Format = Literal["json", "jsonl.gz"]
"""One JSON object with the instance and its `history`; or gzipped lines of JSON, the instance
first and then each event."""

History = Sequence[tuple[datetime, Event]]

_LONGEST = 150


def content_of(status: InstanceStatus, history: History, kind: Format) -> bytes:
    """The file's bytes."""
    instance, events = _instance(status), [_event(time, event) for time, event in history]
    if kind == "json":
        return _json({**instance, "history": events})
    lines = b"".join(_json(line) + b"\n" for line in ({"type": "Instance", **instance}, *events))
    return gzip.compress(lines, mtime=0)


def headers_of(kind: Format) -> tuple[str, str | None]:
    """Content type and content encoding."""
    return ("application/json", None) if kind == "json" else ("application/jsonl", "gzip")


def name_of(status: InstanceStatus, prefix: str, kind: Format) -> str:
    """The file's name: another one for an instance that was started again under its id."""
    name = quote(status.instance_id, safe=" ")
    if len(name) > _LONGEST:
        digest = sha256(status.instance_id.encode()).hexdigest()[:32]
        name = f"{name[: _LONGEST - 40]}~{digest}"
    return f"{prefix}{name}-{status.execution_id[:16]}.{kind}"


def _instance(status: InstanceStatus) -> dict[str, Any]:
    fork = status.forked_from
    source = {"forkedFrom": {"instanceId": fork.instance_id, "step": fork.step}} if fork else {}
    return {
        "instanceId": status.instance_id,
        "name": status.name,
        "runtimeStatus": str(status.runtime_status),
        "createdTime": status.created_time.isoformat(),
        "lastUpdatedTime": status.last_updated_time.isoformat(),
        "executionId": status.execution_id,
        "version": status.version,
        "parentInstanceId": status.parent_instance_id,
        **source,
        "tags": status.tags,
        "input": _value(status.input),
        "output": _value(status.output),
        "customStatus": _value(status.custom_status),
        "failure": status.failure.to_dict() if status.failure else None,
    }


def _event(time: datetime, event: Event) -> dict[str, Any]:
    return {"timestamp": time.isoformat(), **event_to_dict(event)}


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
