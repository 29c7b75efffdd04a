"""The size that is estimated against the size that is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from durable.errors import ContainerMissing
from durable.ports import Delete, Insert, Merge, Op, Value
from durable.storage.azure import StorageClient, open_storage
from durable.storage.limits import transaction_bytes
from tests.storage.fake_service import fake_service

ETAG = "W/\"datetime'2026-01-01T00%3A00%3A00.0000000Z'\""
VALUES: dict[str, Mapping[str, Value]] = {
    "nothing": {},
    "numbers": {f"column_{n}": 10**n for n in range(18)},
    "text": {f"c{n}": "x" * 20_000 for n in range(3)},
    "JSON in text": {"c": '{"a": "b\\n"}' * 2_000},
    "other scripts": {"c": "ä☃😀" * 5_000},
    "binary": {"c": bytes(65_536), "d": b"1"},
    "mixed": {"t": datetime(2026, 1, 1, 0, 0, 0, 1, UTC), "f": 1e-300, "b": True, "s": ""},
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
async def test_no_transaction_is_larger_than_estimated(
    values: Mapping[str, Value], client: StorageClient
) -> None:
    partition = "|=" * 50
    ops: list[Op] = []
    for n in range(3):
        ops.append(Insert(f"insert-{n}", values))
        ops.append(Merge(f"merge-{n}", values, ETAG))
        ops.append(Delete(f"delete:{n}" * 20))
    async with fake_service() as service:
        async with await open_storage(service.connection, client=client) as opened:
            with pytest.raises(ContainerMissing):
                await opened.storage.tables.transact("Table" * 10, partition, ops)
        sent = len(service.bodies[-1])
    estimated = transaction_bytes(partition, ops)
    assert sent <= estimated <= sent * 1.1 + 1000 * len(ops)


def test_estimates_add_up() -> None:
    ops: list[Op] = [Insert("a", {"v": "x"}), Delete("b")]
    whole = transaction_bytes("p", ops)
    assert whole == sum(transaction_bytes("p", [op]) for op in ops)
