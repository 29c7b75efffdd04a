"""The workers of a simulated hub: processes that are killed, stopped and replaced, each with a
clock of its own, some fed as by a queue trigger."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from durable.errors import StorageError
from durable.hub.keys import HubNames
from durable.hub.timers import TIMER_SHARDS
from durable.model.filters import WorkItemFilters
from durable.model.functions import Registry
from durable.model.versioning import VersioningOptions, VersionMatchStrategy
from durable.ports import Clock, Message, Storage
from durable.runtime.options import RuntimeOptions
from durable.runtime.runtime import Runtime
from durable.storage.azure.clock import ServiceClock
from durable.storage.memory import ManualClock
from durable.telemetry import NO_TELEMETRY
from durable.testing.processes import Process
from tests.attack.scanning import text_of
from tests.memory_hub import MemoryHub
from tests.simulation.storage import Faults, Unreliable, brief
from tests.simulation.telling import Told
from tests.simulation.watch import Watch, WatchedQueues, WatchedTables

SKEW = 600.0
TRIGGER_LEASE = 600
HUB = HubNames("Test")


class WorkerClock(ServiceClock):
    """The real estimate of the service's time, on a machine whose own clock is off."""

    def __init__(self, service: ManualClock, skew: float) -> None:
        self._service = service
        self._answered = math.nan
        super().__init__(lambda: service.monotonic() + skew)
        self.answered()

    def answered(self) -> None:
        """An answer of the service came just now, with its Date."""
        now = self.monotonic()
        if now != self._answered:
            # a moment's second answer says nothing new
            self._answered = now
            date = self._service.now().replace(microsecond=0, tzinfo=UTC)
            self.observe(date, sent=now, received=now)

    async def sleep(self, seconds: float) -> None:
        """See `durable.ports.Clock.sleep`."""
        await self._service.sleep(seconds)


class Site(MemoryHub):
    """See the module."""

    def __init__(
        self, rnd: random.Random, faults_of: Any, options: RuntimeOptions, *, told: bool = False
    ) -> None:
        """`faults_of(clock)` makes the faults on the hub's clock. With `told` somebody listens to
        what processes tell of themselves."""
        clock = ManualClock()
        self.random = rnd
        self.watch = Watch(clock)
        self.watch.ahead = options.checkpoint_steps > 1
        tables = WatchedTables(clock, self.watch, scan_limit=rnd.choice((1000, 1000, 7)))
        queues = WatchedQueues(clock, rnd)
        queues.watch = self.watch
        super().__init__(
            options,
            workers=rnd.choice((1, 2, 3)),
            storage=Storage(tables=tables, queues=queues, clock=clock),
        )
        self.faults: Faults = faults_of(clock)
        unreliable = Storage(
            tables=Unreliable(tables, self.faults),
            queues=Unreliable(queues, self.faults),
            clock=clock,
        )
        self.told = Told(self.watch) if told else None
        self.telemetry = self.told or NO_TELEMETRY
        self.use(unreliable, lambda size: rnd.randbytes(size).hex())
        self.max_dequeue = 1000
        """Deliveries by a queue trigger before a message is poison. Only the audit finds what such
        a message was to do: without one, no message is."""
        self._names: dict[Runtime, str] = {}
        self._triggered: dict[Runtime, bool] = {}
        self._partial: set[Runtime] = set()
        self._started = 0

    async def __aexit__(self, *exc: object) -> None:
        for runtime in list(self.runtimes):
            await self.kill(runtime)

    def process_clock(self, process: Process) -> Clock:
        """See `MemoryHub.process_clock`."""
        return WorkerClock(self.clock, self.random.uniform(-SKEW, SKEW))

    async def add_runtime(
        self, registry: Registry | None = None, options: RuntimeOptions | None = None
    ) -> Runtime:
        """See `MemoryHub.add_runtime`; about a third of the processes are fed by a trigger, and
        some take only a part of the app."""
        partial = None
        if any(each not in self._partial for each in self.runtimes) and self.random.random() < 0.2:
            partial = self._part()
        runtime = await super().add_runtime(registry, partial or options)
        self._started += 1
        if partial is not None:
            self._partial.add(runtime)
        self._names[runtime] = f"w{self._started}"
        self._triggered[runtime] = self.random.random() < 0.3
        clock: Any = runtime.hub.storage.clock

        async def before(name: str, args: tuple[Any, ...]) -> None:
            if self.faults.traced:
                self.faults.note(f"{self._names[runtime]}: {name} {brief(name, args)}")
            self._maybe_dies(runtime, f"killed before {name}")

        async def after(name: str, args: tuple[Any, ...]) -> None:
            clock.answered()
            self._maybe_dies(runtime, f"killed after {name}")

        self.tamper(runtime, before=before, after=after)
        return runtime

    def _part(self) -> RuntimeOptions:
        """What a worker may be limited to."""
        rnd = self.random
        if rnd.random() < 0.4:
            older = VersioningOptions("1.0", match_strategy=VersionMatchStrategy.CURRENT_OR_OLDER)
            return replace(self.options, versioning=older)
        filters = WorkItemFilters(
            rnd.choice(((), tuple(self.registry.orchestrators))),
            rnd.sample(tuple(self.registry.activities), 4),
            rnd.choice(((), tuple(self.registry.entities))),
        )
        return replace(self.options, filters=filters)

    def sweeper(self) -> Runtime:
        """See `MemoryHub.sweeper`: what takes only a part leaves the rest to others."""
        return next((r for r in self.runtimes if r not in self._partial), self.runtimes[0])

    def _maybe_dies(self, runtime: Runtime, how: str) -> None:
        if self.processes[runtime].alive and self.faults.strikes(how, 0.15):
            self.processes[runtime].alive = False
            for task in list(runtime._tasks):
                asyncio.get_running_loop().call_soon(task.cancel)
            raise asyncio.CancelledError

    async def suffer(self) -> None:
        """Kill or stop a process, now and then, whatever it is at."""
        if not self.runtimes:
            return
        runtime = self.random.choice(self.runtimes)
        if self.faults.strikes("killed", 0.5):
            await self.kill(runtime)
            await self.add_runtime()
        elif self.faults.strikes("stopped", 0.3):
            self.pause(runtime, self.random.choice((5, 15, 25, 60, 200)))

    # ---- pumps ----

    async def _receive(self, runtime: Runtime, queue: str, handle: Any, room: int) -> bool:
        if not room or not self.queues.is_due(queue) or self.faults.queues_down():
            return False
        if not self._triggered[runtime]:
            if self.faults.strikes("receive answer lost", 0.5):
                await self.queues.receive(queue, limit=min(32, room), lease=20)
                return True
            return await super()._receive(runtime, queue, handle, room)
        messages = await self.queues.receive(queue, limit=min(16, room), lease=TRIGGER_LEASE)
        take = runtime.messages.trigger_control
        if handle == runtime.messages.handle_work:
            take = runtime.messages.trigger_work
        for message in messages:
            runtime.spawn(self._triggers(runtime, queue, message, take))
        return bool(messages)

    async def _triggers(self, runtime: Runtime, queue: str, message: Message, take: Any) -> None:
        """As the Functions host does: a failure shows the message again, five poison it."""
        receipt, count = message.receipt, message.dequeue_count
        try:
            await take(queue, message.body, receipt.message_id, count)
        except Exception as error:
            if not self.processes[runtime].alive:
                return
            self.faults.note(f"{self._names[runtime]} failed: {error!r}")
            if count < self.max_dequeue:
                with suppress(StorageError):
                    await self.queues.extend(queue, receipt, lease=0)
                return
            self.faults.counts["poison"] += 1
        if self.processes[runtime].alive:
            with suppress(StorageError):
                await self.queues.delete(queue, receipt)

    # ---- looking ----

    async def _far_timers(self) -> list[datetime]:
        now = self.clock.now()
        rows = (
            row
            for number in range(TIMER_SHARDS)
            for row in self.tables.rows(HUB.index, f"timer{number}").values()
        )
        return [due for row in rows if (due := row.values["due"]) > now]

    def heads(self) -> list[dict[str, Any]]:
        """The columns of every head there is."""
        found = []
        for partition in self.tables.partitions(HUB.history):
            rows = self.tables.rows(HUB.history, partition)
            found += [dict(row.values) for key, row in rows.items() if key[0] == "!"]
        return found

    def everything(self) -> Iterator[str]:
        """All that rows and messages say, but those of orchestrations."""
        for table in HUB.tables:
            for partition in self.tables.partitions(table):
                if table == HUB.history and not partition.startswith("@"):
                    continue
                for row in self.tables.rows(table, partition).values():
                    yield f"{table} {row.partition} {row.key} {text_of(row.values)}"
        for name, queue in self.queues._queues.items():
            yield from (f"{name} {each.body!r}" for each in queue.messages.values())
