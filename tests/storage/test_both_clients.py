"""What one client writes the other reads as it was; each way into an account serves both."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.queue import (
    AccountSasPermissions,
    ResourceTypes,
    generate_account_sas,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from durable.errors import AccessDenied, RowChanged, RowExists, RowMissing, TransactionError
from durable.ports import Delete, Insert, Merge, OneOf, Op, Replace, Storage, Value, Where
from durable.storage.azure import Connection, StorageClient, open_storage
from tests.azurite import ACCOUNT, KEY, ROOT, Azurite

# Azurite looks for these in the text of a transaction
WORDS = ["HTTP/1.1", "--changeset_", "--batch_", "PATCH", "http://", "{}", "}", "\r\n\r\n", "'"]
TEXTS = st.lists(
    st.one_of(st.sampled_from(WORDS), st.text(st.characters(codec="utf-8"), max_size=8)),
    max_size=6,
).map("".join)
KEYS = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\#?", exclude_categories=["Cc", "Cs"]),
    min_size=1,
    max_size=20,
)
VALUES = st.one_of(
    TEXTS,
    st.binary(max_size=40),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.datetimes(min_value=datetime(1601, 1, 2), timezones=st.just(UTC)),
)
ROWS = st.dictionaries(
    KEYS,
    st.dictionaries(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True), VALUES, max_size=5
    ),
    min_size=1,
    max_size=4,
)


@dataclass
class Both:
    """One table seen by each client."""

    sdk: Storage
    lean: Storage
    table: str


@pytest.fixture
async def both(azurite: Azurite) -> AsyncIterator[Both]:
    connection = Connection.from_string(azurite.connection_string)
    async with (
        await open_storage(connection, client="sdk") as sdk,
        await open_storage(connection, client="lean") as lean,
    ):
        seen = Both(sdk.storage, lean.storage, f"T{secrets.token_hex(6)}")
        await lean.storage.tables.create_table(seen.table)
        yield seen
        await lean.storage.tables.delete_table(seen.table)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(partition=KEYS, rows=ROWS, by_lean=st.booleans())
async def test_rows_are_the_same_to_both(
    both: Both, partition: str, rows: Mapping[str, Mapping[str, Value]], by_lean: bool
) -> None:
    partition = f"{secrets.token_hex(4)}{partition}"
    writer = both.lean if by_lean else both.sdk
    ops = [Insert(key, values) for key, values in rows.items()]
    etags = await writer.tables.transact(both.table, partition, ops)
    found = {}
    for key, etag in zip(rows, etags, strict=True):
        one = await both.sdk.tables.get(both.table, partition, key)
        other = await both.lean.tables.get(both.table, partition, key)
        assert one == other
        assert one is not None
        assert one.etag == etag
        assert {name: type(value) for name, value in one.values.items()} == {
            name: type(value) for name, value in rows[key].items()
        }
        found[key] = one
    assert {key: row.values for key, row in found.items()} == rows
    where: list[Where | OneOf] = [
        Where("PartitionKey", "eq", partition),
        OneOf("RowKey", list(rows)),
    ]
    one_page = await both.sdk.tables.query(both.table, where, limit=2)
    other_page = await both.lean.tables.query(both.table, where, limit=2)
    assert one_page == other_page
    if one_page.next is not None:
        rest = await both.sdk.tables.query(both.table, where, token=other_page.next)
        assert rest == await both.lean.tables.query(both.table, where, token=one_page.next)
        assert len(rest.rows) == len(rows) - 2


@pytest.mark.parametrize(
    ("op", "error"),
    [
        (Insert("there", {}), RowExists),
        (Merge("absent", {}), RowMissing),
        (Delete("absent"), RowMissing),
        (Replace("there", {}, "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""), RowChanged),
    ],
)
@pytest.mark.parametrize("before", [0, 1, 11])
async def test_refused_operations_have_the_same_index_to_both(
    both: Both, op: Op, error: type[TransactionError], before: int
) -> None:
    await both.lean.tables.transact(both.table, "p", [Insert("there", {})])
    ops: list[Op] = [Insert(f"{n}", {"n": n}) for n in range(before)]
    for storage in (both.sdk, both.lean):
        with pytest.raises(error) as raised:
            await storage.tables.transact(both.table, "p", [*ops, op])
        assert raised.value.index == before
    assert await both.lean.tables.get(both.table, "p", "0") is None


def _sas(azurite: Azurite, permission: AccountSasPermissions) -> Connection:
    token = generate_account_sas(
        ACCOUNT,
        KEY,
        ResourceTypes(service=True, container=True, object=True),
        permission,
        datetime.now(UTC) + timedelta(hours=1),
        services="qt",
    )
    return Connection.from_string(
        f"QueueEndpoint={azurite.queue_uri};TableEndpoint={azurite.table_uri};"
        f"SharedAccessSignature={token}"
    )


async def test_a_shared_access_signature(azurite: Azurite, client: StorageClient) -> None:
    everything = AccountSasPermissions(
        read=True,
        write=True,
        delete=True,
        list=True,
        add=True,
        update=True,
        process=True,
        create=True,
    )
    name = secrets.token_hex(6)
    async with await open_storage(_sas(azurite, everything), client=client) as opened:
        tables, queues = opened.storage.tables, opened.storage.queues
        await tables.create_table(f"T{name}")
        await tables.transact(f"T{name}", "p", [Insert("a", {}), Insert("b", {})])
        await tables.transact(f"T{name}", "p", [Delete("b")])
        page = await tables.query(f"T{name}", [Where("RowKey", "ge", "a")])
        assert [row.key for row in page.rows] == ["a"]
        await queues.create_queue(f"q-{name}")
        await queues.send(f"q-{name}", b"x")
        (message,) = await queues.receive(f"q-{name}", limit=1, lease=30)
        await queues.delete(f"q-{name}", message.receipt)
        await queues.delete_queue(f"q-{name}")
        await tables.delete_table(f"T{name}")


async def test_a_signature_that_does_not_let_in(azurite: Azurite, client: StorageClient) -> None:
    connection = _sas(azurite, AccountSasPermissions(read=True))
    async with await open_storage(connection, client=client) as opened:
        with pytest.raises(AccessDenied):
            await opened.storage.tables.transact("Table", "p", [Insert("a", {})])
        with pytest.raises(AccessDenied):
            await opened.storage.queues.send("queue", b"x")


async def test_an_etag_is_one_line(both: Both) -> None:
    with pytest.raises(ValueError, match="one line"):
        await both.lean.tables.transact(both.table, "p", [Delete("a", "x\r\nHost: other")])


def test_the_sdk_is_not_imported_by_who_does_not_use_it(azurite: Azurite) -> None:
    name = secrets.token_hex(6)
    code = f"""
import asyncio, sys
from durable.ports import Insert
from durable.storage.azure import Connection, open_storage

async def main():
    async with await open_storage(Connection.from_string({azurite.connection_string!r})) as opened:
        await opened.storage.tables.create_table("T{name}")
        await opened.storage.queues.create_queue("q-{name}")
        await opened.storage.tables.transact("T{name}", "p", [Insert("a", {{}})])
        await opened.storage.queues.send("q-{name}", b"x")
        sdk = ("azure.data", "azure.storage", "azure.core", "azure.identity")
        print([module for module in sys.modules if module.startswith(sdk)])
        await opened.storage.queues.delete_queue("q-{name}")
        await opened.storage.tables.delete_table("T{name}")

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
