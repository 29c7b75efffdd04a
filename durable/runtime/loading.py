"""An orchestration's history as the engine folds it: its payloads as texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from durable.hub.instances import Instances
from durable.hub.payloads import digest, references
from durable.hub.rows import Head
from durable.hub.together import together
from durable.model.events import ExecutionStarted, PayloadRef, Turn


async def stored_history(
    instances: Instances, head: Head, known: dict[str, PayloadRef]
) -> tuple[ExecutionStarted, Sequence[Turn]]:
    """With what the head's generation begins if there is no turn yet, and its turns; `known`
    learns where long texts lie. Raises PayloadGone where it was trimmed or purged meanwhile."""
    text = await instances.text(head.instance_id, head.incarnation, head.input)
    if text is not None and isinstance(head.input, PayloadRef):
        known[digest(text)] = head.input
    start = ExecutionStarted(head.name, head.execution_id, text, head.version)
    history: list[Turn] = []
    for stored in await instances.history(head) if head.sequence > head.base else []:
        turn = stored.turn
        if references(turn):
            events: list[Any] = await together(
                turn.events, lambda event: instances.resolve(head, event, known)
            )
            turn = replace(turn, events=tuple(events))
        history.append(turn)
    return start, history
