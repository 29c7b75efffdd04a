"""The warehouse: one partition of the ledger for each article, with what is on the shelf and
what is held for orders. Both change in one transaction."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

import durable as df
from activities import ledger
from orchestrators.models import Goods

bp = df.Blueprint()

OPENING_STOCK = {"book": 1_000_000, "lamp": 1_000_000, "unicorn": 0}
TRIES = 40
CONFLICTS = (409, 412)


class OutOfStock(Exception):
    """There is not enough of an article; asking again does not help."""


@bp.activity_trigger(input_name="goods")
def reserve_stock(goods: Goods) -> None:
    """Hold every line of an order, each once for each idempotency key. Raises OutOfStock at the
    first line that cannot be held, with the lines before it held."""
    ledger.note_attempt(goods.order_id)
    key = df.activity_context().idempotency_key
    for line in goods.lines:
        hold(line.sku, f"{_holds(goods.order_id)}{ledger.digest(key)}", line.quantity)
        detail = f"{line.quantity} {line.sku}"
        ledger.enter(goods.order_id, "reserve", key=f"{key}/{line.sku}", detail=detail)


@bp.activity_trigger(input_name="goods")
def release_stock(goods: Goods) -> None:
    """Put back whatever is held for an order, each hold once."""
    ledger.note_attempt(goods.order_id)
    for line in goods.lines:
        for held in ledger.rows(_shelf(line.sku), _holds(goods.order_id)):
            put_back(line.sku, held["RowKey"])
            key, detail = f"{held['RowKey']}/{line.sku}", f"{held['quantity']} {line.sku}"
            ledger.enter(goods.order_id, "release", key=key, detail=detail)


def on_shelf(sku: str) -> int:
    """How many of an article are not held for anybody."""
    quantity: int = _row(_shelf(sku), "shelf")["quantity"]
    return quantity


def hold(sku: str, name: str, quantity: int) -> None:
    """Take an article from its shelf, once for each `name` (a row key)."""
    _repeat(lambda: _hold(sku, name, quantity))


def put_back(sku: str, name: str) -> None:
    """Undo a hold, once."""
    _repeat(lambda: _put_back(sku, name))


def _hold(sku: str, name: str, quantity: int) -> None:
    partition = _shelf(sku)
    try:
        ledger.table().get_entity(partition, name)
    except ResourceNotFoundError:
        shelf = _row(partition, "shelf")
    else:
        return
    if shelf["quantity"] < quantity:
        raise OutOfStock(f"{quantity} {sku} wanted, {shelf['quantity']} there")
    _together(
        _update(shelf, quantity=shelf["quantity"] - quantity),
        (
            "create",
            {"PartitionKey": partition, "RowKey": name, "quantity": quantity, "held": True},
        ),
    )


def _put_back(sku: str, name: str) -> None:
    partition = _shelf(sku)
    held = ledger.table().get_entity(partition, name)
    if not held["held"]:
        return
    shelf = _row(partition, "shelf")
    _together(
        _update(shelf, quantity=shelf["quantity"] + held["quantity"]), _update(held, held=False)
    )


def _shelf(sku: str) -> str:
    return f"article {sku}"


def _holds(order_id: str) -> str:
    return f"hold-{ledger.digest(order_id)}-"


def _row(partition: str, key: str) -> Any:
    table = ledger.table()
    try:
        return table.get_entity(partition, key)
    except ResourceNotFoundError:
        opening = OPENING_STOCK.get(partition.removeprefix("article "), 0)
        with suppress(ResourceExistsError):
            table.create_entity({"PartitionKey": partition, "RowKey": key, "quantity": opening})
        return table.get_entity(partition, key)


def _update(row: Any, **values: object) -> Any:
    changed = {"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"], **values}
    condition = {
        "mode": "merge",
        "etag": row.metadata["etag"],
        "match_condition": MatchConditions.IfNotModified,
    }
    return "update", changed, condition


def _together(*operations: Any) -> None:
    ledger.table().submit_transaction(operations)


def _repeat(change: Callable[[], None]) -> None:
    """Another order may take from the same shelf: read and try again."""
    for attempt in range(1, TRIES + 1):
        try:
            return change()
        except HttpResponseError as error:
            if error.status_code not in CONFLICTS or attempt == TRIES:
                raise
        time.sleep(random.uniform(0, 0.02 * min(attempt, 10)))
    raise AssertionError("unreachable")
