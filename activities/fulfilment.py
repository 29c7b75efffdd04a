"""What happens to an order around the money and the goods."""

from __future__ import annotations

import durable as df
from activities import ledger
from orchestrators.models import Goods

bp = df.Blueprint()


@bp.activity_trigger(input_name="order_id")
def confirm_order(order_id: str) -> None:
    """Mark the order as paid and reserved."""
    ledger.note_attempt(order_id)
    ledger.enter(order_id, "confirm", key=df.activity_context().idempotency_key)


@bp.activity_trigger(input_name="goods")
def ship_order(goods: Goods) -> str:
    """Hand the goods to the carrier, once; returns the tracking number."""
    ledger.note_attempt(goods.order_id)
    key = df.activity_context().idempotency_key
    tracking = f"track-{ledger.digest(key)[:12]}"
    ledger.enter(goods.order_id, "ship", key=key, detail=tracking)
    return tracking
