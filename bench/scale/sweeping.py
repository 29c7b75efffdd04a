"""Far timers and audits: what the one worker of a kind that sweeps does every ten seconds."""

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
AHEAD = 60
QUIET = 30
"""For so long a timer is overdue, or an instance silent, before it is rung for again."""
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
    """One of a kind of workers. Rows that come due in the same second are in one order for all."""

    next_at: int
    position: list[int]
    """Of each second's rows, how many it has rung for."""
    rang_at: list[int]
    """When it did so last."""
    left: deque[list[int]] = field(default_factory=deque)
    """Rows that the sweep is still to ring for: their second, the first of them, how many."""


class Sweeping:
    """All sweepers of one world: one for each kind of workers."""

    def __init__(
        self,
        world: World,
        workers: int,
        kinds: int,
        random: Random,
        timers: list[int],
        fire: int,
    ) -> None:
        """`timers[s]` come due in second `s`; `fire` is the stage that their doorbells lead to."""
        self._world = world
        self._workers = workers
        self._sweepers = [
            _Sweeper(random.randrange(EVERY * PER_SECOND), [0] * len(timers), [0] * len(timers))
            for _ in range(kinds)
        ]
        self._timers = timers
        self._gone = [0] * len(timers)
        self._rung = [0] * len(timers)
        """For how many somebody has rung."""
        self._fire = fire
        self._lowest = 0
        self._fed: deque[tuple[int, int, int]] = deque()
        self._under_way = 0
        self.rings = 0
        """Doorbells sent for timers, those that others had sent already included."""

    def step(self) -> None:
        """One tick."""
        now = self._world.now
        if now % (EVERY * PER_SECOND) == 0:
            # each sweeper writes who it is, the other workers read that; it loads no site
            self._world.store.background(Site.TIMERS, 0, self._workers)
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
        while count and second < len(self._timers):
            gone = min(count, self._rung[second] - self._gone[second])
            self._gone[second] += gone
            count -= gone
            if self._gone[second] == self._timers[second] and second == self._lowest:
                self._lowest += 1
            second += 1

    # ---- one sweep ----

    def _begin(self, sweeper: _Sweeper) -> None:
        world, store = self._world, self._world.store
        last = min(len(self._timers), world.now // PER_SECOND + AHEAD)
        rows = 0
        for second in range(self._lowest, last):
            count, gone = self._timers[second], self._gone[second]
            rows += count - gone
            known = max(sweeper.position[second], gone)
            due = max(second * PER_SECOND, sweeper.rang_at[second])
            if known > gone and world.now - due >= QUIET * PER_SECOND:
                known = gone
            if count > known:
                sweeper.left.append([second, known, count - known])
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
            second, first, count = entry[0], entry[1], min(entry[2], room)
            after = first + count
            entry[1], entry[2] = after, entry[2] - count
            if not entry[2]:
                sweeper.left.popleft()
            room -= count
            alive = max(0, after - max(first, self._gone[second]))
            new = max(0, after - max(first, self._rung[second]))
            self._rung[second] = max(self._rung[second], after)
            sweeper.position[second] = max(sweeper.position[second], after)
            sweeper.rang_at[second] = self._world.now
            if alive:
                self._fed.append((second, new, alive - new))
                fed += alive
        if fed:
            self._under_way += fed
            # the page that lists them was read as the sweep began
            self._world.begin(self._world.first_stage + 1, fed)
