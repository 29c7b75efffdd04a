"""The arithmetic: at which rate a workload meets which limit."""

from __future__ import annotations

from dataclasses import dataclass

from bench.scale.limits import ACCOUNT, NAMES, PARTITION, Layout, Site
from bench.scale.operations import ENTITY_TURN, SIGNAL, Workload

ONE_INSTANCE = "history table"


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate, in instances (or events) a second, and what is full at it."""

    rate: float
    name: str


def limits(workload: Workload, layout: Layout) -> list[Limit]:
    """What is met, the first one first. A receive counts as a whole request, though it may bring
    32 messages."""
    units = {site: float(count) for site, count in workload.units().items()}
    requests = float(workload.requests)
    if workload is SIGNAL:
        for site, count in ENTITY_TURN.units().items():
            units[site] = units.get(site, 0.0) + count / ENTITY_TURN.shares
        requests += ENTITY_TURN.requests / ENTITY_TURN.shares
    found = [
        Limit(layout.limit(site) / count, NAMES[site])
        for site, count in units.items()
        if site is not Site.HISTORY
    ]
    found.append(Limit(ACCOUNT / requests, "account"))
    return sorted(found, key=lambda each: each.rate)


def step_limit() -> float:
    """Steps a second of one instance: a turn writes its head, and each seventeenth a row too."""
    return PARTITION * 17 / 18
