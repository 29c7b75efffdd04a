"""What the programs beside this one call."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, Literal, TypedDict, TypeVar

import azure.functions as func
import pydantic

import durable as df
from durable.compat.v2.task import ActivityContext

T = TypeVar("T")

app = df.DFApp()


class Currency(Enum):
    EUR = "eur"


@dataclass
class Order:
    card: str
    total: Decimal
    currency: Currency
    placed: datetime


class Receipt(pydantic.BaseModel):
    payment_id: str


@dataclass
class Refused:
    reason: str


@dataclass
class Page(Generic[T]):
    items: list[T]


class Address(TypedDict):
    city: str


@app.activity_trigger(input_name="order")
def charge(order: Order) -> Receipt:
    return Receipt(payment_id=order.card)


@app.activity_trigger(input_name="order")
async def charge_soon(order: Order) -> Receipt:
    return Receipt(payment_id=order.card)


@app.activity_trigger(input_name="order")
def try_charge(order: Order) -> Receipt | Refused:
    return Refused(order.card)


@app.activity_trigger(input_name="page")
async def total(page: Page[Order]) -> Decimal:
    return sum((order.total for order in page.items), Decimal())


@app.activity_trigger(input_name="numbers")
def add(numbers: Sequence[float]) -> float:
    return sum(numbers)


@app.activity_trigger(input_name="code")
def look_up(code: str | None) -> dict[str, int]:
    return {code or "": 1}


@app.activity_trigger(input_name="address")
def notify(address: Address) -> None:
    print(address["city"])


@app.activity_trigger(input_name="size")
def resize(size: Literal["small", "large"]) -> int:
    return len(size)


@app.activity_trigger(input_name="order")
def audit(context: ActivityContext, order: Order) -> int:
    return context.task_id


@app.activity_trigger(input_name="order")
@app.durable_client_input(client_name="client")
async def follow_up(order: Order, client: df.DurableOrchestrationClient) -> str:
    return await client.start_new(process, client_input=order)


@app.activity_trigger(input_name="anything")
def untyped(anything):  # type: ignore[no-untyped-def]
    return anything


@app.orchestration_trigger(context_name="context")
async def process(context: df.DurableOrchestrationContext, order: Order) -> Receipt:
    return await context.call_activity(charge, order)


@app.orchestration_trigger(context_name="context")
async def maybe(context: df.DurableOrchestrationContext, order: Order | None) -> bool:
    return order is None


@app.orchestration_trigger(context_name="context")
async def nightly(context: df.DurableOrchestrationContext) -> int:
    return 0


@app.orchestration_trigger(context_name="context")
def yields(context: df.DurableOrchestrationContext, order: Order) -> Generator[Any, Any, Receipt]:
    receipt: Receipt = yield context.call_activity(charge, order)
    return receipt


@app.orchestration_trigger(context_name="context")
def yields_alone(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Receipt]:
    receipt: Receipt = yield context.call_activity("charge", context.get_input(Order))
    return receipt


@app.route(route="orders", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return client.create_check_status_response(req, await client.start_new(nightly))
