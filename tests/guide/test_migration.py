"""docs/migration.md"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import durable as df
from durable.compat import aliases
from tests.guide.pages import ROOT
from tests.guide.running import Guide


@dataclass
class Order:
    """What the page's example speaks of."""

    card: str


@dataclass
class Receipt:
    """What its activity returns."""

    payment_id: str


async def test_the_page() -> None:
    app = df.DFApp()

    @app.activity_trigger(input_name="order")
    def charge_card(order: Order) -> Receipt:
        return Receipt(f"paid by {order.card}")

    try:
        page = Guide(ROOT / "docs" / "migration.md", app=app, Order=Order, charge_card=charge_card)
        async with page as guide:
            assert await guide.outcome("process_order", {"card": "visa"}) == "paid by visa"
            # what the import of the page is for
            original = importlib.import_module("azure.durable_functions")
            assert issubclass(original.DFApp, df.DFApp)
    finally:
        aliases.uninstall()
