"""Golden histories as if a newer version had written them: a worker of today leaves all as it is,
and once they are today's again, all goes on to its end."""

from __future__ import annotations

from typing import Any

import pytest

from durable.hub.formats import FORMAT, READABLE
from durable.ports import Merge
from tests.golden.manifest import HISTORIES
from tests.golden.steps import outcome, perform
from tests.golden.test_histories import hub_of, stored_in
from tests.memory_hub import MemoryHub

NEWER = max(READABLE) + 1

IN_FLIGHT = (
    "chain.write-04",
    "sub-orchestrations.write-13",
    "continue-as-new.write-10",
    "entities.write-30",
    "long-payloads.waits",
    "queued.claimed",
    "rewound.rewound",
    "scheduled.none-has-begun",
)

Content = dict[tuple[str, str, str], dict[str, Any]]


@pytest.mark.parametrize("name", IN_FLIGHT)
async def test_all_rows_are_left_as_they_are(name: str) -> None:
    stored = stored_in(HISTORIES / f"{name}.json")
    hub, world = await hub_of(stored)
    async with hub:
        before = await stamp(hub, NEWER)
        worker = await hub.add_runtime()
        await hub.run(1_000)
        assert await content(hub) == before
        await hub.stop(worker)
        await stamp(hub, FORMAT)
        await hub.add_runtime()
        for step in stored["then"]:
            await perform(hub, world, step)
        assert await outcome(hub) == stored["ends"]


async def content(hub: MemoryHub) -> Content:
    """All rows of the hub's tables, without times of writing."""
    found: Content = {}
    for table in hub.hub.names.tables:
        for row in (await hub.tables.query(table, [])).rows:
            found[table, row.partition, row.key] = dict(row.values)
    return found


async def stamp(hub: MemoryHub, version: int) -> Content:
    """Give all rows a format version."""
    for table, partition, key in await content(hub):
        await hub.tables.transact(table, partition, [Merge(key, {"v": version})])
    return await content(hub)
