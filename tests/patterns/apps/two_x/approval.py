"""A human answers, or the time is over; and one orchestration answers another."""

from dataclasses import dataclass
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func
from durabletask import task

bp = df.Blueprint()


@dataclass
class Decision:
    approved: bool


@bp.orchestration_trigger(context_name="context")
def expense_claim(ctx: task.OrchestrationContext, claim: dict):
    ctx.set_custom_status("waiting for the manager")
    decision = ctx.wait_for_external_event("Decision", data_type=Decision)
    timeout = ctx.create_timer(timedelta(seconds=claim["patience"]))
    winner = yield task.when_any([decision, timeout])
    if winner == timeout:
        return "escalated"
    timeout.cancel()
    return "approved" if decision.get_result().approved else "turned down"


@bp.orchestration_trigger(context_name="context")
def decide_for_all(ctx: task.OrchestrationContext, claims: list):
    for claim in claims:
        ctx.send_event(claim, "Decision", data=Decision(True))
    return len(claims)


@bp.route(route="claims/{id}", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def decide(req: func.HttpRequest, client: df.DurableFunctionsClient):
    await client.raise_orchestration_event(req.route_params["id"], "Decision", data=req.get_json())
    return func.HttpResponse(status_code=202)
