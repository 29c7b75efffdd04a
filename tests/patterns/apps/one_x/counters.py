"""An entity that counts, from orchestrations and from clients."""

import json

import azure.durable_functions as df
import azure.functions as func

bp = df.Blueprint()


@bp.entity_trigger(context_name="context", entity_name="Counter")
def counter(context: df.DurableEntityContext):
    value = context.get_state(lambda: 0)
    operation = context.operation_name
    if operation == "add":
        value += context.get_input()
        context.set_result(value)
    elif operation == "reset":
        value = 0
    elif operation == "get":
        context.set_result(value)
    elif operation == "end":
        context.destruct_on_exit()
        return
    context.set_state(value)


@bp.orchestration_trigger(context_name="context")
def count_visits(context: df.DurableOrchestrationContext):
    entity = df.EntityId("Counter", context.get_input())
    context.signal_entity(entity, "reset")
    context.signal_entity(entity, "add", 2)
    first = yield context.call_entity(entity, "add", 3)
    second = yield context.call_entity(entity, "get")
    return [first, second]


@bp.route(route="counters/{key}/{operation}", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def signal_counter(req: func.HttpRequest, client):
    entity = df.EntityId("Counter", req.route_params["key"])
    body = req.get_body()
    await client.signal_entity(
        entity, req.route_params["operation"], json.loads(body) if body else None
    )
    return func.HttpResponse(status_code=202)


@bp.route(route="counters/{key}", methods=["GET"])
@bp.durable_client_input(client_name="client")
async def read_counter(req: func.HttpRequest, client):
    found = await client.read_entity_state(df.EntityId("Counter", req.route_params["key"]))
    if not found.entity_exists:
        return func.HttpResponse("no such counter", status_code=404)
    return func.HttpResponse(json.dumps(found.entity_state))
