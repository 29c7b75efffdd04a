"""What functions of Durable Functions apps say of their inputs and results: hints, no checks."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import pytest

import durable as df
from durable.compat import apps
from durable.compat.client import DurableFunctionsClient
from tests.compat.running import hub_of, outcome, result

Code = Generator[Any, Any, Any]


@dataclass
class Order:
    item: str
    count: int


@pytest.fixture
def app() -> apps.DFApp:
    """With activities whose annotations are not what they are given, and not what they return."""
    blueprint = apps.Blueprint()

    @blueprint.activity_trigger(input_name="text")
    def describe(text: str) -> str:
        return {"given": text}  # type: ignore[return-value]

    @blueprint.activity_trigger(input_name="order")
    def fetch(order: Order) -> Order:
        return order if isinstance(order, Order) else {"missing": order}

    @blueprint.orchestration_trigger(context_name="context")
    def one_argument(context: Any) -> Code:
        plain = yield context.call_activity(describe, context.get_input())
        named = yield context.call_activity("fetch", {"item": "tea", "count": 2}, Order)
        unfit = yield context.call_activity("fetch", 5, expected_type=Order)
        event = yield context.wait_for_external_event("order", Order)
        inner = yield context.call_sub_orchestrator(child, "x", expected_type=Order)
        return [plain, named.count, unfit, event, inner]

    @blueprint.orchestration_trigger(context_name="context")
    def two_arguments(ctx: Any, given: str) -> Code:
        plain = yield ctx.call_activity(describe, input=given)
        named = yield ctx.call_activity("fetch", input=Order("tea", 2), return_type=Order)
        unfit = yield ctx.call_activity(fetch, input=5)
        event = yield ctx.wait_for_external_event("order", data_type=Order)
        inner = yield ctx.call_sub_orchestrator("child", input="x", return_type=Order)
        return [plain, named.count, unfit, event, inner]

    @blueprint.orchestration_trigger(context_name="context")
    def child(context: Any) -> list[int]:
        return context.get_input()  # type: ignore[no-any-return]

    app = apps.DFApp()
    app.register_functions(blueprint)
    return app


@pytest.mark.parametrize("name", ["one_argument", "two_arguments"])
@pytest.mark.parametrize("given", [7, None, ["a"]])
async def test_what_does_not_fit_stays_as_it_is(app: apps.DFApp, name: str, given: Any) -> None:
    async with hub_of(app) as hub:
        await hub.client.start_new(name, "one", given)
        await hub.client.raise_event("one", "order", [1, 2])
        expected = [{"given": given}, 2, {"missing": 5}, [1, 2], "x"]
        assert result(await hub.wait("one")) == expected


@pytest.mark.parametrize("given", [{"item": "tea", "count": 2}, 5, None])
async def test_the_input_of_an_orchestrator_and_of_an_entity(app: apps.DFApp, given: Any) -> None:
    @app.orchestration_trigger(context_name="context", input_type=Order)
    def typed(context: Any) -> Code:
        entity = df.EntityId("typed_shelf", "one")
        kind = yield context.call_entity(entity, "put", given)
        again = yield context.call_entity(entity, "get")
        return [type(context.get_input()).__name__, kind, again]

    @app.entity_trigger(context_name="context")
    def typed_shelf(context: Any) -> None:
        if context.operation_name == "put":
            context.set_state(given)
            context.set_result(type(context.get_input(Order)).__name__)
        else:
            context.set_result(type(context.get_state(expected_type=Order)).__name__)

    async with hub_of(app) as hub:
        expected = "Order" if isinstance(given, dict) else type(given).__name__
        assert await outcome(hub, "typed", given) == [expected] * 3


async def test_a_type_that_durabletask_is_asked_for_is_called(app: apps.DFApp) -> None:
    @app.activity_trigger(input_name="value")
    def echo(ctx: Any, value: Any) -> Any:
        return value

    @app.entity_trigger(context_name="context")
    def shelf(ctx: Any, given: Any) -> Any:
        if ctx.operation == "set":
            ctx.set_state(given)
            return None
        return [ctx.get_state(str), ctx.get_state(float, 0.0)]

    @app.orchestration_trigger(context_name="context")
    def asking(ctx: Any, shelf: str) -> Code:
        entity = df.EntityInstanceId("shelf", shelf)
        number = yield ctx.call_activity("echo", input="5", return_type=int)
        text = yield ctx.call_activity("echo", input=5, return_type=str)
        unfit = yield ctx.call_activity("echo", input="five", return_type=int)
        event = yield ctx.wait_for_external_event("go", data_type=int)
        yield ctx.call_entity(entity, "set", 7 if shelf == "good" else "seven")
        return [number, text, unfit, event, (yield ctx.call_entity(entity, "get"))]

    async with hub_of(app) as hub:
        client = DurableFunctionsClient(hub.client)
        for name in ("good", "bad"):
            await client.schedule_new_orchestration("asking", input=name, instance_id=name)
            await client.raise_orchestration_event(name, "go", data="8")
        assert result(await hub.wait("good")) == [5, "5", "five", 8, ["7", 7.0]]
        assert "TypeError: the state is no float: 'seven'" in result(await hub.wait("bad"))
        state = await client.get_orchestration_state("good")
        assert state is not None
        assert state.get_input(Order) == "good"
        assert state.get_output(tuple) == (5, "5", "five", 8, ["7", 7.0])


async def test_a_native_app_means_what_it_says() -> None:
    app = df.DFApp()

    @app.activity_trigger(input_name="text")
    def describe(text: str) -> str:
        return text

    @app.orchestration_trigger(context_name="context")
    async def strict(context: df.DurableOrchestrationContext) -> str:
        return await context.call_activity("describe", 7)  # type: ignore[no-any-return]

    async with hub_of(app) as hub:
        assert "expected str, got the number 7" in await outcome(hub, "strict")
