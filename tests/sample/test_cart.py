"""The cart: asked, changed, refused, checked out, forgotten, and its process killed in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from durable import InstanceFinishedError, UpdateRejectedError
from durable.testing import TestHub
from function_app import app
from orchestrators.cart import shopping_cart
from orchestrators.models import Cart, Line

ACTIVITIES = {
    "charge_card": {"payment_id": "p", "cents": 1},
    "reserve_stock": None,
    "confirm_order": None,
    "ship_order": "t-1",
    "send_notice": None,
}


@pytest.fixture(params=[False, True], ids=["live", "replayed"])
async def hub(request: pytest.FixtureRequest) -> AsyncIterator[TestHub]:
    async with TestHub(app, activities=ACTIVITIES, replay_every_turn=request.param) as running:
        yield running


async def test_it_is_filled_asked_and_checked_out(hub: TestHub) -> None:
    begun = hub.now
    cart = await hub.start(shopping_cart, "Ada", instance_id="c")
    assert await hub.update(cart, "add", {"sku": "book", "unit_cents": 900}) == 900
    assert await hub.update(cart, "add", Line("lamp", 2, 1500), expected_type=int) == 3900
    hub.crash()
    assert await hub.update(cart, "remove", "book") == 3000
    found = await hub.query(cart, "cart", expected_type=Cart)
    assert found == Cart("Ada", (Line("lamp", 2, 1500),), 3000, "open")
    assert hub.now - begun < timedelta(seconds=61), "asking takes no time but that of the crash"
    assert await hub.update(cart, "checkout", {"card": "valid"}) == "c-order"
    with pytest.raises(UpdateRejectedError, match="the cart was checked out"):
        await hub.update(cart, "add", Line("book"))
    assert (await hub.query(cart, "cart"))["outcome"] == "ordered"
    assert (await hub.result(cart))["outcome"] == "ordered"
    assert [call.input["cents"] for call in hub.calls("charge_card")] == [3000]
    assert (await hub.query(cart, "cart"))["total_cents"] == 3000


async def test_what_does_not_fit_is_refused_and_changes_nothing(hub: TestHub) -> None:
    cart = await hub.start(shopping_cart, "Ada")
    for name, data, said in (
        ("add", {"sku": "book", "quantity": 0}, "quantity is 1 to 1000, not 0"),
        ("add", {"quantity": 1}, "sku"),
        ("remove", "lamp", "LookupError: there is no lamp"),
        ("checkout", {}, "was refused: the cart is empty"),
        ("checkout", [], "PayloadError"),
    ):
        with pytest.raises(UpdateRejectedError, match=said):
            await hub.update(cart, name, data)
    assert (await hub.query(cart, "cart"))["lines"] == []
    with pytest.raises(TimeoutError, match="has not answered update 'pay' within 5 s"):
        await hub.update(cart, "pay", 7, timeout=5)


async def test_it_is_abandoned_after_three_days(hub: TestHub) -> None:
    cart = await hub.start(shopping_cart, "Ada")
    await hub.update(cart, "add", Line("book"))
    await hub.advance(timedelta(hours=71))
    assert (await hub.query(cart, "cart"))["outcome"] == "open"
    assert (await hub.result(cart))["outcome"] == "abandoned"
    with pytest.raises(InstanceFinishedError):
        await hub.update(cart, "add", Line("lamp"))
