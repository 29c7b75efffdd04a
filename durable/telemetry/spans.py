"""What a span says, and ids that every process derives alike.

An orchestration's span is exported when it ends, by whoever commits that. What happens before is
its child all the same: the id is a digest of the execution id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import blake2s

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16

Attributes = Mapping[str, str | int | float | bool]


class Kind(StrEnum):
    """OpenTelemetry's kinds of span."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class Trace:
    """A place in a trace: 32 and 16 hex digits, and the W3C flags and tracestate. Without
    `span_id` it is where the trace begins, and without `flags` the sampler is asked."""

    trace_id: str
    span_id: str = ""
    flags: int | None = None
    state: str = ""

    @classmethod
    def parse(cls, header: tuple[str, str]) -> Trace | None:
        """From traceparent and tracestate; None where the first is empty or malformed."""
        match = _TRACEPARENT.fullmatch(header[0])
        if match is None or match[1] == _NO_TRACE or match[2] == _NO_SPAN:
            return None
        return cls(match[1], match[2], int(match[3], 16), header[1])

    def header(self, flags: int) -> tuple[str, str]:
        """As traceparent and tracestate; `flags` where it has none."""
        flags = flags if self.flags is None else self.flags
        return f"00-{self.trace_id}-{self.span_id}-{flags:02x}", self.state


@dataclass(frozen=True, slots=True)
class Span:
    """A span that begins at `start`. Without `parent` it is a child of the caller's current span;
    without `span_id` it gets a random one. `link` is the span that led to it from another trace."""

    name: str
    kind: Kind
    start: datetime
    parent: Trace | None = None
    span_id: str = ""
    attributes: Attributes = field(default_factory=dict)
    link: Trace | None = None


def span_id_of(*parts: str | int) -> str:
    """The span id of what these parts name."""
    return _digest(parts, 8)


def trace_id_of(*parts: str | int) -> str:
    """The trace id of what these parts name."""
    return _digest(parts, 16)


def _digest(parts: tuple[str | int, ...], size: int) -> str:
    return blake2s("/".join(map(str, parts)).encode(), digest_size=size).hexdigest()
