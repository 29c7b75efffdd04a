"""`Tables.transact` and `Tables.get`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from durable.errors import RowChanged, RowExists, RowMissing, TransactionError
from durable.ports import ANY, Delete, Insert, Merge, Op, Replace
from tests.contract.conftest import Account

P = "partition"


async def _keys(account: Account) -> list[str]:
    return [row.key for row in (await account.tables.query(account.table, [])).rows]


async def _insert(account: Account, key: str, **values: str) -> str:
    (etag,) = await account.tables.transact(account.table, P, [Insert(key, values)])
    return etag


async def test_insert_then_get(account: Account) -> None:
    etag = await _insert(account, "a", name="x")
    row = await account.tables.get(account.table, P, "a")
    assert row is not None
    assert (row.partition, row.key, dict(row.values)) == (P, "a", {"name": "x"})
    assert row.etag == etag
    age = account.storage.clock.now() - row.timestamp
    assert timedelta(seconds=-5) < age < timedelta(seconds=5)


async def test_get_of_an_absent_row_is_none(account: Account) -> None:
    assert await account.tables.get(account.table, P, "a") is None
    await _insert(account, "a")
    assert await account.tables.get(account.table, "other", "a") is None


async def test_a_transaction_returns_the_etag_of_each_row(account: Account) -> None:
    old = await _insert(account, "gone")
    kept = await _insert(account, "kept")
    etags = await account.tables.transact(
        account.table, P, [Insert("new", {}), Delete("gone", old), Replace("kept", {}, kept)]
    )
    new, gone, replaced = etags
    assert gone == ""
    for key, etag in (("new", new), ("kept", replaced)):
        row = await account.tables.get(account.table, P, key)
        assert row is not None
        assert row.etag == etag
    assert await account.tables.get(account.table, P, "gone") is None


async def test_every_write_gives_a_new_etag(account: Account) -> None:
    etags = [await _insert(account, "a", name="x")]
    for _ in range(5):
        etags += await account.tables.transact(
            account.table, P, [Replace("a", {"name": "x"}, etags[-1])]
        )
        etags += await account.tables.transact(account.table, P, [Merge("a", {}, etags[-1])])
    assert len(set(etags)) == len(etags)


async def test_replace_drops_other_columns_and_merge_keeps_them(account: Account) -> None:
    etag = await _insert(account, "a", one="1", two="2")
    await account.tables.transact(account.table, P, [Merge("a", {"two": "new"}, etag)])
    row = await account.tables.get(account.table, P, "a")
    assert row is not None
    assert row.values == {"one": "1", "two": "new"}
    await account.tables.transact(account.table, P, [Replace("a", {"three": "3"}, row.etag)])
    row = await account.tables.get(account.table, P, "a")
    assert row is not None
    assert row.values == {"three": "3"}


async def test_merge_may_change_a_columns_type(account: Account) -> None:
    await _insert(account, "a", one="1")
    await account.tables.transact(account.table, P, [Merge("a", {"one": 1})])
    row = await account.tables.get(account.table, P, "a")
    assert row is not None
    assert row.values == {"one": 1}


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    ("op", "error"),
    [
        (Insert("there", {}), RowExists),
        (Replace("there", {}, "stale"), RowChanged),
        (Merge("there", {}, "stale"), RowChanged),
        (Delete("there", "stale"), RowChanged),
        (Replace("absent", {}, "stale"), RowMissing),
        (Replace("absent", {}, ANY), RowMissing),
        (Merge("absent", {}), RowMissing),
        (Delete("absent"), RowMissing),
    ],
)
async def test_a_refused_operation_leaves_nothing(
    account: Account, op: Op, error: type[TransactionError], alone: bool
) -> None:
    stale = await _insert(account, "there", version="1")
    await account.tables.transact(account.table, P, [Merge("there", {"version": "2"})])
    if not isinstance(op, Insert) and op.etag == "stale":
        op = replace(op, etag=stale)
    ops: Sequence[Op] = [op]
    if not alone:
        ops = [Insert("before", {}), Insert("also", {}), op, Insert("behind", {})]
    with pytest.raises(error) as raised:
        await account.tables.transact(account.table, P, ops)
    assert raised.value.index == (0 if alone else 2)
    assert await _keys(account) == ["there"]
    row = await account.tables.get(account.table, P, "there")
    assert row is not None
    assert row.values == {"version": "2"}


async def test_any_matches_every_version(account: Account) -> None:
    await _insert(account, "a")
    await account.tables.transact(account.table, P, [Replace("a", {"n": 1}, ANY)])
    await account.tables.transact(account.table, P, [Merge("a", {"n": 2}, ANY)])
    await account.tables.transact(account.table, P, [Delete("a", ANY)])
    assert await account.tables.get(account.table, P, "a") is None


async def test_one_of_many_racing_writers_wins(account: Account) -> None:
    etag = await _insert(account, "head", n="0")

    async def commit(number: int) -> bool:
        head = Merge("head", {"n": str(number)}, etag)
        try:
            await account.tables.transact(account.table, P, [head, Insert(f"turn-{number}", {})])
        except RowChanged:
            return False
        return True

    won = await asyncio.gather(*(commit(number) for number in range(16)))
    assert won.count(True) == 1
    assert await _keys(account) == ["head", f"turn-{won.index(True)}"]


async def test_distinct_inserts_never_conflict(account: Account) -> None:
    await asyncio.gather(*(_insert(account, f"row-{number:02}") for number in range(40)))
    assert await _keys(account) == [f"row-{number:02}" for number in range(40)]


async def test_a_hundred_operations_are_one_transaction(account: Account) -> None:
    etags = await account.tables.transact(
        account.table, P, [Insert(f"{number:03}", {"n": number}) for number in range(100)]
    )
    assert len(etags) == 100
    assert all(etags)
    with pytest.raises(RowExists) as raised:
        await account.tables.transact(
            account.table,
            P,
            [Insert(f"{number:03}", {}) for number in range(101, 200)] + [Insert("007", {})],
        )
    assert raised.value.index == 99
    assert len(await _keys(account)) == 100


async def test_a_deleted_key_can_be_inserted_again(account: Account) -> None:
    old = await _insert(account, "a", life="1")
    await account.tables.transact(account.table, P, [Delete("a", old)])
    await _insert(account, "a", life="2")
    with pytest.raises(RowChanged):
        await account.tables.transact(account.table, P, [Merge("a", {"life": "3"}, old)])


async def test_rows_read_earlier_do_not_change(account: Account) -> None:
    await _insert(account, "a", n="1")
    row = await account.tables.get(account.table, P, "a")
    assert row is not None
    await account.tables.transact(account.table, P, [Merge("a", {"n": "2"})])
    assert row.values["n"] == "1"
