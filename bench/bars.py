"""The bars, and what Durable Functions' own engine is taken to reach.

Each ratio is ours to the other's, of medians of one run; a bar is the most it may be, or where
more is better the least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.sizes import FULL

DURABLE_FUNCTIONS = "Durable Functions"
"""Its storage engine cannot be run here: its figures are derived, see DERIVED."""

DERIVED: dict[tuple[str, str], tuple[str, float]] = {
    ("W1", "inline"): ("ceiling, inline", 67 / 6.6),
    ("W1", "queued"): ("ceiling, queued", 67 / 43),
    ("W2", "inline"): ("ceiling, inline", 111 / 1570),
    ("W3", "queued"): ("ceiling, queued", 13.7 / 0.22),
    ("W4", "inline"): ("ceiling, inline", 12.5 / 0.26),
}
"""By workload and path: the contender of this run, and what its figure is multiplied by. The
factors were measured side by side, on a quiet machine of the same size, between that engine
(DurableTask.AzureStorage 2.9.1 with its defaults) and bare storage operations as the ceiling's."""


@dataclass(frozen=True, slots=True)
class Bar:
    """`ours` and `other` are contenders of the workload, `other` one to derive or None where the
    bar is an absolute number. `limit` None: shown for comparison."""

    workload: str
    ours: str
    figure: str
    other: str | None
    limit: float | None
    unit: str = ""
    better: Literal["lower", "higher"] = "lower"
    other_figure: str = ""
    derived: str = ""

    def met(self, ratio: float) -> bool:
        """Whether the ratio, or the number, is within the limit."""
        if self.limit is None:
            return True
        return ratio <= self.limit if self.better == "lower" else ratio >= self.limit


def derived(workload: str, ours: str, figure: str, path: str, limit: float | None, unit: str,
            better: Literal["lower", "higher"] = "lower") -> Bar:  # fmt: skip
    """A bar against the derived figure of Durable Functions."""
    return Bar(workload, ours, figure, DURABLE_FUNCTIONS, limit, unit, better, derived=path)


_MANY = f"durable, inline, {FULL.long_chain:,}"
_WAITING = f"durable, {FULL.waiting:,} waiting"
_FEW = f"durable, {FULL.few_waiting:,} waiting"
_THREE = "durable, queued, three workers"
_CALLED = "durable, seen over HTTP"
_PACKED = "durable, grouped and packed"

BARS: tuple[Bar, ...] = (
    Bar("W1", "durable, inline", "p50_ms", "Restate, inline", 0.7, "ms"),
    Bar("W1", "durable, inline", "p50_ms", "DBOS", 0.5, "ms"),
    derived("W1", "durable, inline", "p50_ms", "inline", 0.15, "ms"),
    Bar("W1", "durable, inline", "p50_ms", "ceiling, inline", None, "ms"),
    Bar("W1", "durable, inline", "p50_ms", "durabletask", None, "ms"),
    Bar("W1", "durable, queued", "p50_ms", "Restate, calls", 0.8, "ms"),
    derived("W1", "durable, queued", "p50_ms", "queued", 0.8, "ms"),
    Bar("W1", "durable, queued", "p50_ms", "ceiling, queued", None, "ms"),
    Bar("W1", _CALLED, "p50_ms", "durable, inline", 2.0, "ms"),
    Bar("W1 elsewhere", "durable, queued, idle before", "p50_ms", None, 1000, "ms"),
    Bar("W1 elsewhere", "durable under Functions", "p50_ms", None, 50, "ms"),
    Bar("W1 elsewhere", "durable under Functions, queue-triggered", "p50_ms", None, 1300, "ms"),
    Bar("W2", "durable, one worker", "per_second", "DBOS", 3.0, "/s", "higher"),
    Bar("W2", "durable, one worker", "per_second", "ceiling, inline", 0.7, "/s", "higher"),
    derived("W2", "durable, one worker", "per_second", "inline", 10.0, "/s", "higher"),
    Bar("W2", "durable, one worker", "per_second", "Restate, inline", None, "/s", "higher"),
    Bar("W2", _PACKED, "per_second", "Restate, inline", 1.0, "/s", "higher"),
    Bar("W2", "durable, three workers", "per_second", "durable, one worker", None, "/s", "higher"),
    Bar("W3", "durable, inline", "seconds", "Restate, inline", 0.6, "s"),
    Bar("W3", "durable, inline", "seconds", "ceiling, inline", None, "s"),
    Bar("W3", "durable, inline", "seconds", "DBOS", None, "s"),
    Bar("W3", _THREE, "seconds", "Restate, calls", 0.6, "s"),
    derived("W3", _THREE, "seconds", "queued", 0.1, "s"),
    Bar("W3", _THREE, "seconds", "ceiling, queued", None, "s"),
    Bar("W3", "durable, inline, 10,000", "seconds", "Restate, inline, 10,000", None, "s"),
    Bar("W4", "durable, inline", "seconds", "Restate, inline", 0.8, "s"),
    Bar("W4", "durable, inline", "seconds", "DBOS", None, "s"),
    derived("W4", "durable, inline", "seconds", "inline", None, "s"),
    Bar("W4", "durable, inline", "seconds", "ceiling, inline", None, "s"),
    Bar("W4", "durable, inline", "end_ms", "durable, inline", 1.15, "ms", other_figure="begin_ms"),
    Bar("W4", _MANY, "end_ms", _MANY, 1.15, "ms", other_figure="begin_ms"),
    Bar("operations", "durable, inline", "a_step", None, 1.0),
    Bar("operations", "durable, inline", "an_orchestration", None, 6.0),
    Bar("operations", "durable, queued", "a_step", None, 4.0),
    Bar("operations", "durable, fan-in, inline", "commits", None, 60),
    Bar("operations", "durable, fan-in, queued", "commits", None, 60),
    Bar("operations", "durable, inline", "bytes_a_step", None, None),
    Bar("operations", "durable, inline", "bytes_an_orchestration", None, None),
    Bar("operations", "durable, queued", "bytes_a_step", None, None),
    Bar("operations", "durable, queued", "bytes_an_orchestration", None, None),
    Bar("operations", "durable, fan-in, inline", "bytes", None, None),
    Bar("operations", "durable, fan-in, queued", "bytes", None, None),
    Bar("W5", _WAITING, "cpu_percent", None, 1.0, "%"),
    Bar("W5", _WAITING, "queue_per_second", None, 1.0, "/s"),
    Bar("W5", _WAITING, "resident_mb", _FEW, 1.15, "MB"),
    Bar("W6", "durable", "seconds", None, 1.0, "s"),
    Bar("W6", "durable", "resident_mb", None, 90, "MB"),
    Bar("W7", "durable", "per_thousand_ms", "azure-functions-durable", 0.2, "ms"),
    Bar("W11", "durable.testing", "p50_ms", None, 50, "ms"),
    Bar("W10", "durable, one hot entity", "per_second", "Restate, one hot object", None, "/s",
        "higher"),
    Bar("W10", "durable, 1,000 entities", "per_second", "Restate, 1,000 objects", None, "/s",
        "higher"),
)  # fmt: skip
