"""Three steps of which the first two must not be done twice: number, book, deliver.

A customer's address that is wrong fails the last. The invoice is then forked from that step, with
the address mended: what it takes over keeps its number, and is booked once.
"""

from __future__ import annotations

import durable as df
from orchestrators.models import Booking, Delivery, Invoice, InvoiceSent

bp = df.Blueprint()

DELIVERY = 2
"""The step that `deliver_invoice` is: the number of its task, counted from 0."""


@bp.orchestration_trigger(context_name="context")
async def send_invoice(context: df.DurableOrchestrationContext, invoice: Invoice) -> InvoiceSent:
    """Fails where the invoice cannot be delivered."""
    number = await context.call_activity("number_invoice", invoice.customer, expected_type=str)
    context.set_custom_status({"number": number})
    await context.call_activity("book_invoice", Booking(number, invoice.cents))
    await context.call_activity("deliver_invoice", Delivery(number, invoice.email))
    return InvoiceSent(number, invoice.email)
