"""Far timers and audits: what each sweeper of a hub does every ten seconds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from bench.scale.limits import Site
from bench.scale.store import PER_SECOND

if TYPE_CHECKING:
    from bench.scale.world import World

EVERY = 10
AHEAD = 20
QUIET = 30
AT_ONCE = 16
ROWS_A_TICK = AT_ONCE // 2
"""Each takes two calls."""
UNSETTLED_A_SWEEP = 40
OTHERS_A_SWEEP = 10
QUERIES = 8
"""Of a sweep that finds nothing: four timer partitions, claims, three lists."""
_PAGE = 1000


@dataclass(slots=True)
class _Sweeper:
    next_at: int
    left: deque[list[int]] = field(default_factory=deque)
    """Seconds in which timers are due, and how many rows of them are still to be looked at."""


class Sweeping:
    """All sweepers of one world."""

    def __init__(
        self, world: World, sweepers: int, random: Random, timers: list[int], fire: int
    ) -> None:
        """`timers[s]` come due in second `s`; `fire` is the stage that their doorbells lead to."""
        self._world = world
        self._sweepers = [_Sweeper(random.randrange(EVERY * PER_SECOND)) for _ in range(sweepers)]
        self._unrung = list(timers)
        self._rung = [0] * len(timers)
        self._fire = fire
        self._lowest = 0
        self._fed: deque[tuple[int, int, int]] = deque()
        self._under_way = 0
        self.rings = 0
        """Doorbells sent for timers, those that others had sent already included."""

    def step(self) -> None:
        """One tick."""
        now = self._world.now
        for sweeper in self._sweepers:
            if sweeper.left:
                self._feed(sweeper)
                if not sweeper.left:
                    sweeper.next_at = now + EVERY * PER_SECOND
            elif now >= sweeper.next_at:
                self._begin(sweeper)
                if not sweeper.left:
                    sweeper.next_at = now + EVERY * PER_SECOND

    def rang(self, count: int) -> None:
        """So many of the doorbells that sweepers are sending are out."""
        world = self._world
        self.rings += count
        self._under_way -= count
        while count:
            second, first, spare = self._fed.popleft()
            new, again = min(first, count), 0
            count -= new
            again = min(spare, count)
            count -= again
            visible = second * PER_SECOND
            if new:
                world.control.send(self._fire, new, world.now, visible)
            if again:
                world.send_spare(again, visible)
            if new < first or again < spare:
                self._fed.appendleft((second, first - new, spare - again))

    def fired(self, count: int) -> None:
        """So many rows of timers are gone, the oldest first."""
        second = self._lowest
        while count and second < len(self._rung):
            gone = min(count, self._rung[second])
            self._rung[second] -= gone
            count -= gone
            if not self._rung[second] and not self._unrung[second] and second == self._lowest:
                self._lowest += 1
            second += 1

    # ---- one sweep ----

    def _begin(self, sweeper: _Sweeper) -> None:
        world, store = self._world, self._world.store
        last = min(len(self._rung), world.now // PER_SECOND + AHEAD)
        rows = 0
        for second in range(self._lowest, last):
            count = self._unrung[second] + self._rung[second]
            if count:
                sweeper.left.append([second, count])
                rows += count
        store.background(Site.TIMERS, rows, rows // _PAGE)
        old = world.control.older_than(QUIET * PER_SECOND, world.now, UNSETTLED_A_SWEEP)
        # each is a row of a list, the row, and its head twice; what waits is looked at as well
        others = min(OTHERS_A_SWEEP, world.arrived - world.finished)
        looked = old + others
        store.background(Site.PROJECTION, 2 * looked, QUERIES + looked)
        store.background(Site.HISTORY, old + looked, old + looked)
        if old:
            store.background(Site.CONTROL, old, old)
            world.send_spare(old)

    def _feed(self, sweeper: _Sweeper) -> None:
        room, fed = min(ROWS_A_TICK, AT_ONCE * len(self._sweepers) - self._under_way), 0
        while room > 0 and sweeper.left:
            entry = sweeper.left[0]
            second, count = entry[0], min(entry[1], room)
            entry[1] -= count
            if not entry[1]:
                sweeper.left.popleft()
            room -= count
            alive = min(count, self._unrung[second] + self._rung[second])
            new = min(alive, self._unrung[second])
            self._unrung[second] -= new
            self._rung[second] += new
            if alive:
                self._fed.append((second, new, alive - new))
                fed += alive
        if fed:
            self._under_way += fed
            # the page that lists them was read as the sweep began
            self._world.begin(self._world.first_stage + 1, fed)
