"""What a client does with instances that are there."""

import json
import os

import azure.durable_functions as df
import azure.functions as func
from durabletask import task
from durabletask.client import OrchestrationQuery, OrchestrationStatus

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
def gather_letters(ctx: task.OrchestrationContext, _):
    letters = []
    while len(letters) < 3:
        letters.append((yield ctx.wait_for_external_event("Letter")))
    return "".join(letters)


@bp.orchestration_trigger(context_name="context")
def restock(ctx: task.OrchestrationContext, goods: str):
    first = yield ctx.call_activity(note_order, input=ctx.instance_id)
    second = yield ctx.call_sub_orchestrator(fetch_goods, input=goods)
    return [first, second]


@bp.orchestration_trigger(context_name="context")
def fetch_goods(ctx: task.OrchestrationContext, goods: str):
    return (yield ctx.call_activity(open_store, input=goods))


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
async def act(req: func.HttpRequest, client: df.DurableFunctionsClient):
    instance_id, action = req.route_params["id"], req.route_params["action"]
    if action == "raise":
        await client.raise_orchestration_event(
            instance_id, req.params["event"], data=req.get_json()
        )
    elif action == "terminate":
        await client.terminate_orchestration(instance_id, output="because", recursive=True)
    elif action == "purge":
        result = await client.purge_orchestration(instance_id)
        return func.HttpResponse(str(result.deleted_instance_count))
    elif action == "restart":
        again = await client.restart_orchestration(instance_id, restart_with_new_instance_id=True)
        return func.HttpResponse(again)
    else:
        await getattr(client, f"{action}_orchestration")(instance_id, reason="because")
    return func.HttpResponse(status_code=202)


@bp.route(route="instances", methods=["GET"])
@bp.durable_client_input(client_name="client")
async def look(req: func.HttpRequest, client: df.DurableFunctionsClient):
    status = OrchestrationStatus[req.params["status"].upper()]
    query = OrchestrationQuery(runtime_status=[status], fetch_inputs_and_outputs=True)
    found = await client.get_all_orchestration_states(query)
    shown = [
        {"instanceId": each.instance_id, "name": each.name, "tags": each.tags} for each in found
    ]
    return func.HttpResponse(json.dumps(shown))


@bp.route(route="instances/{id}", methods=["GET"])
@bp.durable_client_input(client_name="client")
def look_closer(req: func.HttpRequest, client: df.SyncDurableFunctionsClient):
    state = client.get_orchestration_state(req.route_params["id"])
    if state is None:
        return func.HttpResponse(status_code=404)
    events = client.get_orchestration_history(req.route_params["id"])
    shown = {
        "runtimeStatus": str(state.runtime_status).capitalize(),
        "customStatus": state.get_custom_status(),
        "input": state.get_input(),
        "output": state.get_output(),
        "historyEvents": [type(event).__name__ for event in events],
    }
    return func.HttpResponse(json.dumps(shown), mimetype="application/json")
