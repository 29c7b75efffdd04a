"""Invoices in the ledger: put your book-keeping and your mail service here."""

from __future__ import annotations

import durable as df
from activities import ledger
from orchestrators.models import Booking, Delivery

bp = df.Blueprint()

ACCOUNT = "invoices"


class UndeliverableError(Exception):
    """Nobody can be reached there; another try does not help."""


@bp.activity_trigger(input_name="customer")
def number_invoice(customer: str) -> str:
    """A number of its own for each invoice."""
    key = df.activity_context().idempotency_key
    number = ledger.digest(key)[:8].upper()
    ledger.enter(ACCOUNT, "number", key=number, detail=customer)
    return number


@bp.activity_trigger(input_name="booking")
def book_invoice(booking: Booking) -> None:
    """Enter what the customer owes, once for each number."""
    ledger.enter(ACCOUNT, "book", key=booking.number, cents=booking.cents)


@bp.activity_trigger(input_name="delivery")
def deliver_invoice(delivery: Delivery) -> None:
    """Send it. Raises UndeliverableError."""
    if "@" not in delivery.email:
        raise UndeliverableError(f"{delivery.email!r} is no address")
    key = df.activity_context().idempotency_key
    ledger.enter(ACCOUNT, "deliver", key=key, detail=f"{delivery.number} to {delivery.email}")
