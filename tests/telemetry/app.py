"""An app with one of everything that is told of."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from opentelemetry import trace

import durable as df
from durable.runtime.activities import activity_context

app = df.DFApp()
log = logging.getLogger("tests.telemetry.app")
seen: list[tuple[str, str]] = []
"""What each activity was told of its place, and the current span it found."""


@app.activity_trigger(input_name="value")
def double(value: int) -> int:
    current = trace.get_current_span().get_span_context()
    seen.append((activity_context().traceparent, f"{current.span_id:016x}"))
    log.warning("doubling")
    return 2 * value


@app.activity_trigger(input_name="value")
async def fail_first(value: int) -> int:
    if activity_context().attempt == 1:
        raise ValueError(f"not {value}")
    return value


@app.activity_trigger(input_name="value")
def fail(value: int) -> None:
    if broken:
        raise ValueError("broken")


broken: list[bool] = []
places: list[trace.SpanContext] = []
"""The current span of each run of an orchestrator's code."""


@app.orchestration_trigger(context_name="context")
async def chain(context: df.DurableOrchestrationContext) -> int:
    context.create_replay_safe_logger(log).warning("begun")
    places.append(trace.get_current_span().get_span_context())
    value = 1
    for _ in range(3):
        value = await context.call_activity(double, value)
    return value


@app.orchestration_trigger(context_name="context")
async def fan_out(context: df.DurableOrchestrationContext) -> int:
    return sum(await context.when_all([context.call_activity(double, n) for n in range(5)]))


@app.orchestration_trigger(context_name="context")
async def child(context: df.DurableOrchestrationContext) -> int:
    await context.create_timer(timedelta(hours=2))
    return await context.call_activity(double, 4)


@app.orchestration_trigger(context_name="context")
async def parent(context: df.DurableOrchestrationContext) -> list[Any]:
    result = await context.call_sub_orchestrator(child)
    return [result, await context.wait_for_external_event("approved")]


@app.orchestration_trigger(context_name="context")
async def retrying(context: df.DurableOrchestrationContext) -> int:
    policy = df.RetryPolicy(first_retry_interval=timedelta(seconds=30), max_number_of_attempts=2)
    return await context.call_activity(fail_first, 7, retry=policy)


@app.orchestration_trigger(context_name="context")
async def failing(context: df.DurableOrchestrationContext) -> None:
    await context.call_sub_orchestrator(failing_child)


@app.orchestration_trigger(context_name="context")
async def failing_child(context: df.DurableOrchestrationContext) -> None:
    await context.call_activity(fail, 1)


@app.orchestration_trigger(context_name="context")
async def again(context: df.DurableOrchestrationContext) -> int:
    left: int = context.get_input()
    await context.create_timer(timedelta(minutes=10))
    if left:
        context.continue_as_new(left - 1)
    return left


@app.orchestration_trigger(context_name="context")
async def canceling(context: df.DurableOrchestrationContext) -> None:
    timer = context.create_timer(timedelta(days=1))
    await context.create_timer(timedelta(minutes=5))
    timer.cancel()


@app.entity_trigger(context_name="context")
def counter(context: df.EntityContext) -> int:
    return 3


@app.orchestration_trigger(context_name="context")
async def calling_an_entity(context: df.DurableOrchestrationContext) -> Any:
    return await context.call_entity(df.EntityId("counter", "a"), "add", 3)


@app.entity_trigger(context_name="context")
def account(context: df.EntityContext) -> int:
    places.append(trace.get_current_span().get_span_context())
    if broken:
        raise ValueError("empty")
    return 5


@app.orchestration_trigger(context_name="context")
async def paying(context: df.DurableOrchestrationContext) -> Any:
    context.signal_entity(df.EntityId("account", "a"), "note")
    return await context.call_entity(df.EntityId("account", "a"), "pay", 3)


@app.orchestration_trigger(context_name="context")
async def waiting(context: df.DurableOrchestrationContext) -> Any:
    return await context.wait_for_external_event("go")


@app.orchestration_trigger(context_name="context")
async def sending(context: df.DurableOrchestrationContext) -> None:
    context.send_event(context.get_input(), "go", 1)


@app.orchestration_trigger(context_name="context")
async def updated(context: df.DurableOrchestrationContext) -> int:
    update = await context.wait_for_update("add", int)
    update.answer(update.data + 1)
    return update.data


@app.orchestration_trigger(context_name="context")
async def asking(context: df.DurableOrchestrationContext) -> Any:
    uri, headers = context.get_input()
    return (await context.call_http("GET", uri, headers=headers)).status_code


@app.orchestration_trigger(context_name="context")
async def parent_of_all(context: df.DurableOrchestrationContext) -> Any:
    return await context.call_sub_orchestrator(chain)
