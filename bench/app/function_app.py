"""The app that the benchmark runs: no-op activities, and routes that time them from inside.

A route that times starts orchestrations and awaits their results in the worker's process, as a
user's HTTP function would.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.functions as func

import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
SIGNALS_AT_ONCE = 32
PAUSE_SECONDS = 0.02
"""Between instances that are timed one after the other, as between the peers'."""
Steps = Generator[Any, Any, Any]


@app.activity_trigger(input_name="value")
def nothing(value: object) -> object:
    """Returns what it got."""
    return value


@app.activity_trigger(input_name="number")
def moment(number: int) -> float:
    """The machine's monotonic clock, which all its processes share."""
    return time.monotonic()


@app.orchestration_trigger(context_name="context")
def chain(context: df.DurableOrchestrationContext) -> Steps:
    """Input: how many activities, one after the other."""
    for number in range(context.get_input()):
        yield context.call_activity("nothing", number)


@app.orchestration_trigger(context_name="context")
def timed_chain(context: df.DurableOrchestrationContext) -> Steps:
    """As `chain`; when each ran."""
    times = []
    for number in range(context.get_input()):
        times.append((yield context.call_activity("moment", number)))
    return times


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext) -> Steps:
    """Input: how many activities at once; how many results came."""
    tasks = [context.call_activity("nothing", n) for n in range(context.get_input())]
    results = yield context.task_all(tasks)
    return len(results)


@app.orchestration_trigger(context_name="context")
def echo(context: df.DurableOrchestrationContext) -> Steps:
    """Input: a text, which an activity gets and returns."""
    return (yield context.call_activity("nothing", context.get_input()))


@app.orchestration_trigger(context_name="context")
def wait_for_event(context: df.DurableOrchestrationContext) -> Steps:
    """Waits for the event "go"; then the time at which an activity ran."""
    yield context.wait_for_external_event("go")
    return (yield context.call_activity("moment", 0))


@app.orchestration_trigger(context_name="context")
def sleep(context: df.DurableOrchestrationContext) -> Steps:
    """Input: seconds; how late the timer was, in seconds."""
    due = context.current_utc_datetime.timestamp() + context.get_input()
    yield context.create_timer(timedelta(seconds=context.get_input()))
    return (yield context.call_activity("late", due))


@app.activity_trigger(input_name="due")
def late(due: float) -> float:
    """Seconds since `due`."""
    return time.time() - due


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    """Operation "add": adds the input."""
    value = context.get_state(lambda: 0)
    if context.operation_name == "add":
        value += context.get_input()
        context.set_state(value)
    context.set_result(value)


@app.route(route="time", methods=["POST"])
@app.durable_client_input(client_name="client")
async def timed(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Body: {"name": orchestrator, "inputs": [one for each instance], "at_once": bool}. Starts
    and awaits them; the seconds of all, of each, and the outputs."""
    asked = req.get_json()
    outputs: list[Any] = []
    seconds: list[float] = []

    async def one(value: object) -> None:
        began = time.perf_counter()
        instance = await client.start_new(asked["name"], client_input=value)
        status = await client.wait_for_completion(instance, 600)
        seconds.append(time.perf_counter() - began)
        if status.runtime_status != df.OrchestrationRuntimeStatus.Completed:
            raise RuntimeError(f"{instance} is {status.runtime_status}: {status.failure}")
        outputs.append(status.output)

    began = time.perf_counter()
    if asked.get("at_once"):
        await asyncio.gather(*map(one, asked["inputs"]))
    else:
        for value in asked["inputs"]:
            await asyncio.sleep(PAUSE_SECONDS)
            await one(value)
    total = time.perf_counter() - began
    return answer({"total": total, "each": seconds, "outputs": outputs})


@app.route(route="time_many", methods=["POST"])
@app.durable_client_input(client_name="client")
async def timed_many(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """As `time` at once, started together."""
    asked = req.get_json()
    outputs: list[Any] = []

    async def ended(instance: str) -> None:
        status = await client.wait_for_completion(instance, 600)
        if status.runtime_status != df.OrchestrationRuntimeStatus.Completed:
            raise RuntimeError(f"{instance} is {status.runtime_status}: {status.failure}")
        outputs.append(status.output)

    began = time.perf_counter()
    instances = await client.start_many(asked["name"], asked["inputs"])
    await asyncio.gather(*map(ended, instances))
    return answer({"total": time.perf_counter() - began, "outputs": outputs})


@app.route(route="start", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Body: {"name": orchestrator, "inputs": [...]}. Starts them; their ids."""
    asked = req.get_json()
    starts = [client.start_new(asked["name"], client_input=value) for value in asked["inputs"]]
    return answer(await asyncio.gather(*starts))


@app.route(route="call", methods=["POST"])
@app.durable_client_input(client_name="client")
async def call(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Body: {"name": orchestrator, "input": ...}. Answers once it has ended."""
    asked = req.get_json()
    instance = await client.start_new(asked["name"], client_input=asked["input"])
    return await client.wait_for_completion_or_create_check_status_response(req, instance, 60_000)


@app.route(route="signal", methods=["POST"])
@app.durable_client_input(client_name="client")
async def signal(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Body: {"operations": how many, "entities": spread over how many}. Signals them, and awaits
    their states; the seconds of all."""
    asked = req.get_json()
    operations, entities = asked["operations"], asked["entities"]
    room = asyncio.Semaphore(SIGNALS_AT_ONCE)

    async def one(number: int) -> None:
        async with room:
            await client.signal_entity(entity(number % entities), "add", 1)

    def entity(number: int) -> df.EntityId:
        return df.EntityId("counter", f"{asked['mark']}-{number}")

    began = time.perf_counter()
    await asyncio.gather(*map(one, range(operations)))
    for number in range(entities):
        wanted = operations // entities + (number < operations % entities)
        while (await client.read_entity_state(entity(number))).entity_state != wanted:
            await asyncio.sleep(0.02)
    return answer({"total": time.perf_counter() - began})


def answer(value: object) -> func.HttpResponse:
    """200 with JSON."""
    return func.HttpResponse(json.dumps(value), mimetype="application/json")
