"""An order under the Functions host: durable and plain functions, blueprints of both kinds."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import azure.functions as func
from shipping import shipping
from status_page import status_page

import durable as df

if TYPE_CHECKING:
    from durable import DurableOrchestrationClient

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(shipping)
app.register_blueprint(status_page)


@app.activity_trigger(input_name="order")
def charge(order: dict[str, int]) -> str:
    if order.get("crash") and not os.path.exists(os.environ["CRASH_MARK"]):
        with open(os.environ["CRASH_MARK"], "w") as mark:
            mark.write("died here")
        os._exit(9)
    return f"charged {order['amount']}"


@app.orchestration_trigger(context_name="context")
async def process_order(context: df.DurableOrchestrationContext) -> list[str]:
    order = context.get_input()
    if order.get("wait"):
        await context.create_timer(context.current_utc_datetime + timedelta(seconds=order["wait"]))
    receipt = await context.call_activity(charge, order)
    parcels = await df.when_all([context.call_activity("ship", n) for n in range(order["items"])])
    return [receipt, *parcels]


@app.route(route="orders", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: DurableOrchestrationClient) -> func.HttpResponse:
    instance_id = await client.start_new("process_order", client_input=req.get_json())
    return client.create_check_status_response(req, instance_id)
