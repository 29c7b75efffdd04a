"""Small campaigns on real processes; `make chaos` has the large ones.

DURABLE_CHAOS_SIZE says how many orchestrations, DURABLE_CHAOS_SEED repeats one.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.chaos.__main__ import BOUNDS, campaigns, parts_of
from tests.chaos.campaign import Campaign, run
from tests.chaos.report import Report

SIZE = int(os.environ.get("DURABLE_CHAOS_SIZE", "100"))
SEED = int(os.environ.get("DURABLE_CHAOS_SEED", random.randrange(10**6)))
RATE = 0.04
MARGIN = 2.0
"""A machine that does other things as well is slower to recover."""

# the lies of the second are over those of the first
LYING, TRIGGERED = campaigns(SIZE, SEED, RATE)[1:]


async def strike(campaign: Campaign, folder: Path) -> Report:
    report = await run(campaign, folder, print)
    print("\n".join(report.lines()))
    assert not report.broken, f"seed {campaign.seed}: {report.broken}"
    assert report.kills >= 3
    return report


async def test_every_promise_is_kept_where_workers_die_and_storage_lies(tmp_path: Path) -> None:
    report = await strike(LYING, tmp_path)
    assert report.commits > report.orchestrations
    assert sum(report.ambiguous.values()) > len(report.calls)
    for kind in ("transaction", "put message", "receive messages", "delete message", "query"):
        assert report.ambiguous[kind] > 0


async def test_every_promise_is_kept_under_queue_triggers(tmp_path: Path) -> None:
    report = await strike(TRIGGERED, tmp_path)
    if report.recovery:
        assert report.p99 <= MARGIN * BOUNDS[TRIGGERED.name]


@pytest.mark.parametrize("size", [20, 1000])
def test_campaigns_share_the_orchestrations(size: int) -> None:
    shared = campaigns(size, 1, RATE)
    assert sum(each.size for each in shared) == max(size, 60)
    assert len({each.seed for each in shared}) == 3


def test_a_long_campaign_goes_over_several_emulators() -> None:
    (campaign, *_) = campaigns(5000, 1, RATE)
    parts = parts_of(campaign)
    assert [part.size for part in parts] == [1000, 1000, 500]
    assert len({part.seed for part in parts}) == 3
    whole = Report(campaign.name, campaign.seed, 0)
    for part in parts:
        found = Report(part.name, part.seed, part.size, kills=2, calls={"query": 3}, recovery=[1.0])
        found.broken = ["lost"]
        whole.add(found)
    assert (whole.orchestrations, whole.kills, whole.calls) == (2500, 6, {"query": 9})
    assert whole.recovery == [1.0, 1.0, 1.0]
    assert whole.broken == [f"seed {part.seed}: lost" for part in parts]
