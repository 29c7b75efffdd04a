"""Time that passes by itself: while somebody waits and nothing can run, to the next thing due."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from durable.errors import UnknownFormat
from durable.hub.messages import Doorbell
from durable.model.functions import Registry
from durable.ports import Storage
from durable.runtime.guards import Guard
from durable.runtime.options import RuntimeOptions
from durable.runtime.passing import Passing
from durable.runtime.runtime import Runtime
from durable.runtime.taking import Lacking
from durable.storage.memory import ManualClock, memory_storage
from durable.telemetry import Telemetry
from durable.testing.errors import StalledError
from durable.testing.underway import InTurn, Underway, working
from durable.testing.world import World

logger = logging.getLogger("durable.testing")

T = TypeVar("T")

SWEEP = timedelta(seconds=10)
SWEEPS = 8
"""Sweeps, as a worker does them, after a crash before it is said that nothing will happen."""
ROUNDS = 500
"""Of the event loop, between two looks at whether what is waited for has come."""
CALLS = 20
"""Storage calls between which a process lets others run, whatever its code does."""
SLICE = 0.2
"""Real seconds between two looks while user code works."""
TICK = timedelta(milliseconds=1)


class Waiter(Generic[T]):
    """Somebody who waits: until `done` answers something, at most `until` a time of the clock."""

    def __init__(
        self,
        done: Callable[[], Awaitable[T | None]],
        until: datetime | None,
        explain: Callable[[], Awaitable[str]],
        since: datetime,
    ) -> None:
        self.done, self.until, self.explain = done, until, explain
        self.since, self.began = since, time.monotonic()
        self.within = working()
        """The user code that waits; None for a test."""
        self.came: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()

    def fail(self, error: BaseException) -> None:
        """Let the wait raise."""
        if not self.came.done():
            self.came.set_exception(error)


class OutsideClock:
    """The clock of clients: who sleeps on it waits, and has time pass."""

    def __init__(self, world: SkippingWorld) -> None:
        self._world = world

    def now(self) -> datetime:
        """See `durable.ports.Clock.now`."""
        return self._world.now()

    def monotonic(self) -> float:
        """See `durable.ports.Clock.monotonic`."""
        return self._world.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `durable.ports.Clock.sleep`."""
        await self._world.pass_to(self._world.now() + timedelta(seconds=max(0.0, seconds)))


class NobodyElse(Passing):
    """There is no other worker: an instance that the app lacks something for stands still, so that
    whoever waits for it is told at once."""

    async def pass_on(self, bell: Doorbell, guard: Guard, error: Lacking | UnknownFormat) -> bool:
        """See `Passing.pass_on`."""
        needs = error.needs if isinstance(error, Lacking) else "a newer worker"
        logger.warning("instance %s waits for %s: %s", bell.instance_id, needs, error)
        await self._show(bell.instance_id, needs)
        return True


class SkippingWorld(World):
    """A world with one process, which lets time pass for who waits. `patience` is how many real
    seconds a wait may take."""

    def __init__(
        self, options: RuntimeOptions, *, start: datetime, patience: float, telemetry: Telemetry
    ) -> None:
        super().__init__(options, storage=memory_storage(ManualClock(start)), telemetry=telemetry)
        self.patience = patience
        self.underway = Underway()
        self.outside = Storage(
            tables=self.tables, queues=self.queues, clock=OutsideClock(self), describe="memory"
        )
        """For clients."""
        self._executors: list[InTurn] = []
        self._waiters: dict[Waiter[Any], None] = {}
        self._driver: asyncio.Task[None] | None = None
        self._one = asyncio.Lock()
        self._sweeps = SWEEPS

    def now(self) -> datetime:
        """The time."""
        now: datetime = self.clock.now()
        return now

    def monotonic(self) -> float:
        """Seconds since the start."""
        seconds: float = self.clock.monotonic()
        return seconds

    # ---- life ----

    async def begin(self) -> None:
        """Start the process, on the running event loop."""
        self.underway.begin()
        await self.add_runtime()

    async def end(self) -> None:
        """Stop all; who waits still is told so."""
        if self._driver is not None:
            self._driver.cancel()
            with suppress(asyncio.CancelledError):
                await self._driver
        for waiter in self._waiters:
            waiter.fail(StalledError("the hub was closed"))
        for runtime in list(self.runtimes):
            await self.stop(runtime)

    async def add_runtime(
        self, registry: Registry | None = None, options: RuntimeOptions | None = None
    ) -> Runtime:
        """See `World.add_runtime`."""
        runtime = await super().add_runtime(registry, options)
        runtime.passing = NobodyElse(runtime)
        calls = 0

        async def before(name: str, arguments: tuple[Any, ...]) -> None:
            # storage in memory never waits: code that goes on for ever would stop all else
            nonlocal calls
            calls += 1
            if calls % CALLS == 0:
                await asyncio.sleep(0)

        self.processes[runtime].before = before
        return runtime

    def executor(self) -> Executor:
        """See `World.executor`."""
        executor = InTurn(self.underway)
        self._executors.append(executor)
        return executor

    def crash(self) -> None:
        """See `World.crash`. What a process leaves behind may be found by a sweep alone."""
        super().crash()
        self._sweeps = 0

    # ---- waiting ----

    async def wait(
        self,
        done: Callable[[], Awaitable[T | None]],
        *,
        until: datetime | None = None,
        explain: Callable[[], Awaitable[str]],
    ) -> T | None:
        """What `done` answers once it is not None; None when it is `until` before. Raises
        StalledError, with what `explain` says, and what `done` raises."""
        found = await done()
        if found is not None or (until is not None and until <= self.now()):
            return found
        waiter = Waiter(done, until, explain, self.now())
        self._waiters[waiter] = None
        if waiter.within is not None:
            waiter.within.waits += 1
            self.underway.changed()
        elif self._driver is None or self._driver.done():
            self._driver = asyncio.ensure_future(self._drive())
        try:
            return await waiter.came
        finally:
            del self._waiters[waiter]
            if waiter.within is not None:
                waiter.within.waits -= 1

    async def pass_to(self, moment: datetime) -> None:
        """Let things happen until then."""

        async def never() -> None:
            return None

        async def explain() -> str:
            return f"the clock stands at {self.now()} and does not come to {moment}"

        await self.wait(never, until=moment, explain=explain)

    async def settle(self) -> bool:
        """Let happen what needs no time; False if more is left after a while."""
        async with self._one:
            while await self.is_idle(ROUNDS):
                await self.replace_dead()
                if await self.deliver() or any(each.start_next() for each in self._executors):
                    continue
                if not self.underway.busy:
                    return True
                if not await self.underway.progress(SLICE):
                    return False
            return False

    async def _drive(self) -> None:
        try:
            while any(waiter.within is None for waiter in self._waiters):
                is_quiet = await self.settle()
                if await self._tell():
                    # who was told goes on first
                    await self.is_idle(ROUNDS)
                elif is_quiet:
                    await self._jump()
        except asyncio.CancelledError:
            for waiter in self._waiters:
                waiter.fail(StalledError("the hub was closed"))
            raise
        except Exception as error:
            for waiter in self._waiters:
                waiter.fail(error)

    async def _tell(self) -> bool:
        """Tell whose wait is over; whether there was any."""
        told = False
        for waiter in [each for each in self._waiters if not each.came.done()]:
            try:
                found = await waiter.done()
                is_over = waiter.until is not None and waiter.until <= self.now()
                if found is not None or is_over:
                    waiter.came.set_result(found)
                elif time.monotonic() - waiter.began > self.patience:
                    waiter.fail(StalledError(await self._impatient(waiter)))
            except Exception as error:
                waiter.fail(error)
            told |= waiter.came.done()
        return told

    async def _impatient(self, waiter: Waiter[Any]) -> str:
        busy = self.underway.busy
        why = f"{', '.join(busy)} did not end" if busy else "things go on, but not this"
        return (
            f"gave up after {self.patience:g} s of real time, in which the clock went from "
            f"{waiter.since} to {self.now()}: {why}; {await waiter.explain()}. TestHub(…, "
            "patience=…) waits longer"
        )

    # ---- time ----

    async def _jump(self) -> None:
        """Go to the next thing that is due, or say that there is none."""
        now = self.now()
        visible = self.queues.next_visible()
        if visible is not None and visible <= now:
            # nobody has room for it: look again in a while
            visible = now + timedelta(seconds=1)
        far = await self.far_timers(after=now)
        known = [self.clock.next_wake(), visible, *(waiter.until for waiter in self._waiters), *far]
        moments = [moment for moment in known if moment is not None and moment > now]
        if moments:
            self.clock.advance_to(max(min(moments), now + TICK))
            if any(due <= self.now() for due in await self.far_timers()):
                self._begin_sweep()
        elif self._sweeps < SWEEPS:
            self._sweeps += 1
            self.clock.advance_to(now + SWEEP)
            self._begin_sweep()
        else:
            await self._stall()

    def _begin_sweep(self) -> None:
        # a process that dies of it must not take the one who lets time pass with it
        self.sweeper().spawn(self.sweep())

    async def _stall(self) -> None:
        for waiter in [each for each in self._waiters if each.within is None]:
            waiter.fail(StalledError(f"nothing is due any more: {await waiter.explain()}"))
        # who was told goes on first
        await asyncio.sleep(0)
