"""A hub in memory with a worker, and the command line on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from durable import DurableOrchestrationContext, RetryPolicy, activity_context
from durable.engine.entities import EntityContext
from durable.model.entities import EntityId
from tests.cli.running import CommandLine
from tests.memory_hub import MemoryHub

Context = DurableOrchestrationContext


@pytest.fixture
async def memory() -> AsyncIterator[MemoryHub]:
    """With orchestrators `greeting` (fails for "nobody"), `flaky`, `loading`, `waiting`, `parent`,
    `counting` and `holding`, and an entity `counter`."""
    hub = MemoryHub()
    attempts: list[int] = []

    @hub.activity
    def greet(name: Any) -> str:
        if name == "nobody":
            raise LookupError("there is nobody to greet")
        return f"hello {name}"

    @hub.activity
    def stutter(name: Any) -> Any:
        attempts.append(1)
        if len(attempts) % 2:
            raise OSError("once more")
        return name

    @hub.orchestrator
    async def greeting(context: Context) -> Any:
        return await context.call_activity("greet", context.get_input())

    @hub.orchestrator
    async def flaky(context: Context) -> Any:
        retry = RetryPolicy(first_retry_interval=timedelta(seconds=5), max_number_of_attempts=3)
        return await context.call_activity("stutter", context.get_input(), retry=retry)

    @hub.activity
    async def load(rows: int) -> None:
        for row in range(rows):
            activity_context().heartbeat({"row": row})
            await hub.clock.sleep(10)

    @hub.orchestrator
    async def loading(context: Context) -> Any:
        return await context.call_activity("load", context.get_input())

    @hub.orchestrator
    async def waiting(context: Context) -> Any:
        context.set_custom_status({"waits": "for go"})
        return await context.wait_for_external_event("go")

    @hub.orchestrator
    async def parent(context: Context) -> Any:
        return await context.call_sub_orchestrator("waiting", instance_id="the child")

    @hub.orchestrator
    async def counting(context: Context) -> Any:
        left: Any = context.get_input()
        await context.create_timer(timedelta(seconds=10))
        if left:
            context.continue_as_new(left - 1)
        return "done"

    @hub.orchestrator
    async def holding(context: Context) -> Any:
        async with context.lock_entities([EntityId("counter", "a")]):
            await context.wait_for_external_event("go")

    @hub.entity
    def counter(context: EntityContext) -> Any:
        if context.operation_name == "delete":
            context.delete_state()
            return
        context.set_state(context.get_state(int, 0) + context.get_input(int))

    async with hub:
        yield hub


@pytest.fixture
def durable(memory: MemoryHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
    return CommandLine(memory, tmp_path)
