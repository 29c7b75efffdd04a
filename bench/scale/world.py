"""The simulation: cohorts of instances move from call to call, a tick for each that is let in.

What it has: a limit for each site and for the account, 503 answers and how clients and runs
wait after them, slots of workers, idle polling, renewals of guards, audits, sweeps of timers.
What it has not: user code's own time, crashes, and the difference between two shards of one
kind, over which ids are spread evenly.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from random import Random

from bench.scale.entity import HotEntity
from bench.scale.limits import Layout, Site
from bench.scale.messages import Queue
from bench.scale.operations import SIGNAL, SPARE, By, Workload
from bench.scale.series import Series
from bench.scale.stages import Plan
from bench.scale.store import PER_SECOND, TICK, Demand, Store
from bench.scale.sweeping import Sweeping

CONTROL_IDLE, WORK_IDLE = 1.0, 2.0
CLIENT_ATTEMPTS = 6
RUN_ATTEMPTS = 5
RETRY_AFTER = 1.0
HAND_BACK = 5.0
CLIENT_REST = 5.0
RENEW = 20.0 / 3


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who works on a hub. Slots are those of one worker; `clients` are connections that start
    instances or send events, each one call after another. Workers that take the same work are of
    one kind, of which one sweeps."""

    workers: int = 16
    turn_slots: int = 20
    activity_slots: int = 20
    clients: int = 512
    kinds: int = 1


class World:
    """One run of one workload over one hub."""

    def __init__(
        self,
        workload: Workload,
        layout: Layout,
        fleet: Fleet,
        seed: int,
        *,
        most_ranges: int | None = None,
        timers: list[int] | None = None,
    ) -> None:
        """`timers` is how many far timers come due in each second; then nothing else arrives."""
        random = Random(seed)
        self._plan = Plan()
        starts = self._plan.add(workload)
        self._spare = self._plan.add(SPARE, counts=False)[0]
        self._stages = self._plan.stages
        self.first_stage = starts[0]
        self.store = Store(layout, random, most_ranges=most_ranges)
        pumps = fleet.workers * layout.control_queues
        self.control = Queue(CONTROL_IDLE, pumps, random)
        self.work = Queue(WORK_IDLE, fleet.workers * layout.work_queues, random)
        self._slots = {
            By.CLIENT: fleet.clients,
            By.CONTROL: fleet.workers * fleet.turn_slots,
            By.WORK: fleet.workers * fleet.activity_slots,
        }
        self._runs = self._slots[By.CONTROL]
        self._works = self._slots[By.WORK]
        self._entity = HotEntity(self.store) if workload is SIGNAL else None
        self.sweeping = Sweeping(self, fleet.workers, fleet.kinds, random, timers or [], starts[-1])
        self._pending: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
        self._backlog = 0
        self._finished_before = 0
        self.now = 0
        self._due = timers or []
        self.arrived = sum(self._due)
        self.reached = 0 if timers else self.arrived
        """Instances or events that have arrived; timers that have come due."""
        self.finished = 0
        self.spares = 0
        self.errors = 0
        self.handed_back = 0
        self.calls: Counter[Site] = Counter()
        """Calls of the workload that were let in."""
        self.units: Counter[Site] = Counter()
        self.series = Series()

    # ---- from outside ----

    def arrive(self, count: int) -> None:
        """So many instances are to be started, or so many events to be sent."""
        self.arrived += count
        self.reached += count
        self._backlog += count

    @property
    def is_over(self) -> bool:
        """Whether all that arrived has ended and no message is left."""
        return (
            self.finished >= self.arrived
            and not self.control.depth
            and not self.control.hidden
            and not self.work.depth
            and not self._pending
        )

    def send_spare(self, count: int, visible: int | None = None) -> None:
        """Doorbells for instances that somebody else sees to."""
        self.spares += count
        self.control.send(self._spare, count, self.now, visible)

    def begin(self, stage: int, count: int) -> None:
        """Let a cohort make its next call in this tick."""
        self._pending[self.now].append((stage, 0, count))

    def step(self) -> None:
        """One tick."""
        now = self.now
        self.control.show(now)
        self.work.show(now)
        self.sweeping.step()
        ready = self._pending.pop(now, [])
        if self._backlog and self._slots[By.CLIENT]:
            count = min(self._backlog, self._slots[By.CLIENT])
            self._backlog -= count
            self._slots[By.CLIENT] -= count
            ready.append((self.first_stage, 0, count))
        stages = self._stages
        demands = [
            Demand(stages[stage].site, stages[stage].units, count, count)
            for stage, _, count in ready
        ]
        received = []
        for queue, site, by in (
            (self.control, Site.CONTROL, By.CONTROL),
            (self.work, Site.WORK, By.WORK),
        ):
            cohorts, requests = queue.receive(self._slots[by], now)
            if cohorts:
                count = sum(each for _, each in cohorts)
                self._slots[by] -= count
                demands.append(Demand(site, 1, count, requests))
                received.append((queue, site, by, cohorts))
        self.store.admit(demands)
        for (stage, attempt, _), demand in zip(ready, demands, strict=False):
            if demand.granted:
                self._advance(stage, demand.granted)
            if demand.granted < demand.count:
                self._refused(stage, attempt + 1, demand.count - demand.granted)
        for (queue, site, by, cohorts), demand in zip(received, demands[len(ready) :], strict=True):
            self._received(queue, site, by, cohorts, demand.granted)
        if self._entity is not None:
            self.finished += self._entity.step(now)
        self.now += 1
        if self.now % PER_SECOND == 0:
            self._second()

    # ---- in a tick ----

    def _advance(self, number: int, count: int) -> None:
        stage = self._stages[number]
        self.calls[stage.site] += count
        self.units[stage.site] += count * stage.units
        if stage.drops_timer:
            self.sweeping.fired(count)
        if stage.site is Site.ENTITY and self._entity is not None:
            self._entity.inbox += count
        if stage.rings >= 0:
            if stage.by is By.SWEEPER:
                self.sweeping.rang(count)
            else:
                target = self._stages[stage.rings]
                queue = self.work if target.by is By.WORK else self.control
                queue.send(stage.rings, count, self.now)
                if stage.by is not By.CLIENT:
                    queue.wake(count)
        if stage.then >= 0:
            if self._stages[stage.then].by is By.HERE and stage.by is By.CLIENT:
                self._go_on_here(stage.then, count)
            else:
                self._pending[self.now + 1].append((stage.then, 0, count))
                return
        self._release(stage.by, count)
        if stage.is_last and self._entity is None:
            self.finished += count

    def _go_on_here(self, stage: int, count: int) -> None:
        here = min(count, self._slots[By.CONTROL])
        self._slots[By.CONTROL] -= here
        if here:
            self._pending[self.now + 1].append((stage, 0, here))
        if count > here:
            self.control.send(stage, count - here, self.now)
            self.control.wake(count - here)

    def _release(self, by: By, count: int) -> None:
        if by is By.SWEEPER:
            return
        self._slots[By.CONTROL if by is By.HERE else by] += count

    def _refused(self, stage: int, attempt: int, count: int) -> None:
        by = self._stages[stage].by
        if by in (By.CLIENT, By.SWEEPER):
            seconds = min(0.1 * 2**attempt, 3.0)
            if attempt >= CLIENT_ATTEMPTS:
                self.errors += count
                seconds, attempt = CLIENT_REST, 0
        elif attempt > RUN_ATTEMPTS:
            # its message is replaced by one that shows itself later
            self.handed_back += count
            self._release(by, count)
            queue, site = (self.work, Site.WORK) if by is By.WORK else (self.control, Site.CONTROL)
            self.store.background(site, 2 * count, 2 * count)
            queue.send(stage, count, self.now, self.now + round(HAND_BACK * PER_SECOND))
            return
        else:
            seconds = RETRY_AFTER
        due = self.now + max(1, round(seconds * PER_SECOND))
        self._pending[due].append((stage, attempt, count))

    def _received(
        self, queue: Queue, site: Site, by: By, cohorts: list[tuple[int, int]], granted: int
    ) -> None:
        self.calls[site] += granted
        self.units[site] += granted
        refused: list[tuple[int, int]] = []
        for stage, count in cohorts:
            taken = min(count, granted)
            granted -= taken
            if taken:
                self._pending[self.now + 1].append((stage, 0, taken))
            if taken < count:
                refused.append((stage, count - taken))
        for stage, count in reversed(refused):
            queue.give_back(stage, count, self.now)
            self._slots[by] += count

    # ---- once a second ----

    def _second(self) -> None:
        store, runs = self.store, self._runs - self._slots[By.CONTROL]
        works = self._works - self._slots[By.WORK]
        self._renew(Site.CONTROL, runs)
        self._renew(Site.WORK, works)
        for queue, site in ((self.control, Site.CONTROL), (self.work, Site.WORK)):
            polls = queue.take_polls()
            store.background(site, polls, polls)
        units, requests, throttled = store.second()
        second = self.now // PER_SECOND
        if second <= len(self._due):
            self.reached += self._due[second - 1]
        self.series.note(
            second=second,
            arrived=self.reached,
            finished=self.finished,
            runs=runs + works,
            depth=self.control.depth,
            hidden=self.control.hidden,
            work=self.work.depth,
            backlog=self._backlog,
            inbox=self._entity.inbox if self._entity is not None else 0,
            units=units,
            requests=requests,
            throttled=throttled,
        )
        self._finished_before = self.finished

    def _renew(self, site: Site, held: int) -> None:
        """Guards of runs that have lasted longer than a third of the lease; how many of them
        have follows from how many runs end in a second."""
        ended = self.finished - self._finished_before
        lasting = held / ended if ended else held * RENEW
        renewals = held * max(0.0, 1 - RENEW / lasting) / RENEW if lasting > RENEW else 0.0
        self.store.background(site, renewals, renewals)


__all__ = ["TICK", "Fleet", "World"]
