"""A hub in memory with one runtime or several, where time passes only when nothing else can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta
from typing import Any, Self

from durable.client import DurableOrchestrationClient
from durable.model.functions import (
    ActivityDefinition,
    EntityDefinition,
    OrchestratorDefinition,
)
from durable.model.instance import InstanceStatus
from durable.ports import Storage
from durable.runtime.options import RuntimeOptions
from durable.runtime.runtime import Runtime
from durable.testing.processes import Hook
from durable.testing.world import World

SWEEP = timedelta(seconds=10)
QUIET_SWEEPS = 40
SPINS = 100_000


class MemoryHub(World):
    """Register functions, enter, and use `client`; `run()` lets things happen."""

    def __init__(
        self,
        options: RuntimeOptions | None = None,
        *,
        workers: int = 1,
        storage: Storage | None = None,
    ) -> None:
        super().__init__(options, storage=storage)
        self.workers = workers
        self.sweeping = True
        self._sweep: asyncio.Task[None] | None = None
        self._swept = self.clock.now()
        self._quiet = 0

    def orchestrator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.registry.add(OrchestratorDefinition(function.__name__, function))
        return function

    def activity(self, function: Callable[..., Any]) -> Callable[..., Any]:
        name = next(iter(function.__annotations__), "value")
        self.registry.add(ActivityDefinition(function.__name__, function, name))
        return function

    def queued_activity(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.registry.add(ActivityDefinition(function.__name__, function, "value", queued=True))
        return function

    def entity(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.registry.add(EntityDefinition(function.__name__, function))
        return function

    async def __aenter__(self) -> Self:
        await self.hub.create(
            app="test",
            activities=tuple(self.registry.activities),
            prioritized=self.registry.prioritized,
        )
        for _ in range(self.workers):
            await self.add_runtime()
        if self.runtimes:
            self.client = DurableOrchestrationClient(
                self.hub,
                ringer=self.runtimes[0].ringer,
                registry=self.registry,
                answerer=self.runtimes[0].queries,
            )
        self.outside = DurableOrchestrationClient(self.hub)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for runtime in list(self.runtimes):
            await self.stop(runtime)

    def executor(self) -> Executor:
        return InlineExecutor()

    def tamper(
        self, runtime: Runtime, *, before: Hook | None = None, after: Hook | None = None
    ) -> None:
        """Let something befall a process's calls to storage."""
        process = self.processes[runtime]
        process.before, process.after = before, after

    def pause(self, runtime: Runtime, seconds: float) -> None:
        """As by SIGSTOP: nothing of it reaches storage for so long, or for as long as was said
        before."""
        process = self.processes[runtime]
        process.resumes = max(process.resumes, self.clock.monotonic() + seconds)

    async def wait(self, instance_id: str, limit: timedelta | None = None) -> InstanceStatus:
        """Let things happen until the instance has ended."""
        until = self.clock.now() + (limit or timedelta(days=3650))
        while True:
            status = await self.outside.get_status(instance_id)
            if status is not None and status.runtime_status.is_terminal:
                return status
            assert self.clock.now() < until, f"{status}"
            await self.step()

    async def until(self, condition: Callable[[], Any], limit: float = 3600) -> None:
        """Let things happen until something is true (it may be a coroutine function)."""
        end = self.clock.now() + timedelta(seconds=limit)
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            assert self.clock.now() < end, "it did not come true"
            await self.step()

    async def run(self, seconds: float) -> None:
        """Let things happen for a while."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < end:
            await self.step(end)

    async def idle(self) -> None:
        """Until nothing can happen without time passing."""
        assert await self.is_idle(SPINS), "it goes on for ever without time passing"

    async def step(self, end: datetime | None = None) -> None:
        """Deliver what is visible, or else let time pass to the next thing, or to `end`."""
        await self.idle()
        await self.replace_dead()
        if await self.deliver():
            self._quiet = 0
            await self.idle()
            return
        now = self.clock.now()
        visible = self.queues.next_visible()
        if visible is not None and visible <= now:
            # nobody has room for it: look again in a while
            visible = now + timedelta(seconds=1)
        moments = [m for m in (self.clock.next_wake(), visible, end) if m]
        moments += await self._far_timers()
        moment = min(moments, default=now + SWEEP)
        if self.sweeping and moment - now > SWEEP:
            self._quiet += 1
            # once sweeps have found nothing for long, go to just before the next thing
            leap = moment - timedelta(seconds=15) if self._quiet > QUIET_SWEEPS else now
            moment = max(now + SWEEP, leap)
        self.clock.advance_to(max(moment, now + timedelta(milliseconds=1)))
        if self.sweeping and self.clock.now() - self._swept >= SWEEP:
            self._begin_sweep()
        await self.idle()

    def _begin_sweep(self) -> None:
        if self.runtimes and (self._sweep is None or self._sweep.done()):
            self._swept = self.clock.now()
            self._sweep = self.sweeper().spawn(self.sweep())

    async def _far_timers(self) -> list[datetime]:
        return [moment for moment in await self.far_timers() if moment > self.clock.now()]

    async def keys(self, table: str) -> list[str]:
        """The keys of all rows of a table."""
        found: list[str] = []
        token: str | None = None
        while True:
            page = await self.tables.query(table, [], token=token)
            found += [f"{row.partition} {row.key}" for row in page.rows]
            if (token := page.next) is None:
                return found

    async def messages(self) -> int:
        """How many messages all queues hold."""
        queues = {*self.hub.names.control_queues}
        for name in self.registry.activities:
            prioritized = name in self.registry.prioritized
            queues |= {*self.hub.names.lanes(name, priorities=prioritized)}
        return sum([await self.queues.length(queue) for queue in queues])


class InlineExecutor(Executor):
    """Runs sync activities where they are submitted, so that runs are repeatable."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future
