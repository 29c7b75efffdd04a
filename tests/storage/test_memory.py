"""What the memory adapter adds to the contract."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from durable.errors import ContainerMissing
from durable.ports import Insert, Merge, Where
from durable.storage.memory import (
    DEFAULT_START,
    ManualClock,
    MemoryQueues,
    MemoryTables,
    memory_storage,
)


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_clock_moves_only_when_told() -> None:
    clock = ManualClock()
    assert (clock.now(), clock.monotonic()) == (DEFAULT_START, 0.0)
    clock.advance(1.5)
    assert (clock.now(), clock.monotonic()) == (DEFAULT_START + timedelta(seconds=1.5), 1.5)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


async def test_sleepers_wake_in_order_and_exactly_when_due() -> None:
    clock = ManualClock()
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleep(seconds)) for seconds in (3, 0.1, 0.2, 3.000001)]
    await _settle()
    clock.advance(0.1)
    clock.advance(0.2 - 0.1)
    await _settle()
    assert woken == [0.1, 0.2]
    clock.advance_to(DEFAULT_START + timedelta(seconds=3))
    await _settle()
    assert woken == [0.1, 0.2, 3]
    clock.advance(100)
    await asyncio.gather(*tasks)
    assert woken[-1] == 3.000001


async def test_next_wake_leads_from_sleeper_to_sleeper() -> None:
    clock = ManualClock()
    assert clock.next_wake() is None
    seen = []

    async def tick() -> None:
        for _ in range(3):
            await clock.sleep(86_400)
            seen.append(clock.now())

    task = asyncio.create_task(tick())
    cancelled = asyncio.create_task(clock.sleep(5))
    await _settle()
    cancelled.cancel()
    await _settle()
    while not task.done():
        moment = clock.next_wake()
        assert moment is not None
        clock.advance_to(moment)
        await _settle()
    assert seen == [DEFAULT_START + timedelta(days=day) for day in (1, 2, 3)]
    assert clock.next_wake() is None


async def test_sleep_of_nothing_yields_once() -> None:
    await asyncio.wait_for(ManualClock().sleep(0), 5)


async def test_moving_to_the_past_does_nothing() -> None:
    clock = ManualClock()
    clock.advance(10)
    clock.advance_to(DEFAULT_START)
    assert clock.monotonic() == 10


async def test_rows_carry_the_clock() -> None:
    clock = ManualClock()
    storage = memory_storage(clock)
    await storage.tables.create_table("Table")
    clock.advance(5)
    await storage.tables.transact("Table", "p", [Insert("a", {})])
    row = await storage.tables.get("Table", "p", "a")
    assert row is not None
    assert row.timestamp == clock.now()


async def test_leases_and_delays_end_at_their_instant() -> None:
    clock = ManualClock()
    queues = MemoryQueues(clock)
    await queues.create_queue("queue")
    assert queues.next_visible() is None
    await queues.send("queue", b"x", delay=9.2)
    assert queues.next_visible() == DEFAULT_START + timedelta(seconds=10)
    clock.advance(9.999999)
    assert await queues.receive("queue", limit=1, lease=30) == []
    clock.advance(0.000001)
    (message,) = await queues.receive("queue", limit=1, lease=30)
    clock.advance(29.999999)
    assert await queues.receive("queue", limit=1, lease=30) == []
    receipt = await queues.extend("queue", message.receipt, lease=30)
    assert queues.next_visible() == clock.now() + timedelta(seconds=30)
    await queues.delete("queue", receipt)
    assert queues.next_visible() is None


async def test_messages_never_expire() -> None:
    clock = ManualClock()
    queues = MemoryQueues(clock)
    await queues.create_queue("queue")
    await queues.send("queue", b"x")
    clock.advance(400 * 86_400)
    assert len(await queues.receive("queue", limit=32, lease=1)) == 1


async def test_a_page_looks_at_a_limited_number_of_rows() -> None:
    tables = MemoryTables(ManualClock(), scan_limit=10)
    await tables.create_table("Table")
    await tables.transact("Table", "p", [Insert(f"{n:02}", {"n": n}) for n in range(25)])
    where, sizes, token = [Where("n", "ge", 22)], [], None
    while True:
        page = await tables.query("Table", where, token=token)
        sizes.append(len(page.rows))
        token = page.next
        if token is None:
            break
    assert sizes == [0, 0, 3]


async def test_a_foreign_token_is_refused() -> None:
    tables = MemoryTables(ManualClock())
    await tables.create_table("Table")
    with pytest.raises(ValueError, match="token"):
        await tables.query("Table", [], token="nonsense")


async def test_table_names_do_not_differ_by_case() -> None:
    tables = MemoryTables(ManualClock())
    await tables.create_table("Table")
    assert await tables.get("TABLE", "p", "a") is None
    await tables.delete_table("tablE")
    with pytest.raises(ContainerMissing):
        await tables.get("Table", "p", "a")


async def test_rows_cannot_be_changed_from_outside() -> None:
    storage = memory_storage()
    await storage.tables.create_table("Table")
    values = {"v": "1"}
    await storage.tables.transact("Table", "p", [Insert("a", values)])
    values["v"] = "2"
    row = await storage.tables.get("Table", "p", "a")
    assert row is not None
    assert row.values == {"v": "1"}
    with pytest.raises(TypeError):
        row.values["v"] = "3"  # type: ignore[index]


async def test_a_merge_cannot_pass_the_limits_by_steps() -> None:
    storage = memory_storage()
    await storage.tables.create_table("Table")
    await storage.tables.transact("Table", "p", [Insert("a", {f"a{n}": n for n in range(200)})])
    with pytest.raises(ValueError, match="columns"):
        await storage.tables.transact("Table", "p", [Merge("a", {f"b{n}": n for n in range(53)})])
