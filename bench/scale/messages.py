"""Queues of the simulation: cohorts of messages in the order in which they came, some hidden."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from random import Random

from bench.scale.limits import BATCH
from bench.scale.store import TICK

FIRST_IDLE = 0.02


class Queue:
    """One kind of queue over all of its shards. A message is known by the stage it leads to.

    Workers poll it as the pumps do: at once after a receive that brought something, else after
    0.02 s, twice as long each time, up to `idle` seconds; a send in a worker wakes its own pump.
    """

    def __init__(self, idle: float, pumps: int, random: Random) -> None:
        """`pumps` is how many of all workers together receive from its shards."""
        self._idle = idle
        self._pumps = pumps
        self._random = random
        self._visible: deque[list[int]] = deque()
        self._hidden: list[tuple[int, int, int]] = []
        self._gap = FIRST_IDLE
        self._since = 0
        self._busy = 0
        """Pumps that were not idle lately."""
        self.depth = 0
        self.hidden = 0
        self.polls = 0
        """Requests that brought nothing, since `take_polls`."""

    def send(self, stage: int, count: int, now: int, visible: int | None = None) -> None:
        """Messages that lead to `stage`, to be seen from tick `visible` on."""
        if visible is not None and visible > now:
            heappush(self._hidden, (visible, stage, count))
            self.hidden += count
        else:
            self._append(stage, count, now)

    def wake(self, senders: int) -> None:
        """So many workers have sent something: their pumps poll at once."""
        self._gap = FIRST_IDLE
        self._busy = min(self._pumps, self._busy + senders)

    def show(self, now: int) -> None:
        """What was hidden until now."""
        while self._hidden and self._hidden[0][0] <= now:
            _, stage, count = heappop(self._hidden)
            self.hidden -= count
            self._append(stage, count, now)

    def receive(self, room: int, now: int) -> tuple[list[tuple[int, int]], int]:
        """What the polls of a tick bring into `room` places, as (stage, count), and in how many
        requests."""
        if room <= 0:
            return [], 0
        expected = self._busy * TICK / self._gap
        expected += (self._pumps - self._busy) * TICK / self._idle
        polls = int(expected) + (self._random.random() < expected % 1)
        if not polls:
            return [], 0
        if not self.depth:
            self.polls += polls
            if (now - self._since) * TICK >= self._gap:
                self._gap, self._since = min(self._gap * 2, self._idle), now
                if self._gap == self._idle:
                    self._busy = 0
            return [], 0
        left = min(room, polls * BATCH, self.depth)
        requests = min(polls, left)
        self._gap, self._since = FIRST_IDLE, now
        self._busy = min(self._pumps, max(self._busy, requests) + (self.depth > left))
        taken: list[tuple[int, int]] = []
        while left:
            cohort = self._visible[0]
            count = min(cohort[1], left)
            cohort[1] -= count
            left -= count
            self.depth -= count
            taken.append((cohort[0], count))
            if not cohort[1]:
                self._visible.popleft()
        return taken, requests

    def give_back(self, stage: int, count: int, now: int) -> None:
        """A receive that was refused."""
        self._visible.appendleft([stage, count, now])
        self.depth += count

    def older_than(self, ticks: int, now: int, most: int) -> int:
        """How many messages, up to `most`, have been visible for longer."""
        found = 0
        for _, count, since in self._visible:
            if now - since < ticks or found >= most:
                break
            found += count
        return min(found, most)

    def take_polls(self) -> int:
        """Polls for nothing since the last call."""
        polls, self.polls = self.polls, 0
        return polls

    def _append(self, stage: int, count: int, now: int) -> None:
        self.depth += count
        last = self._visible[-1] if self._visible else None
        if last is not None and last[0] == stage and last[2] == now:
            last[1] += count
        else:
            self._visible.append([stage, count, now])
