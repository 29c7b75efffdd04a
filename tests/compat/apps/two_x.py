"""An app of azure-functions-durable 2.x: two arguments, classes, clients that block."""

import azure.durable_functions as df
import azure.functions as func
from azure.durable_functions.internal.azurefunctions_grpc_interceptor import (
    AzureFunctionsDefaultClientInterceptorImpl,
)
from azure.durable_functions.internal.serialization import DEFAULT_FUNCTIONS_DATA_CONVERTER
from durabletask import entities, task
from durabletask.client import TaskHubGrpcClient

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="orchestrators/{functionName}")
@app.durable_client_input(client_name="client")
def http_start(req: func.HttpRequest, client: df.DurableFunctionsClient):
    blocking = TaskHubGrpcClient(
        host_address=client.rpcBaseUrl,
        interceptors=[
            AzureFunctionsDefaultClientInterceptorImpl(
                client.taskHubName, client.requiredQueryStringParameters
            )
        ],
        data_converter=DEFAULT_FUNCTIONS_DATA_CONVERTER,
    )
    instance_id = blocking.schedule_new_orchestration(
        req.route_params["functionName"], input=req.get_json(), instance_id="one"
    )
    return client.create_check_status_response(req, instance_id)


@app.route(route="status/{id}")
@app.durable_client_input(client_name="client")
async def http_status(req: func.HttpRequest, client: df.DurableFunctionsClient):
    state = await client.get_orchestration_state(req.route_params["id"])
    return func.HttpResponse(str(state.runtime_status))


@app.orchestration_trigger(context_name="context")
def pipeline(ctx: task.OrchestrationContext, cities: list):
    greetings = yield task.when_all([ctx.call_activity(greet, input=city) for city in cities])
    entity_id = entities.EntityInstanceId("tally", "all")
    with (yield ctx.lock_entities([entity_id])):
        for greeting in greetings:
            total = yield ctx.call_entity(entity_id, "add", len(greeting))
    policy = task.RetryPolicy(
        first_retry_interval=task.timedelta(seconds=1), max_number_of_attempts=2
    )
    last = yield ctx.call_activity("greet", input="you", retry_policy=policy)
    return {"greetings": greetings, "total": total, "last": last}


@app.activity_trigger(input_name="city")
def greet(ctx: task.ActivityContext, city: str) -> str:
    return f"Hello {city}"


@app.entity_trigger(context_name="context", entity_name="tally")
class Tally(entities.DurableEntity):
    def add(self, number: int) -> int:
        self.set_state(self.get_state(int, 0) + number)
        return self.get_state(int)
