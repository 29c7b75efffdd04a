"""One seed's world: a site with workers, users, faults for a while, and then peace."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

from durable.client import DurableOrchestrationClient
from durable.hub.hub import Hub
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.ports import Storage
from durable.runtime.options import RuntimeOptions
from tests.simulation import flow, limits, schedules
from tests.simulation.asking import is_asked
from tests.simulation.checks import check
from tests.simulation.forks import Forker, is_forking
from tests.simulation.programs import Effects, Programs, kinds_of, register
from tests.simulation.schedules import Planner
from tests.simulation.site import Site
from tests.simulation.storage import Faults
from tests.simulation.users import User

FAULTY = timedelta(seconds=100)
LIMIT = timedelta(seconds=1800)
AFTERWARDS = timedelta(seconds=60)
OPERATOR = 20.0
OUTCOMES = frozenset(
    {
        "completed",
        "terminated",
        "stuck",
        "dead letter",
        "repeated",
        "sent together",
        "ran ahead",
        "told",
        "interrupted",
    }
)


class World:
    """`run()` is one reproducible life; AssertionError says what went wrong."""

    def __init__(self, seed: int, trace: list[str] | None = None) -> None:
        """`trace` gets a line for each thing that happens."""
        self.seed = seed
        self.random = rnd = random.Random(seed)
        self.trace = trace
        self.sweeping = seed % 2 == 0
        """Without the audit, guards and doorbells alone have to bring everything to its end."""
        self.far = self.sweeping
        retention = schedules.retention_of(seed)
        self.expires = retention.failed is not None
        """Whether what has failed is removed in time."""
        options = _without_some_paths(replace(_options(rnd), retention=retention), seed)
        self.site = Site(rnd, self._faults, options, told=seed % 4 == 1)
        self.site.sweeping = self.sweeping
        if self.sweeping:
            # what a trigger drops comes back by the audit alone
            self.site.max_dequeue = rnd.choice((1, 2, 5))
        self.faults = self.site.faults
        self.faults.traced = trace is not None
        limited = random.Random(-2 * seed - 1) if limits.is_limited(seed) else None
        paced = flow.random_of(seed)
        self.programs = Programs(
            rnd, far=self.far, asked=is_asked(seed), limited=limited, paced=paced
        )
        self.effects = Effects()
        self.done: Counter[str] = Counter()
        """What users were acknowledged."""
        register(self.site, rnd, self.effects, self.site.watch.began)
        watch = self.site.watch
        self.said = limits.register(
            self.site, limited or rnd, self.effects.runs, watch.began, watch.require
        )
        if paced is not None:
            flow.register(self.site, paced, self.effects, watch.began)
        plain = Storage(tables=self.site.tables, queues=self.site.queues, clock=self.site.clock)
        telemetry = self.site.telemetry
        self.plain = Hub(plain, "Test", new_id=self.site.new_id, telemetry=telemetry)
        """The hub without faults, to look with."""
        self.client = DurableOrchestrationClient(self.plain)
        schedules.register(self.site, self.client)
        self._operated = 0.0
        self.users = [User(self, number) for number in range(rnd.randint(1, 4))]
        self.planner: Planner | None = None
        if schedules.is_planned(seed):
            # of its own chance, so that the other seeds stay what they are
            self.planner = Planner(self, random.Random(-seed - 1))
        self.forker = Forker(self, random.Random(-seed - 2)) if is_forking(seed) else None

    def _faults(self, clock: Any) -> Faults:
        return Faults(self.random, clock, self.note)

    def note(self, line: str) -> None:
        """Into the trace, if there is one."""
        if self.trace is not None:
            self.trace.append(f"{self.site.clock.monotonic():9.3f} {line}")

    async def run(self) -> Counter[str]:
        """Live, and check. Answers how often each kind of thing has happened."""
        site = self.site
        async with site:
            self.faults.on = True
            lives = [user.live() for user in self.users]
            if self.planner is not None:
                lives.append(self.planner.live())
            if self.forker is not None:
                lives.append(self.forker.live())
            users = [asyncio.ensure_future(life) for life in lives]
            try:
                until = site.clock.now() + FAULTY
                while site.clock.now() < until:
                    await self._step(users)
                    await site.suffer()
                self.faults.on = False
                self.note("-- no more faults")
                await self._settle(users)
            finally:
                for user in users:
                    user.cancel()
                await asyncio.gather(*users, return_exceptions=True)
            await check(self)
            await self._repeat_everything()
            await check(self)
        for each in self.users:
            for life in each.lives.values():
                self.done += kinds_of(life.steps)
        told = 0 if site.told is None else site.told.turns
        ways = {
            "sent together": site.watch.batches,
            "ran ahead": site.watch.began_ahead,
            "told": told,
            "interrupted": self.said.interrupted,
        }
        return self.done + self.faults.counts + Counter(ways)

    async def _step(self, users: list[asyncio.Task[None]]) -> None:
        await self.site.step()
        broken = self.site.watch.broken
        assert not broken, broken[0]
        for user in users:
            if user.done():
                user.result()

    async def _settle(self, users: list[asyncio.Task[None]]) -> None:
        """Until every user is content and every instance has ended, and the queues are empty."""
        site = self.site
        self.effects.mended = True
        limit = site.clock.now() + LIMIT
        while not all(user.done() for user in users) or self._open():
            assert site.clock.now() < limit, f"never ended: {self._open()}"
            await self._operate()
            await self._step(users)
        await asyncio.gather(*users)
        await self._quiet()

    async def _quiet(self) -> None:
        site = self.site
        stopped = max(site.processes[runtime].resumes for runtime in site.runtimes)
        for_now = max(0.0, stopped - site.clock.monotonic())
        quiet = site.clock.now() + timedelta(seconds=for_now) + AFTERWARDS
        limit = quiet + LIMIT
        while site.clock.now() < quiet or self._open() or await site.messages():
            assert site.clock.now() < limit, f"it never became quiet: {self._open()}"
            await self._operate()
            await self._step([])

    def _open(self) -> list[dict[str, Any]]:
        """Orchestrations that have not ended or are to be removed, and entities that are Stuck."""
        kept = () if self.expires else ("Failed",)
        return [
            head
            for head in self.site.heads()
            if head["status"] not in ("Completed", "Terminated", *kept)
            and not (head["instance"].startswith("@") and head["status"] != "Stuck")
        ]

    async def _operate(self) -> None:
        """What ends processes was mended: someone resumes what is Stuck, and retries what became
        a dead letter with it."""
        now, client = self.site.clock.monotonic(), self.client
        if now - self._operated < OPERATOR:
            return
        self._operated = now
        for head in self.site.heads():
            if head["status"] == Status.STUCK:
                self.done["stuck"] += 1
                self.note(f"the operator resumes {head['instance']}: {head['failure'][:200]}")
                await client.resume(head["instance"])
        for letter in await self.plain.dead_letters():
            self.done["dead letter"] += 1
            await self.plain.retry_dead_letter(letter)

    async def _repeat_everything(self) -> None:
        """Every message once more, in any order, after the end: nothing may come of it."""
        if self.random.random() < 0.7:
            return
        messages = list(self.site.queues.sent)
        self.random.shuffle(messages)
        self.note(f"-- all {len(messages)} messages once more")
        for queue, body in messages:
            await self.site.queues.send(queue, body)
        self.done["repeated"] += 1
        await self._quiet()


def _options(rnd: random.Random) -> RuntimeOptions:
    return RuntimeOptions(
        max_activities=rnd.choice((1, 3, 20)),
        max_orchestrations=rnd.choice((2, 20)),
        max_attempts=rnd.choice((4, 1000)),
        always_queue=rnd.random() < 0.3,
        cache=rnd.choice((0, 1000)),
        checkpoint_steps=rnd.choice((1, 1, 1, 5)),
        packed=rnd.choice((1, 3, 50)),
        spread=rnd.choice((1, 2, 20)),
        local_budget=rnd.choice((None, 5.0)),
        invocation_budget=rnd.choice((10.0, 300.0)),
    )


def _without_some_paths(options: RuntimeOptions, seed: int) -> RuntimeOptions:
    """Of its own chance, so that the seeds stay what they are otherwise."""
    rnd = random.Random(f"paths {seed}")
    return replace(options, direct=rnd.random() < 0.75, grouped=rnd.random() < 0.75)
