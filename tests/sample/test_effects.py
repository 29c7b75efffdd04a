"""The activities on a real table: what runs twice happens once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from activities import ledger, stock
from durable.codec import encode
from durable.model.events import TaskCompleted, TaskFailed
from durable.runtime.activities import ActivityContext, run_activity
from durable.runtime.processes import Processes
from function_app import app
from orchestrators.models import Charge, Goods, Line
from tests.azurite import Azurite

MAX_PAYLOAD = 1024 * 1024


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


@pytest.fixture(autouse=True)
def table(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A ledger of its own for each test."""
    monkeypatch.setenv("AzureWebJobsStorage", azurite.connection_string)
    monkeypatch.setenv("LEDGER_TABLE", f"Ledger{secrets.token_hex(6)}")
    yield
    ledger.table().close()


async def run(
    executor: ThreadPoolExecutor, name: str, value: object, *, key: str = "key-1"
) -> TaskCompleted | TaskFailed:
    """Run an activity as a worker does."""
    context = ActivityContext("order-1", "execution-1", 0, name, 1, key)
    definition = app.durable.registry.activity(name)
    return await run_activity(
        definition,
        context,
        encode(value),
        executor=executor,
        processes=Processes(1),
        max_payload=MAX_PAYLOAD,
    )


def kinds() -> list[str]:
    return [entry.kind for entry in ledger.entries("order-1")]


async def test_a_charge_that_runs_again_charges_once(executor: ThreadPoolExecutor) -> None:
    charge = Charge("order-1", "valid", 2500)
    first = await run(executor, "charge_card", charge)
    again = await run(executor, "charge_card", charge)
    assert isinstance(first, TaskCompleted)
    assert first == again
    assert [(entry.kind, entry.cents) for entry in ledger.entries("order-1")] == [("charge", 2500)]
    assert [attempt.activity for attempt in ledger.attempts("order-1")] == ["charge_card"] * 2


async def test_another_call_is_another_charge(executor: ThreadPoolExecutor) -> None:
    """What the demo would show as a double charge is visible as one."""
    charge = Charge("order-1", "valid", 2500)
    await run(executor, "charge_card", charge, key="key-1")
    await run(executor, "charge_card", charge, key="key-2")
    assert kinds() == ["charge", "charge"]


async def test_a_refund_gives_every_charge_back_once(executor: ThreadPoolExecutor) -> None:
    await run(executor, "refund_card", "order-1", key="too early")
    assert kinds() == []
    await run(executor, "charge_card", Charge("order-1", "valid", 2500))
    for key in ("refund", "refund", "another refund"):
        done = await run(executor, "refund_card", "order-1", key=key)
        assert done == TaskCompleted(0, "2500")
    assert kinds() == ["charge", "refund"]
    assert sum(entry.cents for entry in ledger.entries("order-1")) == 0


async def test_a_declined_card_leaves_no_entry(executor: ThreadPoolExecutor) -> None:
    failed = await run(executor, "charge_card", Charge("order-1", "declined", 2500))
    assert isinstance(failed, TaskFailed)
    assert failed.failure.is_caused_by("CardDeclined")
    assert kinds() == []


async def test_stock_is_held_once_and_put_back_once(executor: ThreadPoolExecutor) -> None:
    goods = Goods("order-1", (Line("book", 3), Line("lamp", 1)))
    opening = stock.OPENING_STOCK["book"]
    for _ in range(2):
        assert await run(executor, "reserve_stock", goods) == TaskCompleted(0, "null")
        assert (stock.on_shelf("book"), stock.on_shelf("lamp")) == (opening - 3, opening - 1)
    for _ in range(2):
        assert await run(executor, "release_stock", goods) == TaskCompleted(0, "null")
        assert (stock.on_shelf("book"), stock.on_shelf("lamp")) == (opening, opening)
    assert kinds() == ["reserve", "reserve", "release", "release"]


async def test_what_was_held_before_a_line_failed_can_be_put_back(
    executor: ThreadPoolExecutor,
) -> None:
    goods = Goods("order-1", (Line("book", 3), Line("unicorn", 1)))
    failed = await run(executor, "reserve_stock", goods)
    assert isinstance(failed, TaskFailed)
    assert failed.failure.is_caused_by("OutOfStock")
    assert stock.on_shelf("book") == stock.OPENING_STOCK["book"] - 3
    await run(executor, "release_stock", goods)
    assert stock.on_shelf("book") == stock.OPENING_STOCK["book"]


def test_many_orders_take_from_one_shelf(executor: ThreadPoolExecutor) -> None:
    def take(number: int) -> None:
        stock.hold("book", f"hold-{number:04}-", 2)

    list(executor.map(take, range(24)))
    assert stock.on_shelf("book") == stock.OPENING_STOCK["book"] - 48
