"""A native app for the tests of the kit."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import durable as df

app = df.DFApp()
app.configure_scheduled_tasks()
RETRY = df.RetryPolicy(
    first_retry_interval=timedelta(minutes=10), max_number_of_attempts=3, backoff_coefficient=2
)


@dataclass
class Order:
    item: str
    cents: int


@dataclass
class Receipt:
    number: str
    cents: int


@app.activity_trigger(input_name="order")
async def charge(order: Order) -> Receipt:
    return Receipt(f"r-{order.item}", order.cents)


@app.activity_trigger(input_name="item")
def ship(item: str) -> str:
    return f"{item} shipped"


@app.activity_trigger(input_name="seconds")
async def rest(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return f"rested {seconds}"


@app.activity_trigger(input_name="seconds")
def rest_in_thread(seconds: float) -> str:
    time.sleep(seconds)
    return f"rested {seconds}"


@app.orchestration_trigger(context_name="context")
async def buy(context: df.DurableOrchestrationContext) -> Receipt:
    order: Order = context.get_input(Order)
    receipt: Receipt = await context.call_activity(charge, order, retry=RETRY)
    await context.create_timer(timedelta(days=3))
    await context.call_activity(ship, order.item)
    return receipt


@app.orchestration_trigger(context_name="context")
async def sleep(context: df.DurableOrchestrationContext) -> str:
    await context.create_timer(timedelta(seconds=context.get_input()))
    return context.current_utc_datetime.isoformat()


@app.orchestration_trigger(context_name="context")
async def decide(context: df.DurableOrchestrationContext) -> Any:
    context.set_custom_status({"asked": True})
    return await context.wait_for_external_event("decision")


@app.orchestration_trigger(context_name="context")
async def family(context: df.DurableOrchestrationContext) -> list[str]:
    children = [context.call_sub_orchestrator(sleep, hours * 3600) for hours in (5, 2, 9)]
    return [text[:16] for text in await df.when_all(children)]


@app.orchestration_trigger(context_name="context")
async def monitor(context: df.DurableOrchestrationContext) -> None:
    looks = (context.get_input() or 0) + 1
    context.set_custom_status(looks)
    await context.create_timer(timedelta(minutes=10))
    context.continue_as_new(looks)


@app.orchestration_trigger(context_name="context")
async def spin(context: df.DurableOrchestrationContext) -> None:
    context.continue_as_new(None)


@app.orchestration_trigger(context_name="context")
async def tired(context: df.DurableOrchestrationContext) -> list[str]:
    way, seconds = context.get_input()
    return [await context.call_activity(way, seconds), context.current_utc_datetime.isoformat()]


@app.entity_trigger(context_name="context")
def counter(context: df.EntityContext) -> int:
    total: int = context.get_state(int) or 0
    if context.operation_name == "add":
        total += context.get_input(int)
        context.set_state(total)
    elif context.operation_name == "add_later":
        later = context.current_utc_datetime + timedelta(hours=30)
        context.signal_entity(context.entity_id, "add", context.get_input(int), signal_time=later)
    return total


@app.orchestration_trigger(context_name="context")
async def count(context: df.DurableOrchestrationContext) -> int:
    entity = df.EntityId("counter", "one")
    await context.call_entity(entity, "add", 5)
    async with context.lock_entities([entity]):
        total: int = await context.call_entity(entity, "add", 2)
    return total
