"""`execute_entity`: one operation of an entity, as a unit test runs it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import durable as df
from durable.compat.v2.entities import DurableEntity, EntityContext, EntityInstanceId
from durable.compat.v2.testing import (
    EntitySignalAction,
    OrchestrationStartAction,
    execute_entity,
)
from durable.errors import PayloadError
from tests.compat.running import aliased


@dataclass
class Change:
    by: int


def one_argument(context: df.DurableEntityContext) -> None:
    state = context.get_state(lambda: 0)
    if context.operation_name == "add":
        context.set_state(state + context.get_input(Change).by)
    if context.operation_name == "delete":
        context.destruct_on_exit()
    context.set_result([context.entity_name, context.entity_key, context.get_state()])


def two_arguments(ctx: EntityContext, change: Change) -> Any:
    if ctx.operation == "add":
        ctx.set_state(ctx.get_state(int, 0) + change.by)
    if ctx.operation == "delete":
        ctx.set_state(None)
    return [ctx.entity_id.entity, ctx.entity_id.key, ctx.get_state(int)]


async def native(context: df.EntityContext) -> Any:
    if context.operation_name == "add":
        context.set_state(context.get_state(int, 0) + context.get_input(Change).by)
    if context.operation_name == "delete":
        context.delete_state()
    return [context.entity_name, context.entity_key, context.get_state()]


class Counter(DurableEntity):
    def add(self, change: Change) -> Any:
        self.set_state(self.get_state(int, 0) + change.by)
        return self.get()

    def delete(self, input: Any = None) -> Any:
        super().delete()
        return self.get()

    def get(self) -> Any:
        entity_id = self.entity_context.entity_id
        return [entity_id.entity, entity_id.key, self.get_state(int)]


@pytest.mark.parametrize("entity", [one_argument, two_arguments, native, Counter])
def test_entities_of_each_style(entity: Any) -> None:
    name = entity.__name__.lower()
    added = execute_entity(entity, "add", Change(2), 5)
    assert added.get_result() == [name, "test", 7]
    assert (added.get_state(), added.serialized_state) == (7, "7")
    assert added.actions == ()
    first = execute_entity(entity, "add", {"by": 2}, entity_name="Other", entity_key="k")
    assert first.get_result() == ["other", "k", 2]
    gone = execute_entity(entity, "delete", state=5)
    assert gone.get_result() == [name, "test", None]
    assert (gone.get_state(), gone.serialized_state) == (None, None)


async def test_an_async_entity_on_a_running_loop() -> None:
    assert execute_entity(native, "add", Change(1), 1).get_state(int) == 2


def test_a_decorated_entity_has_the_name_that_it_was_given() -> None:
    app = df.DFApp()
    decorated = app.entity_trigger(context_name="ctx", entity_name="Till")(two_arguments_again)
    assert execute_entity(decorated, "get").get_result() == "till"


def two_arguments_again(ctx: EntityContext, _: Any) -> Any:
    return ctx.entity_id.entity


def test_what_it_asks_to_be_sent() -> None:
    due = datetime(2030, 1, 1, tzinfo=UTC)

    def sender(ctx: EntityContext, _: Any) -> None:
        ctx.signal_entity(EntityInstanceId("Till", "a"), "pay", Change(3), due)
        ctx.signal_entity(EntityInstanceId("Till", "b"), "open")
        ctx.schedule_new_orchestration("flow", input={"a": 1}, instance_id="one")
        ctx.schedule_new_orchestration("flow")

    signal, opened, one, other = execute_entity(sender, "run").actions
    assert signal == EntitySignalAction(EntityInstanceId("till", "a"), "pay", '{"by":3}', due)
    assert signal.get_input(Change) == Change(3)
    assert (opened.get_input(), opened.scheduled_time) == (None, None)  # type: ignore[union-attr]
    assert one == OrchestrationStartAction("flow", "one", '{"a":1}')
    assert one.get_input() == {"a": 1}
    assert isinstance(other, OrchestrationStartAction)
    assert other.instance_id not in ("", "one")


def test_what_goes_wrong_is_raised_as_it_is() -> None:
    def broken(ctx: EntityContext, _: Any) -> Any:
        if ctx.operation == "fail":
            raise LookupError("no such thing")
        return object() if ctx.operation == "result" else ctx.set_state(timedelta)

    with pytest.raises(LookupError, match="no such thing"):
        execute_entity(broken, "fail")
    for operation in ("result", "state"):
        with pytest.raises(PayloadError):
            execute_entity(broken, operation)
    with pytest.raises(AttributeError, match="'missing'"):
        execute_entity(Counter, "missing")
    with pytest.raises(TypeError, match="not int"):
        execute_entity(5, "add")


def test_the_names_are_those_of_the_original() -> None:
    with aliased():
        kit: Any = importlib.import_module("azure.durable_functions.testing")
        assert kit.execute_entity is execute_entity
        assert kit.EntityAction == EntitySignalAction | OrchestrationStartAction
        result = kit.execute_entity(Counter, "add", Change(1))
        assert isinstance(result, kit.EntityTestResult)
        assert kit.orchestrator_generator_wrapper.__name__ == "orchestrator_generator_wrapper"
