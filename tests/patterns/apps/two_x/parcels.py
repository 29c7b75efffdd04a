"""Orchestrations in orchestrations, with retries, and a status that says how far it is."""

from collections import Counter
from datetime import timedelta

import azure.durable_functions as df
from durabletask import task

bp = df.Blueprint()
_loadings: Counter[str] = Counter()


def _retry(attempts: int) -> task.RetryPolicy:
    return task.RetryPolicy(
        first_retry_interval=timedelta(milliseconds=100),
        max_number_of_attempts=attempts,
        backoff_coefficient=1.5,
        max_retry_interval=timedelta(seconds=1),
    )


@bp.orchestration_trigger(context_name="context")
def ship_order(ctx: task.OrchestrationContext, parcels: list):
    shipped = []
    for parcel in parcels:
        ctx.set_custom_status({"shipped": len(shipped), "of": len(parcels)})
        number = yield ctx.call_sub_orchestrator(ship_parcel, input=parcel, retry_policy=_retry(3))
        shipped.append(number)
    invoice = yield ctx.call_sub_orchestrator(
        "send_invoice", input=shipped, instance_id=f"{ctx.instance_id}-invoice"
    )
    ctx.set_custom_status({"shipped": len(shipped), "of": len(parcels)})
    return invoice


@bp.orchestration_trigger(context_name="context")
def ship_parcel(ctx: task.OrchestrationContext, parcel: str):
    return (yield ctx.call_activity(load_parcel, input=parcel, retry_policy=_retry(2)))


@bp.activity_trigger(input_name="parcel")
def load_parcel(parcel: str) -> str:
    _loadings[parcel] += 1
    if parcel == "heavy" and _loadings[parcel] < 4:
        raise RuntimeError("the crane is busy")
    return f"{parcel} on board after {_loadings[parcel]}"


@bp.orchestration_trigger(context_name="context")
def send_invoice(ctx: task.OrchestrationContext, lines: list):
    return {"id": ctx.instance_id, "parent": ctx.parent_instance_id, "lines": lines}
