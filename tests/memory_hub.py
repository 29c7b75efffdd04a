"""A hub in memory with one runtime or several, where time passes only when nothing else can."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Self

from durable.client import DurableOrchestrationClient
from durable.errors import StorageError
from durable.hub.hub import Hub
from durable.hub.timers import TIMER_SHARDS
from durable.model.functions import (
    ActivityDefinition,
    EntityDefinition,
    OrchestratorDefinition,
    Registry,
)
from durable.model.instance import InstanceStatus
from durable.ports import Clock, Storage, Where
from durable.runtime.guards import Keeper
from durable.runtime.runtime import Runtime, RuntimeOptions
from durable.storage.memory import memory_storage

SWEEP = timedelta(seconds=10)
QUIET_SWEEPS = 40
SPINS = 100_000

Hook = Callable[[str, tuple[Any, ...]], Awaitable[None]]
"""Called with the name and the arguments of a storage call; may wait or raise."""


class MemoryHub:
    """Register functions, enter, and use `client`; `run()` lets things happen."""

    def __init__(
        self,
        options: RuntimeOptions | None = None,
        *,
        workers: int = 1,
        storage: Storage | None = None,
    ) -> None:
        self.storage = storage or memory_storage()
        self.clock: Any = self.storage.clock
        self.queues: Any = self.storage.queues
        self.tables: Any = self.storage.tables
        self.registry = Registry()
        self.options = options or RuntimeOptions()
        self.runtimes: list[Runtime] = []
        self.workers = workers
        self.processes: dict[Runtime, Process] = {}
        self.sweeping = True
        self.use(self.storage)
        self._sweep: asyncio.Task[None] | None = None
        self._swept = self.clock.now()
        self._quiet = 0

    def use(self, storage: Storage, new_id: Callable[[int], str] = secrets.token_hex) -> None:
        """Let everything but this harness go through `storage`; before entering."""
        self.storage = storage
        self.new_id = new_id
        self.hub = Hub(storage, "Test", new_id=new_id)

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
        await self.hub.create(app="test", activities=tuple(self.registry.activities))
        for _ in range(self.workers):
            await self.add_runtime()
        if self.runtimes:
            self.client = DurableOrchestrationClient(
                self.hub, ringer=self.runtimes[0].ringer, registry=self.registry
            )
        self.outside = DurableOrchestrationClient(self.hub)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for runtime in list(self.runtimes):
            await self.stop(runtime)

    async def add_runtime(
        self, registry: Registry | None = None, options: RuntimeOptions | None = None
    ) -> Runtime:
        """One more process, with functions or options of its own perhaps."""
        process = Process(self.clock)
        storage = Storage(
            tables=Mortal(self.storage.tables, process),
            queues=Mortal(self.storage.queues, process),
            clock=self.process_clock(process),
        )
        keeper = Keeper(storage, asyncio.ensure_future)
        await keeper.start()
        runtime = Runtime(
            Hub(storage, "Test", new_id=self.new_id),
            registry or self.registry,
            keeper,
            options or self.options,
            executor=InlineExecutor(),
        )
        runtime.on_look_away = process.look_away
        self.processes[runtime] = process
        self.runtimes.append(runtime)
        return runtime

    def process_clock(self, process: Process) -> Clock:
        """The clock that one process goes by."""
        return self.clock  # type: ignore[no-any-return]

    async def stop(self, runtime: Runtime, *, drain: float = 0) -> None:
        """As by SIGTERM: what runs may end, then messages are left to others."""
        self.runtimes.remove(runtime)
        await runtime.drain(drain)
        await runtime.keeping.close()

    async def kill(self, runtime: Runtime) -> None:
        """As by kill -9: nothing that it does reaches storage any more."""
        self.processes[runtime].alive = False
        await self.stop(runtime)

    def tamper(
        self, runtime: Runtime, *, before: Hook | None = None, after: Hook | None = None
    ) -> None:
        """Let something befall a process's calls to storage."""
        process = self.processes[runtime]
        process.before, process.after = before, after

    def pause(self, runtime: Runtime, seconds: float) -> None:
        """As by SIGSTOP: nothing of it reaches storage for so long."""
        self.processes[runtime].resumes = self.clock.monotonic() + seconds

    def crash(self) -> None:
        """From user code: end all processes here and now. The next step starts new ones."""
        for runtime in self.runtimes:
            self.processes[runtime].alive = False

    async def _replace_dead(self) -> None:
        for runtime in [r for r in self.runtimes if not self.processes[r].alive]:
            await self.kill(runtime)
            await self.add_runtime()

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
        loop: Any = asyncio.get_running_loop()
        await asyncio.sleep(0)
        for _ in range(SPINS):
            if not loop._ready:
                return
            await asyncio.sleep(0)
        raise AssertionError("something spins: it goes on for ever without time passing")

    async def step(self, end: datetime | None = None) -> None:
        """Deliver what is visible, or else let time pass to the next thing, or to `end`."""
        await self.idle()
        await self._replace_dead()
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
            self._swept, runtime = self.clock.now(), self.sweeper()
            self._sweep = runtime.spawn(_swept(runtime))

    def sweeper(self) -> Runtime:
        """The process that sweeps."""
        return self.runtimes[0]

    async def deliver(self) -> bool:
        """Give each runtime what it has room for; False when nothing was visible."""
        found = False
        for runtime in self.runtimes:
            if self.processes[runtime].resumes > self.clock.monotonic():
                continue
            for queue in runtime.control_queues:
                if self.processes[runtime].away.get(queue, 0.0) > self.clock.monotonic():
                    continue
                found |= await self._receive(
                    runtime, queue, runtime.messages.handle_control, runtime.turn_room()
                )
            for queue in dict.fromkeys(runtime.work_queues.values()):
                found |= await self._receive(
                    runtime, queue, runtime.messages.handle_work, runtime.activity_room()
                )
        return found

    async def _receive(self, runtime: Runtime, queue: str, handle: Any, room: int) -> bool:
        if not room:
            return False
        asked = runtime.hub.storage.clock.monotonic()
        limit = min(32, max(1, room // runtime.weight(queue)))
        messages = await self.queues.receive(queue, limit=limit, lease=20)
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
        return [moment for moment in due if moment > self.clock.now()]

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


async def _swept(runtime: Runtime) -> None:
    with suppress(StorageError):
        await runtime.sweep()


class Process:
    """Whether it lives, and what befalls its calls to storage."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.away: dict[str, float] = {}

    def look_away(self, queue: str, seconds: float) -> None:
        """As a pump of ours does."""
        self.away[queue] = self.clock.monotonic() + seconds

    alive = True
    resumes = 0.0
    before: Hook | None = None
    after: Hook | None = None


class Mortal:
    """A connection that ends with its process: what a dead one still tries has no effect."""

    def __init__(self, inner: Any, process: Process) -> None:
        self._inner = inner
        self._process = process

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)

        async def mortal(*args: Any, **options: Any) -> Any:
            process = self._process
            if process.alive and process.resumes > process.clock.monotonic():
                await process.clock.sleep(process.resumes - process.clock.monotonic())
            if process.alive and process.before is not None:
                await process.before(name, args)
            if not process.alive:
                raise asyncio.CancelledError
            result = await call(*args, **options)
            if process.after is not None:
                await process.after(name, args)
            return result

        return mortal


class InlineExecutor(Executor):
    """Runs sync activities where they are submitted, so that runs are repeatable."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future
