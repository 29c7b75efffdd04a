"""A small world with faults: several runtimes on storage that lies, workers that are killed,
and users who start, feed, suspend, restart and purge orchestrations.

`World(seed).run()` is one reproducible life of it. Faults stop after a while; then everything
that was acknowledged has to end, with the right outcome, and leave nothing behind.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from durable.client import DurableOrchestrationClient
from durable.errors import (
    InstanceExistsError,
    InstanceFinishedError,
    InstanceNotFoundError,
    InvalidRequestError,
    StorageError,
)
from durable.hub.rows import Head
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.runtime.runtime import RuntimeOptions
from tests.faulty import Faults, faulty_storage
from tests.memory_hub import MemoryHub
from tests.runtime.fault_checks import check
from tests.runtime.fault_programs import EVENTS, INPUTS, KINDS, SCHEDULED, register, register_newer

FAULTY = timedelta(seconds=150)
LIMIT = timedelta(seconds=1500)
AFTERWARDS = timedelta(seconds=200)
LATER = (None, None, timedelta(seconds=4), timedelta(seconds=40), timedelta(seconds=130))
USERS = 5
TRIES = 50


class World:
    """One seed's world. Without `sweeping` nothing audits, so that guards and doorbells alone
    have to bring everything to its end."""

    def __init__(self, seed: int, *, sweeping: bool = True, kinds: tuple[str, ...] = KINDS) -> None:
        self.random = rnd = random.Random(seed)
        options = RuntimeOptions(
            max_activities=rnd.choice((1, 3, 20)),
            max_orchestrations=rnd.choice((2, 20)),
            # pauses and kills here are no fault of the instance
            max_attempts=1000,
            always_queue=rnd.random() < 0.3,
        )
        self.hub = MemoryHub(options, workers=3)
        self.hub.sweeping = sweeping
        self.faults = Faults(seed, rnd.choice((0.003, 0.01, 0.03)))
        self.plain = self.hub.hub
        """The hub without faults, to look with."""
        self.hub.use(faulty_storage(self.hub.storage, self.faults), self._new_id)
        self.runs: dict[int, int] = {}
        """How often each activity ran, by its input."""
        self.kinds: dict[str, str] = {}
        """What each instance was acknowledged to be started as."""
        self.purged: set[str] = set()
        self._choice = kinds
        register(self.hub, self.random, self.runs)
        register_newer(self.hub, self.random, self.runs)

    def _new_id(self, size: int) -> str:
        return self.random.randbytes(size).hex()

    async def run(self) -> None:
        """Live, and check; AssertionError says what went wrong."""
        async with self.hub:
            self.faults.on = True
            local = DurableOrchestrationClient(
                self.hub.hub, ringer=self.hub.runtimes[1], registry=self.hub.registry
            )
            users = [
                asyncio.ensure_future(self._user(f"i{number}", (self.hub.outside, local)))
                for number in range(USERS)
            ]
            await self._suffer()
            self.faults.on = False
            await self._settle(users)
            await check(self)

    # ---- what happens ----

    async def _suffer(self) -> None:
        until = self.hub.clock.now() + FAULTY
        while self.hub.clock.now() < until:
            await self.hub.step()
            # the first two serve the sweeper and a user
            if len(self.hub.runtimes) > 2 and self.random.random() < 0.04:
                await self.hub.kill(self.random.choice(self.hub.runtimes[2:]))
                await self.hub.add_runtime()

    async def _settle(self, users: list[asyncio.Task[None]]) -> None:
        """Until every user is satisfied and every instance has ended."""
        limit = self.hub.clock.now() + LIMIT
        while not all(user.done() for user in users) or await self._open():
            assert self.hub.clock.now() < limit, f"never ended: {await self._open()}"
            await self.hub.step()
        await asyncio.gather(*users)
        quiet = self.hub.clock.now() + AFTERWARDS
        while self.hub.clock.now() < quiet or await self.hub.messages():
            assert self.hub.clock.now() < quiet + LIMIT, "the queues never became empty"
            await self.hub.step()

    async def _open(self) -> list[Head]:
        heads = [await self.hub.hub.instances.head(instance_id) for instance_id in self.kinds]
        return [head for head in heads if head is not None and not head.is_terminal]

    async def _user(
        self, instance_id: str, clients: tuple[DurableOrchestrationClient, ...]
    ) -> None:
        client, rnd = self.random.choice(clients), self.random
        kind = rnd.choice(self._choice)
        # a far one is the sweeper's
        times = LATER if self.hub.sweeping else LATER[:-1]
        later = rnd.choice(times) if kind in SCHEDULED else None
        if not await self._insist(
            lambda: client.start_new(
                kind,
                instance_id,
                INPUTS[kind](rnd, int(instance_id[1:])),
                if_exists="skip",
                start_at=later,
            )
        ):
            return
        self.kinds[instance_id] = kind
        await self._feed(client, instance_id, kind, pause=40)
        if rnd.random() < 0.3:
            await self._insist(lambda: client.suspend(instance_id))
            await self.hub.clock.sleep(rnd.random() * 40)
            await self._insist(lambda: client.resume(instance_id))
        while True:
            head = await self.plain.instances.head(instance_id)
            if head is not None and head.status == Status.FAILED and kind == "rewound":
                await self._insist(lambda: client.rewind(instance_id))
            elif head is not None and head.is_terminal:
                break
            await self.hub.clock.sleep(5)
        match rnd.choice(("replace", "restart", "purge", "leave")):
            case "replace":
                if await self._insist(lambda: client.start_new("child", instance_id, 7)):
                    self.kinds[instance_id] = "child"
            case "restart":
                await self._insist(lambda: client.restart(instance_id, False))
                await self._feed(client, instance_id, kind)
            case "purge":
                await self._insist(lambda: client.purge_instance_history(instance_id))
                self.purged.add(instance_id)

    async def _feed(
        self, client: DurableOrchestrationClient, instance_id: str, kind: str, *, pause: float = 0
    ) -> None:
        for number in range(2):
            await self.hub.clock.sleep(self.random.random() * pause)
            data = EVENTS[kind](number)
            await self._insist(lambda: client.raise_event(instance_id, "e", data))  # noqa: B023

    async def _insist(self, call: Callable[[], Awaitable[Any]]) -> bool:
        """Repeat until acknowledged, or refused for a reason that a repeat does not change."""
        for _ in range(TRIES):
            try:
                await call()
                return True
            except StorageError:
                await self.hub.clock.sleep(1)
            except InstanceExistsError as refused:
                # an earlier try may have come to be; or it ends its last messages first
                if "last messages" not in str(refused):
                    return True
                await self.hub.clock.sleep(1)
            except (InstanceFinishedError, InstanceNotFoundError, InvalidRequestError):
                return True
        return False
