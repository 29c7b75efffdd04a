"""A human answers, or the time is over; and one orchestration answers another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import azure.functions as func

import durable as df

bp = df.Blueprint()


@dataclass
class Claim:
    amount: int
    patience: float


@dataclass
class Decision:
    approved: bool


@bp.orchestration_trigger(context_name="context")
async def expense_claim(context: df.DurableOrchestrationContext) -> str:
    claim = context.get_input(Claim)
    context.set_custom_status("waiting for the manager")
    try:
        decision = await context.wait_for_external_event(
            "Decision", Decision, timeout=timedelta(seconds=claim.patience)
        )
    except TimeoutError:
        return "escalated"
    return "approved" if decision.approved else "turned down"


@bp.orchestration_trigger(context_name="context")
async def decide_for_all(context: df.DurableOrchestrationContext) -> int:
    claims = context.get_input(list[str])
    for claim in claims:
        context.send_event(claim, "Decision", Decision(approved=True))
    return len(claims)


@bp.route(route="claims/{id}", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def decide(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    await client.raise_event(req.route_params["id"], "Decision", req.get_json())
    return func.HttpResponse(status_code=202)
