"""What one-argument generators get: 1.x's context."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

import durable as df
from durable.compat.v1.context import DurableOrchestrationContext
from durable.compat.v1.tasks import AtomicTask, TaskBase, TaskState, TimerTask
from tests.compat.running import hub_of, outcome, result, run

Code = Generator[Any, Any, Any]


@dataclass
class Order:
    item: str
    count: int


@pytest.fixture
def app() -> df.DFApp:
    app = df.DFApp()

    @app.activity_trigger(input_name="city")
    def greet(city: str) -> str:
        return f"Hello {city}"

    @app.activity_trigger(input_name="why")
    def fail(why: str) -> None:
        raise ValueError(why)

    @app.activity_trigger(input_name="order")
    def double(order: Order) -> Order:
        return Order(order.item, order.count * 2)

    return app


async def test_chaining_by_name_and_by_reference(app: df.DFApp) -> None:
    reference = app.activity_trigger("value", "plus")(plus_one)

    @app.orchestration_trigger(context_name="context")
    def chain(context: DurableOrchestrationContext) -> Code:
        hello = yield context.call_activity("greet", "Tokyo")
        two = yield context.call_activity(reference, input_=1)
        order = yield context.call_activity("double", Order("tea", 2), Order)
        return [hello, two, order.count]

    assert await run(app, "chain") == ["Hello Tokyo", 2, 4]


def plus_one(value: int) -> int:
    return value + 1


async def test_the_context_is_whatever_the_author_calls_it(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context", input_type=Order)
    def named(ctx: Any) -> Code:
        order, plain = ctx.get_input(), ctx.get_input(expected_type=dict)
        yield ctx.call_activity("greet", order.item)
        return [type(ctx) is DurableOrchestrationContext, order.item, plain["count"]]

    assert await run(app, "named", Order("tea", 3)) == [True, "tea", 3]


async def test_a_plain_function_is_an_orchestrator_without_steps(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def short(context: Any) -> Any:
        return context.get_input() + 1

    assert await run(app, "short", 1) == 2


async def test_task_all_fails_at_the_first_failure_and_task_any_gives_the_task(
    app: df.DFApp,
) -> None:
    seen: list[Any] = []

    @app.orchestration_trigger(context_name="context")
    def fan(context: Any) -> Code:
        never = context.wait_for_external_event("never")
        assert (yield context.task_all([])) == []
        both = yield context.task_all([context.call_activity("greet", c) for c in "ab"])
        bad = context.call_activity("fail", "so")
        seen.append((bad.state, bad.result, never.is_completed))
        first = yield context.task_any([never, bad])
        seen.append((first is bad, first.state, type(first.result).__name__))
        try:
            yield context.task_all([never, bad])
        except Exception as error:
            return [both, "ValueError: so" in str(error)]

    assert await run(app, "fan") == [["Hello a", "Hello b"], True]
    assert seen[0] == (TaskState.RUNNING, None, False)
    assert seen[-1] == (True, TaskState.FAILED, "ActivityFailedError")


async def test_retries_by_milliseconds(app: df.DFApp) -> None:
    calls: list[int] = []

    @app.activity_trigger(input_name="value")
    def flaky(value: int) -> int:
        calls.append(value)
        if len(calls) < 3:
            raise OSError("not yet")
        return value

    @app.orchestration_trigger(context_name="context")
    def child(context: Any) -> Code:
        options = df.RetryOptions(5_000, 3)
        got = yield context.call_activity_with_retry("flaky", options, 7)
        return got

    @app.orchestration_trigger(context_name="context")
    def parent(context: Any) -> Code:
        options = df.RetryOptions(first_retry_interval_in_milliseconds=1, max_number_of_attempts=2)
        began = context.current_utc_datetime
        got = yield context.call_sub_orchestrator_with_retry(
            "child", options, None, instance_id="the child"
        )
        return [got, (context.current_utc_datetime - began) >= timedelta(seconds=10)]

    assert await run(app, "parent") == [7, True]
    assert len(calls) == 3
    assert df.RetryOptions(5_000, 3).to_json() == {
        "firstRetryIntervalInMilliseconds": 5000,
        "maxNumberOfAttempts": 3,
    }
    with pytest.raises(ValueError, match="greater than 0"):
        df.RetryOptions(0, 1)


async def test_timers_are_tasks_that_can_be_cancelled(app: df.DFApp) -> None:
    states: list[Any] = []

    @app.orchestration_trigger(context_name="context")
    def timing(context: Any) -> Code:
        began: datetime = context.current_utc_datetime
        slow = context.create_timer(began + timedelta(days=30))
        quick = context.create_timer(began + timedelta(hours=1))
        assert isinstance(quick, TimerTask)
        assert isinstance(quick, TaskBase)
        winner = yield context.task_any([slow, quick])
        slow.cancel()
        with pytest.raises(ValueError, match="completed task"):
            quick.cancel()
        states.append((winner is quick, slow.is_cancelled, quick.is_cancelled))
        return (context.current_utc_datetime - began).total_seconds() >= 3600

    assert await run(app, "timing") is True
    assert states[-1] == (True, True, False)


async def test_events_sub_orchestrations_and_status(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def inner(context: Any) -> Code:
        approved = yield context.wait_for_external_event("Approval", Order)
        return [approved.item, context.parent_instance_id, context.version]

    @app.orchestration_trigger(context_name="context")
    def outer(context: Any) -> Code:
        context.set_custom_status({"at": 1})
        got = yield context.call_sub_orchestrator("inner", None, "inside", "2.0")
        return [got, context.custom_status]

    async with hub_of(app) as hub:
        outside = await hub.client.start_new("outer", "outside")
        await hub.run(5)
        await hub.client.raise_event("inside", "approval", Order("tea", 1))
        assert result(await hub.wait(outside)) == [["tea", "outside", "2.0"], {"at": 1}]


async def test_continue_as_new_keeps_what_came_meanwhile(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def loop(context: Any) -> Code:
        count = context.get_input()
        if count == 3:
            return count
        yield context.call_activity("greet", str(count))
        context.continue_as_new(count + 1)
        return context.will_continue_as_new

    assert await run(app, "loop", 0) == 3


async def test_what_is_the_engines_says_so(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def curious(context: Any) -> Code:
        yield context.call_activity("greet", "x")
        assert vars(context.function_context) == {}
        assert context.new_uuid() != str(context.new_guid())
        return context.histories

    assert "show_history=True" in await run(app, "curious")


async def test_native_names_are_there_too(app: df.DFApp, caplog: pytest.LogCaptureFixture) -> None:
    @app.orchestration_trigger(context_name="context")
    def native(context: df.DurableOrchestrationContext) -> Code:
        log = context.create_replay_safe_logger(logging.getLogger("tests.compat"))
        policy = df.RetryPolicy(first_retry_interval=timedelta(0), max_number_of_attempts=2)
        first = context.call_activity("greet", "a", retry=policy)
        assert isinstance(first, AtomicTask)
        try:
            yield context.when_all([context.call_activity("fail", "so"), first])
        except df.TaskFailedError as error:
            log.warning("failed once")
            return [error.details.error_type, first.is_completed]

    with caplog.at_level(logging.WARNING):
        assert await run(app, "native") == ["ValueError", True]
    assert caplog.text.count("failed once") == 1


async def test_an_async_orchestrator_is_native(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    async def modern(context: df.DurableOrchestrationContext) -> list[Any]:
        task = context.call_activity("fail", "so")
        await context.when_any([task])
        with pytest.raises(df.ActivityFailedError):
            assert task.result
        return [type(context).__module__]

    assert await run(app, "modern") == ["durable.engine.context"]


async def test_two_of_one_name_take_their_events_in_turn(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def waiter(context: Any) -> Code:
        one, two = (context.wait_for_external_event("e") for _ in range(2))
        return (yield context.task_all([two, one]))

    async with hub_of(app) as hub:
        instance_id = await hub.client.start_new("waiter")
        for data in ("first", "second"):
            await hub.client.raise_event(instance_id, "E", data)
            await hub.run(1)
        assert result(await hub.wait(instance_id)) == ["second", "first"]


async def test_bad_arguments_fail_the_instance_with_a_clear_error(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def wrong(context: Any) -> Code:
        yield context.task_all([1])

    @app.orchestration_trigger(context_name="context")
    def raw(context: Any) -> Code:
        yield context.call_http("POST", "https://example.com", {"a": 1}, is_raw_str=True)

    async with hub_of(app) as hub:
        assert "expected durable tasks, got int" in await outcome(hub, "wrong")
        assert "content has to be a str" in await outcome(hub, "raw")


class Amount:
    """As 1.x's users write what its payloads carry."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    @staticmethod
    def to_json(amount: Amount) -> str:
        return str(amount.cents)

    @staticmethod
    def from_json(text: str) -> Amount:
        return Amount(int(text))


def amounts(returns: type) -> df.DFApp:
    app = df.DFApp()

    def twice_the_amount(amount: Amount) -> Amount:
        return Amount(amount.cents * 2)

    twice_the_amount.__annotations__["return"] = returns
    app.activity_trigger(input_name="amount")(twice_the_amount)

    @app.orchestration_trigger(context_name="context")
    def pay_amount(context: Any) -> Generator[Any, Any, Amount]:
        paid = yield context.call_activity("twice_the_amount", Amount(3))
        return paid if isinstance(paid, Amount) else Amount(-1)

    @app.orchestration_trigger(context_name="context")
    def ask_amount(context: Any) -> Code:
        paid = yield context.call_sub_orchestrator("pay_amount")
        return [type(paid).__name__, paid.cents]

    return app


async def test_objects_of_users_come_back_from_functions_that_are_called_by_name() -> None:
    assert await run(amounts(Amount), "ask_amount") == ["Amount", 6]
    # two functions of that name, of which one returns something else: nobody guesses
    ours, other = amounts(Amount), amounts(Order)
    assert await run(ours, "pay_amount") == "-1"
    assert other.durable.registry.activities["twice_the_amount"]
