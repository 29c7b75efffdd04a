"""From the results of a run to tables and the plot: `python -m bench.report` writes the generated
parts of docs/performance.md and docs/performance.svg from bench/results.json."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.bars import BARS, DERIVED, DURABLE_FUNCTIONS, Bar
from bench.plot import plot
from tools.processes import ROOT

RESULTS = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
NAMES = {
    "p50_ms": "p50",
    "p95_ms": "p95",
    "per_second": "a second",
    "seconds": "total",
    "begin_ms": "a step, first 100",
    "end_ms": "a step, last 100",
    "growth": "last to first",
    "a_step": "operations a step",
    "an_orchestration": "operations an orchestration",
    "commits": "commits",
    "all": "operations",
    "bytes_a_step": "bytes a step",
    "bytes_an_orchestration": "bytes an orchestration",
    "bytes": "bytes",
    "cpu_percent": "CPU",
    "queue_per_second": "requests, busiest queue",
    "others_per_second": "other requests",
    "resident_mb": "resident memory",
    "per_thousand_ms": "1,000 steps",
}
UNITS = {
    "p50_ms": "ms",
    "p95_ms": "ms",
    "per_second": "/s",
    "seconds": "s",
    "begin_ms": "ms",
    "end_ms": "ms",
    "growth": "×",
    "cpu_percent": "%",
    "queue_per_second": "/s",
    "others_per_second": "/s",
    "resident_mb": "MB",
    "per_thousand_ms": "ms",
}

Results = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A bar with what was measured. `verdict` is "met", "not met", a reason, or "" without bar."""

    bar: Bar
    ours: float | None
    other: float | None
    ratio: float | None
    verdict: str

    @property
    def cells(self) -> tuple[str, ...]:
        """Workload, ours, what it took, the other, what that took, ratio, bar, verdict."""
        bar, unit = self.bar, self.bar.unit
        what = f"{bar.ours}: {NAMES[bar.figure]}"
        against = bar.other or ""
        if bar.other_figure:
            against = f"its {NAMES[bar.other_figure]}"
        elif bar.derived:
            against = f"{DURABLE_FUNCTIONS} (derived)"
        elif bar.other == bar.ours:
            against = ""
        ratio = f"{self.ratio:.2f} ×" if self.ratio is not None and bar.other else ""
        limit = ""
        if bar.limit is not None:
            sign = "≤" if bar.better == "lower" else "≥"
            limit = f"{sign} {bar.limit:g} {'×' if bar.other else unit}".rstrip()
        shown = (number(self.ours, unit), against, number(self.other, unit), ratio, limit)
        return (bar.workload, what, *shown, self.verdict)


HEADINGS = ("", "ours", "", "against", "", "ratio", "bar", "")


def lines(results: Results) -> list[Line]:
    """A line for each bar whose workload was run."""
    found = []
    for bar in BARS:
        workload = results["workloads"].get(bar.workload)
        if workload is None:
            continue
        reason = _missing(workload, bar.ours)
        ours = _median(workload, bar.ours, bar.figure)
        if ours is None and not reason:
            # a variant that this version does not have
            continue
        other: float | None = None
        if bar.derived:
            contender, factor = DERIVED[bar.workload, bar.derived]
            bare = _median(workload, contender, bar.figure)
            other = bare * factor if bare is not None else None
            reason = reason or _missing(workload, contender)
        elif bar.other is not None:
            other = _median(workload, bar.other, bar.other_figure or bar.figure)
            reason = reason or _missing(workload, bar.other)
        if ours is None or (bar.other is not None and other is None):
            found.append(Line(bar, ours, other, None, f"not run: {_short(reason)}"))
            continue
        ratio = ours / other if other else ours
        verdict = "" if bar.limit is None else "met" if bar.met(ratio) else "not met"
        found.append(Line(bar, ours, other, ratio, verdict))
    return found


def text_table(results: Results) -> str:
    """The ratios for a terminal."""
    rows = [HEADINGS, *(line.cells for line in lines(results))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    texts = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(text.rstrip() for text in texts)


def markdown_bars(results: Results) -> str:
    """The ratios for docs/performance.md."""
    return _markdown(HEADINGS, (line.cells for line in lines(results)))


def markdown_figures(results: Results) -> str:
    """Every contender's medians, with the least and the most of the repetitions."""
    rows = []
    for name, workload in results["workloads"].items():
        for contender, series in workload["series"].items():
            shown = "; ".join(
                f"{NAMES[figure]} {number(median(values), UNITS.get(figure, ''))}{_range(values)}"
                for figure, values in series.items()
            )
            rows.append((name, contender, shown))
        for contender, reason in workload["not_run"].items():
            rows.append((name, contender, f"not run: {_short(reason)}"))
    return _markdown(("", "who", "median (least to most)"), rows)


def markdown_machine(results: Results) -> str:
    """Where and when the run was."""
    machine = results["machine"]
    return (
        f"{results['date']}, commit {results['commit']}, {results['repeat']} repetitions; "
        f"{machine['cores']} cores ({machine['processor']}), Python {machine['python']}, "
        f"Azurite {machine['azurite']} on disk, load {machine['load']} at the start."
    )


def write_page(results: Results) -> None:
    """Fill in the generated parts of the page, and draw the plot."""
    page = PAGE.read_text()
    parts = {
        "machine": markdown_machine(results),
        "bars": markdown_bars(results),
        "figures": markdown_figures(results),
    }
    for name, text in parts.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.S)
        found = between.findall(page)
        if len(found) != 1:
            raise ValueError(f"{PAGE.name} has {len(found)} places for {name}")
        begin, end = found[0]
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}{text}\n{end}{rest.partition(end)[2]}"
    PAGE.write_text(page)
    PICTURE.write_text(plot(lines(results)))


def number(value: float | None, unit: str = "") -> str:
    """Three digits that count, and the unit."""
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def _range(values: Sequence[float]) -> str:
    if len(values) < 2:
        return ""
    return f" ({number(min(values))} to {number(max(values))})"


def _median(workload: Results, contender: str, figure: str) -> float | None:
    values = workload["series"].get(contender, {}).get(figure)
    return median(values) if values else None


def _missing(workload: Results, contender: str) -> str:
    reason: str = workload["not_run"].get(contender, "")
    return reason


def _short(reason: str) -> str:
    first = reason.strip().splitlines()[0] if reason.strip() else "it was left out"
    return first if len(first) <= 100 else f"{first[:99]}…"


def _markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"

    return "\n".join([line(headings), line(["---"] * len(headings)), *map(line, rows)])


def main() -> None:
    """Write the page from the committed results, or from the file that is named."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    write_page(json.loads(source.read_text()))


if __name__ == "__main__":
    main()
