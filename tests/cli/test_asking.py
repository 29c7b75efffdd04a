"""Queries and updates from the command line, which has no code of the app."""

from __future__ import annotations

from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from tests.cli.running import CommandLine, alongside
from tests.memory_hub import MemoryHub


@pytest.fixture
async def cart(memory: MemoryHub) -> MemoryHub:
    @memory.orchestrator
    async def cart(context: Context) -> Any:
        items: list[str] = []
        context.set_query_handler("items", lambda: items)

        @context.on_update("add")
        def add(item: str) -> int:
            if not item:
                raise ValueError("an item has a name")
            items.append(item)
            return len(items)

        await context.wait_for_external_event("end")

    await memory.client.start_new("cart", "c")
    await memory.run(1)
    return memory


async def test_a_worker_answers(cart: MemoryHub, durable: CommandLine) -> None:
    add = ("update", "--id", "c", "--name", "add", "--data")
    assert (await alongside(cart, durable(*add, '"a"'))).stdout == "1\n"
    shown = await alongside(cart, durable.json(*add, '"b"'))
    assert shown == {"instanceId": "c", "answer": 2}
    asked = ("query", "--id", "c", "--name")
    assert (await alongside(cart, durable(*asked, "items"))).stdout == '["a","b"]\n'
    shown = await alongside(cart, durable.json(*asked, "items"))
    assert shown == {"instanceId": "c", "answer": ["a", "b"]}
    assert "an item has a name" in await alongside(cart, durable.refused(1, *add, '""'))
    assert "it has 'items'" in await alongside(cart, durable.refused(2, *asked, "total"))


async def test_an_update_that_no_worker_takes_is_stored(
    cart: MemoryHub, durable: CommandLine
) -> None:
    add = ("update", "--id", "c", "--name", "add", "--data", '"a"', "--update-id")
    said = await durable.refused(1, *add, "x", "--timeout", "0")
    assert "is stored, and will be taken" in said
    assert (await alongside(cart, durable(*add, "x"))).stdout == "1\n"
    said = await durable.refused(1, "query", "--id", "c", "--name", "items", "--timeout", "0")
    assert "no worker that has the code of 'cart'" in said
    assert "control character" in await durable.refused(2, *add, "a\n")
