"""The store of the simulation: sites with a limit, an account above them, and throttling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from bench.scale.limits import ACCOUNT, Layout, Site

TICK = 0.02
"""Seconds of a step of time, and of every storage call, the client's part included."""

PER_SECOND = round(1 / TICK)

_ACCOUNT = len(Site)
_DUST = 1e-6

SPLIT_ABOVE = 0.8
SPLIT_AFTER = 60.0
"""A table whose ranges are that busy, in the mean of about so many seconds, gets twice as many
(assumed)."""


@dataclass(slots=True)
class Demand:
    """So many calls of one kind that want to be made in a tick, and how many were let in."""

    site: Site
    units: int
    count: int
    requests: int
    granted: int = 0


class Store:
    """Lets in what the limits allow; the rest is answered 503, shared evenly by chance.

    No site takes more than its limit in any second, wherever that begins. What an admitted call
    needs beyond that, a query of many rows say, is served later, before anything else.
    """

    def __init__(self, layout: Layout, random: Random, *, most_ranges: int | None = None) -> None:
        """With `most_ranges` the service splits a busy history table until it has as many."""
        self._random = random
        self._most_ranges = most_ranges or layout.history_ranges
        self.ranges = layout.history_ranges
        # the account is one site more
        self._limits = [*(float(layout.limit(site)) for site in Site), float(ACCOUNT)]
        self._owed = [0.0] * (_ACCOUNT + 1)
        self._lately = [[0.0] * PER_SECOND for _ in self._limits]
        self._sums = [0.0] * (_ACCOUNT + 1)
        self._tick = 0
        self._refused = [0.0] * len(Site)
        self._busy = 0.0
        self._served = [0.0] * (_ACCOUNT + 1)
        self._throttled = 0

    def background(self, site: Site, units: float, requests: float) -> None:
        """Calls that come whatever is let in: polls, renewals, sweeps."""
        self._owed[site] += units
        self._owed[_ACCOUNT] += requests

    def admit(self, demands: Sequence[Demand]) -> None:
        """Fill `granted` of each demand, for one tick."""
        free = self._begin()
        wanted = sum(demand.requests for demand in demands)
        room = max(0.0, free[_ACCOUNT])
        part = room / wanted if wanted > room else 1.0
        loads = [0.0] * len(Site)
        for demand in demands:
            demand.granted = self._cut(demand.count, part)
            loads[demand.site] += demand.granted * demand.units
        parts = [
            max(0.0, room) / load if load > max(0.0, room) else 1.0
            for load, room in zip(loads, free, strict=False)
        ]
        for demand in demands:
            site = demand.site
            demand.granted = self._cut(demand.granted, parts[site])
            self._throttled += demand.count - demand.granted
            self._owed[site] += demand.granted * demand.units
            # a refused request was one of the account's, unless the account refused it
            requests = demand.requests * part if part < 1.0 else demand.requests
            self._owed[_ACCOUNT] += requests
        self._refused = [1 - each * part for each in parts]
        self._end()

    def limit(self, site: Site) -> float:
        """Units a second of a site as it is spread now."""
        return self._limits[site]

    def is_behind(self, site: Site) -> bool:
        """Whether calls that it has let in are still being served."""
        return self._owed[site] > 0

    def rejects(self, site: Site) -> bool:
        """Whether one more call is answered 503, by chance as those of this tick were."""
        return self._random.random() < self._refused[site]

    def second(self) -> tuple[list[float], int, int]:
        """Units by site, requests and 503 answers since the last time; splits what is busy."""
        units, requests = self._served[:_ACCOUNT], round(self._served[_ACCOUNT])
        throttled, self._throttled = self._throttled, 0
        self._served = [0.0] * (_ACCOUNT + 1)
        if self.ranges < self._most_ranges:
            load = units[Site.HISTORY] / self._limits[Site.HISTORY]
            self._busy += (load - self._busy) / SPLIT_AFTER
            if self._busy >= SPLIT_ABOVE:
                self.ranges, self._busy = self.ranges * 2, self._busy / 2
                self._limits[Site.HISTORY] *= 2
        return units, requests, throttled

    def _begin(self) -> list[float]:
        """What each site has free in the second that ends with this tick."""
        self._tick = (self._tick + 1) % PER_SECOND
        for site, row in enumerate(self._lately):
            self._sums[site] -= row[self._tick]
            row[self._tick] = 0.0
        return [
            limit - taken - owed
            for limit, taken, owed in zip(self._limits, self._sums, self._owed, strict=True)
        ]

    def _end(self) -> None:
        for site, owed in enumerate(self._owed):
            if owed > 0:
                now = max(0.0, min(owed, self._limits[site] - self._sums[site]))
                self._owed[site] = owed - now if owed - now > _DUST else 0.0
                self._lately[site][self._tick] = now
                self._sums[site] += now
                self._served[site] += now

    def _cut(self, count: int, part: float) -> int:
        if part >= 1.0:
            return count
        share = count * part
        whole = int(share)
        return min(count, whole + (self._random.random() < share - whole))
