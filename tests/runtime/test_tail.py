"""Where turns stand: the latest in the head, the others in rows that took them along."""

from __future__ import annotations

from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.hub.tail import LONGEST, SLOTS
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import adder, head_of, nothing_left, rows_of, turns_of


async def rows_with_turns(hub: MemoryHub, instance_id: str) -> list[int]:
    """The numbers of the turns that have a row."""
    return [int(key[-10:]) for key in await rows_of(hub, instance_id) if "|h|" in key]


@pytest.mark.parametrize("cold", [False, True])
async def test_of_a_long_history_every_seventeenth_turn_has_a_row(cold: bool) -> None:
    hub = MemoryHub(RuntimeOptions(replay_every_turn=cold))
    adder(hub)

    @hub.orchestrator
    async def chain(context: Context) -> int:
        value = 0
        for _ in range(40):
            value = await context.call_activity("add", value)
        return value

    async with hub:
        await hub.client.start_new("chain", "c")
        assert (await hub.wait("c")).output == "40"
        assert await rows_with_turns(hub, "c") == [SLOTS, 2 * SLOTS + 1]
        assert [turn.sequence for turn in await turns_of(hub, "c")] == list(range(41))
        instances, head = hub.hub.instances, await head_of(hub, "c")
        for number in range(41):
            turn = await instances.turn(head, number)
            assert turn is not None
            assert turn.turn.sequence == number
            assert await instances.nonce(head, number) == turn.turn.nonce
        assert await instances.turn(head, 41) is None
        assert await instances.nonce(head, 41) is None
        await nothing_left(hub)


async def test_a_long_turn_has_a_row_and_takes_the_others_along() -> None:
    hub = MemoryHub()

    @hub.activity
    def echo(value: str) -> str:
        return value

    @hub.orchestrator
    async def chain(context: Context) -> None:
        for size in (1, 1, LONGEST, 1):
            await context.call_activity("echo", "x" * size)

    async with hub:
        await hub.client.start_new("chain", "c")
        await hub.wait("c")
        # the third call is in the turn that completes the second, its result in the next one
        assert await rows_with_turns(hub, "c") == [2, 3]
        assert [turn.sequence for turn in await turns_of(hub, "c")] == list(range(5))


async def test_generations_leave_no_rows() -> None:
    hub = MemoryHub()
    adder(hub)

    @hub.orchestrator
    async def eternal(context: Context) -> Any:
        left = await context.call_activity("add", context.get_input() - 2)
        if left:
            context.continue_as_new(left)

    async with hub:
        await hub.client.start_new("eternal", "e", 60)
        await hub.wait("e")
        await hub.idle()
        head = await head_of(hub, "e")
        assert head.sequence > 60
        assert all(number >= head.base for number in await rows_with_turns(hub, "e"))
        assert len(await turns_of(hub, "e")) == head.sequence - head.base
        await nothing_left(hub)


async def test_a_second_life_begins_with_an_empty_head() -> None:
    hub = MemoryHub()
    adder(hub)

    @hub.orchestrator
    async def chain(context: Context) -> int:
        value: int = context.get_input()
        for _ in range(value):
            value = await context.call_activity("add", value)
        return value

    async with hub:
        await hub.client.start_new("chain", "c", 10)
        assert (await hub.wait("c")).output == "20"
        await hub.client.start_new("chain", "c", 1)
        assert (await hub.wait("c")).output == "2"
        assert len(await turns_of(hub, "c")) == 2
        columns = (await head_of(hub, "c")).stored
        assert sorted(name for name in columns if name.startswith("turn")) == ["turn0", "turn1"]


async def test_a_failure_has_a_row_and_what_a_rewind_leads_to_goes_on_in_the_head() -> None:
    hub = MemoryHub()
    fails = [True]

    @hub.activity
    def brittle(_: None) -> int:
        if fails.pop():
            raise ValueError("not yet")
        return 1

    @hub.orchestrator
    async def once(context: Context) -> object:
        return await context.call_activity("brittle")

    async with hub:
        await hub.client.start_new("once", "o")
        assert (await hub.wait("o")).runtime_status == Status.FAILED
        fails.append(False)
        await hub.client.rewind("o", "mended")
        assert (await hub.wait("o")).output == "1"
        assert await rows_with_turns(hub, "o") == [1]
        assert (await head_of(hub, "o")).sequence == 4
