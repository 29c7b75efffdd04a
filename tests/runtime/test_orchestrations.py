"""What orchestrations do, run by real runtimes on a hub in memory."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import adder, nothing_left, tasks_in, turns_of


@pytest.mark.parametrize("activity", ["add", "add_queued"])
@pytest.mark.parametrize("workers", [1, 3])
async def test_a_chain(activity: str, workers: int) -> None:
    hub = MemoryHub(workers=workers)
    ran = adder(hub)

    @hub.orchestrator
    async def chain(context: Context) -> Any:
        value = context.get_input(int)
        for _ in range(5):
            value = await context.call_activity(activity, value)
        return value

    async with hub:
        await hub.client.start_new("chain", "c", 0)
        status = await hub.wait("c")
        assert (status.runtime_status, status.output) == (Status.COMPLETED, "5")
        assert ran == [0, 1, 2, 3, 4]
        await nothing_left(hub)


async def test_an_inline_chain_sends_one_message_and_writes_one_row_a_step() -> None:
    hub = MemoryHub()
    adder(hub)

    @hub.orchestrator
    async def chain(context: Context) -> Any:
        for number in range(4):
            await context.call_activity("add", number)

    async with hub:
        await hub.client.start_new("chain", "c")
        await hub.idle()
        assert (await hub.outside.get_status("c")).runtime_status == Status.COMPLETED  # type: ignore[union-attr]
        assert len(await turns_of(hub, "c")) == 5
        rows = [key for key in await hub.keys(hub.hub.names.history) if "|h|" in key]
        assert not rows, "a short history stands in the head"
        await nothing_left(hub)


@pytest.mark.parametrize("slots", [1, 7])
async def test_a_fan_out_wider_than_the_slots(slots: int) -> None:
    hub = MemoryHub(RuntimeOptions(max_activities=slots), workers=2)
    running = peak = 0

    @hub.activity
    async def work(value: int) -> int:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await hub.clock.sleep(1)
        running -= 1
        return value

    @hub.orchestrator
    async def wide(context: Context) -> Any:
        values = await context.when_all([context.call_activity(work, i) for i in range(50)])
        return sum(values)

    async with hub:
        await hub.client.start_new("wide", "w")
        assert (await hub.wait("w")).output == str(sum(range(50)))
        assert peak <= 2 * slots
        await nothing_left(hub)


async def test_a_fan_in_is_grouped() -> None:
    hub = MemoryHub(RuntimeOptions(max_activities=200))
    adder(hub)

    @hub.orchestrator
    async def wide(context: Context) -> Any:
        await context.when_all([context.call_activity("add", i) for i in range(200)])

    async with hub:
        await hub.client.start_new("wide", "w")
        await hub.wait("w")
        assert len(await turns_of(hub, "w")) < 30


async def test_failures_cross_and_can_be_caught() -> None:
    hub = MemoryHub()

    @hub.activity
    def breaks(value: int) -> int:
        raise LookupError(f"no {value}")

    @hub.orchestrator
    async def inner(context: Context) -> Any:
        await context.call_activity(breaks, 3)

    @hub.orchestrator
    async def outer(context: Context) -> Any:
        try:
            await context.call_sub_orchestrator(inner)
        except Exception as error:
            details = error.details  # type: ignore[attr-defined]
            return [details.error_type, details.inner_failure.message, "raise" in str(details)]

    async with hub:
        await hub.client.start_new("outer", "o")
        output = json.loads((await hub.wait("o")).output or "")
        assert output[:2] == ["durable.errors.ActivityFailedError", "no 3"]


async def test_an_activity_that_nobody_has_fails_its_task_and_says_what_there_is() -> None:
    hub = MemoryHub()
    adder(hub)

    @hub.orchestrator
    async def mistaken(context: Context) -> Any:
        try:
            await context.call_activity("addd", 1)
        except Exception as error:
            return str(error)

    async with hub:
        await hub.client.start_new("mistaken", "m")
        assert json.loads((await hub.wait("m")).output or "") == (
            "activity 'addd' failed: durable.errors.UnknownFunctionError: "
            "no activity is named 'addd'; this app has add, add_queued: check the name, or "
            "register the blueprint that has it"
        )
        await nothing_left(hub)


@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.parametrize(
    "text",
    ["", "a", "é" * 2_600, "é" * 2_700, "a" * 50_000, "é" * 200_000, "a" * 10_000_000],
    ids=lambda text: f"{len(text.encode())} B",
)
async def test_payloads_of_any_size_everywhere(text: str, queued: bool) -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=queued))

    @hub.activity
    async def mirror(value: str) -> str:
        return value

    @hub.orchestrator
    async def carrier(context: Context) -> Any:
        value = await context.call_activity(mirror, context.get_input(str))
        event = await context.wait_for_external_event("e", str)
        context.set_custom_status(event)
        return [value, await context.call_sub_orchestrator("relay", value)]

    @hub.orchestrator
    async def relay(context: Context) -> Any:
        return context.get_input(str)

    async with hub:
        client = hub.outside
        await client.start_new("carrier", "p", text)
        await client.raise_event("p", "e", text)
        status = await hub.wait("p")
        assert status.runtime_status == Status.COMPLETED, status.failure
        assert json.loads(status.input or "null") == text
        assert json.loads(status.custom_status or "null") == text
        assert json.loads(status.output or "null") == [text, text]
        history = await client.get_history("p", payloads=True)
        assert len(history) >= 7
        await nothing_left(hub)
        await client.purge_instance_history("p")
        assert [key for key in await hub.keys(hub.hub.names.history) if key.startswith("p ")] == []


@pytest.mark.parametrize("actions", [1_000, 5_000])
async def test_a_turn_of_many_actions_is_one_commit(actions: int) -> None:
    hub = MemoryHub(RuntimeOptions(max_activities=0))

    @hub.activity
    async def work(value: int) -> int:
        return value

    @hub.orchestrator
    async def wide(context: Context) -> Any:
        await context.when_all([context.call_activity(work, "x" * 200) for _ in range(actions)])

    async with hub:
        await hub.client.start_new("wide", "w")
        await hub.idle()
        head = await hub.hub.instances.head("w")
        assert head is not None
        assert head.sequence == 1
        assert head.open_tasks == f"0-{actions - 1}"
        [turn] = await hub.hub.instances.history(head)
        assert len(turn.turn.events) == actions + 1
        queue = hub.hub.names.work_queue("work")
        assert await hub.queues.length(queue) == RuntimeOptions().spread * actions // 1000
        assert await tasks_in(hub, queue) == list(range(actions))


async def test_generations_leave_nothing_of_the_earlier_ones() -> None:
    hub = MemoryHub()
    text = "payload " * 4_000

    @hub.activity
    async def mirror(value: str) -> str:
        return value

    @hub.orchestrator
    async def eternal(context: Context) -> Any:
        left, carried = context.get_input()
        if left == 0:
            return carried
        context.set_custom_status(f"{left} {carried}")
        carried = await context.call_activity(mirror, f"{left} {text}")
        context.continue_as_new([left - 1, carried])
        return None

    async with hub:
        await hub.client.start_new("eternal", "e", [50, ""])
        status = await hub.wait("e")
        assert json.loads(status.output or "") == f"1 {text}"
        await nothing_left(hub)
        head = await hub.hub.instances.head("e")
        assert head is not None
        rows = [key for key in await hub.keys(hub.hub.names.history) if "|h|" in key]
        assert len(rows) == head.sequence - head.base
        payloads = [key for key in await hub.keys(hub.hub.names.history) if "|p|" in key]
        assert len(payloads) <= 4


async def test_custom_status_is_seen_while_running() -> None:
    hub = MemoryHub()

    @hub.orchestrator
    async def showy(context: Context) -> Any:
        context.set_custom_status({"at": 1})
        await context.create_timer(timedelta(seconds=90))
        context.set_custom_status(None)

    async with hub:
        await hub.client.start_new("showy", "s")
        await hub.idle()
        status = await hub.outside.get_status("s")
        assert status is not None
        assert (status.runtime_status, status.custom_status) == (Status.RUNNING, '{"at":1}')
        assert (await hub.wait("s")).custom_status == "null"
