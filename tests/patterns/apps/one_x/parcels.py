"""Orchestrations in orchestrations, with retries, and a status that says how far it is."""

from collections import Counter

import azure.durable_functions as df

bp = df.Blueprint()
_loadings = Counter()


@bp.orchestration_trigger(context_name="context")
def ship_order(context: df.DurableOrchestrationContext):
    parcels = context.get_input()
    retry = df.RetryOptions(first_retry_interval_in_milliseconds=100, max_number_of_attempts=3)
    shipped = []
    for parcel in parcels:
        context.set_custom_status({"shipped": len(shipped), "of": len(parcels)})
        number = yield context.call_sub_orchestrator_with_retry("ship_parcel", retry, parcel)
        shipped.append(number)
    invoice = yield context.call_sub_orchestrator(
        "send_invoice", shipped, instance_id=f"{context.instance_id}-invoice"
    )
    context.set_custom_status({"shipped": len(shipped), "of": len(parcels)})
    return invoice


@bp.orchestration_trigger(context_name="context")
def ship_parcel(context: df.DurableOrchestrationContext):
    retry = df.RetryOptions(100, 2)
    return (yield context.call_activity_with_retry("load_parcel", retry, context.get_input()))


@bp.activity_trigger(input_name="parcel")
def load_parcel(parcel: str) -> str:
    _loadings[parcel] += 1
    if parcel == "heavy" and _loadings[parcel] < 4:
        raise RuntimeError("the crane is busy")
    return f"{parcel} on board after {_loadings[parcel]}"


@bp.orchestration_trigger(context_name="context")
def send_invoice(context: df.DurableOrchestrationContext):
    yield context.create_timer(context.current_utc_datetime)
    return {"id": context.instance_id, "parent": context.parent_instance_id, **_lines(context)}


def _lines(context):
    return {"lines": context.get_input()}
