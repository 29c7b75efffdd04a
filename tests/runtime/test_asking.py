"""Queries and updates through storage: who answers, when, once, and what is left of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from durable.client import DurableOrchestrationClient
from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import (
    InstanceFinishedError,
    InstanceNotFoundError,
    InvalidRequestError,
    PayloadTooLargeError,
    QueryFailedError,
    UnknownQueryError,
    UpdateRejectedError,
)
from durable.hub.messages import Query
from durable.model.filters import OrchestrationWorkItemFilter, WorkItemFilters
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import is_commit, turns_of

T = TypeVar("T")
LONG = "x" * 30_000


def carts(hub: MemoryHub) -> MemoryHub:
    @hub.orchestrator
    async def cart(context: Context) -> Any:
        items: list[str] = context.get_input(list) or []
        context.set_query_handler("items", lambda: items)

        @context.on_update("add")
        def add(item: str) -> int:
            if not item:
                raise ValueError("an item has a name")
            items.append(item)
            return len(items)

        context.set_update_handler("all", lambda: items)
        if (await context.wait_for_external_event("next")) == "again":
            context.continue_as_new(items)
        return items

    @hub.orchestrator
    async def waits(context: Context) -> Any:
        await context.wait_for_external_event("next")

    @hub.activity
    async def nothing(value: int) -> int:
        return value

    @hub.orchestrator
    async def collects(context: Context) -> Any:
        taken = [await context.wait_for_update("one", int) for _ in range(context.get_input(int))]
        await context.call_activity("nothing", 1)
        for each in taken:
            each.answer(each.data + 1)
        await context.wait_for_external_event("next")

    return hub


async def during(hub: MemoryHub, call: Awaitable[T], limit: float = 3600) -> T:
    task = asyncio.ensure_future(call)
    await hub.until(task.done, limit)
    return task.result()


async def answer_rows(hub: MemoryHub) -> list[str]:
    keys = await hub.keys(hub.hub.names.history)
    return [key.partition("|")[2] for key in keys if "|f|" in key or "|g|" in key]


@pytest.mark.parametrize("outside", [False, True], ids=["beside the code", "elsewhere"])
async def test_a_cart_is_asked_and_changed_and_asked_after_its_end(outside: bool) -> None:
    async with carts(MemoryHub(workers=2)) as hub:
        client = hub.outside if outside else hub.client
        # not even begun: the first answer waits for that
        await hub.outside.start_new("cart", "c")
        assert await during(hub, client.query("c", "items")) == []
        assert await during(hub, client.update("c", "add", "a", expected_type=int)) == 1
        with pytest.raises(UpdateRejectedError, match="ValueError: an item has a name") as refused:
            await during(hub, client.update("c", "ADD", ""))
        assert refused.value.failure.error_type == "ValueError"
        await hub.client.suspend("c")
        await hub.run(1)
        with pytest.raises(TimeoutError, match="is stored, and will be taken"):
            await during(hub, client.update("c", "add", LONG, timeout=2, update_id="long"))
        assert await during(hub, client.query("c", "items", expected_type=list[str])) == ["a"]
        await hub.client.resume("c")
        assert await during(hub, client.update("c", "add", LONG, update_id="long")) == 2
        assert await during(hub, client.update("c", "all", update_id="x")) == ["a", LONG]
        await hub.client.raise_event("c", "next")
        await hub.wait("c")
        assert await during(hub, client.query("c", "Items")) == ["a", LONG]
        assert await during(hub, client.update("c", "all", update_id="x")) == ["a", LONG]
        with pytest.raises(InstanceFinishedError, match="Completed, and has not answered"):
            await during(hub, client.update("c", "add", "b"))
        rows = await answer_rows(hub)
        assert [row[:2] for row in rows] == ["g|"] * 4
        await hub.run(30)
        assert await hub.messages() == 0
        await during(hub, hub.outside.purge_instance_history("c"))
        assert await hub.keys(hub.hub.names.history) == []
        with pytest.raises(InstanceNotFoundError):
            await client.query("c", "items")


async def test_what_cannot_be_asked_is_said_at_once() -> None:
    async with carts(MemoryHub()) as hub:
        await hub.client.start_new("cart", "c")
        for client in (hub.client, hub.outside):
            with pytest.raises(UnknownQueryError, match="answers no query 'total'; it has 'items'"):
                await during(hub, client.query("c", "total"))
            with pytest.raises(PayloadTooLargeError, match="at most 16,000"):
                await client.query("c", "items", LONG)
            for name in ("", "\ud800", "x" * 1001):
                with pytest.raises(InvalidRequestError, match="name"):
                    await client.query("c", name)
                with pytest.raises(InvalidRequestError, match="name"):
                    await client.update("c", name)
            for wrong in ("", "a\n", "x" * 201, 7):
                with pytest.raises(InvalidRequestError, match="1 to 200 characters"):
                    await client.update("c", "add", "a", update_id=wrong)  # type: ignore[arg-type]
            with pytest.raises(InstanceNotFoundError):
                await client.update("nobody", "add", "a")
            for ask in (client.query, client.update):
                with pytest.raises(TypeError, match="a timeout is a number of seconds, a timedel"):
                    await ask("c", "add", timeout="10")  # type: ignore[call-overload]
        # nothing was delivered by that
        assert await during(hub, hub.client.query("c", "items")) == []
        later = timedelta(hours=1)
        await hub.client.start_new("cart", "later", start_at=later)
        with pytest.raises(TimeoutError, match="has not begun within 3 s"):
            await during(hub, hub.client.query("later", "items", timeout=3))
        await hub.client.suspend("later")
        await hub.run(3700)
        with pytest.raises(UnknownQueryError, match="'later' has not begun: nothing answers query"):
            await during(hub, hub.client.query("later", "items"))
        await hub.client.terminate("later", "")
        await during(hub, hub.wait("later"))
        with pytest.raises(UnknownQueryError, match="'later' ended before its code began: nothing"):
            await during(hub, hub.client.query("later", "items"))


async def test_the_end_without_an_answer_is_learned_at_once() -> None:
    async with carts(MemoryHub()) as hub:
        await hub.client.start_new("waits", "w")
        await hub.run(1)
        asked = asyncio.ensure_future(hub.client.update("w", "add", "a", timeout=None))
        await hub.run(5)
        before = hub.clock.now()
        await hub.client.raise_event("w", "next")
        with pytest.raises(InstanceFinishedError, match="has not answered update 'add'"):
            await during(hub, asked)
        assert hub.clock.now() - before < timedelta(seconds=2)


async def test_more_answers_than_a_transaction_holds_come_all() -> None:
    async with carts(MemoryHub(workers=2)) as hub:
        count = 230
        await hub.client.start_new("collects", "c", count)
        asked = [
            asyncio.ensure_future(hub.outside.update("c", "one", number, timeout=600))
            for number in range(count)
        ]
        assert await during(hub, asyncio.gather(*asked)) == [n + 1 for n in range(count)]
        # a turn that answers at once holds what fits
        await hub.client.start_new("cart", "d")
        await hub.run(1)
        asked = [asyncio.ensure_future(hub.outside.update("d", "add", "a")) for _ in range(count)]
        assert sorted(await during(hub, asyncio.gather(*asked))) == list(range(1, count + 1))
        await hub.run(30)
        assert await hub.messages() == 0
        head = await hub.hub.instances.head("c")
        assert head is not None
        assert head.holdings == ()


async def test_a_process_dies_over_answers_that_come_after_their_turn() -> None:
    async with carts(MemoryHub()) as hub:
        count, stored = 130, list[int]()
        await hub.outside.start_new("collects", "c", count)
        asked = [
            asyncio.ensure_future(hub.outside.update("c", "one", number, timeout=600))
            for number in range(count)
        ]

        async def dies(name: str, args: tuple[Any, ...]) -> None:
            rows = [op for op in args[2] if "|g|" in op.key] if name == "transact" else []
            if rows:
                stored.append(len(rows))
            if len(stored) == 2:
                hub.crash()
                raise asyncio.CancelledError

        hub.tamper(hub.runtimes[0], before=dies)
        assert await during(hub, asyncio.gather(*asked)) == [n + 1 for n in range(count)]
        assert stored == [97, 33], "with the turn, and right after it"
        await hub.run(60)
        assert len(await answer_rows(hub)) == count


async def test_a_new_generation_trims_answers_that_are_an_hour_old() -> None:
    async with carts(MemoryHub()) as hub:
        await hub.client.start_new("cart", "c")
        await during(hub, hub.client.update("c", "add", LONG, update_id="1"))
        assert await during(hub, hub.client.update("c", "all", update_id="2")) == [LONG]
        # nobody took this one
        head = await hub.hub.instances.head("c")
        assert head is not None
        answer = await hub.runtimes[0].queries.answer(head, "items", None)
        assert answer is not None
        assert await hub.hub.instances.answer_query(head, "ab", answer)
        for pause, left in ((60, 3), (3600, 0)):
            await hub.run(pause)
            await hub.client.raise_event("c", "next", "again")
            await hub.run(30)
            assert len(await answer_rows(hub)) == left
            if left:
                assert await during(hub, hub.client.update("c", "all", update_id="2")) == [LONG]
        keys = await hub.keys(hub.hub.names.history)
        assert sum("|p|" in key for key in keys) == 1, "the input of the generation alone"
        assert await during(hub, hub.client.query("c", "items")) == [LONG]


async def test_a_query_is_left_to_a_worker_that_has_the_code() -> None:
    others = WorkItemFilters(orchestrations=[OrchestrationWorkItemFilter("waits")])
    hub = carts(MemoryHub(RuntimeOptions(filters=others)))
    async with hub:
        await hub.outside.start_new("cart", "c")
        with pytest.raises(TimeoutError, match="has not begun"):
            await during(hub, hub.client.query("c", "items", timeout=3))
        has_it = await hub.add_runtime(options=RuntimeOptions())
        assert await during(hub, hub.client.query("c", "items", timeout=60)) == []
        await hub.stop(has_it)
        with pytest.raises(TimeoutError, match="no worker that has the code of 'cart'"):
            await during(hub, hub.client.query("c", "items", timeout=3))
        await hub.run(200)
        assert await hub.messages() == 0, "a query that nobody waits for is dropped"
        assert await answer_rows(hub) == []


async def test_code_that_does_not_fit_its_history_cannot_answer() -> None:
    hub = carts(MemoryHub())
    async with hub:
        await hub.client.start_new("collects", "c", 0)
        await hub.run(1)
        del hub.registry.orchestrators["collects"]

        @hub.orchestrator
        async def collects(context: Context) -> Any:
            context.set_query_handler("x", lambda: 1)
            await context.call_sub_orchestrator("waits")

        with pytest.raises(QueryFailedError, match="does not fit its history"):
            await during(hub, hub.client.query("c", "x"))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_process_dies_at_the_commit_and_the_update_is_answered_once(after: bool) -> None:
    async with carts(MemoryHub()) as hub:
        await hub.client.start_new("cart", "c")
        await hub.run(1)
        dying = hub.runtimes[0]

        async def dies(name: str, args: tuple[Any, ...]) -> None:
            if is_commit(name, args):
                hub.crash()
                raise asyncio.CancelledError

        hub.tamper(dying, **{"after" if after else "before": dies})
        outside = hub.outside.update("c", "add", "a", timeout=300)
        assert await during(hub, outside) == 1
        assert dying not in hub.runtimes
        assert await during(hub, hub.outside.query("c", "items")) == ["a"]


async def test_who_waits_beside_the_run_is_told() -> None:
    async with carts(MemoryHub()) as hub:
        await hub.client.start_new("cart", "c")
        await hub.run(1)
        runtime = hub.runtimes[0]
        beside = DurableOrchestrationClient(runtime.hub, ringer=runtime.ringer)
        asked = asyncio.ensure_future(beside.update("c", "add", "a"))
        # without time passing
        await hub.idle()
        assert asked.done()
        assert asked.result() == 1


async def test_a_repeated_query_message_leaves_one_answer() -> None:
    async with carts(MemoryHub()) as hub:
        await hub.client.start_new("cart", "c")
        await hub.run(1)
        head = await hub.hub.instances.head("c")
        assert head is not None
        until = hub.clock.now() + timedelta(seconds=5)
        query = Query("c", head.incarnation, "items", "ab", until)
        queue = hub.hub.names.control_queue("c")
        for _ in range(2):
            await hub.queues.send(queue, query.encode())
        await hub.run(1)
        assert await answer_rows(hub) == ["f|ab"]
        assert len(await turns_of(hub, "c")) == 1, "nothing came into history"
