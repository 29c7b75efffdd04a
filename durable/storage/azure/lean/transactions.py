"""Entity-group transactions as multipart/mixed, and their answers."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

from durable.errors import AmbiguousAnswer
from durable.ports import Delete, Insert, Merge, Op
from durable.storage.azure.lean.connection import Answer
from durable.storage.azure.lean.rows import entity
from durable.storage.azure.lean.service import refusal
from durable.storage.azure.odata import row_path

JSON = "application/json;odata=nometadata"
NO_CONTENT = "Prefer: return-no-content\r\n"

_PART = re.compile(rb"^HTTP/1\.1 (\d{3})[^\r\n]*((?:\r?\n[^\r\n]+)*)", re.MULTILINE)
_ETAG = re.compile(rb"^etag:[ \t]*([^\r\n]*)", re.MULTILINE | re.IGNORECASE)


def single(table: str, partition: str, op: Op) -> tuple[str, str, str, bytes]:
    """Method, path, lines of headers and body of an operation."""
    if isinstance(op, Insert):
        return "POST", f"/{table}", NO_CONTENT, entity(partition, op.key, op.values).encode()
    if "\r" in op.etag or "\n" in op.etag:
        raise ValueError("an etag is one line")
    path, match = row_path(table, partition, op.key), f"If-Match: {op.etag}\r\n"
    if isinstance(op, Delete):
        return "DELETE", path, match, b""
    method = "PATCH" if isinstance(op, Merge) else "PUT"
    return method, path, match, entity(partition, op.key, op.values).encode()


def request(endpoint: str, table: str, partition: str, ops: Sequence[Op]) -> tuple[str, bytes]:
    """Content type and body of a transaction."""
    batch, changes = f"batch_{uuid.uuid4()}", f"changeset_{uuid.uuid4()}"
    parts = [f"--{batch}\r\nContent-Type: multipart/mixed; boundary={changes}\r\n\r\n".encode()]
    before = (
        f"--{changes}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    )
    for op in ops:
        method, path, headers, body = single(table, partition, op)
        if body:
            headers = f"{headers}Content-Type: {JSON}\r\n"
        head = f"{before}\r\n{method} {endpoint}{path} HTTP/1.1\r\n{headers}\r\n"
        parts += (head.encode("latin-1"), body, b"\r\n")
    parts.append(f"--{changes}--\r\n--{batch}--\r\n".encode())
    return f"multipart/mixed; boundary={batch}", b"".join(parts)


def etags(answer: Answer, ops: Sequence[Op]) -> list[str]:
    """The new etag of each row, "" of one deleted; raises the refusal if there is one."""
    parts = list(_PART.finditer(answer.body))
    for part in parts:
        if not part[1].startswith(b"2"):
            raise refusal(Answer(int(part[1]), {}, answer.body[part.end() :]))
    if len(parts) != len(ops):
        raise AmbiguousAnswer(f"{len(parts)} answers to a transaction of {len(ops)}")
    return [
        "" if isinstance(op, Delete) else _etag(part[2])
        for op, part in zip(ops, parts, strict=True)
    ]


def _etag(headers: bytes) -> str:
    found = _ETAG.search(headers)
    if found is None or not found[1]:
        raise AmbiguousAnswer("the answer to a write has no etag")
    return found[1].decode("latin-1").strip()
