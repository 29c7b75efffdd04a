"""A shopping cart that is asked and changed while it waits: a query shows it, updates are checked
and answered, and the checkout hands an order over."""

from __future__ import annotations

from datetime import timedelta

import durable as df
from orchestrators.models import Cart, Checkout, Line, Order

bp = df.Blueprint()

ABANDONED = timedelta(hours=72)


@bp.orchestration_trigger(context_name="context")
async def shopping_cart(context: df.DurableOrchestrationContext, customer: str) -> Cart:
    """Ends as ordered, or abandoned three days after its start. Query `cart`; updates `add` (a
    line), `remove` (a sku) and `checkout`, which is answered with the id of the order."""
    lines: dict[str, Line] = {}

    def cart(outcome: str = "open") -> Cart:
        held = tuple(lines.values())
        return Cart(customer, held, sum(line.quantity * line.unit_cents for line in held), outcome)

    context.set_query_handler("cart", lambda: cart())

    @context.on_update("add")
    def add(line: Line) -> int:
        # it is checked as it is read, and here against what else is in the cart
        if line.sku not in lines and len(lines) == 20:
            raise ValueError("a cart has 20 lines at most")
        held = lines[line.sku].quantity if line.sku in lines else 0
        lines[line.sku] = Line(line.sku, held + line.quantity, line.unit_cents)
        return cart().total_cents

    @context.on_update("remove")
    def remove(sku: str) -> int:
        if lines.pop(sku, None) is None:
            raise LookupError(f"there is no {sku} in the cart")
        return cart().total_cents

    until = context.current_utc_datetime + ABANDONED
    while True:
        try:
            checkout = await context.wait_for_update("checkout", Checkout, timeout=until)
        except TimeoutError:
            return cart("abandoned")
        if lines:
            break
        checkout.reject("the cart is empty")

    order = Order(customer, tuple(lines.values()), checkout.data.card)
    order_id = f"{context.instance_id}-order"
    context.set_query_handler("cart", lambda: cart("ordered"))
    for name in ("add", "remove"):
        context.set_update_handler(name, _refuse)
    checkout.answer(order_id)
    await context.call_sub_orchestrator("process_order", order, order_id)
    return cart("ordered")


def _refuse() -> None:
    raise ValueError("the cart was checked out")
