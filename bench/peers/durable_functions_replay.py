"""azure-functions-durable 1.7 replaying a chain in this process: its Orchestrator is fed the JSON
that the extension would hand to it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from azure.durable_functions import Orchestrator  # type: ignore[import-not-found]
from protocol import Figures, serve


def chain(context: Any) -> Generator[Any, Any, None]:
    number = 0
    while True:
        number = yield context.call_activity("nothing", number + 1)


def history(steps: int) -> str:
    """What the extension sends after so many steps: each turn begins, has its result, decides
    and ends."""
    at = "2026-01-01T00:00:00.000000Z"
    events: list[dict[str, Any]] = []

    def event(kind: int, number: int = -1, **values: Any) -> None:
        events.append(
            {"EventType": kind, "EventId": number, "IsPlayed": True, "Timestamp": at, **values}
        )

    for step in range(steps + 1):
        event(STARTED)
        if step:
            event(COMPLETED, TaskScheduledId=step - 1, Result=str(step))
        else:
            event(EXECUTION_STARTED, Name="chain", Version="", Input="null")
        if step < steps:
            event(SCHEDULED, step, Name="nothing", Version="", Input=str(step + 1))
            event(ENDED)
    return json.dumps(
        {
            "history": events,
            "instanceId": "instance",
            "isReplaying": True,
            "parentInstanceId": None,
            "input": "null",
            "upperSchemaVersion": 2,
        }
    )


EXECUTION_STARTED, SCHEDULED, COMPLETED, STARTED, ENDED = 0, 4, 5, 12, 13


async def replay(steps: int) -> Figures:
    handle = Orchestrator.create(chain)
    handle(history(10))
    text = history(steps)
    began = time.perf_counter()
    said = json.loads(handle(text))
    seconds = time.perf_counter() - began
    if said.get("error") or len(said["actions"][0]) != steps + 1:
        raise RuntimeError(f"the replay gave {str(said)[:300]}")
    return {"seconds": seconds, "steps": steps}


async def first() -> Figures:
    return {"at": time.monotonic()}


async def main() -> None:
    await serve({"first": first, "W7": replay})
    os._exit(0)


asyncio.run(main())
