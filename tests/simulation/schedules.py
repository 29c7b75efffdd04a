"""A user who has something started again and again, and who knows which runs there have to be."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from durable.client.builtin import bind_client
from durable.engine.context import DurableOrchestrationContext as Context
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.retention import Retention
from durable.scheduling import ScheduleClient, schedule_entity
from tests.simulation.callers import INSISTENCE, Caller

if TYPE_CHECKING:
    from durable.client import DurableOrchestrationClient
    from tests.memory_hub import MemoryHub
    from tests.simulation.world import World

NAME = "s"
WISHES = frozenset(
    {"create schedule", "pause schedule", "resume schedule", "delete schedule"},
)
OUTCOMES = frozenset({"planned run", "expired"})
EXPIRY = timedelta(seconds=900)
"""After which retention removes runs that failed, where there is one. A run that is removed while
its start may still be repeated would begin again: see docs/reliability.md."""
APART = timedelta(seconds=3)
"""Clocks of two processes differ by less."""
RUNS = 2
"""Planned times that each stretch of an active schedule has at least."""


def is_planned(seed: int) -> bool:
    """Whether there is a schedule in this seed's world."""
    return seed % 20 in (0, 7)


def retention_of(seed: int) -> Retention:
    """What is removed in time in this seed's world; the audit has to be there for it."""
    return Retention(failed=EXPIRY) if seed % 20 == 0 else Retention()


def register(hub: MemoryHub, client: DurableOrchestrationClient) -> None:
    """The entity of schedules, and what they start: every second run fails."""
    hub.registry.add(schedule_entity())
    bind_client(hub.registry, client)

    @hub.orchestrator
    async def tick(context: Context) -> Any:
        planned = planned_for(context.instance_id)
        await context.create_timer(timedelta(seconds=1))
        if _fails(planned):
            raise ValueError("every second one")
        return planned.isoformat()


def planned_for(instance_id: str) -> datetime:
    """The planned time that a run's id has."""
    text = instance_id.rpartition("-")[2]
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _fails(planned: datetime) -> bool:
    return planned.second % 2 == 1


@dataclass
class Stretch:
    """Where the schedule was active for certain: all that is planned between has to run."""

    began: datetime
    dealt_with: datetime


@dataclass
class Pause:
    """Where it was not active for certain: nothing that is planned between runs."""

    began: datetime
    ended: datetime = field(default=datetime.max.replace(tzinfo=UTC))


class Planner(Caller):
    """Creates a schedule, pauses, resumes and deletes it."""

    def __init__(self, world: World, rnd: random.Random) -> None:
        super().__init__(world, rnd, "the planner")
        self.first = world.site.clock.now()
        self.every = timedelta(seconds=rnd.choice((7, 11, 15)))
        self.active: list[Stretch] = []
        self.pauses: list[Pause] = []

    @property
    def _schedules(self) -> ScheduleClient:
        return ScheduleClient(self.client)

    def _now(self) -> datetime:
        now: datetime = self.world.site.clock.now()
        return now

    async def live(self) -> None:
        """Until the schedule is gone."""
        await self.sleep(20)
        self.first = self._now().replace(microsecond=0) + timedelta(seconds=1)
        before = Pause(datetime.min.replace(tzinfo=UTC), self._now())
        options: dict[str, Any] = {"interval": self.every, "start_at": self.first}
        await self.insist(
            "create schedule",
            lambda: self._schedules.create(NAME, "tick", catch_up="all", **options),
        )
        self.pauses.append(before)
        await self._is_dealt_with()
        if self.random.random() < 0.7:
            await self.insist("pause schedule", lambda: self._schedules.pause(NAME))
            pause = Pause(self._now())
            await self.sleep(60)
            pause.ended = self._now()
            self.pauses.append(pause)
            await self.insist("resume schedule", lambda: self._schedules.resume(NAME))
            await self._is_dealt_with()
        await self.insist("delete schedule", lambda: self._schedules.delete(NAME))
        self.pauses.append(Pause(self._now()))

    async def _is_dealt_with(self) -> None:
        """Until the schedule itself says that some of its times are behind it."""
        began, clock = self._now(), self.world.site.clock
        until = clock.now() + timedelta(seconds=INSISTENCE)
        while True:
            assert clock.now() < until, f"the schedule starts nothing since {began}"
            shown = await ScheduleClient(self.world.client).get(NAME)
            assert shown is not None
            assert shown.next_run_at is not None, shown
            if shown.next_run_at >= began + RUNS * self.every:
                self.active.append(Stretch(began, shown.next_run_at))
                return
            await clock.sleep(3)

    # ---- what must be true ----

    async def check(self, client: DurableOrchestrationClient) -> None:
        """Each planned time has had one run while the schedule was active, and none otherwise;
        what failed is gone in time where that was asked for, and nothing else."""
        ids = self.world.site.watch.ids
        runs = {planned_for(each): each for each in ids if each.startswith(f"{NAME}-")}
        for planned, instance_id in runs.items():
            assert len(ids[instance_id]) == 2, f"{instance_id} has begun more than once"
            assert (planned - self.first) % self.every == timedelta(0), instance_id
            for pause in self.pauses:
                paused = pause.began < planned - APART and planned + APART < pause.ended
                assert not paused, f"{instance_id} has run in spite of {pause}"
            await self._check_run(client, planned, instance_id)
        for stretch in self.active:
            missed = set(self._planned(stretch)) - runs.keys()
            assert not missed, f"never run: {missed}"
        assert await ScheduleClient(client).get(NAME) is None
        self.world.done["planned run"] += len(runs)

    async def _check_run(
        self, client: DurableOrchestrationClient, planned: datetime, instance_id: str
    ) -> None:
        status = await client.get_status(instance_id, show_input=False)
        if _fails(planned) and self.world.expires:
            assert status is None, f"kept after its time: {status}"
            kept = self.world.site.watch.removed[instance_id]
            assert kept > EXPIRY - APART, f"{instance_id} was removed after {kept}"
            self.world.done["expired"] += 1
            return
        assert status is not None, f"{instance_id} is gone"
        wanted = Status.FAILED if _fails(planned) else Status.COMPLETED
        assert status.runtime_status is wanted, status

    def _planned(self, stretch: Stretch) -> list[datetime]:
        begins = max(stretch.began, self.first - self.every)
        first = self.first + ((begins - self.first) // self.every + 1) * self.every
        count = -((first - stretch.dealt_with) // self.every)
        return [first + number * self.every for number in range(count)]
