"""The pretend bank: charges, refunds and payouts are entries in the ledger."""

from __future__ import annotations

import time

import durable as df
from activities import ledger
from orchestrators.models import Charge, PayoutInput, Receipt

bp = df.Blueprint()

SLOW_ANSWER_SECONDS = 3.0


class CardDeclined(Exception):
    """The bank refuses; asking again does not help."""


@bp.activity_trigger(input_name="charge")
def charge_card(charge: Charge) -> Receipt:
    """Take the money, once for each idempotency key.

    For the card "slow" the answer comes three seconds after the money has moved: whoever dies
    in between has charged and does not know it.
    """
    ledger.note_attempt(charge.order_id)
    if charge.card == "declined":
        raise CardDeclined(f"the bank declines the card of order {charge.order_id}")
    key = df.activity_context().idempotency_key
    ledger.enter(charge.order_id, "charge", key=key, cents=charge.cents)
    if charge.card == "slow":
        time.sleep(SLOW_ANSWER_SECONDS)
    return Receipt(f"pay-{ledger.digest(key)[:12]}", charge.cents)


@bp.activity_trigger(input_name="order_id")
def refund_card(order_id: str) -> int:
    """Give back every charge of an order, each once; returns the cents given back by now."""
    ledger.note_attempt(order_id)
    charges = [entry for entry in ledger.entries(order_id) if entry.kind == "charge"]
    for charge in charges:
        ledger.enter(order_id, "refund", key=charge.key, cents=-charge.cents)
    return sum(charge.cents for charge in charges)


@bp.activity_trigger(
    input_name="given",
    rate=df.RateLimit(20),
    key_concurrency=1,
    priority_enabled=True,
)
def send_payout(given: PayoutInput) -> Receipt:
    """Pay a customer, once for each idempotency key. The bank takes 20 payouts a second, and none
    to a customer who is being paid."""
    ledger.note_attempt(given.run_id)
    key = df.activity_context().idempotency_key
    ledger.enter(
        given.run_id, "payout", key=key, cents=-given.payout.cents, detail=given.payout.customer
    )
    return Receipt(f"out-{ledger.digest(key)[:12]}", given.payout.cents)
