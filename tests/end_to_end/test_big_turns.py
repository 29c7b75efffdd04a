"""Turns of thousands of actions and payloads of megabytes, in a worker process on Azurite."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.azurite import Azurite
from tests.end_to_end.apps import App, served, write_app

APP = """
import hashlib
from datetime import timedelta
from typing import Any

import azure.functions as func

import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

@app.activity_trigger(input_name="number")
async def same(number: int) -> int:
    return number

@app.activity_trigger(input_name="value")
async def echo(value: Any) -> Any:
    return value

@app.orchestration_trigger(context_name="context")
async def fan_out(context: df.DurableOrchestrationContext) -> int:
    count = context.get_input(int)
    return sum(await context.task_all([context.call_activity(same, n) for n in range(count)]))

@app.orchestration_trigger(context_name="context")
async def child(context: df.DurableOrchestrationContext) -> int:
    return context.get_input(int)

@app.orchestration_trigger(context_name="context")
async def mixed(context: df.DurableOrchestrationContext) -> list[int]:
    soon = context.current_utc_datetime + timedelta(seconds=1)
    far = context.current_utc_datetime + timedelta(days=30)
    activities = [context.call_activity(same, n) for n in range(4000)]
    timers = [context.create_timer(soon) for _ in range(600)]
    unused = [context.create_timer(far) for _ in range(300)]
    children = [context.call_sub_orchestrator(child, n) for n in range(100)]
    results = await context.task_all([*activities, *timers, *children])
    for each in unused:
        each.cancel()
    return [sum(r for r in results if r is not None), results.count(None)]

@app.orchestration_trigger(context_name="context")
async def round_trip(context: df.DurableOrchestrationContext) -> Any:
    return await context.call_activity(echo, context.get_input())

@app.orchestration_trigger(context_name="context")
async def two_events(context: df.DurableOrchestrationContext) -> list[str]:
    first, second = await context.task_all(
        [context.wait_for_external_event(name) for name in ("first", "second")]
    )
    return [hashlib.sha256(text.encode()).hexdigest() for text in (first, second)]
"""


MEGABYTE = 1024 * 1024
PATIENCE = 120.0


async def test_a_turn_of_1000_activities_outlives_a_killed_worker(
    tmp_path: Path, azurite: Azurite
) -> None:
    hub = write_app(tmp_path, APP)
    async with served(tmp_path, azurite, hub) as app:
        await app.start("fan_out", "wide", b"1000")
        async with asyncio.timeout(PATIENCE):
            # in the middle: some of the twenty messages have gone out, and others have not
            while sum((await asyncio.to_thread(app.state.messages)).values()) < 5:
                pass
        app.process.popen.kill()
    async with served(tmp_path, azurite, hub) as app:
        assert (await app.ended("wide", PATIENCE))["output"] == sum(range(1000))
        events = await _history(app, "wide")
    ended = [event for event in events if event["EventType"] == "TaskCompleted"]
    assert sorted(int(event["Input"]) for event in ended) == list(range(1000))
    assert len({event["ScheduledTime"] for event in ended}) == 1
    assert "TaskFailed" not in {event["EventType"] for event in events}


async def test_a_turn_of_5000_actions(tmp_path: Path, azurite: Azurite) -> None:
    hub = write_app(tmp_path, APP, maxConcurrentActivityFunctions=5000)
    async with served(tmp_path, azurite, hub) as app:
        await app.start("mixed", "all")
        shown = await app.ended("all", PATIENCE)
        assert shown["output"] == [sum(range(4000)) + sum(range(100)), 600]
        events = await _history(app, "all")
        code, listed = await app.send("GET", "instances?top=1000")
    kinds = Counter(event["EventType"] for event in events)
    assert kinds == {
        "ExecutionStarted": 1,
        "TaskCompleted": 4000,
        "TimerCreated": 900,
        "TimerFired": 600,
        "TimerCanceled": 300,
        "SubOrchestrationInstanceCompleted": 100,
        "ExecutionCompleted": 1,
    }
    # one turn scheduled all of it
    created = {event["Timestamp"] for event in events if event["EventType"] == "TimerCreated"}
    assert len(created) == 1
    assert {event["ScheduledTime"] for event in events if "ScheduledTime" in event} == created
    assert (code, len(listed)) == (200, 101)


async def test_payloads_from_nothing_to_10_megabytes(tmp_path: Path, azurite: Azurite) -> None:
    hub = write_app(tmp_path, APP)
    sizes = [0, 1, 30_000, 70_000, MEGABYTE, 10 * MEGABYTE]
    async with served(tmp_path, azurite, hub) as app:
        for size in sizes:
            value = _text(size)
            await app.start("round_trip", f"size-{size}", json.dumps(value).encode())
            shown = await app.ended(f"size-{size}", PATIENCE)
            assert (shown["runtimeStatus"], shown["output"] == value) == ("Completed", True), size
            assert shown["input"] == value
        await app.start("round_trip", "empty")
        shown = await app.ended("empty", PATIENCE)
        assert (shown["runtimeStatus"], shown["input"], shown["output"]) == (
            "Completed",
            None,
            None,
        )


async def test_events_of_5_megabytes(tmp_path: Path, azurite: Azurite) -> None:
    hub = write_app(tmp_path, APP)
    texts = [_text(5 * MEGABYTE), _text(5 * MEGABYTE)[::-1]]
    async with served(tmp_path, azurite, hub) as app:
        await app.start("two_events", "waiting")
        for name, text in zip(("second", "first"), reversed(texts), strict=True):
            path = f"instances/waiting/raiseEvent/{name}"
            assert await app.send("POST", path, json.dumps(text).encode()) == (202, None)
        shown = await app.ended("waiting", PATIENCE)
    assert shown["output"] == [hashlib.sha256(text.encode()).hexdigest() for text in texts]


async def _history(app: App, instance_id: str) -> list[dict[str, Any]]:
    _, shown = await app.send("GET", f"instances/{instance_id}?showHistory=true")
    events: list[dict[str, Any]] = shown["historyEvents"]
    return events


def _text(size: int) -> str:
    """Of that many characters, and hard to compress."""
    blocks = range(size // 64 + 1)
    return "".join(
        hashlib.sha256(bytes([n % 256, n // 256 % 256, n >> 16])).hexdigest() for n in blocks
    )[:size]
