"""What a client does with instances that are there."""

from __future__ import annotations

import json
import os

import azure.functions as func

import durable as df

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
async def gather_letters(context: df.DurableOrchestrationContext) -> str:
    letters = [await context.wait_for_external_event("Letter", str) for _ in range(3)]
    return "".join(letters)


@bp.orchestration_trigger(context_name="context")
async def restock(context: df.DurableOrchestrationContext) -> list[str]:
    first = await context.call_activity(note_order, context.instance_id)
    second = await context.call_sub_orchestrator(fetch_goods, context.get_input(str))
    return [first, second]


@bp.orchestration_trigger(context_name="context")
async def fetch_goods(context: df.DurableOrchestrationContext) -> str:
    return await context.call_activity(open_store, context.get_input(str))


@bp.activity_trigger(input_name="order")
def note_order(order: str) -> str:
    return "noted"


@bp.activity_trigger(input_name="goods")
def open_store(goods: str) -> str:
    if not os.path.exists(os.environ["STORE_KEY"]):
        raise RuntimeError("the store is locked")
    return f"{goods} fetched"


@bp.route(route="instances/{id}/{action}", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def act(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    instance_id, action = req.route_params["id"], req.route_params["action"]
    match action:
        case "raise":
            await client.raise_event(instance_id, req.params["event"], req.get_json())
        case "purge":
            result = await client.purge_instance_history(instance_id)
            return func.HttpResponse(str(result.instances_deleted))
        case "restart":
            return func.HttpResponse(await client.restart(instance_id))
        case _:
            await getattr(client, action)(instance_id, "because")
    return func.HttpResponse(status_code=202)


@bp.route(route="instances", methods=["GET"])
@bp.durable_client_input(client_name="client")
async def look(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    status = df.OrchestrationRuntimeStatus(req.params["status"])
    shown = [
        {"instanceId": each.instance_id, "name": each.name, "tags": dict(each.tags)}
        async for each in client.list_instances(runtime_status=[status])
    ]
    return func.HttpResponse(json.dumps(shown))


@bp.route(route="instances/{id}", methods=["GET"])
@bp.durable_client_input(client_name="client")
async def look_closer(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    status = await client.get_status(req.route_params["id"], show_history=True, show_input=True)
    if not status:
        return func.HttpResponse(status_code=404)
    return func.HttpResponse(json.dumps(status.to_json()), mimetype="application/json")
