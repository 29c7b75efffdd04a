"""Steps that call limited activities, in some of the worlds, and what has to hold for them.

Nobody begins a call without permits that are surely still its process's. So no other call begins
for a while after one has: later it may, where the process of the first lost its permits, which
takes faults.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from durable.hub.permits import LEASE, PERMITS, concurrency_key, key_key
from durable.model.functions import ActivityDefinition
from durable.model.limits import Limits, RateLimit
from durable.runtime.activities import activity_context
from durable.runtime.permits import TRUST

if TYPE_CHECKING:
    from tests.simulation.programs import Effects
    from tests.simulation.site import Site

KINDS = frozenset({"keyed", "narrow", "map"})
KEYED = Limits(key_concurrency=1, priority_enabled=True)
NARROW = Limits(concurrency=2, rate=RateLimit(5, burst=2))
SURELY = LEASE.total_seconds() - TRUST - 2.0
"""Seconds after a begin in which permits cannot have been lost, with clocks that differ."""


def random_of(seed: int) -> random.Random | None:
    """What such steps are made with, in the worlds that have some: of its own chance, so that the
    other seeds stay what they are."""
    return random.Random(f"flow {seed}") if seed % 8 in (4, 7) else None


def add_steps(rnd: random.Random, steps: list[Any], number: Callable[[], int]) -> None:
    """Put some into a program."""
    for _ in range(rnd.choice((0, 1, 1, 2))):
        numbers = [number() for _ in range(rnd.randint(0, 6))]
        step = rnd.choice(
            (
                ["keyed", numbers, rnd.choice("aab"), rnd.choice((-1, 0, 1))],
                ["narrow", number()],
                ["map", numbers, rnd.choice((1, 2, 50))],
            )
        )
        steps.insert(rnd.randint(0, len(steps)), step)


class Permitted:
    """The calls of limited activities that run."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._running: dict[str, list[float]] = {}

    def begin(self, row: str, limit: int) -> float:
        """One begins: when."""
        now: float = self._site.clock.monotonic()
        require, running = self._site.watch.require, self._running.setdefault(row, [])
        faultless = not self._site.faults.rate
        recent = [since for since in running if faultless or now - since <= SURELY]
        require(len(recent) < limit, f"{row}: one more runs beside those of {recent}, it is {now}")
        running.append(now)
        stored = self._site.tables.rows(self._site.hub.names.index, PERMITS)
        if row in stored:
            given = sum(
                count
                for count, until in json.loads(stored[row].values["holders"]).values()
                if until / 1e6 > self._site.clock.now().timestamp()
            )
            require(given <= limit, f"{row}: {given} permits of {limit}")
        return now

    def end(self, row: str, since: float) -> None:
        """One has ended. Those of a process that died never do."""
        self._running[row].remove(since)


def check(site: Site) -> None:
    """Nobody has permits that no call needs, and rows that say nothing any more are swept."""
    for runtime in site.runtimes:
        for gate in runtime.flow._gates.values():
            permits = [*gate._keys.values(), *([gate._permits] if gate._permits else [])]
            left = [vars(each) for each in permits if each._used or each.waiting]
            assert not left, f"no call runs, and permits are taken: {left}"
    # they end with a lease, and go with the next sweep
    long_ago = site.clock.now() - LEASE
    for key, row in site.tables.rows(site.hub.names.index, PERMITS).items():
        expires: Any = row.values["expires"]
        assert expires > long_ago, f"left after it expired: {key} {row.values}"


def register(
    hub: Site,
    rnd: random.Random,
    effects: Effects,
    began: Callable[[Any, int], None],
) -> None:
    """The limited activities. `began` is told of each as it starts."""
    permitted = Permitted(hub)

    async def run(number: int, row: str, limit: int) -> int:
        context = activity_context()
        began(context, number)
        effects.runs[number] += 1
        effects.calls.setdefault(context.idempotency_key, set()).add(number)
        since = permitted.begin(row, limit)
        try:
            await hub.clock.sleep(rnd.choice((0, 0, 0.1, 3, 25)))
        finally:
            permitted.end(row, since)
        return number

    async def keyed(value: list[Any]) -> int:
        return await run(value[0], key_key("keyed", value[1]), 1)

    async def narrow(value: int) -> int:
        return await run(value, concurrency_key("narrow"), 2)

    hub.registry.add(ActivityDefinition("keyed", keyed, "value", True, limits=KEYED))
    hub.registry.add(ActivityDefinition("narrow", narrow, "value", True, limits=NARROW))
