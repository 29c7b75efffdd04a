"""Payloads in columns of a row: readable, compressed, or elsewhere."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from durable.model.events import Payload, PayloadRef
from durable.ports import Value

CHUNK = 60_000
"""Bytes in one column."""
_READABLE = 8_000
_encode = json.JSONEncoder(separators=(",", ":")).encode


def payload_columns(name: str, payload: Payload) -> dict[str, Value]:
    """A payload in columns of one row: readable while short, else compressed in chunks, or the
    reference to rows of its own. `{name}_k` says which, so that a merge leaves nothing stale."""
    kind = f"{name}_k"
    if payload is None:
        return {kind: ""}
    if isinstance(payload, PayloadRef):
        return {kind: "ref", f"{name}_ref": _encode([payload.key, payload.rows, payload.size])}
    if len(payload) <= _READABLE:
        return {kind: "text", name: payload}
    chunks = pack(payload)
    return {
        kind: f"zip{len(chunks)}",
        **{f"{name}{number}": chunk for number, chunk in enumerate(chunks)},
    }


def payload_from_columns(name: str, values: Mapping[str, Any]) -> Payload:
    """The inverse of `payload_columns`."""
    kind: str = values.get(f"{name}_k", "")
    if kind == "":
        return None
    if kind == "ref":
        return PayloadRef(*json.loads(values[f"{name}_ref"]))
    if kind == "text":
        return str(values[name])
    return unpack(values[f"{name}{number}"] for number in range(int(kind.removeprefix("zip"))))


def pack(text: str) -> list[bytes]:
    """A text, compressed, in chunks that fit a column."""
    packed = zlib.compress(text.encode(), 1)
    return [packed[start : start + CHUNK] for start in range(0, len(packed), CHUNK)]


def unpack(chunks: Iterable[bytes]) -> str:
    """The inverse of `pack`."""
    return zlib.decompress(b"".join(chunks)).decode()
