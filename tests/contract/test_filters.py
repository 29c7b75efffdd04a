"""Filters of the instances table, as each storage evaluates them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from durable.hub.filters import InstanceFilter
from durable.hub.hub import Hub
from durable.hub.projection import Listed
from durable.hub.rows import Head
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.contract.conftest import Account

HOSTILE = {"it's": "o'clock' or 1 eq 1", "ü ☃": "😀 %27&$filter=", "empty": "", "line\nbreak": "\t"}


async def announced(hub: Hub) -> list[Head]:
    """Four instances, a minute apart, the newest last."""
    now = hub.storage.clock.now().replace(microsecond=0)
    heads = []
    for number, (status, name, tags) in enumerate(
        (
            (Status.COMPLETED, "one", {"team": "red"}),
            (Status.FAILED, "two", {"team": "red", "tier": "1"}),
            (Status.RUNNING, "one", HOSTILE),
            (Status.TERMINATED, "o'ne", {}),
        )
    ):
        created = now + timedelta(minutes=number)
        head = Head(f"i-{number}", name, "inc", "eid", status, created, time=created, tags=tags)
        await hub.projection.announce(head)
        heads.append(head)
    return heads


def ids(rows: list[Listed]) -> str:
    return "".join(row.instance_id[-1] for row in rows)


@pytest.fixture
async def hub(account: Account) -> AsyncIterator[Hub]:
    hub = Hub(account.storage, f"F{secrets.token_hex(6)}")
    await account.storage.tables.create_table(hub.names.instances)
    yield hub
    await account.storage.tables.delete_table(hub.names.instances)


ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.TERMINATED, Status.CANCELED})


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (InstanceFilter(), "3210"),
        (InstanceFilter(statuses=ENDED), "310"),
        (InstanceFilter(statuses=frozenset(Status)), "3210"),
        (InstanceFilter(statuses=frozenset()), ""),
        (InstanceFilter(statuses=frozenset({Status.STUCK, Status.RUNNING})), "2"),
        (InstanceFilter(tags={"team": "red"}), "10"),
        (InstanceFilter(tags={"team": "red", "tier": "1"}), "1"),
        (InstanceFilter(tags={"team": "red", "it's": ""}), ""),
        (InstanceFilter(tags=HOSTILE), "2"),
        *((InstanceFilter(tags={name: text}), "2") for name, text in HOSTILE.items()),
        (InstanceFilter(name="o'ne"), "3"),
        (InstanceFilter(name="one", prefix="i-2"), "2"),
        (InstanceFilter(prefix="i", name="two", statuses=ENDED, tags={"team": "red"}), "1"),
    ],
)
async def test_what_matches(hub: Hub, wanted: InstanceFilter, expected: str) -> None:
    await announced(hub)
    rows, token = await hub.projection.page(wanted)
    assert (ids(rows), token) == (expected, None)
    counts = await hub.projection.count(wanted)
    assert sum(counts.values()) == len(expected)
    assert all(counts[row.status] == 1 for row in rows)


async def test_all_at_once_with_times(hub: Hub) -> None:
    heads = await announced(hub)
    times = [head.created for head in heads]
    all_at_once = InstanceFilter(
        created_from=times[0],
        created_to=times[3],
        updated_from=times[1],
        updated_to=times[3],
        statuses=frozenset(Status),
        name="two",
        prefix="i-",
        tags={"team": "red", "tier": "1"},
    )
    for settled in (None, False):
        rows, _ = await hub.projection.page(all_at_once, settled=settled)
        assert ids(rows) == "1"
    for wanted, expected in (
        (InstanceFilter(created_from=times[1], created_to=times[2]), "21"),
        (InstanceFilter(updated_from=times[2]), "32"),
        (InstanceFilter(updated_to=times[2]), "210"),
        (replace(all_at_once, updated_from=times[2]), ""),
        (replace(all_at_once, tags={"team": "red", "tier": "2"}), ""),
        (replace(all_at_once, statuses=frozenset(Status) - {Status.FAILED}), ""),
        (replace(all_at_once, statuses=frozenset(Status) - {Status.STUCK}), "1"),
    ):
        rows, _ = await hub.projection.page(wanted)
        assert ids(rows) == expected
