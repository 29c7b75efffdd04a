"""Histories in files: saved by `durable replay --save`, or exported, as JSON or gzipped lines."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from durable.errors import InvalidRequestError, UnknownFormat
from durable.model.event_json import event_from_dict
from durable.model.instance import OrchestrationRuntimeStatus
from durable.replaying.grouping import turns_of
from durable.replaying.stored import StoredHistory, UnreadableHistory, check_payloads

SUFFIXES = (".json", ".jsonl", ".jsonl.gz")
_GZIP = b"\x1f\x8b"


def histories_in(path: Path) -> Iterator[StoredHistory | UnreadableHistory]:
    """Of a file, or of all files in a folder and below it, by their names. Raises
    InvalidRequestError where there is none."""
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.name.endswith(SUFFIXES))
    else:
        files = [path]
    if not files:
        raise InvalidRequestError(f"{path} holds no histories: no {', no '.join(SUFFIXES)} file")
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise InvalidRequestError(f"{file} cannot be read: {error}") from error
        yield history_in(content, str(file))


def history_in(content: bytes, source: str = "") -> StoredHistory | UnreadableHistory:
    """One file's history."""
    try:
        text = (gzip.decompress(content) if content.startswith(_GZIP) else content).decode()
        data = _document(text)
    except (ValueError, EOFError, OSError) as error:
        return UnreadableHistory("", f"it is no JSON: {error}", source=source)
    return history_of(data, source)


def _document(text: str) -> Any:
    """Of a text, or of lines, the first of which is the instance."""
    first, *events = text.splitlines() or [""]
    try:
        data = json.loads(first)
    except ValueError:
        return json.loads(text)
    if isinstance(data, dict) and data.get("type") == "Instance":
        return {**data, "history": [json.loads(line) for line in events]}
    return json.loads(text)


def history_of(data: object, source: str = "") -> StoredHistory | UnreadableHistory:
    """From the JSON of a file."""
    if not isinstance(data, Mapping):
        return UnreadableHistory("", "it is no history: no JSON object", source=source)
    instance_id, name = str(data.get("instanceId", "")), str(data.get("name", ""))
    try:
        return _history(data, source)
    except UnknownFormat as error:
        why = str(error)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"it is no history: {type(error).__name__}: {error}"
    return UnreadableHistory(instance_id, why, name, source)


def file_name(history: StoredHistory) -> str:
    """What its file is called: another name for each generation."""
    return f"{quote(history.instance_id, safe=' ')[:150]}-{history.execution_id[:16]}.json"


def _history(data: Mapping[str, Any], source: str) -> StoredHistory:
    if "turns" in data:
        return StoredHistory.from_dict(data, source=source)
    if "historyEvents" in data:
        raise UnknownFormat(
            "it is a status with history events, which do not have the ids of tasks: save the "
            "history with `durable replay --save`, or export it"
        )
    execution_id, given = data["executionId"], data["input"]
    events = [
        (
            datetime.fromisoformat(each["timestamp"]),
            event_from_dict({name: each[name] for name in each if name != "timestamp"}),
        )
        for each in data["history"]
    ]
    turns = turns_of(events, execution_id)
    check_payloads(turns)
    return StoredHistory(
        data["instanceId"],
        data["name"],
        turns,
        execution_id,
        data["version"],
        None if given is None else json.dumps(given, separators=(",", ":")),
        data["parentInstanceId"],
        OrchestrationRuntimeStatus(data["runtimeStatus"]),
        source,
    )
