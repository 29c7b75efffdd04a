"""The workloads that are simulated, each a million instances, events or timers unless it shows
what goes wrong before that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from bench.scale.limits import ACCOUNT, Layout, Site
from bench.scale.operations import EVENT, INLINE, INLINE_HERE, QUEUED_COLD, SIGNAL, TIMER, Workload
from bench.scale.store import PER_SECOND, TICK
from bench.scale.world import Fleet, World

MILLION = 1_000_000
SEED = 20_261


@dataclass(frozen=True, slots=True)
class Scenario:
    """`rate` is arrivals a second, 0 for all at once. With `due_within` seconds they are timers.
    It is cut off after `most_seconds`."""

    name: str
    title: str
    workload: Workload
    count: int = MILLION
    rate: float = 0.0
    due_within: int = 0
    layout: Layout = field(default_factory=Layout)
    fleet: Fleet = field(default_factory=Fleet)
    most_ranges: int | None = None
    most_seconds: int = 20_000

    def small(self, count: int) -> Scenario:
        """The same with fewer."""
        due = max(1, self.due_within * count // self.count) if self.due_within else 0
        return replace(self, count=count, due_within=due)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to. Seconds are of simulated time."""

    scenario: Scenario
    seed: int
    world: World

    @property
    def seconds(self) -> float:
        """How long it took until all had ended, or it was cut off."""
        return self.world.now * TICK

    @property
    def rate(self) -> float:
        """Ended a second, over all of that time."""
        return self.world.finished / self.seconds

    def busiest(self) -> list[tuple[str, float]]:
        """Sites, and the account, by the share of their limit that they served in the busiest
        tenth of the seconds."""
        series, store = self.world.series, self.world.store
        found = [(site.name.lower(), _high(series.load(site)) / store.limit(site)) for site in Site]
        found.append(("account", _high(series.requests) / ACCOUNT))
        return sorted(found, key=lambda each: -each[1])

    def to_json(self) -> dict[str, Any]:
        """All figures, and the series in at most 240 points."""
        world, scenario = self.world, self.scenario
        return {
            "name": scenario.name,
            "title": scenario.title,
            "seed": self.seed,
            "count": scenario.count,
            "arrived": world.arrived,
            "finished": world.finished,
            "seconds": round(self.seconds, 1),
            "per_second": round(self.rate, 1),
            "p50": world.series.latency(0.50),
            "p95": world.series.latency(0.95),
            "deepest_control_queue": max(world.series.columns["depth"]),
            "deepest_work_queue": max(world.series.columns["work"]),
            "deepest_inbox": max(world.series.columns["inbox"]),
            "throttled": sum(world.series.throttled),
            "spare_doorbells": world.spares,
            "client_errors": world.errors,
            "handed_back": world.handed_back,
            "busiest": {name: round(share, 3) for name, share in self.busiest()},
            "series": world.series.points(),
        }


_PLANNED = Layout(control_queues=16, projection_shards=16, timer_shards=16, work_queues=16)

SCENARIOS = (
    Scenario("steady", "800 starts a second, in workers", INLINE_HERE, rate=800),
    Scenario("burst", "1,000,000 starts at once", INLINE),
    Scenario(
        "burst-planned",
        "the same, projection and control queues in 16 parts",
        INLINE,
        layout=_PLANNED,
        fleet=Fleet(workers=64, clients=2048),
    ),
    Scenario("queued", "100,000 starts at once, queued steps", QUEUED_COLD, count=100_000),
    Scenario("events", "1,000,000 wait, an event for each at once", EVENT),
    Scenario(
        "timers",
        "1,000,000 timers within an hour",
        TIMER,
        due_within=3600,
    ),
    Scenario(
        "timers-of-kinds",
        "as many a second for 5 minutes, workers of 4 kinds",
        TIMER,
        count=83_400,
        due_within=300,
        fleet=Fleet(kinds=4),
        most_seconds=1200,
    ),
    Scenario("entity", "1,000,000 signals to one entity, 400 a second", SIGNAL, rate=400),
    Scenario(
        "entity-overload",
        "700 signals a second to one entity, for 5 minutes",
        SIGNAL,
        count=210_000,
        rate=700,
        layout=Layout(control_queues=4),
        most_seconds=1200,
    ),
    Scenario(
        "cold-table",
        "500 starts a second, the history table in one range at first",
        INLINE_HERE,
        count=300_000,
        rate=500,
        layout=Layout(history_ranges=1),
        most_ranges=16,
    ),
)


def simulate(
    scenario: Scenario, seed: int = SEED, progress: Callable[[str], None] | None = None
) -> Result:
    """Run it to its end; the same seed gives the same result."""
    due = scenario.due_within
    timers = [
        _until(scenario.count, s + 1, due) - _until(scenario.count, s, due) for s in range(due)
    ]
    world = World(
        scenario.workload,
        scenario.layout,
        scenario.fleet,
        seed,
        most_ranges=scenario.most_ranges,
        timers=timers,
    )
    left = 0 if due else scenario.count
    if not scenario.rate:
        world.arrive(left)
        left = 0
    last = scenario.most_seconds * PER_SECOND
    while (left or not world.is_over) and world.now < last:
        if left:
            sent = scenario.count - left
            count = min(left, int(scenario.rate * TICK * (world.now + 1)) - sent)
            world.arrive(count)
            left -= count
        world.step()
    while world.now % PER_SECOND:
        world.step()
    result = Result(scenario, seed, world)
    if progress is not None:
        progress(f"{scenario.name}: seed {seed}, {world.finished:,} in {result.seconds:,.0f} s")
    return result


def _until(count: int, second: int, seconds: int) -> int:
    return count * second // seconds


def _high(values: list[float] | list[int]) -> float:
    """The value that the busiest tenth of the seconds reaches."""
    ordered = sorted(values)
    return float(ordered[int(len(ordered) * 0.9)]) if ordered else 0.0
