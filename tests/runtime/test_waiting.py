"""Who waits in the process that runs an instance is told of its end, and reads once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from durable.client import DurableOrchestrationClient
from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import InstanceNotFoundError
from durable.model.instance import InstanceStatus
from tests.memory_hub import MemoryHub

WAITERS = 50


class Counting(MemoryHub):
    """Counts its first process's reads of single rows; one orchestrator runs until `gate`."""

    def __init__(self, *, workers: int = 1) -> None:
        super().__init__(workers=workers)
        self.sweeping = False
        self.gets = 0
        self.gate = asyncio.Event()

        @self.activity
        async def held(value: Any) -> Any:
            await self.gate.wait()
            return value

        @self.orchestrator
        async def holds(context: Context) -> Any:
            return await context.call_activity("held", 7)

        @self.orchestrator
        async def waits(context: Context) -> Any:
            return await context.wait_for_external_event("go")

    def count(self) -> None:
        async def read(name: str, args: tuple[Any, ...]) -> None:
            self.gets += name == "get"

        self.tamper(self.runtimes[0], before=read)

    def waiting(self, instance_id: str, timeout: float | None = None) -> Any:
        return asyncio.ensure_future(self.waiter.wait_for_completion(instance_id, timeout))

    @property
    def waiter(self) -> DurableOrchestrationClient:
        return DurableOrchestrationClient(self.runtimes[0].hub, ringer=self.runtimes[0].ringer)


async def test_many_are_told_and_nobody_reads() -> None:
    async with Counting() as hub:
        await hub.client.start_new("holds", "h")
        hub.count()
        waiting = [hub.waiting("h") for _ in range(WAITERS)]
        await hub.run(8)
        assert hub.gets == 0
        hub.gate.set()
        statuses: list[InstanceStatus] = await asyncio.gather(*waiting)
        assert {status.output for status in statuses} == {"7"}
        assert hub.gets == 0


async def test_who_comes_after_the_end_is_not_left_waiting() -> None:
    async with Counting() as hub:
        hub.gate.set()
        late: list[Any] = []

        async def comes_late(name: str, args: tuple[Any, ...]) -> None:
            # the last turn is stored, and the run not over yet
            if name == "transact" and args[0] == hub.hub.names.instances and not late:
                head = await hub.hub.instances.head("h")
                if head is not None and head.is_terminal:
                    late.append(hub.waiting("h"))

        hub.tamper(hub.runtimes[0], before=comes_late)
        await hub.client.start_new("holds", "h")
        await hub.idle()
        [waiting] = late
        assert waiting.done()
        assert waiting.result().output == "7"


async def test_who_is_not_told_finds_out() -> None:
    """It ends in another process, where it went on."""
    async with Counting(workers=2) as hub:
        await hub.client.start_new("waits", "w")
        await hub.idle()
        waiting = hub.waiting("w")
        await hub.run(3)
        first = hub.runtimes[0]
        assert first.on_look_away is not None
        for queue in first.control_queues:
            first.on_look_away(queue, 60)
        await hub.outside.raise_event("w", "go", 3)
        await hub.run(2)
        assert (await waiting).output == "3"


async def test_a_time_out_names_the_status_also_where_it_runs() -> None:
    async with Counting() as hub:
        await hub.client.start_new("holds", "h")
        waiting = hub.waiting("h", 3)
        await hub.run(4)
        with pytest.raises(TimeoutError, match="still Running after 3"):
            await waiting
        with pytest.raises(TimeoutError, match="still Running after 0"):
            await hub.waiter.wait_for_completion("h", 0)
        hub.gate.set()
        await hub.wait("h")


async def test_nobody_waits_for_what_there_is_not() -> None:
    async with Counting() as hub:
        with pytest.raises(InstanceNotFoundError):
            await hub.waiter.wait_for_completion("nobody")
