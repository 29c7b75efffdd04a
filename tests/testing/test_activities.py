"""Activities replaced by name, and the calls there were."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

import durable as df
from durable.errors import DefinitionError, UnknownFunctionError
from durable.testing import OrchestrationFailedError, TestHub
from tests.testing.app import Order, Receipt, app, buy, charge

TEA = {"item": "tea", "cents": 300}


async def test_calls_are_recorded_whether_replaced_or_not() -> None:
    async with TestHub(app, activities={"ship": "lost"}) as hub:
        instance_id = await hub.start(buy, TEA)
        await hub.result(instance_id)
        first, second = hub.calls()
        assert (first.activity, first.input, first.attempt) == ("charge", TEA, 1)
        assert (second.activity, second.input, second.instance_id) == ("ship", "tea", instance_id)
        assert second.time - first.time == timedelta(days=3)
        assert hub.calls(charge) == hub.calls("charge") == [first]


async def test_a_function_is_given_what_the_activity_would_be() -> None:
    given: list[Any] = []

    def free(order: dict[str, Any]) -> Receipt:
        given.append(order)
        return Receipt("free", 0)

    async with TestHub(app, activities={"charge": free}) as hub:
        assert await hub.run("buy", TEA) == {"number": "free", "cents": 0}
    assert given == [TEA]
    async with TestHub(app, activities={"charge": lambda order: given.append(order)}) as hub:
        await hub.start("buy", TEA)
    assert given[1:] == [Order("tea", 300)]


@pytest.mark.parametrize("mock", [Mock, AsyncMock])
async def test_mocks(mock: Any) -> None:
    charged = mock(return_value={"number": "m", "cents": 1})
    async with TestHub(app) as hub:
        hub.replace(charge, charged)
        assert (await hub.run("buy", TEA))["number"] == "m"
    charged.assert_called_once_with(Order("tea", 300))


async def test_an_exception_is_raised_each_time() -> None:
    async with TestHub(app, activities={"charge": TimeoutError}) as hub:
        with pytest.raises(OrchestrationFailedError, match="TimeoutError"):
            await hub.run("buy", TEA)
        assert [call.attempt for call in hub.calls("charge")] == [1, 2, 3]


async def test_unknown_names_are_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownFunctionError, match=r"no activity is named 'charg'.*charge, rest"):
        TestHub(app, activities={"charg": None})
    async with TestHub(app) as hub:
        with pytest.raises(UnknownFunctionError, match="no activity is named 'pay'"):
            hub.replace("pay", None)
        with pytest.raises(UnknownFunctionError, match="no activity is named 'pay'"):
            hub.calls("pay")
        with pytest.raises(UnknownFunctionError, match="no orchestrator is named 'bye'"):
            await hub.start("bye")


async def test_a_function_without_an_input_is_refused() -> None:
    def nothing() -> None: ...

    with pytest.raises(DefinitionError, match="takes one argument, its input; 'nothing' does not"):
        TestHub(app, activities={"charge": nothing})


async def test_an_app_is_as_it_was_after_a_hub() -> None:
    async with TestHub(app, activities={"charge": {"number": "x", "cents": 0}}) as hub:
        assert (await hub.run("buy", TEA))["number"] == "x"
    async with TestHub(app) as hub:
        assert (await hub.run("buy", TEA))["number"] == "r-tea"


async def test_activities_are_known_by_their_idempotency_key() -> None:
    keys: list[str] = []

    def shipped(item: str) -> str:
        keys.append(df.activity_context().idempotency_key)
        if len(keys) == 1:
            hub.crash()
        return item

    async with TestHub(app, activities={"ship": shipped}) as hub:
        await hub.run("buy", TEA)
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_durable_http_is_an_activity() -> None:
    calling = df.DFApp()

    @calling.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        answer = await context.call_http("GET", "https://example.com/job")
        return [answer.status_code, answer.content]

    looks: list[str] = []

    def respond(request: df.DurableHttpRequest) -> df.DurableHttpResponse:
        looks.append(request.uri)
        if len(looks) < 3:
            return df.DurableHttpResponse(202, {"Location": "/job/1"}, "")
        return df.DurableHttpResponse(200, {}, "done")

    async with TestHub(calling) as hub:
        with pytest.raises(OrchestrationFailedError, match="replace the activity 'durable_http'"):
            await hub.run(ask)
        hub.replace("durable_http", respond)
        assert await hub.run(ask) == [200, "done"]
    assert looks == ["https://example.com/job", *["https://example.com/job/1"] * 2]


class Panic(BaseException):
    """As native code raises one."""


def panics(_: Any) -> None:
    raise Panic("overrun")


def exits(_: Any) -> None:
    raise SystemExit(2)


@pytest.mark.parametrize(("raises", "said"), [(panics, "Panic: overrun"), (exits, "SystemExit: 2")])
async def test_what_is_no_exception_fails_what_raised_it_and_nothing_else(
    raises: Any, said: str
) -> None:
    bp = df.Blueprint()

    @bp.activity_trigger(input_name="value")
    def sync(value: Any) -> None:
        raises(value)

    @bp.activity_trigger(input_name="value")
    async def on_the_loop(value: Any) -> None:
        raises(value)

    @bp.activity_trigger(input_name="value")
    def sync_to_async(value: Any) -> Any:
        return on_the_loop(value)

    @bp.entity_trigger(context_name="context")
    def entity(context: Any) -> None:
        raises(None)

    @bp.entity_trigger(context_name="context")
    async def async_entity(context: df.EntityContext) -> None:
        raises(None)

    @bp.orchestration_trigger(context_name="context")
    async def calls(context: df.DurableOrchestrationContext) -> None:
        await context.call_activity(context.get_input(str))

    @bp.orchestration_trigger(context_name="context")
    async def asks(context: df.DurableOrchestrationContext) -> None:
        await context.call_entity(df.EntityId(context.get_input(str), "k"), "get")

    @bp.orchestration_trigger(context_name="context")
    async def answers(context: df.DurableOrchestrationContext) -> None:
        context.set_query_handler("q", lambda: raises(None))
        context.set_update_handler("u", lambda: raises(None))
        await context.wait_for_external_event("end")

    async with TestHub(bp, patience=5) as hub:
        for name in ("sync", "on_the_loop", "sync_to_async"):
            with pytest.raises(OrchestrationFailedError, match=said):
                await hub.run(calls, name)
        assert len(hub.calls()) == 3
        for name in ("entity", "async_entity"):
            with pytest.raises(OrchestrationFailedError, match=said):
                await hub.run(asks, name)
        instance_id = await hub.start(answers)
        with pytest.raises(df.QueryFailedError, match=said):
            await hub.query(instance_id, "q")
        with pytest.raises(df.UpdateRejectedError, match=said):
            await hub.update(instance_id, "u")


async def test_a_test_that_fails_in_an_activity_fails_it_once() -> None:
    async with TestHub(app, activities={"ship": lambda item: pytest.fail("not to be")}) as hub:
        with pytest.raises(OrchestrationFailedError, match="not to be"):
            await hub.run("buy", {"item": "tea", "cents": 1})
        assert len(hub.calls("ship")) == 1


async def test_a_sync_function_that_raises_stop_iteration_fails_and_does_not_hang() -> None:
    bp = df.Blueprint()

    def finds_none(value: Any) -> Any:
        return next(iter([value][:0]))

    @bp.activity_trigger(input_name="value")
    def find(value: Any) -> Any:
        return finds_none(value)

    @bp.entity_trigger(context_name="context")
    def entity(context: Any) -> None:
        finds_none(None)

    @bp.orchestration_trigger(context_name="context")
    async def calls(context: df.DurableOrchestrationContext) -> None:
        await context.call_activity(find, 1)

    @bp.orchestration_trigger(context_name="context")
    async def asks(context: df.DurableOrchestrationContext) -> None:
        await context.call_entity(df.EntityId("entity", "k"), "get")

    async with TestHub(bp, patience=5) as hub:
        for name in (calls, asks):
            with pytest.raises(OrchestrationFailedError, match="raised StopIteration") as failed:
                await hub.run(name)
            assert failed.value.failure is not None
            assert "finds_none" in str(failed.value.failure.to_dict())
            assert "in called" not in str(failed.value.failure.stack_trace)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit])
async def test_what_would_end_the_loop_fails_the_call_alone(kind: type[BaseException]) -> None:
    bp = df.Blueprint()

    @bp.activity_trigger(input_name="value")
    def raises(value: Any) -> Any:
        raise kind

    @bp.orchestration_trigger(context_name="context")
    async def calls(context: df.DurableOrchestrationContext) -> None:
        await context.call_activity(raises, 1)

    async with TestHub(bp, patience=5) as hub:
        with pytest.raises(OrchestrationFailedError, match=f"raised {kind.__name__}"):
            await hub.run(calls)
