"""Entities of 1.x and 2.x."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

import durable as df
from durable.compat.client import DurableFunctionsClient
from durable.compat.v2.entities import DurableEntity, EntityContext, EntityInstanceId
from durable.errors import DefinitionError
from durable.model import entities
from tests.compat.running import hub_of, outcome, run

Code = Generator[Any, Any, Any]


@dataclass
class Change:
    by: int


def one_argument(app: df.DFApp) -> None:
    @app.entity_trigger(context_name="context")
    def Counter(context: df.DurableEntityContext) -> None:
        state = context.get_state(lambda: 0)
        match context.operation_name:
            case "add":
                context.set_state(state + context.get_input(Change).by)
                context.set_result(context.get_state())
            case "get":
                context.set_result([state, context.entity_name, context.entity_key])
            case "delete":
                context.destruct_on_exit()
            case "fail":
                context.set_state(-1)
                raise ValueError("no such thing")


def two_arguments(app: df.DFApp) -> None:
    @app.entity_trigger(context_name="context")
    def counter(ctx: EntityContext, change: Change) -> Any:
        state = ctx.get_state(int, 0)
        match ctx.operation:
            case "add":
                ctx.set_state(state + change.by)
                return ctx.get_state()
            case "get":
                return [state, ctx.entity_id.entity, ctx.entity_id.key]
            case "delete":
                return ctx.set_state(None)
        ctx.set_state(-1)
        raise ValueError("no such thing")


def as_a_class(app: df.DFApp) -> None:
    @app.entity_trigger(context_name="context", entity_name="Counter")
    class Whatever(DurableEntity):
        def add(self, change: Change) -> int:
            self.set_state(self.get_state(int, 0) + change.by)
            return int(self.get_state())

        def get(self) -> Any:
            entity_id = self.entity_context.entity_id
            return [self.get_state(int, 0), entity_id.entity, entity_id.key]

        def fail(self, _: Any = None) -> None:
            self.set_state(-1)
            raise ValueError("no such thing")


def asynchronous(app: df.DFApp) -> None:
    @app.entity_trigger(context_name="context")
    async def counter(ctx: EntityContext, change: Change) -> Any:
        state = ctx.get_state(int, 0)
        if ctx.operation == "get":
            return [state, ctx.entity_id.entity, ctx.entity_id.key]
        if ctx.operation == "delete":
            return ctx.set_state(None)
        ctx.set_state(state + change.by if ctx.operation == "add" else -1)
        if ctx.operation != "add":
            raise ValueError("no such thing")
        return ctx.get_state()


@pytest.mark.parametrize("declare", [one_argument, two_arguments, as_a_class, asynchronous])
async def test_an_entity_of_each_style(declare: Any) -> None:
    app = df.DFApp()
    declare(app)

    @app.orchestration_trigger(context_name="context")
    def use(context: Any) -> Code:
        counter = df.EntityId("Counter", "one")
        context.signal_entity(counter, "add", Change(1))
        added = yield context.call_entity(counter, "add", Change(2))
        try:
            yield context.call_entity(counter, operationName="fail", operationInput=None)
        except df.TaskFailedError as error:
            failure = str(error)
        rolled_back = yield context.call_entity(counter, "get")
        yield context.call_entity(counter, "delete")
        gone = yield context.call_entity(counter, "get")
        return [added, "no such thing" in failure, rolled_back, gone]

    assert await run(app, "use") == [
        3,
        True,
        [3, "counter", "one"],
        [0, "counter", "one"],
    ]


@pytest.mark.parametrize("operation", ["missing", "_initialize_entity_context", "get_state"])
async def test_only_operations_of_the_class_can_be_called(operation: str) -> None:
    app = df.DFApp()
    as_a_class(app)

    @app.orchestration_trigger(context_name="context")
    def use(ctx: Any, _: Any) -> Code:
        yield ctx.call_entity(EntityInstanceId("counter", "one"), operation)

    assert f"has no operation '{operation}'" in await run(app, "use")


async def test_locks_signals_later_and_new_orchestrations() -> None:
    app = df.DFApp()
    as_a_class(app)
    a, b = EntityInstanceId("Counter", "a"), EntityInstanceId("Counter", "b")

    @app.entity_trigger(context_name="context")
    class Teller(DurableEntity):
        def tell(self, seconds: float) -> str:
            later = self.entity_context.native_context.current_utc_datetime
            self.signal_entity(a, "add", Change(10), later + timedelta(seconds=seconds))
            return self.schedule_new_orchestration("noted", 5, "a note")

    @app.orchestration_trigger(context_name="context")
    def noted(ctx: Any, value: int) -> int:
        return value

    @app.orchestration_trigger(context_name="context")
    def transfer(ctx: Any, amount: int) -> Code:
        with (yield ctx.lock_entities([b, a])):
            yield ctx.call_entity(a, "add", Change(-amount))
            yield ctx.call_entity(b, "add", Change(amount))
        name = yield ctx.call_entity(EntityInstanceId("teller", "t"), "tell", 60)
        return [name, (yield ctx.call_entity(a, "get"))[0]]

    async with hub_of(app) as hub:
        assert await outcome(hub, "transfer", 4) == ["a note", -4]
        assert (await hub.wait("a note")).output == "5"
        await hub.run(90)
        client = DurableFunctionsClient(hub.client)
        state = await client.read_entity_state(a)
        assert (state.entity_exists, state.entity_state) == (True, 6)


async def test_clients_signal_and_read() -> None:
    app = df.DFApp()
    one_argument(app)
    entity = df.EntityId("Counter", "one")
    async with hub_of(app) as hub:
        client = DurableFunctionsClient(hub.client)
        assert not (await client.read_entity_state(entityId=entity)).entity_exists
        assert await client.get_entity(entity) is None
        await client.signal_entity(entity, "add", {"by": 2}, task_hub_name="test")
        await client.signal_entity(entityId=entity, operation_name="add", operation_input={"by": 3})
        await hub.run(5)
        assert (await client.read_entity_state(entity)).entity_state == 5
        found = await client.get_entity(entity)
        assert found is not None
        assert (str(found.id), found.get_state(), found.get_typed_state(int)) == (
            "@counter@one",
            "5",
            5,
        )
        assert found.get_locked_by() is None
        everything = await client.get_all_entities()
        assert [each.id for each in everything] == [entity]
        prefixed = df.EntityQuery(instance_id_starts_with="@counter@on")
        assert len(await client.get_all_entities(prefixed)) == 1
        other = df.EntityQuery(instance_id_starts_with="@counter@two")
        assert await client.get_all_entities(other) == []
        cleaned = await client.clean_entity_storage()
        assert (cleaned.empty_entities_removed, cleaned.orphaned_locks_released) == (0, 0)
        with pytest.raises(ValueError, match="task_hub_name"):
            await client.signal_entity(entity, "add", task_hub_name="another")
        with pytest.raises(TypeError, match="entity_instance_id"):
            await client.signal_entity()


def test_ids_of_all_styles_are_one() -> None:
    native = entities.EntityId("Counter", "one")
    first, second = df.EntityId("Counter", "one"), EntityInstanceId(entity="COUNTER", key="one")
    assert native == first == second == native
    assert len({native, first, second}) == 1
    assert str(first) == df.EntityId.get_scheduler_id(second) == "@counter@one"
    assert df.EntityId.get_entity_id("@counter@one") == first
    assert EntityInstanceId.parse("@Counter@one").entity == first.name == "counter"
    assert df.EntityId.get_entity_id_url_path(first) == "entities/counter/one"
    assert first < EntityInstanceId("counter", "two")
    for name, key in (("", "k"), ("n", ""), ("a@b", "k")):
        with pytest.raises(ValueError, match=r"name|key"):
            df.EntityId(name, key)


def test_an_entity_class_has_a_base() -> None:
    class Plain:
        pass

    with pytest.raises(DefinitionError, match="DurableEntity"):
        df.DFApp().entity_trigger(context_name="context")(Plain)
