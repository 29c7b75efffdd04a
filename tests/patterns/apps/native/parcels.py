"""Orchestrations in orchestrations, with retries, and a status that says how far it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import durable as df

bp = df.Blueprint()
_loadings: Counter[str] = Counter()


@dataclass
class Invoice:
    id: str
    parent: str | None
    lines: list[str]


@bp.orchestration_trigger(context_name="context")
async def ship_order(context: df.DurableOrchestrationContext) -> Invoice:
    parcels = context.get_input(list[str])
    retry = df.RetryPolicy(
        first_retry_interval=timedelta(milliseconds=100), max_number_of_attempts=3
    )
    shipped: list[str] = []
    for parcel in parcels:
        context.set_custom_status({"shipped": len(shipped), "of": len(parcels)})
        shipped.append(await context.call_sub_orchestrator(ship_parcel, parcel, retry=retry))
    context.set_custom_status({"shipped": len(shipped), "of": len(parcels)})
    invoice: Invoice = await context.call_sub_orchestrator(
        send_invoice, shipped, f"{context.instance_id}-invoice"
    )
    return invoice


@bp.orchestration_trigger(context_name="context")
async def ship_parcel(context: df.DurableOrchestrationContext) -> str:
    retry = df.RetryPolicy(
        first_retry_interval=timedelta(milliseconds=100), max_number_of_attempts=2
    )
    return await context.call_activity(load_parcel, context.get_input(str), retry=retry)


@bp.activity_trigger(input_name="parcel")
async def load_parcel(parcel: str) -> str:
    _loadings[parcel] += 1
    if parcel == "heavy" and _loadings[parcel] < 4:
        raise RuntimeError("the crane is busy")
    return f"{parcel} on board after {_loadings[parcel]}"


@bp.orchestration_trigger(context_name="context")
async def send_invoice(context: df.DurableOrchestrationContext) -> Invoice:
    lines = context.get_input(list[str])
    return Invoice(context.instance_id, context.parent_instance_id, lines)
