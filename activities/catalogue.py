"""A supplier's catalogue, taken over page by page."""

from __future__ import annotations

import time
from datetime import timedelta

import durable as df
from activities import ledger
from orchestrators.models import Catalogue

bp = df.Blueprint()


@bp.activity_trigger(
    input_name="catalogue",
    timeout=timedelta(hours=12),
    heartbeat_timeout=timedelta(seconds=30),
)
def take_over_pages(catalogue: Catalogue) -> int:
    """Enter each page into the ledger, and say so: the next attempt begins after the page that was
    said last. One that was entered and not said is entered once all the same."""
    context = df.activity_context()
    ledger.note_attempt(context.instance_id)
    taken_over = context.heartbeat_details(int) or 0
    for page in range(taken_over + 1, catalogue.pages + 1):
        context.raise_if_cancelled()
        time.sleep(catalogue.seconds_per_page)
        ledger.enter(context.instance_id, "page", key=f"{context.idempotency_key}/{page}")
        context.heartbeat(page)
    return catalogue.pages
