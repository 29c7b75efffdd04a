"""Users of a simulated hub: what they ask for, and what was acknowledged to them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from durable.hub.rows import PURGING
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.simulation.asking import Asked, ask, is_asked
from tests.simulation.callers import Caller
from tests.simulation.programs import PROGRAM, Step, events_of, kinds_of, updates_of

if TYPE_CHECKING:
    from tests.simulation.world import World

ONCE = Counter(("again", "signal", "call", "lock", "free"))
"""Steps that mean something else in an instance that is started again."""
PATIENCE = 120.0
HAIL = 40
WISHES = frozenset(
    {"start", "event", "suspend", "resume", "terminate", "rewind", "restart", "purge", "clean"}
)
SOON, LATER = timedelta(seconds=4), timedelta(seconds=130)


@dataclass
class Life:
    """What a user knows of one life of an instance. Its number is among the instance's tags."""

    steps: list[Step]
    acknowledged: bool = False
    asked: list[int] = field(default_factory=list)
    """The events that were sent, answered or not."""
    sent: list[int] = field(default_factory=list)
    """Those that were acknowledged at the first try."""
    terminated: bool = False
    """Whether its end was asked for."""
    updates: Asked = field(default_factory=Asked)


class User(Caller):
    """Starts one instance, feeds and steers it, and then does something else with its id."""

    def __init__(self, world: World, number: int) -> None:
        self.instance_id = f"i{number}"
        self.lives: dict[str, Life] = {}
        self.life = Life([])
        self.key = ""
        self.purged = False
        self._number = number * 1000
        self.asked_so_far = self._number
        super().__init__(world, world.random, f"i{number}")

    # ---- one user's life ----

    async def live(self) -> None:
        """Until nothing more is wanted."""
        rnd, programs = self.random, self.world.programs
        await self.sleep(20)
        roll = rnd.random()
        steps = programs.make()
        if roll < 0.12 and not self.world.expires:
            steps = programs.failing()
        elif roll < 0.17:
            steps = programs.deadly()
        later = rnd.choice((SOON, LATER)) if self.world.far and rnd.random() < 0.15 else None
        await self._start(steps, if_exists="skip", start_at=later)
        await asyncio.gather(self._feed(), *self._ask(), self._meddle(), self._see_to_it())
        match rnd.choice(("replace", "restart", "purge", "race", "leave")):
            case "replace":
                await self._start(programs.make(size=2))
            case "race":
                await asyncio.gather(*(self._start(programs.make(size=1)) for _ in range(2)))
            case "restart" if not kinds_of(self.life.steps) & ONCE:
                await self._restart()
            case "purge":
                await self._purge()
                return
            case _:
                return
        await asyncio.gather(self._feed(), *self._ask(), self._see_to_it())

    async def _start(self, steps: list[Step], **options: Any) -> None:
        key = f"{len(self.lives)}"
        life = self.lives[key] = Life(steps)
        version = self.random.choice((None, None, "1.0", "2.0"))
        many = self.random.choice((None, None, None, 1, 3)) if "start_at" not in options else None

        async def start() -> None:
            # where an earlier try's answer was lost: what is there already is not to run again
            head = await self.world.plain.instances.head(self.instance_id)
            mine = head is not None and head.tags.get("life") == key
            given = {**options, "if_exists": "skip"} if mine else options
            if many is not None:
                # beside others, which have nothing to do
                ids = [f"{self.instance_id}+{key}.{number}" for number in range(many)]
                empty: list[Any] = [[[], []] for _ in ids]
                client = self.client
                await client.start_many(PROGRAM, empty, instance_ids=ids, if_exists="skip")
                await client.start_many(
                    PROGRAM,
                    [[steps, []]],
                    instance_ids=[self.instance_id],
                    version=version,
                    tags={"life": key},
                    **given,
                )
                return
            await self.client.start_new(
                PROGRAM, self.instance_id, [steps, []], version, tags={"life": key}, **given
            )

        await self.insist("start", start)
        # of several at once, or where an answer was lost, the head says which one it is
        head = await self.world.plain.instances.head(self.instance_id)
        assert head is not None, f"{self.instance_id} was started, and is not there"
        self.key = head.tags["life"]
        self.life = self.lives[self.key]
        life.acknowledged = True

    async def _feed(self) -> None:
        """As many events as the program waits for, and now and then one that nobody wants."""
        life = self.life
        for _ in range(events_of(life.steps)):
            await self.sleep(30)
            if not await self._raise(life, "e"):
                return
        if self.random.random() < 0.3:
            await self._raise(life, "x")
        if self.random.random() < 0.2:
            # until it takes no more: what it took until then counts
            for _ in range(HAIL):
                await self.sleep(3)
                if not await self._raise(life, "x"):
                    return

    def _ask(self) -> list[Coroutine[Any, Any, None]]:
        """Updates and queries, in worlds that have them."""
        if not is_asked(self.world.seed):
            return []
        life = self.life
        keeps = not any(step[0] == "again" for step in life.steps)
        return [ask(self, life.updates, updates_of(life.steps), keeps=keeps)]

    async def _raise(self, life: Life, name: str) -> bool:
        self._number += 1
        number = self._number
        if name == "e":
            life.asked.append(number)
        doubts = self.doubts
        if not await self.insist(
            "event", lambda: self.client.raise_event(self.instance_id, name, number)
        ):
            return False
        if self.doubts == doubts:
            life.sent.append(number)
        return True

    async def _meddle(self) -> None:
        """Suspend and resume, terminate, tidy up, or nothing."""
        instance_id = self.instance_id
        roll = self.random.random()
        await self.sleep(60)
        if roll < 0.25:
            for _ in range(self.random.choice((1, 1, 2))):
                await self.insist("suspend", lambda: self.client.suspend(instance_id))
            await self.sleep(40)
            await self.insist("resume", lambda: self.client.resume(instance_id))
        elif roll < 0.4:
            self.life.terminated = True
            recurse = self.random.random() < 0.5
            await self.insist(
                "terminate", lambda: self.client.terminate(instance_id, "enough", recurse=recurse)
            )
        elif roll < 0.5:
            await self.insist("clean", lambda: self.client.clean_entity_storage())

    async def _see_to_it(self) -> None:
        """Until it has ended: a Stuck one is resumed, a failed one rewound, and one that may
        have missed an event gets another."""
        clock = self.world.site.clock
        since = clock.monotonic()
        while True:
            await clock.sleep(5)
            head = await self.world.plain.instances.head(self.instance_id)
            if head is None or head.status == PURGING:
                continue
            if head.status == Status.FAILED and self._has("once"):
                await self.insist("rewind", lambda: self.client.rewind(self.instance_id))
            elif head.is_terminal:
                return
            elif self.doubts and clock.monotonic() - since > PATIENCE:
                since = clock.monotonic()
                await self._raise(self.life, "e")

    async def _restart(self) -> None:
        again = Life(self.life.steps, acknowledged=True)
        self.life = self.lives[self.key] = again
        await self.insist("restart", lambda: self.client.restart(self.instance_id, False))

    async def _purge(self) -> None:
        await self.insist(
            "purge", lambda: self.client.purge_instance_history(self.instance_id, recurse=True)
        )
        self.purged = True

    def _has(self, kind: str) -> bool:
        return any(
            step[0] == kind or (step[0] == "sub" and any(s[0] == kind for s in step[1]))
            for step in self.life.steps
        )
