"""An app whose functions say what they take and return, and note what they got."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Generic, Literal, NamedTuple, TypeVar

import pydantic

import durable as df

T = TypeVar("T")

app = df.DFApp()


class Currency(Enum):
    EUR = "eur"
    USD = "usd"


class Speed(Enum):
    SLOW = 1
    FAST = 2


@dataclass(frozen=True)
class Order:
    card: str
    total: Decimal
    currency: Currency
    placed: datetime


class Receipt(pydantic.BaseModel):
    order: Order
    fee: Decimal
    at: datetime


@dataclass(frozen=True)
class Paid:
    by: str
    kind: Literal["paid"] = "paid"


@dataclass(frozen=True)
class Invoiced:
    by: str
    kind: Literal["invoiced"] = "invoiced"


@dataclass(frozen=True)
class Page(Generic[T]):
    items: list[T]
    by_currency: dict[Currency, T]


class Approval(NamedTuple):
    by: str
    at: datetime


@dataclass(frozen=True)
class Before:
    """What the orchestration has before it is approved."""

    receipt: Receipt
    speed: Speed
    settled: list[Paid | Invoiced]
    page: Page[Receipt]


@dataclass(frozen=True)
class Outcome:
    before: Before
    approval: Approval
    sent: Page[Decimal]


def note(what: str, value: object) -> None:
    """A line of this process: a repr says of what types things are."""
    with Path(os.environ["NOTES"]).open("a") as file:
        file.write(f"{os.getpid()}\t{what}\t{value!r}\n")


@app.activity_trigger(input_name="order")
def charge(order: Order) -> Receipt:
    note("charge", order)
    return Receipt(order=order, fee=order.total / 4, at=order.placed)


@app.activity_trigger(input_name="receipt")
async def choose(receipt: Receipt) -> Speed:
    note("choose", receipt)
    return Speed.FAST if receipt.fee > 1 else Speed.SLOW


@app.activity_trigger(input_name="speed")
def settle(speed: Speed) -> Paid | Invoiced:
    note("settle", speed)
    return Paid("card") if speed is Speed.FAST else Invoiced("letter")


@app.activity_trigger(input_name="receipts")
async def collect(receipts: list[Receipt]) -> Page[Receipt]:
    note("collect", receipts)
    return Page(receipts, {each.order.currency: each for each in receipts})


@app.activity_trigger(input_name="before")
def send(before: Before) -> Page[Decimal]:
    note("send", before)
    fees = {currency: receipt.fee for currency, receipt in before.page.by_currency.items()}
    return Page([*fees.values()], fees)


@app.orchestration_trigger(context_name="context")
async def process(context: df.DurableOrchestrationContext, order: Order) -> Outcome:
    receipt = await context.call_activity(charge, order)
    speed = await context.call_activity(choose, receipt)
    settled = await context.when_all(
        [context.call_activity(settle, each) for each in (speed, Speed.SLOW)]
    )
    page = await context.call_activity(collect, [receipt])
    before = Before(receipt, speed, settled, page)
    note("replayed" if context.is_replaying else "processed", before)
    context.set_custom_status(before)
    approval = await context.wait_for_external_event("approved", Approval)
    return Outcome(before, approval, await context.call_activity(send, before))
