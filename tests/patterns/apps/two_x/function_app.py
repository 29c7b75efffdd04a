"""The patterns in the style of azure-functions-durable 2.x: two arguments, durabletask's names."""

import json

import azure.durable_functions as df
import azure.functions as func
from accounts import bp as accounts
from approval import bp as approval
from articles import bp as articles
from exports import FolderWriter
from exports import bp as exports
from parcels import bp as parcels
from steering import bp as steering
from versions import bp as versions
from watching import bp as watching

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for blueprint in (accounts, approval, articles, exports, parcels, steering, versions, watching):
    app.register_blueprint(blueprint)
app.configure_scheduled_tasks()
app.configure_history_export(writer=FolderWriter())


@app.route(route="orchestrators/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    body = req.get_body()
    instance_id = await client.schedule_new_orchestration(
        req.route_params["name"],
        input=json.loads(body) if body else None,
        instance_id=req.params.get("id"),
        version=req.params.get("version"),
        tags={"by": "http"},
    )
    return client.create_check_status_response(req, instance_id)


@app.route(route="wait/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
def start_and_wait(req: func.HttpRequest, client: df.SyncDurableFunctionsClient):
    instance_id = client.schedule_new_orchestration(req.route_params["name"], input=req.get_json())
    state = client.wait_for_orchestration_completion(instance_id, timeout=20)
    state.raise_if_failed()
    return func.HttpResponse(state.serialized_output, mimetype="application/json")
