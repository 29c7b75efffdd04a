"""The meter itself: every call of the port, in the right place."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from durable.errors import MessageGone, RowExists
from durable.model.meter import Meter, as_work, upkeep
from durable.model.usage import LIST_PRICES, Metered, Prices, Usage
from durable.ports import Condition, Delete, Insert, Merge, OneOf, Receipt, Replace, Storage, Where
from durable.runtime.guards import ThreadKeeping
from durable.storage.memory import memory_storage
from durable.storage.metering import metered

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


async def _storage(meter: Meter) -> Storage:
    plain = memory_storage()
    await plain.tables.create_table("Table")
    await plain.queues.create_queue("queue")
    return metered(plain, meter)


async def test_table_calls() -> None:
    meter = Meter()
    tables = (await _storage(meter)).tables
    ops = [
        Insert("a", {"text": "é", "raw": b"123", "flag": True}),
        Insert("b", {"n": 1, "when": MOMENT}),
    ]
    etags = await tables.transact("Table", "p", ops)
    written = 2 * (1 + 1) + (4 + 2) + (3 + 3) + (4 + 8) + (1 + 8) + (4 + 8)
    assert meter.read().work == Usage(transactions=1, rows_written=2, bytes_sent=written)

    before = meter.read()
    row = await tables.get("Table", "p", "a")
    assert row is not None
    assert await tables.get("Table", "p", "none") is None
    got = Usage(gets=2, rows_read=1, bytes_sent=2 + 5, bytes_received=2 + 6 + 6 + 12)
    assert (meter.read() - before).work == got

    before = meter.read()
    where: list[Condition] = [Where("PartitionKey", "eq", "p"), OneOf("RowKey", ["a", "b"])]
    page = await tables.query("Table", where, limit=1, columns=["n"])
    page = await tables.query("Table", where, limit=1, columns=["n"], token=page.next)
    assert [dict(row.values) for row in page.rows] == [{"n": 1}]
    asked = 12 + 1 + 2 * (6 + 1)
    pages = Usage(queries=2, rows_read=2, bytes_sent=2 * asked, bytes_received=2 * 2 + 9)
    assert (meter.read() - before).work == pages

    before = meter.read()
    with pytest.raises(RowExists):
        await tables.transact("Table", "p", [Insert("a", {})])
    await tables.transact(
        "Table",
        "p",
        [
            Replace("a", {}, etags[0]),
            Merge("b", {}),
        ],
    )
    await tables.transact("Table", "p", [Delete("a")])
    # a refused transaction is one all the same
    changed = Usage(transactions=3, rows_written=4, bytes_sent=2 * 4)
    assert (meter.read() - before).work == changed

    before = meter.read()
    await tables.create_table("Other")
    await tables.delete_table("Other")
    assert meter.read() - before == Metered(upkeep=Usage(table_setups=2))


async def test_queue_calls() -> None:
    meter = Meter()
    queues = (await _storage(meter)).queues
    await queues.send("queue", b"12345")
    await queues.send("queue", b"1")
    assert await queues.has_visible("queue")
    assert await queues.length("queue") == 2
    messages = await queues.receive("queue", limit=32, lease=20)
    assert not await queues.receive("queue", limit=32, lease=20)
    receipt = await queues.extend("queue", messages[0].receipt, lease=30)
    await queues.delete("queue", receipt)
    with pytest.raises(MessageGone):
        await queues.delete("queue", Receipt("none", "none"))
    await queues.create_queue("other")
    await queues.delete_queue("other")
    assert meter.read() == Metered(
        Usage(
            sends=2,
            peeks=2,
            receives=1,
            messages=2,
            extends=1,
            deletes=2,
            bytes_sent=6,
            bytes_received=6,
        ),
        Usage(empty_receives=1, queue_setups=2),
    )


async def test_what_is_done_in_upkeep_counts_there() -> None:
    meter = Meter()
    storage = await _storage(meter)

    async def look() -> None:
        await storage.tables.get("Table", "p", "none")

    async def see_to_it() -> None:
        await storage.queues.send("queue", b"")

    with upkeep():
        await asyncio.gather(look(), look())
        await asyncio.get_running_loop().create_task(see_to_it(), context=as_work())
    await look()
    assert (meter.read().upkeep.gets, meter.read().work.gets) == (2, 1)
    assert (meter.read().upkeep.sends, meter.read().work.sends) == (0, 1)


async def test_the_thread_that_renews_guards_counts_in_the_same_meter() -> None:
    meter, plain = Meter(), memory_storage()
    await plain.queues.create_queue("queue")

    async def another() -> tuple[Storage, Any]:
        async def close() -> None:
            """Nothing is to be closed."""

        return metered(plain, meter), close

    keeping = ThreadKeeping(another)
    await keeping.start()
    guard = await keeping.put("queue", b"1234")
    await keeping.release(guard)
    await keeping.close()
    assert meter.read().work == Usage(sends=1, deletes=1, bytes_sent=4)


def test_parts_of_several_threads_lose_nothing() -> None:
    meter = Meter()

    def count() -> None:
        tally = meter.part().work
        for _ in range(20_000):
            tally["gets"] += 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert meter.read().work.gets <= 80_000
    assert meter.read().work == Usage(gets=80_000)


def test_prices() -> None:
    usage = Usage(transactions=1, gets=2, queries=3, sends=4, receives=5, empty_receives=6)
    usage += Usage(extends=7, deletes=8, peeks=9, table_setups=10, queue_setups=11, triggers=12)
    assert usage.table_operations == 1 + 2 + 3 + 10
    assert usage.queue_operations == 4 + 5 + 6 + 7 + 8 + 9 + 11 + 2 * 12
    assert usage.operations == usage.table_operations + usage.queue_operations
    assert Prices(queue=10, table=1).of(usage) == pytest.approx((740 + 16) / 10_000)
    assert LIST_PRICES.of(Usage(transactions=10_000)) == pytest.approx(0.00036)
    assert LIST_PRICES.of(Usage(sends=10_000)) == pytest.approx(0.004)


def test_counts_of_another_version() -> None:
    usage = Usage.of({"gets": 3, "of the future": 7, "sends": "many"})
    assert usage == Usage(gets=3)
    assert Usage.of(usage.to_dict()) == usage
