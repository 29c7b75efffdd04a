"""Queries, updates and forks: handlers, what is taken, and what a client gets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, assert_type

import durable as df
from durable.client import DurableOrchestrationClient
from durable.model.events import Event
from tests.typing.programs.shop import Order, Receipt


async def answers(context: df.DurableOrchestrationContext) -> None:
    orders: list[Order] = []
    context.set_query_handler("orders", lambda: orders)
    context.set_update_handler("clear", orders.clear)

    @context.on_update("add")
    def add(order: Order) -> int:
        orders.append(order)
        return len(orders)

    assert_type(add(orders[0]), int)
    context.set_update_handler("pay", lambda order, card: None)  # E: incompatible type
    context.set_query_handler("orders", orders)  # E: incompatible type

    taken = await context.wait_for_update("pay", Receipt, timeout=timedelta(days=1))
    assert_type(taken, df.Update[Receipt])
    assert_type(taken.data.payment_id, str)
    taken.data.cents  # E: "Receipt" has no attribute "cents"
    taken.answer(taken.data)
    taken.reject(1)  # E: incompatible type
    assert_type((await context.wait_for_update("pay")).data, Any)


async def asks(client: DurableOrchestrationClient | df.DurableFunctionsClient) -> None:
    assert_type(await client.query("i", "orders", expected_type=list[Order]), list[Order])
    assert_type(await client.query("i", "orders"), Any)
    assert_type(await client.update("i", "add", 1, expected_type=int, update_id="1"), int)
    assert_type(await client.update("i", "add", timeout=timedelta(minutes=1)), Any)
    assert_type(await client.fork("i", 2, input_=1), str)
    assert_type(await client.get_history("i", payloads=True), list[tuple[datetime, Event]])
    await client.fork("i", "2")  # E: incompatible type
    await client.query("i")  # E: No overload variant of "query"
    await client.update("i", "add", update_id=1)  # E: No overload variant of "update"
