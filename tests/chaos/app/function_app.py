"""The app that chaos strikes: orders, batches, approvals, transfers between accounts, monitors."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import azure.functions as func
from effects import perform

import durable as df

OVERDRAFT = 1000
FOREVER = timedelta(minutes=30)
RETRY = df.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=5)
"""A connection of the app's own may be gone after a pause."""

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.activity_trigger(input_name="work")
def charge(work: float) -> str:
    key = perform("charge", work)
    # whoever dies here has charged, and nobody knows
    time.sleep(work)
    return key


@app.activity_trigger(input_name="work")
async def ship(work: float) -> str:
    await asyncio.sleep(work)
    return await asyncio.to_thread(perform, "ship")


@app.activity_trigger(input_name="item")
def pack(item: dict[str, Any]) -> int:
    perform("pack", item["work"])
    time.sleep(item["work"])
    return len(item["text"])


@app.orchestration_trigger(context_name="context")
async def order(context: df.DurableOrchestrationContext) -> list[str]:
    """A chain with a timer in it; the keys of its two effects."""
    given = context.get_input()
    charged = await context.call_activity(charge, given["work"], retry=RETRY)
    if given["wait"]:
        await context.create_timer(timedelta(seconds=given["wait"]))
    shipped = await context.call_activity(ship, given["work"], retry=RETRY)
    context.signal_entity(df.EntityId("counter", "orders"), "add", 1)
    return [charged, shipped]


@app.orchestration_trigger(context_name="context")
async def batch(context: df.DurableOrchestrationContext) -> list[int]:
    """A fan-out of activities and of orders; how long the items' texts are."""
    given = context.get_input()
    packed = [context.call_activity(pack, item, retry=RETRY) for item in given["items"]]
    orders = [context.call_sub_orchestrator(order, each) for each in given["orders"]]
    await df.when_all(orders)
    return await df.when_all(packed)


@app.orchestration_trigger(context_name="context")
async def approval(context: df.DurableOrchestrationContext) -> str:
    """Wait for a decision: `approved`, or `expired` where nobody is to decide."""
    given = context.get_input()
    timeout = timedelta(seconds=given["expires"]) if given["expires"] else FOREVER
    try:
        decided = await context.wait_for_external_event("decision", timeout=timeout)
    except TimeoutError:
        decided = "expired"
    await context.call_activity(charge, 0.0, retry=RETRY)
    return decided


@app.orchestration_trigger(context_name="context")
async def transfer(context: df.DurableOrchestrationContext) -> bool:
    """Move an amount between two accounts, under both locks; whether the credit sufficed."""
    given = context.get_input()
    source = df.EntityId("account", given["source"])
    target = df.EntityId("account", given["target"])
    async with context.lock_entities([source, target]):
        balance = await context.call_entity(source, "balance")
        moved = balance + OVERDRAFT >= given["amount"]
        if moved:
            await context.call_entity(source, "add", -given["amount"])
            await context.call_entity(target, "add", given["amount"])
    counter = df.EntityId("counter", "transfers")
    context.signal_entity(counter, "add", 1)
    await context.call_entity(counter, "add", 1)
    return moved


@app.orchestration_trigger(context_name="context")
async def monitor(context: df.DurableOrchestrationContext) -> int | None:
    """Look again and again, each time as a new generation, until told to stop; how often."""
    given = context.get_input()
    await context.call_activity(charge, 0.0, retry=RETRY)
    context.signal_entity(df.EntityId("counter", "looks"), "add", 1)
    looks = given["looks"] + 1
    try:
        every = timedelta(seconds=given["every"])
        await context.wait_for_external_event("stop", timeout=every)
    except TimeoutError:
        context.continue_as_new({**given, "looks": looks})
        return None
    return looks


@app.entity_trigger(context_name="context")
def account(context: df.EntityContext) -> int:
    return _sum(context)


@app.entity_trigger(context_name="context")
def counter(context: df.EntityContext) -> int:
    return _sum(context)


def _sum(context: df.EntityContext) -> int:
    total = context.get_state(int, 0)
    if context.operation_name == "add":
        total += context.get_input(int)
    context.set_state(total)
    return total


@app.route(route="start/{name}/{id}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Once for each id, however often it is asked for."""
    name, instance_id = req.route_params["name"], req.route_params["id"]
    await client.start_new(name, instance_id, client_input=req.get_json(), if_exists="skip")
    return func.HttpResponse("{}", status_code=202)
