"""The programs whose histories are golden, in the native style.

Append-only like the histories: a program that a history names stays as it is, and what is to
be shown otherwise becomes a program of another name.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import durable as df
from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.model.entities import EntityId
from durable.model.functions import ActivityDefinition, Registry
from durable.model.http import (
    HTTP_ACTIVITY,
    DurableHttpRequest,
    DurableHttpResponse,
    HttpAnswer,
)
from durable.model.retry import RetryPolicy
from tests.golden.programs_of_faces import one_x, two_x
from tests.golden.programs_of_flow import flow
from tests.golden.programs_of_limits import limits
from tests.golden.world import World


def registry_of(world: World) -> Registry:
    """All programs."""
    app = df.DFApp()
    _activities(app, world)
    _chains(app)
    _waits(app)
    _families(app)
    _entities(app)
    one_x(app)
    two_x(app)
    limits(app, world)
    flow(app, world)
    registry = Registry()
    registry.update(app.durable.registry)
    registry.add(ActivityDefinition(HTTP_ACTIVITY, _answer, "request"))
    registry.add(ActivityDefinition("by_queue", _add_two, "value", queued=True))
    return registry


async def _add_two(value: int) -> int:
    return value + 2


async def _answer(request: DurableHttpRequest) -> HttpAnswer:
    """Stands for the activity of durable HTTP: a job that is asked for twice until it is done."""
    job, _, step = request.uri.rpartition("/")
    if step == "done":
        return HttpAnswer(DurableHttpResponse(200, {}, "done"), request.uri, 30)
    following = {"start": "1", "1": "done"}[step]
    headers = {"location": f"{job}/{following}", "retry-after": "20"}
    return HttpAnswer(DurableHttpResponse(202, headers, ""), request.uri, 30)


def _activities(app: df.DFApp, world: World) -> None:
    @app.activity_trigger(input_name="value")
    async def add_one(value: int) -> int:
        return value + 1

    @app.activity_trigger(input_name="value")
    async def slow(value: int) -> int:
        await world.sleep(5)
        return value * 10

    @app.activity_trigger(input_name="value")
    async def very_slow(value: int) -> int:
        await world.sleep(70)
        return value * 100

    @app.activity_trigger(input_name="value")
    async def broken(value: str) -> str:
        if not world.is_mended:
            raise ValueError(f"{value} is broken")
        return value.upper()

    @app.activity_trigger(input_name="text")
    async def measure(text: str) -> int:
        return len(text)

    @app.activity_trigger(input_name="size")
    async def long_text(size: int) -> str:
        return "0123456789" * (size // 10)


def _chains(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    async def chain(context: Context) -> Any:
        value = await context.call_activity("add_one", context.get_input(int))
        value = await context.call_activity("slow", value)
        return await context.call_activity("add_one", value)

    @app.orchestration_trigger(context_name="context")
    async def fan(context: Context) -> Any:
        numbers = range(context.get_input(int))
        values = await context.when_all([context.call_activity("slow", n) for n in numbers])
        context.set_custom_status({"sum": sum(values)})
        more = await context.when_all([context.call_activity("add_one", v) for v in values])
        return sum(more)

    @app.orchestration_trigger(context_name="context")
    async def queued(context: Context) -> Any:
        numbers = range(context.get_input(int))
        values = await context.when_all([context.call_activity("by_queue", n) for n in numbers])
        return [values, await context.call_activity("very_slow", sum(values))]

    @app.orchestration_trigger(context_name="context")
    async def retried(context: Context) -> Any:
        policy = RetryPolicy(
            first_retry_interval=timedelta(seconds=10),
            max_number_of_attempts=4,
            backoff_coefficient=3,
        )
        return await context.call_activity("broken", "the step", retry=policy)

    @app.orchestration_trigger(context_name="context")
    async def careful(context: Context) -> Any:
        try:
            await context.call_activity("broken", "the first")
        except df.ActivityFailedError as error:
            context.set_custom_status(f"compensating: {error.details.error_type}")
            return await context.call_activity("add_one", 0)

    @app.orchestration_trigger(context_name="context")
    async def careless(context: Context) -> Any:
        await context.call_activity("add_one", 0)
        await context.call_activity("broken", "the only")

    @app.orchestration_trigger(context_name="context")
    async def long_payloads(context: Context) -> Any:
        text = await context.call_activity("long_text", context.get_input(int))
        event = await context.wait_for_external_event("text", str)
        context.set_custom_status(event)
        echoed = await context.call_sub_orchestrator("echo", text, "long-child")
        return [echoed == text, len(event), echoed]

    @app.orchestration_trigger(context_name="context")
    async def reports(context: Context) -> Any:
        context.set_custom_status({"step": 1, "of": 2})
        await context.create_timer(timedelta(seconds=30))
        context.set_custom_status(["half", None, 0.5])
        await context.call_activity("slow", 1)
        context.set_custom_status(None)
        return {"id": context.new_uuid(), "version": context.version}

    @app.orchestration_trigger(context_name="context")
    async def settles(context: Context) -> Any:
        number = await context.call_activity("add_one", context.get_input(int))
        context.set_custom_status([context.new_uuid(), context.current_utc_datetime.isoformat()])
        event = await context.wait_for_external_event("text", str)
        text = await context.call_activity("long_text", 20_000)
        await context.create_timer(timedelta(seconds=30))
        await context.call_activity("broken", context.new_uuid())
        return [number, len(event), len(text), context.get_input(int)]

    @app.orchestration_trigger(context_name="context")
    async def versioned(context: Context) -> Any:
        if context.version is None:
            await context.wait_for_external_event("go")
            context.continue_as_new(None, new_version="2.0")
            return None
        value = await context.call_activity("slow", 1)
        child = await context.call_sub_orchestrator("echo", "v", "echo-1.5", "1.5")
        return [context.version, value, child]

    @app.orchestration_trigger(context_name="context")
    async def asks(context: Context) -> Any:
        answer = await context.call_http("GET", "https://jobs.example/start")
        return [answer.status_code, answer.content]


def _waits(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    async def sleeps(context: Context) -> Any:
        begun = context.current_utc_datetime
        for seconds in context.get_input(list):
            await context.create_timer(timedelta(seconds=seconds))
        return (context.current_utc_datetime - begun).total_seconds() >= sum(
            context.get_input(list)
        )

    @app.orchestration_trigger(context_name="context")
    async def first_wins(context: Context) -> Any:
        go = context.wait_for_external_event("go", int)
        deadline = context.create_timer(timedelta(days=context.get_input(int)))
        if await context.when_any([go, deadline]) is deadline:
            return "too late"
        deadline.cancel()
        return [await go, await context.call_activity("slow", 2)]

    @app.orchestration_trigger(context_name="context")
    async def events(context: Context) -> Any:
        first = await context.wait_for_external_event("Approval", str)
        await context.call_activity("slow", 1)
        second = await context.wait_for_external_event("approval", str)
        try:
            await context.wait_for_external_event("never", timeout=timedelta(seconds=50))
        except TimeoutError:
            context.send_event("listener", "done", [first, second])
        return [first, second, await context.wait_for_external_event("last", dict)]

    @app.orchestration_trigger(context_name="context")
    async def listens(context: Context) -> Any:
        return await context.wait_for_external_event("DONE", list)

    @app.orchestration_trigger(context_name="context")
    async def answers(context: Context) -> Any:
        items: list[int] = context.get_input(list) or []

        @context.on_update("add")
        def add(item: int) -> int:
            if item in items:
                raise ValueError(f"{item} is there")
            items.append(item)
            return len(items)

        context.set_query_handler("items", lambda: items)
        close = await context.wait_for_update("close", str)
        await context.call_activity("slow", len(items))
        if close.data == "again":
            close.answer(items)
            context.continue_as_new(items)
        else:
            close.reject("it is closed already")
        return items

    @app.orchestration_trigger(context_name="context")
    async def eternal(context: Context) -> Any:
        left, got = context.get_input()
        if left == 0:
            return got
        event = await context.wait_for_external_event("e", int)
        await context.call_activity("slow", event)
        context.continue_as_new([left - 1, [*got, event]])
        return None

    @app.orchestration_trigger(context_name="context")
    async def eternal_long(context: Context) -> Any:
        left, text = context.get_input()
        if left == 0:
            return len(text)
        event = await context.wait_for_external_event("e", str)
        await context.call_activity("long_text", 30_000)
        context.continue_as_new([left - 1, text + event])
        return None

    @app.orchestration_trigger(context_name="context")
    async def wide(context: Context) -> Any:
        if not context.get_input(int):
            return "done"
        inputs = [f"{number}" * 7_000 for number in range(10, 26)]
        await context.when_all([context.call_activity("measure", text) for text in inputs])
        await context.wait_for_external_event("go")
        context.continue_as_new(0)
        return None


def _families(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    async def echo(context: Context) -> Any:
        return context.get_input(str)

    @app.orchestration_trigger(context_name="context")
    async def child(context: Context) -> Any:
        return await context.call_activity("slow", context.get_input(int))

    @app.orchestration_trigger(context_name="context")
    async def failing_child(context: Context) -> Any:
        return await context.call_activity("broken", context.get_input(str))

    @app.orchestration_trigger(context_name="context")
    async def parent(context: Context) -> Any:
        values = await context.when_all(
            [
                context.call_sub_orchestrator("child", 1, "chosen-id"),
                context.call_sub_orchestrator("child", 2, tags={"of": "parent"}),
            ]
        )
        try:
            await context.call_sub_orchestrator("failing_child", "it", "failing")
        except df.SubOrchestrationFailedError as error:
            values.append(str(error.details.error_type))
        return values

    @app.orchestration_trigger(context_name="context")
    async def head_of_family(context: Context) -> Any:
        await context.call_activity("add_one", 1)
        return await context.call_sub_orchestrator("failing_child", context.get_input(str), "son")

    @app.orchestration_trigger(context_name="context")
    async def waits_for_child(context: Context) -> Any:
        return await context.call_sub_orchestrator("listens", None, "grandchild")

    @app.orchestration_trigger(context_name="context")
    async def two_failures(context: Context) -> Any:
        good = await context.call_activity("add_one", 1)
        bad = await context.when_all(
            [context.call_activity("broken", name) for name in context.get_input(list)]
        )
        return [good, bad, await context.wait_for_external_event("end", str)]


def _entities(app: df.DFApp) -> None:
    @app.entity_trigger(context_name="context")
    async def account(context: EntityContext) -> Any:
        balance = context.get_state(int, 0)
        match context.operation_name:
            case "deposit":
                balance += context.get_input(int)
            case "withdraw":
                if context.get_input(int) > balance:
                    raise ValueError("not that much is there")
                balance -= context.get_input(int)
            case "begin":
                context.start_new("sleeps", [5], "begun-by-entity")
        context.set_state(balance)
        return balance

    @app.orchestration_trigger(context_name="context")
    async def transfer(context: Context) -> Any:
        one, two = EntityId("account", "one"), EntityId("account", "two")
        amount = context.get_input(int)
        context.signal_entity(one, "deposit", 100)
        async with context.lock_entities([one, two]):
            left = await context.call_entity(one, "withdraw", amount)
            await context.call_activity("slow", 1)
            there = await context.call_entity(two, "deposit", amount)
        later = context.current_utc_datetime + timedelta(seconds=300)
        context.signal_entity(two, "deposit", 1, signal_time=later)
        context.signal_entity(two, "begin")
        return [left, there]

    @app.entity_trigger(context_name="context")
    async def speaker(context: EntityContext) -> Any:
        context.set_state(context.get_state(int, 0) + 1)
        return f"{context.get_state(int)} " * context.get_input(int)

    @app.orchestration_trigger(context_name="context")
    async def asks_at_length(context: Context) -> Any:
        speaker, size = EntityId("speaker", "one"), context.get_input(int)
        first = await context.call_entity(speaker, "say", size)
        second = await context.call_entity(speaker, "say", size)
        return [len(first), second[:4]]
