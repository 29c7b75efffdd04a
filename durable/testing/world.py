"""A hub in memory with one runtime or several, on one event loop, where nothing happens by itself:
whoever holds the world delivers messages and moves the clock."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from durable.errors import StorageError
from durable.hub.hub import Hub
from durable.hub.keys import due_bound
from durable.hub.timers import TIMER_SHARDS
from durable.model.functions import Registry
from durable.ports import Clock, Storage, Where
from durable.runtime.guards import Keeper
from durable.runtime.options import RuntimeOptions
from durable.runtime.runtime import Runtime
from durable.storage.memory import memory_storage
from durable.telemetry import NO_TELEMETRY, Telemetry
from durable.testing.processes import Mortal, Process

HUB = "Test"
LEASE = 20.0
"""Seconds for which a received message is hidden, as a pump of ours has it."""
ROUNDS = 200
"""Rounds of an event loop that does not say whether anything is ready, until nothing should be."""

_LATER = timedelta(microseconds=1)


class World:
    """See the module. `registry` has the app's functions; `storage` is on a `ManualClock`."""

    def __init__(
        self,
        options: RuntimeOptions | None = None,
        *,
        storage: Storage | None = None,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        self.storage = storage or memory_storage()
        self.clock: Any = self.storage.clock
        self.queues: Any = self.storage.queues
        self.tables: Any = self.storage.tables
        self.registry = Registry()
        self.options = options or RuntimeOptions()
        self.telemetry = telemetry
        self.runtimes: list[Runtime] = []
        self.processes: dict[Runtime, Process] = {}
        self.use(self.storage)

    def use(self, storage: Storage, new_id: Callable[[int], str] = secrets.token_hex) -> None:
        """Let everything but who holds the world go through `storage`; before anything begins."""
        self.storage = storage
        self.new_id = new_id
        self.hub = Hub(storage, HUB, new_id=new_id, telemetry=self.telemetry)

    # ---- processes ----

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
            Hub(storage, HUB, new_id=self.new_id, telemetry=self.telemetry),
            registry or self.registry,
            keeper,
            options or self.options,
            executor=self.executor(),
        )
        runtime.on_look_away = process.look_away
        self.processes[runtime] = process
        self.runtimes.append(runtime)
        return runtime

    def executor(self) -> Executor | None:
        """What runs a new process's sync functions; None: threads of its own."""
        return None

    def process_clock(self, process: Process) -> Clock:
        """The clock that one process goes by."""
        clock: Clock = self.clock
        return clock

    async def stop(self, runtime: Runtime, *, drain: float = 0) -> None:
        """As by SIGTERM: what runs may end, then messages are left to others."""
        self.runtimes.remove(runtime)
        await runtime.drain(drain)
        await runtime.keeping.close()

    async def kill(self, runtime: Runtime) -> None:
        """As by kill -9: nothing that it does reaches storage any more."""
        self.processes[runtime].alive = False
        await self.stop(runtime)

    def crash(self) -> None:
        """From user code: end all processes here and now. `replace_dead` starts new ones."""
        for runtime in self.runtimes:
            self.processes[runtime].alive = False

    async def replace_dead(self) -> None:
        """Start a process for each that has ended."""
        for runtime in [r for r in self.runtimes if not self.processes[r].alive]:
            await self.kill(runtime)
            await self.add_runtime()

    def sweeper(self) -> Runtime:
        """The process that sweeps."""
        return self.runtimes[0]

    async def sweep(self) -> None:
        """What a worker does every ten seconds; storage that fails is left to the next time."""
        with suppress(StorageError):
            await self.sweeper().sweep()

    # ---- what happens ----

    async def is_idle(self, rounds: int) -> bool:
        """Let run what can, for so many rounds of the event loop at most; whether nothing can run
        any more then."""
        loop: Any = asyncio.get_running_loop()
        ready = getattr(loop, "_ready", None)
        await asyncio.sleep(0)
        for done in range(rounds):
            if not ready and (ready is not None or done >= ROUNDS):
                return True
            await asyncio.sleep(0)
        return False

    async def deliver(self) -> bool:
        """Give each runtime what it has room for; False when nothing was visible."""
        found, due = False, self.queues.due()
        for runtime in self.runtimes if due else ():
            process, now = self.processes[runtime], self.clock.monotonic()
            if process.resumes > now:
                continue
            for queue in runtime.control_queues:
                if queue not in due or process.away.get(queue, 0.0) > now:
                    continue
                found |= await self._receive(
                    runtime, queue, runtime.messages.handle_control, runtime.turn_room()
                )
            for activity in runtime.work_queues:
                if due.isdisjoint(runtime.lanes(activity)):
                    continue
                gate = runtime.flow.gate(activity)
                room = runtime.activity_room()
                room = room if gate is None else min(room, gate.room)
                for queue in runtime.lanes(activity):
                    handle = runtime.messages.handle_work
                    if await self._receive(runtime, queue, handle, room):
                        found = True
                        break
        return found

    async def _receive(self, runtime: Runtime, queue: str, handle: Any, room: int) -> bool:
        if not room:
            return False
        asked = runtime.hub.storage.clock.monotonic()
        limit = min(32, max(1, room // runtime.weight(queue)))
        messages = await self.queues.receive(queue, limit=limit, lease=LEASE)
        for message in messages:
            runtime.spawn(handle(queue, message, asked))
        return bool(messages)

    async def far_timers(self, *, after: datetime | None = None) -> list[datetime]:
        """When the first far timer of each shard is due: of those after a time, or of all, overdue
        ones included."""
        later = [] if after is None else [Where("RowKey", "ge", due_bound(after + _LATER))]
        due: list[datetime] = []
        for number in range(TIMER_SHARDS):
            page = await self.tables.query(
                self.hub.names.index,
                [Where("PartitionKey", "eq", f"timer{number}"), *later],
                limit=1,
            )
            due += [row.values["due"] for row in page.rows]
        return due
