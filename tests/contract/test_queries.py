"""`Tables.query`: conditions, order, pages and columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import pytest

from durable.ports import Condition, Delete, Insert, Merge, OneOf, Row, Value, Where
from tests.contract.conftest import Account

Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]


async def _all(
    account: Account, where: Sequence[Condition] = (), *, limit: int = 1000
) -> list[Row]:
    rows: list[Row] = []
    token: str | None = None
    while True:
        page = await account.tables.query(account.table, where, limit=limit, token=token)
        assert len(page.rows) <= limit
        rows += page.rows
        token = page.next
        if token is None:
            return rows


async def _fill(account: Account, partition: str, keys: Sequence[str]) -> None:
    for start in range(0, len(keys), 100):
        ops = [Insert(key, {"n": number}) for number, key in enumerate(keys[start : start + 100])]
        await account.tables.transact(account.table, partition, ops)


async def test_rows_come_in_ordinal_order(account: Account) -> None:
    keys = ["h|", "m|", "~", "a", "A", "_", "0", "!", "10", "9", "a ", "ab", "aB", ""]
    await _fill(account, "p2", keys)
    await _fill(account, "P1", keys)
    found = [(row.partition, row.key) for row in await _all(account)]
    assert found == [(partition, key) for partition in ("P1", "p2") for key in sorted(keys)]


async def test_pages_join_to_the_whole(account: Account) -> None:
    keys = [f"{number:03}" for number in range(25)]
    await _fill(account, "a", keys)
    await _fill(account, "b", keys)
    expected = [(partition, key) for partition in "ab" for key in keys]
    for limit in (1, 7, 25, 50, 1000):
        rows = await _all(account, limit=limit)
        assert [(row.partition, row.key) for row in rows] == expected


async def test_a_page_ends_with_none(account: Account) -> None:
    empty = await account.tables.query(account.table, [])
    assert (empty.rows, empty.next) == ([], None)
    await _fill(account, "a", ["1", "2"])
    assert (await account.tables.query(account.table, [])).next is None


async def test_1000_rows_are_one_page(account: Account) -> None:
    keys = [f"{number:04}" for number in range(1001)]
    await _fill(account, "a", keys)
    page = await account.tables.query(account.table, [Where("PartitionKey", "eq", "a")])
    assert [row.key for row in page.rows] == keys[:1000]
    assert page.next is not None
    rest = await account.tables.query(
        account.table, [Where("PartitionKey", "eq", "a")], token=page.next
    )
    assert [row.key for row in rest.rows] == ["1000"]


async def test_a_page_sees_what_changed_since_the_last(account: Account) -> None:
    await _fill(account, "a", ["1", "2", "3", "5"])
    page = await account.tables.query(account.table, [], limit=2)
    assert [row.key for row in page.rows] == ["1", "2"]
    await account.tables.transact(
        account.table,
        "a",
        [Merge("1", {"n": 10}), Merge("5", {"n": 50}), Insert("4", {}), Delete("3")],
    )
    rest = await account.tables.query(account.table, [], token=page.next)
    assert [(row.key, row.values.get("n")) for row in rest.rows] == [("4", None), ("5", 50)]


async def test_a_token_outlives_the_deletion_of_all_that_follows(account: Account) -> None:
    await _fill(account, "a", ["1", "2", "3"])
    page = await account.tables.query(account.table, [], limit=1)
    await account.tables.transact(account.table, "a", [Delete("2"), Delete("3")])
    rest = await account.tables.query(account.table, [], token=page.next)
    assert (rest.rows, rest.next) == ([], None)


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ("eq", ["2"]),
        ("ne", ["1", "3"]),
        ("lt", ["1"]),
        ("le", ["1", "2"]),
        ("gt", ["3"]),
        ("ge", ["2", "3"]),
    ],
)
@pytest.mark.parametrize(
    "values",
    [
        ["a", "b", "c"],
        [-1, 0, 1],
        [0, 1, 2],
        [2**40, 2**40 + 1, 2**62],
        [-0.5, 0.25, 1e10],
        [datetime(2026, 1, 1, 0, 0, 0, micro, tzinfo=UTC) for micro in (0, 1_000, 500_000)],
    ],
    ids=["str", "int", "int01", "int64", "float", "datetime"],
)
async def test_comparisons(
    account: Account, values: list[Value], op: Comparison, expected: list[str]
) -> None:
    ops = [Insert(str(number), {"v": value}) for number, value in enumerate(values, 1)]
    await account.tables.transact(account.table, "a", [*ops, Insert("0-absent", {"w": 1})])
    rows = await _all(account, [Where("v", op, values[1])])
    assert [row.key for row in rows] == expected


@pytest.mark.parametrize(
    ("value", "other"), [(True, False), (False, True), (b"\x00\xff", b"\x00\xfe")]
)
async def test_equality_of_booleans_and_bytes(account: Account, value: Value, other: Value) -> None:
    ops = [Insert("same", {"v": value}), Insert("other", {"v": other})]
    await account.tables.transact(account.table, "a", ops)
    assert [row.key for row in await _all(account, [Where("v", "eq", value)])] == ["same"]
    assert [row.key for row in await _all(account, [Where("v", "ne", value)])] == ["other"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ([Where("PartitionKey", "eq", "b")], ["b1", "b2", "b3"]),
        ([Where("PartitionKey", "gt", "b")], ["c1", "c2", "c3"]),
        ([Where("PartitionKey", "ge", "b"), Where("PartitionKey", "lt", "c")], ["b1", "b2", "b3"]),
        ([Where("PartitionKey", "ne", "b"), Where("RowKey", "le", "1")], ["a1", "c1"]),
        ([Where("RowKey", "gt", "1"), Where("RowKey", "lt", "3")], ["a2", "b2", "c2"]),
        ([Where("PartitionKey", "eq", "b"), Where("RowKey", "ge", "2")], ["b2", "b3"]),
        ([Where("PartitionKey", "eq", "b"), Where("n", "eq", 2)], ["b3"]),
        ([Where("PartitionKey", "eq", "absent")], []),
        ([Where("PartitionKey", "gt", "b"), Where("PartitionKey", "lt", "b")], []),
    ],
)
async def test_conditions_on_keys(
    account: Account, where: list[Where], expected: list[str]
) -> None:
    for partition in "abc":
        await _fill(account, partition, ["1", "2", "3"])
    for limit in (1, 1000):
        rows = await _all(account, where, limit=limit)
        assert [row.partition + row.key for row in rows] == expected


@pytest.mark.parametrize("op", ["eq", "ne", "lt", "ge"])
async def test_an_absent_column_matches_nothing(account: Account, op: Comparison) -> None:
    await account.tables.transact(account.table, "a", [Insert("1", {"other": "x"})])
    assert await _all(account, [Where("v", op, "x")]) == []


HOSTILE = [
    "'",
    "''",
    "x' or RowKey ne '",
    "') or (PartitionKey ne ''",
    "@p0",
    "a @b c",
    "  two  spaces  ",
    'double " quote',
    "50% &filter=x #? /\\",
    "datetime'2026-01-01T00:00:00Z'",
    "ümlaut ☃ 😀",
    "line\nbreak",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_strings_are_only_values(account: Account, text: str) -> None:
    ops = [Insert("1", {"v": text}), Insert("2", {"v": f"{text}!"}), Insert("3", {"v": "x"})]
    await account.tables.transact(account.table, "a", ops)
    assert [row.key for row in await _all(account, [Where("v", "eq", text)])] == ["1"]
    assert [row.key for row in await _all(account, [Where("v", "ne", text)])] == ["2", "3"]


async def test_a_quote_in_a_key_condition(account: Account) -> None:
    await account.tables.transact(account.table, "it's", [Insert("o'clock", {})])
    where = [Where("PartitionKey", "eq", "it's"), Where("RowKey", "eq", "o'clock")]
    assert len(await _all(account, where)) == 1


async def test_a_column_is_no_way_into_the_filter(account: Account) -> None:
    with pytest.raises(ValueError, match="column name"):
        await account.tables.query(account.table, [Where("v eq 'x' or w", "eq", "y")])


async def test_columns_limits_the_values(account: Account) -> None:
    values: dict[str, Value] = {"one": "1", "two": 2, "three": 3.0}
    (etag,) = await account.tables.transact(account.table, "a", [Insert("1", values)])
    for columns in ([], ["two"], ["one", "three"], ["two", "absent"]):
        page = await account.tables.query(account.table, [], columns=columns)
        (row,) = page.rows
        assert row.values == {name: values[name] for name in columns if name in values}
        assert (row.partition, row.key, row.etag) == ("a", "1", etag)
        assert row.timestamp.tzinfo == UTC


async def test_a_condition_may_name_a_column_that_is_not_asked_for(account: Account) -> None:
    await account.tables.transact(account.table, "a", [Insert("1", {"one": "1", "two": "2"})])
    page = await account.tables.query(account.table, [Where("one", "eq", "1")], columns=["two"])
    assert [row.values for row in page.rows] == [{"two": "2"}]


async def test_an_etag_of_a_query_is_good_for_a_write(account: Account) -> None:
    await _fill(account, "a", ["1"])
    (row,) = (await account.tables.query(account.table, [])).rows
    await account.tables.transact(account.table, "a", [Delete("1", row.etag)])
    assert await _all(account) == []


@pytest.mark.parametrize("limit", [0, 1001])
async def test_limits_of_a_page(account: Account, limit: int) -> None:
    with pytest.raises(ValueError, match="page"):
        await account.tables.query(account.table, [], limit=limit)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ([OneOf("v", ["x"])], ["1"]),
        ([OneOf("v", ["x", "it's", "absent"])], ["1", "3"]),
        ([OneOf("v", ["x", "y"]), Where("n", "gt", 1)], ["2"]),
        ([OneOf("v", ["x", "y"]), OneOf("n", [2, 3])], ["2"]),
        ([OneOf("RowKey", ["4", "1"]), Where("PartitionKey", "eq", "a")], ["1", "4"]),
        ([OneOf("other", ["x"])], []),
        ([OneOf("v", ["1"]), Where("RowKey", "ge", "2")], []),
        ([Where("RowKey", "ge", "2"), OneOf("n", [1, 2, True])], ["2"]),
        ([OneOf("v", [f"{number}" for number in range(14)] + ["y"])], ["2"]),
    ],
)
async def test_one_of_several_values(
    account: Account, where: list[Condition], expected: list[str]
) -> None:
    ops = [
        Insert("1", {"v": "x", "n": 1}),
        Insert("2", {"v": "y", "n": 2}),
        Insert("3", {"v": "it's", "n": 3}),
        Insert("4", {"n": 4}),
    ]
    await account.tables.transact(account.table, "a", ops)
    for limit in (1, 1000):
        rows = await _all(account, where, limit=limit)
        assert [row.key for row in rows] == expected


@pytest.mark.parametrize(
    "where",
    [
        [OneOf("v", [])],
        [OneOf("v", [f"{number}" for number in range(16)])],
        [OneOf("v", [f"{number}" for number in range(15)]), Where("n", "eq", 1)],
        [Where("n", "ne", number) for number in range(16)],
        [OneOf("v eq 'x' or w", ["y"])],
    ],
)
async def test_conditions_that_no_service_takes(account: Account, where: list[Condition]) -> None:
    with pytest.raises(ValueError, match=r"lists no value|at most 15 times|column name"):
        await account.tables.query(account.table, where)
