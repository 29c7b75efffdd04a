"""Three workers, one of them killed every second, and every order ends with one charge.

DURABLE_CRASH_ORDERS says how many orders. They come in over three quarters of the time in which
workers die; after it, the last ones need no more than what a dead worker's leases hold back.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.azurite import Azurite
from tests.end_to_end.fleet import Fleet

ORDERS = int(os.environ.get("DURABLE_CRASH_ORDERS", "100"))
WORKERS = 3
DYING_SECONDS = 12 + ORDERS // 4
PATIENCE = DYING_SECONDS + 120
SETTLING_SECONDS = 90
STEPS = ["charge_card", "reserve_stock", "confirm_order", "ship_order", "send_notice"]
EFFECTS = {"charge": 1, "reserve": 1, "confirm": 1, "ship": 1, "notice": 1}


@pytest.fixture
def fleet(azurite: Azurite, tmp_path: Path) -> Iterator[Fleet]:
    workers = Fleet(azurite, tmp_path, WORKERS)
    try:
        workers.wait()
        yield workers
    finally:
        workers.close()


async def test_every_order_ends_with_one_charge(fleet: Fleet) -> None:
    open_orders = {f"order-{number}" for number in range(ORDERS)}
    timeout = aiohttp.ClientTimeout(total=15)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
                group.create_task(fleet.kill_one_every_second(DYING_SECONDS))
                for name in sorted(open_orders):
                    group.create_task(_order(session, fleet, name, open_orders))
        except TimeoutError:
            left = await asyncio.to_thread(fleet.state.describe, open_orders)
            pytest.fail(f"after {PATIENCE} s these are open: {left}\n{fleet.logs()}")
        assert fleet.kills >= DYING_SECONDS // 3
        await _nothing_is_left(session, fleet)


async def _order(
    session: aiohttp.ClientSession, fleet: Fleet, name: str, open_orders: set[str]
) -> None:
    """Start an order, through as many deaths as it takes, and see it end well."""
    await asyncio.sleep(random.uniform(0, DYING_SECONDS * 3 / 4))
    body = {
        "customer": "Ada",
        "lines": [{"sku": "book"}],
        "cancel_window_seconds": random.choice([0, 1, 5]),
    }
    await fleet.send(session, "POST", f"orders?id={name}", json=body)
    while True:
        found = await fleet.send(session, "GET", f"orders/{name}")
        if found["status"] not in ("Pending", "Running"):
            break
        await asyncio.sleep(1)
    # status, ledger and history tell the same story
    assert (found["status"], found["result"]["outcome"]) == ("Completed", "shipped"), found
    assert Counter(entry["kind"] for entry in found["entries"]) == EFFECTS

    path = f"durabletask/instances/{name}?showHistory=true"
    events = (await fleet.send(session, "GET", path))["historyEvents"]
    types = [event["EventType"] for event in events]
    assert types.count("ExecutionStarted") == 1
    assert types[-1] == "ExecutionCompleted"
    ended = [event for event in events if event["EventType"] == "TaskCompleted"]
    assert [event["FunctionName"] for event in ended] == STEPS
    open_orders.discard(name)


async def _nothing_is_left(session: aiohttp.ClientSession, fleet: Fleet) -> None:
    """Whatever the dead held comes to an end too: their messages, their part of the outbox, and
    what the list of instances shows."""
    found: Any = None
    try:
        async with asyncio.timeout(SETTLING_SECONDS):
            while True:
                found = await asyncio.to_thread(_unsettled, fleet)
                if not any(found):
                    break
                await asyncio.sleep(1)
    except TimeoutError:
        pytest.fail(f"after {SETTLING_SECONDS} s this is left: {found}\n{fleet.logs()}")
    path = "durabletask/instances?top=1000&runtimeStatus=Completed"
    listed = await fleet.send(session, "GET", path)
    assert len(listed) == len({each["instanceId"] for each in listed}) == ORDERS


def _unsettled(fleet: Fleet) -> tuple[object, ...]:
    """Messages, instances with an outbox, rows of the projection that are behind, dead letters."""
    messages = {queue: count for queue, count in fleet.state.messages().items() if count}
    history = fleet.state.entities("HistoryDx")
    heads = {row["instance"]: row for row in history if "instance" in row}
    held = [name for name, head in heads.items() if head["held"] != "[]"]
    # a start that died, and was sent again, leaves a row that the audit removes in its own time
    rows = {row["inc"]: row["status"] for row in fleet.state.entities("InstancesDx")}
    behind = [name for name, head in heads.items() if rows.get(head["inc"]) != "Completed"]
    dead = [row for row in fleet.state.entities("HubDx") if row["PartitionKey"] == "dead"]
    return messages, held, behind, dead
