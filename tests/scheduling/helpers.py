from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from durable.client.builtin import bind_client
from durable.engine.context import DurableOrchestrationContext as Context
from durable.model.instance import InstanceStatus
from durable.scheduling import ScheduleClient, schedule_entity
from tests.memory_hub import MemoryHub

T = TypeVar("T")


class Scheduling(MemoryHub):
    """A hub with schedules, and the orchestrators `report`, which ends at once, and `slow`, which
    takes 25 seconds."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.registry.add(schedule_entity())

        @self.orchestrator
        async def report(context: Context) -> Any:
            return [context.get_input(), context.current_utc_datetime.isoformat()]

        @self.orchestrator
        async def slow(context: Context) -> Any:
            await context.create_timer(timedelta(seconds=25))

    async def __aenter__(self) -> Scheduling:
        await super().__aenter__()
        bind_client(self.registry, self.client)
        self.schedules = ScheduleClient(self.client)
        return self

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """Let things happen until a client's call returns."""
        task = asyncio.ensure_future(work)
        await self.until(task.done)
        return task.result()

    async def ran(self, prefix: str = "") -> list[InstanceStatus]:
        """All runs, oldest first."""
        found = [i async for i in self.outside.list_instances(instance_id_prefix=prefix)]
        return sorted(found, key=lambda status: status.created_time)

    async def planned(self, prefix: str = "") -> list[str]:
        """The planned times in the ids of all runs."""
        return sorted([i.instance_id.rpartition("-")[2] for i in await self.ran(prefix)])

    async def sleep_until(self, moment: datetime) -> None:
        """Let things happen until then."""
        await self.run((moment - self.clock.now()).total_seconds())
