"""The simulation of docs/scale.md at a small size: nothing is lost, no limit is passed, and the
calls are those of the table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.scale.capacity import limits
from bench.scale.limits import ACCOUNT, Layout, Site
from bench.scale.operations import ENTITY_TURN, INLINE_HERE, QUEUED, SIGNAL
from bench.scale.plot import draw
from bench.scale.report import write
from bench.scale.scenarios import SCENARIOS, Result, simulate
from bench.scale.world import Fleet

SMALL = 1_000
CALM = ("steady", "burst", "queued", "events", "entity")
"""Runs in which nobody has to ring twice, at the small size."""


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    return {scenario.name: simulate(scenario.small(SMALL), seed=7) for scenario in SCENARIOS}


def test_every_instance_ends_and_no_message_is_left(results: dict[str, Result]) -> None:
    for result in results.values():
        world = result.world
        assert world.arrived == world.finished == SMALL, result.scenario.name
        assert (world.control.depth, world.control.hidden, world.work.depth) == (0, 0, 0)


def test_no_site_takes_more_than_its_limit_in_any_second(results: dict[str, Result]) -> None:
    for result in results.values():
        series, store = result.world.series, result.world.store
        for site in Site:
            assert max(series.load(site)) <= store.limit(site) + 1e-6, (result.scenario.name, site)
        assert 0 < max(series.requests) <= ACCOUNT


def test_each_instance_makes_the_calls_of_the_table(results: dict[str, Result]) -> None:
    for name in CALM:
        result = results[name]
        expected = {site: SMALL * units for site, units in result.scenario.workload.units().items()}
        assert dict(result.world.units) == expected, name


def test_the_same_seed_gives_the_same_result(results: dict[str, Result]) -> None:
    burst = next(each for each in SCENARIOS if each.name == "burst").small(SMALL)
    again, other = simulate(burst, seed=7).to_json(), simulate(burst, seed=8).to_json()
    assert again == results["burst"].to_json()
    assert again["series"] != other["series"]


def test_what_is_refused_is_tried_again_and_waits(results: dict[str, Result]) -> None:
    burst = results["burst"].to_json()
    assert burst["throttled"] > 0
    assert burst["deepest_control_queue"] > 20
    assert results["burst"].seconds >= SMALL * 3 / Layout().limit(Site.PROJECTION)


@pytest.mark.parametrize("kinds", [1, 2, 4])
def test_each_kind_of_workers_rings_for_a_timer_once(kinds: int) -> None:
    few = next(each for each in SCENARIOS if each.name == "timers-of-kinds")
    # late enough for all of them to have swept before
    few = replace(few, count=SMALL, due_within=200, fleet=Fleet(kinds=kinds))
    world = simulate(few, seed=7).world
    assert world.finished == SMALL
    assert world.sweeping.rings - world.spares == SMALL
    # what comes due in the first seconds may be gone before all have swept
    assert (kinds - 1) * SMALL * 0.8 <= world.spares <= (kinds - 1) * SMALL
    assert world.series.latency(0.95) <= 1


def test_what_is_long_overdue_is_rung_for_again() -> None:
    few = next(each for each in SCENARIOS if each.name == "timers-of-kinds")
    # one run after the other: the last is late by minutes
    slow = replace(few, count=SMALL, due_within=1, fleet=Fleet(workers=1, turn_slots=1, kinds=1))
    world = simulate(slow, seed=7).world
    assert world.finished == SMALL
    assert world.spares > 0


def test_arithmetic_follows_from_the_table() -> None:
    first, *_ = limits(INLINE_HERE, Layout())
    assert (round(first.rate, 1), first.name) == (1000.0, "projection partition `i`")
    first, *_ = limits(QUEUED, Layout())
    assert (round(first.rate, 1), first.name) == (133.3, "work queue")
    more, *_ = limits(QUEUED, Layout(work_queues=5))
    assert (more.rate, more.name) == (500, "projection partition `i`")
    per_signal = 1 + ENTITY_TURN.units()[Site.ENTITY] / ENTITY_TURN.shares
    entity = next(each for each in limits(SIGNAL, Layout()) if "entity" in each.name)
    assert entity.rate == pytest.approx(2000 / per_signal)


def test_figures_are_json_and_the_plot_is_xml(results: dict[str, Result]) -> None:
    found = json.loads(json.dumps(results["events"].to_json()))
    assert found["seed"] == 7
    assert len({len(column) for column in found["series"].values()}) == 1
    drawing = ElementTree.fromstring(draw(found, Layout()))
    assert len(drawing.findall("{http://www.w3.org/2000/svg}polyline")) >= 5


def test_only_what_is_between_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a <!-- scale:x -->old<!-- /scale --> b <!-- scale:y -->z<!-- /scale -->")
    write(page, {"x": "new"})
    assert page.read_text() == (
        "a <!-- scale:x -->new<!-- /scale --> b <!-- scale:y -->z<!-- /scale -->"
    )
    with pytest.raises(ValueError, match="scale:q"):
        write(page, {"q": ""})
