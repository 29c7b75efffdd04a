"""An invoice that cannot be delivered, and goes out under its number once its address is mended."""

from __future__ import annotations

import pytest

import durable as df
from durable.testing import TestHub
from function_app import app
from orchestrators.invoice import DELIVERY
from orchestrators.models import Delivery

INVOICE = {"customer": "Ada", "email": "ada at example.com", "cents": 1200}


def undelivered(delivery: Delivery) -> None:
    if "@" not in delivery.email:
        raise ValueError(f"{delivery.email!r} is no address")


async def test_it_is_mended_from_the_step_that_failed() -> None:
    replaced = {"number_invoice": "A1", "book_invoice": None, "deliver_invoice": undelivered}
    async with TestHub(app, activities=replaced) as hub:
        wrong = await hub.start("send_invoice", INVOICE)
        failed = await hub.wait_for(wrong)
        assert failed.runtime_status == "Failed"
        # a number that is given out again would be another
        hub.replace("number_invoice", "A2")
        right = await hub.client.fork(
            wrong, DELIVERY, input_={**INVOICE, "email": "ada@example.com"}
        )
        assert await hub.result(right) == {"number": "A1", "email": "ada@example.com"}
        for activity, times in (("number_invoice", 1), ("book_invoice", 1), ("deliver_invoice", 2)):
            assert len(hub.calls(activity)) == times


async def test_nothing_after_the_delivery_can_be_forked() -> None:
    replaced = {"number_invoice": "A1", "book_invoice": None, "deliver_invoice": undelivered}
    async with TestHub(app, activities=replaced) as hub:
        wrong = await hub.start("send_invoice", INVOICE)
        await hub.wait_for(wrong)
        with pytest.raises(df.errors.InvalidRequestError, match="its last step is 2"):
            await hub.client.fork(wrong, DELIVERY + 2)
