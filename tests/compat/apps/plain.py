"""A plain `func.FunctionApp`, whose decorators import azure.durable_functions themselves."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
bp = func.Blueprint()


@app.durable_client_input(client_name="client")
@app.function_name("http_start")
@app.route(route="orchestrators/{functionName}")
async def start(req: func.HttpRequest, client):
    instance_id = await client.start_new(req.route_params["functionName"], "one", req.get_json())
    return client.create_check_status_response(req, instance_id)


@app.route(route="status/{id}")
@app.durable_client_input(client_name="client")
def http_status(req: func.HttpRequest, client):
    return func.HttpResponse(client.get_status(req.route_params["id"]).runtime_status.name)


@app.function_name("pipeline")
@app.orchestration_trigger(context_name="context")
def anything(context):
    greetings = []
    for city in context.get_input():
        greetings.append((yield context.call_activity("greet", city)))
    entity_id = app_entity("all")
    for greeting in greetings:
        total = yield context.call_entity(entity_id, "add", len(greeting))
    last = yield context.call_activity(greet, "you")
    return {"greetings": greetings, "total": total, "last": last}


@bp.activity_trigger(input_name="city")
async def greet(city: str) -> str:
    return f"Hello {city}"


@bp.entity_trigger(context_name="context", entity_name="Tally")
def tally(context):
    context.set_state(context.get_state(lambda: 0) + context.get_input())
    context.set_result(context.get_state())


def app_entity(key):
    from azure.durable_functions import EntityId

    return EntityId("Tally", key)


app.register_functions(bp)
