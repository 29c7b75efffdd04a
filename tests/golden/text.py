"""JSON for people: what fits stands on one line."""

from __future__ import annotations

import json
from typing import Any

WIDTH = 110


def pretty(value: Any, depth: int = 0) -> str:
    """The value as indented JSON."""
    plain = json.dumps(value, ensure_ascii=False)
    fits = depth > 0 and len(plain) + 2 * depth <= WIDTH
    if fits or not value or not isinstance(value, dict | list):
        return plain
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {pretty(item, depth + 1)}" for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [pretty(item, depth + 1) for item in value]
        opening, closing = "[", "]"
    lines = ",\n".join(inner + part for part in parts)
    return f"{opening}\n{lines}\n{outer}{closing}"
