"""An audit ends the lock of an owner that is gone, and no other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.hub.messages import Doorbell
from durable.model.entities import EntityId
from durable.runtime.runtime import Runtime
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import head_of

ONE = EntityId("counter", "one")


async def test_an_audit_with_an_old_head_in_memory_leaves_the_next_owners_lock_alone() -> None:
    """One worker remembers the first owner's lock; another has released it, and granted the next.
    The first owner has ended, as the audit finds: that is not who holds the lock now."""
    hub = MemoryHub(workers=2)
    hub.sweeping = False

    @hub.entity
    def counter(context: EntityContext) -> None:
        context.set_state(context.operation_name)

    @hub.orchestrator
    async def owner(context: Context) -> Any:
        async with context.lock_entities([ONE]):
            await context.wait_for_external_event("go")

    async def owned_by() -> str:
        lock = (await head_of(hub, str(ONE))).lock
        return lock.owner.instance_id if lock is not None else ""

    def only(serving: Runtime) -> None:
        for runtime in hub.runtimes:
            assert runtime.on_look_away is not None
            until = 0.0 if runtime is serving else hub.clock.monotonic() + 1000
            runtime.on_look_away(queue, until)

    async with hub:
        remembers, goes_on = hub.runtimes
        (queue,) = hub.hub.names.control_queues
        only(remembers)
        await hub.outside.start_new("owner", "first")
        await hub.run(1)
        assert await owned_by() == "first"

        only(goes_on)
        await hub.outside.start_new("owner", "second")
        await hub.outside.raise_event("first", "go")
        await hub.wait("first", timedelta(seconds=10))
        await hub.run(35)
        assert await owned_by() == "second"

        only(remembers)
        await hub.queues.send(queue, Doorbell(str(ONE), audit=True).encode())
        await hub.run(5)
        assert await owned_by() == "second"
        await hub.outside.raise_event("second", "go")
        await hub.wait("second", timedelta(seconds=10))
        await hub.run(5)
        assert await owned_by() == ""
