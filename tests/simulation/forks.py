"""Who forks the instances of others in a simulated hub, and what may come of it."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from durable.hub.rows import PURGING, Head
from durable.model.events import EventSent, ExecutionStarted, Scheduling, Turn
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.simulation.callers import Caller
from tests.simulation.programs import Step, expected, kinds_of, marks_of, matches
from tests.simulation.site import HUB
from tests.simulation.users import Life, User
from tests.simulation.watch import read_turns

if TYPE_CHECKING:
    from tests.simulation.world import World

WISHES = frozenset({"fork"})
OUTCOMES = frozenset({"forked", "fork of nothing"})
PATIENCE = 400.0
_TOLD = {"told", "asked"}
"""Steps that wait for what somebody says to that instance, and says once."""

_FORK_ERROR = "durable.errors.ForkError"
_GONE = re.compile("is gone|was replaced|has continued as new")


@dataclass
class Fork:
    """A fork, and the life of the user's instance that it is of; None where that is over."""

    user: User
    life: Life | None
    step: int
    given_up: bool = False

    @property
    def steps(self) -> list[Step]:
        """The program's."""
        return self.life.steps if self.life is not None else []


def is_forking(seed: int) -> bool:
    """Whether there are forks in this seed's world."""
    return seed % 4 == 3


class Forker(Caller):
    """Forks what users run and have run, and sees to the forks."""

    def __init__(self, world: World, rnd: random.Random) -> None:
        super().__init__(world, rnd, "forker")
        self.forks: dict[str, Fork] = {}

    async def live(self) -> None:
        """Until every fork has ended."""
        for number in range(self.random.randint(1, 4)):
            await self.sleep(60)
            await self._fork(self.random.choice(self.world.users), number)
        await asyncio.gather(*(self._see_to(name, fork) for name, fork in self.forks.items()))

    async def _fork(self, user: User, number: int) -> None:
        instances = self.world.plain.instances
        head = await instances.head(user.instance_id)
        if head is None or head.status == PURGING:
            return
        steps = _steps([stored.turn for stored in await instances.history(head)])
        step, name = self.random.randint(0, steps), f"fork-of-{user.instance_id}.{number}"
        await self.insist(
            "fork",
            lambda: self.client.fork(user.instance_id, step, new_instance_id=name, tags={}),
        )
        made = await instances.head(name)
        if made is None:
            return
        assert made.fork is not None
        # another may have taken its source's place in between
        same = made.fork.incarnation == head.incarnation
        life = user.lives.get(head.tags.get("life", "")) if same else None
        self.forks[name] = Fork(user, life, step)

    async def _see_to(self, name: str, fork: Fork) -> None:
        """Rewind what fails, give it the events that it waits for, and end it where what it
        waits for has gone to its source."""
        clock, events = self.world.site.clock, 0
        since = clock.monotonic()
        while True:
            await clock.sleep(10)
            head = await self.world.plain.instances.head(name)
            if head is None or head.status == PURGING or fork.given_up:
                return
            if head.status == Status.FAILED and not _could_not(head):
                await self.insist("rewind", lambda: self.client.rewind(name))
            elif head.is_terminal:
                return
            elif clock.monotonic() - since > PATIENCE and _TOLD & kinds_of(fork.steps).keys():
                fork.given_up = await self.insist(
                    "terminate", lambda: self.client.terminate(name, "it waits in vain")
                )
            else:
                events += 1
                number = 900_000 + events
                await self.insist("event", lambda: self.client.raise_event(name, "e", number))  # noqa: B023

    def check(self, heads: dict[str, Head]) -> None:
        """Each fork came to what its program comes to, or had nothing to take over any more."""
        for name, fork in self.forks.items():
            head = heads.get(name)
            if head is None:
                assert self.world.expires, f"{name} was made, and is gone"
            elif head.status == Status.COMPLETED:
                output = json.loads(str(head.output))
                known = isinstance(head.output, str) and fork.life is not None
                assert not known or matches(output, expected(fork.steps)), (output, fork)
                assert self._took_over(head) or not fork.step, f"it began at its beginning: {head}"
                self.world.done["forked"] += fork.step > 0
            elif head.status == Status.TERMINATED:
                assert fork.given_up, head
            else:
                assert _could_not(head), head
                assert head.failure is not None
                assert _GONE.search(head.failure.message), head.failure
                self.world.done["fork of nothing"] += 1

    def _took_over(self, head: Head) -> bool:
        """Whether its first turn says so, where that is still there."""
        rows = self.world.site.tables.rows(HUB.history, head.instance_id)
        turns = read_turns(head, rows)
        # one that went on as new by what it took over has it in what it closed
        first = turns[:1] if turns and turns[0].sequence == 0 else []
        events = [event for turn in first for event in (*turn.closing, *turn.events)]
        starts = [event for event in events if isinstance(event, ExecutionStarted)]
        return head.base > 0 or any(event.origins for event in starts)

    def repeated(self) -> Counter[str]:
        """How often forks may have an entity marked again, by the mark."""
        found: Counter[str] = Counter()
        for fork in self.forks.values():
            for life in fork.user.lives.values():
                found.update(map(str, marks_of(life.steps)))
        return found


def _could_not(head: Head) -> bool:
    return head.failure is not None and head.failure.error_type == _FORK_ERROR


def _steps(turns: list[Turn]) -> int:
    """How many steps there may be forked from; now and then there are more."""
    ids = [e.task_id for t in turns for e in t.events if isinstance(e, Scheduling | EventSent)]
    return max(ids, default=-1) + 1
