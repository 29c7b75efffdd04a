"""The patterns in the style of azure-functions-durable 1.x: generators of one argument."""

import json

import azure.durable_functions as df
import azure.functions as func
from approval import bp as approval
from articles import bp as articles
from claims_desk import bp as claims_desk
from counters import bp as counters
from parcels import bp as parcels
from versions import bp as versions
from watching import bp as watching

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for blueprint in (approval, articles, claims_desk, counters, parcels, versions, watching):
    app.register_functions(blueprint)


@app.route(route="orchestrators/{functionName}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def http_start(req: func.HttpRequest, client):
    body = req.get_body()
    instance_id = await client.start_new(
        req.route_params["functionName"],
        instance_id=req.params.get("id"),
        client_input=json.loads(body) if body else None,
        version=req.params.get("version"),
    )
    return client.create_check_status_response(req, instance_id)


@app.route(route="wait/{functionName}", methods=["POST"])
@app.durable_client_input(client_name="starter")
async def http_wait(req: func.HttpRequest, starter):
    client = df.DurableOrchestrationClient(starter)
    instance_id = await client.start_new(req.route_params["functionName"], None, req.get_json())
    return await client.wait_for_completion_or_create_check_status_response(
        req, instance_id, timeout_in_milliseconds=20000, retry_interval_in_milliseconds=500
    )
