"""Starts whose instance id is taken: replaced, terminated first, skipped or refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from durable.client import IdReusePolicy
from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import InstanceExistsError, InvalidRequestError
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import head_of, nothing_left, rows_of, status_of


def programs(hub: MemoryHub) -> None:
    @hub.orchestrator
    async def waits(context: Context) -> Any:
        return await context.wait_for_external_event("go")

    @hub.orchestrator
    async def fails(context: Context) -> Any:
        raise ValueError("no")

    @hub.orchestrator
    async def echo(context: Context) -> Any:
        return context.get_input()


async def existing(hub: MemoryHub, status: Status) -> str:
    """An instance `i` in that status; its incarnation."""
    match status:
        case Status.PENDING:
            await hub.outside.start_new("waits", "i", start_at=timedelta(days=9))
        case Status.FAILED:
            await hub.outside.start_new("fails", "i")
        case Status.COMPLETED:
            await hub.outside.start_new("echo", "i")
        case _:
            await hub.outside.start_new("waits", "i")
            await hub.run(2)
            if status == Status.SUSPENDED:
                await hub.outside.suspend("i")
            if status == Status.TERMINATED:
                await hub.outside.terminate("i")
    await hub.run(30)
    head = await head_of(hub, "i")
    assert head.runtime_status == status
    return head.incarnation


async def begin(hub: MemoryHub, if_exists: Any) -> str | None:
    """Start `i` again; None when that is refused."""
    start = asyncio.ensure_future(hub.outside.start_new("echo", "i", "again", if_exists=if_exists))
    await hub.until(start.done, 60)
    try:
        return await start
    except InstanceExistsError:
        return None


EXISTING = (
    Status.PENDING,
    Status.RUNNING,
    Status.SUSPENDED,
    Status.COMPLETED,
    Status.FAILED,
    Status.TERMINATED,
)
WORDS = {
    "replace": lambda status: "replaced" if status.is_terminal else "refused",
    "terminate": lambda status: "replaced",
    "skip": lambda status: "left",
    "error": lambda status: "refused",
}
POLICIES = {
    IdReusePolicy(frozenset({Status.RUNNING, Status.FAILED})): lambda status: (
        "replaced" if status in (Status.RUNNING, Status.FAILED) else "refused"
    ),
    IdReusePolicy(frozenset({Status.PENDING, Status.COMPLETED}), "skip"): lambda status: (
        "left" if status in (Status.PENDING, Status.COMPLETED) else "refused"
    ),
    IdReusePolicy(frozenset()): lambda status: "refused",
}


@pytest.mark.parametrize("status", EXISTING)
@pytest.mark.parametrize(("if_exists", "outcome"), [*WORDS.items(), *POLICIES.items()])
async def test_what_becomes_of_an_existing_one(
    status: Status, if_exists: Any, outcome: Any
) -> None:
    hub = MemoryHub()
    programs(hub)
    async with hub:
        before = await existing(hub, status)
        answer = await begin(hub, if_exists)
        assert answer == (None if outcome(status) == "refused" else "i")
        head = await head_of(hub, "i")
        if outcome(status) != "replaced":
            assert (head.incarnation, head.runtime_status) == (before, status)
            return
        assert head.incarnation != before
        assert (await hub.wait("i")).output == '"again"'
        await hub.run(30)
        assert [key for key in await rows_of(hub, "i") if key.startswith(before)] == []
        assert await hub.keys(hub.hub.names.index) == []
        await nothing_left(hub)


async def test_many_that_replace_each_other_leave_one() -> None:
    hub = MemoryHub(workers=2)
    programs(hub)
    async with hub:
        starts = [
            asyncio.ensure_future(client.start_new("waits", "i", number, if_exists="terminate"))
            for number in range(6)
            for client in (hub.client, hub.outside)
        ]
        await hub.until(lambda: all(start.done() for start in starts), 600)
        assert {start.result() for start in starts} == {"i"}
        await hub.run(60)
        assert (await status_of(hub, "i")).runtime_status == Status.RUNNING
        assert len((await hub.hub.projection.page(limit=1000))[0]) == 1
        incarnations = {key.partition("|")[0] for key in await rows_of(hub, "i")}
        assert len({each for each in incarnations if not each.startswith("!")}) == 1
        await hub.outside.raise_event("i", "go")
        await hub.wait("i")
        await nothing_left(hub)


@pytest.mark.parametrize("gone_before", [False, True])
async def test_without_a_worker_it_says_so_and_leaves_nothing_half_done(gone_before: bool) -> None:
    hub = MemoryHub()
    programs(hub)
    async with hub:
        before = await existing(hub, Status.RUNNING)
        await hub.stop(hub.runtimes[0])
        if gone_before:
            # the look before the start saw nothing
            instances, seen = hub.outside._hub.instances, []
            real = instances.head

            async def blind(instance_id: str) -> Any:
                seen.append(instance_id)
                return None if len(seen) == 1 else await real(instance_id)

            instances.head = blind  # type: ignore[method-assign]
        start = asyncio.ensure_future(hub.outside.start_new("echo", "i", if_exists="terminate"))
        await hub.until(start.done, 60)
        with pytest.raises(InstanceExistsError, match="Running still; try again"):
            await start
        assert (await head_of(hub, "i")).incarnation == before
        assert len(await hub.keys(hub.hub.names.instances)) == 1
        await hub.add_runtime()
        assert (await hub.wait("i")).runtime_status == Status.TERMINATED


@pytest.mark.parametrize("bad", ["Replace", None, 3, ["replace"]])
async def test_what_is_no_policy_is_refused(bad: Any) -> None:
    hub = MemoryHub()
    programs(hub)
    async with hub:
        with pytest.raises(InvalidRequestError, match="if_exists is one of"):
            await hub.client.start_new("echo", "i", if_exists=bad)
        assert await hub.keys(hub.hub.names.instances) == []


def test_a_policy_is_checked_where_it_is_made() -> None:
    with pytest.raises(InvalidRequestError, match="replaces or skips"):
        IdReusePolicy(frozenset(), "terminate")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="runtime statuses"):
        IdReusePolicy(frozenset({"Sleeping"}))  # type: ignore[arg-type]
    assert IdReusePolicy.of("terminate").replaces(Status.RUNNING)


async def test_sub_orchestrations_end_with_the_instance_that_is_replaced() -> None:
    hub = MemoryHub()
    programs(hub)

    @hub.orchestrator
    async def parent(context: Context) -> Any:
        return await context.call_sub_orchestrator("middle", None, "middle-1")

    @hub.orchestrator
    async def middle(context: Context) -> Any:
        return await context.call_sub_orchestrator("waits", None, "inner-1")

    async with hub:
        await hub.outside.start_new("parent", "i")
        await hub.run(5)
        assert (await status_of(hub, "inner-1")).runtime_status == Status.RUNNING
        assert await begin(hub, "terminate") == "i"
        ended = [await hub.wait(each) for each in ("i", "middle-1", "inner-1")]
        assert [each.runtime_status for each in ended] == [
            Status.COMPLETED,
            Status.TERMINATED,
            Status.TERMINATED,
        ]


async def test_who_is_refused_rings_for_a_start_that_nobody_has_rung_for() -> None:
    hub = MemoryHub()
    programs(hub)
    async with hub:
        hub.sweeping = False
        with pytest.MonkeyPatch.context() as patch:

            async def dies(queue: str, body: bytes, *, delay: float = 0.0) -> Any:
                raise asyncio.CancelledError

            patch.setattr(hub.hub.storage.queues, "send", dies)
            with pytest.raises(asyncio.CancelledError):
                await hub.outside.start_new("echo", "i", "first")
        await hub.run(60)
        assert (await status_of(hub, "i")).runtime_status == Status.PENDING
        assert await begin(hub, "error") is None
        assert (await hub.wait("i")).output == '"first"'
