"""Where in a payload something is: `$.items[3].price`."""

from __future__ import annotations

import json
from collections.abc import Iterable

Step = str | int
ANY_ITEM = "*"
"""The step into a set, whose items have no position."""


def render(steps: Iterable[Step]) -> str:
    """`$` is the payload itself; keys that are no identifiers are quoted."""
    return "$" + "".join(map(_render_step, steps))


def _render_step(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if step == ANY_ITEM:
        return "[*]"
    return f".{step}" if step.isidentifier() else f"[{json.dumps(step)}]"
