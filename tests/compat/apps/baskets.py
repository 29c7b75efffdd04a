"""A stranger's app of 1.x: entities from orchestrations and clients, in blueprints, with the
leftovers of its days with function.json."""

import json

import azure.durable_functions as df
import azure.functions as func
from azure.durable_functions.models.RetryOptions import RetryOptions

bp = df.Blueprint()
admin = df.Blueprint()


def entity_function(context: df.DurableEntityContext):
    basket = context.get_state(lambda: {"items": [], "total": 0})
    operation = context.operation_name
    if operation == "add":
        item = context.get_input()
        basket["items"].append(item["name"])
        basket["total"] += item["price"]
        context.set_result(basket["total"])
    elif operation == "get":
        context.set_result({**basket, "who": [context.entity_name, context.entity_key]})
    elif operation == "is_new":
        context.set_result(context.is_newly_constructed)
    elif operation == "break":
        raise ValueError("a broken basket")
    elif operation == "empty":
        context.destruct_on_exit()
        return
    context.set_state(basket)


main = df.Entity.create(entity_function)
bp.entity_trigger(context_name="context", entity_name="Basket")(entity_function)


@bp.orchestration_trigger(context_name="context")
def check_out(context: df.DurableOrchestrationContext):
    entityId = df.EntityId("Basket", context.get_input())
    new = yield context.call_entity(entityId, "is_new")
    context.signal_entity(entityId, "add", {"name": "bag", "price": 1})
    total = yield context.call_entity(entityId, "add", {"name": "tea", "price": 4})
    try:
        yield context.call_entity(entityId, "break")
        broken = False
    except Exception:
        broken = True
    found = yield context.call_entity(entityId, "get")
    paid = yield context.call_activity_with_retry("pay", RetryOptions(1000, 2), total)
    context.signal_entity(entityId, "empty")
    return [new, total, broken, found, paid]


legacy = df.Orchestrator.create(check_out)


@bp.activity_trigger(input_name="total")
def pay(total: int) -> bool:
    return total == 5


@bp.queue_trigger(arg_name="msg", queue_name="items", connection="AzureWebJobsStorage")
@bp.durable_client_input(client_name="client")
async def item_arrived(msg: func.QueueMessage, client) -> None:
    item = json.loads(msg.get_body().decode("utf-8"))
    entityId = df.EntityId("Basket", item.pop("basket"))
    await client.signal_entity(entityId, "add", item)


@bp.function_name(name="ReadBasket")
@bp.route(route="baskets/{key}")
@bp.durable_client_input(client_name="client")
async def read_basket(req: func.HttpRequest, client) -> func.HttpResponse:
    entityId = df.EntityId("Basket", req.route_params["key"])
    response = await client.read_entity_state(entityId)
    if not response.entity_exists:
        return func.HttpResponse("not found", status_code=404)
    return func.HttpResponse(json.dumps(response.entity_state))


@admin.route(route="checkouts/{action}", methods=["POST"])
@admin.durable_client_input(client_name="client")
async def check_outs(req: func.HttpRequest, client: df.DurableOrchestrationClient):
    action = req.route_params["action"]
    if action == "start":
        instance_id = await client.start_new("check_out", None, req.params["basket"])
        links = client.create_http_management_payload(instance_id)
        assert links == client.get_client_response_links(req, instance_id)
        return func.HttpResponse(json.dumps(links), status_code=201)
    if action == "count":
        done = await client.get_status_by(
            created_time_from=None,
            created_time_to=None,
            runtime_status=[df.OrchestrationRuntimeStatus.Completed],
        )
        everything = await client.get_status_all()
        shown = [len(done), len(everything), [each.to_json()["name"] for each in done]]
        return func.HttpResponse(json.dumps(shown))
    from datetime import datetime

    purged = await client.purge_instance_history_by(
        datetime(2020, 1, 1), datetime(2100, 1, 1), [df.OrchestrationRuntimeStatus.Completed]
    )
    return func.HttpResponse(str(purged.instances_deleted))


app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(bp)
app.register_blueprint(admin)
