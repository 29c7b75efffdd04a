"""What columns and keys may hold, and that it comes back as it was."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from durable.ports import Insert, Merge, Op, Value
from tests.contract.conftest import Account

P = "partition"


async def _round_trip(account: Account, value: Value) -> Value:
    await account.tables.transact(account.table, P, [Insert("a", {"v": value})])
    row = await account.tables.get(account.table, P, "a")
    assert row is not None
    ((found,),) = [
        [each.values["v"] for each in (await account.tables.query(account.table, [])).rows]
    ]
    assert found == row.values["v"]
    return row.values["v"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "plain",
        " leading and trailing ",
        "quote ' double \" back \\ slash / percent %41 plus + amp & < >",
        "null \0 tab \t return \r\n bell \a",
        "umlaut ä, snowman ☃, astral 😀, nul-like ␀",
        '{"json": ["in", "a", {"string": null}]}',
        "2026-01-01T00:00:00Z",
        "x" * 32_768,
        "😀" * 16_384,
        b"",
        b"\x00\xff\x80binary",
        bytes(range(256)) * 256,
        0,
        1,
        -1,
        2**31,
        2**63 - 1,
        -(2**63),
        2**53 + 1,
        True,
        False,
        0.0,
        1.0,
        -1.5,
        1e300,
        5e-324,
        math.inf,
        -math.inf,
    ],
    ids=lambda value: f"{type(value).__name__}-{str(value)[:12].encode('unicode_escape').decode()}",
)
async def test_values_come_back_as_they_were(account: Account, value: Value) -> None:
    found = await _round_trip(account, value)
    assert found == value
    assert type(found) is type(value)


async def test_not_a_number_comes_back(account: Account) -> None:
    await account.tables.transact(account.table, P, [Insert("a", {"v": math.nan})])
    row = await account.tables.get(account.table, P, "a")
    assert row is not None
    found = row.values["v"]
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(1601, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=-7))),
    ],
    ids=str,
)
async def test_times_come_back_in_utc(account: Account, value: datetime) -> None:
    found = await _round_trip(account, value)
    assert found == value
    assert type(found) is datetime
    assert found.tzinfo == UTC


async def test_a_time_read_can_be_changed_and_written_again(account: Account) -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    found = await _round_trip(account, first)
    assert isinstance(found, datetime)
    later = found + timedelta(days=1)
    await account.tables.transact(account.table, P, [Merge("a", {"v": later})])
    row = await account.tables.get(account.table, P, "a")
    assert row is not None
    assert row.values["v"] == first + timedelta(days=1)


@pytest.mark.parametrize("key", ["", "a=b|c!d:e.f~g h", "it's 'quoted'", "50%41+&;,@$(x)[y]{z}"])
async def test_keys_with_punctuation(account: Account, key: str) -> None:
    await account.tables.transact(account.table, key, [Insert(key, {})])
    await account.tables.transact(account.table, key, [Merge(key, {"n": 1}), Insert(f"{key}2", {})])
    await account.tables.transact(account.table, key, [Merge(key, {"m": 2})])
    row = await account.tables.get(account.table, key, key)
    assert row is not None
    assert (row.partition, row.key, dict(row.values)) == (key, key, {"n": 1, "m": 2})


async def test_252_columns(account: Account) -> None:
    values: dict[str, Value] = {f"column_{number}": number for number in range(252)}
    await account.tables.transact(account.table, P, [Insert("a", values)])
    row = await account.tables.get(account.table, P, "a")
    assert row is not None
    assert row.values == values


async def test_an_entity_of_nearly_a_mebibyte(account: Account) -> None:
    values: dict[str, Value] = {f"c{number}": b"x" * 65_536 for number in range(15)}
    await account.tables.transact(account.table, P, [Insert("a", values)])
    row = await account.tables.get(account.table, P, "a")
    assert row is not None
    assert row.values == values


async def test_a_transaction_of_nearly_4_mebibytes(account: Account) -> None:
    ops = [Insert(str(number), {"c": "x" * 32_768}) for number in range(95)]
    half: dict[str, Value] = {f"c{number}": "x" * 32_000 for number in range(14)}
    await account.tables.transact(account.table, P, [*ops, Insert("wide", half)])
    assert await account.tables.get(account.table, P, "94") is not None


BAD_VALUES: dict[str, list[Op]] = {
    "string": [Insert("a", {"v": "x" * 32_769})],
    "string of pairs": [Insert("a", {"v": "😀" * 16_385})],
    "binary": [Insert("a", {"v": b"x" * 65_537})],
    "integer": [Insert("a", {"v": 2**63})],
    "naive time": [Insert("a", {"v": datetime(2026, 1, 1)})],
    "early time": [Insert("a", {"v": datetime(1600, 1, 1, tzinfo=UTC)})],
    "none": [Insert("a", {"v": None})],  # type: ignore[dict-item]
    "list": [Insert("a", {"v": []})],  # type: ignore[dict-item]
    "columns": [Insert("a", {f"c{number}": 1 for number in range(253)})],
    "entity": [Insert("a", {f"c{number}": b"x" * 65_536 for number in range(16)})],
    "column name": [Insert("a", {"a-b": 1})],
    "system column": [Insert("a", {"RowKey": "b"})],
    "no operation": [],
    "operations": [Insert(str(number), {}) for number in range(101)],
    "one key twice": [Insert("a", {}), Merge("b", {}), Merge("a", {})],
    "transaction": [Insert(str(n), {f"c{m}": b"x" * 65_000 for m in range(10)}) for n in range(5)],
    "slash": [Insert("a/b", {})],
    "backslash": [Insert("a\\b", {})],
    "hash": [Insert("a#b", {})],
    "question mark": [Insert("a?b", {})],
    "control": [Insert("a\nb", {})],
    "long key": [Insert("k" * 513, {})],
}


@pytest.mark.parametrize("ops", BAD_VALUES.values(), ids=BAD_VALUES.keys())
async def test_what_is_over_a_limit_is_a_value_error(account: Account, ops: list[Op]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        await account.tables.transact(account.table, P, ops)
    assert (await account.tables.query(account.table, [])).rows == []


@pytest.mark.parametrize("partition", ["a/b", "a\x7fb", "k" * 513])
async def test_partitions_are_keys_too(account: Account, partition: str) -> None:
    with pytest.raises(ValueError, match="PartitionKey"):
        await account.tables.transact(account.table, partition, [Insert("a", {})])
    with pytest.raises(ValueError, match="PartitionKey"):
        await account.tables.get(account.table, partition, "a")


@pytest.mark.parametrize("name", ["", "ab", "1abc", "with-hyphen", "x" * 64, "tables", "ä" * 5])
async def test_table_names(account: Account, name: str) -> None:
    with pytest.raises(ValueError, match="table name"):
        await account.tables.create_table(name)
    with pytest.raises(ValueError, match="table name"):
        await account.tables.transact(name, P, [Insert("a", {})])
