"""An app of azure-functions-durable 1.x, with a blueprint."""

import azure.durable_functions as df
import azure.functions as func
from azure.durable_functions.models.RetryOptions import RetryOptions

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
bp = df.Blueprint()


@app.route(route="orchestrators/{functionName}")
@app.durable_client_input(client_name="client")
async def http_start(req: func.HttpRequest, client):
    instance_id = await client.start_new(req.route_params["functionName"], "one", req.get_json())
    return client.create_check_status_response(req, instance_id)


@app.durable_client_input(client_name="client")
@app.route(route="status/{id}")
async def http_status(req: func.HttpRequest, client: df.DurableOrchestrationClient):
    client = df.DurableOrchestrationClient(client)
    status = await client.get_status(req.route_params["id"])
    return func.HttpResponse(str(status.to_json()["runtimeStatus"]))


@app.orchestration_trigger(context_name="context")
def pipeline(context: df.DurableOrchestrationContext):
    options = RetryOptions(1000, 3)
    cities = context.get_input()
    greetings = yield context.task_all([context.call_activity(greet, city) for city in cities])
    entity_id = df.EntityId("tally", "all")
    for greeting in greetings:
        context.signal_entity(entity_id, "add", len(greeting))
    total = yield context.call_entity(entity_id, "get")
    last = yield context.call_activity_with_retry("greet", options, "you")
    return {"greetings": greetings, "total": total, "last": last}


@bp.activity_trigger(input_name="city")
def greet(city: str) -> str:
    return f"Hello {city}"


@bp.entity_trigger(context_name="context")
def tally(context: df.DurableEntityContext):
    total = context.get_state(lambda: 0)
    if context.operation_name == "add":
        context.set_state(total + context.get_input())
    context.set_result(context.get_state(lambda: 0))


app.register_functions(bp)
