"""What two-argument functions get: durabletask's contexts."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

import durable as df
from durable.compat.v2 import task
from durable.compat.v2.context import OrchestrationContext
from durable.testing import TestHub
from tests.compat.running import hub_of, result, run

Code = Generator[Any, Any, Any]


@dataclass
class Order:
    item: str
    count: int


@pytest.fixture
def app() -> df.DFApp:
    app = df.DFApp()

    @app.activity_trigger(input_name="input")
    def double(ctx: task.ActivityContext, order: Order) -> Order:
        assert ctx.orchestration_id
        assert ctx.task_id >= 0
        return Order(order.item, order.count * 2)

    @app.activity_trigger(input_name="why")
    def fail(ctx: Any, why: Any) -> None:
        raise ValueError(why)

    @app.activity_trigger(input_name="value")
    async def echo(ctx: task.ActivityContext, value: str) -> Any:
        return value

    return app


async def test_functions_of_context_and_input(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def order(ctx: OrchestrationContext, input: Order) -> Code:
        doubled = yield ctx.call_activity("double", input=input, return_type=Order)
        plain = yield ctx.call_activity("echo", input=1, tags={"a": "b"})
        return [type(input).__name__, doubled.count, plain]

    assert await run(app, "order", Order("tea", 2)) == ["Order", 4, 1]


async def test_an_input_that_does_not_fit_stays_plain(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def lenient(ctx: OrchestrationContext, input: Order) -> Any:
        return [input]

    async with hub_of(app) as hub:
        for given in ({"strange": 1}, None, 7):
            instance_id = await hub.client.start_new("lenient", client_input=given)
            assert result(await hub.wait(instance_id)) == [given]


async def test_when_all_waits_for_all_and_raises_the_first_failure(app: df.DFApp) -> None:
    seen: list[Any] = []

    @app.orchestration_trigger(context_name="context")
    def fan(ctx: OrchestrationContext, _: Any) -> Code:
        timer = ctx.create_timer(timedelta(hours=1))
        bad = ctx.call_activity("fail", input="so")
        everything = task.when_all([timer, bad, bad])
        winner = yield task.when_any([everything, bad])
        seen.append((winner is bad, everything.is_complete, everything.is_failed))
        seen.append((everything.get_completed_tasks(), everything.pending_tasks))
        try:
            yield everything
        except task.TaskFailedError as error:
            return [timer.is_complete, error.details.error_type, bad.get_exception() is error]

    assert await run(app, "fan") == [True, "ValueError", True]
    assert seen[-2:] == [(True, False, False), (2, 1)]


async def test_a_cancelled_timer_has_ended(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def cancelling(ctx: OrchestrationContext, _: Any) -> Code:
        timer = ctx.create_timer(ctx.current_utc_datetime + timedelta(days=1))
        assert timer.cancel()
        assert not timer.cancel()
        assert timer.is_cancelled
        assert not timer.is_failed
        try:
            yield timer
        except task.TaskCancelledError:
            return ctx.current_utc_datetime.tzinfo

    assert await run(app, "cancelling") is None


async def test_events_versions_and_sub_orchestrations(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def child(ctx: OrchestrationContext, input: Any) -> Code:
        order = yield ctx.wait_for_external_event("order", data_type=Order)
        return [order.item, ctx.version, ctx.parent_instance_id, input]

    @app.orchestration_trigger(context_name="context")
    def parent(ctx: OrchestrationContext, input: Any) -> Code:
        log = ctx.create_replay_safe_logger(logging.getLogger("tests.compat"))
        log.debug("quiet in replay")
        ctx.set_custom_status("waiting")
        inner = ctx.call_sub_orchestrator("child", input=1, instance_id="inner", version="3")
        ctx.send_event("inner", "ORDER", data=Order("tea", 1))
        return [ctx.instance_id, len(ctx.new_uuid()), (yield inner)]

    async with hub_of(app) as hub:
        await hub.client.start_new("parent", "outer")
        assert result(await hub.wait("outer")) == ["outer", 36, ["tea", "3", "outer", 1]]


async def test_retries_by_policy(app: df.DFApp) -> None:
    calls: list[int] = []

    @app.activity_trigger(input_name="input")
    def flaky(ctx: Any, input: int) -> int:
        calls.append(input)
        if len(calls) < 3:
            raise OSError("not yet")
        return input

    @app.orchestration_trigger(context_name="context")
    def patient(ctx: OrchestrationContext, _: Any) -> Code:
        policy = task.RetryPolicy(
            first_retry_interval=timedelta(seconds=1),
            max_number_of_attempts=3,
            backoff_coefficient=2,
        )
        return (yield ctx.call_activity("flaky", input=7, retry_policy=policy))

    assert await run(app, "patient") == 7


@pytest.mark.parametrize(("save_events", "expected"), [(True, "kept"), (False, "fresh")])
async def test_continue_as_new_as_durabletask_has_it(
    app: df.DFApp, save_events: bool, expected: str
) -> None:
    @app.orchestration_trigger(context_name="context")
    def loop(ctx: OrchestrationContext, round: int) -> Code:
        if round == 0:
            yield ctx.wait_for_external_event("go")
            ctx.continue_as_new(1, save_events=save_events, new_version="2")
            return None
        note = yield ctx.wait_for_external_event("note")
        return [note, ctx.version]

    async with hub_of(app) as hub:
        instance_id = await hub.client.start_new("loop", client_input=0)
        await hub.client.raise_event(instance_id, "note", "kept")
        await hub.run(1)
        await hub.client.raise_event(instance_id, "go")
        await hub.run(1)
        if not save_events:
            await hub.client.raise_event(instance_id, "note", "fresh")
        assert result(await hub.wait(instance_id)) == [expected, "2"]


async def test_an_async_function_of_two_arguments(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    async def modern(ctx: OrchestrationContext, input: Order) -> Any:
        doubled = await ctx.call_activity("double", input=input)
        return doubled["count"]

    assert await run(app, "modern", Order("tea", 1)) == 2


def test_a_policy_without_a_coefficient_waits_evenly() -> None:
    policy: Any = task.RetryPolicy
    given = policy(
        first_retry_interval=timedelta(seconds=3),
        max_number_of_attempts=9,
        backoff_coefficient=None,
    )
    now, failure = datetime(2026, 1, 1), df.FailureDetails("m", "T")
    assert given.next_attempt(5, failure, now, now) == timedelta(seconds=3)


async def test_what_is_native_is_there_too(app: df.DFApp) -> None:
    @app.activity_trigger(input_name="number", concurrency=1, key_concurrency=1)
    def add_one(number: int) -> int:
        return number + 1

    @app.orchestration_trigger(context_name="context")
    def native(ctx: OrchestrationContext, input: Any) -> Code:
        seen: list[int] = []
        ctx.set_query_handler("seen", lambda: seen)
        ctx.on_query("count")(lambda: len(seen))
        ctx.set_update_handler("clear", seen.clear)

        @ctx.on_update("see")
        def see(number: int) -> int:
            seen.append(number)
            return len(seen)

        asked = yield ctx.wait_for_update("ask", data_type=int, timeout=timedelta(days=1))
        one = yield ctx.call_activity(add_one, input=asked.data, key="a", timeout=timedelta(days=1))
        more = yield ctx.map("add_one", [one, 5], limit=1, key_of=str)
        asked.answer(more)
        yield ctx.wait_for_external_event("end")
        return seen

    async with TestHub(app) as hub:
        instance_id = await hub.start("native")
        assert await hub.update(instance_id, "see", 7) == 1
        assert await hub.query(instance_id, "seen") == [7]
        assert await hub.query(instance_id, "count") == 1
        with pytest.raises(df.UpdateRejectedError, match="expected int"):
            await hub.update(instance_id, "ask", "one")
        assert await hub.update(instance_id, "ask", 1) == [3, 6]
        assert await hub.update(instance_id, "clear") is None
        await hub.raise_event(instance_id, "end")
        assert await hub.result(instance_id) == []
