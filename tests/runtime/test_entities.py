from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from durable.client import EntityState
from durable.codec import decode
from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.errors import (
    AmbiguousAnswer,
    EntityOperationFailedError,
    InvalidRequestError,
    UnknownFunctionError,
)
from durable.model.entities import EntityId
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.ports import Where
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import another_app

ONE = EntityId("counter", "one")
TWO = EntityId("counter", "two")


def counting(hub: MemoryHub) -> list[str]:
    """A counter, and what it did."""
    did: list[str] = []

    @hub.entity
    def counter(context: EntityContext) -> Any:
        value = context.get_state(default=0)
        did.append(f"{context.entity_key}.{context.operation_name}")
        match context.operation_name:
            case "add":
                value += context.get_input(int)
            case "broken":
                context.set_state(1_000_000)
                context.signal_entity(context.entity_id, "add", 1)
                raise ValueError("no")
            case "large":
                value = "x" * context.get_input(int)
            case "delete":
                context.delete_state()
                return None
        context.set_state(value)
        return value

    return did


async def state_of(hub: MemoryHub, entity_id: EntityId = ONE) -> Any:
    entity = await hub.client.read_entity_state(entity_id)
    return decode(entity.state) if entity else None


async def rows_of(hub: MemoryHub, entity_id: EntityId) -> list[str]:
    where = [Where("PartitionKey", "eq", str(entity_id))]
    page = await hub.tables.query(hub.hub.names.history, where)
    return [row.key for row in page.rows]


async def test_signals_are_performed_in_their_order_and_change_the_state() -> None:
    hub = MemoryHub()
    did = counting(hub)
    async with hub:
        assert await hub.client.read_entity_state(ONE) is None
        for number in (1, 2, 3):
            await hub.client.signal_entity(ONE, "add", number)
        await hub.client.signal_entity(TWO, "add", 10)
        await hub.run(5)
        assert await state_of(hub) == 6
        assert await state_of(hub, TWO) == 10
        assert sorted(did) == ["one.add"] * 3 + ["two.add"]


async def test_an_orchestration_calls_and_signals() -> None:
    hub = MemoryHub()
    counting(hub)

    @hub.orchestrator
    async def program(context: Context) -> Any:
        context.signal_entity(ONE, "add", 1)
        context.signal_entity(ONE, "add", 2)
        first = await context.call_entity(ONE, "add", 4)
        second = await context.call_entity(TWO, "add", 1)
        return [first, second]

    async with hub:
        await hub.client.start_new("program", "p")
        status = await hub.wait("p")
        assert status.output == "[7,1]"


async def test_a_failed_operation_leaves_nothing_and_fails_its_caller() -> None:
    hub = MemoryHub()
    counting(hub)

    @hub.orchestrator
    async def program(context: Context) -> Any:
        await context.call_entity(ONE, "add", 5)
        try:
            await context.call_entity(ONE, "broken")
        except EntityOperationFailedError as error:
            return [error.details.error_type, error.details.message]

    async with hub:
        await hub.client.start_new("program", "p")
        assert (await hub.wait("p")).output == '["ValueError","no"]'
        await hub.run(5)
        assert await state_of(hub) == 5


async def test_async_entities_and_orchestrations_they_start() -> None:
    hub = MemoryHub()

    @hub.entity
    async def starter(context: EntityContext) -> Any:
        await asyncio.sleep(0)
        context.set_state(context.start_new("child", context.get_input(), "the-child"))
        return context.current_utc_datetime.isoformat()

    @hub.orchestrator
    async def child(context: Context) -> Any:
        return context.get_input()

    async with hub:
        await hub.client.signal_entity(EntityId("Starter", ""), "go", [1, 2])
        await hub.run(5)
        assert (await hub.wait("the-child")).output == "[1,2]"
        assert await state_of(hub, EntityId("starter", "")) == "the-child"


async def test_a_delayed_signal_waits_for_its_time_and_holds_up_nobody() -> None:
    hub = MemoryHub()
    did = counting(hub)
    async with hub:
        soon = hub.clock.now() + timedelta(seconds=60)
        late = hub.clock.now() + timedelta(days=3)
        await hub.client.signal_entity(ONE, "add", 100, signal_time=late)
        await hub.client.signal_entity(ONE, "add", 10, signal_time=soon)
        await hub.client.signal_entity(ONE, "add", 1)
        await hub.run(30)
        assert await state_of(hub) == 1
        await hub.run(60)
        assert await state_of(hub) == 11
        await hub.run(timedelta(days=3).total_seconds())
        assert await state_of(hub) == 111
        assert len(did) == 3


async def test_a_lock_keeps_others_out_until_it_is_released() -> None:
    hub = MemoryHub()
    did = counting(hub)

    @hub.orchestrator
    async def holder(context: Context) -> Any:
        async with context.lock_entities([TWO, ONE]):
            value = await context.call_entity(ONE, "add", 1)
            await context.create_timer(timedelta(seconds=20))
            value += await context.call_entity(TWO, "add", 1)
        return value

    async with hub:
        await hub.client.start_new("holder", "h")
        await hub.run(5)
        entity = await hub.client.read_entity_state(ONE)
        assert isinstance(entity, EntityState)
        assert entity.locked_by == "h"
        await hub.client.signal_entity(ONE, "add", 10)
        await hub.client.signal_entity(TWO, "get")
        await hub.run(5)
        assert did == ["one.add"]
        assert (await hub.wait("h")).output == "2"
        await hub.run(5)
        assert await state_of(hub) == 11
        entity = await hub.client.read_entity_state(ONE)
        assert entity is not None
        assert entity.locked_by is None


@pytest.mark.parametrize("ending", ["fails", "terminated", "continues"])
async def test_however_an_orchestration_ends_its_locks_end_with_it(ending: str) -> None:
    hub = MemoryHub()
    counting(hub)

    @hub.orchestrator
    async def holder(context: Context) -> Any:
        if context.get_input() == "again":
            return "done"
        lock = await context.lock_entities([ONE, TWO])
        assert lock.entity_ids == (ONE, TWO)
        if ending == "terminated":
            await context.wait_for_external_event("never")
        if ending == "continues":
            return context.continue_as_new("again")
        raise ValueError("no")

    @hub.orchestrator
    async def next_one(context: Context) -> Any:
        with await context.lock_entities([ONE, TWO]):
            return await context.call_entity(ONE, "add", 1)

    async with hub:
        await hub.client.start_new("holder", "h")
        await hub.run(3)
        await hub.client.start_new("next_one", "n")
        await hub.run(3)
        if ending == "terminated":
            await hub.client.terminate("h")
        assert (await hub.wait("n", timedelta(seconds=20))).output == "1"


async def test_the_lock_of_an_owner_that_vanished_is_released() -> None:
    hub = MemoryHub()
    counting(hub)

    @hub.orchestrator
    async def holder(context: Context) -> Any:
        await context.lock_entities([ONE])
        await context.wait_for_external_event("never")

    async with hub:
        await hub.client.start_new("holder", "h")
        await hub.run(3)
        head = await hub.hub.instances.head("h")
        assert head is not None
        # as if somebody had deleted its rows by hand
        await hub.hub.instances.delete_incarnation("h", head.incarnation)
        await hub.hub.instances.delete_head(head)
        await hub.client.signal_entity(ONE, "add", 1)
        await hub.run(3)
        assert await state_of(hub) is None
        await hub.run(120)
        assert await state_of(hub) == 1


async def test_sections_are_held_to_their_rules() -> None:
    hub = MemoryHub()
    counting(hub)
    said: list[str] = []

    @hub.orchestrator
    async def child(context: Context) -> Any:
        return None

    @hub.orchestrator
    async def program(context: Context) -> Any:
        async with context.lock_entities([ONE]):
            for attempt in (
                lambda: context.call_entity(TWO, "add", 1),
                lambda: context.signal_entity(ONE, "add", 1),
                lambda: context.lock_entities([TWO]),
                lambda: context.call_sub_orchestrator(child),
            ):
                with pytest.raises(InvalidRequestError) as error:
                    attempt()
                if not context.is_replaying:
                    said.append(str(error.value))
            pending = context.call_entity(ONE, "add", 1)
            with pytest.raises(InvalidRequestError, match="under way"):
                context.call_entity(ONE, "add", 1)
            context.signal_entity(TWO, "add", 5)
            await pending
        return await context.call_entity(ONE, "add", 1)

    async with hub:
        await hub.client.start_new("program", "p")
        assert (await hub.wait("p")).output == "2"
        assert len(said) == 4
        await hub.run(2)
        assert await state_of(hub, TWO) == 5


async def test_large_states_inputs_and_results_leave_nothing_behind() -> None:
    hub = MemoryHub()
    counting(hub)

    @hub.orchestrator
    async def program(context: Context) -> Any:
        sizes = []
        for size in (100_000, 300_000, 100_000, 100_000):
            sizes.append(len(await context.call_entity(ONE, "large", size)))
        return sizes

    @hub.entity
    def keeper(context: EntityContext) -> Any:
        context.set_state(context.get_input())

    async with hub:
        await hub.client.start_new("program", "p")
        assert (await hub.wait("p")).output == "[100000,300000,100000,100000]"
        for number in range(5):
            await hub.client.signal_entity(EntityId("keeper", "k"), "set", f"{number}" * 50_000)
            await hub.run(2)
        assert await state_of(hub, EntityId("keeper", "k")) == "4" * 50_000
        payloads = [key for key in await rows_of(hub, EntityId("keeper", "k")) if "|p|" in key]
        assert len(payloads) == 1


async def test_a_thousand_operations_on_one_entity() -> None:
    hub = MemoryHub()
    counting(hub)
    async with hub:
        await asyncio.gather(*(hub.client.signal_entity(ONE, "add", 1) for _ in range(1000)))
        await hub.run(20)
        assert await state_of(hub) == 1000


async def test_what_an_entity_remembers_is_trimmed_in_time() -> None:
    hub = MemoryHub()
    counting(hub)
    async with hub:
        for _ in range(300):
            await hub.client.signal_entity(ONE, "add", 1)
            await hub.run(60)
        assert await state_of(hub) == 300
        rows = await rows_of(hub, ONE)
        # an hour of turns, and at most so many more
        assert 60 <= len(rows) <= 60 + 110
        # a cold process goes on from there
        await hub.kill(hub.runtimes[0])
        await hub.add_runtime()
        await hub.outside.signal_entity(ONE, "add", 1)
        await hub.run(60)
        entity = await hub.outside.read_entity_state(ONE)
        assert entity is not None
        assert entity.state == "301"


async def test_entities_are_listed_and_cleaned_up() -> None:
    hub = MemoryHub()
    counting(hub)

    @hub.entity
    def other(context: EntityContext) -> None:
        context.set_state({"a": 1})

    async with hub:
        for key in ("b", "a", "ab", "ä b"):
            await hub.client.signal_entity(EntityId("counter", key), "add", 1)
        await hub.client.signal_entity(EntityId("other", "a"), "go")
        await hub.run(5)
        listed = [e.entity_id.key async for e in hub.client.list_entities(name="counter")]
        assert sorted(listed) == ["a", "ab", "b", "ä b"]
        listed = [
            e.entity_id.key async for e in hub.client.list_entities(name="Counter", prefix="a")
        ]
        assert listed == ["a", "ab"]
        everything = [e async for e in hub.client.list_entities()]
        assert len(everything) == 5
        assert everything[-1].state == '{"a":1}'
        page, token = await hub.client.list_entities_page(top=2, include_state=False)
        assert [e.state for e in page] == [None, None]
        assert token is not None
        assert [i async for i in hub.client.list_instances()] == []

        early = hub.clock.now() + timedelta(seconds=1)
        await hub.run(60)
        await hub.client.signal_entity(EntityId("counter", "a"), "delete")
        await hub.run(60)
        recent = [e async for e in hub.client.list_entities(last_modified_from=early)]
        assert recent == []
        empty = [
            e.entity_id.key
            async for e in hub.client.list_entities(last_modified_from=early, include_empty=True)
        ]
        assert empty == ["a"]
        assert (await hub.client.clean_entity_storage()).removed == 0
        await hub.run(3700)
        assert (await hub.client.clean_entity_storage()).removed == 1
        assert await rows_of(hub, EntityId("counter", "a")) == []
        await hub.client.signal_entity(EntityId("counter", "a"), "add", 7)
        await hub.run(60)
        assert await state_of(hub, EntityId("counter", "a")) == 7


async def test_an_entity_that_ends_its_process_is_stuck_until_it_is_resumed() -> None:
    hub = MemoryHub()
    mended = False

    @hub.entity
    def deadly(context: EntityContext) -> None:
        if not mended:
            hub.crash()
        context.set_state("alive")

    async with hub:
        await hub.outside.signal_entity(EntityId("deadly", "x"), "go")
        await hub.run(900)
        head = await hub.hub.instances.head("@deadly@x")
        assert head is not None
        assert head.status == Status.STUCK
        assert head.failure is not None
        mended = True
        await hub.run(900)
        assert not (await hub.outside.read_entity_state(EntityId("deadly", "x"))).exists  # type: ignore[union-attr]
        await hub.outside.resume("@deadly@x")
        await hub.run(30)
        entity = await hub.outside.read_entity_state(EntityId("deadly", "x"))
        assert entity is not None
        assert entity.state == '"alive"'


async def test_a_worker_without_the_entity_leaves_it_to_one_that_has_it() -> None:
    hub = MemoryHub()
    counting(hub)
    async with hub:
        await hub.stop(hub.runtimes[0])
        bare = await hub.add_runtime(another_app())
        await hub.outside.signal_entity(ONE, "add", 1)
        await hub.run(30)
        assert [e.exists async for e in hub.outside.list_entities(include_empty=True)] == [False]
        await hub.stop(bare)
        await hub.add_runtime()
        await hub.run(300)
        entity = await hub.outside.read_entity_state(ONE)
        assert entity is not None
        assert entity.state == "1"


async def test_bad_requests_are_refused_before_anything_is_written() -> None:
    hub = MemoryHub()
    counting(hub)
    async with hub:
        for call in (
            lambda: hub.client.signal_entity("@counter@one", "add"),  # type: ignore[arg-type]
            lambda: hub.client.signal_entity(ONE, ""),
            lambda: hub.client.signal_entity(ONE, "add", object()),
            lambda: hub.client.signal_entity(ONE, "add", signal_time="soon"),  # type: ignore[arg-type]
            lambda: hub.client.read_entity_state("x"),  # type: ignore[arg-type]
            lambda: hub.client.list_entities_page(prefix="x"),
            lambda: hub.client.list_entities_page(top=0),
        ):
            with pytest.raises(InvalidRequestError):
                await call()
        with pytest.raises(UnknownFunctionError, match="counter"):
            await hub.client.signal_entity(EntityId("none", "x"), "add")
        for name, key in (("", "k"), ("a@b", "k"), ("n", "a/b"), ("n", "k" * 201), ("n", "'")):
            with pytest.raises(InvalidRequestError):
                EntityId(name, key)
        assert await rows_of(hub, ONE) == []


async def test_a_lost_answer_to_a_signal_is_not_a_second_signal() -> None:
    hub = MemoryHub()
    counting(hub)

    @hub.orchestrator
    async def program(context: Context) -> Any:
        for _ in range(20):
            context.signal_entity(ONE, "add", 1)
            await context.call_entity(TWO, "add", 1)
        return None

    async with hub:
        count = 0

        async def lose(call: str, arguments: tuple[Any, ...]) -> None:
            nonlocal count
            count += 1
            if count % 5 == 0 and call == "transact":
                raise AmbiguousAnswer("lost")

        hub.tamper(hub.runtimes[0], after=lose)
        await hub.client.start_new("program", "p")
        await hub.wait("p")
        await hub.run(60)
        assert await state_of(hub) == 20
        assert await state_of(hub, TWO) == 20


async def test_an_invocation_that_has_to_end_leaves_the_rest_to_another() -> None:
    hub = MemoryHub(RuntimeOptions(local_budget=5.0))
    did: list[float] = []

    @hub.entity
    async def slow(context: EntityContext) -> None:
        did.append(hub.clock.monotonic())
        await hub.clock.sleep(3)
        context.set_state(context.get_state(default=0) + 1)

    async with hub:
        for _ in range(6):
            await hub.client.signal_entity(EntityId("slow", "x"), "go")
        await hub.run(60)
        assert len(did) == 6
        assert await state_of(hub, EntityId("slow", "x")) == 6
