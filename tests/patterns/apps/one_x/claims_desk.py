"""What a client does with instances that are there."""

import json
import os

import azure.durable_functions as df
import azure.functions as func

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
def gather_letters(context: df.DurableOrchestrationContext):
    letters = []
    while len(letters) < 3:
        letter = yield context.wait_for_external_event("Letter")
        letters.append(letter)
    return "".join(letters)


@bp.orchestration_trigger(context_name="context")
def restock(context: df.DurableOrchestrationContext):
    first = yield context.call_activity("note_order", context.instance_id)
    second = yield context.call_sub_orchestrator("fetch_goods", context.get_input())
    return [first, second]


@bp.orchestration_trigger(context_name="context")
def fetch_goods(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("open_store", context.get_input()))


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
async def act(req: func.HttpRequest, client):
    instance_id, action = req.route_params["id"], req.route_params["action"]
    if action == "raise":
        await client.raise_event(instance_id, req.params["event"], req.get_json())
    elif action == "purge":
        result = await client.purge_instance_history(instance_id)
        return func.HttpResponse(str(result.instances_deleted))
    elif action == "restart":
        return func.HttpResponse(await client.restart(instance_id))
    else:
        await getattr(client, action)(instance_id, req.params.get("reason", "because"))
    return func.HttpResponse(status_code=202)


@bp.route(route="instances", methods=["GET"])
@bp.durable_client_input(client_name="client")
async def look(req: func.HttpRequest, client):
    found = await client.get_status_by(
        runtime_status=[df.OrchestrationRuntimeStatus[req.params["status"]]]
    )
    return func.HttpResponse(json.dumps([each.to_json() for each in found]))


@bp.route(route="instances/{id}", methods=["GET"])
@bp.durable_client_input(client_name="client")
async def look_closer(req: func.HttpRequest, client):
    status = await client.get_status(
        req.route_params["id"], show_history=True, show_history_output=True, show_input=True
    )
    if not status:
        return func.HttpResponse(status_code=404)
    return func.HttpResponse(json.dumps(status.to_json()), mimetype="application/json")
