"""Sub-orchestrations, and starting from a client or an entity."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, assert_type

import durable as df
from durable.client import DurableOrchestrationClient as NativeClient
from durable.model.instance import InstanceStatus
from tests.typing.programs.shop import (
    Order,
    Receipt,
    maybe,
    nightly,
    process,
    yields,
    yields_alone,
)


async def children(context: df.DurableOrchestrationContext, order: Order) -> None:
    assert_type(await context.call_sub_orchestrator(process, order), Receipt)
    assert_type(await context.call_sub_orchestrator(process, order, "id", "1.0"), Receipt)
    assert_type(await context.call_sub_orchestrator(process, order, tags={"a": "b"}), Receipt)
    assert_type(await context.call_sub_orchestrator(yields, order), Receipt)
    assert_type(await context.call_sub_orchestrator(yields_alone, order), Receipt)
    assert_type(await context.call_sub_orchestrator(nightly), int)
    assert_type(await context.call_sub_orchestrator(maybe), bool)
    assert_type(await context.call_sub_orchestrator(maybe, order), bool)
    assert_type(await context.call_sub_orchestrator("process", order), Any)
    child = context.call_sub_orchestrator("process", order, expected_type=Receipt)
    assert_type(await child, Receipt)


async def wrong_children(context: df.DurableOrchestrationContext, order: Order) -> None:
    await context.call_sub_orchestrator(process, "gold")  # E: incompatible type
    await context.call_sub_orchestrator(process)  # E: incompatible type
    await context.call_sub_orchestrator(yields, "gold")  # E: incompatible type
    await context.call_sub_orchestrator(maybe, 3)  # E: incompatible type
    await context.call_sub_orchestrator(process, order, version=1)  # E: No overload variant
    paid: str = await context.call_sub_orchestrator(process, order)  # E: incompatible type
    del paid


async def starts(client: df.DurableOrchestrationClient, native: NativeClient, order: Order) -> None:
    assert_type(await client.start_new(process, client_input=order), str)
    assert_type(await client.start_new(process, "id", order), str)
    assert_type(await client.start_new(process, "id", order, "1.0"), str)
    assert_type(await client.start_new(yields, None, order, if_exists="skip"), str)
    assert_type(await client.start_new(maybe, start_at=timedelta(days=1)), str)
    assert_type(await client.start_new(nightly, client_input=order), str)
    assert_type(await client.start_new("process", client_input="anything"), str)
    assert_type(await client.start_many(process, [order, order]), list[str])
    assert_type(await client.start_many("process", ["anything"], tags={"a": "b"}), list[str])
    assert_type(await native.start_new(process, "id", order), str)
    assert_type(await native.start_many(process, [order]), list[str])


async def wrong_starts(
    client: df.DurableOrchestrationClient, native: NativeClient, order: Order
) -> None:
    await client.start_new(process, client_input="gold")  # E: incompatible type
    await client.start_new(process, "id", "gold")  # E: incompatible type
    await client.start_new(process, "id", "gold", if_exists="skip")  # E: No overload
    await client.start_new(process)  # E: incompatible type
    await client.start_new(process, client_input=order, if_exists="sometimes")  # E: No overload
    await client.start_new(process, client_input=order, retry=3)  # E: "retry"
    await client.start_many(process, ["gold"])  # E: incompatible type
    await native.start_new(process, "id", "gold")  # E: incompatible type
    await native.start_many(process, [order, "gold"])  # E: incompatible type


async def outcomes(client: df.DurableOrchestrationClient, native: NativeClient) -> None:
    status = await client.wait_for_completion("id", timeout=3)
    assert_type(status, InstanceStatus)
    assert_type(status.get_output(Receipt), Receipt)
    assert_type(status.get_output(list[Receipt]), list[Receipt])
    assert_type(status.get_output(), Any)
    assert_type(status.get_input(Order), Order | None)
    assert_type(status.get_custom_status(str), str | None)
    assert_type(await native.wait_for_completion("id"), InstanceStatus)
    paid: str = status.get_output(Receipt)  # E: Incompatible types in assignment
    status.get_input(Order).card  # E: has no attribute "card"
    del paid
