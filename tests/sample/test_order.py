"""The order: what runs, what is undone, and in which order."""

from __future__ import annotations

from typing import Any

from activities.payments import CardDeclined
from activities.stock import OutOfStock
from durable.model.instance import OrchestrationRuntimeStatus
from tests.sample.driver import Instance

ORDER = {"customer": "Ada", "lines": [{"sku": "book", "quantity": 2, "unit_cents": 1250}]}
UP_TO_THE_WINDOW = ["charge_card", "reserve_stock", "confirm_order"]


def paid(charge: Any) -> Any:
    return {"payment_id": "pay-1", "cents": charge["cents"]}


def raises(error: Exception) -> Any:
    def fail(_: Any) -> None:
        raise error

    return fail


def start(**activities: Any) -> Instance:
    ready = {"charge_card": paid, "ship_order": lambda _: "track-1", **activities}
    instance = Instance("process_order", ORDER, ready)
    instance.run()
    return instance


def test_ships_after_the_window() -> None:
    order = start()
    assert order.names == UP_TO_THE_WINDOW
    assert order.calls[0][1] == {"order_id": "instance-1", "card": "valid", "cents": 2500}

    order.advance(minutes=29, seconds=59)
    assert order.names == UP_TO_THE_WINDOW
    assert order.statuses[-1] == "waiting for a cancellation"

    order.advance(seconds=1)
    assert order.names == [*UP_TO_THE_WINDOW, "ship_order", "send_notice"]
    assert order.output["outcome"] == "shipped"
    assert order.output["tracking"] == "track-1"
    assert order.survives_a_crash_before_any_turn()


def test_a_cancellation_undoes_in_reverse() -> None:
    order = start()
    order.advance(minutes=10)
    order.event("Cancel")
    order.run()
    assert order.names == [*UP_TO_THE_WINDOW, "release_stock", "refund_card"]
    assert order.output["outcome"] == "cancelled"
    assert order.output["undone"] == ["release_stock", "refund_card"]
    assert order.survives_a_crash_before_any_turn()


def test_a_cancellation_before_the_window_is_kept() -> None:
    order = Instance("process_order", ORDER, {"charge_card": paid})
    order.event("cancel")
    order.run()
    assert order.output["outcome"] == "cancelled"
    assert "ship_order" not in order.names


def test_a_declined_card_is_not_charged_again_and_refunded() -> None:
    order = start(charge_card=raises(CardDeclined("no")))
    assert order.names == ["charge_card", "refund_card"]
    assert order.output["outcome"] == "failed"
    assert "CardDeclined: no" in order.output["reason"]


def test_missing_stock_undoes_the_reservation_and_the_charge() -> None:
    order = start(reserve_stock=raises(OutOfStock("none left")))
    assert order.names == ["charge_card", "reserve_stock", "release_stock", "refund_card"]
    assert order.output["undone"] == ["release_stock", "refund_card"]


def test_a_bank_that_is_down_is_asked_five_times() -> None:
    order = start(charge_card=raises(ConnectionError("down")))
    order.advance(hours=1)
    assert order.names == ["charge_card"] * 5 + ["refund_card"]
    assert order.output["outcome"] == "failed"


def test_a_failed_shipment_is_undone() -> None:
    order = start(ship_order=raises(ConnectionError("no carrier")))
    order.advance(hours=1)
    assert order.names[-2:] == ["release_stock", "refund_card"]
    assert order.output["outcome"] == "failed"


def test_a_notice_that_fails_does_not_undo_the_shipment() -> None:
    order = start(send_notice=raises(ConnectionError("no mail")))
    order.advance(hours=1)
    assert "refund_card" not in order.names
    assert order.output["outcome"] == "shipped"


def test_a_compensation_that_fails_for_good_stops_no_other_and_fails_the_order() -> None:
    order = start(
        reserve_stock=raises(OutOfStock("none left")),
        release_stock=raises(ConnectionError("no warehouse")),
    )
    order.advance(days=1)
    assert order.names.count("release_stock") == 20
    assert order.names[-1] == "refund_card"
    assert order.last.status is OrchestrationRuntimeStatus.FAILED
    assert "no warehouse" in str(order.last.failure)
