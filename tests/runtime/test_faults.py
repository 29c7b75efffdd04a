"""Random lives of a hub under faults. `DURABLE_SEEDS=0:1000` runs those seeds instead."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from tests.runtime.fault_world import World


def seeds(default: Iterable[int]) -> list[int]:
    wanted = os.environ.get("DURABLE_SEEDS")
    if not wanted:
        return list(default)
    first, _, beyond = wanted.partition(":")
    return list(range(int(first), int(beyond or int(first) + 1)))


@pytest.mark.parametrize("seed", seeds(range(40)))
async def test_everything_acknowledged_ends_and_leaves_nothing(seed: int) -> None:
    await World(seed).run()


@pytest.mark.parametrize("seed", seeds(range(1000, 1030)))
async def test_it_does_so_without_an_audit_too(seed: int) -> None:
    await World(seed, sweeping=False).run()
