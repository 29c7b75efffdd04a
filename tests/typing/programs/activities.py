"""Activities by reference and by name."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, assert_type

import durable as df
from tests.typing.programs.shop import (
    Order,
    Page,
    Receipt,
    Refused,
    add,
    audit,
    charge,
    charge_soon,
    follow_up,
    look_up,
    notify,
    resize,
    total,
    try_charge,
    untyped,
)

RETRY = df.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=3)

SMALL: Literal["small"] = "small"


async def results(context: df.DurableOrchestrationContext, order: Order) -> None:
    assert_type(await context.call_activity(charge, order), Receipt)
    assert_type(await context.call_activity(charge_soon, order), Receipt)
    assert_type(await context.call_activity(charge, order, retry=RETRY), Receipt)
    assert_type(await context.call_activity(charge_soon, input_=order, retry=RETRY), Receipt)
    assert_type(context.call_activity(charge, order), df.DurableTask[Receipt])
    assert_type(await context.call_activity(try_charge, order), Receipt | Refused)
    assert_type(await context.call_activity(total, Page([order])), Decimal)
    assert_type(await context.call_activity(audit, order), int)
    assert_type(await context.call_activity(follow_up, order), str)
    assert_type(await context.call_activity(resize, SMALL), int)
    assert_type(await context.call_activity(look_up), dict[str, int])
    assert_type(await context.call_activity(look_up, "a"), dict[str, int])
    assert_type(await context.call_activity(look_up, None), dict[str, int])
    assert_type(await context.call_activity(add, [1, 2.5]), float)
    assert_type(await context.call_activity(add, [1, 2]), float)
    assert_type(await context.call_activity(add, ()), float)
    assert_type(await context.call_activity(untyped, order), Any)
    assert_type(await context.map(charge, [order], limit=2), list[Receipt])
    assert_type(await context.map(charge_soon, (order,), priority=1), list[Receipt])
    assert_type(context.map(audit, [order]), df.DurableTask[list[int]])
    assert_type(await context.map("charge", [order], expected_type=Receipt), list[Receipt])
    assert_type(await context.map("charge", [order]), list[Any])


async def by_name(context: df.DurableOrchestrationContext, order: Order) -> None:
    assert_type(await context.call_activity("charge", order), Any)
    assert_type(await context.call_activity("charge", order, expected_type=Receipt), Receipt)
    assert_type(await context.call_activity("list", expected_type=list[Receipt]), list[Receipt])
    assert_type(
        await context.call_activity("charge", order, retry=RETRY, expected_type=Receipt), Receipt
    )
    refused: Receipt | Refused
    refused = await context.call_activity("try", order, expected_type=Receipt | Refused)
    del refused


def the_functions_themselves(order: Order) -> None:
    assert_type(charge(order), Receipt)
    assert_type(charge(order=order), Receipt)
    charge("gold")  # E: Argument 1 to "charge" has incompatible type "str"; expected "Order"


async def wrong(context: df.DurableOrchestrationContext, order: Order) -> None:
    await context.call_activity(charge, "gold")  # E: expected "Callable[[str],
    await context.call_activity(charge_soon, "gold")  # E: expected "Callable[[str],
    await context.call_activity(charge, "gold", retry=RETRY)  # E: expected "Callable[[str],
    await context.call_activity(charge, {"card": "gold"})  # E: expected "Callable[[dict[str, str]],
    await context.call_activity(charge)  # E: expected "Callable[[None],
    await context.call_activity(charge_soon)  # E: expected "Callable[[None],
    await context.call_activity(charge, None)  # E: expected "Callable[[None],
    await context.call_activity(total, Page(["gold"]))  # E: expected "Callable[[Page[str]],
    await context.call_activity(total, order)  # E: expected "Callable[[Order],
    await context.call_activity(audit, "gold")  # E: incompatible type
    await context.call_activity(follow_up, "gold")  # E: incompatible type
    await context.call_activity(resize, "huge")  # E: incompatible type
    await context.call_activity(notify, {"town": "Bergen"})  # E: incompatible type
    await context.call_activity(charge, order, retry=3)  # E: No overload variant
    await context.call_activity(order)  # E: No overload variant

    paid: str = await context.call_activity(charge, order)  # E: Awaitable[str]
    (await context.call_activity(charge, order)).price  # E: "Receipt" has no attribute "price"
    task = context.call_activity(charge, order)
    task.payment_id  # E: "DurableTask[Receipt]" has no attribute "payment_id"
    named = await context.call_activity("charge", order, expected_type=Receipt)
    named.price  # E: "Receipt" has no attribute "price"
    del paid
