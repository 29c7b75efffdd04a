"""What a run of the simulation leaves: a row for each second, and figures made of the rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.scale.limits import Site

COLUMNS = ("arrived", "finished", "runs", "depth", "hidden", "work", "backlog", "inbox")
_POINTS = 240


@dataclass(slots=True)
class Series:
    """Rows by second. `units[s]` is by site; counts of instances and messages are as at its end."""

    seconds: list[int] = field(default_factory=list)
    columns: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    units: list[list[float]] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    throttled: list[int] = field(default_factory=list)

    def note(
        self,
        *,
        second: int,
        units: Sequence[float],
        requests: int,
        throttled: int,
        **counts: int,
    ) -> None:
        """One more second."""
        self.seconds.append(second)
        for name in COLUMNS:
            self.columns[name].append(counts[name])
        self.units.append(list(units))
        self.requests.append(requests)
        self.throttled.append(throttled)

    def load(self, site: Site) -> list[float]:
        """Units of a site, by second."""
        return [row[site] for row in self.units]

    def latency(self, quantile: float) -> float:
        """Seconds from an arrival to its end below which that part of all instances stay, where
        they end in the order of their arrival; to a second."""
        arrived, finished = self.columns["arrived"], self.columns["finished"]
        total = finished[-1] if finished else 0
        if not total:
            return 0.0
        ranks = [1 + (total - 1) * number // 999 for number in range(1000)]
        waits = sorted(bisect_left(finished, rank) - bisect_left(arrived, rank) for rank in ranks)
        return float(waits[min(999, int(quantile * 1000))])

    def points(self) -> dict[str, Any]:
        """Means over stretches of time: at most 240 of each column."""
        step = max(1, -(-len(self.seconds) // _POINTS))
        loads = {site.name.lower(): self.load(site) for site in Site}
        rows: dict[str, Sequence[float]] = {
            **self.columns,
            **loads,
            "requests": self.requests,
            "throttled": self.throttled,
        }
        return {
            "seconds": self.seconds[::step],
            **{
                name: [
                    round(sum(row[at : at + step]) / len(row[at : at + step]), 1)
                    for at in range(0, len(row), step)
                ]
                for name, row in rows.items()
            },
        }
