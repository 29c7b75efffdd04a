"""What is found, and the comments that allow it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_ALLOWED = re.compile(r"#\s*durable:\s*ignore(?:\[([\w\s,]*)\]|(?!\w))")
ALL = frozenset({"*"})


@dataclass(frozen=True, slots=True)
class Step:
    """A call on the way from an orchestrator to a finding: who is called, and where."""

    callee: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Finding:
    """`line` from 1 and `column` from 1; `orchestrator` is the first that comes there, through
    the calls of `via`."""

    path: str
    line: int
    column: int
    code: str
    message: str
    orchestrator: str
    via: tuple[Step, ...] = field(default=())

    @property
    def text(self) -> str:
        """One line."""
        way = "".join(f" -> {step.callee} ({step.path}:{step.line})" for step in self.via)
        reached = f" [{self.orchestrator}{way}]" if way else ""
        return f"{self.path}:{self.line}:{self.column}: {self.code} {self.message}{reached}"

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "message": self.message,
            "orchestrator": self.orchestrator,
            "via": [
                {"callee": step.callee, "path": step.path, "line": step.line} for step in self.via
            ],
        }


def allowed_at(lines: Sequence[str], line: int) -> frozenset[str]:
    """The codes that a comment on that line allows; `ALL` where it names none."""
    found = _ALLOWED.search(lines[line - 1]) if 0 < line <= len(lines) else None
    if found is None:
        return frozenset()
    if found[1] is None:
        return ALL
    return frozenset(code.strip().upper() for code in found[1].split(",") if code.strip())


def allows(allowed: frozenset[str], code: str) -> bool:
    """Whether that is among them."""
    return code in allowed or bool(ALL & allowed)
