"""What came out of a campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.recovery import percentile

SHOWN = 40
_COUNTS = ("orchestrations", "seconds", "kills", "pauses", "attempts", "effects", "commits")
_TALLIES = ("lies", "calls", "ambiguous")


@dataclass(slots=True)
class Report:
    """`broken` are the promises that were not kept. Times are in seconds: `seconds` from the
    first start to the last end, `recovery` of each activity that a killed worker had begun."""

    name: str
    seed: int
    orchestrations: int
    seconds: float = 0.0
    kills: int = 0
    pauses: int = 0
    attempts: int = 0
    effects: int = 0
    commits: int = 0
    lies: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    ambiguous: Mapping[str, int] = field(default_factory=dict)
    recovery: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def p50(self) -> float:
        """Median recovery; NaN where nothing was in flight."""
        return percentile(self.recovery, 50)

    @property
    def p99(self) -> float:
        return percentile(self.recovery, 99)

    def add(self, part: Report) -> None:
        """Count another one's figures in."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(part, name))
        for name in _TALLIES:
            setattr(self, name, dict(Counter(getattr(self, name)) + Counter(getattr(part, name))))
        self.recovery = sorted((*self.recovery, *part.recovery))
        self.broken += [f"seed {part.seed}: {line}" for line in part.broken]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, with null for a percentile of nothing."""
        times = {
            name: round(value, 1) if value == value else None
            for name, value in (("p50", self.p50), ("p99", self.p99))
        }
        data = asdict(self)
        recovery = {"count": len(self.recovery), **times}
        return {**data, "seconds": round(self.seconds, 1), "recovery": recovery}

    def lines(self) -> list[str]:
        """For people."""
        said = [
            f"{self.name}: {self.orchestrations} orchestrations in {self.seconds:.0f} s",
            f"  {self.kills} killed, {self.pauses} stopped for a while; {self.commits} commits, "
            f"{self.attempts} attempts at {self.effects} effects",
            f"  recovery after a kill: p50 {self.p50:.1f} s, p99 {self.p99:.1f} s, "
            f"{len(self.recovery)} activities were in flight",
        ]
        if self.lies:
            said.append(f"  {sum(self.lies.values())} lies in {sum(self.calls.values())} calls")
            said += [
                f"    {kind:<18}{count:>7} calls {self.ambiguous.get(kind, 0):>5} done and denied"
                for kind, count in sorted(self.calls.items())
            ]
        said += [f"  BROKEN {line}" for line in self.broken[:SHOWN]]
        if len(self.broken) > SHOWN:
            said.append(f"  and {len(self.broken) - SHOWN} more")
        return said
