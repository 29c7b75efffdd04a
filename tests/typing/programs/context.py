"""Inputs, events, several tasks, entities."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, assert_type

import durable as df
from durable.model.entities import EntityId
from tests.typing.programs.shop import Order, Receipt, add, charge, charge_soon


async def given(context: df.DurableOrchestrationContext) -> None:
    assert_type(context.get_input(Order), Order)
    assert_type(context.get_input(list[Order]), list[Order])
    assert_type(context.get_input(), Any)
    either: Order | str = context.get_input(Order | str)
    name: str = context.get_input(Order)  # E: Incompatible types in assignment
    del either, name


async def events(context: df.DurableOrchestrationContext) -> None:
    assert_type(await context.wait_for_external_event("approved", bool), bool)
    assert_type(await context.wait_for_external_event("approved", bool, timeout=timedelta(1)), bool)
    assert_type(await context.wait_for_external_event("approved"), Any)
    approved = await context.wait_for_external_event("approved", bool)
    approved.upper()  # E: "bool" has no attribute "upper"


async def several(context: df.DurableOrchestrationContext, order: Order) -> None:
    paid, summed = context.call_activity(charge, order), context.call_activity(add, [1])
    timer = context.create_timer(timedelta(days=1))
    assert_type(
        await context.when_all([context.call_activity(charge, each) for each in [order]]),
        list[Receipt],
    )
    assert_type(await context.when_all((paid, summed)), tuple[Receipt, float])
    assert_type(await context.when_all((paid, summed, timer)), tuple[Receipt, float, None])
    assert_type(await df.when_all((paid, summed)), tuple[Receipt, float])
    assert_type(await df.when_all([summed, summed]), list[float])
    assert_type(await context.task_all([summed]), list[float])
    assert_type(await context.when_any([paid, paid]), df.DurableTask[Receipt])
    assert_type((await context.task_any([summed])).result, float)
    either = context.call_activity(charge, order), context.call_activity(charge_soon, order)
    assert_type(await context.when_all(either), tuple[Receipt, Receipt])
    winner = await context.when_any([paid, timer])
    if winner is timer:
        return
    assert_type(paid.result, Receipt)

    first, second = await context.when_all((paid, summed))
    first.payment_id.upper()
    second.payment_id  # E: "float" has no attribute "payment_id"
    names: list[str] = await context.when_all([paid])  # E: expected "DurableTask[str]"
    await context.when_all([order])  # E: incompatible type
    await context.when_any([1])  # E: incompatible type
    del names


async def calls_of_entities(context: df.DurableOrchestrationContext) -> None:
    counter = EntityId("counter", "a")
    assert_type(await context.call_entity(counter, "get"), Any)
    assert_type(await context.call_entity(counter, "get", None, int), int)
    assert_type(await context.call_entity(counter, "get", expected_type=int), int)
    count = await context.call_entity(counter, "get", expected_type=int)
    count.upper()  # E: "int" has no attribute "upper"


def entity(context: df.EntityContext) -> None:
    assert_type(context.get_state(int, 0), int)
    assert_type(context.get_state(list[str], list), list[str])
    assert_type(context.get_state(Order), Order | None)
    assert_type(context.get_state(), Any)
    assert_type(context.get_input(Order), Order)
    context.get_state(Order).card  # E: has no attribute "card"
    context.get_state(int, 0).upper()  # E: "int" has no attribute "upper"


def nothing(context: df.DurableOrchestrationContext) -> None:
    context.call_activty("charge")  # E: has no attribute "call_activty"
