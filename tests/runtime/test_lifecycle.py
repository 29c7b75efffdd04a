"""Starting, restarting, steering and purging, with children and without."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import (
    InstanceExistsError,
    InstanceFinishedError,
    InstanceNotFoundError,
    SubOrchestrationFailedError,
)
from durable.hub.rows import PURGING
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.retry import RetryPolicy
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import adder, head_of, nothing_left, rows_of, status_of


def waiter(hub: MemoryHub) -> None:
    adder(hub)

    @hub.orchestrator
    async def waits(context: Context) -> Any:
        await context.call_activity("add", 1)
        return await context.wait_for_external_event("go")


async def test_two_hundred_concurrent_starts_make_one_instance() -> None:
    hub = MemoryHub(workers=3)
    ran = adder(hub)

    @hub.orchestrator
    async def once(context: Context) -> Any:
        return await context.call_activity("add", context.get_input())

    async with hub:
        starts = [
            client.start_new("once", "one", number, if_exists="skip")
            for number in range(100)
            for client in (hub.client, hub.outside)
        ]
        assert set(await asyncio.gather(*starts)) == {"one"}
        await hub.wait("one")
        await hub.run(120)
        assert len(ran) == 1
        await nothing_left(hub)
        assert len((await hub.hub.projection.page(limit=1000))[0]) == 1


async def test_a_start_meets_an_unfinished_instance() -> None:
    hub = MemoryHub()
    waiter(hub)
    async with hub:
        await hub.client.start_new("waits", "w")
        with pytest.raises(InstanceExistsError, match="'w' exists and is"):
            await hub.client.start_new("waits", "w")
        assert await hub.client.start_new("waits", "w", if_exists="skip") == "w"
        await hub.client.raise_event("w", "go")
        await hub.wait("w")
        with pytest.raises(InstanceExistsError, match="Completed"):
            await hub.client.start_new("waits", "w", if_exists="error")


async def test_a_start_takes_the_place_of_a_finished_instance() -> None:
    hub = MemoryHub()
    waiter(hub)
    async with hub:
        incarnations = []
        for data in ("first", "second", "third"):
            await hub.client.start_new("waits", "w")
            await hub.client.raise_event("w", "go", data)
            assert (await hub.wait("w")).output == f'"{data}"'
            incarnations.append((await head_of(hub, "w")).incarnation)
        await nothing_left(hub)
        assert len(set(incarnations)) == 3
        assert all(row.startswith(("!", incarnations[-1])) for row in await rows_of(hub, "w"))


async def test_restart_in_place_and_under_a_new_id() -> None:
    hub = MemoryHub()

    @hub.orchestrator
    async def echo(context: Context) -> Any:
        return context.get_input()

    async with hub:
        await hub.client.start_new("echo", "e", {"big": "x" * 50_000}, tags={"a": "b"})
        first = await hub.wait("e")
        assert await hub.client.restart("e", False) == "e"
        again = await hub.wait("e")
        assert (again.input, again.output, again.tags) == (first.input, first.output, {"a": "b"})
        assert again.execution_id != first.execution_id
        other = await hub.client.restart("e")
        assert (await hub.wait(other)).output == first.output
        with pytest.raises(InstanceNotFoundError):
            await hub.client.restart("nobody")
        await nothing_left(hub)


# ---- purge ----


async def test_purge_leaves_nothing() -> None:
    hub = MemoryHub()
    waiter(hub)
    async with hub:
        await hub.client.start_new("waits", "w", "x" * 100_000)
        assert (await hub.client.purge_instance_history("w")).instances_deleted == 0
        await hub.client.raise_event("w", "go", "y" * 100_000)
        await hub.wait("w")
        assert (await hub.client.purge_instance_history("w")).instances_deleted == 1
        assert await hub.outside.get_status("w") is None
        names = hub.hub.names
        for table in (names.history, names.instances, names.index):
            assert await hub.keys(table) == []
        await nothing_left(hub)
        with pytest.raises(InstanceNotFoundError):
            await hub.client.purge_instance_history("w")
        with pytest.raises(InstanceNotFoundError):
            await hub.client.raise_event("w", "go")


async def test_a_purge_that_died_half_way_is_finished_by_a_worker() -> None:
    hub = MemoryHub()
    waiter(hub)
    async with hub:
        await hub.client.start_new("waits", "w")
        await hub.client.raise_event("w", "go")
        await hub.wait("w")
        await nothing_left(hub)
        instances = hub.hub.instances

        async def dies(instance_id: str, incarnation: str) -> None:
            keys = [key for key in await rows_of(hub, "w") if "|h|" in key]
            await instances.delete_rows("w", keys)
            raise KeyboardInterrupt

        hub.sweeping = False
        instances.delete_incarnation = dies  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            await hub.outside.purge_instance_history("w")
        assert (await head_of(hub, "w")).status == PURGING
        with pytest.raises(InstanceFinishedError):
            await hub.outside.raise_event("w", "go")
        await hub.run(60)
        assert await rows_of(hub, "w") == []
        assert await hub.keys(hub.hub.names.instances) == []
        assert await hub.messages() == 0


async def test_purging_many() -> None:
    hub = MemoryHub()
    waiter(hub)
    async with hub:
        for number in range(150):
            await hub.client.start_new("waits", f"w{number}")
            if number % 3:
                await hub.client.terminate(f"w{number}")
        await hub.run(30)
        result = await hub.client.purge_instance_history_by(runtime_status=[Status.TERMINATED])
        assert result.instances_deleted == 100
        left = [status.instance_id async for status in hub.client.list_instances()]
        assert len(left) == 50


# ---- steering ----


def family(hub: MemoryHub) -> None:
    @hub.orchestrator
    async def leaf(context: Context) -> Any:
        await context.wait_for_external_event("never")

    @hub.orchestrator
    async def middle(context: Context) -> Any:
        await context.call_sub_orchestrator("leaf", instance_id="leaf-1")

    @hub.orchestrator
    async def top(context: Context) -> Any:
        try:
            await context.call_sub_orchestrator("middle", instance_id="middle-1")
        except SubOrchestrationFailedError as error:
            return error.details.message


async def test_terminating_recursively_ends_all_generations_below() -> None:
    hub = MemoryHub()
    family(hub)
    async with hub:
        await hub.client.start_new("top", "top-1")
        await hub.idle()
        await hub.client.terminate("top-1", "enough", recurse=True)
        for instance_id in ("top-1", "middle-1", "leaf-1"):
            assert (await hub.wait(instance_id)).runtime_status == Status.TERMINATED
        assert (await status_of(hub, "top-1")).output == '"enough"'
        await nothing_left(hub)


async def test_terminating_one_leaves_its_children_and_fails_its_parents_task() -> None:
    hub = MemoryHub()
    family(hub)
    async with hub:
        await hub.client.start_new("top", "top-1")
        await hub.idle()
        await hub.client.terminate("middle-1")
        status = await hub.wait("top-1")
        assert status.output == "\"sub-orchestration 'middle-1' was terminated\""
        assert (await status_of(hub, "leaf-1")).runtime_status == Status.RUNNING
        with pytest.raises(InstanceFinishedError):
            await hub.client.terminate("middle-1")


async def test_suspend_and_resume() -> None:
    hub = MemoryHub()
    waiter(hub)
    async with hub:
        await hub.client.start_new("waits", "w")
        await hub.client.suspend("w", "lunch")
        await hub.idle()
        assert (await status_of(hub, "w")).runtime_status == Status.SUSPENDED
        await hub.client.raise_event("w", "go", 1)
        await hub.run(100)
        assert (await status_of(hub, "w")).runtime_status == Status.SUSPENDED
        await hub.client.resume("w")
        assert (await hub.wait("w")).output == "1"


# ---- children ----


async def test_a_chosen_id_that_another_parent_has_fails_the_task() -> None:
    hub = MemoryHub()
    waiter(hub)

    @hub.orchestrator
    async def wants(context: Context) -> Any:
        try:
            return await context.call_sub_orchestrator("waits", instance_id="taken")
        except SubOrchestrationFailedError as error:
            return str(error)

    async with hub:
        await hub.client.start_new("waits", "taken")
        await hub.client.start_new("wants", "p")
        assert json.loads((await hub.wait("p")).output or "") == (
            "sub-orchestration 'waits' failed: durable.errors.InstanceExistsError: "
            "an instance 'taken' exists already and has another parent"
        )
        assert (await status_of(hub, "taken")).runtime_status == Status.RUNNING
        await nothing_left_but(hub, "taken")


async def nothing_left_but(hub: MemoryHub, *open_ids: str) -> None:
    await hub.run(60)
    rows, _ = await hub.hub.projection.page(limit=1000)
    assert {row.instance_id for row in rows if not row.status.is_terminal} == set(open_ids)


async def test_a_retry_takes_the_place_of_the_finished_attempt() -> None:
    hub = MemoryHub()
    attempts: list[int] = []

    @hub.activity
    async def flaky(value: int) -> int:
        attempts.append(value)
        if len(attempts) < 3:
            raise ValueError("not yet")
        return value

    @hub.orchestrator
    async def child(context: Context) -> Any:
        return await context.call_activity(flaky, context.get_input(int))

    @hub.orchestrator
    async def parent(context: Context) -> Any:
        retry = RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=5)
        return await context.call_sub_orchestrator(child, 4, instance_id="the-child", retry=retry)

    async with hub:
        await hub.client.start_new("parent", "p")
        assert (await hub.wait("p")).output == "4"
        assert attempts == [4, 4, 4]
        await nothing_left(hub)
        incarnation = (await head_of(hub, "the-child")).incarnation
        rows = await rows_of(hub, "the-child")
        assert all(row.startswith(("!", incarnation)) for row in rows)


@pytest.mark.parametrize("late", [True, False])
async def test_a_late_start_of_a_child_runs_only_while_its_parent_waits(late: bool) -> None:
    hub = MemoryHub()
    ran = adder(hub)

    @hub.orchestrator
    async def child(context: Context) -> Any:
        return await context.call_activity("add", 1)

    @hub.orchestrator
    async def parent(context: Context) -> Any:
        task = context.call_sub_orchestrator(child, instance_id="c")
        await context.when_any([task, context.create_timer(timedelta(seconds=100))])
        if late:
            context.continue_as_new(2) if context.get_input() == 1 else None
        return "gave up"

    async with hub:
        sender = hub.runtimes[0].dispatcher._children
        held: list[Any] = []
        send = sender.start

        async def hold(*args: Any) -> None:
            held.append(args)

        sender.start = hold  # type: ignore[method-assign, assignment]
        await hub.client.start_new("parent", "p", 1)
        await hub.run(150 if late else 50)
        sender.start = send  # type: ignore[method-assign]
        await sender.start(*held[0])
        status = await hub.wait("c")
        if late:
            assert status.runtime_status == Status.TERMINATED
            assert ran == []
        else:
            assert status.runtime_status == Status.COMPLETED
            assert ran == [1]
