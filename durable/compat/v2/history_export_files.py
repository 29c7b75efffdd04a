"""Exported histories as durabletask's export writes them: with other keys and names than ours."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from durable.codec import encode
from durable.compat.v2.history import HistoryEvent, events_of, plain
from durable.compat.v2.values import OrchestrationState
from durable.model.event_json import event_from_dict
from durable.model.failure import FailureDetails
from durable.model.instance import InstanceStatus, OrchestrationRuntimeStatus

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True)
class ExportedFile:
    """One instance's history. `name` is without the job's prefix: a hash of the instance's id and
    the time of its end."""

    instance_id: str
    name: str
    payload: bytes
    content_type: str


def file_of(content: bytes, content_encoding: str | None) -> ExportedFile:
    """The file in the place of one by `durable.exporting`: a JSON document without an encoding,
    gzipped lines with one."""
    if content_encoding is None:
        instance = json.loads(content)
        history = instance.pop("history")
    else:
        instance, *history = map(json.loads, gzip.decompress(content).splitlines())
    status = _status(instance)
    events = [_shown(each) for each in events_of(status, [_event(each) for each in history])]
    head: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "instance_id": status.instance_id,
        "metadata": _metadata(status),
    }
    if content_encoding is None:
        payload, kind, ending = _json({**head, "events": events}), "application/json", "json"
    else:
        lines = b"".join(_json(line) + b"\n" for line in ({**head, "kind": "metadata"}, *events))
        payload, kind, ending = gzip.compress(lines, mtime=0), "application/x-ndjson", "jsonl.gz"
    return ExportedFile(status.instance_id, f"{_digest(status)}.{ending}", payload, kind)


def _status(instance: dict[str, Any]) -> InstanceStatus:
    failure = instance["failure"]
    return InstanceStatus(
        instance["instanceId"],
        instance["name"],
        OrchestrationRuntimeStatus(instance["runtimeStatus"]),
        datetime.fromisoformat(instance["createdTime"]),
        datetime.fromisoformat(instance["lastUpdatedTime"]),
        input=_text(instance["input"]),
        output=_text(instance["output"]),
        custom_status=_text(instance["customStatus"]),
        failure=failure and FailureDetails.from_dict(failure),
        parent_instance_id=instance["parentInstanceId"],
        tags=instance["tags"],
    )


def _text(value: Any) -> str | None:
    return None if value is None else encode(value)


def _event(data: dict[str, Any]) -> tuple[datetime, Any]:
    return datetime.fromisoformat(data.pop("timestamp")), event_from_dict(data)


def _shown(event: HistoryEvent) -> dict[str, Any]:
    return {"event_type": type(event).__name__, **event.to_dict()}


def _metadata(status: InstanceStatus) -> dict[str, Any]:
    state = OrchestrationState.of(status)
    return {
        "instance_id": state.instance_id,
        "name": state.name,
        "runtime_status": state.runtime_status.name,
        "created_at": _utc(status.created_time).isoformat(),
        "last_updated_at": _utc(status.last_updated_time).isoformat(),
        "serialized_input": state.serialized_input,
        "serialized_output": state.serialized_output,
        "serialized_custom_status": state.serialized_custom_status,
        "failure_details": plain(status.failure),
    }


def _digest(status: InstanceStatus) -> str:
    # .NET's round-trip format, as there: ticks have seven digits
    ended = _utc(status.last_updated_time).strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00")
    return hashlib.sha256(f"{ended}|{status.instance_id}".encode()).hexdigest()


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _json(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")
