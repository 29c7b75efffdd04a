"""From results to ratios, bars and a page."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.bars import BARS, DERIVED
from bench.environments import Unavailable
from bench.plot import plot
from bench.report import (
    PAGE,
    PICTURE,
    RESULTS,
    lines,
    markdown_figures,
    text_table,
    write_page,
)
from bench.runner import repeated


def results(**workloads: Any) -> dict[str, Any]:
    return {"workloads": {name: {"not_run": {}, **found} for name, found in workloads.items()}}


def verdicts(found: dict[str, Any]) -> dict[tuple[str, str | None], tuple[float | None, str]]:
    return {(line.bar.ours, line.bar.other): (line.ratio, line.verdict) for line in lines(found)}


def test_a_ratio_is_of_medians_and_held_to_its_bar() -> None:
    series = {
        "durable, inline": {"p50_ms": [10.0, 90.0, 14.0]},
        "Restate, inline": {"p50_ms": [20.0, 20.0, 1.0]},
        "DBOS": {"p50_ms": [20.0]},
    }
    found = verdicts(results(W1={"series": series}))
    assert found["durable, inline", "Restate, inline"] == (0.7, "met")
    assert found["durable, inline", "DBOS"] == (0.7, "not met")


def test_where_more_is_better_the_bar_is_the_least() -> None:
    series = {"durable, one worker": {"per_second": [300.0]}, "DBOS": {"per_second": [101.0]}}
    ratio, verdict = verdicts(results(W2={"series": series}))["durable, one worker", "DBOS"]
    assert ratio == pytest.approx(300 / 101)
    assert verdict == "not met"


def test_durable_functions_is_the_ceiling_times_what_was_measured_beside_it() -> None:
    series = {"durable, inline": {"p50_ms": [12.0]}, "ceiling, inline": {"p50_ms": [6.6]}}
    found = verdicts(results(W1={"series": series}))
    ratio, verdict = found["durable, inline", "Durable Functions"]
    assert ratio == pytest.approx(12 / 67)
    assert verdict == "not met"


def test_who_did_not_run_is_named_with_the_reason() -> None:
    workload = {"series": {"durable, inline": {"p50_ms": [1.0]}}, "not_run": {"DBOS": "no wheel"}}
    found = results(W1=workload)
    assert verdicts(found)["durable, inline", "DBOS"] == (None, "not run: no wheel")
    assert "not run: no wheel" in text_table(found)


def test_bytes_are_shown_where_they_were_measured() -> None:
    counted = {"a_step": [1.0], "an_orchestration": [6.0]}
    found = results(operations={"series": {"durable, inline": counted}})
    assert [line.bar.figure for line in lines(found)] == [*counted]
    assert "bytes" not in markdown_figures(found)
    counted |= {"bytes_a_step": [1234.0], "bytes_an_orchestration": [5000.4]}
    assert [(line.bar.figure, line.ours, line.verdict) for line in lines(found)][2:] == [
        ("bytes_a_step", 1234.0, ""),
        ("bytes_an_orchestration", 5000.4, ""),
    ]
    assert "durable, inline: bytes a step" in text_table(found)
    assert "bytes a step 1,234; bytes an orchestration 5,000 |" in markdown_figures(found)


def test_each_derived_bar_has_its_factor() -> None:
    asked = {(bar.workload, bar.derived) for bar in BARS if bar.derived}
    assert asked == set(DERIVED)


def test_the_picture_has_a_bar_for_each_ratio() -> None:
    series = {
        "durable, inline": {"p50_ms": [12.0]},
        "Restate, inline": {"p50_ms": [20.0]},
        "DBOS": {"p50_ms": [30.0]},
    }
    root = ElementTree.fromstring(plot(lines(results(W1={"series": series}))))
    shown = "".join(root.itertext())
    assert "0.60" in shown
    assert "0.40" in shown


async def test_a_contender_that_fails_leaves_the_others_running() -> None:
    turns: list[str] = []

    async def works() -> dict[str, float]:
        turns.append("works")
        return {"seconds": float(len(turns))}

    async def fails() -> dict[str, float]:
        turns.append("fails")
        raise Unavailable("it could not be installed")

    measured = await repeated("W", {"a": works, "b": fails, "c": works}, 2, {"c": 1})
    assert turns == ["works", "fails", "works", "works"]
    assert measured.series == {"a": {"seconds": [1.0, 4.0]}, "c": {"seconds": [3.0]}}
    assert measured.not_run == {"b": "it could not be installed"}


def test_the_page_shows_the_kept_results() -> None:
    page, picture = PAGE.read_text(), PICTURE.read_text()
    try:
        write_page(json.loads(RESULTS.read_text()))
        assert (PAGE.read_text(), PICTURE.read_text()) == (page, picture)
    finally:
        PAGE.write_text(page)
        PICTURE.write_text(picture)
