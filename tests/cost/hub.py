"""A hub in memory whose storage operations are counted; who looks on is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Self

from durable.client import DurableOrchestrationClient
from durable.codec import decode
from durable.hub.hub import Hub
from durable.model.functions import Registry
from durable.model.meter import Meter
from durable.model.usage import Metered
from durable.runtime.metering import UsageReporter
from durable.runtime.options import RuntimeOptions
from durable.runtime.runtime import Runtime
from durable.storage.metering import metered
from durable.worker.pumps import Pumps
from tests.memory_hub import MemoryHub


class MeteredHub(MemoryHub):
    """A MemoryHub with a meter; it does not sweep unless told to."""

    def __init__(self, options: RuntimeOptions | None = None, *, workers: int = 1) -> None:
        super().__init__(options, workers=workers)
        self.meter = Meter()
        self.plain = self.storage
        self.use(metered(self.plain, self.meter))
        self.reporters: dict[Runtime, UsageReporter] = {}
        self.sweeping = False

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.watcher = DurableOrchestrationClient(Hub(self.plain, "Test"))
        return self

    async def add_runtime(
        self, registry: Registry | None = None, options: RuntimeOptions | None = None
    ) -> Runtime:
        runtime = await super().add_runtime(registry, options)
        reporter = UsageReporter(runtime.hub, self.meter, runtime.spawn, host="worker", node="here")
        runtime.on_turn = reporter.note_turn
        self.reporters[runtime] = reporter
        return runtime

    async def finish(self, instance_id: str) -> Any:
        """Let things happen until the instance has ended, and its run too; its output."""

        async def has_ended() -> bool:
            status = await self.watcher.get_status(instance_id)
            return status is not None and status.runtime_status.is_terminal

        await self.rest()
        await self.until(has_ended, limit=30 * 86_400)
        await self.rest()
        status = await self.watcher.get_status(instance_id)
        assert status is not None
        assert status.runtime_status == "Completed", status
        return decode(status.output) if status.output is not None else None

    async def rest(self) -> None:
        """Until nothing goes on that needs no time."""
        await self.idle()
        while await self.deliver():
            await self.idle()

    async def an_hour_idle(self) -> None:
        """An hour of the pumps of the first runtime, and nothing else."""
        runtime = self.runtimes[0]
        pumps = Pumps(replace(self.storage), runtime)
        pumps.start()
        end = self.clock.monotonic() + 3600
        while True:
            await self.idle()
            wake = self.clock.next_wake()
            assert wake is not None, "pumps look again and again"
            left = end - self.clock.monotonic()
            if (wake - self.clock.now()).total_seconds() > left:
                break
            self.clock.advance_to(wake)
        stopping = asyncio.ensure_future(pumps.stop(1.0))
        await self.idle()
        await stopping

    def read(self) -> Metered:
        """The counts up to now."""
        return self.meter.read()

    async def _receive(self, runtime: Runtime, queue: str, handle: Any, room: int) -> bool:
        # through the meter, other than in a MemoryHub
        unmetered, self.queues = self.queues, self.storage.queues
        try:
            return await super()._receive(runtime, queue, handle, room)
        finally:
            self.queues = unmetered
