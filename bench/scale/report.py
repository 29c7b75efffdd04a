"""The tables of docs/scale.md, and how they get there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.scale.capacity import limits, step_limit
from bench.scale.limits import NAMES, Layout, Site
from bench.scale.operations import WORKLOADS

_COLUMNS = (Site.HISTORY, Site.PROJECTION, Site.CONTROL, Site.WORK, Site.TIMERS, Site.ENTITY)
_PLANNED = Layout(control_queues=16, projection_shards=16, timer_shards=16, work_queues=16)


def operations() -> str:
    """Requests and units of each workload, by site."""
    head = ["one", "requests", *(NAMES[site] for site in _COLUMNS)]
    rows = []
    for workload in WORKLOADS:
        units = workload.units()
        cells = [str(units[site]) if units[site] else "" for site in _COLUMNS]
        rows.append([workload.name, str(workload.requests), *cells])
    return _table(head, rows)


def capacity(layout: Layout) -> str:
    """Rates at which a workload meets its first limits."""
    head = ["a second of", "first", "second", "third", "activities/s", "events/s"]
    rows = []
    for workload in WORKLOADS:
        if workload.name.startswith(("a doorbell", "a turn")):
            continue
        found = limits(workload, layout)[:3]
        cells = [f"{each.rate:,.0f}: {each.name}" for each in found]
        cells += [""] * (3 - len(cells))
        per = [workload.activities, workload.events]
        rates = [f"{found[0].rate * each:,.0f}" if each else "" for each in per]
        rows.append([workload.name, *cells, *rates])
    return _table(head, rows)


def simulation(results: list[dict[str, Any]]) -> str:
    """A row for each run."""
    head = ["run", "ended", "seconds", "a second", "p50 s", "p95 s"]
    head += ["deepest queue", "answers 503", "spare rings", "busiest"]
    rows = []
    for each in results:
        deepest = max(each["deepest_control_queue"], each["deepest_work_queue"])
        busiest = list(each["busiest"].items())[:2]
        rows.append(
            [
                f"`{each['name']}`: {each['title']}",
                f"{each['finished']:,} of {each['count']:,}",
                f"{each['seconds']:,.0f}",
                f"{each['per_second']:,.0f}",
                f"{each['p50']:,.0f}",
                f"{each['p95']:,.0f}",
                f"{deepest:,}",
                f"{each['throttled']:,}",
                f"{each['spare_doorbells']:,}",
                ", ".join(f"{name} {share:.0%}" for name, share in busiest),
            ]
        )
    return _table(head, rows)


def sections(results: list[dict[str, Any]]) -> dict[str, str]:
    """What goes between the markers of docs/scale.md, by the marker's name."""
    seeds = ", ".join(sorted({str(each["seed"]) for each in results}))
    return {
        "operations": operations(),
        "capacity": capacity(Layout()),
        "planned": capacity(_PLANNED),
        "step": f"{step_limit():,.0f}",
        "simulation": f"{simulation(results)}\n\nSeed {seeds}.",
    }


def write(path: Path, found: Mapping[str, str]) -> None:
    """Replace what is between `<!-- scale:NAME -->` and `<!-- /scale -->`. Raises ValueError for
    a marker that the document lacks."""
    text = path.read_text(encoding="utf-8")
    for name, content in found.items():
        pattern = re.compile(rf"(<!-- scale:{name} -->)(.*?)(<!-- /scale -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"{path} has no marker <!-- scale:{name} -->")
        space = "\n" if "\n" in content else ""
        text = pattern.sub(lambda m: f"{m[1]}{space}{content}{space}{m[3]}", text)  # noqa: B023
    path.write_text(text, encoding="utf-8")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
