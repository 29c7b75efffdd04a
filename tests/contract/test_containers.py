"""Tables and queues come, go, and are missed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from durable.errors import ContainerMissing
from durable.ports import Delete, Insert, Merge, Receipt
from tests.contract.conftest import Account

MISSING_TABLE = "TMissing"
MISSING_QUEUE = "q-missing"
RECEIPT = Receipt("d0c1a2b3-0000-4000-8000-000000000000", "AgAAAAMAAAAAAAAA")

Call = Callable[[Account], Awaitable[object]]

ON_TABLES: dict[str, Call] = {
    "insert": lambda a: a.tables.transact(MISSING_TABLE, "p", [Insert("a", {})]),
    "merge": lambda a: a.tables.transact(MISSING_TABLE, "p", [Merge("a", {})]),
    "delete": lambda a: a.tables.transact(MISSING_TABLE, "p", [Delete("a")]),
    "transaction": lambda a: a.tables.transact(
        MISSING_TABLE, "p", [Insert("a", {}), Merge("b", {})]
    ),
    "get": lambda a: a.tables.get(MISSING_TABLE, "p", "a"),
    "query": lambda a: a.tables.query(MISSING_TABLE, []),
}
ON_QUEUES: dict[str, Call] = {
    "send": lambda a: a.queues.send(MISSING_QUEUE, b"x"),
    "receive": lambda a: a.queues.receive(MISSING_QUEUE, limit=1, lease=30),
    "extend": lambda a: a.queues.extend(MISSING_QUEUE, RECEIPT, lease=30),
    "delete": lambda a: a.queues.delete(MISSING_QUEUE, RECEIPT),
    "length": lambda a: a.queues.length(MISSING_QUEUE),
}


@pytest.mark.parametrize("call", ON_TABLES.values(), ids=ON_TABLES.keys())
async def test_a_missing_table_is_not_a_missing_row(account: Account, call: Call) -> None:
    with pytest.raises(ContainerMissing):
        await call(account)


@pytest.mark.parametrize("call", ON_QUEUES.values(), ids=ON_QUEUES.keys())
async def test_a_missing_queue_is_not_a_missing_message(account: Account, call: Call) -> None:
    with pytest.raises(ContainerMissing):
        await call(account)


async def test_creating_a_table_again_keeps_its_rows(account: Account) -> None:
    await account.tables.transact(account.table, "p", [Insert("a", {})])
    await account.tables.create_table(account.table)
    assert await account.tables.get(account.table, "p", "a") is not None


async def test_creating_a_queue_again_keeps_its_messages(account: Account) -> None:
    await account.queues.send(account.queue, b"x")
    await account.queues.create_queue(account.queue)
    assert await account.queues.length(account.queue) == 1


async def test_a_deleted_table_is_missing_and_comes_back_empty(account: Account) -> None:
    await account.tables.transact(account.table, "p", [Insert("a", {})])
    await account.tables.delete_table(account.table)
    await account.tables.delete_table(account.table)
    with pytest.raises(ContainerMissing):
        await account.tables.get(account.table, "p", "a")
    await account.tables.create_table(account.table)
    assert await account.tables.get(account.table, "p", "a") is None


async def test_a_deleted_queue_is_missing_and_comes_back_empty(account: Account) -> None:
    await account.queues.send(account.queue, b"x")
    await account.queues.delete_queue(account.queue)
    await account.queues.delete_queue(account.queue)
    with pytest.raises(ContainerMissing):
        await account.queues.length(account.queue)
    await account.queues.create_queue(account.queue)
    assert await account.queues.length(account.queue) == 0
