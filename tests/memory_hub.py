"""A hub in memory with one runtime or several, where time passes only when nothing else can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from durable.client import DurableOrchestrationClient
from durable.errors import StorageError
from durable.hub.hub import Hub
from durable.model.functions import ActivityDefinition, OrchestratorDefinition, Registry
from durable.model.instance import InstanceStatus
from durable.ports import Where
from durable.runtime.dispatch import TIMER_SHARDS
from durable.runtime.guards import Keeper
from durable.runtime.runtime import Runtime, RuntimeOptions
from durable.storage.memory import memory_storage


class MemoryHub:
    """Register functions, enter, and use `client`; `run()` lets things happen."""

    def __init__(self, options: RuntimeOptions | None = None, *, workers: int = 1) -> None:
        self.storage = memory_storage()
        self.clock: Any = self.storage.clock
        self.queues: Any = self.storage.queues
        self.tables: Any = self.storage.tables
        self.registry = Registry()
        self.hub = Hub(self.storage, "Test")
        self.options = options or RuntimeOptions()
        self.runtimes: list[Runtime] = []
        self.workers = workers
        self.sweeping = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.Task[None] | None = None

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

    async def __aenter__(self) -> Self:
        await self.hub.create(app="test", activities=tuple(self.registry.activities))
        for _ in range(self.workers):
            await self.add_runtime()
        self.client = DurableOrchestrationClient(
            self.hub, ringer=self.runtimes[0], registry=self.registry
        )
        self.outside = DurableOrchestrationClient(self.hub)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for runtime in self.runtimes:
            await self.stop(runtime)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def add_runtime(self) -> Runtime:
        keeper = Keeper(self.storage, asyncio.ensure_future)
        await keeper.start()
        runtime = Runtime(self.hub, self.registry, keeper, self.options)
        self.runtimes.append(runtime)
        return runtime

    async def stop(self, runtime: Runtime) -> None:
        await runtime.drain(0)
        await runtime.keeping.close()

    async def kill(self, runtime: Runtime) -> None:
        """As by kill -9: nothing of it runs on, nothing is handed over."""
        self.runtimes.remove(runtime)
        await runtime.keeping.close()
        tasks = list(runtime._tasks)
        for actor in runtime._actors.values():
            actor._offers.clear()
        for task in tasks:
            task.cancel()

    async def wait(self, instance_id: str, limit: timedelta | None = None) -> InstanceStatus:
        """Let things happen until the instance has ended."""
        until = self.clock.now() + (limit or timedelta(days=3650))
        while True:
            status = await self.outside.get_status(instance_id)
            if status is not None and status.runtime_status.is_terminal:
                return status
            assert self.clock.now() < until, f"{status}"
            await self.step()

    async def idle(self) -> None:
        """Until nothing can happen without time passing."""
        for _ in range(40):
            await asyncio.sleep(0)
        executors = [r.work._executor for r in self.runtimes]
        while any(  # noqa: ASYNC110 - threads of sync activities
            e._work_queue.qsize() or e._idle_semaphore._value < len(e._threads) for e in executors
        ):
            await asyncio.sleep(0.001)
        for _ in range(40):
            await asyncio.sleep(0)

    async def step(self) -> None:
        """Deliver what is visible, or else let time pass to the next thing."""
        await self.idle()
        if await self.deliver():
            return
        moments = [m for m in (self.clock.next_wake(), self.queues.next_visible()) if m]
        moments += await self._far_timers()
        now = self.clock.now()
        moment = min(moments, default=now + timedelta(seconds=10))
        if self.sweeping and moment - now > timedelta(seconds=10):
            moment = max(now + timedelta(seconds=10), moment - timedelta(seconds=15))
        self.clock.advance_to(max(moment, now + timedelta(milliseconds=1)))
        if self.sweeping and (self._sweep is None or self._sweep.done()):
            self._sweep = self.runtimes[0].spawn(self._swept(self.runtimes[0]))

    async def _swept(self, runtime: Runtime) -> None:
        with suppress(StorageError):
            await runtime.sweep()

    async def deliver(self) -> bool:
        found = False
        for runtime in self.runtimes:
            for queue in runtime.control_queues:
                found |= await self._receive(
                    runtime, queue, runtime.handle_control, runtime.turn_room()
                )
            for queue in set(runtime.work_queues.values()):
                found |= await self._receive(
                    runtime, queue, runtime.handle_work, runtime.activity_room()
                )
        return found

    async def _receive(self, runtime: Runtime, queue: str, handle: Any, room: int) -> bool:
        if not room:
            return False
        asked = self.clock.monotonic()
        messages = await self.queues.receive(queue, limit=min(32, room), lease=20)
        for message in messages:
            runtime.spawn(handle(queue, message, asked))
        return bool(messages)

    async def _far_timers(self) -> list[datetime]:
        due = []
        for number in range(TIMER_SHARDS):
            page = await self.tables.query(
                self.hub.names.index, [Where("PartitionKey", "eq", f"timer{number}")], limit=1
            )
            due += [row.values["due"] for row in page.rows]
        return due

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
        queues |= {self.hub.names.work_queue(name) for name in self.registry.activities}
        return sum([await self.queues.length(queue) for queue in queues])


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]
