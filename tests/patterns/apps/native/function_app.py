"""The patterns in the native style: `async def`, types, one way to do each thing."""

from __future__ import annotations

import json
import os

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

import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for blueprint in (accounts, approval, articles, exports, parcels, steering, versions, watching):
    app.register_functions(blueprint)
app.configure_scheduled_tasks()
app.configure_history_export(writer=FolderWriter())
if "APP_VERSION" in os.environ:
    app.configure_versioning(
        df.VersioningOptions(
            version=os.environ["APP_VERSION"],
            match_strategy=df.VersionMatchStrategy[os.environ["APP_TAKES"]],
            failure_strategy=df.VersionFailureStrategy[os.environ["APP_REFUSES"]],
        )
    )


@app.route(route="orchestrators/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    body = req.get_body()
    instance_id = await client.start_new(
        req.route_params["name"],
        req.params.get("id"),
        json.loads(body) if body else None,
        req.params.get("version"),
        tags={"by": "http"},
    )
    return client.create_check_status_response(req, instance_id)


@app.route(route="wait/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start_and_wait(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    instance_id = await client.start_new(req.route_params["name"], client_input=req.get_json())
    return await client.wait_for_completion_or_create_check_status_response(
        req, instance_id, 20_000
    )
