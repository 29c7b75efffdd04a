"""Payouts: the pace of the bank, one at a time to a customer, and urgent ones first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.testing import TestHub
from function_app import app


def paid(given: dict[str, Any]) -> dict[str, Any]:
    return {"payment_id": "out-1", "cents": given["payout"]["cents"]}


def run_of(*customers: str, urgent: bool = False) -> dict[str, Any]:
    payouts = [{"customer": customer, "cents": 100} for customer in customers]
    return {"payouts": payouts, "urgent": urgent}


async def test_every_customer_is_paid_at_the_banks_pace() -> None:
    async with TestHub(app, activities={"send_payout": paid}) as hub:
        run = run_of(*(f"customer-{number % 30}" for number in range(100)))
        assert await hub.run("pay_out", run) == {"payouts": 100, "cents": 10_000}
        times = [call.time for call in hub.calls("send_payout")]
        assert timedelta(seconds=4.9) <= times[-1] - times[0] <= timedelta(seconds=8)


async def test_an_urgent_run_comes_first() -> None:
    async with TestHub(app, activities={"send_payout": paid}) as hub:
        large = await hub.start("pay_out", run_of(*(f"a-{n}" for n in range(200))))
        await hub.advance(1)
        urgent = await hub.start("pay_out", run_of("b", urgent=True))
        assert await hub.result(urgent) == {"payouts": 1, "cents": 100}
        order = [call.instance_id for call in hub.calls("send_payout")]
        assert order.index(urgent) < 60
        assert await hub.result(large) == {"payouts": 200, "cents": 20_000}


async def test_a_run_that_cannot_be_paid_is_refused() -> None:
    async with TestHub(app) as hub:
        with pytest.raises(Exception, match="cents is 1 to 10000000"):
            await hub.run("pay_out", {"payouts": [{"customer": "a", "cents": 0}]})
