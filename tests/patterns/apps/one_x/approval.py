"""A human answers, or the time is over."""

from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
def expense_claim(context: df.DurableOrchestrationContext):
    claim = context.get_input()
    yield context.call_activity("ask_manager", claim["amount"])
    context.set_custom_status("waiting for the manager")
    due = context.current_utc_datetime + timedelta(seconds=claim["patience"])
    timeout = context.create_timer(due)
    decision = context.wait_for_external_event("Decision")
    winner = yield context.task_any([decision, timeout])
    if winner != decision:
        return "escalated"
    if not timeout.is_completed:
        timeout.cancel()
    return "approved" if decision.result["approved"] else "turned down"


@bp.activity_trigger(input_name="amount")
def ask_manager(amount: int) -> str:
    return f"please look at {amount}"


@bp.route(route="claims/{id}", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def decide(req: func.HttpRequest, client):
    await client.raise_event(req.route_params["id"], "Decision", req.get_json())
    return func.HttpResponse(status_code=202)
